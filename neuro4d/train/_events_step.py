"""One step of the simulation between grid points: every arrival, crossing and release at its own time.

A step is cut, for every neuron by itself, where spikes arrive. Between two cuts nothing arrives, so the course is closed, and at most one
crossing lies in it. Cuts are constants for a derivative: the course is exact wherever it is cut, so moving a cut changes nothing. An
arrival that moves is the derivative with respect to its own time, taken at the cut.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt32

from neuro4d.ops import arriving_rows
from neuro4d.train._events_membrane import Course, crossing, currents, potential
from neuro4d.train._events_problem import NEVER, Problem


class Carried(NamedTuple):
    """What goes from step to step: the membranes, `wait` ms from the beginning of the step until a neuron is free (0 or less: it is), `past`
    `(depth, n_all)`: when in a step each emitter fired, from its beginning, never where it did not, and whether something went `wrong`."""

    v: Float[Array, " n"]
    i: Float[Array, "n p"]
    rise: Float[Array, "n p"]
    wait: Float[Array, " n"]
    past: Float[Array, "depth n_all"]
    wrong: Bool[Array, " n"]


class Within(NamedTuple):
    """What goes from cut to cut: `at` is the last cut, `spike` when the neuron fired in this step, from its beginning."""

    v: Float[Array, " n"]
    i: Float[Array, "n p"]
    rise: Float[Array, "n p"]
    wait: Float[Array, " n"]
    at: Float[Array, " n"]
    spike: Float[Array, " n"]
    wrong: Bool[Array, " n"]


class Arriving(eqx.Module):
    """Spikes that arrive in a step: when, from its beginning (never where none does), their weight, and their target port."""

    time: Float[Array, " a"]
    weight: Float[Array, " a"]
    target: Any


def arriving(problem: Problem, past: Float[Array, "depth n_all"], step: UInt32[Array, ""]) -> Arriving:
    """What arrives in step number `step`: spikes of two steps of the past may, since they lie between grid points."""
    edges, dt = problem.edges, problem.dt
    times = []
    for back in (0, 1):
        fired = past[arriving_rows(step, edges.steps + back, problem.depth), edges.source]
        there = jnp.isfinite(fired) & edges.real
        time = jnp.where(there, fired, 0) + edges.rest
        here = there & ((time <= dt) if back == 0 else (time > dt))
        times.append(jnp.where(here, time - back * dt, NEVER))
    return Arriving(jnp.concatenate(times), jnp.tile(edges.weight, 2), jnp.tile(edges.target, 2))


def cut_by_cut(problem: Problem, held: Array, arrivals: Arriving, state: Within, cuts: int) -> Within:
    """The course of a step with all that arrives in it, at most at `cuts` different times at a neuron."""

    def one(state: Within, _: None) -> tuple[Within, None]:
        finished = jnp.all(state.at >= problem.dt)
        return jax.lax.cond(finished, lambda s: s, lambda s: _to_next_cut(problem, held, arrivals, s), state), None

    state, _ = jax.lax.scan(one, state, None, length=cuts)
    return state._replace(wrong=state.wrong | (state.at < problem.dt))


def _to_next_cut(problem: Problem, held: Array, arrivals: Arriving, state: Within) -> Within:
    """Every neuron moves to its next arrival, or to the end of the step, and takes in what arrives there."""
    times, neuron = jax.lax.stop_gradient(arrivals.time), arrivals.target // problem.ports
    waiting = times > state.at[neuron]
    first = jax.ops.segment_min(jnp.where(waiting, times, NEVER), neuron, problem.n)
    cut = jnp.minimum(first, problem.dt)
    state = advance(problem, held, state, cut)
    here = waiting & (times <= cut[neuron])
    late = cut[neuron] - jnp.where(here, arrivals.time, cut[neuron])  # 0 in value: only its derivative counts
    weight = jnp.where(here, arrivals.weight, 0)
    sums = jax.ops.segment_sum(jnp.stack([weight, weight * late], axis=1), arrivals.target, problem.n * problem.ports)
    return take_in(problem, state, *sums.reshape(problem.n, problem.ports, 2).transpose(2, 0, 1))


def advance(problem: Problem, held: Array, state: Within, cut: Float[Array, " n"]) -> Within:
    """The course up to `cut`, before which nothing arrives: waiting, rising, one spike, waiting again."""
    cells = problem.cells
    begin = jnp.maximum(state.at, 0)
    free = jnp.clip(state.wait, begin, cut)
    course = _later(problem, Course(state.v, state.i, state.rise, held), free - begin)
    end = potential(problem, course, cut - free)
    fires = (free < cut) & (end >= cells.v_th)
    spike = free + crossing(problem, course, cut - free, fires)
    wait = jnp.where(fires, spike + cells.t_ref, state.wait)
    again = jnp.where(fires, jnp.clip(wait, spike, cut), cut)
    reset = _later(problem, course, again - free)._replace(v=cells.v_reset)
    after = potential(problem, reset, cut - again)
    twice = fires & ((after >= cells.v_th) | jnp.isfinite(state.spike))
    i, rise = currents(problem, course, cut - free)
    return Within(
        v=jnp.where(fires, after, end),
        i=i,
        rise=rise,
        wait=wait,
        at=jax.lax.stop_gradient(cut),
        spike=jnp.where(fires, spike, state.spike),
        wrong=state.wrong | twice,
    )


def _later(problem: Problem, course: Course, s: Float[Array, " n"]) -> Course:
    """The currents after `s` ms, the potential as it was."""
    i, rise = currents(problem, course, s)
    return course._replace(i=i, rise=rise)


def take_in(problem: Problem, state: Within, weight: Float[Array, "n p"], late: Float[Array, "n p"]) -> Within:
    """What arrives at a cut: sums of weights, and of weights times what lies between arrival and cut, to first order in that."""
    cells = problem.cells
    decayed = weight - late / cells.tau_port
    i = state.i + cells.to_current * decayed + cells.to_rise * late
    rise = state.rise + cells.to_rise * decayed
    flown = jnp.sum(cells.to_current * late, axis=1) / cells.c
    free = state.wait <= state.at
    if not problem.jumps:
        return state._replace(v=state.v + jnp.where(free, flown, 0), i=i, rise=rise)
    jump = jnp.sum(cells.to_v * (weight - late / cells.tau[:, None]), axis=1)
    v = state.v + jnp.where(free, flown + jump, 0)
    fires = free & (v >= cells.v_th)
    # Fired by a jump: the spike is the arrival, and moves with what arrives, by weight.
    total = jnp.sum(cells.to_v * weight, axis=1)
    moved = jnp.sum(cells.to_v * late, axis=1) / jax.lax.stop_gradient(jnp.where(fires & (total != 0), total, 1))
    spike = state.at - moved
    return Within(
        v=jnp.where(fires, cells.v_reset, v),
        i=i,
        rise=rise,
        wait=jnp.where(fires, spike + cells.t_ref, state.wait),
        at=state.at,
        spike=jnp.where(fires, spike, state.spike),
        wrong=state.wrong | (fires & jnp.isfinite(state.spike)),
    )
