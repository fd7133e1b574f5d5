"""In which order the neurons of each part are given to cores: neurons that share sources should stand together."""

from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import svds

from neuro4d.hardware._packing import limits, synapse_bits
from neuro4d.hardware._schema import ChipTarget
from neuro4d.hardware._workload import Part, Workload
from neuro4d.lattice import morton_order

SAMPLE = 1 << 22
"""Synapses from which the structure of a graph is read, about."""

CLEARLY = 0.97
"""Messages of an order that is worth it, as a share of those of neurons as they are numbered."""

EAGER = 0.3
"""By which share of its length a part that spikes more is ahead of one that spikes less, times the logarithm of the ratio: found on the cortical microcircuit, of which `benchmarks/mapping.py --full` says what it saves."""

WHOLE = 128
"""Up to so many rows or columns all singular vectors are found at once: what few synapses make is degenerate, and iterations then begin anew at random."""

ROWS = 512
"""Sources whose cores are looked at together."""

Neurons = Int[np.ndarray, " k"]


class Order(NamedTuple):
    """Neurons in an order, `(n,)`, and where stretches of it end, `(k,)`: a core holds some neurons of one stretch, or several stretches that are small as a whole."""

    neurons: Neurons
    ends: Int[np.ndarray, " k"]


def sequential(workload: Workload, target: ChipTarget) -> list[Order]:
    """As they are numbered, part by part."""
    return [Order(np.arange(workload.n), _ends(workload.parts))]


def lattice(workload: Workload, target: ChipTarget) -> list[Order]:
    """Along the Morton curve of their places. Parts that lie in one another, such as excitatory and inhibitory neurons of an area, are taken together: at one place
    they often have the same sources."""
    if workload.position is None:
        raise ValueError(
            "partition: method='lattice' follows the places of neurons, and this workload has none. "
            "method='graph' reads who is near whom from the synapses: `n4.hardware.partition(workload, target, method='graph')`."
        )
    return [_joined([area[_along(_places(workload, area))] for area in _areas(workload)])]


def graph(workload: Workload, target: ChipTarget) -> list[Order]:
    """By the synapses: orders that may need few messages, of which the one that does is taken; of a large network only the one that seems to be it.

    Neurons with the same sources have similar entries in the leading singular vectors of the normalised matrix of synapses; the Morton curve through 1,
    2 or 4 of these coordinates is a candidate each. Others are neurons as numbered, along their places, and those with most input first, so that few messages reach
    the last core. Orders are judged by the spikes times the cores that they reach, on a sample of the sources. This is done for each part by itself, for
    parts that lie in one another, and for all neurons together.

    Where none is clearly better than the numbers, as in random graphs, neurons of a part that spike alike go together: `place` can bring cores that send much
    to the middle, from where ways are short. One more candidate has all parts side by side: where some parts fill the memory of their cores and others
    only the number of neurons, both together need fewer cores.
    """
    sample, spikes = _sampled(workload)
    degree = np.diff(sample.indptr) * (workload.synapses / max(sample.nnz, 1))
    judge = Judge(target, sample.tocsr(), spikes, degree)
    parts = [np.arange(part.first, part.first + part.n) for part in workload.parts]
    found = [_joined([_best(workload, part, sample, judge) for part in parts])]
    if len(parts) > 1 and judge.filled(found[0])[1] > 1:
        found += [Order(each, np.array([workload.n])) for each in _candidates(workload, np.arange(workload.n), sample, spikes)]
        found += [_joined([area[_busiest(sample[:, area], spikes)] for area in _areas(workload)]), _joined([_abreast(workload)])]
        found += lattice(workload, target) if workload.position is not None else []
    if workload.synapses <= SAMPLE:
        return found
    cost = [judge.messages(order) * np.sqrt(judge.filled(order)[1]) for order in found]  # on more cores ways are longer
    return [found[int(np.argmin(cost))] if min(cost) <= CLEARLY * cost[0] else found[0]]


ORDERS: MappingProxyType[str, Callable[[Workload, ChipTarget], list[Order]]] = MappingProxyType(
    {"sequential": sequential, "lattice": lattice, "graph": graph},
)


class Judge:
    """Messages of an order, about: its stretches fill as many cores as they seem to need.

    **Arguments:** `rows`: who reaches whom, of some sources, `(sources, n)`; `spikes`: of these; `degree`: inputs of every neuron, about, `(n,)`.
    """

    def __init__(self, target: ChipTarget, rows: sp.csr_matrix, spikes: Float[np.ndarray, " k"], degree: Float[np.ndarray, " n"]):
        self.target, self.rows, self.spikes, self.degree = target, rows, spikes, degree

    def filled(self, order: Order) -> tuple[Int[np.ndarray, " n"], int]:
        """The core of each neuron, -1 for those that are not in the order, and how many cores there are."""
        core, cores = np.full(len(self.degree), -1), 0
        for neurons in np.split(order.neurons, order.ends[:-1]):
            starts = _starts(self.target, self.degree[neurons], len(self.degree))
            core[neurons] = cores - 1 + np.searchsorted(starts, np.arange(len(neurons)), side="right")
            cores += len(starts)
        return core, cores

    def messages(self, order: Order) -> float:
        """Spikes times the cores that they reach."""
        core, cores = self.filled(order)
        total = 0.0
        for low in range(0, self.rows.shape[0], ROWS):
            some = self.rows[low : low + ROWS]
            reached = np.zeros((some.shape[0], cores + 1), bool)
            reached[np.repeat(np.arange(some.shape[0]), np.diff(some.indptr)), core[some.indices]] = True
            total += float(self.spikes[low : low + ROWS] @ reached[:, :cores].sum(axis=1))
        return total


def _ends(parts: Sequence[Part]) -> Int[np.ndarray, " k"]:
    """Where the parts end."""
    return np.cumsum([part.n for part in parts])


def _joined(stretches: Sequence[Neurons]) -> Order:
    return Order(np.concatenate(stretches), np.cumsum([len(each) for each in stretches]))


def _areas(workload: Workload) -> list[Neurons]:
    """The neurons of parts whose boxes overlap, together, in the order of the parts; of each part where there are no places."""
    if workload.position is None:
        return [np.arange(part.first, part.first + part.n) for part in workload.parts]
    places = [np.asarray(workload.position)[part.first : part.first + part.n] for part in workload.parts]
    low, high = np.array([each.min(axis=0) for each in places]), np.array([each.max(axis=0) for each in places])
    meet = ((low[:, None] <= high) & (low <= high[:, None])).all(axis=2)
    _, area = connected_components(sp.csr_matrix(meet), directed=False)
    members = [np.arange(part.first, part.first + part.n) for part in workload.parts]
    return [np.concatenate([members[i] for i in np.flatnonzero(area == number)]) for number in dict.fromkeys(area.tolist())]


def _places(workload: Workload, neurons: Neurons) -> Int[np.ndarray, "k axes"]:
    """Places of neurons as whole numbers from 0. Lattices have these; other places are put on a grid of 256 to the widest axis."""
    places = np.asarray(workload.position)[neurons]
    places = places - places.min(axis=0)
    if places.dtype.kind in "iu":
        return places
    return np.rint(places / max(float(places.max()), np.finfo(float).tiny) * 255).astype(np.int64)


def _along(places: Int[np.ndarray, "k axes"]) -> Neurons:
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


def _starts(target: ChipTarget, degree: Float[np.ndarray, " k"], sources: int) -> list[int]:
    """Where cores begin, about, if neurons with so many inputs fill them in this order, each to the brim.

    Either each synapse is a list of its own, or each core has one list for each source, whichever takes less.
    """
    limit, packing = limits(target), target.packing
    memory, inputs = limit.get("memory", np.inf), limit.get("axons_in", np.inf)
    single = float(synapse_bits(target, np.ones(1, int))[0])
    left = memory - packing.axon * sources
    if packing.rule == "list" and left * single > memory * packing.synapse:
        memory, single = left, float(packing.synapse)
    total = np.cumsum(degree)
    starts = [0]
    while True:
        before = total[starts[-1] - 1] if starts[-1] else 0.0
        room = before + min(memory / max(single, np.finfo(float).tiny), max(inputs, 0))
        end = min(int(np.searchsorted(total, room, side="right")), starts[-1] + limit["neurons"])
        end = max(end, starts[-1] + 1)
        if end >= len(degree):
            return starts
        starts.append(end)


def _best(workload: Workload, neurons: Neurons, sample: sp.csc_matrix, judge: Judge) -> Neurons:
    """The candidate with the fewest messages; neurons by their spikes if that isn't much better than as they are numbered."""
    if judge.filled(_joined([neurons]))[1] == 1:
        return neurons
    orders = [neurons[each] for each in _candidates(workload, neurons, sample[:, neurons[0] : neurons[-1] + 1], judge.spikes)]
    cost = [judge.messages(_joined([each])) for each in orders]
    if min(cost) > CLEARLY * cost[0]:
        return _loudest(workload, neurons)
    return orders[int(np.argmin(cost))]


def _candidates(workload: Workload, neurons: Neurons, matrix: sp.csc_matrix, spikes: Float[np.ndarray, " k"]) -> Iterator[Neurons]:
    yield np.arange(len(neurons))
    if workload.position is not None:
        yield _along(_places(workload, neurons))
    yield _busiest(matrix, spikes)
    coordinates = _spectral(matrix)
    for k in (1, 2, 4):
        if k <= coordinates.shape[1]:
            yield _along(coordinates[:, :k])


def _loudest(workload: Workload, neurons: Neurons) -> Neurons:
    """Neurons by their own spikes, most first."""
    return neurons[np.argsort(-np.asarray(workload.spikes)[neurons], kind="stable")]


def _abreast(workload: Workload) -> Neurons:
    """All parts side by side, each by its spikes, most first; parts that spike more begin earlier and end earlier."""
    spikes = np.asarray(workload.spikes)
    means = np.array([spikes[part.first : part.first + part.n].mean() for part in workload.parts])
    ahead = EAGER * np.log(np.maximum(means, means.max() * 1e-3) / max(means.max(), np.finfo(float).tiny)) if means.any() else means
    far = np.empty(workload.n)
    for part, before in zip(workload.parts, ahead, strict=True):
        far[_loudest(workload, np.arange(part.first, part.first + part.n))] = np.arange(part.n) / part.n - before
    return np.argsort(far, kind="stable")


def _busiest(matrix: sp.csc_matrix, spikes: Float[np.ndarray, " k"]) -> Neurons:
    """Neurons by the spikes that reach them, most first."""
    return np.argsort(-(matrix.T @ spikes), kind="stable")


def _singular(matrix: sp.csc_matrix, k: int) -> Float[np.ndarray, "k columns"]:
    """The first right singular vectors, `k` at most: the same ones each time, also where several values are equal."""
    rows, columns = (np.flatnonzero(np.diff(form.indptr)) for form in (matrix.tocsr(), matrix.tocsc()))
    filled = matrix.tocsr()[rows][:, columns]
    if min(filled.shape) <= WHOLE:
        vectors = np.linalg.svd(filled.toarray(), full_matrices=False)[2][:k]
    else:
        rng = np.random.default_rng(0)
        _, values, vectors = svds(filled, k=k, v0=rng.standard_normal(min(filled.shape)), tol=1e-3, random_state=rng)
        vectors = vectors[np.argsort(-values)]
    found = np.zeros((len(vectors), matrix.shape[1]))
    found[:, columns] = vectors
    return found


def _spectral(matrix: sp.csc_matrix) -> Int[np.ndarray, "k axes"]:
    """The leading singular vectors of the normalised matrix after the first, which only holds degrees, as ranks from 0 to 255."""
    k = min(5, min(matrix.shape) - 1)
    if k < 2 or not matrix.nnz:
        return np.zeros((matrix.shape[1], 0), np.int64)
    scale = [1 / np.sqrt(np.maximum(np.asarray(matrix.sum(axis=axis)).ravel(), 1)) for axis in (1, 0)]
    normal = sp.diags(scale[0]) @ matrix @ sp.diags(scale[1])
    leading = _singular(normal, k)[1:] * scale[1]
    ranks = np.argsort(np.argsort(leading, axis=1, kind="stable"), axis=1, kind="stable")
    return (ranks * 256 // matrix.shape[1]).T
