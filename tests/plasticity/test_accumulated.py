"""Changes that are summed up and take effect once in a while: against a synapse followed by hand."""

import math

import brainunit as u
import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest
from core.networks import DT, lif, same

import neuro4d as n4
from neuro4d.plasticity import AbstractPlasticity

EVERY, TAU_PLUS, TAU_MINUS, LAG = 70, 8.0, 11.0, 5
RULE = {"w_max": 1 * u.nS, "a_plus": 0.02, "a_minus": 0.03, "drift": 0.004, "keep": 0.8, "every": EVERY, "tau_plus": TAU_PLUS * u.ms, "tau_minus": TAU_MINUS * u.ms}


@pytest.fixture(scope="module")
def told():
    """Twenty synapses between neurons that fire as told, with a delay of 5 steps."""
    pre, post = (n4.Population(name, 20, lif(), {"in": n4.ExpConductance(tau=2 * u.ms, e_rev=-65 * u.mV)}) for name in ("pre", "post"))
    wires = n4.Projection("e", pre, post, "in", n4.OneToOne(), weight=0.5 * u.nS, delay=LAG * DT, plasticity=n4.AccumulatedSTDP(**RULE))
    model = n4.Network(pre, post, wires, n4.Input("to pre", pre), n4.Input("to post", post)).build(dt=DT, seed=0)
    (name,) = model.plasticity
    keep = lambda state, spikes: (state.edges[name].weight, state.edges[name].variables["slope"], spikes["pre"], spikes["post"])  # noqa: E731
    go = jax.jit(lambda model, state, series: n4.scan(model, state, 700, keep, series))
    return model, lambda state, series: go(model, state, series)


def trains(seed, rate):
    rng = np.random.default_rng(seed)
    return {f"to {name}": np.where(rng.random((700, 20)) < rate, 1e6, 0).astype(np.float32) for name in ("pre", "post")}


def by_hand(pre, post):
    """The weight and the slope after each step."""
    w, c, found = 0.5, 0.0, []
    heard = fired = None
    for step in range(len(pre)):
        arrives = step >= LAG and bool(pre[step - LAG])
        if arrives:
            c -= 0 if fired is None else 0.03 * math.exp(-(step - fired) * 0.1 / TAU_MINUS)
            heard = step
        if (step + 1) % EVERY == 0:
            w, c = min(max(w + 0.004 + c, 0), 1), 0.8 * c
        if post[step]:
            c += 0 if heard is None else 0.02 * math.exp(-(step - heard) * 0.1 / TAU_PLUS)
            fired = step
        found.append((w, c))
    return np.array(found).T


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.03, 0.3])
def test_it_follows_its_equations(told, rate):
    """Arrivals and spikes of one step among them, also in steps in which weights move."""
    model, go = told
    _, (weight, slope, pre, post) = go(model.init(jr.key(0)), trains(0, rate))
    both = np.asarray(post)[LAG:] & np.asarray(pre)[:-LAG]
    assert both.sum() >= 1 and np.ptp(weight) > 0.05
    for synapse in range(20):
        w, c = by_hand(np.asarray(pre)[:, synapse], np.asarray(post)[:, synapse])
        np.testing.assert_allclose(np.asarray(weight)[:, synapse], w, rtol=0, atol=2e-5)
        np.testing.assert_allclose(np.asarray(slope)[:, synapse], c, rtol=0, atol=2e-5)


def test_bounds_hold_and_weights_wait(told):
    model, go = told
    for seed in range(3):
        weight = np.asarray(go(model.init(jr.key(0)), trains(seed, 0.4))[1][0])
        assert weight.min() >= 0 and weight.max() <= 1
        moved = np.flatnonzero((np.diff(weight, axis=0) != 0).any(1)) + 2
        assert len(moved) > 5 and (moved % EVERY == 0).all()


@pytest.mark.slow
def test_chunks_and_saved_states():
    cells = n4.Population("cells", 20, lif(), {"exc": n4.ExpConductance(tau=2 * u.ms, e_rev=0 * u.mV)}, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    wires = n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.3), weight=0.5 * u.nS, delay=1 * u.ms, plasticity=n4.AccumulatedSTDP(**RULE))
    model = n4.Network(cells, wires, n4.Clamp("drive", cells, 500 * u.pA)).build(dt=DT, seed=0)
    run = lambda state, ms: n4.simulate(model, state, ms * u.ms, chunk=70, progress=False).state  # noqa: E731
    whole, half = run(model.init(jr.key(0)), 20), run(model.init(jr.key(0)), 11)
    _, back = n4.from_user(model, n4.to_user(model, half))
    for state in (half, back):
        ends = [n4.to_user(model, each)["state"]["edges"]["e"] for each in (run(state, 9), whole)]  # without the room for more synapses
        assert same(*ends)
    assert np.ptp(ends[1]["weight"]) > 0 and np.ptp(ends[1]["slope"]) > 0


class Forgets(AbstractPlasticity):
    """A rule of one's own that passes through time once in seven steps and sees spikes in between."""

    gain: float = 0.05

    def on_step(self, dt, weight, variables, seen):
        return weight + dt / 20 * (0.5 - weight) + 0.01 * seen.arrives - 0.02 * seen.fires, variables

    def on_post(self, weight, variables, seen):
        return weight + self.gain * (1 + seen.arrives), variables

    def on_pre(self, weight, variables, seen):
        return weight - self.gain * (1 + seen.fires), variables


@pytest.mark.slow
def test_spikes_are_followed_between_looks_at_all_synapses():
    """A network whose synapses are found by source and target has the weights of one that looks at all in each step."""
    cells = n4.Population("cells", 20, lif(), {"exc": n4.ExpConductance(tau=2 * u.ms, e_rev=0 * u.mV)}, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    drawn = {"weight": 0.5 * u.nS, "delay": n4.Uniform(0.2 * u.ms, 2 * u.ms)}
    rules = {"slopes": n4.AccumulatedSTDP(**RULE), "own": Forgets(every=7)}
    parts = [n4.Projection(name, cells, cells, "exc", n4.FixedProb(0.3), plasticity=rule, **drawn) for name, rule in rules.items()]
    model = n4.Network(cells, *parts, n4.Clamp("drive", cells, 500 * u.pA)).build(dt=DT, seed=0, backend=n4.Backend.REFERENCE)
    assert all(path.columns is not None for path in model.pathways.values())
    dense = eqx.tree_at(lambda m: [path.columns for path in m.pathways.values()], model, [None, None])
    go = jax.jit(lambda m, s: n4.scan(m, s, 300)[0])
    found, expected = (n4.to_user(model, go(m, m.init(jr.key(0))))["state"]["edges"] for m in (model, dense))
    for name in rules:
        assert np.ptp(found[name]["weight"]) > 0.01
        for what, value in expected[name].items():
            np.testing.assert_allclose(found[name][what], value, rtol=0, atol=2e-6, err_msg=f"{name} {what}")


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"keep": 1.5}, ValueError, "AccumulatedSTDP.keep is a share, from 0 to 1"),
        ({"every": 0}, ValueError, "AccumulatedSTDP.every is a number of steps"),
        ({"a_plus": -1}, ValueError, "AccumulatedSTDP.a_plus is one number, at least 0"),
        ({"w_max": 0 * u.nS}, ValueError, "AccumulatedSTDP.w_max is the bound"),
        ({"tau_plus": 20}, n4.UnitError, "AccumulatedSTDP.tau_plus"),
    ],
)
def test_wrong_arguments_are_refused(change, error, text):
    with pytest.raises(error, match=text):
        n4.AccumulatedSTDP(**RULE | change)
