"""Choices that are drawn inside a compiled program: some of a group, and an order of many."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32, UInt32

from neuro4d._base import alike, words_jax

LAST = 0xFFFFFFFF
ROUNDS = 8


def lowest(
    word: UInt32[Array, " k"], chosen: Bool[Array, " k"], group: Int32[Array, " k"], number: Int32[Array, " groups"]
) -> Bool[Array, " k"]:
    """Marks `number` of the chosen entries of every group, those with the lowest words; all of them where there are fewer.

    Words differ, as `words_jax` makes them from different indices. A pass takes one entry of every group, so that the work is that of the largest
    number: 1 or 2 in most cases.
    """
    n = number.shape[0]

    def take(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        left, open_, _ = carry
        tried = open_ & (left > 0)[jnp.minimum(group, n - 1)]
        least = jnp.full(n, jnp.uint32(LAST)).at[jnp.where(tried, group, n)].min(word, mode="drop")
        taken = tried & (word == least[jnp.minimum(group, n - 1)])
        left = left.at[jnp.where(taken, group, n)].add(-1, mode="drop")
        return left, open_ & ~taken, jnp.any(taken)

    begin = alike((number, chosen & (group < n), jnp.bool_(True)), word, chosen, group, number)
    _, rest, _ = jax.lax.while_loop(lambda carry: carry[2] & jnp.any(carry[0] > 0), take, begin)
    return chosen & (group < n) & ~rest


def shuffled(x: UInt32[Array, " k"], n: UInt32[Array, ""], a: UInt32[Array, ""], b: UInt32[Array, ""]) -> UInt32[Array, " k"]:
    """Where a random order of `n` things, 2^31 at most, puts those with the numbers `x`, all below `n`; the order is that of the address `a`, `b`.

    A Feistel network permutes the next even power of two; what it puts beyond `n` is put again, until it lies below. So an order needs neither memory
    nor sorting.
    """
    bits = 32 - jax.lax.clz(jnp.maximum(n, 2) - 1)
    half = jnp.maximum((bits + 1) // 2, 3)  # halves of two bits do not generate all orders
    mask = (jnp.uint32(1) << half) - 1

    def turn(number: Array, halves: tuple[Array, Array]) -> tuple[Array, Array]:
        left, right = halves
        return right, left ^ (words_jax(a, b + number.astype(jnp.uint32) * jnp.uint32(0x9E3779B9), right) & mask)

    def put(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        y, outside = carry
        left, right = jax.lax.fori_loop(0, ROUNDS, turn, (y >> half, y & mask))
        y = jnp.where(outside, left << half | right, y)
        return y, outside & (y >= n)

    return jax.lax.while_loop(lambda carry: jnp.any(carry[1]), put, alike((x, x < n), x, n, a, b))[0]


def some_of(
    group: Int32[Array, "*k"], chosen: Bool[Array, "*k"], number: Int32[Array, " groups"], address: tuple[Array, Array]
) -> Bool[Array, "*k"]:
    """Marks `number` of the chosen entries of every group, drawn at an address; all of them where there are fewer."""
    word = words_jax(*address, jnp.arange(group.size, dtype=jnp.uint32))
    return lowest(word, chosen.reshape(-1), group.reshape(-1), number).reshape(group.shape)
