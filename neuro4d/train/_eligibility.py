"""What numbers of a model have done to every neuron, followed forward in time beside the simulation: what `EProp` and `ScoreFunction` share."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d.model import Model, State, StepSpikes, advance, check_unchanging, prepare
from neuro4d.ops import arriving_rows, put_row
from neuro4d.train._aims import Aim
from neuro4d.train._loop import AbstractLoop, Observe
from neuro4d.train._parameters import Places
from neuro4d.train._synapses import first_traces, of_sources, of_synapses
from neuro4d.train._tangents import Changes, Numbers, Shadow, arriving, first_tangent, floats, local_steps, ports_of, variables

MOST = 64
"""How many numbers a statistic may observe in a step: each has a learning signal of its own."""

NUMBERS_AT_ONCE = 4096
"""Neurons, and a quarter of the synapses with eligibilities, of all trials that run side by side."""


def at_once(model: Model, aims: dict[str, Aim], trials: int) -> int:
    """How many trials run side by side: as many as keep a step in cache; a divisor of their number."""
    size = model.n_neurons + sum(aim.size for aim in aims.values() if aim.synapses is not None) // 4
    most = max(NUMBERS_AT_ONCE // size, 1)
    return next(number for number in range(min(most, trials), 0, -1) if trials % number == 0)


class Replay(AbstractLoop):
    """Gives the sums that were made before."""

    totals: list[Any]

    def total(self, model, state, steps, observe, *, discard=0):
        return self.totals.pop(0)


class Followed(NamedTuple):
    """What is carried from step to step.

    **Fields:** `state`; `past`: the spikes of the last steps by group, where synapses have eligibilities; `tangents`: of the variables,
    by place; `synapses`: eligibilities by place, one array per variable of the target.
    """

    state: State
    past: dict[str, Array]
    tangents: dict[str, Any]
    synapses: dict[str, list[Array]]


class Follow:
    """The steps of a simulation, made together with what numbers at some places change in them.

    `soft` is the model with a derivative of its spikes. Eligibilities are those of synapses, or (`typical`) of their sources only.
    """

    def __init__(
        self, model: Model, soft: Model, where: Places, aims: dict[str, Aim], values: dict[str, Array], key: Any, typical: bool = False
    ):
        check_unchanging(model, "a gradient by eligibilities")
        self.model, self.soft, self.typical = model, soft, typical
        self.constants, self.soft_constants = prepare(model), prepare(soft)
        self.synapses = {name: aim.synapses for name, aim in aims.items() if aim.synapses is not None}
        self.neurons = {name: aim for name, aim in aims.items() if aim.synapses is None}
        self.ports = ports_of(self.synapses.values())
        self.own: dict[str, Numbers] = {}
        self.tangents: dict[str, Any] = {}
        for name in self.neurons:
            self.tangents[name], self.own[name] = first_tangent(soft, where, name, values[name], key)

    def first(self, state: State) -> Followed:
        """Before the first step."""
        past, traces = {}, {}
        for name, synapses in self.synapses.items():
            source = self.model.layout.group(synapses.source_group)
            past[source.name] = jnp.zeros((source.depth, source.n), self.model.dtype)
            number = len(variables(floats(state.groups), synapses.target_group))
            traces[name] = first_traces(synapses, number, source.n if self.typical else None, self.model.dtype)
        return Followed(state, past, self.tangents, traces)

    def step(self, carry: Followed) -> tuple[State, StepSpikes, Shadow]:
        """The next state, its spikes, and the same step of neurons one by one."""
        shadow = Shadow(self.soft, self.soft_constants, carry.state, self.ports)
        return *observable(self.model, advance(self.model, self.constants, carry.state, None)), shadow

    def shares(
        self, carry: Followed, state: State, spikes: StepSpikes, shadow: Shadow, signals: Changes
    ) -> tuple[Followed, dict[str, Array]]:
        """What is carried on after a step, and its share in what `signals` ask for, by place: `(count, ...)`."""
        tangents, traces, found = {}, {}, {}
        for name, aim in self.neurons.items():
            change = shadow.change(carry.tangents[name], self.own[name])
            tangents[name], found[name] = change.groups, of_neurons(signals, change, aim)
        steps, way = local_steps(shadow), of_sources if self.typical else of_synapses
        for name, synapses in self.synapses.items():
            arrived = arriving(synapses, carry.past[synapses.source_group], carry.state.step)
            traces[name], found[name] = way(signals, steps[synapses.place], carry.synapses[name], synapses, arrived)
        past = {name: _remembered(ring, spikes.fired(name), carry.state.step) for name, ring in carry.past.items()}
        return Followed(state, past, tangents, traces), found


def observable(model: Model, made: tuple[State, StepSpikes]) -> tuple[State, StepSpikes]:
    """A state and its spikes as floats, as in a model with a surrogate."""
    state, spikes = made
    soft = {group.name: spikes.fired(group.name).astype(model.dtype) for group in model.layout.groups}
    return state, StepSpikes(spikes.words, soft, spikes.groups)


def observed(model: Model, state: State, observe: Observe) -> tuple[Any, int]:
    """Zeros in the form of what is observed in a step, and how many numbers that are.

    **Raises:** `ValueError` for too many.
    """
    seen = jax.eval_shape(lambda m, s: observe(*observable(m, advance(m, prepare(m), s, None))), model, state)
    count = sum(math.prod(x.shape) for x in jax.tree.leaves(seen))
    if count > MOST:
        raise ValueError(
            f"eligibility lets a loss observe up to {MOST} numbers in a step; this one observes {count}. Sum over neurons first."
        )
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), seen), count


def signals_of(observe: Observe, state: State, spikes: StepSpikes, count: int) -> tuple[Any, Array, Changes]:
    """What is seen, the same in a row, and how each of its numbers depends on variables and spikes: `(count, n)`."""

    def seen(groups: Any, soft: dict[str, Array]) -> Any:
        here = eqx.tree_at(lambda s: s.groups, state, eqx.combine(groups, state.groups))
        value = observe(here, StepSpikes(spikes.words, soft, spikes.groups))
        return in_a_row(value), value

    row, back, value = jax.vjp(seen, floats(state.groups), spikes.soft, has_aux=True)
    groups, soft = jax.vmap(back)(jnp.eye(count, dtype=row.dtype))
    return value, row, Changes(groups, soft)


def in_a_row(tree: Any) -> Array:
    """All numbers of a pytree."""
    return jnp.concatenate([jnp.ravel(each) for each in jax.tree.leaves(tree)])


def added(total: Any, seen: Any, counts: Array) -> Any:
    """What was summed, and what is seen in a step that counts (1) or not (0)."""
    return jax.tree.map(lambda a, b: a + b * counts.astype(b.dtype), total, seen)


def of_neurons(signals: Changes, change: Changes, aim: Aim) -> Array:
    """The share of a step in what is observed: `(count,)` for one number, `(count, n)` for one per neuron."""
    if aim.group is None:
        pairs = zip(jax.tree.leaves(signals), jax.tree.leaves(change), strict=True)
        return sum(jnp.sum(signal * tangent, axis=-1) for signal, tangent in pairs)  # type: ignore[return-value]
    here = slice(aim.start, aim.start + aim.size)
    pairs = zip(variables(signals.groups, aim.group), variables(change.groups, aim.group), strict=True)
    found = signals.soft[aim.group] * change.soft[aim.group] + sum(signal * tangent for signal, tangent in pairs)
    return found[:, here]


def _remembered(ring: Array, fired: Array, step: Array) -> Array:
    """The past with the spikes of a step."""
    return put_row(ring, fired, arriving_rows(step, jnp.int32(0), len(ring)))
