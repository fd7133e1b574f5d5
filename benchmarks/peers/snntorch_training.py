"""snnTorch in `benchmarks/training.py`. See `_training.py` for what goes in and out.

`Leaky(reset_mechanism="zero", reset_delay=False)` is `v <- b v + x`, spike, reset to 0 in the same step, with b = 1 - 1/TAU and weights scaled by
1/TAU. The product of the inputs with the first weights is hoisted out of the loop over time, which its tutorials do not do; the layers after
it are fed step by step, as there. The derivative passes through the reset as well, which cannot be turned off.
"""

from _training import TAU, read_job

JOB = read_job()

import warnings  # noqa: E402

warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import snntorch as snn  # noqa: E402
import torch  # noqa: E402
from _torch_training import linear, torch_worker  # noqa: E402
from snntorch import surrogate  # noqa: E402

given = dict(np.load(JOB["inputs"]))
MANNER = {"beta": 1 - 1 / TAU, "spike_grad": surrogate.atan(alpha=2.0), "reset_mechanism": "zero", "reset_delay": False}


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.ModuleList([linear(given[f"w{k}"], 1 / TAU) for k in range(3)])
        self.cells = torch.nn.ModuleList([self._cells(k) for k in range(3)])

    def _cells(self, k: int) -> torch.nn.Module:
        if f"v{k}" not in given:
            return snn.Leaky(**MANNER)
        cells = snn.RLeaky(linear_features=given[f"v{k}"].shape[0], **MANNER)
        cells.recurrent = linear(given[f"v{k}"], 1 / TAU)
        return cells

    def spikes(self, x: torch.Tensor) -> list[torch.Tensor]:
        current = self.fc[0](x)
        states = [None] * 3
        out: list[list[torch.Tensor]] = [[], [], []]
        for step in range(x.shape[0]):
            now = current[step]
            for k, cells in enumerate(self.cells):
                now = now if k == 0 else self.fc[k](now)
                zeros = torch.zeros_like(now)
                if f"v{k}" in given:
                    spk, mem = states[k] or (zeros, zeros)
                    now, mem = cells(now, spk, mem)
                    states[k] = (now, mem)
                else:
                    now, states[k] = cells(now, zeros if states[k] is None else states[k])
                out[k].append(now)
        return [torch.stack(each) for each in out]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.spikes(x)[-1]


net = Net()
torch_worker(JOB, given, net, net.fc[0].weight, net.spikes, "snnTorch", snn.__version__)
