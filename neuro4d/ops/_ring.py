"""The past of a group of neurons: one ring of spikes per group, as deep as its longest outgoing delay."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32, UInt32

from neuro4d.ops._bits import ids_of, n_words, pack
from neuro4d.ops._order import after


class History(eqx.Module):
    """The spikes of the last `depth` steps.

    **Fields:** `ids` int32 `(depth, n)`: sorted ids of the neurons that fired, at the front of a row; `count` int32
    `(depth,)`: how many; `soft` `(depth, n)`: the same spikes as floats that carry a gradient, or `None`; `near` uint32
    `(depth, words)`: bits of the neurons whose spikes have a slope, or `None`. Step `k` lies in row `k mod depth`; `depth` is
    a power of two, so the row of a step is right also when the counter wraps.
    """

    ids: Int32[Array, "depth n"]
    count: Int32[Array, " depth"]
    soft: Float[Array, "depth n"] | None
    near: UInt32[Array, "depth w"] | None = None


def depth_for(longest: int) -> int:
    """The smallest power of two that holds the present step and `longest` steps before it."""
    return 1 << int(longest).bit_length()


def empty(depth: int, n: int, soft_dtype=None) -> History:
    """A past without spikes."""
    soft = None if soft_dtype is None else jnp.zeros((depth, n), soft_dtype)
    near = None if soft_dtype is None else jnp.zeros((depth, n_words(n)), jnp.uint32)
    return History(jnp.zeros((depth, n), jnp.int32), jnp.zeros(depth, jnp.int32), soft, near)


def row_of(history: History, step: UInt32[Array, "..."]) -> Int32[Array, "..."]:
    """The row that belongs to a step."""
    return (step & jnp.uint32(history.count.shape[0] - 1)).astype(jnp.int32)


def arriving_rows(step: UInt32[Array, ""], delays: Int32[Array, "*d"], depth: int) -> Int32[Array, "*d"]:
    """The rows of a ring whose spikes arrive in a step, one for each delay in steps."""
    return ((step - delays.astype(jnp.uint32)) & jnp.uint32(depth - 1)).astype(jnp.int32)


def push_plainly(
    fired: Bool[Array, "n"], ids: Int32[Array, "depth n"], count: Int32[Array, " depth"], step: UInt32[Array, ""]
) -> tuple[UInt32[Array, "w"], Int32[Array, "depth n"], Int32[Array, " depth"]]:
    """Packs the spikes of a step, and writes their ids into its row, by index: nothing is shifted. Returns words, ids and counts."""
    words = pack(fired)
    row = after(row_of(History(ids, count, None), step), count[0])
    own, number = ids_of(fired, words)
    return words, put_row(ids, own, row), put_row(count, number, row)


def put_row(ring: Array, value: Array, row: Int32[Array, ""]) -> Array:
    """A row written in place. An indexed update would guard its bounds with a selection over the whole ring."""
    return jax.lax.dynamic_update_index_in_dim(ring, value.astype(ring.dtype), row, 0)
