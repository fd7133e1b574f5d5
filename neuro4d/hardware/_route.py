"""The way of every packet: multicast trees, the load of every link, and a proof that packets never wait for each other in a circle."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from neuro4d.hardware._mesh import Mesh, mesh_of
from neuro4d.hardware._placement import Placement


@dataclasses.dataclass(frozen=True, eq=False)
class Routes:
    """The links that packets use, and in which order.

    **Fields:**

    - `links`: every directed link in use, as the nodes it leads from and to, `(links, 2)`; nodes are those of the `mesh`, numbered row by row.
    - `load`: packets per step over each link, means over the run, `(links,)`.
    - `turns`: pairs of links that some packet takes one behind the other, by their numbers, `(turns, 2)`: the channel dependency graph.
    - `mesh`: the nodes; `None` for routes from `routes_of`.
    """

    links: Int[np.ndarray, "links 2"]
    load: Float[np.ndarray, " links"]
    turns: Int[np.ndarray, "turns 2"]
    mesh: Mesh | None = None

    @property
    def hops(self) -> float:
        """Packets per step times the links that they pass, shared parts of multicast trees counted once."""
        return float(self.load.sum())


def route(placement: Placement) -> Routes:
    """A multicast tree for every neuron that reaches other nodes, by dimension order: columns, then rows; on hexagonal meshes the diagonal first.

    A packet is copied where the ways to its targets part, so that each link is passed once per spike. Which links are used follows from the
    synapses, whatever the spikes are; loads follow from the spikes.

    **Returns:** `Routes`, with the load of every link. `is_deadlock_free` checks them.

    **Source:** Dally & Seitz 1987, IEEE Trans. Comput. C-36 (dimension order, channel dependency graph).

    !!! Example

        >>> pre = np.arange(4000)
        >>> work = n4.hardware.layered(["E"], [4000], pre, (pre * 1999) % 4000, np.full(4000, 0.01), dt=1*u.ms, steps=100)
        >>> routes = n4.hardware.route(n4.hardware.partition(work, n4.hardware.target("loihi1")))
        >>> n4.hardware.is_deadlock_free(routes)
        True
    """
    mesh, node = mesh_of(placement)
    spikes = np.asarray(placement.workload.spikes, float)
    home = node[placement.core]
    ways = len(mesh.steps)
    load, used = np.zeros((mesh.n, ways)), np.zeros((mesh.n, ways), bool)
    turns = np.zeros((mesh.n, ways, ways), bool)
    order = np.argsort(home, kind="stable")
    for neurons in np.split(order, np.flatnonzero(np.diff(home[order])) + 1):
        begin = int(home[neurons[0]])
        before, last = mesh.back(begin)
        reach = grown(mesh, begin, _targets(placement, node, neurons, mesh.n))
        passed = np.flatnonzero(reach.any(axis=1) & (before >= 0))
        load[passed, last[passed]] += reach[passed] @ spikes[neurons]
        used[passed, last[passed]] = True
        inner = passed[before[passed] != begin]
        turns[before[inner], last[before[inner]], last[inner]] = True
    return _routes(mesh, load, used, turns)


def tree(placement: Placement, neuron: int) -> Int[np.ndarray, "k 2"]:
    """The links of the multicast tree of a neuron, as the nodes they lead from and to, `(k, 2)`, those near the neuron first."""
    mesh, node = mesh_of(placement)
    begin = int(node[placement.core[neuron]])
    before, _ = mesh.back(begin)
    reach = grown(mesh, begin, _targets(placement, node, np.array([neuron]), mesh.n))[:, 0]
    passed = np.flatnonzero(reach & (before >= 0))
    passed = passed[np.argsort(mesh.hops(np.full(len(passed), begin), passed), kind="stable")]
    return np.stack([before[passed], passed], axis=1)


def routes_of(paths: list[list[int]]) -> Routes:
    """Routes of your own: each path is the nodes that a packet passes, in order. Every path counts as one packet per step.

    !!! Example

        >>> circle = n4.hardware.routes_of([[0, 1, 3], [1, 3, 2], [3, 2, 0], [2, 0, 1]])
        >>> n4.hardware.is_deadlock_free(circle)
        False
    """
    pairs = [np.stack([path[:-1], path[1:]], axis=1) for path in paths if len(path) > 1]
    if not pairs:
        return Routes(np.zeros((0, 2), int), np.zeros(0), np.zeros((0, 2), int))
    links, number = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    each = np.split(number.ravel(), np.cumsum([len(pair) for pair in pairs])[:-1])
    turns = np.unique(np.concatenate([np.stack([way[:-1], way[1:]], axis=1) for way in each]), axis=0)
    return Routes(links, np.bincount(number.ravel(), minlength=len(links)).astype(float), turns)


def is_deadlock_free(routes: Routes) -> bool:
    """Whether packets never wait for each other in a circle, however full the links are: the channel dependency graph has no cycle.

    Links are the nodes of that graph, and a packet that holds one and asks for the next is an edge. Links that wait for no other are taken away until none
    is left, or only circles and what leads to them.

    **Source:** Dally & Seitz 1987, IEEE Trans. Comput. C-36: a routing function is free of deadlock if and only if this graph is acyclic.
    """
    return not deadlock(routes)


def deadlock(routes: Routes) -> list[tuple[int, int]]:
    """Links that wait for each other in a circle, each for the next, as the nodes they lead from and to; an empty list if there are none."""
    left = _stuck(routes)
    if not left.any():
        return []
    follows = {int(first): int(then) for first, then in routes.turns if left[first] and left[then]}
    seen: dict[int, int] = {}
    link = next(iter(follows))
    while link not in seen:
        seen[link] = len(seen)
        link = follows[link]
    circle = list(seen)[seen[link] :]
    return [(int(a), int(b)) for a, b in routes.links[circle]]


def _stuck(routes: Routes) -> Bool[np.ndarray, " links"]:
    """Links that remain when those that wait for none are taken away, again and again."""
    left = np.ones(len(routes.links), bool)
    first, then = routes.turns.T
    while True:
        waits = np.zeros(len(left), bool)
        waits[first[left[first] & left[then]]] = True
        if (waits == left).all():
            return left
        left = waits


def _targets(
    placement: Placement, node: Int[np.ndarray, " cores"], neurons: Int[np.ndarray, " k"], n_nodes: int
) -> Bool[np.ndarray, "nodes k"]:
    """Which nodes each of these neurons reaches."""
    table = placement.fan_out
    first, count = table.start[neurons], table.start[neurons + 1] - table.start[neurons]
    column = np.repeat(np.arange(len(neurons)), count)
    entry = np.arange(int(count.sum())) + np.repeat(first - np.cumsum(count) + count, count)
    found = np.zeros((n_nodes, len(neurons)), bool)
    found[node[table.core[entry]], column] = True
    return found


def grown(mesh: Mesh, begin: int, reach: Bool[np.ndarray, "nodes k"]) -> Bool[np.ndarray, "nodes k"]:
    """Nodes of the trees: those on the way to a target too, from the far ones inwards. Nodes that are as far and are reached in one direction have
    different nodes before them, and are done at once."""
    before, last = mesh.back(begin)
    far = mesh.hops(np.full(mesh.n, begin), np.arange(mesh.n))
    ways = len(mesh.steps)
    key = far * ways + last
    order = np.argsort(-key, kind="stable")
    order = order[(last[order] >= 0) & reach.any()]
    for nodes in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        reach[before[nodes]] |= reach[nodes]
    return reach


def _routes(
    mesh: Mesh, load: Float[np.ndarray, "n ways"], used: Bool[np.ndarray, "n ways"], turns: Bool[np.ndarray, "n ways ways"]
) -> Routes:
    """Links by the node they lead to and their direction, as a list; `turns` by node, direction in and direction out."""
    end, way = np.nonzero(used)
    offset = mesh.steps @ np.array([1, mesh.columns])
    number = np.full(used.shape, -1)
    number[end, way] = np.arange(len(end))
    at, come, leave = np.nonzero(turns)
    pairs = np.stack([number[at, come], number[at + offset[leave], leave]], axis=1)
    return Routes(np.stack([end - offset[way], end], axis=1), load[end, way], pairs, mesh)
