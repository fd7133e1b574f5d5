"""The step of a group without names, so that groups of equal shapes are traced and lowered once."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax

from neuro4d.model._constants import GroupConstants
from neuro4d.model._layout import Span
from neuro4d.model._stages import GroupTask, Stepped, plain_step
from neuro4d.model._state import GroupState
from neuro4d.ops import History


class Names(NamedTuple):
    """The names that a task had: of the groups whose past it reads, its own first, of its ports, and of stimuli with a memory."""

    groups: tuple[str, ...]
    ports: tuple[str, ...]
    stimuli: tuple[str, ...]


def plain_step_once(task: GroupTask, history: dict[str, History]) -> Stepped:
    """`plain_step`, whose trace groups of equal shapes share."""
    names = Names(task.heard, task.group.port_names, tuple(task.state.stimuli))
    groups = _numbered(names.groups)
    out = _step(_without_names(task, names), {groups[name]: history[name] for name in names.groups})
    return _with_names(out, names)


@functools.partial(jax.jit, inline=True)
def _step(task: GroupTask, history: dict[str, History]) -> Stepped:
    return plain_step(task, history)


def _without_names(task: GroupTask, names: Names) -> GroupTask:
    """A task whose groups and ports are called by their number."""
    groups, numbers, stimuli = (_numbered(each) for each in names)
    group = task.group._replace(
        name="0000",
        ports=tuple(port._replace(name=numbers[port.name]) for port in task.group.ports),
        spans=tuple(Span(f"{number:04}", "0000", span.start, span.size) for number, span in enumerate(task.group.spans)),
    )
    constants = task.constants
    return dataclasses.replace(
        task,
        constants=GroupConstants(
            constants.neuron,
            _renamed(constants.receptors, numbers),
            constants.of_neuron,
            _renamed(constants.of_receptors, numbers),
            None,  # plain XLA does not look at what the native pass needs
        ),
        state=task.state._replace(receptors=_renamed(task.state.receptors, numbers), stimuli=_renamed(task.state.stimuli, stimuli)),
        outside=dataclasses.replace(
            task.outside, noise=tuple(dataclasses.replace(item, name=stimuli.get(item.name, "")) for item in task.outside.noise)
        ),
        paths=tuple(dataclasses.replace(path, source=groups[path.source], target="0000") for path in task.paths),
        group=group,
        path_names=(),
    )


def _with_names(out: Stepped, names: Names) -> Stepped:
    """What a step leaves, by the names of its task."""
    groups, ports, stimuli = ({number: name for name, number in _numbered(each).items()} for each in names)
    state = GroupState(out.state.neurons, _renamed(out.state.receptors, ports), out.state.alive, _renamed(out.state.stimuli, stimuli))
    return dataclasses.replace(out, state=state, history=_renamed(out.history, groups))


def _numbered(names: tuple[str, ...]) -> dict[str, str]:
    return {name: f"{number:04}" for number, name in enumerate(names)}


def _renamed(table: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names[name]: value for name, value in table.items()}
