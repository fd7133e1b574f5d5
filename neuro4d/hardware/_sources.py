"""Who reaches each neuron, in an order of one's own: synapses are read once, turned around piece by piece, and held with 4 bytes each."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int

from neuro4d.hardware._connections import AbstractConnections, Piece


class Turned(NamedTuple):
    """Synapses by target: those onto the neuron at place `i` come from `source[start[i]:start[i + 1]]`."""

    start: Int[np.ndarray, " n+1"]
    source: Int[np.ndarray, " k"]


class Sources:
    """The sources of the neurons at places of an order.

    **Arguments:** `connections`; `place`: where in the order each neuron stands, `(n,)`.
    """

    def __init__(self, connections: AbstractConnections, place: Int[np.ndarray, " n"]):
        self.n = len(place)
        self.parts = [_turned(piece, place) for piece in connections.pieces() if len(piece.pre)]

    def number(self, low: int, high: int) -> int:
        """How many synapses these neurons have."""
        return sum(int(part.start[high] - part.start[low]) for part in self.parts)

    def between(self, low: int, high: int) -> Int[np.ndarray, " k"]:
        """The source of every synapse onto the neurons at the places `low` to `high - 1`."""
        found = [part.source[part.start[low] : part.start[high]] for part in self.parts]
        return np.concatenate(found) if found else np.zeros(0, np.int32)

    def counts(self, low: int, high: int) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
        """The sources of these neurons, ascending, and how many synapses each makes onto them."""
        found = self.between(low, high)
        if len(found) < self.n // 8:
            return np.unique(found, return_counts=True)
        counts = np.bincount(found)
        sources = np.flatnonzero(counts)
        return sources, counts[sources]


def _turned(piece: Piece, place: Int[np.ndarray, " n"]) -> Turned:
    """A piece by target. Its synapses come in runs of one source each, which are the rows of a sparse matrix."""
    first = np.flatnonzero(np.concatenate([[True], piece.pre[1:] != piece.pre[:-1]]))
    bounds = np.append(first, len(piece.pre))
    marks = np.zeros(len(piece.pre), np.bool_)
    turned = sp.csr_matrix((marks, place[piece.post], bounds), shape=(len(first), len(place))).tocsc()
    return Turned(turned.indptr, piece.pre[first].astype(np.int32)[turned.indices])
