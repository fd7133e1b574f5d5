"""Spikes as packed bits: neuron `32 * w + i` of a group is bit `i` of word `w`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32, UInt32

from neuro4d._base import alike

WORD = 32

RANKS = 128
"""Spikes that are looked up at a time on a CPU."""


def n_words(n: int) -> int:
    """How many 32-bit words hold the spikes of `n` neurons."""
    return -(-n // WORD)


def pack(fired: Bool[Array, "n"]) -> UInt32[Array, "w"]:
    """Booleans to packed words; the bits past the last neuron are zero."""
    n = fired.shape[0]
    padded = jnp.zeros(n_words(n) * WORD, jnp.uint32).at[:n].set(fired.astype(jnp.uint32))
    shifts = jnp.arange(WORD, dtype=jnp.uint32)
    return jnp.sum(padded.reshape(-1, WORD) << shifts, axis=1, dtype=jnp.uint32)


def unpack(words: UInt32[Array, "w"], n: int) -> Bool[Array, "n"]:
    """Packed words to booleans."""
    shifts = jnp.arange(WORD, dtype=jnp.uint32)
    bits = (words[:, None] >> shifts) & jnp.uint32(1)
    return bits.reshape(-1)[:n].astype(bool)


def ids_of(fired: Bool[Array, "n"], words: UInt32[Array, "w"]) -> tuple[Int32[Array, "n"], Int32[Array, ""]]:
    """The sorted ids of the neurons that fired, at the front of an array of length `n`, and their number."""
    return jax.lax.platform_dependent(fired, words, cpu=_ids_by_rank, default=_ids_by_neuron)


def _ids_by_rank(fired: Bool[Array, "n"], words: UInt32[Array, "w"]) -> tuple[Int32[Array, "n"], Int32[Array, ""]]:
    """Spike by spike: the word that holds the spike of some rank, then its bit. A block of ranks at a time, until all are found, so
    that the work follows the spikes and not the neurons."""
    n = fired.shape[0]
    block = min(n, RANKS)
    per_word = jax.lax.population_count(words).astype(jnp.int32)
    ends = jnp.cumsum(per_word)
    total = ends[-1]

    def body(carry):
        first, ids = carry
        start = jnp.minimum(first, n - block)
        rank = start + jnp.arange(block, dtype=jnp.int32)
        word = jnp.minimum(n_up_to(ends, rank), words.shape[0] - 1)
        bit = bit_of_rank(words[word], rank - (ends[word] - per_word[word]))
        found = jnp.where(rank < total, WORD * word + bit, 0).astype(jnp.int32)
        return first + block, jax.lax.dynamic_update_slice(ids, found, (start,))

    begin = alike((jnp.int32(0), jnp.zeros(n, jnp.int32)), words)
    return jax.lax.while_loop(lambda carry: carry[0] < total, body, begin)[1], total


def n_up_to(ascending: Int32[Array, "m"], x: Int32[Array, "*k"]) -> Int32[Array, "*k"]:
    """How many of some ascending numbers are `x` or less, by halving.

    `jnp.searchsorted` with `side="right"` gives the same, but not below `vmap` on a mesh with explicit axes.
    """
    found, last = jnp.zeros_like(x), ascending.shape[0] - 1
    for bit in reversed(range(ascending.shape[0].bit_length())):
        more = found + (1 << bit)
        found = jnp.where((more <= last + 1) & (ascending[jnp.minimum(more - 1, last)] <= x), more, found)
    return found


def bit_of_rank(word: UInt32[Array, "k"], rank: Int32[Array, "k"]) -> Int32[Array, "k"]:
    """The position of the bit that has `rank` bits below it, by halving."""
    position = jnp.zeros(word.shape, jnp.uint32)
    for width in (16, 8, 4, 2, 1):
        half = (word >> position) & jnp.uint32((1 << width) - 1)
        below = jax.lax.population_count(half).astype(jnp.int32)
        above = rank >= below
        rank = jnp.where(above, rank - below, rank)
        position = jnp.where(above, position + jnp.uint32(width), position)
    return position.astype(jnp.int32)


def _ids_by_neuron(fired: Bool[Array, "n"], words: UInt32[Array, "w"]) -> tuple[Int32[Array, "n"], Int32[Array, ""]]:
    """All neurons at once, without a loop that a host would have to watch: for accelerators.

    The rank of a neuron is the population count of all bits below its own: a running sum over words, not over neurons.
    """
    n = fired.shape[0]
    per_word = jax.lax.population_count(words).astype(jnp.int32)
    below = jnp.cumsum(per_word) - per_word
    neuron = jnp.arange(n, dtype=jnp.int32)
    mask = (jnp.uint32(1) << (neuron % WORD).astype(jnp.uint32)) - jnp.uint32(1)
    word = jnp.repeat(words, WORD, total_repeat_length=words.shape[0] * WORD)[:n]
    start = jnp.repeat(below, WORD, total_repeat_length=words.shape[0] * WORD)[:n]
    rank = start + jax.lax.population_count(word & mask).astype(jnp.int32)
    ids = jnp.zeros(n, jnp.int32).at[jnp.where(fired, rank, n)].set(neuron, mode="drop", unique_indices=False)
    return ids, below[-1] + per_word[-1]
