"""Spikes into the past by the compiled handler `n4_push`."""

from jaxtyping import Array, Bool, Int32, UInt32

from neuro4d.kernels._call import Made, Operand, call


def push_native(
    step: UInt32[Array, ""], fired: Bool[Array, " n"], ring_ids: Int32[Array, "depth n"], ring_count: Int32[Array, " depth"]
) -> tuple[UInt32[Array, " w"], Int32[Array, "depth n"], Int32[Array, " depth"]]:
    """Packs spikes, and writes their sorted ids into the row `step & (depth - 1)` of a ring, in which 0 follows the ids.

    **Returns:** the packed spikes (bit `i` of word `w` is neuron `32 w + i`) and the ring, in the memory of the operands where XLA
    allows it.

    `vmap` works over any operands. There is no derivative here. Ask `native_available()` first: it registers the handler.
    """
    n = fired.shape[-1]
    out = call(
        "n4_push",
        {
            "step": Operand(step),
            "fired": Operand(fired),
            "ring.ids": Operand(ring_ids, True, True),
            "ring.count": Operand(ring_count, True, True),
        },
        {"words": Made((-(-n // 32),), "uint32")},
        {},
    )
    return out["words"], out["ring.ids"], out["ring.count"]
