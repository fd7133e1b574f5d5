"""SpikingJelly in `benchmarks/training.py`. See `_training.py` for what goes in and out.

Multi-step mode: every layer sees all of time at once, as its documentation advises; `detach_reset=True`, as in neuro4d. Recurrent layers go
step by step, since a spike is needed for the next input.
"""

from _training import TAU, read_job

JOB = read_job()

import importlib.metadata  # noqa: E402
import warnings  # noqa: E402

warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from _torch_training import linear, torch_worker  # noqa: E402
from spikingjelly.activation_based import functional, neuron, surrogate  # noqa: E402

given = dict(np.load(JOB["inputs"]))


def cells(mode: str) -> torch.nn.Module:
    return neuron.LIFNode(tau=TAU, v_threshold=1.0, v_reset=0.0, surrogate_function=surrogate.ATan(2.0), detach_reset=True, step_mode=mode)


class Recurrent(torch.nn.Module):
    """Neurons that hear each other one step later."""

    def __init__(self, weight: np.ndarray) -> None:
        super().__init__()
        self.cells, self.weight = cells("s"), linear(weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes, out = torch.zeros_like(x[0]), []
        for current in x:
            spikes = self.cells(current + self.weight(spikes))
            out.append(spikes)
        return torch.stack(out)


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.ModuleList([linear(given[f"w{k}"]) for k in range(3)])
        self.cells = torch.nn.ModuleList([Recurrent(given[f"v{k}"]) if f"v{k}" in given else cells("m") for k in range(3)])

    def spikes(self, x: torch.Tensor) -> list[torch.Tensor]:
        functional.reset_net(self)
        out = []
        for fc, layer in zip(self.fc, self.cells, strict=True):
            x = layer(fc(x))
            out.append(x)
        return out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.spikes(x)[-1]


net = Net()
torch_worker(JOB, given, net, net.fc[0].weight, net.spikes, "SpikingJelly", importlib.metadata.version("spikingjelly"))
