"""Neurons that age, die, have children and divide: closed forms, descent, conservation, and the same bits however a run is cut."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import neuro4d as n4
from neuro4d.simulate._scan import run_chunk

FALSE_ALARM = 1e-6
"""Of each statistical test below, were the draws new in each run; they are always the same."""

LIF = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)
BRAIN = n4.Lattice((5, 5, 3, 2), spacing=50 * u.um, wrap=(True, False, False, False))
EVERY = 10 * u.ms


# Who is alive and all that is known of neurons, after each event: the same functions in all tests, so that models share programs.
LIVES = [
    n4.Spikes(),
    n4.Record(lambda state, spikes: state.alive, every=EVERY, name="alive"),
    n4.Record(lambda state, spikes: state.life["cells"]._asdict(), every=EVERY, name="life"),
]


# Closed forms -------------------------------------------------------------------------------------------------------------

AGES = np.array([0, 5, 12, 25, 33, 44, 55, 61, 8, 19]) * 1.0


def mortals(backend, ages=AGES, **rule):
    life = n4.Lifecycle(every=EVERY, reproduction=False, mutation_params=0, mutation_weights=0, age=ages * u.ms, **rule)
    cells = n4.Population("cells", len(ages), LIF, lifecycle=life, v0=n4.Uniform(-60 * u.mV, -50 * u.mV))
    return n4.Network(cells, n4.Clamp("drive", cells, 400 * u.pA)).build(dt=0.1 * u.ms, seed=0, backend=backend)


@pytest.mark.slow
@pytest.mark.parametrize("backend", [n4.Backend.AUTO, n4.Backend.REFERENCE], ids=["native", "plain"])
@pytest.mark.parametrize(
    "rule, longest",
    [({"max_age": 47 * u.ms, "health_decay": 0 * u.Hz}, 47.0), ({"max_age": 1 * u.hour, "health_decay": 0.0123 * u.kHz}, 0.9 / 0.0123)],
    ids=["of age", "of health"],
)
def test_neurons_die_at_the_first_event_after_their_time(backend, rule, longest):
    run = n4.simulate(mortals(backend, **rule), jr.key(0), 120 * u.ms, LIVES, chunk=700)
    alive, now = run.records["alive"].values["cells"], 10.0 * np.arange(1, 13)
    np.testing.assert_array_equal(alive, AGES + now[:, None] <= longest)
    life = run.state.life["cells"]
    lived = 10 * np.where(alive.all(axis=0), 12, alive.sum(axis=0) + 1)
    np.testing.assert_array_equal(life.age, np.round((AGES + lived) * 10))
    assert int(life.deaths) == len(AGES) and int(life.births) == 0 and not run.state.alive["cells"].any()
    fired = run.spikes("cells")
    last = np.array([fired.step[fired.ids == i].max() for i in range(len(AGES))]) * 0.1
    first_dead = now[(~alive).argmax(axis=0)]
    assert (last < first_dead).all() and (last > first_dead - 10).all()  # they fire every 8 ms until they die


def test_permuted_neurons_have_permuted_lives():
    order = np.random.default_rng(0).permutation(len(AGES))
    rule = {"max_age": 47 * u.ms, "health_decay": 0 * u.Hz}
    alive = [
        n4.simulate(mortals(n4.Backend.AUTO, ages, **rule), jr.key(0), 120 * u.ms, LIVES, chunk=700).records["alive"].values["cells"]
        for ages in (AGES, AGES[order])
    ]
    np.testing.assert_array_equal(alive[1], alive[0][:, order])


# Children -----------------------------------------------------------------------------------------------------------------

N, SIGMA, SIGMA_W = 4000, 0.05, 2.0


@pytest.fixture(scope="module")
def family():
    """Neurons of which the second half is old and has children at the first event, in pairs joined by synapses in both directions."""
    life = n4.Lifecycle(
        every=EVERY, max_age=25 * u.ms, health_decay=None, mutation_params=SIGMA, mutation_weights=SIGMA_W,
        age=np.where(np.arange(N) < N // 2, 0, 20.0) * u.ms,
    )
    cells = n4.Population("cells", N, LIF, {"exc": n4.ExpCurrent(tau=5 * u.ms)}, lifecycle=life, v0=-55 * u.mV)
    others = n4.Population("others", N, n4.Relay(), {"in": n4.Delta()})
    wire = functools.partial(n4.Projection, rule=n4.OneToOne(), delay=1.5 * u.ms)
    rule = n4.STDP(w_max=100 * u.pA, a_plus=1e-9, a_minus=1e-9)
    parts = [
        wire("in", others, cells, "exc", weight=50 * u.pA, plasticity=n4.Free()),
        wire("bounded", others, cells, "exc", weight=1 * u.pA, plasticity=rule),
        wire("out", cells, others, "in", weight=n4.Uniform(1 * u.mV, 2 * u.mV), plasticity=n4.Free()),
        wire("static", others, cells, "exc", weight=3 * u.pA),
    ]
    model = n4.Network(cells, others, *parts, n4.Clamp("drive", cells, 220 * u.pA)).build(dt=0.1 * u.ms, seed=1)
    return model, n4.simulate(model, jr.key(3), 40 * u.ms, LIVES, chunk=400)


def test_children_of_children(family):
    _, run = family
    life, old = jax.tree.map(np.asarray, run.state.life["cells"]), np.arange(N) >= N // 2
    # The old die at 10 ms (30 > 25) and their children at 40 ms; the young at 30 ms.
    np.testing.assert_array_equal(life.generation, np.where(old, 2, 1))
    np.testing.assert_array_equal(life.born, np.where(old, 400, 300))
    np.testing.assert_array_equal(life.age, np.where(old, 0, 100))
    first = run.records["life"].values
    np.testing.assert_array_equal(first["identity"][0], np.where(old, N + np.arange(N) - N // 2, np.arange(N)))
    np.testing.assert_array_equal(first["parent"][0], np.where(old, np.arange(N), -1))
    np.testing.assert_array_equal(life.parent, np.where(old, first["identity"][0], np.arange(N)))
    assert len(np.unique(life.identity)) == N and life.identity.max() == N + int(life.births) - 1
    assert int(life.births) == int(life.deaths) == 3 * N // 2 and np.asarray(run.state.alive["cells"]).all()
    np.testing.assert_allclose(np.asarray(run.state["cells", "v"])[old], life.parameters["v_rest"][old])  # born in this step, at rest
    assert (np.asarray(run.state["cells", "exc.i"])[old] == 0).all()


def test_parameters_of_children_vary_as_they_should(family):
    model, run = family
    record = run.records["life"].values["parameters"]
    for field in ("tau", "c", "v_rest"):
        ratio = record[field][0] / float(getattr(LIF, field)) - 1
        assert (ratio[: N // 2] == 0).all()
        assert stats.kstest(ratio[N // 2 :] / SIGMA, "norm").pvalue > FALSE_ALARM
        again = record[field][3][N // 2 :] / record[field][0][N // 2 :] - 1  # grandchildren, from their parents
        assert stats.kstest(again / SIGMA, "norm").pvalue > FALSE_ALARM
        assert abs(np.corrcoef(ratio[N // 2 :], again)[0, 1]) < 5 / np.sqrt(N // 2)
    high, low = record["v_th"], record["v_reset"]
    kept = (high == float(LIF.v_th)) & (low == float(LIF.v_reset))
    assert (high > low).all() and (record["t_ref"] >= 0).all()
    # The order is lost where 10 mV (1) are less than the difference of two normal numbers of 2.5 and 3 mV.
    chance = stats.norm.cdf(-10 / np.hypot(0.05 * 50, 0.05 * 60))
    assert stats.binomtest(int(kept[0, N // 2 :].sum()), N // 2, chance).pvalue > FALSE_ALARM
    assert run.model is model and model.neurons["cells"].tau.shape == ()


def test_weights_of_children_vary_within_their_limits(family):
    model, run = family
    old = np.arange(N) >= N // 2
    change = {name: (model.weights(name, run.state) - model.weights(name)).mantissa for name in ("in", "out", "bounded", "static")}
    for name in ("in", "out"):  # one birth of the young, two of the old
        assert stats.kstest(change[name][~old] / SIGMA_W, "norm").pvalue > FALSE_ALARM
        assert stats.kstest(change[name][old] / (SIGMA_W * np.sqrt(2)), "norm").pvalue > FALSE_ALARM
    bounded = change["bounded"] + 1
    at_bound = bounded[~old] < 1e-5  # what was learned since is less
    assert bounded.min() >= 0 and stats.binomtest(int(at_bound.sum()), N // 2, stats.norm.cdf(-1 / SIGMA_W)).pvalue > FALSE_ALARM
    assert (change["static"] == 0).all()
    np.testing.assert_array_equal(model.edges("in").delay.to_decimal(u.ms), model.edges("in", run.state).delay.to_decimal(u.ms))


# A colony that grows ------------------------------------------------------------------------------------------------------


def colony(backend=n4.Backend.AUTO):
    life = n4.Lifecycle(
        every=EVERY, max_age=60 * u.ms, health_decay=None, reproduction=False, age=n4.Uniform(0 * u.ms, 50 * u.ms),
        division_rate=60 * u.Hz, division_above=50 * u.Hz, radius=75 * u.um,
    )
    cells = n4.Population("cells", BRAIN.all(), LIF, {"exc": n4.ExpCurrent(tau=5 * u.ms)}, alive=0.2, lifecycle=life, v0=n4.Normal(-55 * u.mV, 3 * u.mV))
    rule = n4.STDP(w_max=50 * u.pA, a_plus=0.01, a_minus=0.0105)
    learns = n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.1), weight=20 * u.pA, delay=1.5 * u.ms, plasticity=rule)
    return n4.Network(cells, learns, n4.Clamp("drive", cells, 230 * u.pA)).build(dt=0.1 * u.ms, seed=0, backend=backend)


@pytest.fixture(scope="module")
def grown():
    model = colony()
    assert model.plan().many_steps
    return model, n4.simulate(model, jr.key(1), 150 * u.ms, LIVES, chunk=500)


def fates(model, run):
    """Checks what holds in every colony; the living after each event."""
    alive, life, fired = run.records["alive"].values["cells"], run.records["life"].values, run.spikes("cells")
    first = np.asarray(model.init(jr.key(0)).alive["cells"]).sum()
    births, deaths = life["births"].astype(int), life["deaths"].astype(int)
    np.testing.assert_array_equal(alive.sum(axis=1), first + births - deaths)
    event = fired.step // 100  # of the steps before the event at its end: who fires then was alive after the event before
    assert alive[event[event > 0] - 1, fired.ids[event > 0]].all()
    site = np.asarray(model.sites["cells"])
    place = {int(i): site[n] for n, i in enumerate(np.arange(len(site)))}
    for row in range(len(alive)):
        new = np.flatnonzero(life["born"][row] == 100 * (row + 1))
        assert alive[row, new].all() and (life["age"][row, new] == 0).all() and (life["health"][row, new] == 1).all()
        place |= {int(life["identity"][row, n]): site[n] for n in new}
        for n in new:
            assert 0 < BRAIN.distance(site[n], place[int(life["parent"][row, n])]).to_decimal(u.um) <= 75
    assert (np.diff(life["identity"].max(axis=1)) >= 0).all() and life["identity"].max() < len(site) + births[-1]
    return alive


def test_a_colony_is_conserved(grown):
    model, run = grown
    alive = fates(model, run)
    life = run.state.life["cells"]
    assert int(life.births) > 50 and int(life.deaths) > 50 and int(life.refused) > 0 and int(np.asarray(life.generation).max()) > 2
    assert alive.sum(axis=1).max() > 2 * alive[0].sum()


@settings(max_examples=8)
@given(st.integers(0, 2**31 - 1))
def test_every_colony_is_conserved(grown, key):
    model, _ = grown
    fates(model, n4.simulate(model, jr.key(key), 150 * u.ms, LIVES, chunk=500))


def test_edges_say_which_of_them_count(grown):
    model, run = grown
    edges, alive = model.edges("e", run.state), np.asarray(run.state.alive["cells"])
    np.testing.assert_array_equal(edges.alive, alive[edges.pre] & alive[edges.post])
    assert 0 < edges.alive.sum() < len(edges) and model.edges("e").alive is None


def same(a, b):
    for (path, x), y in zip(jax.tree_util.tree_leaves_with_path(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y), err_msg=jax.tree_util.keystr(path))


def test_a_run_that_is_cut_is_the_same_run_also_from_its_numbers(grown):
    model, run = grown
    half = n4.simulate(model, jr.key(1), 83.3 * u.ms, LIVES, chunk=500)
    same(run.state, n4.simulate(model, half.state, 66.7 * u.ms, LIVES, chunk=500).state)
    tree = n4.to_user(model, half.state)
    assert set(tree["state"]["life"]["cells"]) >= {"age", "health", "parameter.v_th", "heard"} and tree["state"]["counted"]["cells"].sum() > 0
    same(tree, n4.to_user(model, n4.from_user(model, tree)[1]))
    with pytest.raises(KeyError, match="no life cycle of a population 'others'"):
        n4.from_user(model, tree | {"state": tree["state"] | {"life": {"others": {}}}})


def test_a_long_run_compiles_once(grown):
    model, _ = grown
    n4.simulate(model, jr.key(5), 50 * u.ms, LIVES, chunk=500)
    compiled = run_chunk._cache_size()
    n4.simulate(model, jr.key(6), 1 * u.second, LIVES, chunk=500)
    assert run_chunk._cache_size() == compiled


def test_lives_are_drawn(grown):
    pytest.importorskip("matplotlib")
    _, run = grown
    axes = n4.plot.lifetimes(run, "cells")
    alive = run.records["alive"].values["cells"]
    np.testing.assert_array_equal(axes[0].get_lines()[0].get_ydata(), alive.sum(axis=1))
    assert len(run.plot.explore4d("cells", alive="alive").html) > len(run.plot.explore4d("cells").html)


def test_numbers_of_a_life_cycle_can_be_set(grown):
    model, _ = grown
    later = n4.set(model, lambda m: m.lives["cells"].max_age, 30 * u.ms)
    run = n4.simulate(later, jr.key(1), 150 * u.ms, LIVES, chunk=500)
    assert run.records["life"].values["age"][run.records["alive"].values["cells"]].max() <= 300
    with pytest.raises(ValueError, match="at most 1"):
        n4.set(model, lambda m: m.lives["cells"].death_below, 2)
    with pytest.raises(n4.UnitError, match="max_age"):
        n4.set(model, lambda m: m.lives["cells"].max_age, 30)


@pytest.mark.full
def test_bits_are_those_of_other_chunks_and_recorders_of_single_steps_scans_and_batches(grown):
    model, run = grown
    same(run.state, n4.simulate(model, jr.key(1), 150 * u.ms, n4.Trace("cells", "v", every=3.7 * u.ms), chunk=133).state)
    step = jax.jit(lambda m, s: m.step(s)[0])
    state = model.init(jr.key(1))
    for _ in range(1500):
        state = step(model, state)
    same(run.state, state)
    same(run.state, jax.jit(lambda m, s: n4.scan(m, s, 1500))(model, model.init(jr.key(1)))[0])
    kept = jax.jit(lambda m, s: n4.scan(m, s, 1500, lambda s, k: s.alive["cells"]))(model, model.init(jr.key(1)))
    same(run.state, kept[0])
    np.testing.assert_array_equal(kept[1][99::100], run.records["alive"].values["cells"])
    keys = jnp.stack([jr.key(1), jr.key(2), jr.key(9)])
    lanes = n4.batch(model, keys, 150 * u.ms, LIVES)
    same(run.state, lanes[0].state)
    batch = jax.jit(jax.vmap(lambda key: n4.scan(model, model.init(key), 1500)[0]))(keys)
    same(run.state, jax.tree.map(lambda x: x[0], batch))
    with pytest.raises(ValueError, match=r"in all lanes of a batch at the same time.*\[1500, 1600\]"):
        longer = n4.simulate(model, lanes[1].state, 10 * u.ms).state
        n4.batch(model, jax.tree.map(lambda *x: jnp.stack(x), lanes[0].state, longer), 10 * u.ms)


@pytest.mark.full
def test_bits_are_those_on_two_devices():
    env = os.environ | {"XLA_FLAGS": os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"}
    tests = Path(__file__).resolve().parents[1]
    env["PYTHONPATH"] = os.pathsep.join([str(tests), str(tests.parent), env.get("PYTHONPATH", "")])
    out = subprocess.run([sys.executable, "-m", "structure.life_devices"], cwd=tests, env=env, capture_output=True, text=True, check=True).stdout
    assert "differs" not in out and out.count("compared") == 4


@pytest.mark.full
def test_decisions_are_those_of_plain_xla(grown):
    _, run = grown
    plain = n4.simulate(colony(n4.Backend.REFERENCE), jr.key(1), 50 * u.ms, LIVES)
    for name in ("births", "deaths", "generation", "identity"):  # before rounding has moved a spike
        np.testing.assert_array_equal(plain.records["life"].values[name], run.records["life"].values[name][:5])


@pytest.mark.full
def test_a_million_steps_in_flat_memory(grown):
    import resource

    model, _ = grown
    few = n4.simulate(model, jr.key(1), 1 * u.second, ())
    before, compiled = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, run_chunk._cache_size()
    many = n4.simulate(model, few.state, 100 * u.second, ())
    assert run_chunk._cache_size() == compiled and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8_000  # KiB
    life = many.state.life["cells"]
    assert int(many.state.step) == 1_010_000 and int(life.births) > 10_000
    start = np.asarray(model.init(jr.key(1)).alive["cells"]).sum()
    assert int(np.asarray(many.state.alive["cells"]).sum()) == start + int(life.births) - int(life.deaths)
