"""The rows of synapses of some (delay, source) pairs that are marked by bits, walked in plain XLA: what a backward pass visits."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int32, UInt32

from neuro4d._base import alike
from neuro4d.ops._bits import RANKS, WORD, bit_of_rank, n_up_to, n_words
from neuro4d.ops._rows import Pairs, Rows, Visitor, walk_rows


def fold_bits(rows: Rows, words: UInt32[Array, "D w"], carry: Any, visit: Visitor, at_once: int) -> Any:
    """Calls `carry = visit(carry, some)` for all synapses of the pairs whose bits are set, about `at_once` of them at a time.

    Pairs come by delay, then by source. The work follows the bits that are set, and looks at every word once.
    """
    each, n_source = words.shape[1], rows.start.shape[0]
    flat = words.reshape(-1)
    ends = jnp.cumsum(jax.lax.population_count(flat).astype(jnp.int32))

    def pairs_at(rank: Int32[Array, " pairs"]) -> Pairs:
        place = _place(flat, ends, rank)
        which, source = place // (each * WORD), place % (each * WORD)
        valid = (rank < ends[-1]) & (source < n_source)
        return Pairs(which, jnp.where(valid, source, 0), valid)

    return walk_rows(rows, ends[-1], pairs_at, alike(carry, words), visit, at_once)[1]


def _place(flat: UInt32[Array, " m"], ends: Int32[Array, " m"], rank: Int32[Array, " k"]) -> Int32[Array, " k"]:
    """The position, among all bits of many words, of the set bit with `rank` set bits before it."""
    word = jnp.minimum(n_up_to(ends, rank), flat.shape[0] - 1)
    before = ends[word] - jax.lax.population_count(flat[word]).astype(jnp.int32)
    return WORD * word + bit_of_rank(flat[word], rank - before)


def arriving_words(
    ids: Int32[Array, "depth n"], count: Int32[Array, " depth"], rows: Int32[Array, " D"]
) -> UInt32[Array, "D w"]:
    """The spikes of some rows of a ring as bits, one row of words for each. The work follows the spikes."""
    at = count[rows]
    ends = jnp.cumsum(at)
    words = jnp.zeros((rows.shape[0], n_words(ids.shape[1])), jnp.uint32)

    def body(state: tuple[Array, Array]) -> tuple[Array, Array]:
        first, words = state
        rank = first + jnp.arange(RANKS, dtype=jnp.int32)
        which = jnp.minimum(n_up_to(ends, rank), rows.shape[0] - 1)
        slot = jnp.where(rank < ends[-1], rank - (ends[which] - at[which]), 0)
        source = ids[rows[which], slot]
        bit = jnp.where(rank < ends[-1], jnp.uint32(1) << (source % WORD).astype(jnp.uint32), 0)
        return first + RANKS, words.at[which, source // WORD].add(bit)

    begin = alike((jnp.int32(0), words), ids, count, rows)
    return jax.lax.while_loop(lambda state: state[0] < ends[-1], body, begin)[1]
