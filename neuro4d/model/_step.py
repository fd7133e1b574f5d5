"""One step of a model. The order is fixed and public: deliver, decay, drive, fire, learn, remember."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Int32, UInt32

from neuro4d._base import address
from neuro4d.model._choice import native_rule
from neuro4d.model._constants import Constants
from neuro4d.model._fields import ModelFields
from neuro4d.model._layout import Group
from neuro4d.model._learn import learn, learners_of
from neuro4d.model._learn_wide import learn_wide, on_the_way, with_later
from neuro4d.model._names import plain_step_once
from neuro4d.model._native import Work, native_step, native_steps
from neuro4d.model._stages import BankInput, Clock, GroupTask, Outside, Stepped, push_own
from neuro4d.model._state import EdgeState, State, StepSpikes, in_force
from neuro4d.model._stimulate import check_inputs, stimulate, stimulate_many
from neuro4d.ops import History


def advance(model: ModelFields, constants: Constants, state: State, inputs: dict[str, Any] | None) -> tuple[State, StepSpikes]:
    """One step, from prepared constants.

    A spike acts in a later step at the earliest, so groups follow each other in any order. Each passes through the first four
    stages: in plain XLA (`plain_step` shows them), or in one native call that makes the same, all of it or all but the update of
    neurons that it does not know.
    """
    outside = stimulate(model, constants, state, check_inputs(model, inputs))
    tasks = {group.name: task_of(model, constants, state, outside[group.name], group) for group in model.layout.groups}
    native = {name: task for name, task in tasks.items() if task.constants.native is not None}
    history, after, edges, learners = dict(state.history), {}, dict(state.edges), learners_of(model)
    if native:
        inside = learners if runs_natively(model, constants) else {}
        after, history, learned = native_step(Work(native, inside, {name: edges[name] for name in inside}), _heard(native, history))
        history, edges, learners = state.history | history, edges | learned, {name: x for name, x in learners.items() if name not in inside}
    for name in [name for name in tasks if name not in native]:
        after[name] = plain_step_once(tasks[name], history)
        history |= after[name].history
    words = {name: out.words for name, out in after.items()}
    edges = learn(learners, edges, history, words, (state.step, state.start))
    return remember(model, state, after, history, edges | learn_wide(model, state, after))


def _heard(tasks: dict[str, GroupTask], history: dict[str, History]) -> dict[str, History]:
    """The pasts of some groups and of those that they hear."""
    names = [*tasks, *(other for task in tasks.values() for other in task.heard)]
    return {name: history[name] for name in dict.fromkeys(names)}


def remember(
    model: ModelFields, state: State, after: dict[str, Stepped], history: dict[str, History], edges: dict[str, EdgeState]
) -> tuple[State, StepSpikes]:
    """The spikes enter the past, the counter moves on."""
    pushed = {name: push_own(out, state.step, history[name], model.layout.backend) for name, out in after.items()}
    words = {name: packed for name, (packed, _) in pushed.items()}
    soft = None if model.surrogate is None else {name: out.soft for name, out in after.items() if out.soft is not None}
    groups = {name: out.state for name, out in after.items()}
    past = {group.name: pushed[group.name][1] for group in model.layout.groups}
    step = state.step + jnp.uint32(1)
    later = State(groups, edges, past, state.key, step, state.start, state.fault, state.spans, state.life, state.counted)
    return later, StepSpikes(words, soft, model.layout.groups)


def runs_natively(model: ModelFields, constants: Constants) -> bool:
    """Whether many steps can be one native call: all groups have a native step, all that learn a native rule, and no neuron feels the
    potential of another."""
    return not many_obstacle(model, constants)


def many_obstacle(model: ModelFields, constants: Constants) -> str:
    """Why steps are made one by one, or nothing if many of them can be one native call."""
    learning = [f"{name} ({type(rule).__name__})" for name, rule in model.plasticity.items() if rule.learns and native_rule(rule) is None]
    without = [name for name, group in constants.groups.items() if group.native is None or group.native.neuron is None]
    if without:
        return f"groups without a native step: {', '.join(without)}"
    if model.surrogate is not None:
        return "spikes carry gradients (surrogate)"
    if model.layout.gaps:
        return f"gap junctions: {', '.join(model.layout.gaps_by_name)}"
    return f"no native rule of plasticity: {', '.join(learning)}" if learning else ""


def advance_many(
    model: ModelFields, constants: Constants, state: State, count: Int32[Array, ""] | None, length: int, series: dict[str, Any] | None = None
) -> tuple[State, dict[str, UInt32[Array, "length w"]]]:
    """`count` steps, at most `length`, of a model that `runs_natively`, bit for bit as `advance` makes them.

    `count`: `None` means all `length` steps; they can be differentiated, those of a number that is not known beforehand cannot.
    `series`: values of `Input` ports, one row for each of `length` steps.

    **Returns:** the state, and the packed spikes of each step by group; rows from `count` on mean nothing.
    """
    outside = stimulate_many(model, constants, state, series or {}, length)
    tasks = {group.name: task_of(model, constants, state, outside[group.name], group) for group in model.layout.groups}
    learners = learners_of(model)
    work = Work(tasks, learners, {name: state.edges[name] for name in learners})
    groups, history, edges, rows = native_steps(work, dict(state.history), count, length)
    step = state.step + (jnp.uint32(length) if count is None else count.astype(jnp.uint32))
    edges = state.edges | edges
    return State(groups, edges, history, state.key, step, state.start, state.fault, state.spans, state.life, state.counted), rows


def task_of(model: ModelFields, constants: Constants, state: State, outside: Outside, group: Group) -> GroupTask:
    """All that the step of one group needs."""
    # By name, as a program gets them whose argument the model is: the order in which they are summed.
    heard = {name: path for name, path in sorted(model.pathways.items()) if path.target == group.name and on_the_way(state, name) is None}
    paths = {name: in_force(path, state.edges.get(name)) for name, path in heard.items()}
    banks = tuple(
        BankInput(model.banks[span.name], constants.thresholds[span.name], group.port_number(span.port))
        for span in model.layout.banks
        if span.group == group.name
    )
    banks += tuple(
        BankInput(*constants.waves[span.name], group.port_number(span.port or ""))
        for span in model.layout.stimuli
        if span.group == group.name and span.name in constants.waves
    )
    return GroupTask(
        constants=constants.groups[group.name],
        state=state.groups[group.name],
        paths=tuple(paths.values()),
        banks=banks,
        outside=with_later(model, state, group, outside),
        clock=Clock(state.step, state.start, state.key),
        addresses=_addresses(model, group),
        surrogate=model.surrogate,
        group=group,
        backend=model.layout.backend,
        dtype=model.dtype,
        path_names=tuple(paths),
        acts=_acts(constants, group),
    )


def _acts(constants: Constants, group: Group) -> tuple[tuple[int, str, int], ...]:
    """Which receptors act on what arrives at other ports of their group."""
    receptors = constants.groups[group.name].receptors
    return tuple((group.port_number(name), port, group.port_number(port)) for name, each in receptors.items() for port in each.acts_on())


def _addresses(model: ModelFields, group: Group) -> Array | None:
    """Where the random words of the neurons begin, for each population of a group that takes any."""
    if not model.neurons[group.spans[0].name].random:
        return None
    return jnp.asarray([address(0, "neuron", span.name) for span in group.spans], jnp.uint32)
