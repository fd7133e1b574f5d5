"""Networks of published measurements, as far as they are public: what `benchmarks/hardware_rows.py` predicts from."""

import itertools
from collections.abc import Sequence
from typing import Any

import brainunit as u
import msgspec
import numpy as np

import neuro4d as n4


def neurons(sizes: dict[str, int], *, events: Any = 0.0, spikes: Any = 0.0, steps: int = 1, dt: float = 1e-3) -> n4.hardware.Workload:
    """Layers whose synapses are not listed: `events` that arrive in all and `spikes` that are made, per step and layer, spread evenly."""
    counts = list(sizes.values())
    even = lambda x: np.repeat(np.broadcast_to(x, len(counts)) / np.array(counts), counts)  # noqa: E731
    none = np.zeros(0, np.int32)
    return n4.hardware.layered(list(sizes), counts, none, none, even(spikes), dt=dt * u.second, steps=steps, arrivals=even(events))


def dense(sizes: Sequence[int], spikes: Any, *, steps: int = 1, dt: float = 1e-3) -> n4.hardware.Workload:
    """Layers, each connected to the next with all synapses; `spikes` per neuron and step, of each layer."""
    first = np.concatenate([[0], np.cumsum(sizes)])
    ends = [np.divmod(np.arange(a * b), b) for a, b in itertools.pairwise(sizes)]
    pre = np.concatenate([pre + first[i] for i, (pre, _) in enumerate(ends)])
    post = np.concatenate([post + first[i + 1] for i, (_, post) in enumerate(ends)])
    made = np.repeat(np.broadcast_to(spikes, len(sizes)), sizes)
    return n4.hardware.layered([f"layer {i}" for i in range(len(sizes))], sizes, pre, post, made, dt=dt * u.second, steps=steps)


def on_cores(load: n4.hardware.Workload, target: Any, cores: int | Sequence[int], chips: int = 1) -> n4.hardware.Placement:
    """A workload on as many cores as were used: in all, or for each part, spread evenly over cores and chips."""
    chip = n4.hardware.target(target)
    if isinstance(cores, int):
        core = np.arange(load.n) * cores // load.n
    else:
        begin = np.concatenate([[0], np.cumsum(cores)])
        core = np.concatenate([begin[i] + np.arange(part.n) * cores[i] // part.n for i, part in enumerate(load.parts)])
    number = np.arange(int(core.max()) + 1)
    on = number * chips // len(number)
    return n4.hardware.Placement(chip, load, core.astype(np.int32), on * chip.chip.cores + number - np.searchsorted(on, on))


ACTIVITY = 0.1
"""Spikes per neuron and step of the keyword spotter, which are not published; they make 1 % of its power, and a tenth of that with 100 more layers."""


def spotter(copies: int) -> n4.hardware.Placement:
    """The keyword spotter, and `copies` branches of 10 layers between its hidden layers; a core for each layer of 256, 8 for input and output each."""
    branch = np.arange(1, 11)
    layers = (
        {"input": 390, "hidden 1": 256} | {f"branch {i}.{k}": 256 for i in range(copies) for k in branch} | {"hidden 2": 256, "output": 29}
    )
    events = [0, 390 * 256] + [256 * 256] * 10 * copies + [max(copies, 1) * 256 * 256, 256 * 29]
    load = neurons(layers, events=ACTIVITY * np.array(events), spikes=ACTIVITY * np.array(list(layers.values())), steps=10)
    return on_cores(load, "loihi1", [8, 1] + [1] * 10 * copies + [1, 8])


PILOTNET = {"input": 39600, "conv 1": 76032, "conv 2": 26460, "conv 3": 8064, "conv 4": 5632, "conv 5": 2560, "dense": 161}
CORES = (13, 25, 13, 3, 3, 2, 15)
EVENTS = (0, 0, 1_615_500, 3 * 150_800, 151_200, 67_000, 0)
"""Synaptic events per step of the cores of each layer, as the tutorial's figure shows them (sums over 10,000 steps, in billions, read to two digits)."""


def pilotnet() -> n4.hardware.Placement:
    """PilotNet as the compiler's report in the tutorial places it; spikes that leave are not counted, as their targets are not published."""
    return on_cores(neurons(PILOTNET, events=EVENTS, steps=16), "loihi2", CORES)


def small_board() -> n4.hardware.ChipTarget:
    """SpiNNaker 1 on a board of 4 chips."""
    chip = n4.hardware.target("spinnaker1")
    board = n4.hardware.Coefficient(
        value=3.56, low=2.43, high=3.92, flag="measured", source="4 chips at rest: 3.56 W in SpiNNMachine, 2.671 W in SNABSuite"
    )
    return msgspec.structs.replace(chip, power=msgspec.structs.replace(chip.power, board=board, chips_per_board=4))


EVENT_RATE = 0.95e9
"""Synaptic events per second of the microcircuit, from the watts, speeds and energies per event in its own list of benchmarks."""

CELLS = {"2/3e": 20683, "2/3i": 5834, "4e": 21915, "4i": 5479, "5e": 4850, "5i": 1065, "6e": 14395, "6i": 2948}


def microcircuit(cells: dict[str, int] = CELLS) -> n4.hardware.Workload:
    """The microcircuit of Potjans and Diesmann 2014 in steps of 0.1 ms."""
    n = np.array(list(cells.values()))
    return neurons(cells, events=EVENT_RATE * 1e-4 * n / n.sum(), spikes=3.1e-4 * n, steps=10_000, dt=1e-4)


def grid(rate: float, synapses: int) -> n4.hardware.Placement:
    """A million neurons that fire at `rate` Hz onto `synapses` neurons of another core, drawn at random. Of these synapses one is listed, and carries the packets;
    and 16 neurons of each core stand for its 256, with 16 times their spikes."""
    stand = 16
    n, core = 4096 * stand, np.arange(4096)
    to = np.random.default_rng(0).permutation(core)
    post = (to[:, None] * stand + np.arange(stand)).ravel()
    fired = np.full(n, rate * 1e-3 * 256 / stand)
    load = n4.hardware.layered(["all"], [n], np.arange(n), post, fired, dt=1 * u.ms, steps=1, arrivals=fired * (synapses - 1))
    return on_cores(load, "truenorth", 4096)


def feedforward(batch: int, more: int = 0) -> n4.hardware.Workload:
    """The keyword spotter as matrix products: every neuron of a sample sends one value; `more` layers of 256."""
    sizes = {f"hidden {i}": 256 for i in range(2 + more)} | {"output": 29}
    n = [390, *sizes.values()]
    events = np.array([a * b for a, b in itertools.pairwise(n)])
    return neurons({name: k * batch for name, k in sizes.items()}, events=batch * events)
