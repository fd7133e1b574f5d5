"""What the two torch workers share: loss, optimizer, updates. See `_training.py`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from _training import RATE, peak_mb, serve


def torch_worker(job: dict, given: dict, net: torch.nn.Module, first_weight: Any, spikes_of: Callable, name: str, version: str) -> None:
    """Writes what the first pass gives, then makes updates.

    `net(x)` gives the output spikes `(time, batch, 20)`; `spikes_of(x)` those of all three layers.
    """
    baseline_mb = peak_mb()
    torch.set_num_threads(job["threads"])
    x, y = torch.from_numpy(given["x"]), torch.from_numpy(given["y"]).long()
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, fused=True)

    def loss_of() -> torch.Tensor:
        return torch.nn.functional.cross_entropy(net(x).sum(0), y)

    with torch.no_grad():
        spikes = {f"s{k}": np.packbits(s.numpy() > 0) for k, s in enumerate(spikes_of(x))}
    loss = loss_of()
    loss.backward()
    np.savez(job["outputs"], loss=loss.item(), gradient=first_weight.grad.numpy().T, **spikes)
    forward_backward = torch.compile(loss_of) if job.get("compiled") else loss_of

    def update() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = forward_backward()
        loss.backward()
        optimizer.step()
        return loss.item()

    serve(
        update, baseline_mb, name=name, version=version, with_=f"torch {torch.__version__}" + (", compiled" if job.get("compiled") else "")
    )


def linear(weight: np.ndarray, factor: float = 1.0) -> torch.nn.Linear:
    """A layer of given weights `(inputs, outputs)`, without bias."""
    made = torch.nn.Linear(*weight.shape, bias=False)
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(weight.T * factor))
    return made
