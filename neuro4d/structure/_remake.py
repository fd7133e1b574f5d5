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
    room = neurons.shape[1]
    old = 2 * jnp.where(gone, nobody, neurons)
    key = jnp.concatenate([old, 2 * more + 1], axis=1)
    origin = jnp.broadcast_to(jnp.arange(key.shape[1], dtype=jnp.int32), key.shape)
    key, origin = jax.lax.sort((key, origin), dimension=1, num_keys=2)
    target = key >> 1
    again = jnp.concatenate([jnp.zeros_like(target[:, :1], bool), target[:, 1:] == target[:, :-1]], axis=1)
    target, origin = jax.lax.sort((jnp.where(again, nobody, target), origin), dimension=1, num_keys=1)
    target = target[:, :room]
    real = target < nobody
    return Remade(target, jnp.sum(real, axis=1, dtype=jnp.int32), jnp.where(real, origin[:, :room], 0))


def moved(values: Any, origin: Int32[Array, "some room"], new: Any) -> Any:
    """What belongs to synapses, moved with them: `values` and `new` are trees of arrays `(some, room, ...)`, those of old and of new synapses."""
    room = origin.shape[1]

    def one(old: Array, fresh: Array) -> Array:
        index = origin.reshape(*origin.shape, *(1,) * (old.ndim - 2))
        kept = jnp.take_along_axis(old, jnp.minimum(index, room - 1), axis=1)
        return jnp.where(index < room, kept, fresh).astype(old.dtype)

    return jax.tree.map(one, values, new)
