"""Delivery of spikes through a pathway: one operation, whose derivative is written once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from neuro4d._base import alike
from neuro4d.ops._backend import MAX_XLA_EDGES, Backend
from neuro4d.ops._edges import edge_table
from neuro4d.ops._pathway import Pathway
from neuro4d.ops._ring import History


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
    history, step, acc = alike((history, step, acc), path)
    sums, ids, count = _deliver(backend, path, history.ids, history.count, history.soft, step, acc)
    return sums, History(ids, count, history.soft)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _deliver(backend: Backend, path, ids, count, soft, step, acc):
    del soft
    return backend.deliver(path, ids, count, step, acc)


@_deliver.defjvp
def _deliver_jvp(backend, primals, tangents):
    path, ids, count, soft, step, _ = primals
    if path.targets.shape[0] > MAX_XLA_EDGES:
        raise ValueError(
            f"derivatives go through plain XLA, which addresses at most {MAX_XLA_EDGES:,} synapses; {path.source!r} to "
            f"{path.target!r} has {path.targets.shape[0]:,}. Use a smaller network for gradients."
        )
    sums, ids_out, count_out = _deliver(backend, *primals)
    tangent = _tangent(path, ids, count, soft, step, tangents[0], tangents[3], tangents[5])
    zero = (_float0(ids_out), _float0(count_out))
    return (sums, ids_out, count_out), (tangent, *zero)


def _float0(x):
    return np.zeros(x.shape, jax.dtypes.float0)


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
