"""Slopes of the targets on their way back to weights and spikes: native on a CPU where the kernels serve, plain XLA elsewhere."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d._base import alike
from neuro4d.kernels import WeightKind, collect_native
from neuro4d.ops._bit_rows import fold_bits
from neuro4d.ops._reference import ACCELERATOR_BLOCK, CPU_BLOCK, weight_at
from neuro4d.ops._rows import Rows, Visit
from neuro4d.ops._spread_plain import Synapses

WINDOWS = jax.lax.ScatterDimensionNumbers(update_window_dims=(1,), inserted_window_dims=(), scatter_dims_to_operand_dims=(0,))


def collect_now(
    kind: WeightKind, n_blocks: int, row_hint: int, native: bool, weights: bool, acc_bar: Array, soft_bar: Array, synapses: Synapses
) -> tuple[Array, Array]:
    """The slopes of the weights, nothing where nobody asks for `weights`, and those of the ring, `soft_bar`, with those of this step added."""

    def run(at_once: int, *given: Array) -> tuple[Array, Array]:
        return collect_plainly(kind, n_blocks, row_hint, weights, at_once, given[0], given[1], Synapses(*given[2:]))

    def compiled(acc_bar: Array, soft_bar: Array, *given: Array) -> tuple[Array, Array]:
        s = Synapses(*given)
        return collect_native(
            s.step, s.delays, s.fired, s.near, s.start, s.bounds, s.targets, s.weight, acc_bar, soft_bar, weight_kind=kind, weights=weights
        )

    one_type = acc_bar.dtype == soft_bar.dtype == synapses.weight.dtype and acc_bar.dtype in (jnp.float32, jnp.float64)
    return jax.lax.platform_dependent(
        acc_bar,
        soft_bar,
        *synapses,
        cpu=compiled if native and one_type else lambda *given: run(CPU_BLOCK, *given),
        default=lambda *given: run(ACCELERATOR_BLOCK, *given),
    )


def collect_plainly(
    kind: WeightKind, n_blocks: int, row_hint: int, weights: bool, at_once: int, acc_bar: Array, soft_bar: Array, synapses: Synapses
) -> tuple[Array, Array]:
    """The same in plain XLA, about `at_once` synapses at a time."""
    s, size, flat = synapses, acc_bar.shape[1], acc_bar.reshape(-1)
    rows = Rows(s.start, s.bounds, n_blocks, row_hint)

    def slope_at(some: Visit) -> Array:
        place = some.block * size + s.targets[some.edge].astype(jnp.int32)
        return jnp.where(some.real, flat[jnp.where(some.real, place, 0)], 0)

    def of_weights(total: Array, some: Visit) -> Array:
        slope = slope_at(some).astype(total.dtype)
        if kind == "one":
            return total + jnp.sum(slope)
        if kind == "source":
            return total.at[some.source].add(jnp.sum(slope, axis=(0, 2)))
        # A window for each row: entry by entry, XLA would take as long for one as here for a row.
        place = jnp.minimum(some.first.reshape(-1, 1), s.targets.shape[0])
        return jax.lax.scatter_add(total, place, slope.reshape(-1, row_hint), WINDOWS)

    def of_spikes(ring: Array, some: Visit) -> Array:
        each = jnp.sum(slope_at(some) * weight_at(kind, s.weight, some).astype(flat.dtype), axis=(0, 2))
        return ring.at[s.row(ring.shape[0])[some.which], some.source].add(each.astype(ring.dtype))

    weight_bar = jnp.zeros((0,), s.weight.dtype)
    if weights:
        room = (s.targets.shape[0] + row_hint,) if kind == "edge" else s.weight.shape  # windows of the last rows reach beyond the end
        begin = alike(jnp.zeros(room, s.weight.dtype), acc_bar, soft_bar, tuple(s))
        weight_bar = fold_bits(rows, s.fired, begin, of_weights, at_once)
        weight_bar = weight_bar[: s.targets.shape[0]] if kind == "edge" else weight_bar
    if s.near.shape[1]:
        soft_bar = fold_bits(rows, s.near, alike(soft_bar, acc_bar, tuple(s)), of_spikes, at_once)
    return weight_bar, soft_bar
