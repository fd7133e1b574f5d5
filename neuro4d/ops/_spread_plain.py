"""Changes of weights and spikes on their way to the targets, and slopes on their way back, in plain XLA."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, UInt, UInt32

from neuro4d._base import alike
from neuro4d.kernels import WeightKind
from neuro4d.ops._bit_rows import fold_bits
from neuro4d.ops._reference import ACCELERATOR_BLOCK, CPU_BLOCK, weight_at
from neuro4d.ops._ring import arriving_rows
from neuro4d.ops._rows import Rows, Visit


class Synapses(NamedTuple):
    """What a derivative of delivery needs to know of a step, as arrays.

    **Fields:** `weight`, `delays`, `start`, `bounds`, `targets`: as in `Pathway`; `step`: the step that is served; `fired`: a row of bits for each
    delay: whose spikes arrive; `near`: the same for those whose spikes of that step have a slope; `(D, 0)` where none can.
    """

    weight: Float[Array, "*nnz"]
    step: UInt32[Array, ""]
    fired: UInt32[Array, "D w"]
    near: UInt32[Array, "D w"]
    delays: Int32[Array, " D"]
    start: UInt32[Array, "n_source 2"]
    bounds: UInt32[Array, "n_source pieces+1"]
    targets: UInt[Array, " nnz"]

    def row(self, depth: int) -> Int32[Array, " D"]:
        """The row of the ring that each delay reads."""
        return arriving_rows(self.step, self.delays, depth)


def spread_now(kind: WeightKind, n_blocks: int, row_hint: int, weight_dot: Array, soft_dot: Array, acc_dot: Array, synapses: Synapses) -> Array:
    """`acc_dot`, plus the changed weights of synapses whose spikes arrive, plus the weights of synapses whose spikes change."""

    def run(at_once: int, weight_dot: Array, soft_dot: Array, acc_dot: Array, *given: Array) -> Array:
        s, size = Synapses(*given), acc_dot.shape[1]
        rows = Rows(s.start, s.bounds, n_blocks, row_hint)

        def add(acc: Array, some: Visit, value: Array) -> Array:
            target = jnp.where(some.real, some.block * size + s.targets[some.edge].astype(jnp.int32), acc.size)
            return acc.at[target].add(jnp.broadcast_to(value, target.shape).astype(acc.dtype), mode="drop")

        def weights(acc: Array, some: Visit) -> Array:
            return add(acc, some, weight_at(kind, weight_dot, some))

        def spikes(acc: Array, some: Visit) -> Array:
            return add(acc, some, weight_at(kind, s.weight, some) * soft_dot[s.row(soft_dot.shape[0])[some.which], some.source][None, :, None])

        acc = fold_bits(rows, s.fired, alike(acc_dot, given, weight_dot, soft_dot).reshape(-1), weights, at_once)
        if s.near.shape[1]:
            acc = fold_bits(rows, s.near, acc, spikes, at_once)
        return acc.reshape(acc_dot.shape)

    return jax.lax.platform_dependent(
        weight_dot,
        soft_dot,
        acc_dot,
        *synapses,
        cpu=lambda *given: run(CPU_BLOCK, *given),
        default=lambda *given: run(ACCELERATOR_BLOCK, *given),
    )
