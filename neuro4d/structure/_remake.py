"""Rows of synapses made anew: what is left of them and what is new, in the order of targets."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32


class Remade(NamedTuple):
    """Some rows of synapses.

    **Fields:** `neurons`: ascending, `nobody` in the room behind; `number` of synapses; `origin`: where in the old row a synapse was, or `room` and more
    where it is new.
    """

    neurons: Int32[Array, "some room"]
    number: Int32[Array, " some"]
    origin: Int32[Array, "some room"]


def remade(neurons: Int32[Array, "some room"], gone: Bool[Array, "some room"], more: Int32[Array, "some m"], nobody: int) -> Remade:
    """Rows without what is gone and with what is new; of several synapses with one target the first stays.

    There has to be room for all that remain.
    """
    (n, room), m = neurons.shape, more.shape[1]
    kept = ~gone & (neurons < nobody)
    index = jnp.arange(m, dtype=jnp.int32)
    twice = (more[:, :, None] == more[:, None, :]) & (index < index[:, None])
    fresh = (more < nobody) & ~jnp.any(twice, axis=2) & ~jnp.any((more[:, :, None] == neurons[:, None, :]) & kept[:, None, :], axis=2)
    wanted = jnp.where(fresh, more, nobody)
    # Both are merged: a synapse lies behind those of either kind that reach smaller neurons.
    of_old = jnp.cumsum(kept, axis=1, dtype=jnp.int32) - 1 + jnp.sum(wanted[:, None, :] < neurons[:, :, None], axis=2, dtype=jnp.int32)
    of_new = jnp.sum((neurons[:, None, :] < wanted[:, :, None]) & kept[:, None, :], axis=2, dtype=jnp.int32)
    of_new = of_new + jnp.sum(wanted[:, None, :] < wanted[:, :, None], axis=2, dtype=jnp.int32)
    place = jnp.where(jnp.concatenate([kept, fresh], axis=1), jnp.concatenate([of_old, of_new], axis=1), room)
    row, source = jnp.arange(n, dtype=jnp.int32)[:, None], jnp.broadcast_to(jnp.arange(room + m, dtype=jnp.int32), place.shape)
    origin = jnp.zeros((n, room), jnp.int32).at[row, place].set(source, mode="drop")
    number = jnp.sum(kept, axis=1, dtype=jnp.int32) + jnp.sum(fresh, axis=1, dtype=jnp.int32)
    there = jnp.take_along_axis(jnp.concatenate([neurons, more], axis=1), origin, axis=1)
    return Remade(jnp.where(jnp.arange(room) < number[:, None], there, nobody), number, origin)


def moved(values: Any, origin: Int32[Array, "some room"], new: Any) -> Any:
    """What belongs to synapses, moved with them: `values` and `new` are trees of arrays `(some, room, ...)`, those of old and of new synapses."""
    room = origin.shape[1]

    def one(old: Array, fresh: Array) -> Array:
        index = origin.reshape(*origin.shape, *(1,) * (old.ndim - 2))
        kept = jnp.take_along_axis(old, jnp.minimum(index, room - 1), axis=1)
        return jnp.where(index < room, kept, fresh).astype(old.dtype)

    return jax.tree.map(one, values, new)
