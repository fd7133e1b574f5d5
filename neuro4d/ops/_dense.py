"""The derivative of delivery over all synapses: the oracle of the one that follows activity, and what its cost is compared with."""

import jax.numpy as jnp
from jaxtyping import Array, UInt32

from neuro4d.ops._edges import edge_table
from neuro4d.ops._pathway import Pathway
from neuro4d.ops._ring import arriving_rows


def dense_spread(
    path: Pathway, weight_dot: Array, fired: Array, soft_dot: Array | None, step: UInt32[Array, ""], acc_dot: Array
) -> Array:
    """What `spread` computes, from the spikes of the ring `fired` as numbers `(depth, n)`; plain XLA differentiates it in both directions."""
    source, which, block = edge_table(path)
    rows = arriving_rows(step, path.delays, fired.shape[0])[which]
    target = jnp.where(source < path.n_source, block * path.block_size + path.targets.astype(jnp.int32), acc_dot.size)
    safe = jnp.minimum(source, path.n_source - 1)
    weight = path.weight
    if path.weight_kind == "source":
        weight_dot, weight = weight_dot[safe], weight[safe]
    change = weight_dot * fired[rows, safe]
    if soft_dot is not None:
        change = change + weight * soft_dot[rows, safe]
    flat = acc_dot.reshape(-1).at[target].add(change.astype(acc_dot.dtype), mode="drop")
    return flat.reshape(acc_dot.shape)
