"""What recorders leave on the host after a run."""

import abc
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt32

from neuro4d._base import lookup


class Words(Mapping[str, UInt32[np.ndarray, "steps words"]]):
    """Packed spikes by population, cut out of those of its group when asked for: bit `i` of word `w` is neuron `32 * w + i` of the
    population."""

    def __init__(self, packed: Mapping[str, np.ndarray], spans: Mapping[str, Any]) -> None:
        self._packed, self._spans = packed, spans

    def __getitem__(self, population: str) -> UInt32[np.ndarray, "steps words"]:
        span = lookup(self._spans, population, "recorded population")
        return cut_words(self._packed[span.group], span.start, span.size)

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)


def cut_words(words: UInt32[np.ndarray, "steps words"], start: int, n: int) -> UInt32[np.ndarray, "steps words"]:
    """The bits of `n` neurons from `start` on: a view where they begin with a word and nobody follows in the last one, else repacked."""
    first, shift, width = start // 32, start % 32, -(-n // 32)
    own = words[:, first : first + width]
    rest = n % 32
    mask = np.uint32((1 << rest) - 1) if rest else np.uint32(0xFFFFFFFF)
    if shift:
        after = words[:, first + 1 : first + 1 + width]
        own = own >> np.uint32(shift)
        own[:, : after.shape[1]] |= after << np.uint32(32 - shift)
    if width and (own[:, -1] & ~mask).any():
        own = own if shift else own.copy()
        own[:, -1] &= mask
    return own


@dataclasses.dataclass(frozen=True, eq=False)
class SpikeRecord:
    """Every spike as packed bits: `words["cells"]` is an array `(steps, words)` of uint32; row `r` is step `start_step + r`.

    **Arguments:**

    - `packed`: such arrays by group, as they were recorded.
    - `spans`: where each recorded population lies: `name`, `group`, `start`, `size`.

    **Raises:** `ValueError` if an array is not two-dimensional uint32 or the groups disagree about the number of steps.
    """

    packed: Mapping[str, UInt32[np.ndarray, "steps words"]]
    spans: tuple[Any, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "packed", _packed(self.packed, "SpikeRecord"))

    @property
    def populations(self) -> dict[str, Any]:
        """Places of the recorded populations by name."""
        return {span.name: span for span in self.spans}

    @property
    def words(self) -> Words:
        """The bits by population, cut out when asked for."""
        return Words(self.packed, self.populations)

    @property
    def n_steps(self) -> int | None:
        """Steps in the record; `None` where it holds no population."""
        return next((len(each) for each in self.packed.values()), None)

    def __repr__(self) -> str:
        return f"SpikeRecord({self.n_steps} steps, {sum(each.nbytes for each in self.packed.values()) / 2**20:.1f} MiB)"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class WindowRecord(SpikeRecord):
    """The spikes of the last steps as packed bits, oldest row first, and how many earlier spikes were dropped.

    **Arguments:** as `SpikeRecord`; `dropped`: spikes.

    **Raises:** `ValueError` as `SpikeRecord`, and for a negative `dropped`.
    """

    dropped: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "packed", _packed(self.packed, "WindowRecord"))
        object.__setattr__(self, "dropped", int(self.dropped))
        if self.dropped < 0:
            raise ValueError(f"WindowRecord.dropped counts spikes and is at least 0; got {self.dropped}.")

    def __repr__(self) -> str:
        return f"WindowRecord(last {self.n_steps} steps, {self.dropped} earlier spikes dropped)"


class AbstractSpikeSource(abc.ABC):
    """A record that holds spikes elsewhere than in memory, and makes a table of them when asked."""

    @property
    @abc.abstractmethod
    def populations(self) -> tuple[str, ...]:
        """Names of the recorded populations."""

    @abc.abstractmethod
    def spikes(self, population: str) -> Any:
        """The spikes of a population as a `SpikeTable`."""

    def n_spikes(self, population: str) -> int:
        """How many spikes a population has."""
        return len(self.spikes(population))

    def pieces(self, population: str) -> Iterator[Any]:
        """The same one part after the other, for what is larger than memory."""
        yield self.spikes(population)


@dataclasses.dataclass(frozen=True, eq=False)
class CountRecord:
    """Spikes of every neuron by population: `counts["cells"]` is an integer array `(n,)`, or `(bins, n)` where it was asked for bins.

    **Arguments:**

    - `counts`: by population.
    - `n_steps`: the steps that are counted: those of the run, or of its whole bins.
    - `every`: steps of a bin, or `None`; `start_step`: the first step.

    **Raises:** `ValueError` if an array is not integers of such a shape.
    """

    counts: Mapping[str, Int[np.ndarray, "*bins n"]]
    n_steps: int
    every: int | None = None
    start_step: int = 0

    def __post_init__(self) -> None:
        counts = {name: np.asarray(each) for name, each in self.counts.items()}
        ndim, shape = (1, "(neurons,)") if self.every is None else (2, "(bins, neurons)")
        for name, each in counts.items():
            if each.ndim != ndim or each.dtype.kind not in "iu":
                raise ValueError(f"CountRecord needs integers of shape {shape} for {name!r}; got shape {each.shape} of {each.dtype}.")
        object.__setattr__(self, "counts", counts)

    def totals(self, population: str) -> Int[np.ndarray, " n"]:
        """Spikes of each neuron, shape `(n,)`."""
        counts = lookup(self.counts, population, "counted population")
        return counts if self.every is None else counts.sum(axis=0, dtype=np.int64)

    @property
    def steps(self) -> Int[np.ndarray, " bins"]:
        """The step with which each bin ends, shape `(bins,)`; one bin where there are none."""
        return bin_ends(self.n_steps, self.every, self.start_step)

    def __repr__(self) -> str:
        bins = "" if self.every is None else f" in bins of {self.every} steps"
        return f"CountRecord({sum(int(each.sum()) for each in self.counts.values())} spikes{bins})"


@dataclasses.dataclass(frozen=True, eq=False)
class EventRecord:
    """Synaptic events: for each projection an int64 array `(bins,)`, the sum over spikes of the synapses they set off.

    **Arguments:** `events`: by projection; the others as `CountRecord`.
    """

    events: Mapping[str, Int[np.ndarray, " bins"]]
    n_steps: int
    every: int | None = None
    start_step: int = 0

    @property
    def steps(self) -> Int[np.ndarray, " bins"]:
        """The step with which each bin ends, shape `(bins,)`."""
        return bin_ends(self.n_steps, self.every, self.start_step)

    def __repr__(self) -> str:
        bins = "" if self.every is None else f" in bins of {self.every} steps"
        return f"EventRecord({sum(int(each.sum()) for each in self.events.values())} synaptic events{bins})"


@dataclasses.dataclass(frozen=True, eq=False)
class SampleRecord:
    """What a function gave: `values` with the samples on the first axis, bare, taken at the end of the integer `steps`, shape `(t,)`."""

    name: str
    steps: Int[np.ndarray, " t"]
    values: Any

    def __repr__(self) -> str:
        return f"SampleRecord('{self.name}', {len(self.steps)} samples)"


@dataclasses.dataclass(frozen=True, eq=False)
class TraceRecord:
    """A variable of some neurons at some steps.

    **Arguments:**

    - `name`: the record's name.
    - `population`, `variable`: whose and which variable.
    - `ids`: shape `(n,)`, neurons within the population.
    - `steps`: shape `(t,)`, the integer step at whose end each row was taken.
    - `values`: shape `(t, n)`, bare numbers in `unit`.
    - `unit`: a `brainunit` unit.

    **Raises:** `ValueError` if the shapes disagree.
    """

    name: str
    population: str
    variable: str
    ids: Int[np.ndarray, " n"]
    steps: Int[np.ndarray, " t"]
    values: Float[np.ndarray, "t n"]
    unit: Any

    def __post_init__(self) -> None:
        for field in ("ids", "steps", "values"):
            object.__setattr__(self, field, np.asarray(getattr(self, field)))
        if self.ids.ndim != 1 or self.steps.ndim != 1 or self.values.shape != (len(self.steps), len(self.ids)):
            raise ValueError(
                f"TraceRecord '{self.name}' needs values of shape {self.steps.shape + self.ids.shape}; got {self.values.shape}."
            )

    def __repr__(self) -> str:
        return f"TraceRecord({self.variable} of {len(self.ids)} neurons of '{self.population}', {len(self.steps)} rows, in {self.unit})"


def bin_ends(n_steps: int, every: int | None, start_step: int) -> Int[np.ndarray, " bins"]:
    """The steps with which bins end; one bin where `every` is `None`."""
    if every is None:
        return np.array([start_step + n_steps - 1])
    return start_step + (np.arange(n_steps // every) + 1) * every - 1


def _packed(words: Mapping[Any, Any], owner: str) -> dict[Any, np.ndarray]:
    arrays = {group: np.asarray(each) for group, each in words.items()}
    for group, each in arrays.items():
        if each.ndim != 2 or each.dtype != np.uint32:
            raise ValueError(
                f"{owner} needs uint32 words of shape (steps, words) for group {group!r}; got shape {each.shape} of {each.dtype}."
            )
    if len({len(each) for each in arrays.values()}) > 1:
        raise ValueError(
            f"{owner} needs the same number of steps in every group; got { {group: len(each) for group, each in arrays.items()} }."
        )
    return arrays
