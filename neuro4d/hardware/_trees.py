"""Trees from a node to others, and the virtual channels on which their packets never wait in a circle."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from neuro4d.hardware._groups import groups, spans
from neuro4d.hardware._mesh import Mesh
from neuro4d.hardware._placement import FanOut, Placement


class Ways(NamedTuple):
    """How packets from one node come to every other: by which of `mesh.steps` they enter it (`last`), from which node (`before`), after how many
    links (`far`), and on which virtual `channel` of that link; -1 for the first node and for nodes that are not reached. All `(n,)`."""

    before: Int[np.ndarray, " n"]
    last: Int[np.ndarray, " n"]
    far: Int[np.ndarray, " n"]
    channel: Int[np.ndarray, " n"]


class Trees(NamedTuple):
    """The links over which packets of each core go: those of core `i` are the entries `start[i]` to `start[i + 1] - 1`, near ones first.

    **Fields:** `start` `(cores + 1,)`; `node` that is entered, and `channel` by which, as numbers of `Routes.channels`, `(k,)`; `home`: the node
    of every core, `(cores,)`; `core` of every neuron and `site` of every core: by these a placement is known to be that of the trees.
    """

    start: Int[np.ndarray, " cores+1"]
    node: Int[np.ndarray, " k"]
    channel: Int[np.ndarray, " k"]
    home: Int[np.ndarray, " cores"]
    core: Int[np.ndarray, " n"]
    site: Int[np.ndarray, " cores"]


def late(mesh: Mesh) -> Bool[np.ndarray, "links links"]:
    """Whether a link may not follow another on the same virtual channel: those that lead to smaller columns come first.

    Links of the first kind make columns smaller. Those of the second kind never do, and rows alone cannot close a circle, since no packet turns back. So
    links without a way around an edge never wait for each other in a circle (Glass & Ni 1994, J. ACM 41(5): west-first). Dimension order keeps to
    this too.
    """
    west = mesh.steps[:, 0] < 0
    return ~west[:, None] & west[None, :]


def dimension_order(mesh: Mesh, begin: int) -> Ways:
    """Columns, then rows; on hexagonal meshes the diagonal first."""
    before, last = mesh.back(begin)
    far = mesh.hops(np.full(mesh.n, begin), np.arange(mesh.n))
    return Ways(before, last, far, channels(mesh, before, last, far))


def channels(mesh: Mesh, before: Int[np.ndarray, " n"], last: Int[np.ndarray, " n"], far: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The virtual channel of the link into each node: one more wherever a packet goes around an edge, or takes a link that may not follow the last one.

    A link around an edge is entered from lower channels only, and all other links of a channel keep to `late`: so channels have an order.
    """
    found = np.where(last < 0, -1, 0)
    if not (mesh.wrap or mesh.absent):
        return found
    around, wrong = mesh.around[np.arange(mesh.n), last] & (last >= 0), late(mesh)
    for nodes in levels(far)[1:]:
        nodes = nodes[last[nodes] >= 0]
        inner = last[before[nodes]]
        turned = (inner >= 0) & wrong[inner, last[nodes]] & ~around[before[nodes]]
        found[nodes] = np.maximum(found[before[nodes]], 0) + (around[nodes] | turned)
    return found


def levels(far: Int[np.ndarray, " n"]) -> list[Int[np.ndarray, " k"]]:
    """Nodes by how far they are, the nearest first; those with -1 left out."""
    return [nodes for nodes in groups(far) if far[nodes[0]] >= 0]


def grown(ways: Ways, reach: Bool[np.ndarray, "nodes k"]) -> Bool[np.ndarray, "nodes k"]:
    """Nodes of the trees: those on the way to a target too, from the far ones inwards. Nodes that are as far and are reached in one direction have
    different nodes before them, and are done at once."""
    if not reach.any():
        return reach
    directions = int(ways.last.max()) + 1
    entered = np.flatnonzero(ways.last >= 0)
    for some in reversed(groups(ways.far[entered] * directions + ways.last[entered])):
        nodes = entered[some]
        reach[ways.before[nodes]] |= reach[nodes]
    return reach


def targets_of(
    placement: Placement, node: Int[np.ndarray, " cores"], neurons: Int[np.ndarray, " k"], n_nodes: int
) -> Bool[np.ndarray, "nodes k"]:
    """Which nodes each of these neurons reaches."""
    entry, count = entries_of(placement.fan_out, neurons)
    found = np.zeros((n_nodes, len(neurons)), bool)
    found[node[placement.fan_out.core[entry]], np.repeat(np.arange(len(neurons)), count)] = True
    return found


def entries_of(table: FanOut, neurons: Int[np.ndarray, " k"]) -> tuple[Int[np.ndarray, " e"], Int[np.ndarray, " k"]]:
    """Entries of the table for these neurons, one neuron behind the other, and how many each has."""
    count = table.start[neurons + 1] - table.start[neurons]
    return spans(table.start[neurons], count), count
