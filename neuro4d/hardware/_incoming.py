"""Synapses of an order of neurons, read once: by target, to fill cores, and by source, to say which cores each neuron reaches."""

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int

from neuro4d.hardware._connections import AbstractConnections, Run
from neuro4d.hardware._entries import table_of
from neuro4d.hardware._groups import ranges
from neuro4d.hardware._placement import FanOut
from neuro4d.kernels import native_available, turned_native


class Incoming:
    """All synapses of neurons that stand at places of an order.

    **Fields:** synapses onto the neuron at place `i` are `start[i]` to `start[i + 1] - 1`, with their `source`, ascending; those of source `s` are `first[s]` to `first[s + 1] - 1`
    of `place`, ascending.
    """

    def __init__(self, connections: AbstractConnections, place: Int[np.ndarray, " n"]):
        self.first, self.place = _by_source(connections, place)
        self.start, self.source = _turned(self.first, self.place)
        if not _ascending_rows(self.first, self.place):
            self.first, self.place = _turned(self.start, self.source)

    def ranks(self) -> Int[np.ndarray, " k"]:
        """The number of each synapse onto a neuron among all of its source, by place, `(k,)`."""
        most = int(np.diff(self.first).max(initial=0))
        rank = np.empty(len(self.place), np.int16 if most < 2**15 else np.int32)
        for low, high in ranges(self.first):
            begin, end = self.first[low], self.first[high]
            rank[begin:end] = np.arange(begin, end) - np.repeat(self.first[low:high], np.diff(self.first[low : high + 1]))
        return _matrix(self.first, self.place, rank).tocsc().data

    def give_up(self) -> None:
        """Leaves only what `table` needs."""
        self.source = np.zeros(0, np.int32)

    def table(self, core: Int[np.ndarray, " n"]) -> FanOut:
        """Which cores each neuron reaches, from the core of each place, which must not fall from place to place."""
        return table_of(self.first, self.place, core)


def _turned(first: Int[np.ndarray, " n+1"], place: Int[np.ndarray, " k"]) -> tuple[Int[np.ndarray, " n+1"], Int[np.ndarray, " k"]]:
    """The same synapses by the other end, ascending."""
    if native_available():
        return turned_native(first, place, len(first) - 1)
    found = _matrix(first, place, np.zeros(len(place), np.int8)).tocsc()
    return found.indptr.astype(np.int64), found.indices


def _matrix(first: Int[np.ndarray, " n+1"], place: Int[np.ndarray, " k"], data: Int[np.ndarray, " k"]) -> sp.csr_matrix:
    n = len(first) - 1
    index = np.int64 if first[-1] >= 2**31 else np.int32
    rows = sp.csr_matrix((np.empty(0, data.dtype), np.empty(0, index), np.zeros(n + 1, index)), shape=(n, n))
    rows.data, rows.indices, rows.indptr = data, place, first.astype(index)
    return rows


def _ascending_rows(first: Int[np.ndarray, " n+1"], place: Int[np.ndarray, " k"]) -> bool:
    falls = np.flatnonzero(place[1:] < place[:-1]) + 1
    return len(falls) < len(first) and bool(np.isin(falls, first).all())


def _by_source(
    connections: AbstractConnections, place: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " n+1"], Int[np.ndarray, " synapses"]]:
    """All pieces as one table: where the places of each source begin, and its places, which may not ascend."""
    n = len(place)
    runs = [run for run in connections.runs(place) if len(run.source)]
    counts = np.zeros(n, np.int64)
    for run in runs:
        counts[run.source] += run.number
    first = np.concatenate([[0], np.cumsum(counts)])
    free, found = first[:-1].copy(), np.empty(first[-1], np.int32)
    for i, (source, number, where) in enumerate(runs):
        at = int(free[source[0]])
        if free[source[-1]] + number[-1] - at == len(where):  # nothing else lies in between
            found[at : at + len(where)] = where
        else:
            found[np.repeat(free[source] - np.cumsum(number) + number, number) + np.arange(len(where))] = where
        free[source] += number
        runs[i] = NOTHING
    return first, found


NOTHING = Run(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int32))
"""In place of synapses that have found their row: all of them twice would be gigabytes."""
