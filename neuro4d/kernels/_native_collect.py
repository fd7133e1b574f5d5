"""The way back of delivery by the compiled handler `n4_collect`."""

from jaxtyping import Array, Float, Int32, UInt, UInt32

from neuro4d.kernels._call import Made, Operand, call
from neuro4d.kernels._native_deliver import WeightKind, kind_number, some_or_none


def collect_native(
    step: UInt32[Array, ""],
    delays: Int32[Array, " n_delays"],
    fired: UInt32[Array, "n_delays words"],
    near: UInt32[Array, "n_delays words_or_0"],
    start: UInt32[Array, "n_source 2"],
    bounds: UInt32[Array, "n_source n_delays*n_blocks+1"],
    targets: UInt[Array, " n_edges"],
    weight: Float[Array, "..."],
    acc: Float[Array, "n_blocks block"],
    soft: Float[Array, "depth n"],
    *,
    weight_kind: WeightKind,
    weights: bool,
) -> tuple[Float[Array, "..."], Float[Array, "depth n"]]:
    """Carry the slopes of sums back to the weights and spikes that they were made of.

    **Arguments:**

    - `step`, `delays`, `start`, `bounds`, `targets`, `weight`, `weight_kind`: as for `deliver_native`; weights, sums and ring are all float32
      or all float64.
    - `fired`, `near`: bits of the sources whose spikes arrive with a delay, and of those whose spikes have a slope; `near` may have no words.
    - `acc`: slopes of the sums.
    - `soft`: slopes of the spikes of the past, to which those of this step are added.
    - `weights`: whether slopes of weights are asked for.

    **Returns:** slopes of the weights, of their shape (`(0,)` where nobody asks), and of the ring, in the memory of `soft` where XLA
    allows it. Sums do not depend on the number of threads.

    `vmap` works over any operands. Ask `native_available()` first: it registers the handler.
    """
    out = call(
        "n4_collect",
        {
            "step": Operand(step),
            "acc": Operand(acc),
            "ring.soft": Operand(soft, back=True, changes=True),
            "fired": Operand(fired),
            "near": Operand(near),
            "path.delays": Operand(delays),
            "path.start": Operand(start),
            "path.bounds": Operand(bounds),
            "path.some": Operand(some_or_none(None)),
            "path.targets": Operand(targets),
            "path.weight": Operand(weight),
        },
        {"slopes": Made(weight.shape if weights else (0,), weight.dtype.name)},
        {"weight_kind": kind_number(weight_kind), "weights": int(weights)},
    )
    return out["slopes"], out["ring.soft"]
