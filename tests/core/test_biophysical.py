"""Conductance-based and generalised integrate-and-fire neurons against closed forms and a solution of high order."""

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neuro4d as n4
from neuro4d.integrators import exprel
from neuro4d.neurons import _hodgkin_huxley, _traub_miles

pytestmark = pytest.mark.usefixtures("x64")


def potential(neuron, dt, duration, current, receptors=None, **start):
    """The potential after every step of 1 neuron under a constant current."""
    cell = n4.Population("cell", 1, neuron, receptors or {}, **start)
    model = n4.Network(cell, n4.Clamp("i", cell, current * u.pA)).build(dt=dt * u.ms, precision=jnp.float64)
    run = n4.simulate(model, model.init(jr.key(0)), duration * u.ms, (n4.Spikes(), n4.Trace("cell", "v")), progress=False)
    return np.asarray(run.records["cell.v"].values)[:, 0], (run.spikes("cell").step + 1) * dt


def exact(neuron, rates, shift, duration, current, every):
    """The equations in plain numbers, with an error below 1e-9."""
    p = {name: float(getattr(neuron, name)) for name in ("c", "g_leak", "g_na", "g_k", "e_leak", "e_na", "e_k")}

    def slope(_, y):
        v, m, h, n = y
        pairs = [rates(v - shift)[name] for name in "mhn"]
        inward = p["g_leak"] * (p["e_leak"] - v) + p["g_na"] * m**3 * h * (p["e_na"] - v) + p["g_k"] * n**4 * (p["e_k"] - v)
        return [(inward + current) / p["c"], *(a * (1 - x) - b * x for x, (a, b) in zip((m, h, n), pairs, strict=True))]

    start = [float(neuron.rest()[name]) for name in ("v", "m", "h", "n")]
    times = np.arange(1, round(duration / every) + 1) * every
    return solve_ivp(slope, (0, duration), start, method="DOP853", rtol=1e-10, atol=1e-12, t_eval=times).y[0]


def ratio(x):
    return x / np.expm1(x)


def squid(w):
    """The rates of Hodgkin and Huxley (1952), equations 12, 13, 20, 21, 23 and 24, with the sign of w turned round."""
    return {
        "m": (0.1 * 10 * ratio((25 - w) / 10), 4 * np.exp(-w / 18)),
        "h": (0.07 * np.exp(-w / 20), 1 / (np.exp((30 - w) / 10) + 1)),
        "n": (0.01 * 10 * ratio((10 - w) / 10), 0.125 * np.exp(-w / 80)),
    }


def hippocampus(w):
    """The rates of benchmark 3 of Brette et al. (2007)."""
    return {
        "m": (0.32 * (13 - w) / (np.exp((13 - w) / 4) - 1), 0.28 * (w - 40) / (np.exp((w - 40) / 5) - 1)),
        "h": (0.128 * np.exp((17 - w) / 18), 4 / (1 + np.exp((40 - w) / 5))),
        "n": (0.032 * (15 - w) / (np.exp((15 - w) / 5) - 1), 0.5 * np.exp((10 - w) / 40)),
    }


@pytest.mark.parametrize(("ours", "published"), [(_hodgkin_huxley._rates, squid), (_traub_miles._rates, hippocampus)])
def test_rates_are_those_published(ours, published):
    w = np.linspace(-90, 130, 4003)
    for name, pair in ours(jnp.asarray(w)).items():
        np.testing.assert_allclose(pair, published(w)[name], rtol=1e-11)
    for singular in (10.0, 13.0, 15.0, 25.0, 40.0):
        at, below, above = ([x for pair in ours(jnp.asarray(w)).values() for x in pair] for w in (singular, singular - 1e-3, singular + 1e-3))
        np.testing.assert_allclose(at, 0.5 * (np.asarray(below) + np.asarray(above)), rtol=1e-6)


def test_exprel():
    x = np.concatenate([[0.0, 1e-300, -1e-12, 0.05, -0.05], np.linspace(-50, 50, 999)])
    expected = np.where(np.abs(x) < 1e-9, 1 + x / 2, np.expm1(x) / np.where(x == 0, 1, x))
    np.testing.assert_allclose(exprel(jnp.asarray(x)), expected, rtol=2e-15)
    slopes = jax.vmap(jax.grad(exprel))(jnp.asarray([0.0, 1e-9, -0.04, 0.06, -50.0]))
    step = 1e-5
    middle = np.asarray([0.0, 1e-9, -0.04, 0.06, -50.0])
    np.testing.assert_allclose(slopes, (exprel(middle + step) - exprel(middle - step)) / (2 * step), rtol=1e-5)


def orders_of(errors, steps):
    return np.diff(np.log(errors)) / np.diff(np.log(steps))


@pytest.mark.slow
def test_hodgkin_huxley_converges_with_second_order():
    """Over one spike, sampled every 0.4 ms; and the train of spikes keeps to that of the exact solution."""
    neuron, steps = n4.HodgkinHuxley(), (0.08, 0.04, 0.02, 0.01)
    reference = exact(neuron, squid, -65.0, 8.0, 1000.0, 0.4)
    assert np.ptp(reference) > 90
    errors = [np.abs(potential(neuron, dt, 8.0, 1000.0)[0][round(0.4 / dt) - 1 :: round(0.4 / dt)] - reference).max() for dt in steps]
    assert errors[-1] < 0.02 and (orders_of(errors, steps) > 1.85).all()


def test_hodgkin_huxley_spikes_within_a_step():
    dt, duration = 0.01, 100.0
    reference = exact(n4.HodgkinHuxley(), squid, -65.0, duration, 1000.0, dt)
    expected = (np.flatnonzero((reference[:-1] < 0) & (reference[1:] >= 0)) + 2) * dt
    _, spikes = potential(n4.HodgkinHuxley(), dt, duration, 1000.0)
    assert len(spikes) == len(expected) > 5
    np.testing.assert_allclose(spikes, expected, atol=1.01 * dt)


def test_traub_miles_converges_with_first_order():
    neuron, steps = n4.TraubMiles(), (0.02, 0.01, 0.005)
    reference = exact(neuron, hippocampus, -63.0, 6.0, 600.0, 0.4)
    assert np.ptp(reference) > 80
    errors = [np.abs(potential(neuron, dt, 6.0, 600.0)[0][round(0.4 / dt) - 1 :: round(0.4 / dt)] - reference).mean() for dt in steps]
    np.testing.assert_allclose(orders_of(errors, steps), 1, atol=0.25)


def test_a_spike_is_counted_once():
    """Traub and Miles: v stays above -20 mV for several steps, and with a period of 0 each of them counts. Squid: only the passage."""
    once, often = (potential(n4.TraubMiles(t_ref=t * u.ms), 0.1, 20.0, 600.0) for t in (3.0, 0.0))
    above = often[0] >= -20
    assert len(often[1]) == above.sum() > len(once[1]) == (above[1:] & ~above[:-1]).sum() > 0
    v, spikes = potential(n4.HodgkinHuxley(), 0.05, 50.0, 1000.0)
    np.testing.assert_allclose(spikes, (np.flatnonzero((v[1:] >= 0) & (v[:-1] < 0)) + 2) * 0.05)


def test_temperature_makes_gates_faster():
    """A spike is narrower at 18.5 °C: the time above 0 mV."""
    cold, warm = (potential(n4.HodgkinHuxley(speed=s), 0.01, 5.0, 2000.0)[0] for s in (1.0, 3 ** ((18.5 - 6.3) / 10)))
    assert 0 < (warm >= 0).sum() < 0.5 * (cold >= 0).sum()


def test_rest_is_a_fixed_point():
    """Gates at their equilibrium; the potential of the squid rests where the currents cancel, within 0.01 mV of -65 mV."""
    v, _ = potential(n4.HodgkinHuxley(), 0.05, 50.0, 0.0)
    assert np.abs(v + 65).max() < 0.01
    v, spikes = potential(n4.TraubMiles(g_na=0 * u.nS, g_k=0 * u.nS), 0.1, 50.0, 0.0)
    np.testing.assert_allclose(v, -60.0, atol=1e-12)
    assert not len(spikes)


# Generalised integrate-and-fire ----------------------------------------------------------------------------------------------


def test_level_1_is_leaky_integrate_and_fire():
    lif = n4.LIF(tau=58.72 / 9.43 * u.ms, c=58.72 * u.pF, v_rest=-78.85 * u.mV, v_th=-51.68 * u.mV, v_reset=-78.85 * u.mV, t_ref=3 * u.ms)
    for receptors in ({}, {"g": n4.ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV)}):
        ours, theirs = (potential(x, 0.1, 200.0, 400.0, receptors) for x in (n4.GLIF(level=1, t_ref=3 * u.ms), lif))
        np.testing.assert_allclose(ours[0], theirs[0], atol=1e-10)
        np.testing.assert_array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("g", [0.0, 4.0])
def test_threshold_and_currents_are_exact_between_spikes(g):
    """Level 5 without a spike against a solution of high order, also with a conductance that is held."""
    neuron = n4.GLIF(level=5, v_th=100 * u.mV)
    c, leak, rest, a, b = 58.72, 9.43, -78.85, 0.005, 0.09

    def slope(_, y):
        v, theta, one, two = y
        dv = (leak * (rest - v) + one + two + 120.0 - g * (v - 0.0)) / c
        return [dv, a * (v - rest) - b * theta, -0.003 * one, -0.1 * two]

    start = [-70.0, 3.0, -40.0, 200.0]
    cell = n4.Population("cell", 1, neuron, {"g": n4.ExpConductance(tau=1e12 * u.ms, e_rev=0 * u.mV)}, v0=-70 * u.mV,
                         init={"th_voltage": 3 * u.mV, "asc_1": -40 * u.pA, "asc_2": 200 * u.pA, "g.g": g * u.nS})  # fmt: skip
    model = n4.Network(cell, n4.Clamp("i", cell, 120 * u.pA)).build(dt=0.05 * u.ms, precision=jnp.float64)
    final = n4.simulate(model, model.init(jr.key(0)), 40 * u.ms, (), progress=False).state.neurons["cell"]
    expected = solve_ivp(slope, (0, 40), start, method="DOP853", rtol=1e-11, atol=1e-11).y[:, -1]
    found = [float(x[0]) for x in (final.v, final.th_voltage, final.asc_1, final.asc_2)]
    # After-spike currents act by their mean over a step, which is second order for the membrane.
    np.testing.assert_allclose(found, expected, rtol=2e-5)


def test_what_a_spike_does():
    """One step of level 4 from above threshold, by hand."""
    neuron = n4.GLIF(level=4, t_ref=1 * u.ms)
    c = neuron.constants(0.1)
    state = neuron.init({"v": jnp.array([-40.0]), "th_spike": jnp.array([2.0]), "th_voltage": jnp.array([0.0]),
                         "asc_1": jnp.array([5.0]), "asc_2": jnp.array([-7.0])})  # fmt: skip
    after, out = neuron.step(c, state, n4.Drive())
    assert out.spikes[0] and after.left[0] == 10
    assert float(after.v[0]) == pytest.approx(-78.85 + 0.2 * (-40 + 78.85) + 18.51)
    assert float(after.th_spike[0]) == pytest.approx(2 * np.exp(-0.009 * 1.1) + 0.37)
    assert float(after.asc_1[0]) == pytest.approx(5 * np.exp(-0.003 * 1.1) - 9.18)
    assert float(after.asc_2[0]) == pytest.approx(-7 * np.exp(-0.1 * 1.1) - 198.94)
    held, out = neuron.step(c, after, n4.Drive(i=jnp.array([1e5])))
    assert not out.spikes[0] and held.left[0] == 9 and all(x == y for x, y in zip(held[:-1], after[:-1], strict=True))


def test_mistakes():
    with pytest.raises(ValueError, match=r"GLIF\.level is 1, 2, 3, 4 or 5; got 0"):
        n4.GLIF(level=0)
    with pytest.raises(ValueError, match="GLIF: v_th must lie above v_reset"):
        n4.GLIF(level=1, v_th=-80 * u.mV)
    with pytest.raises(ValueError, match="TraubMiles: v_th must lie above e_leak"):
        n4.TraubMiles(v_th=-60 * u.mV)
    with pytest.raises(ValueError, match="HodgkinHuxley: v_th must lie above v_rest"):
        n4.HodgkinHuxley(v_th=-65 * u.mV)
    with pytest.raises(ValueError, match=r"steps of at most 0\.1 ms"):
        n4.Network(n4.Population("c", 1, n4.HodgkinHuxley())).build(dt=0.2 * u.ms)
    with pytest.raises(ValueError, match=r"GLIF\.t_ref"):
        n4.Network(n4.Population("c", 1, n4.GLIF(level=1))).build(dt=0.1 * u.ms)
