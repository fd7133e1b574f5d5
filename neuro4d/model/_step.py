"""One step of a model. The order is fixed and public: deliver, decay, drive, fire, learn, remember."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Int32, UInt32

from neuro4d.model._constants import Constants
from neuro4d.model._fields import ModelFields
from neuro4d.model._layout import Group
from neuro4d.model._learn import learn
from neuro4d.model._native import native_step, native_steps
from neuro4d.model._stages import BankInput, Clock, GroupTask, Outside, Stepped, plain_step, push_own
from neuro4d.model._state import EdgeState, State, StepSpikes
from neuro4d.model._stimulate import check_inputs, stimulate
from neuro4d.ops import History, Pathway


def advance(model: ModelFields, constants: Constants, state: State, inputs: dict[str, Any] | None) -> tuple[State, StepSpikes]:
    """One step, from prepared constants.

    A spike acts in a later step at the earliest, so groups follow each other in any order. Each passes through the first four
    stages: in plain XLA (`plain_step` shows them), or in one native call that makes the same.
    """
    outside = stimulate(model, constants, state, check_inputs(model, inputs))
    history, after = dict(state.history), {}
    for group in model.layout.groups:
        task = task_of(model, constants, state, history, outside[group.name], group)
        after[group.name] = plain_step(task) if task.constants.native is None else native_step(task)
        history |= after[group.name].history
    edges = learn(model, state, after)
    return remember(model, state, after, history, edges)


def remember(
    model: ModelFields, state: State, after: dict[str, Stepped], history: dict[str, History], edges: dict[str, EdgeState]
) -> tuple[State, StepSpikes]:
    """The spikes enter the past, the counter moves on."""
    past = {group.name: push_own(group, after[group.name], state.step, history[group.name]) for group in model.layout.groups}
    words = {name: out.words for name, out in after.items()}
    soft = None if model.surrogate is None else {name: out.soft for name, out in after.items() if out.soft is not None}
    groups = {name: out.state for name, out in after.items()}
    later = State(groups, edges, past, state.key, state.step + jnp.uint32(1), state.start, state.fault, state.spans)
    return later, StepSpikes(words, soft, model.layout.groups)


def runs_natively(model: ModelFields, constants: Constants) -> bool:
    """Whether many steps can be one native call: one group that learns nothing and whose input stays the same or is constant
    Poisson input."""
    return not many_obstacle(model, constants)


def many_obstacle(model: ModelFields, constants: Constants) -> str:
    """Why steps are made one by one, or nothing if many of them can be one native call."""
    changing = [span.name for span in model.layout.stimuli if not model.sources[span.name].steady]
    learning = [name for name, rule in model.plasticity.items() if rule.learns]
    if len(model.layout.groups) != 1:
        return f"{len(model.layout.groups)} groups of populations"
    if any(group.native is None for group in constants.groups.values()):
        return "a group without a native pass"
    if changing:
        return f"stimuli that change from step to step: {', '.join(changing)}"
    if learning:
        return f"plasticity: {', '.join(learning)}"
    return ""


def advance_many(
    model: ModelFields, constants: Constants, state: State, count: Int32[Array, ""], length: int
) -> tuple[State, dict[str, UInt32[Array, "length w"]]]:
    """`count` steps, at most `length`, of a model that `runs_natively`, bit for bit as `advance` makes them.

    **Returns:** the state, and the packed spikes of each step by group; rows from `count` on mean nothing.
    """
    (group,) = model.layout.groups
    task = task_of(model, constants, state, dict(state.history), stimulate(model, constants, state, {})[group.name], group)
    out, rows = native_steps(task, count, length)
    step = state.step + count.astype(jnp.uint32)
    after = State({group.name: out.state}, state.edges, out.history, state.key, step, state.start, state.fault, state.spans)
    return after, {group.name: rows}


def task_of(
    model: ModelFields, constants: Constants, state: State, history: dict[str, History], outside: Outside, group: Group
) -> GroupTask:
    """All that the step of one group needs."""
    paths = tuple(_in_force(path, state.edges.get(name)) for name, path in model.pathways.items() if path.target == group.name)
    banks = tuple(
        BankInput(model.banks[span.name], constants.thresholds[span.name], group.port_number(span.port))
        for span in model.layout.banks
        if span.group == group.name
    )
    return GroupTask(
        constants=constants.groups[group.name],
        state=state.groups[group.name],
        paths=paths,
        history={name: history[name] for name in (group.name, *(path.source for path in paths))},
        banks=banks,
        outside=outside,
        clock=Clock(state.step, state.start, state.key),
        surrogate=model.surrogate,
        group=group,
        backend=model.layout.backend,
        dtype=model.dtype,
    )


def _in_force(path: Pathway, held: EdgeState | None) -> Pathway:
    """A pathway with the weights of the state, where they live there."""
    return path if held is None else eqx.tree_at(lambda p: p.weight, path, held.weight)
