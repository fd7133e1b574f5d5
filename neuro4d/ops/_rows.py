"""Rows of synapses walked in plain XLA with a visitor: those that arrive in a step, or of any pairs of delay and source."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32, UInt32

from neuro4d._base import alike
from neuro4d.ops._bits import n_up_to
from neuro4d.ops._order import after
from neuro4d.ops._pathway import Pathway
from neuro4d.ops._ring import arriving_rows


class Rows(NamedTuple):
    """Where the synapses of a pathway lie: its arrays of that name, and its numbers of blocks and of synapses at a time."""

    start: UInt32[Array, "n_source 2"]
    bounds: UInt32[Array, "n_source pieces+1"]
    n_blocks: int
    row_hint: int


class Visit(NamedTuple):
    """Some of the synapses of some pairs of delay and source, shape `(n_blocks, pairs, span)`; those that are not `real` fill up the shape.

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


Visitor = Callable[[Any, Visit], Any]


class Pairs(NamedTuple):
    """Some pairs of delay and source, `(pairs,)`; those that are not `valid` have no synapses."""

    which: Int32[Array, " pairs"]
    source: Int32[Array, " pairs"]
    valid: Bool[Array, " pairs"]


def walk_rows(
    rows: Rows, number: Int32[Array, ""], pairs_at: Callable[[Int32[Array, " pairs"]], Pairs], carry: Any, visit: Visitor, at_once: int
) -> tuple[Int32[Array, ""], Any]:
    """Calls `carry = visit(carry, some)` for all synapses of `number` pairs, about `at_once` of them at a time.

    `pairs_at` gives the pairs of some ranks, in the order in which they are visited; the synapses of a pair come in theirs.

    **Returns:** how many pairs were served, and the carry.
    """
    span = rows.row_hint
    at_a_time = max(at_once // (span * rows.n_blocks), 1)
    block = jnp.arange(rows.n_blocks, dtype=jnp.int32)[:, None, None]
    along = jnp.arange(span, dtype=jnp.int32)

    def body(state: tuple[Array, Array, Any]) -> tuple[Array, Array, Any]:
        begun, column, carry = state
        some = pairs_at(begun + jnp.arange(at_a_time, dtype=jnp.int32))
        piece = some.which * rows.n_blocks + jnp.arange(rows.n_blocks, dtype=jnp.int32)[:, None]
        low = rows.bounds[some.source, piece]
        length = jnp.where(some.valid, (rows.bounds[some.source, piece + 1] - low).astype(jnp.int32), 0)
        first = (rows.start[some.source, 0] + low + column.astype(jnp.uint32)).astype(jnp.int32)
        real = column + along < length[..., None]
        edge = jnp.where(real, first[..., None] + along, 0)
        carry = visit(carry, Visit(edge, some.which, some.source, block, real, first))
        done = column + span >= jnp.max(length)
        return jnp.where(done, begun + at_a_time, begun), jnp.where(done, 0, column + span), carry

    begin = alike((jnp.int32(0), jnp.int32(0), carry), rows.start, rows.bounds, number)
    served, _, carry = jax.lax.while_loop(lambda state: state[0] < number, body, begin)
    return served, carry


def fold_rows(
    path: Pathway,
    ids: Int32[Array, "depth n"],
    count: Int32[Array, " depth"],
    step: UInt32[Array, ""],
    carry: Any,
    visit: Visitor,
    at_once: int,
) -> tuple[Any, Int32[Array, " depth"]]:
    """Calls `carry = visit(carry, some)` for all synapses that arrive in a step, about `at_once` of them at a time.

    Pairs of delay and source come in their order, and the synapses of a pair in theirs, so that a sum that the visitor makes has
    one order. The work follows the spikes.

    **Arguments:**

    - `path`: the synapses.
    - `ids`, `count`: the past of the source group, as in `History`.
    - `step`: a synapse of delay `d` is visited for the spikes of `step - d`.
    - `carry`: any pytree of fixed shapes.
    - `visit`: a pure function; entries of a `Visit` that are not real must change nothing.
    - `at_once`: synapses of one visit; static.

    **Returns:** the carry, and `count`, unchanged: writing after it has been looked at is writing after all reads.
    """
    row = arriving_rows(step, path.delays, count.shape[0])
    at = count[row]
    ends = jnp.cumsum(at)

    def pairs_at(rank: Int32[Array, " pairs"]) -> Pairs:
        which = jnp.minimum(n_up_to(ends, rank), ends.shape[0] - 1)
        slot = rank - (ends[which] - at[which])
        valid = rank < ends[-1]
        return Pairs(which, ids[row[which], jnp.where(valid, slot, 0)], valid)

    rows = Rows(path.start, path.bounds, path.n_blocks, path.row_hint)
    served, carry = walk_rows(rows, ends[-1], pairs_at, alike(carry, path, ids, count, step), visit, at_once)
    return carry, after(count, served)
