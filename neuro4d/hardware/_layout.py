"""How the synapses of a core lie in its memory: shorter names for targets, lists without names, and lists that several axons share."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Int, UInt64

from neuro4d.hardware._packing import synapse_bits
from neuro4d.hardware._partition import used
from neuro4d.hardware._placement import Change, FanOut, Layout, Placement, knowing, noted

WIDTHS = (6, 7, 8, 9, 10, 11, 12)
"""Bits by which a synapse of Loihi may name its target: `INDEX_BITS_MAP` of nengo-loihi."""

Marks = UInt64[np.ndarray, "2 k"]


def compress(placement: Placement, *, shared: bool = False) -> Placement:
    r"""Stores the synapses of every core in fewer bits. Which neuron is connected to which stays as it is.

    A list holds the synapses of one source on one core, in blocks and whole words, as the packing rule of the chip says. Three things make lists shorter:

    - The index of a target has as many bits as the neurons of the core need, 6 at least on Loihi, instead of 10.
    - A list that holds the first $n$ neurons of its core, each once, is dense: its synapses need no index. On each core neurons lie as numbered or those with most inputs
      first, whichever takes fewer bits.
    - With `shared`, equal lists on a core are stored once.

    Lists are compared by two sums of random marks of 64 bits, so that two different ones are taken for equal with a probability of about $2^{-128}$ per pair.

    **Arguments:** `shared`: whether lists with equal targets may be one. That is right where a list is made of its targets alone, with one weight and one delay, as in regular
    networks; a workload does not know weights.

    **Returns:** the placement with a `layout`, whose bits `estimate` then shows as the memory of the fullest core. `partition` does not count on it: no more neurons fit
    on a core. The report has the bits of all cores, `memory`, and of the `fullest`; and afterwards the shares of lists that are `dense` and that are `shared` with one before. Memory of no
    core grows. On a crossbar, where all synapses are there whatever is connected, and where the packing rule of a target says nothing of an index, there is nothing to gain by names.

    **Source:** formats, index bits and blocks as in nengo-loihi's allocator.

    !!! Example

        >>> pre, post = np.divmod(np.arange(60 * 60), 60)
        >>> work = n4.hardware.layered(["a", "b"], [60, 60], pre, 60 + post, np.full(120, 0.01), dt=1*u.ms, steps=100)
        >>> change = n4.hardware.compress(n4.hardware.partition(work, n4.hardware.target("loihi1"))).changes[-1]
        >>> change.before["memory"], change.after["memory"]
        (88320.0, 53760.0)
    """
    table, packing = placement.fan_out, placement.target.packing
    before = used(placement).memory
    marks = _marks(placement, table)
    first = _shared(table, marks) if shared else np.arange(len(table.source))
    kept = first == np.arange(len(first))
    names = _widths(placement)
    orders = [_order(placement, weight) for weight in (np.zeros(placement.workload.n), -_inputs(placement))]
    widths = [np.where(_dense(placement, table, marks, order) & (packing.index > 0), 0, names[table.core]) for order in orders]
    sizes = [_list_bits(placement, table.synapses, width) for width in widths]
    cores = [np.bincount(table.core[kept], size[kept], placement.n_cores).astype(np.int64) for size in sizes]
    second = cores[1] < cores[0]
    index = np.where(second[placement.core], orders[1], orders[0])
    width = np.where(second[table.core], widths[1], widths[0])
    neurons = np.bincount(placement.core, minlength=placement.n_cores) * int(packing.neuron)
    layout = Layout(index, width, first, np.minimum(*cores) + neurons, shared)
    if (layout.memory > before).any():
        raise RuntimeError("compress: memory of a core grew; please report this.")
    lists = max(len(width), 1)
    after = {"dense": float(((width == 0) & (packing.index > 0)).sum()) / lists, "shared": float((~kept).sum()) / lists}
    done = knowing(dataclasses.replace(placement, layout=layout), table)
    return noted(done, Change("compress", _numbers(before), _numbers(layout.memory) | after))


def _numbers(memory: Int[np.ndarray, " cores"]) -> dict[str, float]:
    return {"memory": float(memory.sum()), "fullest": float(memory.max())}


def _list_bits(placement: Placement, synapses: Int[np.ndarray, " k"], width: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
    """Bits of lists whose synapses have indices of so many bits."""
    packing = placement.target.packing
    return synapse_bits(placement.target, synapses, packing.synapse - packing.index + width)


def _widths(placement: Placement) -> Int[np.ndarray, " cores"]:
    """Bits of the index of a target on each core; as many as the target counts where its neurons need more."""
    most = int(placement.target.packing.index)
    neurons = np.bincount(placement.core, minlength=placement.n_cores)
    wide = np.array([width for width in WIDTHS if width < most] + [most])
    needed = np.ceil(np.log2(np.maximum(neurons, 1))).astype(int)
    return wide[np.minimum(np.searchsorted(wide, needed), len(wide) - 1)]


def _inputs(placement: Placement) -> Int[np.ndarray, " n"]:
    """Synapses onto each neuron."""
    found = np.zeros(placement.workload.n, np.int64)
    for piece in placement.workload.connections.pieces():
        found += np.bincount(piece.post, minlength=len(found))
    return found


def _order(placement: Placement, weight: np.ndarray) -> Int[np.ndarray, " n"]:
    """The number of every neuron in its core, by a weight."""
    order = np.lexsort((weight, placement.core))
    start = np.searchsorted(placement.core[order], np.arange(placement.n_cores))
    index = np.empty(len(order), np.int64)
    index[order] = np.arange(len(order)) - start[placement.core[order]]
    return index


def _random(n: int) -> Marks:
    """A mark of 2 x 64 bits for each neuron."""
    return np.random.default_rng(0).integers(0, 2**64, (2, n), np.uint64)


def _marks(placement: Placement, table: FanOut) -> Marks:
    """Sums of the marks of the targets of each list, which are equal for lists with equal targets, in whatever pieces the synapses come."""
    cores = placement.n_cores
    key = table.source.astype(np.int64) * cores + table.core
    random, found = _random(placement.workload.n), np.zeros((2, len(key)), np.uint64)
    for piece in placement.workload.connections.pieces():
        entry = np.searchsorted(key, piece.pre.astype(np.int64) * cores + placement.core[piece.post])
        for sums, mark in zip(found, random, strict=True):
            np.add.at(sums, entry, mark[piece.post])
    return found


def _dense(placement: Placement, table: FanOut, marks: Marks, order: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " k"]:
    """Lists of the first neurons of their core, each once: those with the marks of so many of them."""
    neurons = np.bincount(placement.core, minlength=placement.n_cores)
    start = np.concatenate([[0], np.cumsum(neurons)])
    along = np.lexsort((order, placement.core))
    sums = np.zeros((2, len(along) + 1), np.uint64)
    np.cumsum(_random(len(along))[:, along], axis=1, out=sums[:, 1:])
    low = start[table.core]
    high = low + np.minimum(table.synapses, neurons[table.core])
    return (table.synapses <= neurons[table.core]) & (sums[:, high] - sums[:, low] == marks).all(axis=0)


def _shared(table: FanOut, marks: Marks) -> Int[np.ndarray, " k"]:
    """For each list the first one on its core with the same targets."""
    keys = np.stack([*marks, table.core.astype(np.uint64), table.synapses.astype(np.uint64)])
    _, first, group = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    return first[group.ravel()]
