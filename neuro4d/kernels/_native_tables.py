"""Counts over tables of synapses by plain calls of the extension: what is asked once per network and not in every step, on the host.

A table has rows: the entries of row `i` are `start[i]` to `start[i + 1] - 1`. Ask `native_available()` first.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from neuro4d._base import n_cores
from neuro4d.kernels._native_load import module


class TableRuns(NamedTuple):
    """Runs of equal cores along rows. **Fields:** `start` `(rows + 1,)`; `core` and number of `synapses` of each, `(runs,)`."""

    start: Int[np.ndarray, " rows+1"]
    core: Int[np.ndarray, " runs"]
    synapses: Int[np.ndarray, " runs"]


class CoreLimits(NamedTuple):
    """What a core takes at most; `own` is the memory of each neuron itself."""

    neurons: int
    axons_in: int
    memory: int
    own: int
    axons_out: float


class FillTable(NamedTuple):
    """What neurons in an order need, for `fill_native`.

    **Fields:** the sources of each, `start` `(n + 1,)` and `source` `(k,)`; `more`: memory for the next synapse of a source by how many it has on the core; `leaving`: how
    many cores the neurons before each place reach, `(n + 1,)`; `number` and `core`: `(sources,)`, written over, zeros before the first call.
    """

    start: Int[np.ndarray, " n+1"]
    source: Int[np.ndarray, " k"]
    more: Int[np.ndarray, " m"]
    leaving: Float[np.ndarray, " n+1"]
    number: Int[np.ndarray, " sources"]
    core: Int[np.ndarray, " sources"]


def runs_native(start: Int[np.ndarray, " rows+1"], place: Int[np.ndarray, " k"], core: Int[np.ndarray, " places"]) -> TableRuns:
    """Runs of equal cores along rows of places: `core[place]`."""
    return TableRuns(*module().runs(_int64(start), _int32(place), _int32(core), n_cores()))


def reached_native(
    start: Int[np.ndarray, " rows+1"], place: Int[np.ndarray, " k"], core: Int[np.ndarray, " places"], home: Int[np.ndarray, " rows"]
) -> Int[np.ndarray, " rows"]:
    """How many cores other than `home` each row of places has, along which cores never fall."""
    return module().reached(_int64(start), _int32(place), _int32(core), _int32(home), n_cores())


def turned_native(start: Int[np.ndarray, " rows+1"], place: Int[np.ndarray, " k"], n: int) -> tuple[Int[np.ndarray, " n+1"], Int[np.ndarray, " k"]]:
    """The rows that name each of `n` places, ascending: where those of a place begin, and the rows."""
    return module().turned(_int64(start), _int32(place), n, n_cores())


def fill_native(table: FillTable, now: int, low: int, end: int, most: int, limits: CoreLimits) -> tuple[list[int], int]:
    """Where stretches of the neurons `low` to `end - 1` end that fit on a core each, as long as they can be and `most` at most.

    A neuron that reaches too many cores has one to itself; the list ends early where one does not fit otherwise.

    **Arguments:** `now`: what the last call returned, 0 before the first.

    **Returns:** the ends, and the `now` of the next call.
    """
    return module().fill(*table, now, low, end, most, tuple(limits))


def stays_native(start: Int[np.ndarray, " n+1"], core: Int[np.ndarray, " k"], home: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Whether each row names `home` of its own."""
    return module().stays(_int64(start), _int32(core), _int32(home), n_cores())


def stored_native(
    core: Int[np.ndarray, " k"], synapses: Int[np.ndarray, " k"], bits: Int[np.ndarray, " m"], cores: int
) -> tuple[Int[np.ndarray, " cores"], Int[np.ndarray, " cores"]]:
    """How many entries name each core, and the sum of `bits[synapses]` over them."""
    return module().stored(_int32(core), _int32(synapses), _int64(bits), cores)


def apart_native(
    start: Int[np.ndarray, " n+1"], core: Int[np.ndarray, " k"], home: Int[np.ndarray, " n"], axes: Int[np.ndarray, "a cores"]
) -> Int[np.ndarray, "a n"]:
    """For each row, sums over its entries of how far `axes` of their cores are from those of its `home`."""
    return module().apart(_int64(start), _int32(core), _int32(home), np.ascontiguousarray(axes, np.int16), n_cores())


def arriving_native(
    start: Int[np.ndarray, " n+1"], core: Int[np.ndarray, " k"], synapses: Float[np.ndarray, " k"], sent: Float[np.ndarray, "n j"], cores: int
) -> tuple[Float[np.ndarray, "cores j"], Float[np.ndarray, "cores j"]]:
    """For each core, sums of `sent * synapses` and of `sent` over the rows that name it, in their order."""
    numbers = np.ascontiguousarray(synapses, np.float32), np.ascontiguousarray(sent, np.float64)
    return module().arriving(_int64(start), _int32(core), *numbers, cores, n_cores())


def _int64(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x, np.int64)


def _int32(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x, np.int32)
