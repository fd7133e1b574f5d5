"""Where every neuron of a workload lies on a target, and what has been decided on the way there."""

import dataclasses
import functools
import importlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from neuro4d.hardware._interval import Interval
from neuro4d.hardware._schema import Chip, ChipTarget
from neuro4d.hardware._workload import Workload

TABLE = 1 << 22
"""Entries of a table of sources and cores."""

SPARSE = 16
"""Entries of such a table for each synapse from which on it takes longer to look through than its synapses to be sorted."""


class FanOut(NamedTuple):
    """Which cores each neuron reaches: the entries of neuron `i` are `start[i]` to `start[i + 1] - 1`, ascending in `core`.

    **Fields:** `start` `(n + 1,)`; `source`, `core` and number of `synapses` of each entry.
    """

    start: Int[np.ndarray, " n+1"]
    source: Int[np.ndarray, " k"]
    core: Int[np.ndarray, " k"]
    synapses: Int[np.ndarray, " k"]


class Change(NamedTuple):
    """What a pass did: its name, and numbers before and after by name."""

    name: str
    before: dict[str, float]
    after: dict[str, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Layout:
    """How the synapses of every core are stored, for each entry of the fan-out table: a list of the synapses of a source on a core.

    **Fields:** `index`: the number of every neuron in its core, from 0, `(n,)`; `width`: bits that name the target of a synapse, 0 where the list is dense: the first neurons
    of the core, one behind the other, `(k,)`; `first`: the entry whose list it is, its own number unless lists are shared, `(k,)`; `memory`: bits of every core, neurons
    included, `(cores,)`; `shared`: whether equal lists are one.
    """

    index: Int[np.ndarray, " n"]
    width: Int[np.ndarray, " k"]
    first: Int[np.ndarray, " k"]
    memory: Int[np.ndarray, " cores"]
    shared: bool


class Gating(NamedTuple):
    """That cores are off while nothing happens on them, and what it takes to switch one on again: `energy` in J, for each core, and `time` in s."""

    energy: Interval
    time: Interval


@dataclasses.dataclass(frozen=True, eq=False)
class Placement:
    """A workload on a target.

    **Arguments:**

    - `target`, `workload`: what was mapped where.
    - `core`: the core of every neuron, `(n,)`; cores are numbered from 0.
    - `site`: where every core lies, `(cores,)`: `chip * cores per chip + number in the chip`.
    - `changes`: the reports of the passes so far.
    - `layout`: how synapses are stored, after `compress`.
    - `gating`: the price of waking a core, after `gate`.
    """

    target: ChipTarget
    workload: Workload
    core: Int[np.ndarray, " n"]
    site: Int[np.ndarray, " cores"]
    changes: tuple[Change, ...] = ()
    layout: Layout | None = None
    gating: Gating | None = None

    @property
    def n_cores(self) -> int:
        """Cores in use."""
        return len(self.site)

    @functools.cached_property
    def n_chips(self) -> int:
        """Chips in use."""
        return len(np.unique(self.site // self.chip.cores))

    @property
    def chip(self) -> Chip:
        """The chip of the target."""
        return self.target.chip

    @functools.cached_property
    def fan_out(self) -> FanOut:
        """Which cores each neuron reaches, read from the synapses once."""
        return fan_out(self.workload, self.core, self.n_cores)

    @functools.cached_property
    def tile(self) -> Int[np.ndarray, "cores 3"]:
        """Chip, column and row of the tile of every core. Within a chip, cores fill tiles one behind the other, and tiles rows."""
        chip, inside = np.divmod(self.site, self.chip.cores)
        tile = inside // self.chip.per_tile
        return np.stack([chip, tile % self.chip.columns, tile // self.chip.columns], axis=1)

    def plot(self, what: Any = "load", ax: Any = None) -> Any:
        """The chip from above: `load`, `events`, `energy`, `messages` or `neurons` of every core, or its `temperature`; needs `pip install "neuro4d[plot]"`.

        **Returns:** matplotlib axes: `ax`, or new ones.
        """
        return importlib.import_module("neuro4d.plot").chip_map(self, what, ax)


def noted(placement: Placement, change: Change) -> Placement:
    """The same with one more report; what is known of the synapses is kept."""
    return knowing(dataclasses.replace(placement, changes=(*placement.changes, change)), placement.fan_out)


def knowing(placement: Placement, table: FanOut) -> Placement:
    """Gives a placement its fan-out table where that is known already: to read it from the synapses takes long."""
    vars(placement)["fan_out"] = table
    return placement


def fan_out(workload: Workload, core: Int[np.ndarray, " n"], n_cores: int) -> FanOut:
    """Which cores each neuron reaches, when neuron `i` lies on `core[i]`."""
    keys, numbers = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for piece in workload.connections.pieces():
        for some in _narrow(piece.pre, n_cores):
            key, number = _counted(piece.pre[some].astype(np.int64) * n_cores + core[piece.post[some]])
            keys.append(key)
            numbers.append(number)
    key, number = _merged(np.concatenate(keys), np.concatenate(numbers))
    source = (key // n_cores).astype(np.int32)
    start = np.searchsorted(source, np.arange(workload.n + 1)).astype(np.int64)
    return FanOut(start, source, (key % n_cores).astype(np.int32), number.astype(np.int32))


def _narrow(pre: Int[np.ndarray, " k"], n_cores: int) -> Iterator[slice]:
    """Stretches of ascending sources that span few enough for a table of them and all cores, or that have few synapses for so many sources."""
    rows, low = max(TABLE // n_cores, 1), 0
    falls = np.flatnonzero(np.diff(pre) < 0) + 1  # a piece may go through its sources in more than one run
    for end in (*falls.tolist(), len(pre)):
        while low < end:
            high = low + int(np.searchsorted(pre[low:end], pre[low] + rows))
            if (high - low) * SPARSE < rows * n_cores:
                high = min(max(high, low + TABLE // SPARSE), end)
            yield slice(low, high)
            low = high


def _counted(key: Int[np.ndarray, " k"]) -> tuple[np.ndarray, np.ndarray]:
    """Ascending keys, each once, and how often it was there: by a table of all that may be there, or sorted where that would be nearly empty."""
    first = int(key.min())
    if (int(key.max()) - first) <= SPARSE * len(key):
        counts = np.bincount(key - first)
        found = np.flatnonzero(counts)
        return found + np.int64(first), counts[found]
    key.sort()
    new = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    return key[new], np.diff(new, append=len(key))


def _merged(key: Int[np.ndarray, " k"], number: Int[np.ndarray, " k"]) -> tuple[np.ndarray, np.ndarray]:
    """Ascending keys, and the sums of the numbers of equal ones."""
    order = np.argsort(key, kind="stable")
    key, number = key[order], number[order]
    first = np.flatnonzero(np.concatenate([np.ones(min(len(key), 1), bool), key[1:] != key[:-1]]))
    return key[first], np.add.reduceat(number, first) if len(first) else number
