"""The rows of synapses that arrive in a step, walked in plain XLA with a visitor. Delivery is one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32, UInt32

from neuro4d._base import alike
from neuro4d.ops._bits import n_up_to
from neuro4d.ops._order import after
from neuro4d.ops._pathway import Pathway


class Visit(NamedTuple):
    """Some of the synapses whose spikes arrive, shape `(n_blocks, pairs, span)`; those that are not `real` fill up the shape.

    **Fields:** `edge`: position in the arrays of the pathway; `source`: of the group, shape `(pairs,)`; `block`: of targets, shape
    `(n_blocks, 1, 1)`; `real`.
    """

    edge: Int32[Array, "blocks pairs span"]
    source: Int32[Array, " pairs"]
    block: Int32[Array, "blocks 1 1"]
    real: Bool[Array, "blocks pairs span"]


def fold_rows(
    path: Pathway,
    ids: Int32[Array, "depth n"],
    count: Int32[Array, " depth"],
    step: UInt32[Array, ""],
    carry: Any,
    visit: Callable[[Any, Visit], Any],
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
    rows = ((step - path.delays.astype(jnp.uint32)) & jnp.uint32(count.shape[0] - 1)).astype(jnp.int32)
    at = count[rows]
    ends = jnp.cumsum(at)
    span = path.row_hint
    pairs = max(at_once // (span * path.n_blocks), 1)
    block = jnp.arange(path.n_blocks, dtype=jnp.int32)[:, None, None]

    def body(state: tuple[Array, Array, Any]) -> tuple[Array, Array, Any]:
        first, column, carry = state
        begin, length, source = _pieces(path, ids, rows, at, ends, first + jnp.arange(pairs, dtype=jnp.int32))
        place = column + jnp.arange(span, dtype=jnp.int32)
        real = place < length[..., None]
        edge = jnp.where(real, (begin[..., None] + place.astype(jnp.uint32)).astype(jnp.int32), 0)
        carry = visit(carry, Visit(edge, source, block, real))
        done = column + span >= jnp.max(length)
        return jnp.where(done, first + pairs, first), jnp.where(done, 0, column + span), carry

    begin = alike((jnp.int32(0), jnp.int32(0), carry), path, ids, count, step)
    served, _, carry = jax.lax.while_loop(lambda state: state[0] < ends[-1], body, begin)
    return carry, after(count, served)


def _pieces(path: Pathway, ids: Array, rows: Array, at: Array, ends: Array, pair: Array) -> tuple[Array, Array, Array]:
    """Begin and length `(n_blocks, pairs)` of the pieces of some (delay, source) pairs, and their sources."""
    which = jnp.minimum(n_up_to(ends, pair), ends.shape[0] - 1)
    slot = pair - (ends[which] - at[which])
    valid = pair < ends[-1]
    source = ids[rows[which], jnp.where(valid, slot, 0)]
    piece = which * path.n_blocks + jnp.arange(path.n_blocks, dtype=jnp.int32)[:, None]
    low = path.bounds[source, piece]
    begin = path.start[source, 0] + low
    length = jnp.where(valid, (path.bounds[source, piece + 1] - low).astype(jnp.int32), 0)
    return begin, length, source
