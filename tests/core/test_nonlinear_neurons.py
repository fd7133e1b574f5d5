"""EIF, AdEx, QIF and Izhikevich against closed forms and a solver of high order, in double precision."""

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neuro4d as n4

pytestmark = pytest.mark.usefixtures("x64")

C, G_L, REST, V_T, DELTA, A, TAU_W, B = 200.0, 10.0, -65.0, -50.0, 2.0, 4.0, 60.0, 30.0
LEVELS = {"c": C * u.pF, "g_l": G_L * u.nS, "v_rest": REST * u.mV, "v_t": V_T * u.mV, "v_reset": -58 * u.mV}
ADEX = LEVELS | {"delta_t": DELTA * u.mV, "a": A * u.nS, "tau_w": TAU_W * u.ms, "b": B * u.pA}


def march(neuron, dt, steps, drive, **start):
    """Every state and spike of a neuron under a drive that does not change; `steps` rows."""
    rest = {name: jnp.asarray(float(start.get(name, value))) for name, value in neuron.rest().items()}

    def body(state, _):
        state, fired = neuron.step(neuron.constants(dt), state, drive)
        return state, (state, fired.spikes)

    return jax.jit(lambda s: jax.lax.scan(body, s, None, length=steps))(neuron.init(rest))[1]


def exact(slope, start, times, **options):
    found = solve_ivp(slope, (0, times[-1]), start, method="DOP853", rtol=1e-11, atol=1e-11, t_eval=times, **options)
    assert found.success
    return found


def adex_slope(i, g=0.0, a=A):
    def slope(_, y):
        v, w = y
        upstroke = G_L * DELTA * np.exp(min((v - V_T) / DELTA, 60))
        return [(G_L * (REST - v) + upstroke - w + i - g * v) / C, (a * (v - REST) - w) / TAU_W]

    return slope


@pytest.mark.parametrize("i, g, end", [(300.0, None, 12.0), (-900.0, 20.0, 24.0)], ids=["currents", "conductances"])
def test_adex_is_of_second_order(i, g, end):
    neuron, errors = n4.AdEx(**ADEX), []
    want = exact(adex_slope(i, g or 0.0), [REST, 0.0], np.array([end])).y[:, -1]
    assert want[0] > -54  # the exponential has a share in it
    for dt in (0.4, 0.2, 0.1, 0.05):
        state, spikes = march(neuron, dt, round(end / dt), n4.Drive(i=i, g=g))
        assert not spikes.any()
        errors.append([abs(float(state.v[-1]) - want[0]), abs(float(state.w[-1]) - want[1])])
    orders = np.log2(np.array(errors)[:-1] / np.array(errors)[1:])
    assert (np.abs(orders[-1] - 2) < 0.1).all(), (errors, orders)
    assert errors[2][0] < 2e-3


def spike_times(slope, start, peak, reset, jump, hold, end, grid):
    """Of the equations themselves; the potential is reset at the peak and held from the end of this step of `grid` ms on."""
    now, state, found = 0.0, list(start), []

    def at_peak(_, y):
        return y[0] - peak

    at_peak.terminal = True
    while True:
        part = solve_ivp(slope, (now, end), state, method="DOP853", rtol=1e-10, atol=1e-10, events=at_peak)
        if part.status != 1:
            return np.array(found)
        found.append(float(np.ceil(part.t[-1] / grid - 1e-9) * grid))
        state, now = [reset, part.y[1, -1] + jump], found[-1] + hold
        held = solve_ivp(lambda t, y: [0.0, slope(t, y)[1]], (part.t[-1], now), state, method="DOP853", rtol=1e-10, atol=1e-10)
        state = list(held.y[:, -1])


def test_spikes_of_adex_are_those_of_the_equations():
    dt, hold, end = 0.01, 2.0, 300.0
    neuron = n4.AdEx(**ADEX, t_ref=hold * u.ms)
    want = spike_times(adex_slope(400.0), [REST, 0.0], 0.0, -58.0, B, hold, end, dt)
    _, spikes = march(neuron, dt, round(end / dt), n4.Drive(i=400.0))
    got = (np.flatnonzero(spikes) + 1) * dt
    assert len(got) == len(want) > 10
    # A spike near the edge of a step may fall on its other side, and all that follow inherit that.
    assert np.abs(np.diff(got) - np.diff(want)).max() < 1.5 * dt and np.abs(got - want).max() < 2.5 * dt, got - want


@pytest.mark.slow
def test_a_step_through_infinity_fires_and_no_number_overflows():
    for dt in (0.1, 1.0, 10.0):
        neurons = (n4.EIF(**LEVELS, delta_t=0.5 * u.mV), n4.AdEx(**ADEX), n4.QIF(**LEVELS), n4.Izhikevich.preset("RS", "split"))
        for neuron in neurons:
            with jax.enable_x64(False):
                neuron = jax.tree.map(lambda x: jnp.asarray(np.float32(x)), neuron)
                state, spikes = march(neuron, dt, 60, n4.Drive(i=np.float32(3e5), jump=np.float32(40.0)))
            assert spikes.all() and all(np.isfinite(x).all() for x in state), (neuron, dt)


def test_eif_without_an_upstroke_is_lif():
    far = LEVELS | {"v_t": 1e4 * u.mV}
    eif = n4.EIF(**far, delta_t=1 * u.mV, v_peak=1.1e4 * u.mV)
    lif = n4.LIF(tau=C / G_L * u.ms, c=C * u.pF, v_rest=REST * u.mV, v_th=1e4 * u.mV, v_reset=-58 * u.mV)
    for drive in (n4.Drive(i=200.0), n4.Drive(i=-300.0, g=12.0)):
        np.testing.assert_allclose(march(eif, 0.1, 500, drive)[0].v, march(lif, 0.1, 500, drive)[0].v, rtol=0, atol=1e-11)


def test_adex_without_adaptation_is_eif():
    adex = n4.AdEx(**ADEX | {"a": 0 * u.nS, "b": 0 * u.pA}, t_ref=1 * u.ms)
    eif = n4.EIF(**LEVELS, delta_t=DELTA * u.mV, t_ref=1 * u.ms)
    a, b = (march(neuron, 0.1, 2000, n4.Drive(i=350.0)) for neuron in (adex, eif))
    np.testing.assert_array_equal(a[1], b[1])
    assert a[1].sum() > 5


def test_adaptation_goes_on_while_the_neuron_is_held():
    # After a spike w decays towards a (v_reset - v_rest), whatever arrives.
    neuron = n4.AdEx(**ADEX, t_ref=5 * u.ms)
    state, spikes = march(neuron, 0.1, 50, n4.Drive(i=1e6))
    assert spikes[0] and not spikes[1:].any()
    steady, t = A * (-58 - REST), np.arange(50) * 0.1
    np.testing.assert_allclose(state.w, steady + (state.w[0] - steady) * np.exp(-t / TAU_W), rtol=1e-9)


def test_qif_is_exact():
    # v' = k (v - m)^2 - q: with q < 0 a tangent, with q > 0 a hyperbolic tangent around m, and 1/(1/x - k t) between.
    k, m = G_L / (V_T - REST) / C, (REST + V_T) / 2
    rheobase = G_L * (V_T - REST) / 4
    neuron, dt = n4.QIF(**LEVELS, v_peak=40 * u.mV), 0.1
    t = (np.arange(400) + 1) * dt
    for i in (0.3 * rheobase, rheobase, 8 * rheobase):
        q = (i - rheobase) / C
        v, spikes = march(neuron, dt, 400, n4.Drive(i=i))[0].v, march(neuron, dt, 400, n4.Drive(i=i))[1]
        x, s = REST - m, np.sqrt(abs(q) / k)
        if q > 0:
            want = m + s * np.tan(np.arctan(x / s) + k * s * t)
        elif q == 0:
            want = m + 1 / (1 / x - k * t)
        else:
            want = m - s * np.tanh(k * s * t + np.arctanh(-x / s)) if abs(x) < s else m - s / np.tanh(k * s * t + np.arctanh(-s / x))
        first = int(np.argmax((want >= 40) | (np.diff(want, prepend=x) < -100))) if q > 0 else 400
        np.testing.assert_allclose(v[:first], want[:first], rtol=0, atol=1e-7 * max(1, np.abs(want[:first]).max()))
        assert (np.flatnonzero(spikes)[:1] == first) if q > 0 else not spikes.any()


def test_qif_with_conductances_is_the_solution_of_its_equation():
    k = G_L / (V_T - REST) / C
    neuron, end = n4.QIF(**LEVELS, v_peak=40 * u.mV), 20.0
    want = exact(lambda _, y: [k * (y[0] - REST) * (y[0] - V_T) + (-400 - 15 * y[0]) / C], [REST], np.array([end])).y[0, -1]
    for dt in (0.1, 1.0):
        got = march(neuron, dt, round(end / dt), n4.Drive(i=-400.0, g=15.0))[0].v[-1]
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


def test_izhikevich_schemes_have_their_orders():
    a, b, end, i = 0.02, 0.2, 4.0, 6.0
    want = exact(lambda _, y: [0.04 * y[0] ** 2 + 5 * y[0] + 140 - y[1] + i, a * (b * y[0] - y[1])], [-65.0, -13.0], np.array([end])).y[:, -1]
    assert want[0] > -62
    for scheme, order in (("euler", 1), ("split", 2)):
        errors = []
        for dt in (0.2, 0.1, 0.05):
            state, spikes = march(n4.Izhikevich.preset("RS", scheme), dt, round(end / dt), n4.Drive(i=i), v=-65.0, u=-13.0)
            assert not spikes.any()
            errors.append([abs(float(state.v[-1]) - want[0]), abs(float(state.u[-1]) - want[1])])
        orders = np.log2(np.array(errors)[:-1] / np.array(errors)[1:])
        assert (np.abs(orders[-1] - order) < 0.15).all(), (scheme, errors, orders)


def test_spikes_of_izhikevich_are_those_of_the_equations():
    # `u` is that at the peak; the reset comes at the end of the step.
    a, b, i, end, dt = 0.02, 0.2, 10.0, 300.0, 0.01

    def slope(_, y):
        return [0.04 * y[0] ** 2 + 5 * y[0] + 140 - y[1] + i, a * (b * y[0] - y[1])]

    want = spike_times(slope, [-65.0, -13.0], 30.0, -65.0, 8.0, 0.0, end, dt)
    counts = {}
    for scheme in ("split", "euler"):
        _, spikes = march(n4.Izhikevich.preset("RS", scheme), dt, round(end / dt), n4.Drive(i=i), v=-65.0, u=-13.0)
        got = (np.flatnonzero(spikes) + 1) * dt
        counts[scheme] = np.abs(got - want).max()
    assert len(want) > 5
    assert counts["split"] < 2.5 * dt < 0.3 < counts["euler"], counts


def test_the_published_scheme_is_the_default_and_has_not_moved():
    # Two half steps of v, then u with the new v: the program of 2003, in plain numbers.
    neuron = n4.Izhikevich(a=0.02 * u.kHz, b=0.2 * u.kHz, c=-65 * u.mV, d=8 * u.mV / u.ms, substeps=2)
    assert neuron.scheme == "euler"
    state, _ = march(neuron, 1.0, 100, n4.Drive(i=10.0))
    v, w = -65.0, -13.0
    for k in range(100):
        for _ in range(2):
            v = v + 0.5 * (0.04 * v * v + 5 * v + 140 - w + 10)
        w = w + 0.02 * (0.2 * v - w)
        if v >= 30:
            v, w = -65.0, w + 8
        np.testing.assert_allclose([state.v[k], state.u[k]], [v, w], rtol=1e-6)


def test_wrong_arguments_teach():
    with pytest.raises(ValueError, match=r"v_peak must lie above v_t.*For example"):
        n4.EIF(**LEVELS, delta_t=2 * u.mV, v_peak=-55 * u.mV)
    with pytest.raises(ValueError, match="v_peak must lie above v_reset"):
        n4.AdEx(**ADEX | {"v_reset": 1 * u.mV})
    with pytest.raises(ValueError, match="v_t must lie above v_rest"):
        n4.QIF(**LEVELS | {"v_t": -70 * u.mV})
    with pytest.raises(ValueError, match='scheme is "euler" or "split"'):
        n4.Izhikevich.preset("RS", "rk4")
    with pytest.raises(ValueError, match="no substeps"):
        n4.Izhikevich(a=0.02 * u.kHz, b=0.2 * u.kHz, c=-65 * u.mV, d=8 * u.mV / u.ms, substeps=2, scheme="split")
    with pytest.raises(KeyError, match=r"There are: RS, IB.*inhibition-induced-bursting"):
        n4.Izhikevich.preset("rs")
    with pytest.raises(KeyError, match=r"There are: tonic, .*irregular"):
        n4.AdEx.preset("bursting")
