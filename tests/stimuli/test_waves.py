"""Alternating currents, and rates given by functions of time."""

from fractions import Fraction

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import lif
from scipy import stats

import neuro4d as n4
from neuro4d.stimuli import Now
from neuro4d.stimuli._sine import turns

STEPS = np.array([0, 1, 2, 999, 12_345_678, 2**31, 2**32 - 1], np.uint32)


def current(ac, n=1, precision=jnp.float64, steps=STEPS, dt=0.1):
    """What a current gives in some steps, pA."""
    cells = n4.Population("cells", n, lif())
    source = n4.Network(cells, n4.Clamp("ac", cells, ac)).build(dt=dt * u.ms, precision=precision).sources["ac"]
    none = jnp.uint32(0)
    return np.asarray(jax.vmap(lambda k: source.emit(Now(k, none, none, None)).i)(jnp.asarray(steps)))


def exact_mean(amplitude, frequency, phase, offset, steps, dt):
    """The mean of the sine over each step, the phase in fractions."""
    cycles = Fraction(frequency) * Fraction(dt)
    found = []
    for k in steps:
        ends = [2 * np.pi * float((cycles * (int(k) + j)) % 1) + phase for j in (0, 1)]
        found.append(offset + amplitude * (np.cos(ends[0]) - np.cos(ends[1])) / (2 * np.pi * float(cycles)))
    return np.array(found)


@pytest.mark.slow
@pytest.mark.parametrize("frequency", [0.0078125, 0.25, 3.0])
def test_the_current_of_a_step_is_the_mean_of_the_sine(x64, frequency):
    """At any time up to the last step that a counter holds; frequencies that are exact in binary, so that the reference has no rounding."""
    ac = n4.AC(amplitude=70 * u.pA, frequency=frequency * u.kHz, phase=0.4, offset=-20 * u.pA)
    np.testing.assert_allclose(current(ac, dt=0.125), exact_mean(70, frequency, 0.4, -20, STEPS, 0.125), rtol=0, atol=2e-8)
    single = current(ac, precision=jnp.float32, dt=0.125)
    np.testing.assert_allclose(single, exact_mean(70, frequency, 0.4, -20, STEPS, 0.125), rtol=0, atol=1e-4)


def test_single_precision_keeps_the_phase(x64):
    cycles = jnp.float32(0.0123)
    exact = [float((Fraction(float(cycles)) * int(k)) % 1) for k in STEPS]
    np.testing.assert_allclose(jax.vmap(lambda k: turns(cycles, k))(jnp.asarray(STEPS)), exact, rtol=0, atol=1e-7)


def test_neurons_may_differ_and_a_frequency_of_zero_is_constant(x64):
    ac = n4.AC(
        amplitude=np.array([10.0, 20.0]) * u.pA, frequency=np.array([0.0, 5.0]) * u.Hz, phase=np.array([np.pi / 2, 0.0]), offset=1 * u.pA
    )
    found = current(ac, n=2, steps=np.arange(2000, dtype=np.uint32))
    np.testing.assert_allclose(found[:, 0], 11, atol=1e-12)
    np.testing.assert_allclose(found[:, 1].mean(), 1, atol=1e-9)  # a whole cycle of 200 ms
    np.testing.assert_allclose(found[:, 1].var(), 200, rtol=1e-5)


def test_the_derivative_by_frequency(x64):
    cycles, k = jnp.float64(0.0123), jnp.uint32(5000)
    slope = jax.grad(lambda c: jnp.sin(2 * jnp.pi * turns(c, k)))(cycles)
    np.testing.assert_allclose(slope, 2 * np.pi * 5000 * np.cos(2 * np.pi * 0.0123 * 5000), rtol=1e-6)


def test_refused_currents():
    with pytest.raises(
        ValueError, match=r"Clamp 'ac': frequency lies from 0 to below half a cycle per step, which is 5000 Hz.*got 5000 Hz"
    ):
        current(n4.AC(amplitude=1 * u.pA, frequency=5 * u.kHz), precision=jnp.float32)
    with pytest.raises(ValueError, match=r"AC\.frequency must be at least 0"):
        n4.AC(amplitude=1 * u.pA, frequency=-5 * u.Hz)
    with pytest.raises(n4.UnitError, match=r"AC\.offset: expected"):
        n4.AC(amplitude=1 * u.pA, frequency=5 * u.Hz, offset=3)
    with pytest.raises(ValueError, match=r"Clamp 'ac': phase must be a scalar or have shape \(1,\)"):
        current(n4.AC(amplitude=1 * u.pA, frequency=5 * u.Hz, phase=np.zeros(3)), precision=jnp.float32)


def test_a_rate_from_a_function_has_the_integral_of_the_function():
    wave = n4.RateSteps.of(lambda t: (30 + 20 * np.sin(t.to_decimal(u.ms) / 40)) * u.Hz, duration=400 * u.ms, every=25 * u.ms)
    ends = np.arange(17) * 25.0
    exact = 30 + 20 * 40 / 25 * -np.diff(np.cos(ends / 40))
    np.testing.assert_allclose(wave.samples * 1e3, exact, rtol=1e-9)
    cubic = n4.RateSteps.of(lambda t: t.to_decimal(u.ms)[:, None] ** np.array([3.0, 0.0]) * u.kHz, duration=4 * u.ms, every=1 * u.ms)
    np.testing.assert_allclose(cubic.samples, np.stack([np.diff(np.arange(5.0) ** 4) / 4, np.ones(4)], 1), rtol=1e-12)
    assert float(cubic.every) == 1.0
    jax_too = n4.RateSteps.of(lambda t: jnp.ones(t.shape) * u.Hz, duration=4 * u.ms, every=1 * u.ms)
    np.testing.assert_allclose(jax_too.samples, 1e-3, rtol=1e-6)


def test_poisson_spikes_follow_the_function():
    """Counts of 500 neurons in each 10 ms against the integral of the rate, as a chi-squared test with a false alarm of 1e-5, and their variance."""
    rate = lambda t: (0.4 + 0.35 * np.sin(t.to_decimal(u.ms) / 15)) * u.kHz  # noqa: E731
    cells = n4.Population("cells", 500, lif(v_th=1e6 * u.mV), {"in": n4.PulseCurrent()})
    wave = n4.RateSteps.of(rate, duration=100 * u.ms, every=0.5 * u.ms)
    model = n4.Network(cells, n4.Poisson("p", cells, "in", rate=wave, weight=1 * u.pA)).build(dt=0.1 * u.ms, seed=0)
    arrived = jax.jit(lambda s: n4.scan(model, s, 1100, lambda s, _: s.receptors["cells"]["in"].i))(model.init(jr.key(0)))[1]
    counts = np.asarray(arrived, np.float64).reshape(11, 100, 500).sum(1)
    ends = np.arange(11) * 10.0
    expected = 0.4 * 10 - 0.35 * 15 * np.diff(np.cos(ends / 15))
    chi = ((counts[:10].sum(1) - 500 * expected) ** 2 / (500 * expected)).sum()
    assert stats.chi2.sf(chi, 10) > 1e-5 and not counts[10].any()
    dispersion = counts[:10].var(axis=1, ddof=1) / expected
    assert (np.abs(dispersion - 1) < 5 * np.sqrt((2 + 1 / expected) / 500)).all()


BAD = [
    (
        lambda: n4.RateSteps.of(lambda t: t, duration=4 * u.ms, every=1 * u.ms),
        n4.UnitError,
        "RateSteps.of: what the function gives: expected",
    ),
    (lambda: n4.RateSteps.of(lambda t: 3.0, duration=4 * u.ms, every=1 * u.ms), n4.UnitError, "bare value"),
    (
        lambda: n4.RateSteps.of(lambda t: 3 * u.Hz, duration=4 * u.ms, every=1 * u.ms),
        ValueError,
        r"for each of 16 times; got the shape \(\)",
    ),
    (lambda: n4.RateSteps.of(lambda t: (8 - t / u.ms) * u.Hz, duration=10 * u.ms, every=1 * u.ms), ValueError, "must be at least 0"),
    (
        lambda: n4.RateSteps.of(lambda t: t, duration=4 * u.ms, every=3 * u.ms),
        ValueError,
        r"a multiple of every = 3 ms; got 4 ms. For example `duration=3\*u.ms`",
    ),
    (lambda: n4.RateSteps.of(lambda t: t, duration=4, every=3 * u.ms), n4.UnitError, "RateSteps.of: duration"),
]


@pytest.mark.parametrize("make, error, text", BAD)
def test_refused_functions(make, error, text):
    with pytest.raises(error, match=text):
        make()
