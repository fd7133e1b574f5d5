"""Every step converges with its order, to the solution that it is meant for.

Orders of stochastic steps are slopes of mean errors over one set of 4,000 paths and four step sizes. Over 20 seeds these slopes had
means of 0.476, 1.071 and 0.941 (they reach 1/2 and 1 for short steps only) and standard deviations of 0.011 or less, so that bounds of
0.12 around the order are 7 standard deviations away: another seed would miss them in fewer than one of a million runs.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neuro4d as n4
from neuro4d.integrators import euler, euler_maruyama, exponential_euler, exprel, heun, linear, rk4, stochastic_heun

pytestmark = pytest.mark.usefixtures("x64")


class Cell(NamedTuple):
    """Morris and Lecar's variables: the potential and a gate."""

    v: Any
    w: Any


def morris_lecar(t, y, args):
    """The equations of Morris and Lecar (1981), with a current that changes with time."""
    m = 0.5 * (1 + jnp.tanh((y.v + 1.2) / 18))
    w = 0.5 * (1 + jnp.tanh((y.v - 2) / 30))
    current = args + 10 * jnp.sin(0.3 * t)
    dv = (current - 2 * (y.v + 60) - 4.4 * m * (y.v - 120) - 8 * y.w * (y.v + 84)) / 20
    return Cell(dv, 0.04 * jnp.cosh((y.v - 2) / 60) * (w - y.w))


def solve(step, f, y, duration, dt, args=None):
    """The state at the end of `round(duration/dt)` steps."""
    number = round(duration / dt)
    return jax.lax.fori_loop(0, number, lambda k, y: step(f, k * dt, y, dt, args), jax.tree.map(jnp.asarray, y))


def orders(errors, steps):
    return np.diff(np.log(errors)) / np.diff(np.log(steps))


@pytest.mark.slow
@pytest.mark.parametrize(("step", "order"), [(euler, 1), (exponential_euler, 1), (heun, 2), (rk4, 4)])
def test_deterministic_orders(step, order):
    """On two coupled variables with a time of their own, against a solution with an error below 1e-10."""
    field = lambda t, y: np.array(morris_lecar(t, Cell(*y), 80.0))  # noqa: E731
    exact = solve_ivp(field, (0, 20), [-60.0, 0.0], method="DOP853", rtol=3e-14, atol=1e-14).y[:, -1]
    steps = np.array([0.05, 0.025, 0.0125]) * (4 if order > 2 else 1)
    errors = [np.abs(np.array(solve(step, morris_lecar, Cell(-60.0, 0.0), 20.0, dt, 80.0)) - exact).max() for dt in steps]
    np.testing.assert_allclose(orders(errors, steps), order, atol=0.3)


def test_exponential_euler_is_of_second_order_for_one_variable():
    steps = np.array([0.1, 0.05, 0.025])
    errors = [abs(float(solve(exponential_euler, lambda t, y, args: -(y**3), 1.0, 2.0, dt)) - 1 / np.sqrt(5)) for dt in steps]
    np.testing.assert_allclose(orders(errors, steps), 2, atol=0.1)


def test_linear_systems_are_exact():
    """Decay, growth, no decay, and a decay far shorter than the step."""
    a, b = jnp.array([-0.3, 0.2, 0.0, -1e4]), jnp.array([1.0, -2.0, 3.0, 5.0])
    y = jnp.array([2.0, 1.0, -1.0, 7.0])
    exact = [2 * np.exp(-0.9) + (1 - np.exp(-0.9)) / 0.3, (1 - 10) * np.exp(0.6) + 10, -1 + 9.0, 5e-4]
    for found in (linear(a, b, y, 3.0), exponential_euler(lambda t, y, args: a * y + b, 0.0, y, 3.0)):
        np.testing.assert_allclose(found, exact, rtol=1e-12)
    tree = linear({"m": -2.0, "h": -1.0}, {"m": 1.0, "h": 0.0}, {"m": 0.0, "h": 1.0}, 0.5)
    assert float(tree["m"]) == pytest.approx(0.5 * (1 - np.exp(-1))) and float(tree["h"]) == pytest.approx(np.exp(-0.5))


def test_each_leaf_is_linearised_by_itself():
    """One step by hand: x' = -x y, y' = -2 y + x have the own derivatives -y and -2."""
    after = exponential_euler(lambda t, s, args: {"x": -s["x"] * s["y"], "y": -2 * s["y"] + s["x"]}, 0.0, {"x": 3.0, "y": 0.5}, 0.1)
    assert float(after["x"]) == pytest.approx(3 * np.exp(-0.05)) and float(after["y"]) == pytest.approx(1.5 + (0.5 - 1.5) * np.exp(-0.2))


@pytest.mark.slow
@pytest.mark.parametrize("step", [euler, heun, rk4, exponential_euler])
def test_steps_are_pure_functions_of_arrays(step):
    """Arrays of neurons, single precision kept, compiled, batched, differentiated."""
    y = Cell(jnp.linspace(-60, 20, 6, dtype=jnp.float32), jnp.full(6, 0.1, jnp.float32))
    run = jax.jit(lambda y: step(morris_lecar, 0.0, y, 0.1, 80.0))
    after = run(y)
    assert [x.dtype for x in after] == [jnp.float32] * 2
    lanes = jax.vmap(run)(jax.tree.map(lambda x: x.reshape(2, 3), y))
    np.testing.assert_allclose(np.ravel(lanes.v), after.v, rtol=1e-6)
    one = jax.jit(lambda x: step(morris_lecar, 0.0, Cell(x, jnp.asarray(0.1)), 0.1, 80.0).v)
    slope = jax.jit(jax.grad(one))
    for v in (-1.2, 2.0, 500.0):
        near = (one(v + 1e-5) - one(v - 1e-5)) / 2e-5
        assert float(slope(v)) == pytest.approx(float(near), rel=1e-4)


# Noise -------------------------------------------------------------------------------------------------------------------------

PATHS, FINE = 4000, 256
SIZES = (4, 8, 16, 32)


def strong_order(step, f, g, exact, seed=0, y0=1.0):
    """The slope of the mean error after a time of 1 against the step, on the same Brownian paths."""
    fine = jr.normal(jr.key(seed), (FINE, PATHS))
    truth = exact(fine)
    errors, steps = [], []
    for size in SIZES:
        z = fine.reshape(FINE // size, size, PATHS).sum(1) / np.sqrt(size)
        dt = size / FINE
        end, _ = jax.lax.scan(lambda y, z, dt=dt: (step(f, g, 0.0, y, dt, z), None), jnp.full(PATHS, y0), z)
        errors.append(float(jnp.abs(end - truth).mean()))
        steps.append(dt)
    return np.polyfit(np.log(steps), np.log(errors), 1)[0]


def brownian(fine):
    return fine.sum(0) / np.sqrt(FINE)


def growth(t, y, args):
    return 0.5 * y


def proportional(t, y, args):
    return 0.8 * y


def ito(fine):
    return jnp.exp((0.5 - 0.32) + 0.8 * brownian(fine))


def stratonovich(fine):
    return jnp.exp(0.5 + 0.8 * brownian(fine))


def double_well(t, y, args):
    return y - y**3


def constant(t, y, args):
    return 0.7


def well_solved(fine):
    """Steps 8 times as short as the shortest that is tested, by the scheme whose deterministic part is of second order."""
    dt = 1 / FINE
    end, _ = jax.lax.scan(lambda y, z: (stochastic_heun(double_well, constant, 0.0, y, dt, z), None), jnp.ones(PATHS), fine)
    return end


CASES = {
    "Itô, multiplicative": (euler_maruyama, growth, proportional, ito, 0.5),
    "additive": (euler_maruyama, double_well, constant, well_solved, 1.0),
    "Stratonovich, multiplicative": (stochastic_heun, growth, proportional, stratonovich, 1.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_strong_orders(name):
    *case, order = CASES[name]
    assert strong_order(*case) == pytest.approx(order, abs=0.12)


def test_the_two_calculi_differ():
    """Heun's step with a drift corrected by half of g g' goes to the solution of Itô."""
    corrected = lambda t, y, args: growth(t, y, args) - 0.5 * 0.8 * 0.8 * y  # noqa: E731
    assert strong_order(stochastic_heun, corrected, proportional, ito) == pytest.approx(1.0, abs=0.12)


def test_without_noise_they_are_the_deterministic_steps():
    none = {"a": lambda t, y, args: 0.0}["a"]
    for noisy, plain in ((euler_maruyama, euler), (stochastic_heun, heun)):
        assert float(noisy(double_well, none, 0.0, 0.3, 0.1, 1.7)) == pytest.approx(float(plain(double_well, 0.0, 0.3, 0.1)), rel=1e-14)


def test_variance_of_an_ornstein_uhlenbeck_process():
    """dy = -y/tau dt + s dW has the variance s² tau/2; with Euler's step it is 1/(1 - h/(2 tau)) of it. The variance of 20,000 independent
    normal numbers has a relative sd of 1 %; the bounds, 5 sd, are missed in fewer than one of a million seeds."""
    tau, s, dt = 5.0, 2.0, 0.5
    z = jr.normal(jr.key(1), (100, 20_000))
    step = lambda y, z: (euler_maruyama(lambda t, y, args: -y / tau, lambda t, y, args: s, 0.0, y, dt, z), None)  # noqa: E731
    end, _ = jax.lax.scan(step, jnp.zeros(20_000), z)
    assert float(end.var()) == pytest.approx(s * s * tau / 2 / (1 - dt / (2 * tau)), rel=0.05)


def test_they_are_public():
    assert n4.integrators.rk4 is rk4 and n4.integrators.exprel is exprel
