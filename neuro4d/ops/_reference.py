"""Delivery in plain XLA: the oracle of every other backend."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, UInt32

from neuro4d.kernels import WeightKind
from neuro4d.ops._pathway import Pathway
from neuro4d.ops._rows import Visit, fold_rows

CPU_BLOCK = 1 << 10
ACCELERATOR_BLOCK = 1 << 18


def reference(
    path: Pathway, ids: Int32[Array, "depth n"], count: Int32[Array, " depth"], step: UInt32[Array, ""], acc: Array, at_once: int
) -> tuple[Float[Array, "blocks size"], Int32[Array, "depth n"], Int32[Array, " depth"]]:
    """The sums with the weights of all arriving synapses added, and the ring."""

    def add(sums: Array, some: Visit) -> Array:
        target = jnp.where(some.real, some.block * path.block_size + path.targets[some.edge].astype(jnp.int32), sums.size)
        value = jnp.broadcast_to(weight_at(path.weight_kind, path.weight, some), some.edge.shape).astype(sums.dtype)
        return sums.reshape(-1).at[target.reshape(-1)].add(value.reshape(-1), mode="drop").reshape(sums.shape)

    sums, count = fold_rows(path, ids, count, step, acc, add, at_once)
    return sums, ids, count


def weight_at(kind: WeightKind, weight: Array, some: Visit) -> Array:
    """The weights of some synapses, in a shape that goes with theirs."""
    if kind == "one":
        return weight
    return weight[some.source][None, :, None] if kind == "source" else weight[some.edge]
