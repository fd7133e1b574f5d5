"""Ways that follow the load: shortest paths away from links that carry much, for each core by itself."""

import functools

import numpy as np
from jaxtyping import Bool, Float, Int

from neuro4d.hardware._groups import groups
from neuro4d.hardware._mesh import Mesh
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._trees import Ways, channels, dimension_order, grown, late, levels, targets_of

ROUNDS = 3
"""How often every core looks for better ways."""

POWER = 4
"""Loads count with this power, so that the largest count most."""

CHANNEL = 1e6
"""What a further virtual channel costs, where a link costs 1 at most: more than any way."""


class Adaptive:
    """Ways of every core, in dimension order at first, then one core after the other by less loaded links, as long as the most loaded link gets no more.

    Only shortest ways are taken, with as few virtual channels as a core can have. Cores that send most go first. Where dimension order would pass chips that are
    not there, shortest ways among those that are there are the beginning.
    """

    def __init__(self, placement: Placement, mesh: Mesh, node: Int[np.ndarray, " cores"]):
        self.placement, self.mesh, self.node = placement, mesh, node
        self.spikes = np.asarray(placement.workload.spikes, float)
        self.neurons = groups(placement.core)
        self.wrong = late(mesh)
        self.load = np.zeros((mesh.n, len(mesh.steps)))
        self.far = functools.lru_cache(maxsize=1024)(self._far)
        self.ordered = functools.lru_cache(maxsize=1024)(functools.partial(dimension_order, mesh))
        self.last = np.stack([self._first(core).last for core in range(len(node))]).astype(np.int8)

    def search(self) -> None:
        """Improves the ways, and keeps the largest load from growing."""
        sent = [float(self.spikes[neurons].sum()) for neurons in self.neurons]
        if not self.load.any():
            return
        for _ in range(ROUNDS):
            changed = [self._improve(int(core)) for core in np.argsort(-np.array(sent), kind="stable")]
            if not any(changed):
                break

    def ways(self, core: int) -> Ways:
        """The ways of a core as they are now."""
        begin, last = int(self.node[core]), self.last[core].astype(np.int64)
        before = np.where(last >= 0, self.mesh.origin[np.arange(self.mesh.n), last], -1)
        far = np.where((last >= 0) | (np.arange(self.mesh.n) == begin), self.far(begin), -1)
        return Ways(before, last, far, channels(self.mesh, before, last, far))

    def _first(self, core: int) -> Ways:
        begin = int(self.node[core])
        ways = self.ordered(begin) if self.mesh.convex else self._lightest(begin, 0.0)
        self.load += self._added(core, ways)
        return ways

    def _improve(self, core: int) -> bool:
        """Other ways for a core, if links carry less by them."""
        now = self._added(core, self.ways(core))
        if not now.any():
            return False
        most = self.load.max()
        rest = self.load - now
        found = self._lightest(int(self.node[core]), float(self.spikes[self.neurons[core]].mean()), rest)
        then = self._added(core, found)
        both = ((rest + x) / most for x in (now, then))
        before, after = (float((x**POWER).sum()) for x in both)
        if after >= before * (1 - 1e-9) or (rest + then).max() > most:
            return False
        self.load, self.last[core] = rest + then, found.last
        return True

    def _added(self, core: int, ways: Ways) -> Float[np.ndarray, "n links"]:
        """What the spikes of a core add to the load of every link, by the node that it leads to."""
        neurons = self.neurons[core]
        reach = grown(ways, targets_of(self.placement, self.node, neurons, self.mesh.n))
        passed = np.flatnonzero(reach.any(axis=1) & (ways.last >= 0))
        found = np.zeros_like(self.load)
        found[passed, ways.last[passed]] = reach[passed] @ self.spikes[neurons]
        return found

    def _lightest(self, begin: int, more: float, load: Float[np.ndarray, "n links"] | None = None) -> Ways:
        """Shortest ways whose loads add up to the least, from the near nodes outwards; fewer virtual channels before all."""
        mesh, far = self.mesh, self.far(begin)
        load = self.load if load is None else load
        cost = ((load + more) / max(float(load.max()) + more, np.finfo(float).tiny)) ** POWER  # at most 1 a link, so that a channel costs more
        cost = cost + 1e-9 * np.arange(1, len(mesh.steps) + 1)
        paid, last, channel = np.zeros(mesh.n), np.full(mesh.n, -1), np.zeros(mesh.n, np.int64)
        around = np.zeros(mesh.n, bool)
        for nodes in levels(far)[1:]:
            origin = mesh.origin[nodes]
            inner = last[origin]
            turned = (inner >= 0) & self.wrong[inner, np.arange(len(mesh.steps))] & ~around[origin]
            on = channel[origin] + (mesh.around[nodes] | turned)
            total = np.where((origin >= 0) & (far[origin] == far[nodes][:, None] - 1), on * CHANNEL + paid[origin] + cost[nodes], np.inf)
            best = np.argmin(total, axis=1)
            here = np.arange(len(nodes))
            last[nodes], channel[nodes], around[nodes] = best, on[here, best], mesh.around[nodes, best]
            paid[nodes] = total[here, best] - on[here, best] * CHANNEL
        before = np.where(last >= 0, mesh.origin[np.arange(mesh.n), last], -1)
        return Ways(before, last, far, np.where(last >= 0, channel, -1))

    def _far(self, begin: int) -> Int[np.ndarray, " n"]:
        """Links from a node to every other by the links that there are; -1 for nodes that are not reached."""
        mesh = self.mesh
        far = np.full(mesh.n, -1)
        far[begin] = 0
        front: Bool[np.ndarray, " n"] = far == 0
        while front.any():
            front = (far < 0) & (front[mesh.origin] & (mesh.origin >= 0)).any(axis=1)
            far[front] = far.max() + 1
        return far
