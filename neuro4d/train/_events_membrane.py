r"""The course of a leaky membrane between two events, and the moment at which it crosses its threshold.

With $a = 1/\tau_m - 1/\tau_s$, a held current $I$ and, at every port, a current that decays from $i$ and rises with $r$,

$$ v(s) = v_\infty + (v - v_\infty)\,e^{-s/\tau_m} + \sum_\mathrm{ports} \frac{e^{-s/\tau_m}}{C} \left(i\,s\,\varphi(as) + r\,s^2\,\psi(as)\right),
\qquad v_\infty = v_\mathrm{rest} + \frac{\tau_m}{C} I, $$

with $\varphi(x) = (e^x - 1)/x$ and $\psi = \varphi'$. The time $s^*$ at which $v(s^*) = v_\mathrm{th}$ is found by Newton's iteration inside a bracket; its
derivative is that of the implicit function, $ds^* = (dv_\mathrm{th} - dv)/\dot v$.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from neuro4d.integrators import exprel
from neuro4d.receptors import psi
from neuro4d.train._events_problem import Cells, Problem

GRAZING = 1e-6
"""The slowest crossing that a derivative divides by, as a share of (v_th - v_reset)/tau: below it the derivative would be without bound."""

MOST_ITERATIONS = 100


class Course(NamedTuple):
    """Where a membrane is: `v` in mV, currents `i` in pA and `rise` in pA/ms by port, and the current `held` in pA for the whole step."""

    v: Float[Array, " n"]
    i: Float[Array, "n p"]
    rise: Float[Array, "n p"]
    held: Float[Array, " n"]


def currents(problem: Problem, course: Course, s: Float[Array, " n"]) -> tuple[Array, Array]:
    """Currents and rises after `s` ms."""
    s = s[:, None]
    decay = jnp.exp(-s / problem.cells.tau_port)
    if not problem.rises:
        return course.i * decay, course.rise
    return (course.i + course.rise * s) * decay, course.rise * decay


def potential(problem: Problem, course: Course, s: Float[Array, " n"]) -> Float[Array, " n"]:
    """The potential after `s` ms without a spike."""
    cells = problem.cells
    steady = cells.v_rest + cells.tau / cells.c * course.held
    each = s[:, None]
    x = each / cells.tau[:, None] - each / cells.tau_port
    moved = course.i * each * exprel(x)
    if problem.rises:
        moved = moved + course.rise * each**2 * psi(x)
    decay = jnp.exp(-s / cells.tau)
    return steady - (steady - course.v) * decay + decay * jnp.sum(moved, axis=1) / cells.c


def speed(problem: Problem, course: Course, s: Float[Array, " n"], v: Float[Array, " n"]) -> Float[Array, " n"]:
    """How fast the potential moves after `s` ms, where it is `v`; mV/ms."""
    cells = problem.cells
    inflow = course.held + jnp.sum(currents(problem, course, s)[0], axis=1)
    return (cells.v_rest - v) / cells.tau + inflow / cells.c


def crossing(problem: Problem, course: Course, s: Float[Array, " n"], crosses: Bool[Array, " n"]) -> Float[Array, " n"]:
    """When those that cross between 0 and `s` ms reach their threshold; 0 for the others. Differentiable."""
    found = jax.lax.stop_gradient(_solve(problem, course, s, crosses))
    missing = jnp.where(crosses, potential(problem, course, found) - problem.cells.v_th, 0)
    slope = _speed_at_threshold(problem.cells, jax.lax.stop_gradient(speed(problem, course, found, problem.cells.v_th)), crosses)
    moved = missing / slope
    # The value is what was found; only the derivative passes through the equation that it solves.
    return jnp.where(crosses, found - (moved - jax.lax.stop_gradient(moved)), 0)


def _speed_at_threshold(cells: Cells, slope: Array, crosses: Bool[Array, " n"]) -> Array:
    least = GRAZING * (cells.v_th - cells.v_reset) / cells.tau
    return jnp.where(crosses, jax.lax.stop_gradient(jnp.maximum(slope, least)), 1)


def _solve(problem: Problem, course: Course, s: Float[Array, " n"], crosses: Bool[Array, " n"]) -> Float[Array, " n"]:
    """Newton's iteration, kept between two times of which the first is below threshold and the second is not."""
    problem, course, s = jax.lax.stop_gradient((problem, course, s))
    th = jnp.where(crosses, problem.cells.v_th, 0)
    close = 4 * jnp.finfo(s.dtype).eps * problem.dt

    def body(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        low, high, x, _, count = carry
        v = potential(problem, course, x)
        above = v >= th
        low, high = jnp.where(above, low, x), jnp.where(above, x, high)
        slope = speed(problem, course, x, v)
        step = x - (v - th) / jnp.where(slope == 0, 1, slope)
        inside = (step > low) & (step < high)
        after = jnp.where(inside, step, (low + high) / 2)
        done = (jnp.abs(after - x) <= close) | ~crosses
        return low, high, jnp.where(crosses, after, 0), done, count + 1

    def wanted(carry: tuple[Any, ...]) -> Array:
        return ~jnp.all(carry[3]) & (carry[4] < MOST_ITERATIONS)

    start = jnp.where(crosses, s, 0)
    begin = (jnp.zeros_like(s), start, start / 2, ~crosses, jnp.int32(0))
    return jax.lax.while_loop(wanted, body, begin)[2]
