"""What recorders leave on the host after a run."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt32


@dataclasses.dataclass(frozen=True, eq=False)
class SpikeRecord:
    """Every spike as packed bits: for each group an array `(steps, words)` of uint32; row `r` is step `start_step + r`.

    **Raises:** `ValueError` if an array is not two-dimensional uint32 or the groups disagree about the number of steps.
    """

    words: Mapping[Any, UInt32[np.ndarray, "steps words"]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", _packed(self.words, "SpikeRecord"))

    def __repr__(self) -> str:
        return f"SpikeRecord({row_count(self.words)} steps, {sum(each.nbytes for each in self.words.values()) / 2**20:.1f} MiB)"


@dataclasses.dataclass(frozen=True, eq=False)
class WindowRecord:
    """The spikes of the last steps as packed bits, oldest row first, and how many earlier spikes were dropped.

    **Raises:** `ValueError` as `SpikeRecord`, and for a negative `dropped`.
    """

    words: Mapping[Any, UInt32[np.ndarray, "steps words"]]
    dropped: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", _packed(self.words, "WindowRecord"))
        object.__setattr__(self, "dropped", int(self.dropped))
        if self.dropped < 0:
            raise ValueError(f"WindowRecord.dropped counts spikes and is at least 0; got {self.dropped}.")

    def __repr__(self) -> str:
        return f"WindowRecord(last {row_count(self.words)} steps, {self.dropped} earlier spikes dropped)"


@dataclasses.dataclass(frozen=True, eq=False)
class CountRecord:
    """Spikes of every neuron over the whole run: for each group an integer array `(neurons of the group,)`.

    **Raises:** `ValueError` if an array is not one-dimensional integers.
    """

    counts: Mapping[Any, Int[np.ndarray, " n"]]

    def __post_init__(self) -> None:
        counts = {group: np.asarray(each) for group, each in self.counts.items()}
        for group, each in counts.items():
            if each.ndim != 1 or each.dtype.kind not in "iu":
                raise ValueError(
                    f"CountRecord needs integers of shape (neurons,) for group {group!r}; got shape {each.shape} of {each.dtype}."
                )
        object.__setattr__(self, "counts", counts)

    def __repr__(self) -> str:
        return f"CountRecord({sum(int(each.sum()) for each in self.counts.values())} spikes)"


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


def row_count(words: Mapping[Any, np.ndarray]) -> int | None:
    """Rows of a packed record; `None` where it holds no group."""
    return next((len(each) for each in words.values()), None)


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
