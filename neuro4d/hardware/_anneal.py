"""Swaps of cores on a mesh: what each would change, exactly, and simulated annealing with many of them at a time."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from neuro4d.hardware._mesh import Mesh

TEMPERATURES = 100
"""How many temperatures, each the same factor below the one before."""

HOTTEST, COLDEST = 1.0, 1e-2
"""The first and the last, in standard deviations of the change by a random swap."""

MOST = 4000
"""Swaps that are tried at a temperature, at most."""

MANY = 512
"""Cores from which on swaps of a round are decided by themselves: what they add beyond their sum is little where each core is one of many."""

ROUNDS, SHARE = 1000, 0.15
"""How many rounds that takes, and which share of the cores is tried to swap in each."""

COLDEST_OF_MANY, FOLLOW = 5e-3, 0.1
"""The last temperature of these rounds, and how fast the range of swaps follows the share that is kept."""

KEPT = 0.44
"""The share of swaps that should be kept."""


class Swaps:
    r"""Cores in slots, and what it costs to swap two.

    Distances on these meshes are sums over axes, $d(p, q) = c \sum_k |p_k - q_k|$. So it is enough to hold for every core and every coordinate of an axis what all its
    traffic to the others would cost from there,

    $$F_k(a, v) = c \sum_b W_{ab}\, |v - p_k(b)|,$$

    and the change by a swap of $a$ and $b$ is a sum of a few entries of $F$, whatever the number of cores.

    **Arguments:** `both`: traffic of both directions; `node`: of each slot; `slot`: of each core. Slots that are left over get cores without traffic.
    """

    def __init__(
        self, both: Float[np.ndarray, "cores cores"], mesh: Mesh, node: Int[np.ndarray, " cores"], slot: Int[np.ndarray, " cores"]
    ):
        empty = np.setdiff1d(np.arange(len(node)), slot)
        self.n, self.mesh, self.node = len(slot), mesh.flat, node
        self.both = _rounded(np.pad(both, (0, len(empty))) if len(empty) else both, mesh.columns + mesh.rows)
        axes = [axis[node] - axis[node].min() for axis in mesh.axes]  # of a large mesh a part may be in use
        sizes = [int(axis.max()) + 1 for axis in axes]
        offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.columns = np.stack([axis + offset for axis, offset in zip(axes, offsets, strict=True)], axis=1)
        blocks = [mesh.share * np.abs(np.arange(size) - axis[:, None]) for axis, size in zip(axes, sizes, strict=True)]
        self.far = np.concatenate(blocks, axis=1).astype(self.both.dtype)
        self.move(np.concatenate([slot, empty]))

    def move(self, slot: Int[np.ndarray, " slots"]) -> None:
        """All cores at once, those without traffic last."""
        self.slot, self.core = slot.copy(), np.argsort(slot)
        self.field = self.both @ self.far[slot]

    def distance(self, a: Int[np.ndarray, "*k"], b: Int[np.ndarray, "*k"]) -> Int[np.ndarray, "*k"]:
        """Links between slots."""
        return self.mesh.hops(self.node[a], self.node[b])

    def cost(self) -> float:
        """Hops of all traffic."""
        here = self.columns[self.slot]
        return 0.5 * float(sum(self.field[np.arange(len(here)), here[:, axis]].sum(dtype=np.float64) for axis in range(here.shape[1])))

    def change(self, a: Int[np.ndarray, " k"], b: Int[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        """What each swap of cores by itself would add to the hops."""
        here, there = self.columns[self.slot[a]], self.columns[self.slot[b]]
        gain = self.field[a[:, None], there] - self.field[a[:, None], here] + self.field[b[:, None], here] - self.field[b[:, None], there]
        return gain.sum(axis=1) + 2 * self.both[a, b] * self.distance(self.slot[a], self.slot[b])

    def shifts(self, a: Int[np.ndarray, " k"], b: Int[np.ndarray, " k"]) -> "Shifts":
        """What disjoint swaps have to do with all cores and all places."""
        s, t = self.slot[a], self.slot[b]
        return Shifts(a, b, self.both[a] - self.both[b], self.far[t] - self.far[s])

    def together(self, of: "Shifts") -> Float[np.ndarray, "k k"]:
        """What a pair of disjoint swaps adds beyond the sum of both."""
        weight = of.traffic[:, of.a] - of.traffic[:, of.b]
        s, t = self.columns[self.slot[of.a]], self.columns[self.slot[of.b]]
        far = sum(of.far[:, t[:, axis]] - of.far[:, s[:, axis]] for axis in range(s.shape[1]))
        return weight * far

    def swap(self, of: "Shifts") -> None:
        """Does disjoint swaps."""
        s, t = self.slot[of.a], self.slot[of.b]
        self.field += of.traffic.T @ of.far
        self.slot[of.a], self.slot[of.b] = t, s
        self.core[t], self.core[s] = of.a, of.b


def _rounded(both: Float[np.ndarray, "cores cores"], far: int) -> Float[np.ndarray, "cores cores"]:
    """Traffic as multiples of a power of two, so small that sums over it have no rounding errors: results are the same in whatever order they're summed."""
    total = 2.0 * float(both.sum(dtype=np.float64)) * far
    if not total or both.dtype != np.float64:
        return both
    unit = 2.0 ** (np.ceil(np.log2(total)) - 51)
    return np.rint(both / unit) * unit


class Shifts(NamedTuple):
    """Swaps of cores `a` and `b`, the difference of their traffic with every core, `(k, cores)`, and of their distances from every place, `(k, places)`."""

    a: Int[np.ndarray, " k"]
    b: Int[np.ndarray, " k"]
    traffic: Float[np.ndarray, "k cores"]
    far: Float[np.ndarray, "k places"]

    def some(self, which: Int[np.ndarray, " m"]) -> "Shifts":
        """A few of them."""
        return self if len(which) == len(self.a) else Shifts(*(each[which] for each in self))


class Neighbours:
    """Pairs of cores within a range of each other, by the tiles of the mesh."""

    def __init__(self, swaps: Swaps):
        self.swaps, mesh = swaps, swaps.mesh
        self.sorted = np.argsort(swaps.node, kind="stable")
        self.start = np.searchsorted(swaps.node[self.sorted], np.arange(mesh.n + 1))
        self.first, self.last = mesh.place[swaps.node].min(axis=0), mesh.place[swaps.node].max(axis=0)

    def pairs(self, rng: np.random.Generator, n: int, reach: float) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
        """At most `n` disjoint pairs."""
        swaps, mesh = self.swaps, self.swaps.mesh
        a = rng.permutation(swaps.n)[:n]
        place = mesh.place[swaps.node[swaps.slot[a]]]
        moved = place + rng.integers(-int(reach), int(reach) + 1, place.shape)
        moved = np.clip(moved, self.first, self.last)
        there = moved[:, 1] * mesh.columns + moved[:, 0]
        count = self.start[there + 1] - self.start[there]
        pick = self.start[there] + (rng.random(len(a)) * count).astype(int)
        good = (count > 0) & (there != swaps.node[swaps.slot[a]])
        a, b = a[good], swaps.core[self.sorted[pick[good]]]
        return _disjoint(a, b)


def anneal(swaps: Swaps, rng: np.random.Generator) -> Int[np.ndarray, " cores"]:
    """The slot of every core at the lowest cost that was found.

    Temperature falls by a factor at a time, and the range of swaps follows the share of them that is kept. The end is a descent.
    """
    widest = float(max(np.ptp(swaps.mesh.place[swaps.node], axis=0).max(), 1))
    near = Neighbours(swaps)
    a, b = near.pairs(rng, swaps.n, widest)
    if not len(a) or not swaps.both.any():
        return swaps.slot[: swaps.n]
    spread = float(np.std(swaps.change(a, b)))
    return (_by_rounds if swaps.n > MANY else _one_by_one)(swaps, near, rng, spread, widest)


def _one_by_one(swaps: Swaps, near: "Neighbours", rng: np.random.Generator, spread: float, widest: float) -> Int[np.ndarray, " cores"]:
    """Each swap is decided with all before it done."""
    n = swaps.n
    tries = int(max(16, min(30 * n, MOST)))
    cost, best, found, reach = 0.0, 0.0, swaps.slot.copy(), widest
    hottest = max(HOTTEST * min(1.0, tries / (10 * n)), 2 * COLDEST)  # with few swaps for each core, what the start knows is not given up
    for temperature in spread * np.geomspace(hottest, COLDEST, TEMPERATURES):
        added, kept = _round(swaps, near, rng, tries, reach, float(temperature))
        cost += added
        if cost < best:
            best, found = cost, swaps.slot.copy()
        reach = float(np.clip(reach * (1 - KEPT + kept), 1, widest))
    for reach in (1.0, 2.0, 4.0):
        cost += _round(swaps, near, rng, tries, reach, 0.0)[0]
    return (swaps.slot if cost < best else found)[:n]


def _by_rounds(swaps: Swaps, near: "Neighbours", rng: np.random.Generator, spread: float, widest: float) -> Int[np.ndarray, " cores"]:
    """Disjoint swaps of a round are decided by what each changes by itself, and are then done together, exactly."""
    best, found, reach = swaps.cost(), swaps.slot.copy(), widest
    for temperature in spread * np.geomspace(HOTTEST, COLDEST_OF_MANY, ROUNDS):
        a, b = near.pairs(rng, int(SHARE * swaps.n), reach)
        some = swaps.change(a, b) <= temperature * rng.exponential(size=len(a))
        if some.any():
            swaps.swap(swaps.shifts(a[some], b[some]))
        reach = float(np.clip(reach * (1 + FOLLOW * (float(some.mean()) - KEPT)), 1, widest)) if len(a) else widest
    for reach in (1.0, 2.0, 4.0):
        _round(swaps, near, rng, MOST, reach, 0.0)
    return (swaps.slot if swaps.cost() < best else found)[: swaps.n]


def _round(swaps: Swaps, near: Neighbours, rng: np.random.Generator, tries: int, reach: float, temperature: float) -> tuple[float, float]:
    """So many swaps are tried at a temperature; what this added to the hops, and which share was kept."""
    added, kept, tried = 0.0, 0, 0
    size = int(np.clip(swaps.n // 2, 2, 128))
    for _ in range(-(-tries // size)):
        a, b = near.pairs(rng, size, reach)
        change = swaps.change(a, b)
        bound = temperature * rng.exponential(size=len(a))
        some = np.flatnonzero(change <= bound)
        tried += len(a)
        if len(some):
            shifts = swaps.shifts(a[some], b[some])
            took, gain = _kept(swaps.together(shifts), change[some], bound[some])
            swaps.swap(shifts.some(took))
            added, kept = added + gain, kept + len(took)
    return added, kept / max(tried, 1)


def _kept(extra: np.ndarray, change: np.ndarray, bound: np.ndarray) -> tuple[Int[np.ndarray, " k"], float]:
    """Which of disjoint swaps are kept when they are done one behind the other, and what they add in all."""
    more, took, gain = change.copy(), [], 0.0
    for i in range(len(change)):
        if more[i] <= bound[i]:
            took.append(i)
            gain += float(more[i])
            more += extra[i]
    return np.array(took, int), gain


def _disjoint(a: Int[np.ndarray, " k"], b: Int[np.ndarray, " k"]) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Pairs none of whose cores is in a pair before it."""
    ends = np.stack([a, b], axis=1).ravel()
    first = np.zeros(len(ends), bool)
    first[np.unique(ends, return_index=True)[1]] = True
    good = first.reshape(-1, 2).all(axis=1)
    return a[good], b[good]
