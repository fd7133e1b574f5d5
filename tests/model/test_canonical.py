"""The form of a model and a state that does not depend on the machine; who is alive; synapses that learn."""

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from core.networks import DT, KEY, lif, same

import neuro4d as n4
from neuro4d.ops import History, fold_rows


def network(more=False):
    """Two populations of one group, three projections of which one is plastic; `more`: a third population in front."""
    ports = {"exc": n4.AlphaCurrent(tau=2 * u.ms), "inh": n4.ExpCurrent(tau=3 * u.ms)}
    a = n4.Population("a", 60, lif(), ports, v0=n4.Normal(-55 * u.mV, 3 * u.mV))
    b = n4.Population("b", 40, lif(tau=n4.Uniform(9 * u.ms, 11 * u.ms)), ports, v0=n4.Normal(-55 * u.mV, 3 * u.mV))
    first = n4.Population("first", 7, lif(), ports)
    delay = n4.Uniform(0.2 * u.ms, 2 * u.ms)
    drawn = n4.Normal(60 * u.pA, 10 * u.pA)
    parts = [
        a,
        b,
        n4.Projection("aa", a, a, "exc", n4.FixedProb(0.2), weight=drawn, delay=delay, plasticity=n4.Free()),
        n4.Projection("ab", a[::2], b, "exc", n4.FixedProb(0.2), weight=drawn, delay=delay),
        n4.Projection("ba", b, a[-50:], "inh", n4.FixedProb(0.2), weight=-80 * u.pA, delay=delay),
        n4.Clamp("drive", a, 400 * u.pA),
    ]
    if more:
        parts = [first, *parts, n4.Projection("fa", first, a, "exc", n4.AllToAll(), weight=1 * u.pA, delay=9 * u.ms)]
    return n4.Network(*parts)


def build(more=False, backend=n4.Backend.AUTO, **options):
    return network(more).build(dt=DT, seed=3, backend=backend, **options)


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture(scope="module")
def state(model):
    state = n4.simulate(model, model.init(KEY), 30 * u.ms, progress=False).state
    return n4.set_weights(state, "aa", 1.5 * model.weights("aa", state), model=model)


def follow(model, state):
    run = n4.simulate(model, state, 20 * u.ms, progress=False)
    assert len(run.spikes("a")) > 20
    return run


def equal(a, b):
    """Whether two canonical forms are equal."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def test_a_state_comes_back_bit_for_bit(model, state):
    tree = n4.to_user(model, state)
    again, back = n4.from_user(model, tree)
    assert same(again, model)
    assert equal(n4.to_user(model, back), tree)
    assert equal(n4.to_user(model, follow(again, back).state), n4.to_user(model, follow(model, state).state))


@pytest.mark.parametrize("backend", [n4.Backend.kernels(1), n4.Backend.REFERENCE])
def test_a_state_survives_another_backend(model, state, backend):
    other = build(backend=backend)
    assert other.fingerprint() == model.fingerprint()
    moved, back = n4.from_user(other, n4.to_user(model, state))
    assert equal(n4.to_user(moved, back), n4.to_user(model, state))
    for name in ("a", "b"):
        one, two = follow(moved, back).spikes(name), follow(model, state).spikes(name)
        assert np.array_equal(one.step, two.step) and np.array_equal(one.id, two.id)


def test_a_state_survives_a_population_more(model, state):
    larger = build(more=True)
    assert larger.populations["a"].group == "first"
    moved, back = n4.from_user(larger, n4.to_user(model, state))
    assert int(back.step) == int(state.step)
    assert np.array_equal(moved.weights("aa", back).mantissa, model.weights("aa", state).mantissa)
    one, two = follow(moved, back), follow(model, state)  # the added neurons stay silent
    assert np.array_equal(one.spikes("a").id, two.spikes("a").id) and np.array_equal(one.spikes("a").step, two.spikes("a").step)


def test_parameters_and_weights_come_along(model, state):
    changed = n4.set(n4.set_weights(model, "ba", -90 * u.pA), lambda m: m.neurons["a"].tau, 11 * u.ms)
    moved, _ = n4.from_user(build(backend=n4.Backend.REFERENCE), n4.to_user(changed, state))
    assert float(moved.neurons["a"].tau) == 11.0
    assert set(np.asarray(moved.weights("ba").mantissa).tolist()) == {-90.0}


@pytest.mark.slow
def test_soft_spikes_come_along():
    model = build(surrogate=n4.Triangle(width=2 * u.mV), backend=n4.Backend.REFERENCE)
    state = n4.scan(model, model.init(KEY), 100)[0]
    _, back = n4.from_user(model, n4.to_user(model, state))
    assert same(back.history, state.history) and 0 < np.bitwise_count(np.asarray(state.history["a"].near)).sum() < 32 * 100


def test_what_does_not_fit_is_named(model, state):
    tree = n4.to_user(build(more=True))
    with pytest.raises(n4.UnknownNameError, match="no population named 'first'"):
        n4.from_user(model, tree)
    other = network().build(dt=DT, seed=4)
    assert other.fingerprint() != model.fingerprint()
    with pytest.raises(ValueError, match=r"'aa' has .* edges; the tree has .* Build with seed=3"):
        n4.from_user(other, n4.to_user(model, state))


def test_a_census_counts_what_there_is(model):
    census = model.census()
    assert census.neurons == 100 and census.synapses == model.n_synapses
    aa = next(p for p in census.projections if p.name == "aa")
    assert aa.plastic and aa.source == aa.target == "a" and sum(aa.delays.values()) == aa.synapses == len(model.edges("aa"))
    assert aa.distinct_weights == len(np.unique(model.weights("aa").mantissa))
    assert census.populations[0].variables == ("v", "exc.rise", "exc.i", "inh.i")


def test_every_variable_can_be_initialised():
    ports = {"s": n4.AlphaCurrent(tau=2 * u.ms), "g": n4.AlphaConductance(tau=2 * u.ms, e_rev=0 * u.mV)}
    init = {"s.rise": n4.Uniform(1 * u.pA / u.ms, 2 * u.pA / u.ms), "s.i": 3 * u.pA, "g.rise": 0.5 * u.nS / u.ms, "g.g": 1 * u.nS}
    cells = n4.Population("cells", 5, lif(), ports, init=init)
    state = n4.Network(cells).build(dt=DT, seed=0).init(KEY)
    rise = np.asarray(state["cells", "s.rise"])
    assert ((rise >= 1) & (rise < 2)).all() and len(set(rise.tolist())) == 5
    assert set(np.asarray(state["cells", "g.rise"]).tolist()) == {0.5}


# Who is alive -------------------------------------------------------------------------------------------------------------


def mortal(backend, alive=30):
    cells = n4.Population("cells", 70, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)}, alive=alive)
    rule = n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.3), weight=40 * u.pA, delay=1 * u.ms)
    return n4.Network(cells, rule, n4.Clamp("drive", cells, 500 * u.pA)).build(dt=DT, seed=0, backend=backend)


@pytest.mark.parametrize("backend", [n4.Backend.AUTO, n4.Backend.REFERENCE])
def test_the_dead_fire_nothing(backend):
    model = mortal(backend)
    run = n4.simulate(model, model.init(KEY), 40 * u.ms, progress=False)
    assert set(run.spikes("cells").ids) == set(range(30))
    later = run.state.with_alive("cells", jnp.arange(70) >= 20)
    assert set(n4.simulate(model, later, 40 * u.ms, progress=False).spikes("cells").ids) == set(range(20, 70))
    steps = jax.jit(lambda s: n4.scan(model, s, 100, lambda s, k: k["cells"])[1])(later)
    assert np.asarray(steps).any(axis=0).tolist() == [False] * 20 + [True] * 50


def test_the_dead_are_the_same_on_every_backend():
    runs = [n4.simulate(m := mortal(b), m.init(KEY), 60 * u.ms, progress=False) for b in (n4.Backend.AUTO, n4.Backend.REFERENCE)]
    assert np.array_equal(runs[0].spikes("cells").id, runs[1].spikes("cells").id)


def test_who_lives_for_ever_cannot_die(model, state):
    with pytest.raises(ValueError, match="live for ever: make the population with `alive=60`"):
        state.with_alive("a", jnp.ones(60, bool))
    assert state.alive == {} and all(group.alive is None for group in state.groups.values())
    with pytest.raises(ValueError, match="at most its size, 3; got 4"):
        n4.Population("cells", 3, lif(), alive=4)
    with pytest.raises(ValueError, match=r"shape \(70,\); got shape \(3,\)"):
        mortal(n4.Backend.AUTO).init(KEY).with_alive("cells", jnp.ones(3, bool))


# Synapses that learn ------------------------------------------------------------------------------------------------------


def hebbian(weight, pre_times, post_times, **rule):
    """One synapse of delay 1 ms between two relays; the weights after each step of 10 ms."""
    relay = {"in": n4.Delta()}
    cells = n4.Population("cells", 2, n4.Relay(), relay)
    rule = n4.Hebbian(**{"rate": 0.1 * u.mV, "low": 0 * u.mV, "high": 1 * u.mV} | rule)
    times = sorted([(t, 0) for t in pre_times] + [(t, 1) for t in post_times])
    given = n4.SpikeTimes("given", cells, "in", times=[t for t, _ in times] * u.ms, ids=[i for _, i in times], weight=1 * u.mV)
    edge = n4.Projection("e", cells[:1], cells[1:], "in", n4.OneToOne(), weight=weight, delay=1 * u.ms, plasticity=rule)
    model = n4.Network(cells, given, edge).build(dt=0.1 * u.ms, seed=0)
    _, w = n4.scan(model, model.init(KEY), 100, lambda s, k: s.edges["cells->cells (plastic)"].weight[0])
    return np.asarray(w)


def test_a_coincidence_strengthens_and_silence_weakens():
    # A weight of 0 or less never makes its target fire: that is done by the given spikes alone.
    w = hebbian(0 * u.mV, [1.0], [2.0])
    assert w[18] == 0 and w[19:] == pytest.approx(0.1)  # arrives at 2.0 ms, in the step that ends then
    assert hebbian(-0.5 * u.mV, [1.0], [5.0], low=-1 * u.mV)[-1] == pytest.approx(-0.55)
    assert hebbian(0 * u.mV, [1.0], [5.0])[-1] == 0  # the lower bound
    assert hebbian(0.98 * u.mV, [1.0], [2.0])[-1] == pytest.approx(1.0)  # the upper one


def test_weights_decay():
    w = hebbian(0.5 * u.mV, [], [5.0], decay=10 * u.mV / u.second)
    assert w[-1] == pytest.approx(0.5 - 10e-3 * 10, rel=1e-4)


def test_rules_do_not_share_static_synapses():
    cells = n4.Population("cells", 20, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    rule = n4.Hebbian(rate=1 * u.pA, low=0 * u.pA, high=90 * u.pA)
    net = n4.Network(
        cells,
        n4.Projection("static", cells, cells, "exc", n4.FixedProb(0.5), weight=40 * u.pA),
        n4.Projection("learns", cells, cells, "exc", n4.FixedProb(0.5), weight=40 * u.pA, plasticity=rule),
        n4.Projection("too", cells, cells, "exc", n4.FixedProb(0.5), weight=40 * u.pA, plasticity=rule),
        n4.Projection("held", cells, cells, "exc", n4.FixedProb(0.5), weight=40 * u.pA, plasticity=n4.Free()),
        n4.Clamp("drive", cells, 500 * u.pA),
    )
    model = net.build(dt=DT, seed=0)
    assert len(model.pathways) == 3 and len(model.plasticity) == 2
    assert model.storage()[0]["weight_per"] == "pathway"
    state = n4.simulate(model, model.init(KEY), 50 * u.ms, progress=False).state
    moved = {name: np.ptp(model.weights(name, state).mantissa) for name in model.projections}
    assert moved["static"] == moved["held"] == 0 and moved["learns"] > 0 and moved["too"] > 0
    assert not model.plan().many_steps and "plasticity" in model.plan().because


@pytest.mark.parametrize(
    "change, error, text",
    [
        ({"rate": 0.1}, n4.UnitError, "Hebbian.rate: expected a quantity|expected"),
        ({"rate": -0.1 * u.mV}, ValueError, "Hebbian.rate is one number, at least 0"),
        ({"low": 2 * u.mV}, ValueError, "low must lie below high"),
        ({"rate": 1 * u.pA, "low": 0 * u.pA, "high": 1 * u.pA}, n4.UnitError, "the receptor takes weights in mvolt|mV.*got Hebbian in"),
    ],
)
def test_wrong_rules_are_refused(change, error, text):
    with pytest.raises(error, match=text):
        hebbian(0 * u.mV, [], [5.0], **change)


def test_rows_can_be_walked_by_any_visitor():
    """A visitor that counts: as many synapses arrive as the sources that fired have."""
    model = build()
    path = model.pathways["a->a"]
    fired = np.array([3, 50, 70, 99])
    depth = model.layout.group("a").depth
    history = History(jnp.zeros((depth, 100), jnp.int32).at[:, :4].set(jnp.asarray(fired)), jnp.full(depth, 4, jnp.int32), None)
    count, _ = jax.jit(
        lambda: fold_rows(path, history.ids, history.count, jnp.uint32(500), jnp.int32(0), lambda n, some: n + some.real.sum(dtype=jnp.int32), 64)
    )()
    per_source = np.asarray(path.bounds[:, -1])
    assert int(count) == per_source[fired].sum() > 0


