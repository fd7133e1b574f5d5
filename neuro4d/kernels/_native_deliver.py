"""Delivery of spikes by the compiled handler `n4_deliver`, with its rule for `vmap`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, UInt, UInt32

from neuro4d.kernels._call import Operand, call
from neuro4d.kernels._manifest import numbers

WeightKind = Literal["one", "source", "edge"]
Isa = Literal["best", "baseline", "avx2", "avx512"]

_KINDS = numbers("weight_kinds")
_ISAS = MappingProxyType({"best": -1, **numbers("isas")})
_NAMES = ("step", "delays", "ring_ids", "ring_count", "start", "bounds", "targets", "weight", "acc")
_RANKS = (0, 1, 2, 1, 2, 2, 1, None, 2)


def deliver_native(
    step: UInt32[Array, ""],
    delays: Int32[Array, " n_delays"],
    ring_ids: Int32[Array, "depth n"],
    ring_count: Int32[Array, " depth"],
    start: UInt32[Array, "n_source 2"],
    bounds: UInt32[Array, "n_source n_delays*n_blocks+1"],
    targets: UInt[Array, " n_edges"],
    weight: Float[Array, "..."],
    acc: Float[Array, "n_blocks block"],
    *,
    weight_kind: WeightKind | None = None,
    some: UInt32[Array, "n_delays words"] | None = None,
    isa: Isa = "best",
) -> tuple[Float[Array, "n_blocks block"], Int32[Array, "depth n"], Int32[Array, " depth"]]:
    """Add the weights of all synapses whose spikes arrive at `step` to their targets.

    For delays ascending and sources ascending: `acc[block, targets[e]] += weight[e]` over the row's segment. This order
    of sums holds for any number of threads and any instruction set, so the result is the same bits everywhere.

    **Arguments:**

    - `step`: the step that is served; spikes of step `k` lie in ring row `k & (depth - 1)`.
    - `delays`: in steps, ascending, from 1 to `depth`.
    - `ring_ids`, `ring_count`: the spikes of past steps, sorted in each row. `depth` is a power of two.
    - `start`: first edge of each row as low and high word; `bounds`: where the pieces of the row begin relative to it, by delay and
      then by block.
    - `targets`: uint16 or uint32, inside a block.
    - `weight`: a scalar, one per source or one per edge, as `weight_kind` says. float32, float16 and bfloat16 are
      widened exactly; float64 needs float64 accumulators.
    - `acc`: float32 or float64.
    - `weight_kind`: `"one"`, `"source"` or `"edge"`; by default read from the shape of `weight`, where one per edge wins
      over one per source if there are as many edges as sources.
    - `some`: uint32 `(D, words)`, where `words` is a power of two: bit `i % (32 * words)` of row `d` is set if source `i` has synapses of
      delay number `d`. Where it is not, `bounds` are not asked.
    - `isa`: only to compare instruction sets; never goes above what the machine offers.

    **Returns:** `(acc, ring_ids, ring_count)`, in the memory of the operands where XLA allows it. Carry on with the
    returned ring: a later write in place is then ordered after this read, and the ring is never copied.

    `vmap` works over any operands; synapses that are not mapped are shared by the whole batch, not repeated. There is no
    derivative here. Ask `native_available()` first: it registers the handler.

    **Raises:** `ValueError` for wrong shapes; at run time an error of XLA that names the index when a spike, a row or
    a target lies out of range.
    """
    operands = tuple(jnp.asarray(x) for x in (step, delays, ring_ids, ring_count, start, bounds, targets, weight, acc))
    for name, rank, x in zip(_NAMES, _RANKS, operands, strict=True):
        if rank is not None and x.ndim != rank:
            raise ValueError(f"`{name}` has {rank} axes; got shape {x.shape}.")
    kind = kind_number(weight_kind or _kind_of(operands[7].shape, operands[6].shape))
    return _call(operands, some_or_none(some), kind, isa_number(isa))


def some_or_none(some: UInt32[Array, "n_delays words"] | None) -> Any:
    """How the handlers are told which pairs of delay and source have synapses, or that nobody has noted it."""
    return np.zeros((0, 0), np.uint32) if some is None else some


def _call(operands: tuple[Array, ...], some: Any, kind: int, isa: int) -> tuple[Array, Array, Array]:
    step, delays, ring_ids, ring_count, start, bounds, targets, weight, acc = operands
    out = call(
        "n4_deliver",
        {
            "step": Operand(step),
            "ring.ids": Operand(ring_ids, back=True),
            "ring.count": Operand(ring_count, back=True),
            "path.delays": Operand(delays),
            "path.start": Operand(start),
            "path.bounds": Operand(bounds),
            "path.some": Operand(some),
            "path.targets": Operand(targets),
            "path.weight": Operand(weight),
            "acc": Operand(acc, back=True, changes=True),
        },
        {},
        {"isa": isa, "weight_kind": kind},
    )
    return out["acc"], out["ring.ids"], out["ring.count"]


def kind_number(kind: str) -> int:
    """How the handlers call a kind of weight."""
    return _number("weight_kind", kind, _KINDS)


def isa_number(isa: str) -> int:
    """How the handlers call an instruction set."""
    return _number("isa", isa, _ISAS)


def _number(name: str, value: str, table: Mapping[str, int]) -> int:
    if value not in table:
        raise ValueError(f"`{name}` is one of {', '.join(map(repr, table))}; got {value!r}.")
    return table[value]


def _kind_of(weight: tuple[int, ...], targets: tuple[int, ...]) -> WeightKind:
    if weight == ():
        return "one"
    return "edge" if weight == targets else "source"
