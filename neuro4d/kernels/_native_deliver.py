"""Delivery of spikes by the compiled handler `n4_deliver`, with its rule for `vmap`."""

import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float, Int32, UInt, UInt32

WeightKind = Literal["one", "source", "edge"]
Isa = Literal["best", "baseline", "avx2", "avx512"]

_KINDS = MappingProxyType({"one": 0, "source": 1, "edge": 2})
_ISAS = MappingProxyType({"best": -1, "baseline": 0, "avx2": 1, "avx512": 2})
_NAMES = ("step", "delays", "ring_ids", "ring_count", "start", "offset", "targets", "weight", "acc")
_RANKS = (0, 1, 2, 1, 3, 3, 1, None, 2)
_RING_IDS, _RING_COUNT, _ACC = 2, 3, 8


def deliver_native(
    step: UInt32[Array, ""],
    delays: Int32[Array, " n_delays"],
    ring_ids: Int32[Array, "depth n"],
    ring_count: Int32[Array, " depth"],
    start: UInt32[Array, "n_blocks n_source 2"],
    offset: UInt32[Array, "n_blocks n_source n_delays+1"],
    targets: UInt[Array, " n_edges"],
    weight: Float[Array, "..."],
    acc: Float[Array, "n_blocks block"],
    *,
    weight_kind: WeightKind | None = None,
    isa: Isa = "best",
) -> tuple[Float[Array, "n_blocks block"], Int32[Array, "depth n"], Int32[Array, " depth"]]:
    """Add the weights of all synapses whose spikes arrive at `step` to their targets.

    For delays ascending and sources ascending: `acc[block, targets[e]] += weight[e]` over the row's segment. This order
    of sums holds for any number of threads and any instruction set, so the result is the same bits everywhere.

    **Arguments:**

    - `step`: the step that is served; spikes of step `k` lie in ring row `k & (depth - 1)`.
    - `delays`: in steps, ascending, from 1 to `depth`.
    - `ring_ids`, `ring_count`: the spikes of past steps, sorted in each row. `depth` is a power of two.
    - `start`: first edge of each row as low and high word; `offset`: bounds of the delays relative to it.
    - `targets`: uint16 or uint32, inside a block.
    - `weight`: a scalar, one per source or one per edge, as `weight_kind` says. float32, float16 and bfloat16 are
      widened exactly; float64 needs float64 accumulators.
    - `acc`: float32 or float64.
    - `weight_kind`: `"one"`, `"source"` or `"edge"`; by default read from the shape of `weight`, where one per edge wins
      over one per source if there are as many edges as sources.
    - `isa`: only to compare instruction sets; never goes above what the machine offers.

    **Returns:** `(acc, ring_ids, ring_count)`, in the memory of the operands where XLA allows it. Carry on with the
    returned ring: a later write in place is then ordered after this read, and the ring is never copied.

    `vmap` works over any operands; synapses that are not mapped are shared by the whole batch, not repeated. There is no
    derivative here. Ask `native_available()` first: it registers the handler.

    **Raises:** `ValueError` for wrong shapes; at run time an error of XLA that names the index when a spike, a row or
    a target lies out of range.
    """
    isa_code = isa_number(isa)
    operands = tuple(jnp.asarray(x) for x in (step, delays, ring_ids, ring_count, start, offset, targets, weight, acc))
    for name, rank, x in zip(_NAMES, _RANKS, operands, strict=True):
        if rank is not None and x.ndim != rank:
            raise ValueError(f"`{name}` has {rank} axes; got shape {x.shape}.")
    kind = kind_number(weight_kind or _kind_of(operands[7].shape, operands[6].shape))
    return _mapped(Plan(kind, isa_code, levels=(), mapped=(0,) * len(_NAMES)))(*operands)


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


class Plan(NamedTuple):
    """What is static about one call.

    `levels` are the sizes of the `vmap`s around it, outermost first. Bit `i` of `mapped[j]` says that operand `j` has an
    axis for level `i`; those axes lead its shape in the order of the levels. Nothing is reshaped or repeated: XLA
    would copy an aliased operand that reaches the handler through a reshape.
    """

    weight_kind: int
    isa: int
    levels: tuple[int, ...]
    mapped: tuple[int, ...]


@functools.lru_cache(maxsize=256)
def _mapped(plan: Plan):
    """The call below the `vmap`s of a plan, and its rule for one more."""

    @custom_vmap
    def deliver(*operands):
        return _ffi(plan, operands)

    @deliver.def_vmap
    def rule(axis_size: int, in_batched: Sequence[bool], *operands):
        arrays = list(operands)
        flags = list(in_batched)
        if not flags[_ACC]:  # the sums differ as soon as anything does
            arrays[_ACC] = jnp.broadcast_to(arrays[_ACC], (axis_size, *arrays[_ACC].shape))
            flags[_ACC] = True
        mapped = tuple(bits << 1 | flag for bits, flag in zip(plan.mapped, flags, strict=True))
        outer = plan._replace(levels=(axis_size, *plan.levels), mapped=mapped)
        return _mapped(outer)(*arrays), (True, flags[_RING_IDS], flags[_RING_COUNT])

    return deliver


def _ffi(plan: Plan, operands: Sequence[Array]) -> tuple[Array, Array, Array]:
    ids, count, acc = operands[_RING_IDS], operands[_RING_COUNT], operands[_ACC]
    call = jax.ffi.ffi_call(
        "n4_deliver",
        tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in (acc, ids, count)),
        input_output_aliases={_ACC: 0, _RING_IDS: 1, _RING_COUNT: 2},
    )
    return tuple(  # type: ignore[return-value]
        call(
            *operands,
            levels=np.asarray(plan.levels, np.int64),
            mapped=np.asarray(plan.mapped, np.int64),
            isa=np.int64(plan.isa),
            weight_kind=np.int64(plan.weight_kind),
        )
    )
