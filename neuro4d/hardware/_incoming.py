"""Synapses of an order of neurons, read once: by target, to fill cores, and by source, to say which cores each neuron reaches."""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int

from neuro4d.hardware._connections import AbstractConnections
from neuro4d.hardware._placement import FanOut


class Incoming:
    """All synapses of neurons that stand at places of an order.

    **Fields:** synapses onto the neuron at place `i` are `start[i]` to `start[i + 1] - 1`, with their `source` and their `rank` among all of that source, by place; those of
    source `s` are `first[s]` to `first[s + 1] - 1` of `place`, ascending.
    """

    def __init__(self, connections: AbstractConnections, place: Int[np.ndarray, " n"]):
        n = len(place)
        pieces = [(piece.pre, place[piece.post]) for piece in connections.pieces()]
        rows = _by_source(pieces, n)
        pieces.clear()
        if not rows.has_sorted_indices:
            rows = rows.tocsc().tocsr()  # two counting sorts: places ascend
        self.first, self.place = rows.indptr.astype(np.int64), rows.indices
        most = int(np.diff(self.first).max(initial=0))
        few = np.int16 if most < 2**15 else np.int32
        wide = np.int64 if len(self.place) >= 2**31 else np.int32
        rank = np.arange(len(self.place), dtype=wide) - np.repeat(self.first[:-1].astype(wide), np.diff(self.first))
        turned = sp.csr_matrix((rank.astype(few), rows.indices, rows.indptr), shape=(n, n)).tocsc()
        self.start, self.source, self.rank = turned.indptr.astype(np.int64), turned.indices, turned.data

    def table(self, core: Int[np.ndarray, " n"]) -> FanOut:
        """Which cores each neuron reaches, from the core of each place, which must not fall from place to place."""
        each = core[self.place]
        begins = np.empty(len(each), bool)
        begins[:1] = True
        np.not_equal(each[1:], each[:-1], out=begins[1:])
        begins[self.first[:-1][np.diff(self.first) > 0]] = True
        entry = np.flatnonzero(begins)
        if len(each) < 2**31:
            entry = entry.astype(np.int32)
        start = np.searchsorted(entry, self.first.astype(entry.dtype))
        synapses = np.empty(len(entry), np.int32)
        np.subtract(entry[1:], entry[:-1], out=synapses[:-1], casting="unsafe")
        synapses[-1:] = len(each) - entry[-1:]
        source = np.repeat(np.arange(len(start) - 1, dtype=np.int32), np.diff(start))
        return FanOut(start, source, each[entry], synapses)


def _by_source(pieces: list[tuple[np.ndarray, np.ndarray]], n: int) -> sp.csr_matrix:
    """All pieces as one matrix with a row for each source."""
    counts = sum((np.bincount(pre, minlength=n) for pre, _ in pieces), np.zeros(n, np.int64))
    first = np.concatenate([[0], np.cumsum(counts)])
    free, place = first[:-1].copy(), np.empty(first[-1], np.int32)
    for pre, where in pieces:
        for run in _ascending(pre):
            begin = np.flatnonzero(np.concatenate([[True], pre[run][1:] != pre[run][:-1]]))
            source, number = pre[run][begin], np.diff(begin, append=run.stop - run.start)
            at = int(free[source[0]])
            if free[source[-1]] + number[-1] - at == len(where[run]):  # nothing else lies in between
                place[at : at + len(where[run])] = where[run]
            else:
                place[np.repeat(free[source] - begin, number) + np.arange(len(where[run]))] = where[run]
            free[source] += number
    index = np.int64 if first[-1] >= 2**31 else np.int32
    found = sp.csr_matrix((np.empty(0, np.int8), np.empty(0, index), np.zeros(n + 1, index)), shape=(n, n))
    found.data, found.indices, found.indptr = np.zeros(len(place), np.int8), place, first.astype(index)
    return found


def _ascending(pre: Int[np.ndarray, " k"]) -> Iterator[slice]:
    """A piece may go through its sources in more than one run."""
    low = 0
    for high in (*(np.flatnonzero(pre[1:] < pre[:-1]) + 1).tolist(), len(pre)):
        if high > low:
            yield slice(low, high)
        low = high
