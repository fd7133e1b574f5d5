"""Forward-mode derivatives of the own dynamics of neurons and receptors, with what passes between neurons held.

A step is made twice: by `advance`, which is the simulation, and by a shadow from the same state, in which every neuron meets the arrivals
that it met. The shadow is linear in small changes, and neurons do not meet in it, so one tangent serves all neurons at once.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d.model import Arrivals, Constants, GroupState, Model, State, acted_on, deliver_all, plain_step, prepare, stimulate, task_of
from neuro4d.ops import arriving_rows
from neuro4d.train._aims import Synapses
from neuro4d.train._parameters import Places, write

PARTS = ("neurons", "receptors", "sources", "banks")
"""Where the numbers of a model lie that act on neurons one by one. Synapses have eligibilities of their own."""


class Numbers(NamedTuple):
    """Floats that a step depends on: those of the model, without synapses, and the constants that follow from them."""

    model: dict[str, Any]
    constants: Any


class Changes(NamedTuple):
    """Tangents of what a step leaves, by group: of variables, and of spikes."""

    groups: Any
    soft: dict[str, Array]


def floats(tree: Any) -> Any:
    """The float arrays of a pytree; `None` elsewhere."""
    return eqx.filter(tree, eqx.is_inexact_array)


def numbers(model: Model) -> Numbers:
    """All floats that may have a tangent."""
    return Numbers({part: floats(getattr(model, part)) for part in PARTS}, floats(prepare(model)))


def first_tangent(model: Model, where: Places, name: str, value: Array, key: Any) -> tuple[Any, Numbers]:
    """The tangents of the first state and of the numbers of a step, when all numbers of a place grow by 1."""

    def made(value: Array) -> tuple[Any, Numbers]:
        other = write(model, {name: where[name]}, {name: value})
        return floats(other.init(key).groups), numbers(other)

    return jax.jvp(made, (value,), (jnp.ones_like(value),))[1]


class Shadow:
    """The step from one state, linear in small changes of variables and numbers."""

    def __init__(self, model: Model, constants: Constants, state: State, ports: dict[str, set[tuple[int, bool]]]):
        """`ports`: by group, the ports (and whether at the beginning of a step) at which synapses have eligibilities."""
        self.model, self.constants, self.state = model, constants, state
        self.fixed = stimulate(model, constants, state, {})
        task = {g.name: task_of(model, constants, state, self.fixed[g.name], g) for g in model.layout.groups}
        self.arrivals = {name: deliver_all(each, dict(state.history))[0] for name, each in task.items()}
        probes = {name: {which: jnp.zeros(model.layout.group(name).n, model.dtype) for which in sorted(own)} for name, own in ports.items()}
        self.probes = probes
        x, own = floats(state.groups), Numbers({part: floats(getattr(model, part)) for part in PARTS}, floats(constants))
        self.no_numbers = jax.tree.map(jnp.zeros_like, own)
        self.no_groups = jax.tree.map(jnp.zeros_like, x)
        self.out, self.linear = jax.linearize(self._step, x, own, probes)

    def change(self, groups: Any, own: Numbers | None = None, probes: Any = None) -> Changes:
        """What small changes become in the step."""
        probes = jax.tree.map(jnp.zeros_like, self.probes) if probes is None else probes
        return self.linear(groups, self.no_numbers if own is None else own, probes)

    def _step(self, x: Any, own: Numbers, probes: dict[str, dict[tuple[int, bool], Array]]) -> Changes:
        parts = {part: eqx.combine(own.model[part], getattr(self.model, part)) for part in PARTS}
        model = dataclasses.replace(self.model, **parts)
        constants = eqx.combine(own.constants, self.constants)
        state = eqx.tree_at(lambda s: s.groups, self.state, eqx.combine(x, self.state.groups))
        outside = stimulate(model, constants, self.state, {})  # partners of gap junctions stay where they are
        groups, soft = {}, {}
        for group in model.layout.groups:
            task = self._with_arrivals(task_of(model, constants, state, outside[group.name], group), probes.get(group.name, {}))
            out = plain_step(task, {group.name: state.history[group.name]})
            groups[group.name], soft[group.name] = floats(out.state), jnp.asarray(out.soft)
        return Changes(groups, soft)

    def _with_arrivals(self, task: Any, probes: dict[tuple[int, bool], Array]) -> Any:
        """The task with the arrivals that there were in the place of its synapses; what stimuli give keeps its derivative."""
        name, there = task.group.name, self.arrivals[task.group.name]
        alone, _ = deliver_all(dataclasses.replace(task, paths=()), {name: self.state.history[name]})
        late = {port: total + _zero(alone.late.get(port)) for port, total in there.late.items()}
        early = dict(there.early)
        for (port, at_start), probe in probes.items():
            side = early if at_start else late
            side[port] = side[port] + probe if port in side else probe
        early, receptors = acted_on(task, Arrivals(early, {})).early, dict(task.state.receptors)
        for number, (port, receptor) in enumerate(task.constants.receptors.items()):
            if number in early:
                receptors[port] = receptor.early(receptors[port], task.constants.of_receptors[port], early[number])
        outside = dataclasses.replace(task.outside, arrivals=tuple(late.values()), ports=tuple(late), arrivals_change=(False,) * len(late))
        held = task.state._replace(receptors=receptors)
        return dataclasses.replace(task, paths=(), banks=(), outside=outside, state=held)


def _zero(x: Array | None) -> Any:
    """Nothing, with a derivative."""
    return 0 if x is None else x - jax.lax.stop_gradient(x)


def ports_of(synapses: Iterable[Synapses]) -> dict[str, set[tuple[int, bool]]]:
    """The ports at which synapses have eligibilities, by group."""
    found: dict[str, set[tuple[int, bool]]] = {}
    for each in synapses:
        found.setdefault(each.target_group, set()).add((each.port, each.early))
    return found


class Local(NamedTuple):
    """The step of the neurons of a group, one by one, as small matrices: `to[a][b]` how variable `b` changes variable `a`, `arrive[a]`
    what an arrival does to it, `spike[b]` and `spike_arrive` the same for the spike; `(n,)` each."""

    to: list[list[Array]]
    arrive: list[Array]
    spike: list[Array]
    spike_arrive: Array


def variables(groups: dict[str, GroupState], group: str) -> list[Array]:
    """The variables of neurons and receptors of a group, `(n,)` each."""
    return jax.tree.leaves((groups[group].neurons, groups[group].receptors))


def local_steps(shadow: Shadow) -> dict[tuple[str, int, bool], Local]:
    """The step of the neurons of every port at which synapses have eligibilities, by `Synapses.place`."""
    found, still = {}, jax.tree.map(jnp.zeros_like, shadow.probes)
    for group, probes in shadow.probes.items():
        to, spike = _own_step(shadow, group)
        for which, probe in probes.items():
            arrival = still | {group: still[group] | {which: jnp.ones_like(probe)}}
            out = shadow.change(shadow.no_groups, probes=arrival)
            found[group, *which] = Local(to, variables(out.groups, group), spike, out.soft[group])
    return found


def _own_step(shadow: Shadow, group: str) -> tuple[list[list[Array]], list[Array]]:
    """How the variables of the neurons of a group change each other, and their spikes."""
    held = shadow.no_groups[group]
    leaves, shape = jax.tree.flatten((held.neurons, held.receptors))
    number = len(leaves)

    def alone(unit: Array) -> tuple[list[Array], Array]:
        """What becomes of a change by 1 of one variable of all neurons."""
        neurons, receptors = jax.tree.unflatten(shape, [jnp.broadcast_to(unit[i].astype(x.dtype), x.shape) for i, x in enumerate(leaves)])
        out = shadow.change(shadow.no_groups | {group: held._replace(neurons=neurons, receptors=receptors)})
        return variables(out.groups, group), out.soft[group]

    columns, spikes = jax.vmap(alone)(jnp.eye(number))
    return [[columns[a][b] for b in range(number)] for a in range(number)], list(spikes)


def arriving(synapses: Synapses, past: Array, step: Array) -> Array:
    """From which sources a spike arrives after which delay, 0 or 1, `(d, n)`, from the spikes of the last steps `(depth, n)`."""
    return past[arriving_rows(step, synapses.delays, past.shape[0])]
