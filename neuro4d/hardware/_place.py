"""Which place on the mesh each core gets: cores that talk much lie near each other."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Literal

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.linalg import eigh

from neuro4d._base import did_you_mean
from neuro4d.hardware._anneal import Swaps, anneal
from neuro4d.hardware._descend import descend
from neuro4d.hardware._mesh import Mesh, mesh_of
from neuro4d.hardware._partition import moved
from neuro4d.hardware._placement import Change, Placement
from neuro4d.hardware._region import squared
from neuro4d.hardware._traffic import traffic, weighted

DENSE = 1200
"""Cores up to which eigenvectors of the traffic are those of every single core; of more, neighbours in the order are taken together."""

CORES = 4096
"""Cores up to which they are moved one by one, and not only tile by tile."""

FEW = 64
"""Cores up to which the best of all swaps is looked for in the end."""

VERY_FEW = 16
"""Cores up to which that is all that is done: annealing would take longer and find no more."""

REGIONS = ("same", "square")
"""On which chips cores may lie."""

Traffic = Float[np.ndarray, "cores cores"]
Slots = Int[np.ndarray, " cores"]


def place(
    placement: Placement,
    method: Literal["sequential", "spectral", "annealing"] = "annealing",
    seed: int = 0,
    chips: Literal["same", "square"] = "same",
) -> Placement:
    r"""Gives cores the sites of the placement anew, so that spikes have less far to go.

    Minimised is hop-weighted traffic, $\sum_{ab} T_{ab}\, d(a, b)$: messages per step between cores times the links between them. Every destination core counts
    by itself. A multicast tree passes fewer links, and where neurons reach nearly all cores their number hardly depends on the placement: see `route`.

    **Arguments:**

    - `method`: `sequential`: cores in the order of their numbers; `spectral`: neighbours in the lowest eigenvectors of the Laplacian of the traffic become
      neighbours on the mesh; `annealing`: from the best of the present placement, a spectral one, and one with the busiest cores in the middle on, swaps of
      tiles and then, up to 4,096 cores, of cores by simulated annealing.
    - `seed`: of the annealing.
    - `chips`: `same`: the chips of the placement; `square`: as many chips that make a rectangle whose tiles are as nearly a square as they can be. An array of 10 x 9
      chips of 8 x 4 tiles is more than twice as wide as high; 7 x 13 of them have shorter ways. Chips on boards and on hexagonal meshes stay as they are, and so do those of
      a placement whose rectangle would need more chips than the largest system has.

    **Returns:** the placement with every core on a site of its own; sites that were free may be taken. Its report has `hops`, hop-weighted traffic per step, and
    `mean`, links per message. `annealing` never returns more hops than it was given.

    **Raises:** `ValueError` for an unknown method or `chips`.

    **Source:** Hall 1970, Management Science 17(3) (spectral); Kirkpatrick, Gelatt & Vecchi 1983, Science 220 (annealing); Betz & Rose 1997, FPL (range of swaps).

    !!! Example

        >>> pre = np.arange(4000)
        >>> work = n4.hardware.layered(["E"], [4000], pre, (pre * 1999) % 4000, np.full(4000, 0.01), dt=1*u.ms, steps=100)
        >>> placed = n4.hardware.place(n4.hardware.partition(work, n4.hardware.target("loihi1")), seed=1)
        >>> placed.changes[-1].after["hops"] <= placed.changes[-1].before["hops"]
        True
    """
    known = ("sequential", *METHODS)
    if method not in known:
        raise ValueError(f"place: no method {method!r}.{did_you_mean(str(method), known)} Known are {', '.join(known)}.")
    if chips not in REGIONS:
        raise ValueError(f"place: `chips` is {chips!r}.{did_you_mean(str(chips), REGIONS)} Known are {', '.join(REGIONS)}.")
    both = traffic(placement)
    both += both.T.copy()
    given = _hops(placement, both)
    begin = _at(placement, squared(placement)) if chips == "square" else placement
    slots = np.concatenate([begin.site, _free(begin)])
    mesh, node = mesh_of(_at(placement, slots))
    slot = np.argsort(begin.site) if method == "sequential" else METHODS[method](both, mesh, node, np.random.default_rng(seed))
    site, hops = slots[slot], _cost(both, mesh, node[slot])
    if method == "annealing" and hops > given:
        site, hops = placement.site, given
    found = moved(placement, site, _change(method, both, given, hops))
    _check(begin, placement, found)
    return found


def _change(method: str, both: Traffic, before: float, after: float) -> Change:
    messages = max(0.5 * float(both.sum(dtype=np.float64)), np.finfo(float).tiny)
    return Change(f"place ({method})", {"hops": before, "mean": before / messages}, {"hops": after, "mean": after / messages})


def _hops(placement: Placement, both: Traffic) -> float:
    mesh, node = mesh_of(placement)
    return _cost(both, mesh, node)


def _at(placement: Placement, slots: Slots) -> Placement:
    """As if there were a core at each of these sites."""
    return Placement(placement.target, placement.workload, placement.core, slots)


def every_site(placement: Placement) -> Placement:
    """As if there were a core at each site of the chips of a placement."""
    chips = np.unique(placement.site // placement.chip.cores)
    return _at(placement, (chips[:, None] * placement.chip.cores + np.arange(placement.chip.cores)).ravel())


def _free(placement: Placement) -> Slots:
    """Sites without a core on the chips of the placement, as many as there are cores: those nearest to the middle of the mesh."""
    full = every_site(placement)
    mesh, node = mesh_of(full)
    near = full.site[_outwards(mesh, node)][: 2 * placement.n_cores]
    return near[~np.isin(near, placement.site)]


def _outwards(mesh: Mesh, node: Slots) -> Slots:
    """Slots by how far they are from the middle of all of them, those of a node one behind the other."""
    column, row = mesh.place[node].T
    middle = (int(row.min()) + int(row.max()) + 1) // 2 * mesh.columns + (int(column.min()) + int(column.max()) + 1) // 2
    return np.lexsort((node, mesh.hops(np.full_like(node, middle), node)))


def _check(begin: Placement, before: Placement, after: Placement) -> None:
    """The invariant: every core has a site of its own, on the chips where it may lie."""
    chips = [set((each.site // each.chip.cores).tolist()) for each in (begin, before, after)]
    if len(np.unique(after.site)) != before.n_cores or not (chips[2] <= chips[0] or chips[2] <= chips[1]):
        raise RuntimeError("place: two cores share a site, or left their chips; please report this.")


def _cost(both: Traffic, mesh: Mesh, node: Slots) -> float:
    """Hops per step, from the traffic of both directions."""
    return 0.5 * weighted(both, mesh, node)


def _spectral(both: Traffic, mesh: Mesh, node: Slots, rng: np.random.Generator) -> Slots:
    """The slot of every core. Slots are sites: first those that have a core, then others.

    This is the best of lines through the mesh, in the order of one eigenvector, and of columns by one and rows by the other; on the present sites, and on
    those nearest to the middle.
    """
    n = len(both)
    if not both.any() or n < 4:
        return np.arange(n)
    first, second = _lowest(both)
    near = np.sort(_outwards(mesh, node)[:n])
    found = []
    for sites in (np.arange(n), near):
        along = np.argsort(mesh.curve)[node[sites]]
        orders = [
            _matched(first, along),
            _matched(second, along),
            *(_in_columns(a, b, mesh, node[sites]) for a, b in ((first, second), (second, first))),
        ]
        found += [sites[order] for order in orders]
    return min(found, key=lambda slot: _cost(both, mesh, node[slot]))


def _annealed(both: Traffic, mesh: Mesh, node: Slots, rng: np.random.Generator) -> Slots:
    """Tiles are moved as a whole first, which is quick, then core by core, and few cores by descent as well; the best of all stages."""
    stages = [np.arange(len(both)), _spectral(both, mesh, node, rng), _concentric(both, mesh, node)]
    cost = [_cost(both, mesh, node[slot]) for slot in stages]
    for improved in (_tiles_annealed, _cores_annealed, _cores_descended):
        stages.append(improved(both, mesh, node, stages[int(np.argmin(cost))], rng))
        cost.append(_cost(both, mesh, node[stages[-1]]))
    return stages[int(np.argmin(cost))]


def _concentric(both: Traffic, mesh: Mesh, node: Slots) -> Slots:
    """The cores with the most traffic in the middle. As many as share a node are neighbours in the order of the cores, which are of one kind, so that nodes can be moved as a whole."""
    size = int(np.bincount(node).max())
    group = np.arange(len(both)) // size
    sent = np.bincount(group, both.sum(axis=1, dtype=np.float64))
    slot = np.empty(len(both), np.int64)
    slot[np.lexsort((group, -sent[group]))] = _outwards(mesh, node)[: len(both)]
    return slot


def _cores_annealed(both: Traffic, mesh: Mesh, node: Slots, slot: Slots, rng: np.random.Generator) -> Slots:
    return anneal(Swaps(both, mesh, node, slot), rng) if VERY_FEW < len(slot) <= CORES else slot


def _cores_descended(both: Traffic, mesh: Mesh, node: Slots, slot: Slots, rng: np.random.Generator) -> Slots:
    return descend(Swaps(both, mesh, node, slot), rng) if len(slot) <= FEW else slot


def _tiles_annealed(both: Traffic, mesh: Mesh, node: Slots, slot: Slots, rng: np.random.Generator) -> Slots:
    """Swaps of tiles with all their cores. Tiles of which only a part can be used stay as they are."""
    count = np.bincount(node, minlength=mesh.n)
    tiles = np.flatnonzero(count == count.max())
    size = int(count.max())
    first = np.cumsum(count) - count
    places = np.argsort(node, kind="stable")[first[tiles][:, None] + np.arange(size)]
    tile, inside = np.full(len(node), -1), np.zeros(len(node), int)
    tile[places], inside[places] = np.arange(len(tiles))[:, None], np.arange(size)
    cores = np.flatnonzero(tile[slot] >= 0)
    join = sp.csr_matrix((np.ones(len(cores), both.dtype), (tile[slot[cores]], cores)), shape=(len(tiles), len(both)))
    joined = np.ascontiguousarray((join @ both) @ join.T, np.float64)
    np.fill_diagonal(joined, 0)
    found = anneal(Swaps(joined, mesh, tiles, np.arange(len(tiles))), rng)
    moved_to = slot.copy()
    moved_to[cores] = places[found[tile[slot[cores]]], inside[slot[cores]]]
    return moved_to


METHODS: MappingProxyType[str, Callable[[Traffic, Mesh, Slots, np.random.Generator], Slots]] = MappingProxyType(
    {"spectral": _spectral, "annealing": _annealed},
)


def _lowest(both: Traffic) -> tuple[Float[np.ndarray, " cores"], Float[np.ndarray, " cores"]]:
    """The two eigenvectors of the Laplacian of the traffic after the constant one, which put cores the nearer the more they talk."""
    group = -(-len(both) // DENSE)
    starts = np.arange(0, len(both), group)
    coarse = both if group == 1 else np.add.reduceat(np.add.reduceat(both, starts, axis=0), starts, axis=1)
    degree = coarse.sum(axis=1, dtype=np.float64)
    scale = 1 / np.sqrt(np.maximum(degree, degree.max() * 1e-6))
    vectors = eigh(coarse * scale[:, None] * scale, subset_by_index=(len(coarse) - 3, len(coarse) - 1))[1] * scale[:, None]
    return np.repeat(vectors[:, 1], group)[: len(both)], np.repeat(vectors[:, 0], group)[: len(both)]


def _matched(value: Float[np.ndarray, " cores"], along: Int[np.ndarray, " cores"]) -> Slots:
    """The cores by value get the places along a line in turn."""
    order = np.empty(len(value), np.int64)
    order[np.argsort(value, kind="stable")] = np.argsort(along, kind="stable")
    return order


def _in_columns(first: Float[np.ndarray, " cores"], second: Float[np.ndarray, " cores"], mesh: Mesh, node: Slots) -> Slots:
    """Cores by the first value to columns, and those of a column by the second to rows."""
    column, row = mesh.place[node].T
    slots = np.lexsort((row, column))
    by_first = np.argsort(first, kind="stable")
    order = np.empty(len(node), np.int64)
    for here in np.split(np.arange(len(node)), np.flatnonzero(np.diff(column[slots])) + 1):
        cores = by_first[here]
        order[cores[np.argsort(second[cores], kind="stable")]] = slots[here]
    return order
