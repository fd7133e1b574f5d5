"""In which order the neurons of each part are given to cores: neurons that share sources should stand together."""

from collections.abc import Callable, Iterator
from types import MappingProxyType

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.sparse.linalg import svds

from neuro4d.hardware._packing import limits, synapse_bits
from neuro4d.hardware._schema import ChipTarget
from neuro4d.hardware._workload import Part, Workload
from neuro4d.lattice import morton_order

SAMPLE = 1 << 22
"""Synapses from which the structure of a graph is read, about."""

CLEARLY = 0.97
"""Messages of an order that is worth it, as a share of those of neurons as they are numbered."""

Order = Int[np.ndarray, " k"]


def sequential(workload: Workload, target: ChipTarget) -> Order:
    """As they are numbered."""
    return np.arange(workload.n)


def lattice(workload: Workload, target: ChipTarget) -> Order:
    """Along the Morton curve of their places, part by part."""
    if workload.position is None:
        raise ValueError(
            "partition: method='lattice' follows the places of neurons, and this workload has none. "
            "method='graph' reads who is near whom from the synapses: `n4.hardware.partition(workload, target, method='graph')`."
        )
    return np.concatenate([part.first + _along(_places(workload, part)) for part in workload.parts])


def graph(workload: Workload, target: ChipTarget) -> Order:
    """By the synapses, part by part: the order with the fewest messages among those as numbered, along the places, and along spectral coordinates.

    Neurons with the same sources have similar entries in the leading singular vectors of the normalised matrix of synapses; the Morton curve through 1,
    2 or 4 of these coordinates is a candidate each. Orders are judged by the spikes times the cores that they reach, on a sample of the sources.

    Where none is clearly better than the numbers, as in random graphs, neurons that spike alike go together: `place` can bring cores that send much
    to the middle, from where ways are short.
    """
    sample, spikes = _sampled(workload)
    degree = np.diff(sample.indptr) * (workload.synapses / max(sample.nnz, 1))
    found = []
    for part in workload.parts:
        span = slice(part.first, part.first + part.n)
        bins = _cores(target, part.n, float(degree[span].sum()))
        found.append(part.first + (_best(workload, part, sample[:, span], spikes, bins) if bins > 1 else np.arange(part.n)))
    return np.concatenate(found)


ORDERS: MappingProxyType[str, Callable[[Workload, ChipTarget], Order]] = MappingProxyType(
    {"sequential": sequential, "lattice": lattice, "graph": graph},
)


def _places(workload: Workload, part: Part) -> Int[np.ndarray, "k axes"]:
    """Places of a part as whole numbers from 0. Lattices have these; other places are put on a grid of 256 to the widest axis."""
    places = np.asarray(workload.position)[part.first : part.first + part.n]
    places = places - places.min(axis=0)
    if places.dtype.kind in "iu":
        return places
    return np.rint(places / max(float(places.max()), np.finfo(float).tiny) * 255).astype(np.int64)


def _along(places: Int[np.ndarray, "k axes"]) -> Order:
    """Along the Morton curve of the axes that vary."""
    varies = places.max(axis=0) > 0
    return morton_order(places[:, varies]) if varies.any() else np.arange(len(places))


def _sampled(workload: Workload) -> tuple[sp.csc_matrix, Float[np.ndarray, " k"]]:
    """Who reaches whom for a share of the sources, `(sources, n)`, and how much each of them spikes."""
    share = min(SAMPLE / max(workload.synapses, 1), 1.0)
    kept = np.flatnonzero(np.random.default_rng(0).random(workload.n) < share)
    row = np.full(workload.n, -1)
    row[kept] = np.arange(len(kept))
    pre, post = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for piece in workload.connections.pieces():
        here = row[piece.pre] >= 0
        pre.append(row[piece.pre[here]])
        post.append(piece.post[here])
    ends = np.concatenate(pre), np.concatenate(post)
    matrix = sp.coo_matrix((np.ones(len(ends[0]), np.float32), ends), shape=(len(kept), workload.n)).tocsc()
    spikes = np.asarray(workload.spikes, float)[kept]
    return matrix, spikes if spikes.any() else np.ones(len(kept))


def _cores(target: ChipTarget, neurons: int, synapses: float) -> int:
    """About how many cores they need."""
    limit = limits(target)
    bits = synapses * float(synapse_bits(target, np.ones(1, int))[0]) / limit.get("memory", np.inf)
    inputs = synapses / limit.get("axons_in", np.inf)
    return int(np.ceil(min(max(neurons / limit["neurons"], bits, inputs), neurons)))


def _best(workload: Workload, part: Part, matrix: sp.csc_matrix, spikes: Float[np.ndarray, " k"], bins: int) -> Order:
    """The candidate with the fewest messages; neurons by their spikes if that isn't much better than as they are numbered."""
    rows, orders = matrix.tocsr(), list(_candidates(workload, part, matrix))
    cost = [_messages(rows, spikes, order, bins) for order in orders]
    if min(cost) > CLEARLY * cost[0]:
        return np.argsort(-np.asarray(workload.spikes)[part.first : part.first + part.n], kind="stable")
    return orders[int(np.argmin(cost))]


def _candidates(workload: Workload, part: Part, matrix: sp.csc_matrix) -> Iterator[Order]:
    yield np.arange(part.n)
    if workload.position is not None:
        yield _along(_places(workload, part))
    coordinates = _spectral(matrix)
    for k in (1, 2, 4):
        if k <= coordinates.shape[1]:
            yield _along(coordinates[:, :k])


def _spectral(matrix: sp.csc_matrix) -> Int[np.ndarray, "k axes"]:
    """The leading singular vectors of the normalised matrix after the first, which only holds degrees, as ranks from 0 to 255."""
    k = min(5, min(matrix.shape) - 1)
    if k < 2 or not matrix.nnz:
        return np.zeros((matrix.shape[1], 0), np.int64)
    scale = [1 / np.sqrt(np.maximum(np.asarray(matrix.sum(axis=axis)).ravel(), 1)) for axis in (1, 0)]
    normal = sp.diags(scale[0]) @ matrix @ sp.diags(scale[1])
    start = np.random.default_rng(0).standard_normal(min(matrix.shape))
    _, values, vectors = svds(normal, k=k, v0=start, tol=1e-3)
    leading = vectors[np.argsort(-values)][1:] * scale[1]
    ranks = np.argsort(np.argsort(leading, axis=1, kind="stable"), axis=1, kind="stable")
    return (ranks * 256 // matrix.shape[1]).T


def _messages(rows: sp.csr_matrix, spikes: Float[np.ndarray, " k"], order: Order, bins: int) -> float:
    """Spikes times the cores that they reach, if the neurons fill so many cores in this order."""
    core = np.empty(len(order), np.int64)
    core[order] = np.arange(len(order)) * bins // len(order)
    source = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    reached = np.unique(source * bins + core[rows.indices]) // bins
    return float(spikes[reached].sum())
