"""The rows of synapses of some (delay, source) pairs that are marked by bits, walked in plain XLA: what a backward pass visits."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32, UInt32

from neuro4d._base import alike
from neuro4d.ops._bits import RANKS, WORD, bit_of_rank, n_up_to, n_words


class Rows(NamedTuple):
    """Where the synapses of a pathway lie: its arrays of that name, and its numbers of blocks and of synapses at a time."""

    start: UInt32[Array, "n_source 2"]
    bounds: UInt32[Array, "n_source pieces+1"]
    n_blocks: int
    row_hint: int


class BitVisit(NamedTuple):
    """Some of the synapses of marked pairs, shape `(n_blocks, pairs, span)`; those that are not `real` fill up the shape.

    **Fields:** `edge`: position in the arrays of the pathway; `which`: number of the delay and `source`: of the group, shape
    `(pairs,)`; `block`: of targets, shape `(n_blocks, 1, 1)`; `real`; `first`: the position of the first of each `span`, which follow
    each other, shape `(n_blocks, pairs)`.
    """

    edge: Int32[Array, "blocks pairs span"]
    which: Int32[Array, " pairs"]
    source: Int32[Array, " pairs"]
    block: Int32[Array, "blocks 1 1"]
    real: Bool[Array, "blocks pairs span"]
    first: Int32[Array, "blocks pairs"]


def fold_bits(rows: Rows, words: UInt32[Array, "D w"], carry: Any, visit: Callable[[Any, BitVisit], Any], at_once: int) -> Any:
    """Calls `carry = visit(carry, some)` for all synapses of the pairs whose bits are set, about `at_once` of them at a time.

    Pairs come by delay, then by source. The work follows the bits that are set, and looks at every word once.
    """
    each, n_source = words.shape[1], rows.start.shape[0]
    flat = words.reshape(-1)
    ends = jnp.cumsum(jax.lax.population_count(flat).astype(jnp.int32))
    span = rows.row_hint
    pairs = max(at_once // (span * rows.n_blocks), 1)
    block = jnp.arange(rows.n_blocks, dtype=jnp.int32)[:, None, None]

    def body(state: tuple[Array, Array, Any]) -> tuple[Array, Array, Any]:
        first, column, carry = state
        rank = first + jnp.arange(pairs, dtype=jnp.int32)
        place = _place(flat, ends, rank)
        which, source = place // (each * WORD), place % (each * WORD)
        valid = (rank < ends[-1]) & (source < n_source)
        source = jnp.where(valid, source, 0)
        piece = which * rows.n_blocks + jnp.arange(rows.n_blocks, dtype=jnp.int32)[:, None]
        low = rows.bounds[source, piece]
        begin = rows.start[source, 0] + low
        length = jnp.where(valid, (rows.bounds[source, piece + 1] - low).astype(jnp.int32), 0)
        inside = column + jnp.arange(span, dtype=jnp.int32)
        real = inside < length[..., None]
        start = (begin + column.astype(jnp.uint32)).astype(jnp.int32)
        edge = jnp.where(real, start[..., None] + jnp.arange(span, dtype=jnp.int32), 0)
        carry = visit(carry, BitVisit(edge, which, source, block, real, start))
        done = column + span >= jnp.max(length)
        return jnp.where(done, first + pairs, first), jnp.where(done, 0, column + span), carry

    begin = alike((jnp.int32(0), jnp.int32(0), carry), rows.start, rows.bounds, words)
    return jax.lax.while_loop(lambda state: state[0] < ends[-1], body, begin)[2]


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
