"""Synapses of an order of neurons, read once: by target, to fill cores, and by source, to say which cores each neuron reaches."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int

from neuro4d.hardware._connections import AbstractConnections
from neuro4d.hardware._groups import ranges
from neuro4d.hardware._placement import FanOut


class Incoming:
    """All synapses of neurons that stand at places of an order.

    **Fields:** synapses onto the neuron at place `i` are `start[i]` to `start[i + 1] - 1`, with their `source` and their `rank` among all of that source, by place; those of
    source `s` are `first[s]` to `first[s + 1] - 1` of `place`, ascending.
    """

    def __init__(self, connections: AbstractConnections, place: Int[np.ndarray, " n"]):
        rows = _by_source(connections, place)
        if not rows.has_sorted_indices:
            rows = rows.tocsc()  # two counting sorts: places ascend. One after the other, so that the form before is given up
            rows = rows.tocsr()
        self.first, self.place = rows.indptr.astype(np.int64), rows.indices
        most = int(np.diff(self.first).max(initial=0))
        rank = np.empty(len(self.place), np.int16 if most < 2**15 else np.int32)
        for low, high in ranges(self.first):
            begin, end = self.first[low], self.first[high]
            rank[begin:end] = np.arange(begin, end) - np.repeat(self.first[low:high], np.diff(self.first[low : high + 1]))
        rows.data = rank
        turned = rows.tocsc()
        self.start, self.source, self.rank = turned.indptr.astype(np.int64), turned.indices, turned.data

    def give_up(self) -> None:
        """Leaves only what `table` needs."""
        self.source = self.rank = np.zeros(0, np.int32)

    def table(self, core: Int[np.ndarray, " n"]) -> FanOut:
        """Which cores each neuron reaches, from the core of each place, which must not fall from place to place."""
        cores, synapses, reached = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        for low, high in ranges(self.first):
            first = self.first[low : high + 1] - self.first[low]
            each = core[self.place[self.first[low] : self.first[high]]]
            begins = np.concatenate([np.ones(min(len(each), 1), bool), each[1:] != each[:-1]])
            begins[first[:-1][np.diff(first) > 0]] = True
            entry = np.flatnonzero(begins)
            cores.append(each[entry])
            synapses.append(np.diff(entry, append=len(each)).astype(np.int32))
            reached.append(np.diff(np.searchsorted(entry, first)))
        start = np.concatenate([[0], np.cumsum(np.concatenate(reached))])
        joined = []
        for parts in (cores, synapses):  # one after the other: neither is small
            joined.append(np.concatenate(parts))
            parts.clear()
        return FanOut(start, np.repeat(np.arange(len(start) - 1, dtype=np.int32), np.diff(start)), *joined)


class Run(NamedTuple):
    """Synapses of ascending sources: how many each `source` has, `(k,)`, and `where` they lead, one source behind the other."""

    source: Int[np.ndarray, " k"]
    number: Int[np.ndarray, " k"]
    where: Int[np.ndarray, " synapses"]


def _by_source(connections: AbstractConnections, place: Int[np.ndarray, " n"]) -> sp.csr_matrix:
    """All pieces as one matrix with a row for each source, whose places may not ascend."""
    n = len(place)
    runs: list[Run] = []
    for pre, post in connections.pieces():
        for some in _ascending(pre):
            begin = np.flatnonzero(np.concatenate([[True], pre[some][1:] != pre[some][:-1]]))
            runs.append(Run(pre[some][begin], np.diff(begin, append=some.stop - some.start), place[post[some]]))
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
    index = np.int64 if first[-1] >= 2**31 else np.int32
    rows = sp.csr_matrix((np.empty(0, np.int8), np.empty(0, index), np.zeros(n + 1, index)), shape=(n, n))
    rows.data, rows.indices, rows.indptr = np.zeros(len(found), np.int8), found, first.astype(index)
    return rows


def _ascending(pre: Int[np.ndarray, " k"]) -> Iterator[slice]:
    """A piece may go through its sources in more than one run."""
    low = 0
    for high in (*(np.flatnonzero(pre[1:] < pre[:-1]) + 1).tolist(), len(pre)):
        if high > low:
            yield slice(low, high)
        low = high


NOTHING = Run(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int32))
"""In place of synapses that have found their row: all of them twice would be gigabytes."""
