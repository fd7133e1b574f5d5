"""Which synapses vanish at an event: pure functions of arrays, one row of room for each source.

Sources are numbered as in the projection, targets as in their group; `nobody`, the size of that group, stands in the room that is free.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32, UInt32

from neuro4d._base import uniform_jax, words_jax
from neuro4d.structure._draws import some_of
from neuro4d.structure._pruning import Pruning


class Left(NamedTuple):
    """What is left of the synapses: those that are `gone`, and how many remain of each row and at each target."""

    gone: Bool[Array, "rows room"]
    number: Int32[Array, " rows"]
    fan_in: Int32[Array, " nobody"]


Rows = Callable[[], Int32[Array, "rows room"]]
"""Gives the target neurons of all rows, where they are needed."""


def without(left: Left, needed: Bool[Array, ""], rows: Rows, which: Callable[[Array, Left], Array]) -> Left:
    """What is left when those that `which` marks have gone as well; `needed`: whether there may be any."""

    def removed(left: Left) -> Left:
        neurons, nobody = rows(), left.fan_in.shape[0]
        more = which(neurons, left) & (neurons < nobody) & ~left.gone
        fan_in = left.fan_in.at[jnp.where(more, neurons, nobody)].add(-1, mode="drop")
        return Left(left.gone | more, left.number - jnp.sum(more, axis=1, dtype=jnp.int32), fan_in)

    return jax.lax.cond(needed, removed, lambda left: left, left)


def without_dead(left: Left, rows: Rows, dead_sources: Bool[Array, " rows"], dead: Bool[Array, " nobody"]) -> Left:
    """Synapses from and to dead neurons vanish."""
    needed = jnp.any(dead_sources & (left.number > 0)) | jnp.any(dead & (left.fan_in > 0))
    return without(left, needed, rows, lambda neurons, _: dead_sources[:, None] | dead[jnp.minimum(neurons, dead.shape[0] - 1)])


def without_weak(
    left: Left, rows: Rows, rule: Pruning, weight: Float[Array, "rows room"], idle: tuple[UInt32[Array, "rows room"], float], address: tuple[Array, Array]
) -> Left:
    """Weak and idle synapses vanish with a probability; `idle`: intervals without a spike, and how many ms one takes."""
    due = jnp.abs(weight) < rule.below
    if rule.idle is not None:
        due &= idle[0].astype(weight.dtype) * idle[1] > rule.idle
    luck = uniform_jax(words_jax(*address, jnp.arange(due.size, dtype=jnp.uint32)).reshape(due.shape), weight.dtype)
    due &= luck < rule.probability
    return without(left, jnp.any(due), rows, lambda neurons, _: due)


def without_axonal(left: Left, rows: Rows, elements: Float[Array, " rows"], address: tuple[Array, Array]) -> Left:
    """Rows with more synapses than whole elements lose some of them."""
    excess = jnp.maximum(left.number - jnp.floor(elements).astype(jnp.int32), 0)

    def which(neurons: Array, left: Left) -> Array:
        row = jnp.broadcast_to(jnp.arange(neurons.shape[0], dtype=jnp.int32)[:, None], neurons.shape)
        return some_of(row, (neurons < left.fan_in.shape[0]) & ~left.gone, excess, address)

    return without(left, jnp.any(excess > 0), rows, which)


def without_dendritic(left: Left, rows: Rows, elements: Float[Array, " nobody"], address: tuple[Array, Array]) -> Left:
    """Targets with more synapses than whole elements lose some of them."""
    excess = jnp.maximum(left.fan_in - jnp.floor(elements).astype(jnp.int32), 0)
    return without(left, jnp.any(excess > 0), rows, lambda neurons, left: some_of(neurons, (neurons < excess.shape[0]) & ~left.gone, excess, address))
