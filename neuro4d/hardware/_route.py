"""The way of every packet: multicast trees, the load of every link, and a proof that packets never wait for each other in a circle."""

import dataclasses
import importlib
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from neuro4d._base import did_you_mean
from neuro4d.hardware._adaptive import Adaptive
from neuro4d.hardware._boards import Board
from neuro4d.hardware._boards import board as board_of
from neuro4d.hardware._groups import groups
from neuro4d.hardware._mesh import Mesh, mesh_of
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._trees import Trees, Ways, dimension_order, grown, targets_of

Algorithm = Literal["dimension_order", "deadlock_free_adaptive"]
Group = tuple[Ways, Int[np.ndarray, " k"]]


@dataclasses.dataclass(frozen=True, eq=False)
class Routes:
    """The links that packets use, and in which order.

    **Fields:**

    - `links`: every directed link in use, as the nodes it leads from and to, `(links, 2)`; nodes are those of the `mesh`, numbered row by row. On a
      torus of 2 x 2 two nodes have several links between them, each with a row of its own.
    - `load`: packets per step over each link, means over the run, `(links,)`.
    - `turns`: pairs of channels that some packet takes one behind the other, by their numbers, `(turns, 2)`: the channel dependency graph.
    - `mesh`: the nodes; `None` for routes from `routes_of`.
    - `channels`: every channel in use, as the number of its link and which virtual channel of it, `(channels, 2)`; where there is one virtual channel,
      channels are links. `None` for routes from `routes_of`, with one.
    - `trees`: the links of every core.
    """

    links: Int[np.ndarray, "links 2"]
    load: Float[np.ndarray, " links"]
    turns: Int[np.ndarray, "turns 2"]
    mesh: Mesh | None = None
    channels: Int[np.ndarray, "channels 2"] | None = None
    trees: Trees | None = None

    @property
    def hops(self) -> float:
        """Packets per step times the links that they pass, shared parts of multicast trees counted once."""
        return float(self.load.sum())

    @property
    def virtual(self) -> int:
        """Virtual channels of a link that these routes need: 1 where links have none."""
        return 1 if self.channels is None or not len(self.channels) else int(self.channels[:, 1].max()) + 1

    @property
    def link_of(self) -> Int[np.ndarray, " channels"]:
        """The link of every channel."""
        return np.arange(len(self.links)) if self.channels is None else self.channels[:, 0]

    def plot(self, placement: Placement | None = None, ax: Any = None) -> Any:
        """The load of every link; `placement`: that of these routes, for its name and its chips; needs `pip install "neuro4d[plot]"`.

        **Returns:** matplotlib axes: `ax`, or new ones.
        """
        return importlib.import_module("neuro4d.plot").link_load(self, placement, ax)


def route(placement: Placement, *, board: str | Board | None = None, algorithm: Algorithm = "dimension_order") -> Routes:
    """A multicast tree for every neuron that reaches other nodes.

    A packet is copied where the ways to its targets part, so that each link is passed once per spike. Which links are used follows from the
    synapses, whatever the spikes are; loads, and with `deadlock_free_adaptive` the ways, follow from the spikes. Ways are fixed when routes are made, as in the
    tables of SpiNNaker; no router decides anything while packets are under way.

    **Arguments:**

    - `board`: one of `boards()`, on which the chips lie in the order of their numbers; that of the target, or a rectangle, if left out.
    - `algorithm`: `dimension_order`: columns, then rows; on hexagonal meshes the diagonal first. `deadlock_free_adaptive`: shortest ways too, but for each core those whose
      links carry less, among ways that take links to smaller columns first. No link then carries more than the busiest does in dimension order.

    Links around the edges of a board, and turns that would be forbidden, lead to a further virtual channel (`Routes.virtual`). SpiNNaker has none: there
    packets of such routes can wait in a circle, until routers drop some.

    **Returns:** `Routes`, with the load of every link. Their channel dependency graph has been found to be free of circles.

    **Raises:** `ValueError` for an unknown board or algorithm, for chips without routers of a board, and for dimension order on a board with gaps; `CapacityError` for
    more chips than the board has.

    **Source:** Dally & Seitz 1987, IEEE Trans. Comput. C-36 (dimension order, virtual channels, channel dependency graph); Glass & Ni 1994, J. ACM 41(5) (turns).

    !!! Example

        >>> pre = np.arange(4000)
        >>> work = n4.hardware.layered(["E"], [4000], pre, (pre * 1999) % 4000, np.full(4000, 0.01), dt=1*u.ms, steps=100)
        >>> routes = n4.hardware.route(n4.hardware.partition(work, n4.hardware.target("loihi1")))
        >>> n4.hardware.is_deadlock_free(routes)
        True
        >>> placed = n4.hardware.partition(work, n4.hardware.target("spinnaker1"))
        >>> n4.hardware.route(placed, board="spin1-48chip", algorithm="deadlock_free_adaptive").virtual
        1
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(f"route: no algorithm {algorithm!r}.{did_you_mean(str(algorithm), tuple(ALGORITHMS))}")
    mesh, node = mesh_of(placement, None if board is None else board_of(board))
    ledger = _Ledger(placement, mesh, node)
    for ways, neurons in ALGORITHMS[algorithm](placement, mesh, node):
        ledger.add(ways, neurons)
    found = ledger.routes()
    if not is_deadlock_free(found):
        raise RuntimeError(f"route: {algorithm} has a circle of waiting packets, {deadlock(found)}; please report this.")
    return found


def tree(placement: Placement, neuron: int, routes: Routes | None = None) -> Int[np.ndarray, "k 2"]:
    """The links of the multicast tree of a neuron, as the nodes they lead from and to, `(k, 2)`, those near the neuron first.

    `routes`: of `route`, whose tree it is; in dimension order if left out.

    **Raises:** `ValueError` for routes of another placement, and for those of `routes_of`.
    """
    if routes is None:
        mesh, node = mesh_of(placement)
        ways = dimension_order(mesh, int(node[placement.core[neuron]]))
    else:
        node, ways = trees_of(routes, placement, "tree").home, ways_of(routes, int(placement.core[neuron]))
    reach = grown(ways, targets_of(placement, node, np.array([neuron]), len(ways.last)))[:, 0]
    passed = np.flatnonzero(reach & (ways.last >= 0))
    passed = passed[np.argsort(ways.far[passed], kind="stable")]
    return np.stack([ways.before[passed], passed], axis=1)


def trees_of(routes: Routes, placement: Placement, who: str) -> Trees:
    """The trees of routes of this placement. Those of one whose neurons or cores lie elsewhere would lead to other places."""
    trees = routes.trees
    if trees is None or not (np.array_equal(trees.core, placement.core) and np.array_equal(trees.site, placement.site)):
        raise ValueError(f"{who}: `routes` are not those of this placement; take `n4.hardware.route(placement)`.")
    return trees


def ways_of(routes: Routes, core: int) -> Ways:
    """How packets of a core come to the nodes that it reaches; `last` holds numbers of channels of these routes."""
    mesh, trees = routes.mesh, routes.trees
    if mesh is None or trees is None:
        raise ValueError("these routes have no trees; those of `n4.hardware.route(placement)` have them.")
    mine = slice(int(trees.start[core]), int(trees.start[core + 1]))
    before, last, far = (np.full(mesh.n, -1) for _ in range(3))
    last[trees.node[mine]] = trees.channel[mine]
    before[trees.node[mine]] = routes.links[routes.link_of[trees.channel[mine]], 0]
    far[trees.home[core]] = 0
    for entered in trees.node[mine].tolist():
        far[entered] = far[before[entered]] + 1
    channel = np.full(mesh.n, -1)
    channel[trees.node[mine]] = 0 if routes.channels is None else routes.channels[trees.channel[mine], 1]
    return Ways(before, last, far, channel)


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

    Channels are the nodes of that graph, and a packet that holds one and asks for the next is an edge. Channels that wait for no other are taken away until
    none is left, or only circles and what leads to them. Packets are held as a whole at the end of a link, so that copies of one never wait for each other.

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
    return [(int(a), int(b)) for a, b in routes.links[routes.link_of[circle]]]


def _stuck(routes: Routes) -> Bool[np.ndarray, " links"]:
    """Links that remain when those that wait for none are taken away, again and again."""
    left = np.ones(len(routes.link_of), bool)
    first, then = routes.turns.T
    while True:
        waits = np.zeros(len(left), bool)
        waits[first[left[first] & left[then]]] = True
        if (waits == left).all():
            return left
        left = waits


def _in_order(placement: Placement, mesh: Mesh, node: Int[np.ndarray, " cores"]) -> Iterator[Group]:
    """Neurons of a node go the same ways."""
    if not mesh.convex:
        raise ValueError(
            "route: ways in dimension order would pass chips that are not there on this board. "
            "`algorithm='deadlock_free_adaptive'` only takes links that exist."
        )
    home = node[placement.core]
    order = np.argsort(placement.core, kind="stable")
    for some in groups(home[order]):
        yield dimension_order(mesh, int(home[order[some[0]]])), order[some]


def _adapted(placement: Placement, mesh: Mesh, node: Int[np.ndarray, " cores"]) -> Iterator[Group]:
    """Every core has ways of its own."""
    found = Adaptive(placement, mesh, node)
    before = found.load.max(initial=0)
    found.search()
    if found.load.max(initial=0) > before * (1 + 1e-9):
        raise RuntimeError("route: a link carries more than before it was searched; please report this.")
    for core, neurons in enumerate(found.neurons):
        yield found.ways(core), neurons


ALGORITHMS = MappingProxyType({"dimension_order": _in_order, "deadlock_free_adaptive": _adapted})


class _Ledger:
    """Adds up what trees use, by the node that a link leads to, its direction, and its virtual channel."""

    def __init__(self, placement: Placement, mesh: Mesh, node: Int[np.ndarray, " cores"]):
        self.placement, self.mesh, self.node = placement, mesh, node
        self.spikes = np.asarray(placement.workload.spikes, float)
        self.virtual = 1
        self.load = np.zeros((mesh.n, len(mesh.steps)))
        self.used = np.zeros((mesh.n, 1, len(mesh.steps)), bool)
        self.turns = np.zeros((mesh.n, len(mesh.steps), len(mesh.steps)), bool)
        self.rows: list[tuple[int, Int[np.ndarray, " k"], Int[np.ndarray, " k"]]] = []

    def add(self, ways: Ways, neurons: Int[np.ndarray, " k"]) -> None:
        """The trees of neurons that go the same ways; neurons of a core stand together."""
        mesh, begin = self.mesh, int(self.node[self.placement.core[neurons[0]]])
        reach = grown(ways, targets_of(self.placement, self.node, neurons, mesh.n))
        passed = np.flatnonzero(reach.any(axis=1) & (ways.last >= 0))
        passed = passed[np.argsort(ways.far[passed], kind="stable")]
        if (mesh.origin[passed, ways.last[passed]] != ways.before[passed]).any():
            raise RuntimeError("route: a packet takes a link that is not there; please report this.")
        self._widen(int(ways.channel[passed].max(initial=0)) + 1)
        self.load[passed, ways.last[passed]] += reach[passed] @ self.spikes[neurons]
        self.used[passed, ways.channel[passed], ways.last[passed]] = True
        by = ways.channel * len(mesh.steps) + ways.last
        inner = passed[ways.before[passed] != begin]
        self.turns[ways.before[inner], by[ways.before[inner]], by[inner]] = True
        cores = self.placement.core[neurons]
        first = np.flatnonzero(np.concatenate([[True], cores[1:] != cores[:-1]]))
        for core, mine in zip(cores[first].tolist(), np.logical_or.reduceat(reach[passed], first, axis=1).T, strict=True):
            self.rows.append((core, passed[mine], by[passed[mine]]))

    def _widen(self, virtual: int) -> None:
        """More virtual channels, where packets need them."""
        if virtual > self.virtual:
            more = virtual - self.virtual
            width = more * len(self.mesh.steps)
            self.used = np.pad(self.used, ((0, 0), (0, more), (0, 0)))
            self.turns = np.pad(self.turns, ((0, 0), (0, width), (0, width)))
            self.virtual = virtual

    def routes(self) -> Routes:
        """Links by the node they lead to and their direction, as a list; channels by link."""
        mesh = self.mesh
        end, way = np.nonzero(self.used.any(axis=1))
        link = np.full(self.load.shape, -1)
        link[end, way] = np.arange(len(end))
        at, direction, on = np.nonzero(self.used.transpose(0, 2, 1))
        number = np.full((mesh.n, self.virtual * len(mesh.steps)), -1)
        number[at, on * len(mesh.steps) + direction] = np.arange(len(at))
        channels = np.stack([link[at, direction], on], axis=1)
        node, come, leave = np.nonzero(self.turns)
        pairs = np.stack([number[node, come], number[self._ends[node, leave % len(mesh.steps)], leave]], axis=1)
        links = np.stack([mesh.origin[end, way], end], axis=1)
        return Routes(links, self.load[end, way], pairs, mesh, channels, self._trees(number))

    @property
    def _ends(self) -> Int[np.ndarray, "n links"]:
        """The node to which each link of a node leads."""
        mesh = self.mesh
        found = np.full(mesh.origin.shape, -1)
        end, way = np.nonzero(mesh.origin >= 0)
        found[mesh.origin[end, way], way] = end
        return found

    def _trees(self, number: Int[np.ndarray, "n channels"]) -> Trees:
        rows = sorted(self.rows, key=lambda row: row[0])
        start = np.concatenate([[0], np.cumsum([len(nodes) for _, nodes, _ in rows])]).astype(np.int64)
        nodes = np.concatenate([nodes for _, nodes, _ in rows])
        channel = number[nodes, np.concatenate([by for _, _, by in rows])]
        return Trees(start, nodes, channel, self.node, self.placement.core, self.placement.site)
