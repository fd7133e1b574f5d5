"""Thermal placement: swaps of cores that cool the hottest tile, within a bound on traffic."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from neuro4d.hardware._anneal import Swaps
from neuro4d.hardware._estimate import estimate
from neuro4d.hardware._mesh import mesh_of
from neuro4d.hardware._partition import moved
from neuro4d.hardware._placement import Change, Placement
from neuro4d.hardware._thermal import Package, Solver, Temperatures, heat_of
from neuro4d.hardware._traffic import hop_traffic, traffic, weighted

MATERIAL = 0.1
"""K. A hottest tile that gets cooler by less is not worth a packet that goes further."""

SWAPS, TRIES, AT_ONCE, FREE = 1000, 4, 64, 256
"""Swaps at most; how often others are tried before none is thought to help; how many are looked at together; free sites beyond as many as there are cores."""


def cool(placement: Placement, package: Package | None = None, *, more_hops: float = 0.05, seed: int = 0) -> Placement:
    r"""Swaps cores, or moves them to free sites on the same chips, so that the hottest tile gets cooler.

    Each swap is the one, of a few dozens with a core of the hottest tile, after which the hottest tile is coolest. Temperatures are linear in power as long as leakage stands
    still, so a swap is judged by two columns of $G^{-1}$; in the end temperatures are solved anew.

    How much can be had at all is known before: the mean over all tiles depends on the sum of power alone, and no tile can be hottest below it. Inside of a chip that takes a watt,
    that is a few hundredths of a kelvin, and the placement is returned as it was.

    **Arguments:** `package`: as for `temperature`; `more_hops`: by which share hop-weighted traffic may grow; `seed`: of the swaps that are tried.

    **Returns:** the placement with every core on a site of its own, on the same chips; or as it was where the hottest tile would become cooler by less than 0.1 K, which the report
    calls `no material effect`, and where swaps that seemed near were not, on a board with links around its edges: `packets would go too far`. The report has `hottest` and `mean` in K, `hops`, and `step_time` in s: a barrier takes longer over more tiles.

    **Raises:** as `temperature`; `ValueError` for a share below 0.

    !!! Example

        >>> pre = np.arange(4000)
        >>> work = n4.hardware.layered(["E"], [4000], pre, pre[::-1], np.full(4000, 0.01), dt=1*u.ms, steps=100)
        >>> n4.hardware.cool(n4.hardware.partition(work, n4.hardware.target("loihi1"))).changes[-1].name
        'cool (no material effect)'
    """
    if not more_hops >= 0:
        raise ValueError(
            f"cool: more_hops is the share by which traffic may grow, at least 0; got {more_hops}. For example `more_hops=0.05`."
        )
    solver = Solver(placement, package or Package())
    sent = traffic(placement)
    start = solver.temperatures(placement)
    before = after = _numbers(placement, start, sent)
    name, found = "cool (no material effect)", placement
    if start.hottest - start.mean >= MATERIAL:
        tried = _searched(placement, solver, sent, start, more_hops, np.random.default_rng(seed))
        numbers = _numbers(tried, solver.temperatures(tried), sent)
        if numbers["hops"] > before["hops"] * (1 + more_hops) * (1 + 1e-6):  # swaps do not know of links around the edges of a board
            name = "cool (packets would go too far)"
        elif before["hottest"] - numbers["hottest"] >= MATERIAL:
            name, found, after = "cool", tried, numbers
    done = moved(found, found.site, Change(name, before, after))
    _check(placement, done, more_hops)
    return done


def _numbers(placement: Placement, found: Temperatures, sent: Float[np.ndarray, "cores cores"]) -> dict[str, float]:
    time = float(estimate(placement).step_time.value)
    return {"hottest": found.hottest, "mean": found.mean, "hops": hop_traffic(placement, sent), "step_time": time}


def _searched(
    placement: Placement, solver: Solver, sent: Float[np.ndarray, "cores cores"], start: Temperatures, more: float, rng: np.random.Generator
) -> Placement:
    """The placement after swaps, each of which made the hottest tile cooler."""
    sites = np.concatenate([placement.site, _free(placement, solver, start)])
    slot = np.arange(placement.n_cores)
    mesh, node = mesh_of(dataclasses.replace(placement, site=sites))
    swaps = Swaps(sent + sent.T, mesh, node, slot)
    search = _Search(placement, solver, swaps, slot, start, solver.node(placement, sites))
    left = more * weighted(sent, mesh, node[slot])  # hops that may be added
    failed = 0
    for _ in range(SWAPS):
        gain = search.best(rng, left)
        failed = 0 if gain is not None else failed + 1
        left -= 0.0 if gain is None else gain
        if failed == TRIES:
            break
    return moved(placement, sites[swaps.slot[: placement.n_cores]], Change("cool", {}, {}))


def _free(placement: Placement, solver: Solver, start: Temperatures) -> Int[np.ndarray, " k"]:
    """Sites without a core on the coolest tiles: as many as there are cores, and some more."""
    sites = (solver.chips[:, None] * placement.chip.cores + np.arange(placement.chip.cores)).ravel()
    sites = np.setdiff1d(sites, placement.site)
    warm = start.tile.ravel()[solver.node(placement, sites)]
    return sites[np.argsort(warm, kind="stable")][: placement.n_cores + FREE]


class _Search:
    """Cores on slots, which are the sites of the placement and then free ones; the latter have a core that does nothing."""

    def __init__(
        self,
        placement: Placement,
        solver: Solver,
        swaps: Swaps,
        slot: Int[np.ndarray, " cores"],
        start: Temperatures,
        tile: Int[np.ndarray, " slots"],
    ):
        self.solver, self.swaps, self.tile = solver, swaps, tile
        heat = heat_of(placement)
        self.heat = np.full(len(tile), float(heat.site.min()))  # by core; those without neurons come last
        inside = (
            np.searchsorted(solver.chips, placement.site // placement.chip.cores) * placement.chip.cores
            + placement.site % placement.chip.cores
        )
        self.heat[: len(slot)] = heat.core + heat.site[inside]
        self.temperature = start.tile.ravel().copy()
        self.columns: dict[int, Any] = {}

    def column(self, tile: int) -> Float[np.ndarray, " n"]:
        """How the tiles answer to a watt at one, in K; kept, since hot and cool tiles come by again and again."""
        if tile not in self.columns:
            self.columns[tile] = self.solver.response(tile)
        return self.columns[tile]

    def best(self, rng: np.random.Generator, left: float) -> float | None:
        """Does the best of some swaps with the hottest tile; what it added to the hops, or `None` where none helps."""
        hot = int(np.argmax(self.temperature))
        here = self.swaps.core[np.flatnonzero(self.tile == hot)]
        here = here[np.argsort(-self.heat[here])][: max(AT_ONCE // 16, 1)]
        cooler = np.argsort(self.temperature[self.tile] + rng.exponential(0.1 * np.ptp(self.temperature), len(self.tile)))
        there = self.swaps.core[cooler[: AT_ONCE // len(here)]]
        a, b = np.repeat(here, len(there)), np.tile(there, len(here))
        less = self.heat[a] - self.heat[b]
        good = (less > 0) & (self.tile[self.swaps.slot[b]] != hot)
        a, b, less = a[good], b[good], less[good]
        added = self.swaps.change(a, b)
        good = added <= left
        a, b, less, added = a[good], b[good], less[good], added[good]
        if not len(a):
            return None
        ends = self.tile[self.swaps.slot[b]]
        moves = np.stack([self.column(int(end)) - self.column(hot) for end in ends]) * less[:, None]
        peak = (self.temperature + moves).max(axis=1)
        which = int(np.argmin(peak))
        if not peak[which] < self.temperature.max() - 1e-6:
            return None
        self.temperature = self.temperature + moves[which]
        self.swaps.swap(self.swaps.shifts(a[[which]], b[[which]]))
        return float(added[which])


def _check(before: Placement, after: Placement, more: float) -> None:
    """The invariant: every core has a site of its own on the chips of before, and traffic keeps to its bound."""
    chips = [set((each.site // each.chip.cores).tolist()) for each in (before, after)]
    change = after.changes[-1]
    far = change.after["hops"] > change.before["hops"] * (1 + more) * (1 + 1e-6) + 1e-9
    if (
        len(np.unique(after.site)) != before.n_cores
        or not chips[1] <= chips[0]
        or far
        or change.after["hottest"] > change.before["hottest"]
    ):
        raise RuntimeError("cool: two cores share a site, left their chips, or their packets go too far; please report this.")
