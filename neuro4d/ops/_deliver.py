r"""Delivery: the spikes of the past, through the synapses, into sums per target.

$$ a_j(k) = \sum_{d}\;\sum_{i:\ i\ \text{fired at}\ k-d} w_{ij} $$

with the terms added in the order of (delay, source), whoever computes the sum. The work is proportional to the spikes
that arrive, not to the synapses: pairs of (delay, source) are listed, and the segments of their rows are added a block at
a time until none is left, so there is no capacity that could overflow.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, UInt32

from neuro4d.kernels import deliver_native
from neuro4d.ops._backend import Backend
from neuro4d.ops._pathway import Pathway
from neuro4d.ops._ring import History

LARGEST = 2**31 - 1
"""As many synapses of one pathway can XLA address; the native kernels know no such limit."""

CPU_BLOCK = 1 << 10
ACCELERATOR_BLOCK = 1 << 18


def deliver(
    path: Pathway, history: History, step: UInt32[Array, ""], acc: Float[Array, "blocks size"], backend: Backend
) -> tuple[Array, History]:
    """Adds what arrives in a step to the sums of the target blocks.

    **Arguments:**

    - `path`: the synapses.
    - `history`: the past of the source group.
    - `step`: uint32, the step that is being computed; a synapse of delay `d` is served from the spikes of `step - d`.
    - `acc`: sums so far, `(n_blocks, n_ports * width)`.
    - `backend`: which machine may do it.

    **Returns:** the sums, and the history (unchanged; handing it on puts the read before a later write in place).

    Differentiable with respect to the weights, and to `history.soft` where the model was built with a surrogate.
    """
    sums, ids, count = _deliver(backend.native, path, history.ids, history.count, history.soft, step, acc)
    return sums, History(ids, count, history.soft)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _deliver(native: bool, path, ids, count, soft, step, acc):
    del soft

    def compiled(ids, count, step, acc):
        return deliver_native(
            step, path.delays, ids, count, path.start, path.offset, path.targets, path.weight, acc, weight_kind=path.weight_kind
        )

    def cpu(ids, count, step, acc):
        return reference(path, ids, count, step, acc, CPU_BLOCK)

    def accelerator(ids, count, step, acc):
        return reference(path, ids, count, step, acc, ACCELERATOR_BLOCK)

    if native and path.targets.shape[0] > LARGEST:
        return compiled(ids, count, step, acc)
    return jax.lax.platform_dependent(ids, count, step, acc, cpu=compiled if native else cpu, default=accelerator)


@_deliver.defjvp
def _deliver_jvp(native, primals, tangents):
    path, ids, count, soft, step, _ = primals
    if path.targets.shape[0] > LARGEST:
        raise ValueError(
            f"derivatives go through plain XLA, which addresses at most {LARGEST:,} synapses; {path.source!r} to {path.target!r} has "
            f"{path.targets.shape[0]:,}. Use a smaller network for gradients."
        )
    sums, ids_out, count_out = _deliver(native, *primals)
    tangent = _tangent(path, ids, count, soft, step, tangents[0], tangents[3], tangents[5])
    zero = (_float0(ids_out), _float0(count_out))
    return (sums, ids_out, count_out), (tangent, *zero)


def _float0(x):
    import numpy as np

    return np.zeros(x.shape, jax.dtypes.float0)


def reference(path: Pathway, ids: Int32[Array, "depth n"], count: Int32[Array, " depth"], step, acc, block: int):
    """Delivery in plain XLA: the oracle of every other backend.

    Returns the sums, and the ring; its count is made to depend on the loop by adding a 0 that only the loop knows to be one. `push`
    writes after it has looked at the count, hence after the loop has read, and XLA needs no copy of the ring in each step.
    """
    depth = count.shape[0]
    rows = ((step - path.delays.astype(jnp.uint32)) & jnp.uint32(depth - 1)).astype(jnp.int32)
    at = count[rows]
    ends = jnp.cumsum(at)
    n_pairs = ends[-1]
    span = path.row_hint
    pairs = max(block // (span * path.n_blocks), 1)

    def more(carry):
        return carry[0] < n_pairs

    def body(carry):
        first, column, sums = carry
        begin, length, source = _segments(path, ids, rows, at, ends, first + jnp.arange(pairs, dtype=jnp.int32))
        edge = column + jnp.arange(span, dtype=jnp.int32)
        inside = edge < length[..., None]
        where = jnp.where(inside, (begin[..., None] + edge.astype(jnp.uint32)).astype(jnp.int32), 0)
        blocks = jnp.arange(path.n_blocks, dtype=jnp.int32)[:, None, None] * path.block_size
        target = jnp.where(inside, blocks + path.targets[where].astype(jnp.int32), sums.size)
        value = jnp.broadcast_to(_weight_at(path, source, where), where.shape).astype(sums.dtype)
        flat = sums.reshape(-1).at[target.reshape(-1)].add(value.reshape(-1), mode="drop")
        done = column + span >= jnp.max(length)
        return jnp.where(done, first + pairs, first), jnp.where(done, 0, column + span), flat.reshape(sums.shape)

    zero = jnp.int32(0)
    served, _, sums = jax.lax.while_loop(more, body, (zero, zero, acc))
    return sums, ids, count + jnp.minimum(served, 0)


def _segments(path, ids, rows, at, ends, pair):
    """Begin, length and source of the row segments of some (delay, source) pairs, for every target block."""
    which = jnp.minimum(jnp.searchsorted(ends, pair, side="right", method="scan_unrolled"), ends.shape[0] - 1)
    slot = pair - (ends[which] - at[which])
    valid = pair < ends[-1]
    source = ids[rows[which], jnp.where(valid, slot, 0)]
    low = path.offset[:, source, which]
    begin = path.start[:, source, 0] + low
    length = jnp.where(valid, (path.offset[:, source, which + 1] - low).astype(jnp.int32), 0)
    return begin, length, source


def _weight_at(path, source, where):
    if path.weight_kind == "one":
        return path.weight
    if path.weight_kind == "source":
        return path.weight[source][None, :, None]
    return path.weight[where]


def edge_table(path: Pathway) -> tuple[Array, Array, Array]:
    """Source, index of the delay and block of every edge, from the offsets; padding has the source `n_source`."""
    _, n_source, bounds = path.offset.shape
    n_delays = bounds - 1
    begin = (path.start[..., :1] + path.offset[..., :-1]).astype(jnp.int32).reshape(-1)
    length = jnp.diff(path.offset.astype(jnp.int32), axis=-1).reshape(-1)
    order = jnp.argsort(jnp.where(length > 0, begin, jnp.iinfo(jnp.int32).max))
    edge = jnp.arange(path.targets.shape[0], dtype=jnp.int32)
    ends = jnp.cumsum(length[order])
    position = jnp.searchsorted(ends, edge, side="right").astype(jnp.int32)
    segment = order[jnp.minimum(position, order.shape[0] - 1)].astype(jnp.int32)
    real = edge < ends[-1]
    source = jnp.where(real, (segment // n_delays) % n_source, n_source)
    return source, segment % n_delays, jnp.where(real, segment // (n_delays * n_source), 0)


def _tangent(path, ids, count, soft, step, path_dot, soft_dot, acc_dot):
    """The derivative, over all edges: every weight and, with a surrogate, every neuron near threshold has a share."""
    depth, _ = ids.shape
    source, which, block = edge_table(path)
    rows = ((step - path.delays.astype(jnp.uint32)) & jnp.uint32(depth - 1)).astype(jnp.int32)[which]
    target = jnp.where(source < path.n_source, block * path.block_size + path.targets.astype(jnp.int32), acc_dot.size)
    safe = jnp.minimum(source, path.n_source - 1)
    weight_dot = path_dot.weight
    weight = path.weight
    if path.weight_kind == "source":
        weight_dot, weight = weight_dot[safe], weight[safe]
    fired = soft if soft is not None else _dense(ids, count, acc_dot.dtype)
    change = weight_dot * fired[rows, safe]
    if soft is not None:
        change = change + weight * soft_dot[rows, safe]
    flat = acc_dot.reshape(-1).at[target].add(change.astype(acc_dot.dtype), mode="drop")
    return flat.reshape(acc_dot.shape)


def _dense(ids, count, dtype):
    """The ring as 0 and 1."""
    depth, n = ids.shape
    slot = jnp.arange(n, dtype=jnp.int32)
    position = jnp.where(slot < count[:, None], ids, n)
    return jnp.zeros((depth, n), dtype).at[jnp.arange(depth)[:, None], position].set(1, mode="drop")
