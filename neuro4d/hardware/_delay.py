"""How long packets take, from counts alone: their ways, the times of routers and links, and who has to wait for whom."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from neuro4d._base import table
from neuro4d.hardware._flights import Flights, along, flights, spikes_of
from neuro4d.hardware._fluid import fluid
from neuro4d.hardware._interval import Interval
from neuro4d.hardware._packets import check_within, pace_of
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._route import Routes, is_deadlock_free, route
from neuro4d.results import Run

QUIET = 0.3
"""Share of the time that the busiest link works, up to which a step counts as quiet."""

BANDS = ((1.2, 1.4), (2.0, 2.5))
"""By which factors a mean and a 99th percentile may be off: for bursts and quiet steps, and between the two, where queues come and go."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class NetworkDelay:
    """How long deliveries to cores on other nodes take, by counting.

    **Fields:** `mean` and `p99`, the 99th percentile, in s, as intervals; `free`: the mean if no packet ever waited; `hops`: links per delivery; `queue`: the most
    packets that pass a link in a step; `deliveries`: how many there are; `origin`: where the spikes are from.
    """

    mean: Interval
    p99: Interval
    free: Interval
    hops: float
    queue: int
    deliveries: int
    origin: str

    def __repr__(self) -> str:
        rows = [
            (name, *(f"{end * 1e9:,.1f} ns" for end in (x.value, x.low, x.high)))
            for name, x in (("mean", self.mean), ("99 %", self.p99), ("without queues", self.free))
        ]
        return (
            table(("delay", "value", "low", "high"), rows) + f"\n{self.deliveries:,} deliveries, {self.hops:.2f} links each; {self.origin}"
        )


def network_delay(
    placement: Placement,
    run: Run | np.ndarray | None = None,
    *,
    routes: Routes | None = None,
    steps: int = 20,
    within: Any = None,
    hop: Any = None,
    link: Any = None,
    seed: int = 0,
) -> NetworkDelay:
    r"""The delay of messages through the network, without simulating it: what `packets` is compared with.

    A delivery over $d$ links takes $d\,(t_\text{hop} + t_\text{link})$ and what it waits. Waits are those of a fluid: the packets of a link are counted by where they come from.
    Those of cores come at the begin of the step, or evenly over `within`; those of one link come evenly around the mean of the times at which they are expected to leave it, over
    a span with the same spread; and the queue grows while more come than the link takes. Links are gone through in the order of the channel dependency graph. Packets that come at
    random to a link that keeps up wait as in a queue M/D/1, $t_\text{link}\,\rho / 2(1 - \rho)$, less their share that comes by the same link and cannot meet.

    The band of the mean is a factor of 1.2 either way, and 1.4 for the 99th percentile, where all spikes are sent at once or links are in use for less than 30 % of
    `within`; in between, where queues come and go, 2 and 2.5. For spikes that are sent at once it ends where it is certain to: packets that start on one link
    wait for each other in any case, and two packets delay each other only where their ways meet, so that the waits add up to at most one $t_\text{link}$ for each such pair. Bands
    of `hop` and `link` of the target come on top; times that are given are exact.

    **Arguments:** as for `packets`. Buffers have no end here, and nothing is dropped.

    **Raises:** as `packets`; `ValueError` for routes with a circle.

    **Source:** Kruskal & Snir 1983, IEEE Trans. Comput. C-32(12) (queues of packets that come by several links).

    !!! Example

        >>> pre = np.arange(8000)
        >>> work = n4.hardware.layered(["E"], [8000], pre, (pre * 1999) % 8000, np.full(8000, 0.1), dt=1*u.ms, steps=100)
        >>> placement = n4.hardware.partition(work, n4.hardware.target("spinnaker1"))
        >>> delay = n4.hardware.network_delay(placement, hop=100*u.nsecond, link=200*u.nsecond)
        >>> delay.mean.low < n4.hardware.packets(placement, hop=100*u.nsecond, link=200*u.nsecond, buffer=float("inf"), timeout=float("inf")).mean < delay.mean.high
        True
    """
    pace, span = pace_of(placement, hop, link), check_within(within)
    routes = route(placement) if routes is None else routes
    if not is_deadlock_free(routes):
        raise ValueError(
            "network_delay: packets of these routes can wait in a circle, and have no delay; `n4.hardware.route(placement)` makes none that do."
        )
    spikes = spikes_of(placement, run, steps, seed)
    found = flights(placement, routes, spikes)
    ends = [(getattr(pace.hop, end), getattr(pace.link, end)) for end in ("value", "low", "high")]
    each = [_estimated(found, routes, span, float(t_hop), float(t_link), seed) for t_hop, t_link in ends]
    mean, p99 = (Interval(each[0][i][0], min(x[i][1] for x in each), max(x[i][2] for x in each)) for i in (0, 1))
    due = max(int(found.deliveries.sum()), 1)
    hops = float((found.deliveries * found.depth).sum() / due)
    link_of = routes.link_of[found.channel] + len(routes.links) * found.step
    queue = int(np.unique(link_of, return_counts=True)[1].max(initial=0))
    return NetworkDelay(mean, p99, (pace.hop + pace.link) * hops, hops, queue, int(found.deliveries.sum()), spikes.origin)


def _estimated(
    found: Flights, routes: Routes, within: float, hop: float, link: float, seed: int
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and 99th percentile in s, each with its band, at exact times of routers and links."""
    due = float(found.deliveries.sum())
    if not due:
        return (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    free = float((found.deliveries * found.depth).sum() / due) * (hop + link)
    exact = 1 - 1e-12  # sums are rounded
    wait = fluid(found, routes, within, hop, link)
    mean = free + float((wait * found.below).sum() / due)
    low, high = certain(found, routes)
    low, high = (free + low * link / due, free + high * link / due) if within == 0 else (free, free + high * link / due)
    of_mean, of_p99 = BANDS[0 if within == 0 or _share(found, routes, within, link) < QUIET else 1]
    mean = min(max(mean, low), high)
    drawn = 2 * wait * np.random.default_rng([seed, 3]).random(len(wait))  # as in a queue that grows evenly
    p99 = float(np.quantile(np.repeat(along(found, drawn) + found.depth * (hop + link), found.deliveries), 0.99, method="inverted_cdf"))
    least = float(np.quantile(np.repeat(found.depth * (hop + link), found.deliveries), 0.99, method="inverted_cdf"))
    return (mean, max(mean / of_mean, low) * exact, min(mean * of_mean, high) / exact), (
        p99,
        max(p99 / of_p99, least) * exact,
        p99 * of_p99,
    )


def certain(found: Flights, routes: Routes) -> tuple[float, float]:
    """Between what all waits of deliveries add up to, in times of a link, when spikes are sent at once: pairs of packets that start on one link, and pairs whose
    ways meet at one. The second holds whenever spikes are sent: in a queue that serves who came first, packets of one link keep their distance."""
    link = routes.link_of[found.channel]
    here = found.step * len(routes.links) + link
    start = found.parent < 0
    source = np.where(start, -1 - np.arange(len(link)), link[found.parent])
    meet = _rank(found.below, here) - _rank(found.below, here, source)
    least = _rank(-found.below[start], here[start])
    return float((found.below[start] * least).sum()), float((found.below * meet).sum())


def _rank(value: Int[np.ndarray, " k"], *group: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
    """How many of its group stand before each, in the order of a value."""
    order = np.lexsort((value, *group))
    new = np.zeros(len(order), bool)
    new[:1] = True
    for part in group:
        new[1:] |= part[order][1:] != part[order][:-1]
    first = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    found = np.empty(len(order), np.int64)
    found[order] = np.arange(len(order)) - first
    return found


def _share(found: Flights, routes: Routes, within: float, link: float) -> Float[np.ndarray, ""]:
    """Which share of a time the busiest link of a step works."""
    here = routes.link_of[found.channel] + len(routes.links) * found.step
    return np.unique(here, return_counts=True)[1].max(initial=0) * link / within
