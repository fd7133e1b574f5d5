"""Rows with room: synapses that come and go, those that exist at the front of their row."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int32, UInt, UInt32

from neuro4d.ops._bits import n_up_to


def neurons_in_rows(
    targets: UInt[Array, "rows room"], bounds: UInt32[Array, "rows blocks+1"], width: int, nobody: int
) -> Int32[Array, "rows room"]:
    """The target neurons of rows of local ids, as in `Pathway.targets`; `nobody` in the room behind."""
    along, ends = jnp.arange(targets.shape[1], dtype=jnp.int32), bounds.astype(jnp.int32)
    neuron = targets.astype(jnp.int32) % width
    if bounds.shape[1] > 2:
        neuron = neuron + width * jax.vmap(lambda row: n_up_to(row, along))(ends[:, 1:-1])
    return jnp.where(along < ends[:, -1:], neuron, nobody)


def rows_of_neurons(
    neurons: Int32[Array, "rows room"], port: int, width: int, n_blocks: int, nobody: int, dtype: jnp.dtype
) -> tuple[UInt[Array, "rows room"], UInt32[Array, "rows blocks+1"]]:
    """The opposite: local ids and bounds of rows of ascending neurons, behind which `nobody` fills the room."""
    real = neurons < nobody
    local = jnp.where(real, port * width + neurons % width, 0).astype(dtype)
    below = jnp.arange(n_blocks + 1, dtype=jnp.int32) * width - 1
    bounds = jnp.sum(neurons[:, None, :] <= jnp.minimum(below, nobody - 1)[:, None], axis=2)
    return local, bounds.astype(jnp.uint32)
