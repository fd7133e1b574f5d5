"""Rules that need more than pairs of spikes: against sums over earlier spikes, and against what they are known for."""

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import DT, lif, same
from hypothesis import given, settings
from hypothesis import strategies as st
from plasticity.wide import DELAYS, RULES, WEIGHTS, build, expected, run, told

import neuro4d as n4
from neuro4d.plasticity import AbstractPlasticity

BOUNDED = [name for name in RULES if name not in ("power", "oja")]


FULL = pytest.mark.full


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed, rates", [(0, (0.03, 0.03)), pytest.param(1, (0.2, 0.01), marks=FULL), pytest.param(2, (0.01, 0.2), marks=FULL)]
)
def test_weights_are_sums_over_earlier_spikes(seed, rates):
    """After each of 500 steps to 1e-10, a delay of its own for every synapse; 12 rules in one program."""
    given = told(seed, *rates)
    found, v, _ = run(given)
    for name in RULES:
        np.testing.assert_allclose(found[name], expected(name, given, v), rtol=0, atol=1e-10, err_msg=name)
    assert all(np.ptp(found[name], axis=0).max() > 0.01 for name in RULES), {name: np.ptp(found[name], axis=0).max() for name in RULES}


@pytest.mark.slow
@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_bounds_hold(seed, pre_rate, post_rate, reward_rate):
    found = run(told(seed, pre_rate, post_rate, reward_rate))[0]
    for name in BOUNDED:
        assert found[name].min() >= 0 and found[name].max() <= 1 + 1e-12, name
    assert found["power"].min() >= 0 and found["oja"].min() >= 0


def test_a_state_that_was_saved_goes_on():
    """What rules keep per neuron, eligibilities, and what is on its way along dendrites are part of the state."""
    first, second = told(3), told(4)
    second.pre[:25], second.post[:25] = False, False  # some are refractory then
    _, _, half = run(first)
    model = build()
    with jax.enable_x64(True):
        tree = n4.to_user(model, half)
        _, back = n4.from_user(model, tree)
    assert {"c", "target.n", "pre.plus", "post.minus"} <= set(tree["state"]["edges"]["reward"])
    assert tree["state"]["edges"]["clopath"]["target.plus"].shape == (30, 5)
    went, again = run(second, half), run(second, back)
    assert same(went[0], again[0]) and all(same(held.wide, again[2].edges[name].wide) for name, held in went[2].edges.items())
    assert (went[0]["clopath"] != run(second)[0]["clopath"]).any()


# In networks -----------------------------------------------------------------------------------------------------------------


def recurrent(rule, port="exc", **more):
    receptors = {"exc": n4.ExpCurrent(tau=2 * u.ms), "dopamine": n4.Modulator()} | more
    cells = n4.Population("cells", 33, lif(), receptors, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    delay = n4.Uniform(0.2 * u.ms, 3 * u.ms)
    return n4.Network(
        cells,
        n4.Projection("e", cells, cells, port, n4.FixedProb(0.2), weight=n4.Uniform(100 * u.pA, 300 * u.pA), delay=delay, plasticity=rule),
        n4.Poisson("noise", cells, "exc", rate=2000 * u.Hz, weight=160 * u.pA),
        n4.Poisson("reward", cells, "dopamine", rate=20 * u.Hz, weight=u.Quantity(1.0)),
    )


ALL = {
    "reward": n4.RewardSTDP(w_max=400 * u.pA, a_plus=0.2, a_minus=0.1, tau_c=50 * u.ms),
    "scaled seldom": n4.Homeostasis(w_max=400 * u.pA, rate=3 * u.Hz, tau=1 * u.second, every=7),
    "dendritic": n4.Dendritic(n4.STDP(w_max=400 * u.pA, a_plus=0.05, a_minus=0.04)),
}


def together():
    """A network with a population for each rule, and one program for all of them."""
    parts = []
    for name, rule in ALL.items():
        cells = n4.Population(
            name, 33, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms), "dopamine": n4.Modulator()}, v0=n4.Normal(-58 * u.mV, 5 * u.mV)
        )
        weight, delay = n4.Uniform(100 * u.pA, 300 * u.pA), n4.Uniform(0.2 * u.ms, 3 * u.ms)
        parts += [cells, n4.Projection(f"{name} e", cells, cells, "exc", n4.FixedProb(0.2), weight=weight, delay=delay, plasticity=rule)]
        parts.append(n4.Poisson(f"{name} noise", cells, "exc", rate=2000 * u.Hz, weight=160 * u.pA))
        parts.append(n4.Poisson(f"{name} reward", cells, "dopamine", rate=20 * u.Hz, weight=u.Quantity(1.0)))
    return n4.Network(*parts)


@pytest.mark.slow
def test_chunks_are_equal_bit_for_bit():
    """In single precision."""
    model = together().build(dt=DT, seed=0)
    go = lambda state, ms: n4.simulate(model, state, ms * u.ms, chunk=70, progress=False)  # noqa: E731
    first = model.init(jr.key(3))
    whole = go(first, 20)
    assert same(go(go(first, 12).state, 8).state, whole.state)
    for name in ALL:
        before, after = (model.weights(f"{name} e", state).mantissa for state in (first, whole.state))
        assert (before != after).mean() > 0.3 and len(whole.spikes(name)) > 10


def test_rules_without_such_needs_have_no_such_state():
    (held,) = jax.eval_shape(
        recurrent(n4.STDP(w_max=400 * u.pA, a_plus=0.1, a_minus=0.1)).build(dt=DT, seed=0).init, jr.key(0)
    ).edges.values()
    assert set(held.post) == {"minus"} and held.wide is None and held.variables == {}


@pytest.mark.slow
@pytest.mark.parametrize("backend", [pytest.param(n4.Backend.REFERENCE, marks=FULL), n4.Backend.AUTO])
def test_spikes_arrive_through_dendrites_when_they_did(backend):
    """Under a rule that changes nothing, a network has the spikes of the static one: nothing is lost or late on the way."""
    rng, still = np.random.default_rng(0), n4.STDP(w_max=400 * u.pA, a_plus=0, a_minus=0)
    steps, ids = np.nonzero(rng.random((600, 33)) < 0.15)
    pre, post = np.nonzero(rng.random((33, 33)) < 0.2)
    weight, delay = rng.uniform(100, 300, len(pre)) * u.pA, rng.integers(2, 31, len(pre)) * 0.1 * u.ms
    parts, rules = [], {"static": None, "whole": n4.Dendritic(still), "part": n4.Dendritic(still, 0.2 * u.ms)}
    for name, rule in rules.items():
        cells = n4.Population(name, 33, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
        noise = n4.SpikeTimes(f"{name} in", cells, "exc", times=(steps + 1) * 0.1 * u.ms, ids=ids, weight=200 * u.pA)
        wires = n4.Projection(f"{name} e", cells, cells, "exc", n4.EdgeList(pre, post), weight=weight, delay=delay, plasticity=rule)
        parts += [cells, noise, wires]
    model = n4.Network(*parts).build(dt=DT, seed=0, backend=backend)
    run = n4.simulate(model, model.init(jr.key(3)), 60 * u.ms, progress=False)
    spikes = [run.spikes(name) for name in rules]
    assert len(spikes[0]) > 100
    for other in spikes[1:]:
        assert np.array_equal(spikes[0].step, other.step) and np.array_equal(spikes[0].id, other.id)


# What rules are known for ----------------------------------------------------------------------------------------------------


def driven(rule, n, *, inputs=40, rate=20 * u.Hz, drive=None, port="exc", weight, seed=0, more=()):
    """Independent Poisson inputs, all to all, onto cells that may be driven as well."""
    source = n4.Population("inputs", inputs, n4.PoissonNeuron(rate=rate))
    receptors = {"exc": n4.ExpCurrent(tau=2 * u.ms), "inh": n4.ExpCurrent(tau=5 * u.ms)}
    cells = n4.Population("cells", n, lif(), receptors, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    parts = [source, cells, n4.Projection("e", source, cells, port, n4.AllToAll(), weight=weight, delay=1 * u.ms, plasticity=rule)]
    if drive is not None:
        parts.append(n4.Poisson("drive", cells, "exc", rate=drive, weight=100 * u.pA))
    return n4.Network(*parts, *more).build(dt=0.5 * u.ms, seed=seed)


def rate_after(model, seconds, of=0.5):
    """The mean rate of the cells in the last part of a run, in Hz, and its state."""
    go = lambda state, s: n4.simulate(model, state, s * u.second, progress=False)  # noqa: E731
    state = go(model.init(jr.key(1)), seconds * (1 - of)).state
    end = go(state, seconds * of)
    return end.rate("cells").to_decimal(u.Hz), end.state


@pytest.mark.slow
def test_inhibition_takes_its_targets_to_their_rate():
    """Published: 3 Hz; here 8 Hz, so that 4 s hold enough spikes: 20 cells and 32 expected spikes each, a standard error below 0.25 Hz."""
    rule = n4.VogelsInhibitory(w_max=-400 * u.pA, eta=10 * u.pA, rate=8 * u.Hz)
    model = driven(rule, 20, drive=3500 * u.Hz, port="inh", weight=-0.5 * u.pA)
    found, _ = rate_after(model, 8)
    assert abs(found - 8) < 1.5


def test_scaling_takes_its_targets_to_their_rate():
    """From a rate that is twice too high; 20 cells with 40 spikes each, a standard error below 0.3 Hz."""
    rule = n4.Homeostasis(w_max=400 * u.pA, rate=10 * u.Hz, tau=500 * u.ms, tau_rate=250 * u.ms, every=10)
    found, _ = rate_after(driven(rule, 20, weight=120 * u.pA, rate=50 * u.Hz), 8)
    assert abs(found - 10) < 1


def test_scaling_keeps_ratios():
    found = run(told(7))[0]["scaled"]
    inside = found.max(axis=0) < 1
    ratios = (found / found[0])[:, inside.all(axis=1)]
    assert inside.any() and np.ptp(found, axis=0).min() > 0.01 and np.isfinite(ratios).all()
    scaled_by = found[-1] / found[0]
    for j in range(found.shape[2]):
        np.testing.assert_allclose(scaled_by[inside[:, j], j], scaled_by[inside[:, j], j][0], rtol=1e-9)


def test_a_reward_turns_the_window_into_weight():
    """One pair per synapse, one signal 20 ms later: the change is the window of the pair times what is left of it, in closed form."""
    alone = told(0, 0, 0, 0)
    pre, post, dopamine = alone.pre.copy(), alone.post.copy(), alone.dopamine.copy()
    pre[50] = True
    post[70] = True
    dopamine[270] = 2.0
    found = run(alone._replace(pre=pre, post=post, dopamine=dopamine))[0]["reward"]
    lag = 2.0 - DELAYS
    mark = np.where(lag > 0, 0.2 * np.exp(-lag / 8), -0.25 * np.exp(lag / 11)) * (lag != 0)
    at = 7.0 + np.maximum(-lag, 0)  # when the second of the two spikes is at the synapse, ms
    baseline = lambda t: 0.002 * 40 * -np.expm1(-(t - at) / 40)  # noqa: E731
    rewarded = lambda t: 2 / 15 * np.exp(-(27.0 - at) / 40) * -np.expm1(-(t - 27.0) * (1 / 40 + 1 / 15)) / (1 / 40 + 1 / 15)  # noqa: E731
    np.testing.assert_allclose(found[270], WEIGHTS - mark * baseline(27.0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found[499], np.clip(WEIGHTS + mark * (rewarded(49.9) - baseline(49.9)), 0, 1), rtol=0, atol=1e-12)
    assert (mark > 0.1).any() and (mark < -0.1).any()


def test_the_threshold_of_bcm_slides_to_the_square_of_the_rate():
    rule = n4.BCM(w_max=1 * u.nS, eta=0.1, rate=10 * u.Hz, tau_theta=200 * u.ms, tau_rate=50 * u.ms)
    y = np.array([0.0, 0.5, 1.0, 2.0])
    trace = jnp.asarray(y * 50 * 0.01)
    theta = jnp.ones(4)
    for _ in range(1000):
        theta = rule.on_target(0.1, {"y": trace, "theta": theta}, None)["theta"]
    np.testing.assert_allclose(theta, y**2 + (1 - y**2) * np.exp(-100 / 200), rtol=1e-5)
    change = lambda theta: np.asarray(rule.on_pre(jnp.full(4, 0.5), {}, _seen(y=trace, theta=jnp.asarray(theta)))[0]) - 0.5  # noqa: E731
    np.testing.assert_allclose(change(y**2), 0.1 * y**2 * (1 - y), rtol=0, atol=1e-6)
    assert (np.sign(change(np.full(4, 1.5))) == [0, -1, -1, 1]).all()


def _seen(**post):
    return n4.plasticity.Seen(True, True, {}, post)


def test_oja_takes_the_norm_to_one():
    """The target fires at the rate of its weighted input; traces that are low-passed twice make 1.02 of the norm. Means over the last
    30,000 steps spread by 1.5 % over seeds."""
    rule, tau, n, steps = n4.Oja(norm=2 * u.nS, eta=2e-3, tau=50 * u.ms), 50.0, 20, 60_000
    rng = np.random.default_rng(0)
    together = np.arange(n) < 5
    arrives = np.where(together, rng.random((steps, 1)) < 0.01, rng.random((steps, n)) < 0.01)
    chance = rng.random(steps)
    w, x, y, found = rng.uniform(0.1, 1.0, n), np.zeros(n), 0.0, []
    for step in range(steps):
        x, y = x * np.exp(-1 / tau), y * np.exp(-1 / tau)
        fires = chance[step] < w @ x / 2 / tau
        if fires:
            w = rule.on_post(w, {}, n4.plasticity.Seen(arrives[step], fires, {"x": x}, {"y": y}))[0]
        x, y = x + arrives[step], y + fires
        found.append(w)
    late = np.array(found[steps // 2 :])
    assert abs(np.linalg.norm(late, axis=1).mean() / 2 - 1.02) < 0.06
    assert late.mean(axis=0)[together].min() > late.mean(axis=0)[~together].max()  # the direction of the largest correlation


@pytest.mark.slow
def test_voltage_based_plasticity_depends_on_the_order_and_on_the_rate():
    """Five pairs at 10 to 50 Hz: after an arrival by 10 ms, spikes strengthen more the faster pairs follow each other; before it they
    weaken at 10 Hz and strengthen at 50 Hz. The reset lies above rest, as the potential after a spike does. Sjoestroem et al. (2001), Clopath et al. (2010), figure 2."""
    rates = np.array([10, 20, 30, 40, 50])
    membrane = lif(v_rest=-70.6 * u.mV, v_reset=-52 * u.mV, t_ref=1 * u.ms, tau=25 * u.ms)
    names = ("pre", "post")
    pre, post = (n4.Population(name, 10, membrane, {"in": n4.ExpCurrent(tau=2 * u.ms)}) for name in names)
    rule = n4.ClopathSTDP(w_max=2e-3 * u.pA, peak=30 * u.mV)
    parts = [n4.Input(f"to {name}", cells) for name, cells in zip(names, (pre, post), strict=True)]
    parts.append(n4.Projection("e", pre, post, "in", n4.OneToOne(), weight=1e-3 * u.pA, delay=0.1 * u.ms, plasticity=rule))
    model = n4.Network(pre, post, *parts).build(dt=DT, seed=0)
    fires = {name: np.zeros((6000, 10)) for name in names}
    for k, rate in enumerate(rates):
        for pair in range(5):
            begin = 200 + round(pair * 10_000 / rate)
            for row, (first, second) in ((k, names), (k + 5, names[::-1])):
                fires[first][begin, row], fires[second][begin + 100, row] = 1e6, 1e6
    state = n4.scan(model, model.init(jr.key(0)), 6000, inputs={f"to {name}": jnp.asarray(x, jnp.float32) for name, x in fires.items()})[0]
    change = model.weights("e", state).to_decimal(u.pA) / 1e-3 - 1
    after, before = change[:5], change[5:]
    assert (np.diff(after[1:]) > 0).all() and (after > before).all(), change
    assert abs(after[0]) < 0.002 and after[-1] > 0.005 and before[0] < -0.01 and before[-1] > 0


# Refusals ------------------------------------------------------------------------------------------------------------------------


class Odd(AbstractPlasticity):
    """Reads a potential and keeps what it does not name."""

    def post_variables(self, dt):
        return {"mean": 0.0}

    def on_target(self, dt, post, target):
        return {"man": post["mean"]}


def test_a_rule_keeps_what_it_names():
    with pytest.raises(ValueError, match=r"Odd.on_target gives \['man'\]; post_variables names \['mean'\]"):
        model = recurrent(Odd()).build(dt=DT, seed=0)
        jax.eval_shape(lambda state: model.step(state), model.init(jr.key(0)))


W_MAX = {"w_max": 400 * u.pA}


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda: n4.VogelsInhibitory(**W_MAX, eta=1 * u.nS, rate=3 * u.Hz), n4.UnitError, "VogelsInhibitory.eta"),
        (lambda: n4.VogelsInhibitory(**W_MAX, eta=1 * u.pA, rate=-3 * u.Hz), ValueError, "VogelsInhibitory.rate is one number, at least 0"),
        (lambda: n4.PowerLawSTDP(w0=0 * u.pA, rate=0.1, alpha=0.1), ValueError, "PowerLawSTDP.w0 is one number, more than 0"),
        (lambda: n4.RewardSTDP(**W_MAX, a_plus=-1, a_minus=1), ValueError, "RewardSTDP.a_plus is one number, at least 0"),
        (
            lambda: n4.RewardSTDP(**W_MAX, a_plus=1, a_minus=1, signal="exc"),
            n4.UnknownNameError,
            "RewardSTDP reads 'exc.level', which .* has",
        ),
        (lambda: n4.ClopathSTDP(**W_MAX, theta_minus=70), n4.UnitError, "ClopathSTDP.theta_minus"),
        (lambda: n4.ClopathSTDP(**W_MAX, u_ref=0 * u.mV), ValueError, "ClopathSTDP.u_ref is not 0"),
        (lambda: n4.BCM(**W_MAX, eta=0.1, rate=0 * u.Hz), ValueError, "BCM.rate is one number, more than 0"),
        (lambda: n4.Oja(norm=1 * u.nS, eta=0.1), n4.UnitError, "the receptor takes weights in pA; got Oja in nS"),
        (lambda: n4.Homeostasis(**W_MAX, rate=3 * u.Hz, every=0), ValueError, "Homeostasis.every is a number of steps, 1 or more"),
        (lambda: n4.Homeostasis(w_max=200 * u.pA, rate=3 * u.Hz), ValueError, "Homeostasis keeps weights from"),
        (lambda: n4.Combined(n4.Free()), TypeError, "two rules or more; got 1"),
        (lambda: n4.Combined(n4.Free(), 3), TypeError, "Combined takes rules such as"),
        (lambda: n4.Combined(n4.Free(), n4.Dendritic(n4.Free())), TypeError, "Dendritic.n4.Combined"),
        (
            lambda: n4.Combined(n4.BCM(**W_MAX, eta=1, rate=1 * u.Hz), n4.BCM(w_max=-1 * u.pA, eta=1, rate=1 * u.Hz)),
            ValueError,
            "no weights in common",
        ),
        (lambda: n4.Dendritic("STDP"), TypeError, "Dendritic takes a rule"),
        (lambda: n4.Dendritic(n4.Dendritic(n4.Free())), TypeError, "not dendritic already"),
        (lambda: n4.Dendritic(n4.Free(), 0 * u.ms), ValueError, "Dendritic.delay is one number, more than 0"),
    ],
)
def test_wrong_rules_are_refused(make, error, text):
    with pytest.raises(error, match=text):
        recurrent(make())


def test_dendrites_longer_than_the_delay_are_refused():
    rule = n4.Dendritic(n4.STDP(**W_MAX, a_plus=0.1, a_minus=0.1), 0.5 * u.ms)
    with pytest.raises(ValueError, match=r"projection 'e': 0.5 ms of the delay .* dendritic; .* shortest delay is 0.2 ms"):
        recurrent(rule).build(dt=DT, seed=0)
    cells = n4.Population("cells", 5, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    whole = n4.Dendritic(n4.STDP(**W_MAX, a_plus=0.1, a_minus=0.1))
    net = n4.Network(cells, n4.Projection("e", cells, cells, "exc", n4.AllToAll(), weight=1 * u.pA, plasticity=whole))
    with pytest.raises(ValueError, match=r"projection 'e': .* one step"):
        net.build(dt=DT, seed=0)
    with pytest.raises(ValueError, match="gradients"):
        recurrent(whole).build(dt=DT, seed=0, surrogate=n4.SuperSpike())


def test_times_off_the_grid_are_refused():
    with pytest.raises(ValueError, match=r"ClopathSTDP.delay must be a multiple of dt"):
        recurrent(n4.ClopathSTDP(**W_MAX, delay=0.25 * u.ms)).build(dt=DT, seed=0)
