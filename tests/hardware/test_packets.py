"""Packets on the way: against a slow model that moves one tick at a time, and against what is known of them by counting."""

import math
from collections import deque

import brainunit as u
import chip_cases
import jax.random as jr
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d.hardware._delay import certain
from neuro4d.hardware._flights import flights, spikes_of
from neuro4d.hardware._packets import ticks
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._queues import Crossings, Rules, pass_all, pass_freely
from neuro4d.hardware._workload import layered

NO_LOSS = {"buffer": math.inf, "timeout": math.inf}


def slow(jobs: Crossings, link_of, rules: Rules):
    """Tick by tick, packet by packet, with queues of Python."""
    n = len(jobs.channel)
    children = [[j for j in range(n) if jobs.parent[j] == i] for i in range(n)]
    pending = [len(c) for c in children]
    queues = {c: deque() for c in range(len(link_of))}
    room = dict.fromkeys(queues, math.inf if rules.buffer is None else rules.buffer)
    free_at = dict.fromkeys(link_of.tolist(), 0)
    since, arrived, dropped, coming = {}, [-1] * n, [False] * n, {}

    def leave(j):
        queues[jobs.channel[j]].popleft()
        if jobs.parent[j] >= 0:
            pending[jobs.parent[j]] -= 1
            if pending[jobs.parent[j]] == 0:
                room[jobs.channel[jobs.parent[j]]] += 1

    for now in range(2000):
        new = [j for j in range(n) if jobs.parent[j] < 0 and jobs.release[j] == now]
        for j in coming.pop(now, []):
            arrived[j] = now
            if not children[j]:
                room[jobs.channel[j]] += 1
            new += children[j]
        for j in sorted(new, key=lambda j: jobs.rank[j]):
            queues[jobs.channel[j]].append(j)
            since[j] = now
        moved = True
        while moved:
            moved = False
            for link, until in list(free_at.items()):
                able = [c for c in queues if link_of[c] == link and queues[c] and room[c] > 0]
                if until <= now and able:
                    j = min((queues[c][0] for c in able), key=lambda j: (since[j], jobs.rank[j]))
                    leave(j)
                    room[jobs.channel[j]] -= 1
                    free_at[link] = now + rules.service
                    coming.setdefault(now + rules.service + rules.hop, []).append(j)
                    moved = True
            if not moved and rules.timeout is not None:
                for j in [q[0] for q in queues.values() if q and now - since[q[0]] >= rules.timeout]:
                    leave(j)
                    dropped[j] = moved = True
    return arrived, dropped


@st.composite
def crowds(draw):
    """Packets on paths and small trees over a few links, whose numbers grow along the way: no circles."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    links, packets = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    rows, release = [], []
    for _ in range(packets):
        path = np.flatnonzero(rng.random(links) < 0.6)
        at = int(rng.integers(0, 12))
        for i, link in enumerate(path):
            parent = -1 if i == 0 else len(rows) - 1 - int(rng.integers(0, min(i, 2)))
            rows.append((int(link), parent))
            release.append(at)
    channel, parent = np.array(rows, np.int64).reshape(-1, 2).T
    return Crossings(channel, parent, np.array(release, np.int64), rng.permutation(len(rows))), np.arange(links)


@given(crowds(), st.integers(1, 4), st.integers(1, 5), st.sampled_from([None, 1, 2]), st.sampled_from([None, 1, 7]))
@settings(max_examples=60)
def test_packets_move_as_in_a_model_that_goes_tick_by_tick(crowd, service, hop, buffer, timeout):
    jobs, link_of = crowd
    rules = Rules(service, hop, buffer, timeout)
    found = pass_all(jobs, link_of, rules)
    arrived, dropped = slow(jobs, link_of, rules)
    assert found.arrived.tolist() == arrived
    assert found.dropped.tolist() == dropped
    assert found.stuck == 0
    assert timeout is not None or not any(dropped)


@given(crowds(), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=60)
def test_queue_by_queue_is_tick_by_tick(crowd, service, hop):
    """Without limits of buffers and patience, queues can be worked through one after the other."""
    jobs, link_of = crowd
    found, want = pass_freely(jobs, link_of, Rules(service, hop)), pass_all(jobs, link_of, Rules(service, hop))
    assert found.arrived.tolist() == want.arrived.tolist()
    assert found.longest[: len(want.longest)].tolist() == want.longest.tolist()
    assert found.longest[len(want.longest) :].sum() == 0


@pytest.mark.parametrize(("buffer", "stuck"), [(1, 4), (2, 0), (None, 0)])
def test_packets_that_wait_in_a_circle_are_found_and_need_full_buffers(buffer, stuck):
    """Four links in a circle, and on each a packet that wants the next two as well."""
    channel = np.array([[i, (i + 1) % 4, (i + 2) % 4] for i in range(4)]).ravel()
    parent = np.array([[-1, 3 * i, 3 * i + 1] for i in range(4)]).ravel()
    found = pass_all(Crossings(channel, parent, np.zeros(12, np.int64), np.arange(12)), np.arange(4), Rules(2, 3, buffer))
    assert found.stuck == stuck
    assert (found.arrived >= 0).all() == (stuck == 0)


def test_a_queue_on_one_link_by_hand():
    """Three packets at once on a link of 2 ticks: 7, 9 and 11 ticks; two wait, and a patience of 3 ticks loses the last."""
    jobs = Crossings(np.zeros(3, np.int64), np.full(3, -1), np.zeros(3, np.int64), np.array([2, 0, 1]))
    found = pass_all(jobs, np.zeros(1, np.int64), Rules(2, 5))
    assert found.arrived.tolist() == [11, 7, 9]
    assert found.longest.tolist() == [2]
    assert pass_all(jobs, np.zeros(1, np.int64), Rules(2, 5, None, 3)).dropped.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("hop", "link", "want"), [(5.3e-9, 0.29e-9, (3, 55)), (70e-9, 160e-9, (16, 7)), (1e-9, 1e-9, (1, 1)), (1.5, 1.0, (2, 3))]
)
def test_ticks_are_as_coarse_as_half_a_percent_allows(hop, link, want):
    tick, service, through = ticks(hop, link)
    assert (service, through) == want
    assert service * tick == pytest.approx(link)
    assert through * tick == pytest.approx(hop, rel=0.005)


def chip(copies: bool, **size):
    """A chip that says how fast its links are; its routers copy packets, or not."""
    found = chip_cases.small_chip(axons_in=10**6, axons_out=10**6, memory=10**9, **size)
    return msgspec.structs.replace(found, chip=msgspec.structs.replace(found.chip, multicast=copies))


def scattered(work, target, seed=0) -> Placement:
    found = n4.hardware.partition(work, target)
    return Placement(target, work, found.core, np.random.default_rng(seed).permutation(found.site))


placements = st.builds(
    lambda work, copies, mesh, seed: scattered(work, chip(copies, neurons=4, mesh=mesh, columns=3, rows=3, per_tile=2), seed),
    chip_cases.networks, st.booleans(), st.sampled_from(["square", "hexagonal"]), st.integers(0, 1000),
)  # fmt: skip


@given(placements, st.sampled_from(["dimension_order", "deadlock_free_adaptive"]), st.sampled_from([1, math.inf]))
@settings(max_examples=15)
def test_every_delivery_is_made_once_and_takes_its_links_at_least(placement, algorithm, buffer):
    """Deliveries are counted from the synapses. With room for one packet at the end of a link nothing ever gets stuck."""
    spikes = (np.random.default_rng(1).random((2, placement.workload.n)) < 0.3).astype(int)
    routes = n4.hardware.route(placement, algorithm=algorithm)
    found = n4.hardware.packets(placement, spikes, routes=routes, buffer=buffer, timeout=math.inf, hop=3 * u.nsecond, link=2 * u.nsecond)
    node, core = routes.trees.home, placement.core
    table = placement.fan_out
    away = node[core[table.source]] != node[table.core]
    due = [int((row[table.source] * away).sum()) for row in spikes]
    assert found.sent.tolist() == due
    assert found.lost.sum() == 0
    assert len(found.delay) == sum(due)
    assert (found.delay >= found.hops * 5e-9 * (1 - 1e-9)).all()
    if due[0]:
        assert found.span[0] == pytest.approx(found.delay[found.step == 0].max())
    far = routes.mesh.hops(node[core[table.source]], node[table.core])
    assert found.hops.sum() == sum(int((row[table.source] * far * away).sum()) for row in spikes)


@given(placements)
@settings(max_examples=15)
def test_waits_of_bursts_lie_between_what_is_certain(placement):
    spikes = spikes_of(placement, None, 2, 0)
    routes = n4.hardware.route(placement)
    way = flights(placement, routes, spikes)
    low, high = certain(way, routes)
    found = n4.hardware.packets(placement, routes=routes, steps=2, hop=2 * u.nsecond, link=1 * u.nsecond, **NO_LOSS)
    waits = float((found.delay - found.hops * 3e-9).sum()) / 1e-9
    assert low - 1e-6 <= waits <= high + 1e-6
    bare = n4.hardware.network_delay(placement, routes=routes, steps=2, hop=2 * u.nsecond, link=1 * u.nsecond)
    assert bare.deliveries == len(found.delay)


def test_one_copy_in_routers_or_one_for_each_core():
    """One neuron reaches two cores behind the same link: a router copies one packet, a core sends two, of which the second waits."""
    work = layered(["a"], [3], [0, 0], [1, 2], [1.0, 0, 0], dt=1 * u.ms, steps=1)
    delays = []
    for copies in (True, False):
        placement = n4.hardware.partition(work, chip(copies, neurons=1, columns=3, rows=1, per_tile=1))
        found = n4.hardware.packets(placement, np.array([[1, 0, 0]]), hop=4 * u.nsecond, link=2 * u.nsecond, **NO_LOSS)
        delays.append(sorted(np.round(found.delay * 1e9).tolist()))
    assert delays[0] == [6, 12]
    assert delays[1] in ([8, 12], [6, 14])  # whichever goes first


def test_spinnaker_loses_packets_that_are_blocked_and_loihi_does_not():
    """A hundred cores send to one at once: their queue is far longer than a router of SpiNNaker is patient."""
    work = layered(["a"], [400], np.arange(1, 400), np.zeros(399, int), np.ones(400), dt=1 * u.ms, steps=1)
    spikes = np.ones((1, 400), int)
    for name, loses in (("spinnaker1", True), ("loihi1", False)):
        target = n4.hardware.target(name)
        few = msgspec.structs.replace(target, limits=msgspec.structs.replace(target.limits, neurons=chip_cases.count(4)))
        found = n4.hardware.packets(n4.hardware.partition(work, few), spikes)
        assert (found.lost.sum() > 0) == loses
        assert found.lost.sum() + len(found.delay) == found.sent.sum() > 300


def layers(rng):
    pre = np.repeat(np.arange(300), 40)
    return layered(
        ["in", "hidden", "out"],
        [150, 150, 100],
        pre,
        150 * (pre // 150 + 1) + rng.integers(0, 100, len(pre)),
        np.full(400, 0.3),
        dt=1 * u.ms,
        steps=100,
    )


@pytest.fixture(scope="module")
def five():
    """A recorded run of a balanced network, a lattice, layers, a random graph, and all to one: workload, and spikes where they were recorded."""
    rng = np.random.default_rng(0)
    model = n4.zoo.coba(scale=0.1).build(dt=0.1 * u.ms, seed=0)
    run = n4.simulate(model, jr.key(0), 40 * u.ms, n4.Spikes(), progress=False)
    recorded = n4.hardware.workload(model, run)
    grid = chip_cases.torus(20, 2, 0)
    lattice = layered(["grid"], [400], *_ends(grid), np.full(400, 0.2), dt=1 * u.ms, steps=100)
    random = layered(["a"], [400], *rng.integers(0, 400, (2, 8000)), np.full(400, 0.1), dt=1 * u.ms, steps=100)
    hot = layered(["a"], [400], np.arange(400), np.zeros(400, int), np.full(400, 0.5), dt=1 * u.ms, steps=100)
    return {
        "coba": (recorded, run),
        "lattice": (lattice, None),
        "layers": (layers(rng), None),
        "random": (random, None),
        "all to one": (hot, None),
    }


def _ends(work):
    pieces = list(work.connections.pieces())
    return np.concatenate([piece.pre for piece in pieces]), np.concatenate([piece.post for piece in pieces])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coba", "lattice", "layers", "random", "all to one"])
@pytest.mark.parametrize("copies", [True, False])
def test_simulated_delays_lie_in_the_analytic_band(five, name, copies):
    """Bursts, at exact times of links: the band is at most a factor of 1.44 wide for the mean, and the delay without queues lies below it.

    Where packets hardly wait, on quiet links, the band is as wide and the mean is that without queues.
    """
    work, run = five[name]
    target = chip(copies, neurons=8, mesh="hexagonal" if copies else "square", columns=4, rows=4, per_tile=2)
    placement = scattered(work, target)
    how = {"steps": 12, "hop": 4 * u.nsecond, "link": 3 * u.nsecond}
    counted = n4.hardware.network_delay(placement, run, **how)
    found = n4.hardware.packets(placement, run, **how, **NO_LOSS)
    assert len(found.delay) == counted.deliveries > 100
    assert counted.mean.low <= found.mean <= counted.mean.high <= 1.2**2 * counted.mean.low * (1 + 1e-9)
    assert counted.p99.low <= found.quantile(0.99) * (1 + 1e-9) and found.quantile(0.99) <= counted.p99.high * (1 + 1e-9)
    if name != "coba":
        assert counted.free.value < counted.mean.low
        assert found.mean > 1.2 * counted.free.value
    quiet = n4.hardware.network_delay(placement, run, within=0.1 * u.ms, **how)
    spread = n4.hardware.packets(placement, run, within=0.1 * u.ms, **how, **NO_LOSS)
    assert quiet.mean.low <= spread.mean <= quiet.mean.high <= 1.2**2 * quiet.mean.low * (1 + 1e-9)
    assert spread.mean < found.mean
    for share in (0.6, 1.5):  # of its time, the busiest link works: queues come and go, or grow until the last packet has started
        within = counted.queue * 3e-9 / share * u.second
        wide = n4.hardware.network_delay(placement, run, within=within, **how)
        some = n4.hardware.packets(placement, run, within=within, **how, **NO_LOSS)
        assert wide.mean.low <= some.mean <= wide.mean.high <= 2**2 * wide.mean.low * (1 + 1e-9)
        assert wide.p99.low <= some.quantile(0.99) <= wide.p99.high <= 2.5**2 * wide.p99.low * (1 + 1e-9)


def test_bands_of_a_target_come_on_top(five):
    work, _ = five["random"]
    target = n4.hardware.target("spinnaker1")
    few = msgspec.structs.replace(target, limits=msgspec.structs.replace(target.limits, neurons=chip_cases.count(2)))
    placement = n4.hardware.partition(work, few)
    wide = n4.hardware.network_delay(placement, steps=3)
    exact = n4.hardware.network_delay(placement, steps=3, hop=70 * u.nsecond, link=160 * u.nsecond)
    assert exact.mean.value == wide.mean.value
    assert wide.mean.low < exact.mean.low < exact.mean.high <= wide.mean.high
    assert "without queues" in repr(wide)


def test_a_recorded_run_gives_the_spikes_of_its_steps(five):
    """Steps are spread evenly over the run; all steps together hold all spikes."""
    work, run = five["coba"]
    placement = n4.hardware.partition(work, chip(True, neurons=32, columns=4, rows=4))
    taken = spikes_of(placement, run, 10**6, 0)
    assert taken.steps == run.n_steps
    want = np.concatenate([run.counts(part.name) for part in work.parts])
    assert np.bincount(taken.neuron, minlength=work.n).tolist() == want.tolist()
    some = spikes_of(placement, run, 2, 0)
    assert "2 of 400 recorded" in some.origin
    assert len(some.step) == int(np.isin(taken.step, [0, run.n_steps - 1]).sum())


def test_the_same_seed_gives_the_same_packets_and_another_one_others(five):
    work, _ = five["random"]
    placement = scattered(work, chip(False, neurons=8, columns=4, rows=4))
    how = {"steps": 2, "hop": 4 * u.nsecond, "link": 3 * u.nsecond, "within": 100 * u.nsecond}
    a, b, c = (n4.hardware.packets(placement, seed=seed, **how) for seed in (1, 1, 2))
    assert a.delay.tolist() == b.delay.tolist() != c.delay.tolist()
    assert a.per_step(0.5).shape == (2,)
    counts, ends = a.histogram(7)
    assert counts.sum() == len(a.delay) and len(ends) == 8
    assert "recorded" not in repr(a) and "Poisson" in repr(a)


WRONG = {
    "shape": ({"run": np.zeros((3, 5), int)}, r"shape \(3, 5\).*\(steps, 4\)"),
    "halves of spikes": ({"run": np.full((3, 4), 0.5)}, "whole numbers"),
    "no time": ({"hop": 0.0 * u.nsecond}, "packets: hop"),
    "no unit": ({"link": 1e-9}, "packets: link"),
    "not a number": ({"link": math.nan * u.nsecond}, "packets: link"),
    "before the step": ({"within": -1.0 * u.nsecond}, "packets: within"),
    "very slow": ({"within": 1e6 * u.second}, r"`within` = .* s is 1\.0e\+15 ticks"),
    "no room": ({"buffer": 0}, "`buffer` is a whole number of packets from 1"),
    "part of a packet": ({"buffer": 1.5}, "`buffer` is a whole number"),
    "no patience": ({"timeout": 0.0 * u.nsecond}, "packets: timeout"),
    "no steps": ({"steps": 0}, "steps"),
    "seed": ({"seed": -1}, "seed"),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_numbers_are_named(name):
    given, message = WRONG[name]
    work = layered(["a"], [4], [0, 1], [2, 3], np.ones(4), dt=1 * u.ms, steps=1)
    placement = n4.hardware.partition(work, chip(True, neurons=1, columns=4, rows=1, per_tile=1))
    with pytest.raises((ValueError, TypeError), match=message):
        n4.hardware.packets(placement, **({"hop": 1 * u.nsecond, "link": 1 * u.nsecond} | given))


def test_a_target_without_times_of_links_and_foreign_routes_are_refused():
    work = layered(["a"], [4], [0, 1], [2, 3], np.ones(4), dt=1 * u.ms, steps=1)
    brain = n4.hardware.partition(work, n4.hardware.target("truenorth"))
    with pytest.raises(ValueError, match=r"truenorth does not say how long a packet takes \(time.hop\).*`hop=5\*u.nsecond`"):
        n4.hardware.packets(brain)
    with pytest.raises(ValueError, match="are not those of this placement"):
        n4.hardware.packets(brain, routes=n4.hardware.routes_of([[0, 1]]), hop=1 * u.nsecond, link=1 * u.nsecond)
    here = n4.hardware.partition(work, chip(True, neurons=1, columns=4, rows=1, per_tile=1))
    for core, site in ((here.core, here.site[::-1]), (here.core[::-1], here.site)):  # as many cores, elsewhere, or with other neurons
        with pytest.raises(ValueError, match="are not those of this placement"):
            n4.hardware.network_delay(here, routes=n4.hardware.route(Placement(here.target, work, core, site)))


def test_a_network_on_one_node_sends_nothing():
    work = layered(["a"], [4], [0, 1], [2, 3], np.ones(4), dt=1 * u.ms, steps=1)
    placement = n4.hardware.partition(work, n4.hardware.target("loihi1"))
    found, counted = n4.hardware.packets(placement), n4.hardware.network_delay(placement)
    assert found.sent.sum() == 0 and math.isnan(found.mean) and math.isnan(found.quantile(0.5))
    assert counted.deliveries == 0 and counted.mean.value == 0
    assert "nan" in repr(found)
