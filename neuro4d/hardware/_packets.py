"""Packets of a recorded run on their way through the placed network: how long they take, where they wait, and which are lost."""

import dataclasses
import math
from typing import Any, NamedTuple

import brainunit as u
import numpy as np
from jaxtyping import Float, Int

from neuro4d._base import check_quantity, table
from neuro4d.hardware._flights import Flights, Spikes, flights, spikes_of
from neuro4d.hardware._fluid import levels
from neuro4d.hardware._interval import Interval
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._queues import Crossings, Passed, Rules, pass_all, pass_freely
from neuro4d.hardware._route import Routes, is_deadlock_free, route
from neuro4d.hardware._schema import Coefficient
from neuro4d.results import Run

FINEST = 16
"""Ticks in which a packet passes a link, at most."""

CLOSE = 0.005
"""By which share the time of a hop may differ from whole ticks."""

SLOWEST = 10**9
"""Ticks over which the spikes of a step are spread, at most."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Packets:
    """What became of the packets of some steps of a run.

    A delivery is a packet that reaches a core on another node; what stays on its node passes no link and is left out.

    **Fields:**

    - `delay`: from the spike to the delivery, in s, `(k,)`; `hops`: links on the way; `step` of the run's steps that were taken, from 0.
    - `sent`, `lost`: deliveries that were due in each step, and those that were dropped, `(steps,)`.
    - `span`: from the begin of each step to its last delivery, in s, `(steps,)`.
    - `carried`: packets over each link per step, `(links,)`; `busiest`: the most in a single step; `longest`: the longest queue; links are those of `routes`.
    - `hop`, `link`: s through a router and of a packet on a link, as they were taken. `origin`: where the spikes are from.
    """

    delay: Float[np.ndarray, " k"]
    hops: Int[np.ndarray, " k"]
    step: Int[np.ndarray, " k"]
    sent: Int[np.ndarray, " steps"]
    lost: Int[np.ndarray, " steps"]
    span: Float[np.ndarray, " steps"]
    carried: Float[np.ndarray, " links"]
    busiest: Int[np.ndarray, " links"]
    longest: Int[np.ndarray, " links"]
    routes: Routes
    hop: float
    link: float
    origin: str

    @property
    def mean(self) -> float:
        """Mean delay in s; NaN where nothing was delivered."""
        return float(self.delay.mean()) if len(self.delay) else math.nan

    def quantile(self, q: float) -> float:
        """The delay in s that a share `q` of all deliveries does not exceed; NaN where nothing was delivered."""
        return float(np.quantile(self.delay, q, method="inverted_cdf")) if len(self.delay) else math.nan

    def per_step(self, q: float) -> Float[np.ndarray, " steps"]:
        """The same for each step, `(steps,)`."""
        parts = np.split(self.delay[np.argsort(self.step, kind="stable")], np.cumsum(np.bincount(self.step, minlength=len(self.sent)))[:-1])
        return np.array([np.quantile(part, q, method="inverted_cdf") if len(part) else math.nan for part in parts])

    def histogram(self, bins: int = 40) -> tuple[Int[np.ndarray, " bins"], Float[np.ndarray, " bins+1"]]:
        """Deliveries by delay: counts `(bins,)`, and the ends of the bins in s, `(bins + 1,)`."""
        return np.histogram(self.delay, bins)

    def __repr__(self) -> str:
        due = max(int(self.sent.sum()), 1)
        rows = [
            ("deliveries", f"{int(self.sent.sum()):,}"),
            ("lost", f"{int(self.lost.sum()):,} ({self.lost.sum() / due:.1%})"),
            *(
                (name, f"{value * 1e9:,.1f} ns")
                for name, value in (("mean delay", self.mean), ("median", self.quantile(0.5)), ("99 %", self.quantile(0.99)))
            ),
            ("longest queue", f"{int(self.longest.max(initial=0)):,} packets"),
            ("links", f"{len(self.carried):,}, {int(self.busiest.max(initial=0)):,} packets in a step over the busiest"),
            ("spikes", self.origin),
        ]
        return table(("packets", ""), rows, left=2)


def packets(
    placement: Placement,
    run: Run | np.ndarray | None = None,
    *,
    routes: Routes | None = None,
    steps: int = 20,
    within: Any = None,
    buffer: float | None = None,
    timeout: Any = None,
    hop: Any = None,
    link: Any = None,
    seed: int = 0,
) -> Packets:
    """Simulates the packets of some steps of a run, link by link.

    A link takes the time `link` for a packet, and serves who came first; from its end a packet takes `hop` through the next router. Every step begins with empty
    links. Routers of SpiNNaker copy a packet where ways part; elsewhere a neuron sends one for each core that it reaches. Time is discrete, at most a 16th of `link` fine.

    **Arguments:**

    - `run`: a run that recorded spikes, `n4.Spikes()`, of the model of the workload; or spikes per step, whole numbers `(steps, n)`; without it, spikes are
      sampled from the mean rates of the workload (Poisson).
    - `routes`: of `route(placement, ...)`; in dimension order if left out.
    - `steps`: how many, evenly spread over the run.
    - `within`: a time such as `1*u.ms` over which cores send the spikes of a step, each at random. All at its begin if left out, which is the worst case.
    - `buffer`: packets that lie at the end of a link, beyond which it takes no more; `timeout`: a time after which a blocked packet is dropped; `hop`, `link`. Those of the
      target if left out, and without end where it has none. `buffer=math.inf, timeout=math.inf`: nothing is ever held back or lost.
    - `seed`: of spikes, times, and who goes first of packets that come at the same time.

    **Raises:** `ValueError` for a target that does not say how fast its links are, for bad numbers, for a run of another model, and for too many packets at once;
    `RuntimeError` where packets wait for each other in a circle, which routes of `route` never make them do.

    !!! Example

        >>> pre = np.arange(8000)
        >>> work = n4.hardware.layered(["E"], [8000], pre, (pre * 1999) % 8000, np.full(8000, 0.1), dt=1*u.ms, steps=100)
        >>> placement = n4.hardware.partition(work, n4.hardware.target("spinnaker1"))
        >>> alone = n4.hardware.packets(placement, np.eye(8000, dtype=int)[3:4], hop=100*u.nsecond, link=200*u.nsecond)
        >>> np.round(alone.delay * 1e9), alone.hops
        (array([300.]), array([1]))
    """
    pace = pace_of(placement, hop, link)
    grid = tick, service, through = ticks(*pace.middle)
    rules = Rules(service, through, _buffer(placement, buffer), _timeout(placement, timeout, tick))
    routes = route(placement) if routes is None else routes
    spikes = spikes_of(placement, run, steps, seed)
    found = flights(placement, routes, spikes)
    release = _release(found, spikes, within, tick, seed)
    passed = _passed(found, spikes, routes, release, rules, seed)
    if passed.stuck:
        raise RuntimeError(
            f"packets: {passed.stuck} packets wait for each other in a circle. `n4.hardware.deadlock(routes)` names links of one; `n4.hardware.route` makes none."
        )
    return _result(found, spikes, routes, passed, release, pace, grid)


def _passed(found: Flights, spikes: Spikes, routes: Routes, release: Int[np.ndarray, " spikes"], rules: Rules, seed: int) -> Passed:
    """All steps at once, each with links of its own."""
    n_links, channels = len(routes.links), len(routes.link_of)
    rank = np.random.default_rng([seed, 1]).permutation(len(found.step))
    crossings = Crossings(found.channel + channels * found.step, found.parent, release[found.packet], rank)
    if rules.buffer is None and rules.timeout is None and routes.virtual == 1 and is_deadlock_free(routes):
        return pass_freely(crossings, np.tile(levels(routes), spikes.steps), rules)
    return pass_all(crossings, (routes.link_of + n_links * np.arange(spikes.steps)[:, None]).ravel(), rules)


class Pace(NamedTuple):
    """Time of a router and of a link for a packet, in s, with their bands."""

    hop: Interval
    link: Interval

    @property
    def middle(self) -> tuple[float, float]:
        return float(self.hop.value), float(self.link.value)


def pace_of(placement: Placement, hop: Any, link: Any) -> Pace:
    """The times of a target, or those that are given, which are then exact."""
    time = placement.target.time
    return Pace(_given("hop", hop, time.hop, placement), _given("link", link, time.link, placement))


def _given(name: str, value: Any, known: Coefficient | None, placement: Placement) -> Interval:
    if value is not None:
        return Interval(_seconds(name, value))
    if known is None or known.value <= 0:
        raise ValueError(
            f"packets: {placement.target.name} does not say how long a packet takes (time.{name}); give it, for example `{name}=5*u.nsecond`."
        )
    return known.interval


def _seconds(name: str, value: Any) -> float:
    return float(check_quantity(value, u.second, f"packets: {name}", low=0, open_low=True))


def ticks(hop: float, link: float) -> tuple[float, int, int]:
    """The length of a tick in s, and how many a link and a router take: as few as make the router's time whole to half a percent, or 16 for a link."""
    fits = [n for n in range(1, FINEST + 1) if round(n * hop / link) and abs(round(n * hop / link) / (n * hop / link) - 1) <= CLOSE]
    service = fits[0] if fits else FINEST
    return link / service, service, max(round(service * hop / link), 1)


def _buffer(placement: Placement, buffer: float | None) -> int | None:
    known = placement.target.limits.buffer
    if buffer is None:
        return None if known is None else int(known.value)
    if buffer == math.inf:
        return None
    if isinstance(buffer, bool) or not isinstance(buffer, int | np.integer) or buffer < 1:
        raise ValueError(f"packets: `buffer` is a whole number of packets from 1, or math.inf; got {buffer!r}. For example `buffer=16`.")
    return int(buffer)


def _timeout(placement: Placement, timeout: Any, tick: float) -> int | None:
    if timeout is None:
        known = placement.target.time.timeout
        return None if known is None else max(math.ceil(known.value / tick), 1)
    if isinstance(timeout, float) and timeout == math.inf:
        return None
    return max(math.ceil(_seconds("timeout", timeout) / tick), 1)


def check_within(within: Any) -> float:
    """A time in s; 0 if left out."""
    return 0.0 if within is None else _seconds("within", within)


def _release(found: Flights, spikes: Spikes, within: Any, tick: float, seed: int) -> Int[np.ndarray, " spikes"]:
    """The tick at which each spike is sent."""
    span = check_within(within) / tick
    if span > SLOWEST:
        raise ValueError(
            f"packets: `within` = {within} is {span:.1e} ticks of {tick:.2g} s, more than {SLOWEST:,}. For example `within={SLOWEST * tick / 10:.1g}*u.second`."
        )
    return np.floor(np.random.default_rng([seed, 2]).random(len(spikes.step)) * span).astype(np.int64)


def _result(
    found: Flights,
    spikes: Spikes,
    routes: Routes,
    passed: Passed,
    release: Int[np.ndarray, " spikes"],
    pace: Pace,
    grid: tuple[float, int, int],
) -> Packets:
    tick, service, through = grid
    hop, link = pace.middle
    come = (found.deliveries > 0) & (passed.arrived >= 0)
    waited = passed.arrived - release[found.packet] - found.depth * (service + through)
    delay = found.depth * (hop + link) + waited * tick
    per_step = lambda rows: np.bincount(found.step[rows], found.deliveries[rows], spikes.steps).astype(np.int64)  # noqa: E731
    span = np.zeros(spikes.steps)
    np.maximum.at(span, found.step[come], delay[come] + release[found.packet[come]] * tick)
    n_links, begun = len(routes.links), passed.arrived >= 0
    count = np.bincount(routes.link_of[found.channel[begun]] + n_links * found.step[begun], minlength=n_links * spikes.steps)
    count = count.reshape(spikes.steps, n_links)
    longest = np.zeros(n_links * spikes.steps, np.int64)
    longest[: len(passed.longest)] = passed.longest
    times = found.deliveries[come]
    return Packets(
        delay=np.repeat(delay[come], times),
        hops=np.repeat(found.depth[come], times),
        step=np.repeat(found.step[come], times),
        sent=per_step(np.ones(len(come), bool)),
        lost=per_step((found.deliveries > 0) & (passed.arrived < 0)),
        span=span,
        carried=count.mean(axis=0),
        busiest=count.max(axis=0),
        longest=longest.reshape(spikes.steps, n_links).max(axis=0),
        routes=routes,
        hop=hop,
        link=link,
        origin=spikes.origin,
    )
