"""Spikes as packed bits: neuron `32 * w + i` of a group is bit `i` of word `w`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32, UInt32

WORD = 32


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
    """The sorted ids of the neurons that fired, at the front of an array of length `n`, and their number.

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
