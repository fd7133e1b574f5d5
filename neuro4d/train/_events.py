"""Spike times between grid points, as a differentiable function of a model."""

import math
from typing import Any, NamedTuple

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from neuro4d._base import check_count, is_traced, steps_of, strip
from neuro4d.model import Constants, Group, Model, State, check_inputs, prepare
from neuro4d.ops import arriving_rows, put_row
from neuro4d.train._events_outside import given
from neuro4d.train._events_problem import NEVER, Problem, Split, make_problem, split
from neuro4d.train._events_step import Arriving, Carried, Within, arriving, cut_by_cut, take_in

ARRIVALS = 8
"""At how many different times spikes may arrive at one neuron within one step, unless someone says otherwise."""


class SpikeRun(NamedTuple):
    """What `spike_times` gives, bare, by population.

    **Fields:** `times` in ms, `(n, max_spikes)`, ascending, infinite where there is no spike; `counts` `(n,)`: how many spikes there
    were, also those beyond `max_spikes`; `v` in mV, `(steps, n)`: potentials at the end of every step; `exact`: whether all events were
    found. Where it is false, times and potentials are `nan`.
    """

    times: dict[str, Float[Array, "n k"]]
    counts: dict[str, Int32[Array, " n"]]
    v: dict[str, Float[Array, "t n"]]
    exact: Bool[Array, ""]


def spike_times(
    model: Model, key: Any, duration: Any, max_spikes: int = 16, *, arrivals: int = ARRIVALS, inputs: dict[str, Any] | None = None
) -> SpikeRun:
    r"""Spike times and potentials between grid points, with exact derivatives.

    Every spike has its own time $t$, at which the potential crosses the threshold; it is reset at that time, is free again at
    $t + t_\mathrm{ref}$, and its spikes arrive at $t + d$. With respect to any number $p$ of the model

    $$ \frac{dt}{dp} = \frac{1}{\dot v(t)} \left(\frac{dv_\mathrm{th}}{dp} - \frac{\partial v(t)}{\partial p}\right), $$

    through reset, refractoriness, delays and recurrence. `jax.grad` gives EventProp in its discrete form; `jax.jvp` and `jax.vmap` work as well.
    First derivatives only: in those of higher order parts are missing.

    The result does not depend on the time step, as long as a step is no longer than the shortest delay and than the shortest interval between
    two spikes of a neuron: the grid only says when stimuli change and which crossings are looked for. One exception: a potential that
    rises over the threshold and falls below it again before the next arrival, within one step, is not seen. A spike that appears or
    disappears has no derivative. Where a potential only grazes its threshold, $\dot v$ is taken as at least
    $10^{-6}(v_\mathrm{th} - v_\mathrm{reset})/\tau$, so that every derivative is finite.

    **Arguments:**

    - `model`: `n4.LIF` and `n4.LI` neurons with `ExpCurrent`, `AlphaCurrent` and `Delta` receptors; every stimulus. Other neurons may
      emit (`Relay`, `PoissonNeuron`): their spikes lie on the grid and carry no derivative. Build it with
      `precision="float64"` for derivatives to many digits.
    - `key`: of the trial.
    - `duration`: a multiple of the time step. [time]
    - `max_spikes`: how many spikes of a neuron are kept.
    - `arrivals`: at how many different times spikes may arrive at one neuron within one step.
    - `inputs`: values for `Input` ports with a row for each step.

    **Returns:** a `SpikeRun`. **Raises:** `ValueError` for a model without closed form: another neuron with synapses, conductances, a delay of 0, gap junctions,
    plasticity; and, outside of compiled functions, where the step is too long for `arrivals`.

    **Source:** T. C. Wunderlich and C. Pehl, Scientific Reports 11, 12829 (2021); crossing inside a step: S. Hanuschkin et al., Frontiers in
    Neuroinformatics 4, 113 (2010).

    !!! Example

        >>> import brainunit as u, jax, neuro4d as n4
        >>> lif = n4.LIF(tau=10*u.ms, c=100*u.pF, v_rest=0*u.mV, v_th=10*u.mV, v_reset=0*u.mV)
        >>> cells = n4.Population("cells", 1, lif)
        >>> model = n4.Network(cells, n4.Clamp("drive", cells, 200*u.pA)).build(dt=0.5*u.ms)
        >>> run = n4.train.spike_times(model, jax.random.key(0), 20*u.ms, max_spikes=2)
        >>> [round(float(t), 3) for t in run.times["cells"][0]]  # tau ln 2 and 2 tau ln 2
        [6.931, 13.863]
    """
    steps = int(steps_of(strip(duration, u.ms, "spike_times: duration"), model.dt_ms, "spike_times: duration"))
    check_count(steps, "spike_times: steps of the duration")
    check_count(max_spikes, "spike_times: max_spikes")
    check_count(arrivals, "spike_times: arrivals")
    split(model)
    _check_rows(inputs or {}, steps)
    run = _run(model, key, inputs or {}, steps, max_spikes, arrivals)
    if not is_traced(run.exact) and not bool(run.exact):
        raise ValueError(
            f"in a step of {model.dt_ms} ms a neuron fired twice, or spikes arrived at more than arrivals={arrivals} different times. "
            f"Build with a shorter step, `build(dt={model.dt_ms / 4:g}*u.ms)`, or give `arrivals={4 * arrivals}`."
        )
    return run


def _check_rows(inputs: dict[str, Any], steps: int) -> None:
    for name, values in inputs.items():
        if jnp.shape(values)[:1] != (steps,):
            raise ValueError(f"input {name!r} needs a row for each of {steps} steps; got shape {jnp.shape(values)}.")


@eqx.filter_jit
def _run(model: Model, key: Any, inputs: dict[str, Any], steps: int, max_spikes: int, arrivals: int) -> SpikeRun:
    parts = split(model)
    problem, constants = make_problem(model, parts), prepare(model)
    rows = jax.vmap(lambda row: check_inputs(model, row))(inputs) if inputs else {}
    block = max(math.isqrt(steps), 1)
    blocks = -(-steps // block)
    series = {name: _padded(x, blocks * block).reshape(blocks, block, *x.shape[1:]) for name, x in rows.items()}
    state = model.init(key)

    def one(carry: tuple[Carried, State], row: dict[str, Array]) -> tuple[tuple[Carried, State], tuple[Array, Array]]:
        return _step(model, constants, problem, parts, carry, row, state, arrivals + 1)

    @jax.checkpoint
    def some(carry: tuple[Carried, State], rows: dict[str, Array]) -> Any:
        return jax.lax.scan(one, carry, rows, length=block)

    (last, _), (fired, v) = jax.lax.scan(some, (_start(model, problem, parts, state), state), series, length=blocks)
    fired, v = (x.reshape(blocks * block, -1)[:steps] for x in (fired, v))
    exact = ~jnp.any(last.wrong)
    times, counts = _tables(fired, problem.dt, max_spikes)
    poison = jnp.where(exact, 0, jnp.nan).astype(model.dtype)
    return SpikeRun(
        _by_population(model, problem, times + poison), _by_population(model, problem, counts), _of_cells(parts, problem, v + poison), exact
    )


def _padded(x: Array, length: int) -> Array:
    return jnp.concatenate([x, jnp.zeros((length - x.shape[0], *x.shape[1:]), x.dtype)])


def _start(model: Model, problem: Problem, parts: Split, state: State) -> Carried:
    v = jnp.concatenate([state.groups[group.name].neurons.v for group in parts.cells])
    i, rise = (jnp.concatenate([_at_ports(model, problem, state, group, name) for group in parts.cells]) for name in ("i", "rise"))
    past = jnp.full((problem.depth, problem.n_all), NEVER, model.dtype)
    return Carried(v, i, rise, jnp.zeros_like(v), past, jnp.zeros(problem.n, bool))


def _at_ports(model: Model, problem: Problem, state: State, group: Group, name: str) -> Float[Array, "n p"]:
    """A variable of the receptors of a group at the beginning, 0 for those that have none of this name."""
    held = [values._asdict() if values else {} for values in state.groups[group.name].receptors.values()]
    zero = jnp.zeros(group.n, model.dtype)
    return jnp.stack([values.get(name, zero) for values in held] + [zero] * (problem.ports - len(held)), axis=1)


def _step(
    model: Model,
    constants: Constants,
    problem: Problem,
    parts: Split,
    carry: tuple[Carried, State],
    row: dict[str, Array],
    first: State,
    cuts: int,
) -> tuple[tuple[Carried, State], tuple[Array, Array]]:
    """One step: what stands outside, what arrives, the course, the past. Gives who fired when, and the potentials at its end."""
    carried, state = carry
    out = given(model, constants, problem, parts, state, first.history, row)
    before = jnp.full(problem.n, -1, model.dtype)
    none = jnp.full(problem.n, NEVER, model.dtype)
    within = Within(carried.v, carried.i, carried.rise, carried.wait, before, none, carried.wrong)
    elapsed = state.step - state.start
    arrivals = arriving(problem, carried.past, elapsed) if problem.edges.source.size else _nothing(model.dtype)
    within = cut_by_cut(problem, out.held, arrivals, within, cuts if problem.edges.source.size else 1)
    within = take_in(problem, within, out.arrivals, jnp.zeros_like(out.arrivals))
    fired = jnp.concatenate([within.spike, jnp.where(out.fired, problem.dt, NEVER).astype(model.dtype)])
    past = put_row(carried.past, fired, arriving_rows(elapsed, jnp.int32(0), problem.depth))
    later = Carried(within.v, within.i, within.rise, within.wait - problem.dt, past, within.wrong)
    return (later, out.state), (fired, within.v)


def _nothing(dtype: Any) -> Arriving:
    return Arriving(jnp.zeros(0, dtype), jnp.zeros(0, dtype), jnp.zeros(0, jnp.int32))


def _tables(fired: Float[Array, "t n"], dt: float, most: int) -> tuple[Array, Array]:
    """The times of each neuron at the front of its row, and how many there are."""
    steps, n = fired.shape
    there = jnp.isfinite(fired)
    rank = jnp.where(there, jnp.cumsum(there, axis=0) - 1, most)
    times = jnp.where(there, fired, 0) + (jnp.arange(steps, dtype=fired.dtype) * dt)[:, None]
    table = jnp.full((n, most), NEVER, fired.dtype).at[jnp.arange(n)[None, :], rank].set(times, mode="drop")
    return table, jnp.sum(there, axis=0, dtype=jnp.int32)


def _by_population(model: Model, problem: Problem, values: Array) -> dict[str, Array]:
    place = problem.place
    return {name: values[place[span.group] + span.start :][: span.size] for name, span in model.populations.items()}


def _of_cells(parts: Split, problem: Problem, values: Array) -> dict[str, Array]:
    place = problem.place
    spans = [span for group in parts.cells for span in group.spans]
    return {span.name: values[:, place[span.group] + span.start :][:, : span.size] for span in spans}
