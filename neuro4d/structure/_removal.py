"""Which synapses vanish at an event: pure functions of arrays, one row of room for each source.

Sources are numbered as in the projection, targets as in their group; `nobody`, the size of that group, stands in the room that is free.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32, UInt32

from neuro4d._base import uniform_jax, words_jax
from neuro4d.structure._draws import some_of
from neuro4d.structure._pruning import Pruning
from neuro4d.structure._some_rows import over_rows


class Left(NamedTuple):
    """What is left of the synapses: those that are `gone`, how many remain of each row and at each target; and how many there were in each row."""

    gone: Bool[Array, "rows room"]
    number: Int32[Array, " rows"]
    fan_in: Int32[Array, " nobody"]
    before: Int32[Array, " rows"]

    @property
    def there(self) -> Bool[Array, "rows room"]:
        """The slots of those that are left."""
        return (jnp.arange(self.gone.shape[1]) < self.before[:, None]) & ~self.gone


Rows = Callable[[Any], Int32[Array, "some room"]]
"""Gives the target neurons of rows with some numbers, or of all rows for `...`."""


def without(left: Left, needed: Bool[Array, ""], rows: Rows, which: Callable[[Left], Array]) -> Left:
    """What is left when those that `which` marks have gone as well; `needed`: whether there may be any."""
    nobody = left.fan_in.shape[0]

    def removed(left: Left) -> Left:
        more = which(left) & left.there

        def fewer(fan_in: Array, some: Array, at: Array) -> Array:
            mine = more[at] & (some < more.shape[0])[:, None]
            return fan_in.at[jnp.where(mine, rows(at), nobody)].add(-1, mode="drop")

        fan_in = over_rows(jnp.any(more, axis=1), more.shape[1], left.fan_in, fewer)
        return left._replace(gone=left.gone | more, number=left.number - jnp.sum(more, axis=1, dtype=jnp.int32), fan_in=fan_in)

    return jax.lax.cond(needed, removed, lambda left: left, left)


def without_dead(left: Left, rows: Rows, dead_sources: Bool[Array, " rows"], dead: Bool[Array, " nobody"]) -> Left:
    """Synapses from and to dead neurons vanish."""
    needed = jnp.any(dead_sources & (left.number > 0)) | jnp.any(dead & (left.fan_in > 0))
    return without(left, needed, rows, lambda _: dead_sources[:, None] | dead[jnp.minimum(rows(...), dead.shape[0] - 1)])


def without_weak(
    left: Left, rows: Rows, rule: Pruning, weight: Float[Array, "rows room"], idle: tuple[UInt32[Array, "rows room"], float], address: tuple[Array, Array]
) -> Left:
    """Weak and idle synapses vanish with a probability; `idle`: intervals without a spike, and how many ms one takes."""
    due = jnp.abs(weight) < rule.below
    if rule.idle is not None:
        due &= idle[0].astype(weight.dtype) * idle[1] > rule.idle
    luck = uniform_jax(words_jax(*address, jnp.arange(due.size, dtype=jnp.uint32)).reshape(due.shape), weight.dtype)
    due &= luck < rule.probability
    return without(left, jnp.any(due & left.there), rows, lambda _: due)


def without_axonal(left: Left, rows: Rows, elements: Float[Array, " rows"], address: tuple[Array, Array]) -> Left:
    """Rows with more synapses than whole elements lose some of them."""
    excess = jnp.maximum(left.number - jnp.floor(elements).astype(jnp.int32), 0)

    def which(left: Left) -> Array:
        row = jnp.broadcast_to(jnp.arange(left.gone.shape[0], dtype=jnp.int32)[:, None], left.gone.shape)
        return some_of(row, left.there, excess, address)

    return without(left, jnp.any(excess > 0), rows, which)


def without_dendritic(left: Left, rows: Rows, elements: Float[Array, " nobody"], address: tuple[Array, Array]) -> Left:
    """Targets with more synapses than whole elements lose some of them."""
    excess = jnp.maximum(left.fan_in - jnp.floor(elements).astype(jnp.int32), 0)
    return without(left, jnp.any(excess > 0), rows, lambda left: some_of(rows(...), left.there, excess, address))
