"""What changes the structure of a network while it runs: neurons that are born and die, synapses that form and vanish.

Such a change, an event, comes at the end of every so many steps, counted from the beginning of the trial. Between two events a model steps
as it always does, and a model without any has no part in this.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int32, UInt32

from neuro4d._base import alike
from neuro4d.model._fields import ModelFields
from neuro4d.model._live import live
from neuro4d.model._rewire import rewire
from neuro4d.model._state import State
from neuro4d.ops import unpack

M = TypeVar("M", bound=ModelFields)


class Event(NamedTuple):
    """What happens after every so many steps, and the groups whose spikes it counts (in `State.counted`)."""

    every: int
    happen: Callable[[State], State]
    counts: tuple[str, ...] = ()


def events(model: ModelFields) -> tuple[Event, ...]:
    """What changes a model, in the order in which it happens where several fall into one step: neurons, then synapses."""
    lives = (
        Event(living.every, functools.partial(live, model, name), (model.layout.spans[name].group,) if living.counts else ())
        for name, living in model.lives.items()
    )
    wired = (
        Event(structure.every, functools.partial(rewire, model, name), (model.pathways[name].source, model.pathways[name].target))
        for name, structure in model.structures.items()
    )
    return (*lives, *wired)


def periods(model: ModelFields) -> tuple[int, ...]:
    """The numbers of steps, after whose multiples something changes; empty for most models."""
    return tuple(sorted({event.every for event in events(model)}))


def counted_groups(model: ModelFields) -> tuple[str, ...]:
    """Groups whose spikes are counted, neuron by neuron, because an event asks for them."""
    return tuple(sorted({group for event in events(model) for group in event.counts}))


def check_unchanging(model: ModelFields, what: str) -> None:
    """Raises `ValueError` for a model whose structure changes while it runs, where that is not followed."""
    if periods(model):
        raise ValueError(
            f"{what} does not follow neurons that are born and synapses that form: make the populations without `lifecycle` and the "
            "projections without `structure`, or use `n4.train.Differences`."
        )


def until_event(model: ModelFields, elapsed: UInt32[Array, ""], most: Int32[Array, ""]) -> Int32[Array, ""]:
    """Steps from `elapsed`, the number of those done in this trial, up to the end of the next with an event; `most` at the most."""
    left = jnp.asarray(most, jnp.int32)
    for every in periods(model):
        left = jnp.minimum(left, (jnp.uint32(every) - elapsed % jnp.uint32(every)).astype(jnp.int32))
    return left


def with_changes(model: M, state: State) -> M:
    """The model with those of its parameters that live in the state: what `prepare` has to see."""
    for name, life in state.life.items():
        if life.parameters:
            fields = tuple(life.parameters)
            own = [life.parameters[field] for field in fields]
            model = eqx.tree_at(functools.partial(_fields_of, name, fields), model, own)
    return model


def _fields_of(population: str, fields: tuple[str, ...], model: ModelFields) -> list[Array]:
    return [getattr(model.neurons[population], field) for field in fields]


def count_spikes(model: ModelFields, state: State, rows: dict[str, UInt32[Array, "length w"]], count: Int32[Array, ""] | int) -> State:
    """The state in which the spikes of `count` steps are counted; `rows`: those of each, packed, by group. Rows from `count` on mean nothing."""
    names = counted_groups(model)
    if not names:
        return state
    sizes = {group.name: group.n for group in model.layout.groups}
    more = {name: state.counted[name] + count_bits(rows[name], count, sizes[name]) for name in names}
    return eqx.tree_at(lambda s: s.counted, state, more)


def count_bits(rows: UInt32[Array, "length w"], count: Int32[Array, ""] | int, n: int) -> UInt32[Array, " n"]:
    """How often each of `n` bits is set in the first `count` rows.

    Counters lie in planes, one bit of all neurons in each, and a row is added as a carry that ripples through them: a few operations on
    words for 32 neurons at a time.
    """
    planes = rows.shape[0].bit_length()

    def add(i: Array, held: tuple[Array, ...]) -> tuple[Array, ...]:
        carry, after = rows[i], []
        for plane in held:
            after.append(plane ^ carry)
            carry = plane & carry
        return tuple(after)

    begin = alike(tuple(jnp.zeros_like(rows[0]) for _ in range(planes)), rows, count)
    held = jax.lax.fori_loop(0, count, add, begin)
    return sum((unpack(plane, n).astype(jnp.uint32) << number for number, plane in enumerate(held)), jnp.zeros(n, jnp.uint32))


def change(model: ModelFields, state: State, elapsed: UInt32[Array, ""] | None = None) -> State:
    """The state after the events that are due at the end of the step that was done last.

    `elapsed`: the steps that are done in this trial, where it is known to be the same in all lanes of a `vmap`: then none of them makes an
    event that is not due. Otherwise the state says it.
    """
    done = state.step - state.start if elapsed is None else elapsed
    for event in events(model):
        state = jax.lax.cond(done % jnp.uint32(event.every) == 0, event.happen, lambda state: state, state)
    return state


def after_step(model: ModelFields, state: State, words: dict[str, UInt32[Array, " w"]], elapsed: UInt32[Array, ""] | None = None) -> State:
    """The state after a step whose packed spikes are `words`: they are counted, and the events that are due happen."""
    if not periods(model):
        return state
    return change(model, count_spikes(model, state, {name: row[None] for name, row in words.items()}, 1), elapsed)
