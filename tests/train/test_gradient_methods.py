"""Surrogates that stay finite, scores of networks that fire at random, and calibration, each against what it should be."""

import brainunit as u
import jax
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.train._backward import Backward
from neuro4d.train._estimate import AbstractGradient, Estimate
from neuro4d.train._loop import PLAIN
from neuro4d.train._parameters import read, write
from neuro4d.train._surrogate_gradient import with_surrogate

KEY = jr.key(0)
BUMP = n4.SuperSpike(width=2 * u.mV)
THRESHOLD = n4.train.places({"threshold": lambda m: m.neurons["cells"].v_th})


@pytest.fixture(scope="module")
def coupled():
    """Fifty neurons with excitation of 20 pA at 0.5 ms: undamped derivatives explode."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    cells = n4.Population("cells", 50, lif, {"exc": n4.ExpCurrent(tau=5 * u.ms)}, v0=n4.Uniform(-60 * u.mV, -50 * u.mV))
    synapses = n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.2), weight=20 * u.pA)
    return n4.Network(cells, synapses, n4.Clamp("drive", cells, 120 * u.pA)).build(dt=0.5 * u.ms, seed=0)


def slope(model, steps, **options):
    found = n4.train.Surrogate(BUMP, trials=2, **options).estimate(model, THRESHOLD, n4.train.Rate("cells", steps * 0.5 * u.ms), KEY)
    return found.value, float(found.gradient["threshold"])


@pytest.mark.slow
def test_defaults_stay_finite_over_2000_steps_where_the_usual_surrogate_explodes(coupled):
    value, usual = slope(coupled, 2000, damping=1, truncate=None)
    same, ours = slope(coupled, 2000)
    assert value == same  # forward it is one simulation
    assert not abs(usual) < 1e6
    assert np.isfinite(ours) and -1e4 < ours < 0


@pytest.mark.full
def test_without_damping_it_is_the_derivative_of_jax_bit_for_bit_forward(coupled):
    soft, values = with_surrogate(coupled, BUMP), read(coupled, THRESHOLD)
    rate = n4.train.Rate("cells", 30 * u.ms, discard=10 * u.ms)

    def plainly(v, loop):
        return rate(write(soft, THRESHOLD, v), KEY, loop)

    plain, blocks = (jax.jit(jax.value_and_grad(lambda v, loop=loop: plainly(v, loop)))(values) for loop in (PLAIN, Backward()))
    assert float(plain[0]) == float(blocks[0]) > 0
    assert float(blocks[1]["threshold"]) == pytest.approx(float(plain[1]["threshold"]), rel=1e-4)
    eprop = n4.train.EProp(BUMP, trials=1)
    # Without what passes between neurons, reverse mode and eligibility are one.
    key = jr.split(KEY, 1)[0]
    cut = jax.jit(jax.grad(lambda v: rate(write(soft, THRESHOLD, v), key, Backward(damping=0.0))))(values)["threshold"]
    assert float(cut) == pytest.approx(float(eprop.estimate(coupled, THRESHOLD, rate, KEY).gradient["threshold"]), rel=1e-4)


@pytest.mark.full  # python -m pytest -m full tests/train/test_gradient_methods.py: a program of its own, 6 s
def test_a_clip_bounds_what_would_explode(coupled):
    _, clipped = slope(coupled, 2000, damping=1, truncate=None, clip=1e-3)
    assert np.isfinite(clipped) and abs(clipped) < 1e6


def test_options_out_of_range_are_refused():
    for options, message in (
        ({"damping": 2}, "share from 0 to 1"),
        ({"clip": 0.0}, "above 0"),
        ({"truncate": 0}, "truncate"),
        ({"trials": 0}, "trials"),
    ):
        with pytest.raises(ValueError, match=message):
            n4.train.Surrogate(**options)
    with pytest.raises(TypeError, match=r"n4\.SuperSpike"):
        n4.train.Surrogate(1.0)


RATE, WIDTH, BELOW = 0.2, 2.0, 3.0
"""Per ms, mV, mV."""


@pytest.fixture(scope="module")
def escaping():
    """Neurons that rest 3 mV below threshold, where a spike changes nothing: each step is a coin."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-57 * u.mV, v_reset=-60 * u.mV)
    noisy = n4.train.escape_noise(lif, rate=RATE * u.kHz, width=WIDTH * u.mV)
    return n4.Network(n4.Population("cells", 40, noisy)).build(dt=0.5 * u.ms, seed=0)


@pytest.mark.slow
def test_coins_fall_as_often_as_they_should_and_the_score_knows_their_slope(escaping):
    """Both within four standard errors of the closed form: each fails by chance in 6e-5 of all seeds; the seed is fixed."""
    statistic = n4.train.Rate("cells", 200 * u.ms)
    found = n4.train.ScoreFunction(64, window=None).estimate(escaping, THRESHOLD, statistic, KEY)
    expected = 0.5 * RATE * np.exp(-BELOW / WIDTH)
    chance = -np.expm1(-expected)
    coins = 64 * 40 * 400
    assert abs(found.value / 2000 - chance) < 4 * np.sqrt(chance * (1 - chance) / coins)
    truth = -2000 * expected / WIDTH * np.exp(-expected)
    error = float(found.stderr["threshold"])
    assert error < 0.25 * abs(truth)
    assert abs(float(found.gradient["threshold"]) - truth) < 4 * error


@pytest.mark.full
def test_scores_of_a_network_agree_with_differences(coupled):
    """Threshold and synapses of a recurrent network, within four standard errors of both: by chance 1.3e-4 of all seeds fail."""
    model = n4.train.with_escape_noise(coupled, rate=1 * u.kHz, width=2 * u.mV)
    places = n4.train.places(dict(THRESHOLD) | {"e": n4.Weights("e")})
    statistic = n4.train.Rate("cells", 100 * u.ms)
    measured = n4.train.Differences(64, {"threshold": 0.5 * u.mV, "e": 4 * u.pA}, most=64).estimate(model, places, statistic, jr.key(1))
    scores = n4.train.ScoreFunction(128, window=None)
    found = n4.train.compared(model, places, scores, scores.estimate(model, places, statistic, KEY), measured, u.Hz)
    for row in found.rows:
        assert abs(row.estimated - row.measured) < 4 * np.hypot(row.estimated_error, row.measured_error)
        assert row.sign
    assert found.estimate.gradient["e"].shape == (len(model.edges("e")),)


@pytest.mark.slow
def test_a_jump_far_over_the_threshold_has_a_finite_score():
    """25 mV in one step with a width of 0.1 mV: e^150 and more spikes would be expected, which no float32 holds."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    cells = n4.Population("cells", 3, n4.train.escape_noise(lif, rate=1 * u.kHz, width=0.1 * u.mV), {"in": n4.Delta()})
    jumps = n4.Poisson("jumps", cells, "in", rate=500 * u.Hz, weight=25 * u.mV)
    model = n4.Network(cells, jumps).build(dt=0.5 * u.ms, seed=0)
    found = n4.train.ScoreFunction(2).estimate(model, THRESHOLD, n4.train.Rate("cells", 20 * u.ms), KEY)
    assert found.value > 100
    assert np.isfinite(found.gradient["threshold"]) and np.isfinite(found.stderr["threshold"])


def test_without_noise_there_is_no_score(coupled):
    with pytest.raises(ValueError, match="with_escape_noise"):
        n4.train.ScoreFunction().estimate(coupled, THRESHOLD, n4.train.Rate("cells", 10 * u.ms), KEY)
    with pytest.raises(ValueError, match="LIF, PLIF, GLIF"):
        n4.train.escape_noise(n4.Relay(), rate=1 * u.kHz, width=1 * u.mV)
    with pytest.raises(n4.UnitError):
        n4.train.escape_noise(coupled.neurons["cells"], rate=1.0, width=1 * u.mV)


def test_little_noise_is_none():
    """With a width that is tiny, neurons fire at their threshold: the same spikes."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)
    spikes = []
    for neuron in (lif, n4.train.escape_noise(lif, rate=1 * u.kHz, width=1e-6 * u.mV)):
        cells = n4.Population("cells", 5, neuron, v0=n4.Uniform(-60 * u.mV, -50 * u.mV))
        model = n4.Network(cells, n4.Clamp("drive", cells, 200 * u.pA)).build(dt=0.5 * u.ms, seed=0)
        spikes.append(np.asarray(jax.jit(lambda m: n4.scan(m, m.init(KEY), 200, lambda s, k: k["cells"])[1])(model)))
    assert spikes[0].sum() > 20
    np.testing.assert_array_equal(*spikes)


@pytest.mark.full
def test_one_measured_direction_gives_the_size(coupled):
    """Run by `pytest -m full tests/train/test_gradient_methods.py`; the arithmetic of the factor is tested below."""
    places = n4.train.places(dict(THRESHOLD) | {"drive": lambda m: m.sources["drive"].amplitude})
    statistic = n4.train.Rate("cells", 200 * u.ms)
    measure = n4.train.Differences(8, entries=1)
    eprop = n4.train.EProp(BUMP, trials=1)
    found = n4.train.Calibrated(eprop, THRESHOLD["threshold"], measure=measure).estimate(coupled, places, statistic, KEY)
    truth = measure.estimate(coupled, places, statistic, jr.key(2))
    ratios = {name: float(found.gradient[name] / truth.gradient[name]) for name in places}
    assert ratios["threshold"] == pytest.approx(1, abs=0.15)
    assert 0.3 < ratios["drive"] < 3


class Says(AbstractGradient):
    """A slope and its error for whatever is asked: one for the names given, another for the rest."""

    named: tuple
    other: tuple

    def estimate(self, model, where, statistic, key):
        told = {name: self.named if name in THRESHOLD else self.other for name in where}
        return Estimate(1.0, *({name: np.asarray(pair[i]) for name, pair in told.items()} for i in (0, 1)), 1)


def test_the_error_of_the_factor_is_in_that_of_the_gradient(coupled):
    """A factor of 6/2 with errors of 10 % each; 4 ± 1 becomes 12, and its errors of 3 and 1.7 add in quadrature."""
    gradient, measure = Says((4.0, 1.0), (2.0, 0.2)), Says((6.0, 0.6), (6.0, 0.6))
    found = n4.train.Calibrated(gradient, THRESHOLD["threshold"], measure=measure).estimate(coupled, THRESHOLD, None, KEY)
    assert float(found.gradient["threshold"]) == 12
    assert float(found.stderr["threshold"]) == pytest.approx(np.hypot(3, 12 * np.hypot(0.1, 0.1)))
    assert set(found.gradient) == set(found.stderr) == {"threshold"} and found.trials == 2


def test_a_place_may_have_any_name_beside_the_one_that_calibrates(coupled):
    where = {"calibrating": THRESHOLD["threshold"], "by": THRESHOLD["threshold"]}
    both = Says((6.0, 0.6), (6.0, 0.6))
    found = n4.train.Calibrated(both, lambda m: m.neurons["cells"].v_rest, measure=both).estimate(
        coupled, n4.train.places(where), None, KEY
    )
    assert set(found.gradient) == set(where)
