"""Receptors with kinetics of their own against closed forms and solutions of their equations by a method of high order."""

import itertools

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import lif
from scipy.integrate import solve_ivp

import neuro4d as n4
from neuro4d.receptors._propagators import exp_among

TAU_M, C, REST = 10.0, 250.0, -65.0
TIMES = np.array([1.0, 4.0, 4.6, 11.0])
PAIRS = np.array([[0.5, 4.0], [4.0, 0.5], [2.0, 2.0], [2.0, 2.000001], [10.0, 10.0], [2.0, 10.0], [9.9999, 30.0], [0.02, 100.0]])
PAIRS_2 = np.array([[0.5, 4.0], [2.0, 2.0]])


def traces(receptor, weight, n, duration, *variables, dt=0.1, times=TIMES, v0=REST):
    """Every step of some variables of `n` neurons, `(steps, n)` each; the same spikes arrive at all of them."""
    cells = n4.Population("cells", n, lif(v_th=100 * u.mV), {"syn": receptor}, v0=v0 * u.mV)
    kicks = n4.SpikeTimes("kick", cells, "syn", times=np.repeat(times, n) * u.ms, ids=np.tile(np.arange(n), len(times)), weight=weight)
    model = n4.Network(cells, kicks).build(dt=dt * u.ms, precision=jnp.float64)
    run = n4.simulate(model, jr.key(0), duration * u.ms, [n4.Trace("cells", v) for v in variables])
    return [np.asarray(run.records[f"cells.{v}"].values) for v in variables]


def dual(t, rise, decay):
    """The time course with peak 1."""
    t = np.maximum(t, 0)
    if rise == decay:
        return np.e / rise * t * np.exp(-t / rise)
    at = rise * decay / (decay - rise) * np.log(decay / rise)
    return np.expm1(-t * (1 / rise - 1 / decay)) * np.exp(-t / decay) / (np.expm1(-at * (1 / rise - 1 / decay)) * np.exp(-at / decay))


def end_of_steps(steps, dt=0.1):
    return (np.arange(steps) + 1) * dt


def test_a_dual_current_through_a_membrane(x64):
    """The current is its formula, its peak the weight, and `v` the convolution with the membrane, at any three time constants."""
    receptor = n4.DualExpCurrent(tau_rise=PAIRS[:, 0] * u.ms, tau_decay=PAIRS[:, 1] * u.ms)
    i, v = traces(receptor, 100 * u.pA, len(PAIRS), 40, "syn.i", "v", times=TIMES[:1])
    t = np.maximum(end_of_steps(len(v)) - 1.0, 0)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    s = t[:, None] * (nodes + 1) / 2
    for k, (rise, decay) in enumerate(PAIRS):
        np.testing.assert_allclose(i[:, k], 100 * dual(t, rise, decay), rtol=1e-9, atol=1e-9)
        if rise > 0.1:
            exact = 100 / C * ((dual(s, rise, decay) * np.exp(-(t[:, None] - s) / TAU_M)) @ weights) * t / 2
            np.testing.assert_allclose(v[:, k] - REST, exact, rtol=0, atol=1e-10)
            assert 0.99 < i[:, k].max() / 100 <= 1 + 1e-12
    np.testing.assert_allclose(i[:, 0], i[:, 1], rtol=1e-12)
    assert np.abs(v[:, 2] - v[:, 3]).max() < 1e-5


@pytest.mark.slow
def test_equal_time_constants_are_the_alpha_function(x64):
    two, zero = 2 * u.ms, 0 * u.mV
    pairs = {
        "i": (n4.DualExpCurrent(tau_rise=two, tau_decay=two), n4.AlphaCurrent(tau=two), 5 * u.pA),
        "g": (n4.DualExpConductance(tau_rise=two, tau_decay=two, e_rev=zero), n4.AlphaConductance(tau=two, e_rev=zero), 5 * u.nS),
    }
    parts, recorders = [], []
    for name, (*receptors, weight) in pairs.items():
        for kind, receptor in zip(("dual", "alpha"), receptors, strict=True):
            cells = n4.Population(f"{kind} {name}", 1, lif(v_th=100 * u.mV), {"syn": receptor}, v0=REST * u.mV)
            kick = n4.SpikeTimes(f"to {kind} {name}", cells, "syn", times=TIMES * u.ms, ids=np.zeros(len(TIMES), int), weight=weight)
            parts += [cells, kick]
            recorders += [n4.Trace(cells.name, variable) for variable in (f"syn.{name}", "v")]
    model = n4.Network(*parts).build(dt=0.1 * u.ms, precision=jnp.float64)
    found = n4.simulate(model, jr.key(0), 30 * u.ms, recorders).records
    for name in pairs:
        for variable in (f"syn.{name}", "v"):
            dual_, alpha = (found[f"{kind} {name}.{variable}"].values for kind in ("dual", "alpha"))
            assert np.ptp(alpha) > 0
            np.testing.assert_allclose(dual_, alpha, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-6), (np.float64, 1e-12)])
def test_second_divided_differences(dtype, tolerance, x64):
    """Against the integral over the triangle, wherever arguments meet; derivatives are finite there."""
    points = -np.array([0.0, 1e-6, 0.01, 0.01, 0.3, 0.9, 1.0, 1.1, 5.0, 60.0])
    x, y, z = (a.reshape(-1) for a in np.meshgrid(points, points, points))
    nodes, weights = np.polynomial.legendre.leggauss(120)
    p, w = (nodes + 1) / 2, weights / 2
    a, b = p[:, None], p[None, :] * (1 - p[:, None])
    area = w[:, None] * w[None, :] * (1 - p[:, None])
    exact = np.array([np.sum(area * np.exp(i * a + j * b + k * (1 - a - b))) for i, j, k in zip(x, y, z, strict=True)])
    given = [jnp.asarray(each, dtype) for each in (x, y, z)]
    np.testing.assert_allclose(jax.jit(exp_among)(*given), exact, rtol=tolerance)
    slopes = jax.jit(jax.grad(lambda a: jnp.sum(exp_among(*a))))(given)
    assert all(np.isfinite(s).all() for s in slopes)
    np.testing.assert_allclose(slopes[0][0], 1 / 6, rtol=1e-5)  # e^0/3!


def solved(slope, start, add, times, until, dt):
    """States at the end of each step; `add` is added to the state at each of `times`."""
    edges = [0.0, *np.unique(times), until]
    state, found = np.array(start, float), []
    grid = end_of_steps(round(until / dt), dt)
    for a, b in itertools.pairwise(edges):
        state = state + add * np.sum(np.isclose(times, a))
        inside = grid[(grid > a + 1e-9) & (grid <= b + 1e-9)]
        out = solve_ivp(slope, (a, b), state, "DOP853", np.minimum(inside, b), rtol=1e-11, atol=1e-13)
        found.append(out.y.T)
        state = solve_ivp(slope, (a, b), state, "DOP853", [b], rtol=1e-11, atol=1e-13).y[:, -1]
    return np.concatenate(found)


def coarser(values, dt, fine=0.025):
    """What was found at the ends of fine steps, at those of longer ones."""
    return values[round(dt / fine) - 1 :: round(dt / fine)]


def blocked(v, mg):
    return 1 / (1 + mg / 3.57 * np.exp(-0.062 * v))


@pytest.mark.slow
@pytest.mark.parametrize("mg, order, bound", [(None, 2, 5e-4), (0.0, 2, 5e-4), (1.0, 1, 0.02)])
def test_conductances_converge(mg, order, bound, x64):
    """To the solution with the order of the scheme: two, and one where the block moves with the potential."""
    rise, decay = PAIRS_2.T
    kinetics = {"tau_rise": rise * u.ms, "tau_decay": decay * u.ms}
    made = n4.DualExpConductance(**kinetics, e_rev=0 * u.mV) if mg is None else n4.NMDA(**kinetics, mg=mg * u.mM)
    steps, exact = (0.1, 0.05, 0.025), []
    for r, d in PAIRS_2:
        peak = np.e / r if r == d else 1 / (d * np.exp(-np.log(d / r) / (1 - r / d)))

        def slope(_, x, r=r, d=d):
            g = x[1] * (1 if mg is None else blocked(x[0], mg))
            return [(REST - x[0]) / TAU_M - g * x[0] / C, x[2] - x[1] / d, -x[2] / r]

        exact.append(solved(slope, [REST, 0, 0], np.array([0, 0, 8 * peak]), TIMES, 20.0, steps[-1])[:, 0])
    errors = []
    for dt in steps:
        (v,) = traces(made, 8 * u.nS, 2, 20, "v", dt=dt)
        errors.append(np.abs(v - coarser(np.transpose(exact), dt)).max(axis=0))
    errors = np.array(errors)
    assert np.ptp(v) > (1 if mg else 10)
    assert (errors[0] < bound).all(), errors
    np.testing.assert_allclose(np.log2(errors[:-1] / errors[1:]), order, atol=0.1)


def test_magnesium_blocks(x64):
    """Without leak of the conductance the first step of the current tells the block: Jahr and Stevens' B(-65 mV) = 0.0597 at 1 mM."""
    (part,) = (n4.NMDA(tau_rise=2 * u.ms, tau_decay=100 * u.ms),)
    constants = part.constants(0.1, None)
    state = part.init({"rise": jnp.zeros(4), "g": jnp.full(4, 3.0)})
    v = jnp.array([-65.0, 0.0, 40.0, -1e6])
    _, drive = part.step(constants, state, None, v)
    unblocked = 3 * np.asarray(constants.held)
    np.testing.assert_allclose(drive.g[:3], unblocked * blocked(np.asarray(v[:3]), 1.0), rtol=1e-12)
    np.testing.assert_allclose(drive.g[0] / unblocked, 0.0597, atol=1e-4)
    assert 0 <= drive.g[3] < 1e-30
    slope = jax.grad(lambda v: jnp.sum(part.step(constants, state, None, v)[1].g))(v)
    assert np.isfinite(slope).all()


K1, K2, K3, K4, HALF, CLEAR = 0.09, 0.0012, 0.18, 0.034, 100**0.25, 0.3


def gabab_slope(t, x, transmitter=None):
    """In mM for the transmitter and uM for the G protein; `transmitter(t)` replaces the exponential."""
    amount = x[1] if transmitter is None else transmitter(t)
    open_channels = x[3] ** 4 / (x[3] ** 4 + HALF**4)
    return [
        (REST - x[0]) / TAU_M + 5 * open_channels * (-95 - x[0]) / C,
        -x[1] / CLEAR,
        K1 * amount * (1 - x[2]) - K2 * x[2],
        K3 * x[2] - K4 * x[3],
    ]


BURST = 1.0 + 4.0 * np.arange(8)


@pytest.mark.slow
def test_gabab_converges(x64):
    errors, fine = [], solved(gabab_slope, [REST, 0, 0, 0], np.array([0, 3.0, 0, 0]), BURST, 60.0, 0.025)
    for dt in (0.1, 0.05, 0.025):
        v, s, r = (x[:, 0] for x in traces(n4.GABAB(g_max=5 * u.nS), 3 * u.mM, 1, 60, "v", "syn.s", "syn.r", dt=dt, times=BURST))
        exact = coarser(fine, dt)
        errors.append([np.abs(v - exact[:, 0]).max(), np.abs(1e3 * s - exact[:, 3]).max(), np.abs(r - exact[:, 2]).max()])
    assert np.ptp(v) > 0.1
    assert errors[0][0] < 2e-4 and errors[0][1] < 3e-4 and errors[0][2] < 1e-4, errors
    np.testing.assert_allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 2, atol=0.1)


def test_gabab_pulses_and_sums(x64):
    """Rectangular pulses give nearly the same; eight spikes far more than eight times one; all sources together at most `g_max`."""

    def peak(times, weight=0.5):
        s = traces(n4.GABAB(g_max=5 * u.nS), weight * u.mM, 1, 300, "syn.s", times=np.asarray(times))[0][:, 0]
        x = (1e3 * s.max() / HALF) ** 4
        return x / (1 + x)

    one, burst = peak(BURST[:1]), peak(BURST)
    assert burst > 200 * one
    assert 0.99 < peak(BURST, 500.0) / peak(BURST, 5000.0) <= 1
    ends = BURST + CLEAR
    edges, x = np.sort([*BURST, *ends, 200.0]), np.array([REST, 0, 0, 0.0])
    highest = 0.0
    for k, (a, b) in enumerate(itertools.pairwise(edges)):
        amount = 0.5 if k % 2 == 0 else 0.0
        x = solve_ivp(lambda t, x, amount=amount: gabab_slope(t, x, lambda _: amount), (a, b), x, "DOP853", rtol=1e-10, atol=1e-12)
        highest = max(highest, x.y[3].max())
        x = x.y[:, -1]
    rectangular = (highest / HALF) ** 4 / (1 + (highest / HALF) ** 4)
    assert abs(burst / rectangular - 1) < 0.05
