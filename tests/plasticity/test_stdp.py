"""Rules of pairs and triplets of spikes: against the window, against sums over pairs, and against NEST."""

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import DT, KEY, lif, same
from hypothesis import given, settings
from hypothesis import strategies as st
from plasticity import nest_stdp
from plasticity.trains import NAMES, STEPS, build, definition, expected, random_trains, weights

import neuro4d as n4
from neuro4d.plasticity import Trace

LAGS = np.arange(-40, 42) * 5 + np.tile([0, 1], 41)
"""In steps: from -20 to 21 ms, positive where the spike arrives before its target fires; 0 is among them."""


def test_one_pair_gives_the_window():
    """In float64 to 1e-12: each of 82 synapses sees one pair, and the program is that of all tests here."""
    pre, post = np.zeros((2 * STEPS, len(LAGS)), bool), np.zeros((2 * STEPS, len(LAGS)), bool)
    post[245] = True
    pre[245 - 10 - LAGS, np.arange(len(LAGS))] = True  # 10 steps of delay
    change = weights(pre, post)[0]["window"][-1] - 0.5
    lag, rule = LAGS * 0.1, definition("additive")
    window = np.where(lag > 0, rule.a_plus * np.exp(-lag / rule.tau_plus), -rule.a_minus * np.exp(lag / rule.tau_minus))
    window[LAGS == 0] = 0
    assert (LAGS == 0).sum() == 1
    np.testing.assert_allclose(change, window, rtol=0, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("seed, rates", [(0, (0.05, 0.05)), (1, (0.3, 0.02)), (2, (0.02, 0.3)), (3, (0.4, 0.4))])
def test_trains_give_the_sum_over_pairs(seed, rates):
    """After each of 500 steps to 1e-10, with a delay of its own for every synapse; at 0.4 most steps hold spikes of both sides."""
    pre, post = random_trains(seed, *rates)
    found = weights(pre, post)[0]
    for name in NAMES:
        np.testing.assert_allclose(found[name], expected(name, pre, post), rtol=0, atol=1e-10, err_msg=name)
        assert np.ptp(found[name], axis=0).min() > 0.01


@pytest.mark.slow
@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1))
def test_bounds_hold(seed, pre_rate, post_rate):
    found = weights(*random_trains(seed, pre_rate, post_rate))[0]
    for name in NAMES:
        assert found[name].min() >= 0 and found[name].max() <= 1


def test_bounds_are_reached():
    """So that the test above is no test of weights in between."""
    found = weights(*random_trains(0))[0]
    assert (found["additive"] == 1).any() and (found["additive"] == 0).any() and (found["power law"] == 0).any()


def test_the_canonical_form_holds_the_traces():
    pre, post = random_trains(5)
    whole, after = weights(pre, post)
    _, half = weights(pre[:STEPS], post[:STEPS])
    model = build()
    with jax.enable_x64(True):
        tree = n4.to_user(model, half)
        _, back = n4.from_user(model, tree)
    assert set(tree["state"]["edges"]["additive"]) == {"weight", "pre.plus", "post.minus", "heard", "fired"}
    assert (tree["state"]["edges"]["additive"]["pre.plus"] > 0).all()
    rest, end = weights(pre[STEPS:], post[STEPS:], state=back)
    assert all(np.array_equal(rest[name], whole[name][STEPS:]) for name in whole) and same(
        end.edges["pre->pre (plastic)"].weight, after.edges["pre->pre (plastic)"].weight
    )


# In a network ---------------------------------------------------------------------------------------------------------------


def recurrent(plasticity):
    cells = n4.Population("cells", 33, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)}, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    drawn = n4.Uniform(100 * u.pA, 300 * u.pA)
    delay = n4.Uniform(0.2 * u.ms, 3 * u.ms)
    return n4.Network(
        cells,
        n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.2), weight=drawn, delay=delay, plasticity=plasticity),
        n4.Poisson("noise", cells, "exc", rate=2000 * u.Hz, weight=160 * u.pA),
    )


@pytest.mark.slow
def test_chunks_and_repeats_are_equal_bit_for_bit():
    """In single precision, with powers of weights that are no whole numbers. Lanes: core/test_conformance.py."""
    model = recurrent(n4.STDP(w_max=400 * u.pA, a_plus=0.05, a_minus=0.04, mu_plus=0.3, mu_minus=0.6)).build(dt=DT, seed=0)
    run = lambda state, ms: n4.simulate(model, state, ms * u.ms, chunk=70, progress=False)  # noqa: E731
    first = model.init(jr.key(3))
    whole = run(first, 30)
    assert same(run(run(first, 12).state, 18).state, whole.state) and same(run(first, 30).state, whole.state)
    before, after = (model.weights("e", state).mantissa for state in (first, whole.state))
    assert (before != after).mean() > 0.9 and len(whole.spikes("cells")) > 20


def test_who_learns_nothing_keeps_no_traces():
    shapes = lambda rule: jax.eval_shape(recurrent(rule).build(dt=DT, seed=0).init, KEY).edges  # noqa: E731
    assert shapes(None) == {}
    for rule in (n4.Free(), n4.Hebbian(rate=1 * u.pA, low=0 * u.pA, high=900 * u.pA)):
        (held,) = shapes(rule).values()
        assert len(jax.tree.leaves(held)) == 1 and held.weight.dtype == jnp.float32
    (held,) = shapes(n4.STDP(w_max=400 * u.pA, a_plus=0.1, a_minus=0.1)).values()
    assert held.post["minus"].shape == (33,) and held.pre["plus"].shape == (29, 33)


@pytest.mark.parametrize(
    "change, error, text",
    [
        ({"w_max": 400}, n4.UnitError, "the receptor takes weights in pA; got STDP in 1"),
        ({"w_max": 0 * u.pA}, ValueError, "STDP.w_max is the bound of the weights and not 0"),
        ({"a_plus": -0.1}, ValueError, "STDP.a_plus is one number, at least 0"),
        ({"a_minus": np.nan}, ValueError, "STDP.a_minus is one number, at least 0"),
        ({"tau_plus": 0 * u.ms}, ValueError, "STDP.tau_plus is one number, more than 0"),
        ({"tau_minus": 20}, n4.UnitError, "STDP.tau_minus: expected"),
        ({"mu_plus": -1}, ValueError, "STDP.mu_plus is one number, at least 0"),
        ({"pairing": "some"}, ValueError, 'STDP.pairing is "all" or "nearest"'),
        ({"w_max": 400 * u.nS}, n4.UnitError, "the receptor takes weights in pA; got STDP in nS"),
        ({"w_max": 299 * u.pA}, ValueError, "STDP keeps weights from 0. pA to 299. pA; got Uniform.*from 100 to 300.*`weight=149.5"),
        ({"w_max": -400 * u.pA}, ValueError, "STDP keeps weights from -400. pA to 0. pA"),
    ],
)
def test_wrong_rules_are_refused(change, error, text):
    with pytest.raises(error, match=text):
        recurrent(n4.STDP(**{"w_max": 400 * u.pA, "a_plus": 0.01, "a_minus": 0.01} | change))


@pytest.mark.parametrize(
    "change, error, text",
    [
        ({"w_max": 0 * u.pA}, ValueError, "TripletSTDP.w_max is the bound"),
        ({"a3_plus": -1}, ValueError, "TripletSTDP.a3_plus is one number, at least 0"),
        ({"pairing": "last"}, ValueError, 'TripletSTDP.pairing is "all" or "nearest"'),
        ({"tau_y": 0 * u.ms}, ValueError, "TripletSTDP.tau_y is one number, more than 0"),
        ({"w_max": 400 * u.nS}, n4.UnitError, "the receptor takes weights in pA; got TripletSTDP in nS"),
        ({"w_max": 200 * u.pA}, ValueError, "TripletSTDP keeps weights from 0. pA to 200. pA"),
    ],
)
def test_wrong_triplets_are_refused(change, error, text):
    with pytest.raises(error, match=text):
        recurrent(n4.TripletSTDP(**{"w_max": 400 * u.pA} | change))


def test_a_trace_has_a_time_constant():
    assert Trace(5.0) == (5.0, False)


# NEST -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.oracle
@pytest.mark.parametrize("name", [name for name in NAMES if name != "nearest triplets"])  # NEST has no such synapse
def test_weights_are_those_of_nest(name):
    """After every spike that arrives, to 1e-10. The delay of NEST's synapses is dendritic: nest_stdp.py says how trains are shifted."""
    pre, post = random_trains(6)
    found = weights(pre, post)[0][name]
    rows = nest_stdp.weights(pre, post, name)
    assert len(rows) > 500
    for i, j, step, weight in rows:
        np.testing.assert_allclose(found[int(step), int(i), int(j)], weight, rtol=0, atol=1e-10)
