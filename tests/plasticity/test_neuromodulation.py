"""Neuromodulators: levels, what they do to arrivals and to learning, and rules that share synapses with short-term plasticity."""

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d.plasticity import Seen
from neuro4d.receptors._neuromodulator import NeuromodulatorConstants, NeuromodulatorState

N, DT = 6, 1.0
PULSE = {"a": n4.PulseCurrent(), "b": n4.PulseCurrent()}


def lif():
    return n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)


@pytest.fixture(scope="module")
def acting():
    """Two neurons of each of two populations of one group, with different baselines, and all that may arrive at them."""
    parts = []
    for name, baseline in (("low", 0.2), ("high", 0.6)):
        level = n4.Neuromodulator(baseline=baseline, tau=5 * u.ms, gain={"a": 2.0}, inhibition={"a": 0.5, "b": 1.0})
        cells = n4.Population(name, 2, lif(), PULSE | {"level": level})
        parts += [cells, *(n4.Input(f"{name}-{port}", cells, port=port) for port in ("a", "b", "level"))]
    model = n4.Network(*parts).build(dt=DT * u.ms)
    return model, model.init(jax.random.key(0))


def test_levels_and_arrivals(acting):
    """L relaxes to its baseline and stays between 0 and 1; arrivals are multiplied by 1 + m (L - b), inhibition where they sum up below 0."""
    model, state = acting
    level, baseline = np.array([0.2, 0.2, 0.6, 0.6]), np.array([0.2, 0.2, 0.6, 0.6])
    for k, release in enumerate(([0.3, -0.9, 0.7, 0.0], [0, 0, 0, 0], [0.1, 0, -0.2, -0.05])):
        a, b = np.array([3.0, -2.0, 5.0, -1.0]) + k, np.array([-1.0, 2.0, -3.0, 4.0])
        inputs = {}
        for name, half in (("low", slice(0, 2)), ("high", slice(2, 4))):
            inputs |= {f"{name}-a": a[half], f"{name}-b": b[half], f"{name}-level": np.array(release[half])}
        factor = {m: np.maximum(1 + m * (level - baseline), 0) for m in (2.0, 0.5, 1.0)}
        state, _ = model.step(state, inputs)
        level = np.clip(baseline + (level - baseline) * np.exp(-DT / 5) + release, 0, 1)
        both = [np.concatenate([state[name, variable] for name in ("low", "high")]) for variable in ("level.level", "a.i", "b.i")]
        np.testing.assert_allclose(both[0], level, rtol=1e-6)
        np.testing.assert_allclose(both[1], a * factor[2.0] * np.where(a < 0, factor[0.5], 1), rtol=1e-6)
        np.testing.assert_allclose(both[2], b * np.where(b < 0, factor[1.0], 1), rtol=1e-6)


def brain(level, rule=None, init=None):
    """Cells that drive each other, with and without a neuromodulator that is never released."""
    receptors = {"exc": n4.ExpCurrent(tau=2 * u.ms)} | ({} if level is None else {"dopamine": level})
    cells = n4.Population("cells", 20, lif(), receptors, v0=n4.Uniform(-60 * u.mV, -50 * u.mV), init=init)
    rule = n4.STDP(w_max=300 * u.pA, a_plus=0.1, a_minus=0.08) if rule is None else rule
    weight = n4.Uniform(0 * u.pA, 300 * u.pA)
    learns = n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.3), weight=weight, delay=2 * u.ms, plasticity=rule)
    drive = n4.Poisson("drive", cells, "exc", rate=2000 * u.Hz, weight=80 * u.pA)
    return n4.Network(cells, learns, drive)


def after(network):
    model = network.build(dt=0.5 * u.ms, seed=1, backend=n4.Backend.REFERENCE)
    run = n4.simulate(model, model.init(jax.random.key(1)), 100 * u.ms, progress=False)
    return run, model.weights("e", run.state).to_decimal(u.pA)


@pytest.mark.slow
def test_at_the_baseline_nothing_changes():
    rule = n4.STDP(w_max=300 * u.pA, a_plus=0.1, a_minus=0.08)
    level = n4.Neuromodulator(gain={"exc": 2.0}, inhibition={"exc": 0.5})
    plain, learned = after(brain(None))
    run, weights = after(brain(level, n4.Modulated(rule)))
    assert len(plain.spikes("cells")) > 50
    np.testing.assert_array_equal(run.spikes("cells").ids, plain.spikes("cells").ids)
    np.testing.assert_allclose(weights, learned, rtol=1e-5, atol=1e-3)


@pytest.mark.slow
def test_without_dopamine_nothing_is_learned():
    """Where the strength is one over the baseline."""
    run, weights = after(
        brain(n4.Neuromodulator(tau=1e9 * u.ms), n4.Modulated(n4.STDP(w_max=300 * u.pA, a_plus=0.1, a_minus=0.08)), {"dopamine.level": 0.0})
    )
    assert len(run.spikes("cells")) > 50
    np.testing.assert_array_equal(weights, run.model.weights("e", run.model.init(jax.random.key(1))).to_decimal(u.pA))


@pytest.mark.slow
def test_chunks_are_equal_bit_for_bit():
    """All of it together: a level that is released by chance, a paced rule, scaling once in seven steps, and release of two kinds; also carried to the user's form and back."""
    kinds = n4.Mixed(*(n4.TsodyksMarkram(use=use, tau_rec=100 * u.ms, tau_fac=30 * u.ms) for use in (0.2, 0.6)), shares=(0.3, 0.7))
    learns = n4.Modulated(n4.STDP(w_max=300 * u.pA, a_plus=0.1, a_minus=0.08))
    rule = n4.Combined(learns, n4.Homeostasis(w_max=300 * u.pA, rate=5 * u.Hz, tau=1 * u.second, every=7), kinds)
    network = brain(n4.Neuromodulator(tau=5 * u.ms, gain={"exc": 1.0}), rule)
    reward = n4.Poisson("reward", network.populations[0], "dopamine", rate=100 * u.Hz, weight=u.Quantity(0.2))
    model = network.add(reward).build(dt=0.5 * u.ms, seed=1)
    go = lambda state, ms: n4.simulate(model, state, ms * u.ms, chunk=60, progress=False)  # noqa: E731
    start = model.init(jax.random.key(1))
    whole, half = go(start, 60), go(start, 25).state
    carried = n4.from_user(model, n4.to_user(model, half))[1]
    assert len(whole.spikes("cells")) > 30 and 0.5 < float(np.asarray(whole.state["cells", "dopamine.level"]).max()) <= 1
    for state in (half, carried):
        later = go(state, 35).state
        for one, other in zip(jax.tree.leaves(whole.state), jax.tree.leaves(later), strict=True):
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


SYNAPSES = 64
SEEN = Seen(jnp.arange(SYNAPSES) % 2 == 0, jnp.arange(SYNAPSES) % 4 == 0, {}, {})


def first_of(rule):
    """What a rule keeps per source at the beginning, of as many sources as synapses."""
    return {name: jnp.full(SYNAPSES, x.first) for name, x in rule.pre_variables().items()}


def shown(rule, held):
    """What synapses see of a step, and what is kept after it."""
    passed = rule.on_source(DT, held)
    left = {name: jnp.where(SEEN.arrives, x, passed[name]) for name, x in rule.on_arrival(passed).items()}
    return SEEN._replace(pre=rule.on_source(DT, left)), left


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 3), st.floats(-30, 30))
def test_changes_are_multiplied_and_bounded(factor, weight):
    rule = n4.Hebbian(rate=4 * u.pA, low=-20 * u.pA, high=20 * u.pA, decay=1 * u.pA / u.ms)
    start = jnp.full(SYNAPSES, weight, jnp.float32)
    alone, _ = rule.step(DT, start, {}, SEEN)
    seen = SEEN._replace(post={"factor": jnp.full(SYNAPSES, factor, jnp.float32)})
    found, _ = n4.Modulated(rule).step(DT, start, {}, seen)
    expected = np.clip(weight + factor * (np.asarray(alone) - weight), -20, 20)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_what_is_learned_is_the_strength():
    """Hebbian learning changes the strength as it does alone; what a spike releases is the share u x of it."""
    hebbian = n4.Hebbian(rate=1 * u.pA, low=-20 * u.pA, high=20 * u.pA)
    released = n4.TsodyksMarkram(use=0.5, tau_rec=100 * u.ms)
    both = n4.Combined(hebbian, released)
    weight = alone = share = jnp.full(SYNAPSES, 8.0)
    variables, own, held = both.init(weight), released.init(jnp.ones(SYNAPSES)), first_of(both)
    for _ in range(5):
        seen, held = shown(both, held)
        weight, variables = both.step(DT, weight, variables, seen)
        alone, _ = hebbian.step(DT, alone, {}, SEEN)
        share, own = released.step(DT, share, own, seen._replace(pre={name[2:]: x for name, x in seen.pre.items()}))
        np.testing.assert_allclose(variables["1.strength"], alone, rtol=1e-6)
        np.testing.assert_allclose(weight, alone * share, rtol=1e-6)
    assert both.passing() and float(np.std(alone)) > 0.5


@pytest.mark.slow
def test_kinds_of_synapses():
    """Each synapse follows one rule, 30 % of 20,000 the first: within 6 standard deviations, which a sound draw leaves once in 5e8."""
    rules = [n4.TsodyksMarkram(use=use, tau_rec=100 * u.ms) for use in (0.2, 0.6)]
    mixed = n4.Mixed(*rules, shares=(0.3, 0.7))
    kind = np.asarray(mixed.init(jnp.ones(20_000))["kind"])
    assert abs((kind == 0).mean() - 0.3) < 6 * np.sqrt(0.21 / 20_000)
    start = jnp.ones(SYNAPSES)
    weight, variables = mixed.step(DT, start, mixed.init(start), shown(mixed, first_of(mixed))[0])
    each = np.stack([rule.step(DT, start, rule.init(start), shown(rule, first_of(rule))[0])[0] for rule in rules])
    np.testing.assert_array_equal(weight, each[kind[:SYNAPSES].astype(int), np.arange(SYNAPSES)])
    np.testing.assert_array_equal(variables["kind"], kind[:SYNAPSES])


@pytest.mark.parametrize("rule", [n4.BCM, n4.Homeostasis])
def test_a_lower_bound(rule):
    """Weights below 0 pass through rules with a lower bound, and are held by it."""
    more = {"eta": 0.5} if rule is n4.BCM else {"tau": 10 * u.ms}
    held = rule(w_max=2 * u.pA, w_min=-1 * u.pA, rate=10 * u.Hz, **more)
    assert held.limits() == (-1.0, 2.0)
    names = {"y": 3.0, "theta": 2.0, "r": 0.2}
    seen = Seen(jnp.ones(3, bool), jnp.zeros(3, bool), {}, {name: jnp.full(3, value) for name, value in names.items()})
    weight = jnp.asarray([-0.9, -0.1, 1.9])
    found, _ = held.step(50.0, weight, {}, seen)
    assert (np.asarray(found) >= -1).all() and (np.asarray(found) <= 2).all() and not np.allclose(found, weight)
    with pytest.raises(ValueError, match="w_min lies below w_max"):
        rule(w_max=2 * u.pA, w_min=3 * u.pA, rate=10 * u.Hz, **more)


def test_level_stays_between_0_and_1():
    receptor = n4.Neuromodulator()
    state, _ = receptor.step(
        NeuromodulatorConstants(0.5, 0.5), NeuromodulatorState(jnp.asarray([0.5, 0.1, 0.9])), jnp.asarray([9.0, -9.0, 0.0])
    )
    np.testing.assert_allclose(state.level, [1, 0, 0.7])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: n4.Neuromodulator(baseline=1.5), "Neuromodulator.baseline"),
        (lambda: n4.Neuromodulator(gain={"exc": True}), "gives each port one number"),
        (lambda: n4.Neuromodulator(gain="exc"), "names ports"),
        (lambda: n4.Population("c", 3, lif(), {"exc": n4.Delta(), "d": n4.Neuromodulator(gain={"ex": 1})}), "Did you mean 'exc'"),
        (lambda: n4.Population("c", 3, lif(), {"d": n4.Neuromodulator(gain={"d": 1})}), "not one of the others"),
        (lambda: n4.Modulated(3), "takes a rule such as"),
        (lambda: n4.Modulated(n4.TsodyksMarkram(use=0.5, tau_rec=9 * u.ms)), "n4.Combined"),
        (lambda: n4.Modulated(n4.Free(), baseline=2), "from 0 to 1"),
        (lambda: n4.Combined(n4.TsodyksMarkram(use=0.5, tau_rec=9 * u.ms), n4.Oja(norm=1 * u.pA, eta=0.1)), "comes last"),
        (lambda: n4.Mixed(n4.Free(), shares=(1.0,)), "two rules or more"),
        (lambda: n4.Mixed(n4.Free(), n4.Free(), shares=(0.3, 0.3)), "sum 1"),
        (
            lambda: n4.Mixed(
                *(n4.BCM(w_max=1 * u.pA, eta=e, rate=r * u.Hz, tau_rate=r * u.ms) for e, r in ((0.1, 1), (0.2, 2))), shares=(0.5, 0.5)
            ),
            "same traces",
        ),
        (lambda: brain(None, n4.Modulated(n4.STDP(w_max=300 * u.pA, a_plus=0.1, a_minus=0.1))), "dopamine.level"),
    ],
)
def test_mistakes(make, text):
    with pytest.raises((TypeError, ValueError, n4.UnknownNameError), match=text):
        make()
