"""Counts over fan-out tables: natively where that serves, and with NumPy, to the same bits, elsewhere."""

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from neuro4d.hardware._groups import ranges
from neuro4d.hardware._placement import FanOut
from neuro4d.kernels import apart_native, arriving_native, native_available, reached_native, runs_native, stays_native, stored_native


def table_of(first: Int[np.ndarray, " n+1"], place: Int[np.ndarray, " k"], core: Int[np.ndarray, " n"]) -> FanOut:
    """Which cores each neuron reaches, from its places, `first[i]` to `first[i + 1] - 1` of `place`, along which cores never fall."""
    start, cores, synapses = runs_native(first, place, core) if native_available() else _runs(first, place, core)
    return FanOut(start, np.repeat(np.arange(len(start) - 1, dtype=np.int32), np.diff(start)), cores, synapses)


def reached(
    first: Int[np.ndarray, " n+1"], place: Int[np.ndarray, " k"], core: Int[np.ndarray, " n"], home: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """How many cores other than its own each neuron reaches, without a table of them."""
    if native_available():
        return reached_native(first, place, core, home)
    table = table_of(first, place, core)
    return np.diff(table.start) - staying(table, home)


def _runs(first: Int[np.ndarray, " n+1"], place: Int[np.ndarray, " k"], core: Int[np.ndarray, " n"]) -> tuple[np.ndarray, ...]:
    cores, synapses, reached = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    for low, high in ranges(first):
        begin = first[low : high + 1] - first[low]
        each = core[place[first[low] : first[high]]]
        begins = np.concatenate([np.ones(min(len(each), 1), bool), each[1:] != each[:-1]])
        begins[begin[:-1][np.diff(begin) > 0]] = True
        entry = np.flatnonzero(begins)
        cores.append(each[entry])
        synapses.append(np.diff(entry, append=len(each)).astype(np.int32))
        reached.append(np.diff(np.searchsorted(entry, begin)))
    found = [np.concatenate([[0], np.cumsum(np.concatenate(reached))])]
    for parts in (cores, synapses):  # one after the other: neither is small
        found.append(np.concatenate(parts))
        parts.clear()
    return tuple(found)


def staying(table: FanOut, home: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Whether each neuron reaches its own core."""
    if native_available():
        return stays_native(table.start, table.core, home)
    found = np.zeros(len(home), bool)
    for low, high in ranges(table.start):
        some = slice(int(table.start[low]), int(table.start[high]))
        source = table.source[some]
        found[source[table.core[some] == home[source]]] = True
    return found


def stored(
    table: FanOut, bits: Int[np.ndarray, " most+1"], cores: int
) -> tuple[Int[np.ndarray, " cores"], Int[np.ndarray, " cores"]]:
    """Entries that name each core, and the sum of `bits[synapses]` over them."""
    if native_available():
        return stored_native(table.core, table.synapses, bits, cores)
    number, total = np.zeros(cores, np.int64), np.zeros(cores, np.int64)
    for low, high in ranges(table.start):
        some = slice(int(table.start[low]), int(table.start[high]))
        number += np.bincount(table.core[some], minlength=cores)
        total += np.bincount(table.core[some], bits[table.synapses[some]], cores).astype(np.int64)
    return number, total


def apart(table: FanOut, home: Int[np.ndarray, " n"], axes: Int[np.ndarray, "a cores"]) -> Int[np.ndarray, "a n"]:
    """For each neuron, how far along each of `axes` the cores that it reaches are from its own, all together."""
    if native_available():
        return apart_native(table.start, table.core, home, axes)
    found = np.zeros((len(axes), len(home)), np.int64)
    for low, high in ranges(table.start):
        some = slice(int(table.start[low]), int(table.start[high]))
        source, core = table.source[some], table.core[some]
        for sums, x in zip(found, axes, strict=True):
            sums[low:high] = summed(np.abs(x[core] - x[home[source]]), table.start[low : high + 1] - some.start)
    return found


def summed(number: Int[np.ndarray, " k"], start: Int[np.ndarray, " n+1"]) -> Int[np.ndarray, " n"]:
    """The sum over the entries of each row."""
    found = np.zeros(len(start) - 1, np.int64)
    filled = np.flatnonzero(np.diff(start))
    if len(filled):
        found[filled] = np.add.reduceat(number, start[filled], dtype=np.int64)
    return found


def arriving(
    start: Int[np.ndarray, " n+1"], core: Int[np.ndarray, " k"], synapses: Float[np.ndarray, " k"], spikes: Float[np.ndarray, "*rows n"], cores: int
) -> tuple[Float[np.ndarray, "*rows cores"], Float[np.ndarray, "*rows cores"]]:
    """Events and messages that reach each core, its own among them, from spikes of every neuron."""
    if native_available():
        sent = np.ascontiguousarray(spikes.reshape(-1, spikes.shape[-1]).T)
        return tuple(found.T.reshape(*spikes.shape[:-1], cores) for found in arriving_native(start, core, synapses, sent, cores))  # type: ignore[return-value]
    shape = (len(start) - 1, cores)
    return tuple(  # type: ignore[return-value]  # sparse products read each entry once for all rows
        (sp.csr_matrix((number, core, start), shape, copy=False).T @ spikes.T).T for number in (synapses, np.ones_like(synapses))
    )
