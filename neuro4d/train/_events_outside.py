"""What stimuli give to the simulation between grid points, by the program of the model itself, and who only emits."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from neuro4d.model import Constants, GroupTask, Model, State, deliver_all, drive, plain_step, stimulate, task_of
from neuro4d.ops import History, unpack
from neuro4d.train._events_problem import Problem, Split


class Given(NamedTuple):
    """What a step gives from outside: currents `held` during the step (pA), sums of weights that arrive at its end by port, who of the
    emitters fired, and the state of stimuli and emitters after it."""

    held: Float[Array, " n"]
    arrivals: Float[Array, "n p"]
    fired: Bool[Array, " m"]
    state: State


def given(
    model: Model, constants: Constants, problem: Problem, parts: Split, state: State, history: dict[str, History], inputs: dict[str, Any]
) -> Given:
    """One step of all that stands outside. `history`: an empty past, since nothing here hears a spike."""
    outside = stimulate(model, constants, state, inputs)
    tasks = {group.name: _alone(task_of(model, constants, state, outside[group.name], group)) for group in model.layout.groups}
    held, arrivals, groups = [], [], dict(state.groups)
    for group in parts.cells:
        task = tasks[group.name]
        came, _ = deliver_all(task, history)
        total, memories = drive(task, [])
        held.append(jnp.broadcast_to(jnp.asarray(0 if total.i is None else total.i, model.dtype), (group.n,)))
        columns = [came.late.get(number) for number in range(problem.ports)]
        arrivals.append(jnp.stack([jnp.zeros(group.n, model.dtype) if x is None else x for x in columns], axis=1))
        groups[group.name] = state.groups[group.name]._replace(stimuli=memories)
    fired: list[Array] = []
    for group in parts.emitters:
        out = plain_step(tasks[group.name], history)
        fired.append(unpack(out.words, group.n))
        groups[group.name] = out.state
    whole = jnp.concatenate(fired) if fired else jnp.zeros(0, bool)
    later = State(groups, state.edges, state.history, state.key, state.step + jnp.uint32(1), state.start, state.fault, state.spans)
    return Given(jnp.concatenate(held), jnp.concatenate(arrivals), whole, later)


def _alone(task: GroupTask) -> GroupTask:
    """A group that hears nobody: synapses are the business of the simulation between grid points."""
    return dataclasses.replace(task, paths=())
