"""Steps of a group of leaky integrate-and-fire neurons by the compiled handler `n4_lif_run`.

The handler delivers the synapses into sums that stay in cache, adds Poisson input, integrates, fires, holds, lets the
receptors decay and remembers the spikes, block by block on XLA's own threads. A group that hears only itself takes many steps
in one call, during which each thread keeps to the same neurons.
"""

import functools
from collections.abc import Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float, Int32, UInt, UInt32

from neuro4d.kernels._native_deliver import Isa, WeightKind, isa_number, kind_number

PortKind = Literal["current", "conductance", "delta"]
ExtraKind = Literal["current", "conductance", "jump", "arrival"]

_PORTS = MappingProxyType({"current": 0, "conductance": 1, "delta": 2})
_EXTRAS = MappingProxyType({"current": 0, "conductance": 1, "jump": 2, "arrival": 3})


class LifClock(NamedTuple):
    """`step` and `start` of the state, and the two words of its key: what random words depend on."""

    step: UInt32[Array, ""]
    start: UInt32[Array, ""]
    key: UInt32[Array, "2"]


class LifLevels(NamedTuple):
    """The constants of `LIF`, each with one value, one per span or one per neuron; `bounds` int32 `(spans + 1,)`."""

    leak: Float[Array, "*s"]
    resistance: Float[Array, "*s"]
    rate: Float[Array, "*s"]
    g_leak: Float[Array, "*s"]
    v_rest: Float[Array, "*s"]
    v_th: Float[Array, "*s"]
    v_reset: Float[Array, "*s"]
    hold: Int32[Array, "*s"]
    bounds: Int32[Array, " b"]


class LifRing(NamedTuple):
    """The past of a group: sorted ids of the spikes of each step, and their number."""

    ids: Int32[Array, "depth n"]
    count: Int32[Array, " depth"]  # type: ignore[assignment]


class LifPort(NamedTuple):
    """A receptor. Current: `state` (pA), `decay`, `held`. Conductance: `state` (nS) and `e_rev` as well. Delta: nothing."""

    kind: PortKind
    state: Float[Array, " n"] | None = None
    decay: Float[Array, "*s"] | None = None
    held: Float[Array, "*s"] | None = None
    e_rev: Float[Array, "*s"] | None = None


class LifPath(NamedTuple):
    """Synapses from the group of ring number `ring`, as in `deliver_native`; `early`: they arrive before the step."""

    ring: int
    early: bool
    weight_kind: WeightKind
    delays: Int32[Array, " d"]
    start: UInt32[Array, "n_blocks n_source 2"]
    offset: UInt32[Array, "n_blocks n_source d+1"]
    targets: UInt[Array, " e"]
    weight: Float[Array, "*e"]


class LifPoisson(NamedTuple):
    """Poisson input to a port.

    `runs` int32 `(r, 4)`: first neuron, number of neurons, segment of the first, and 1 where every neuron has a segment of its
    own, else 0; the neurons of a run count from 0 in their random words. `thresholds` `(segments, length)`: words at or above
    number `j` mean more than `j` spikes, 0 stands for none. `weight`, `a0`, `b0` `(segments,)`: size and address of a segment.
    """

    port: int
    runs: Int32[Array, "r 4"]
    thresholds: UInt32[Array, "s j"]
    weight: Float[Array, " s"]
    a0: UInt32[Array, " s"]
    b0: UInt32[Array, " s"]


class LifExtra(NamedTuple):
    """What a stimulus adds to the drive, or to the arrivals of port number `port`: one value or one per neuron."""

    kind: ExtraKind
    value: Float[Array, "*n"]
    port: int = 0


class LifStepped(NamedTuple):
    """What a call returns: the changed state, packed spikes of each step (bit `i` of word `w` is neuron `32 w + i`), and all rings."""

    v: Float[Array, " n"]
    left: Float[Array, " n"]
    states: tuple[Float[Array, " n"] | None, ...]
    words: UInt32[Array, "length w"]
    rings: tuple[LifRing, ...]


def lif_run_native(
    count: Int32[Array, ""] | int,
    clock: LifClock,
    v: Float[Array, " n"],
    left: Float[Array, " n"],
    levels: LifLevels,
    rings: Sequence[LifRing],
    ports: Sequence[LifPort],
    paths: Sequence[LifPath],
    poisson: Sequence[LifPoisson],
    extras: Sequence[LifExtra],
    *,
    width: int,
    length: int = 1,
    isa: Isa = "best",
) -> LifStepped:
    """Steps of a group of `LIF` neurons with exponential or delta receptors, in float32.

    The same sums in the same order as the step in plain XLA: deliver, add input, drive, decay, integrate, fire, hold. Results
    differ from it by how the compiler contracts products (2 units in the last place); they are the same bits for any number of
    threads, any batch and any instruction set.

    **Arguments:**

    - `count`: how many steps, at most `length`; rows of packed spikes beyond it mean nothing. More than one step needs a
      group whose `paths` come from itself, and input that stays the same.
    - `clock`, `v` (mV), `left` (steps still held, or what rounding left over), `levels`: the neurons.
    - `rings`: the group's own first, then those of other groups that `paths` read from.
    - `ports`, `paths`, `poisson`, `extras`: in the order in which XLA adds them.
    - `width`: neurons per target block; a multiple of 32 if there are several blocks.
    - `isa`: only to compare instruction sets.

    **Returns:** `LifStepped`, state and rings in the memory of the operands where XLA allows it.

    `vmap` works over any operands; synapses that are not mapped are shared by the batch. There is no derivative here. Ask
    `native_available()` first: it registers the handler.
    """
    operands, slots = _lay_out(jnp.asarray(count, jnp.int32), clock, v, left, levels, rings, ports, paths, poisson, extras)
    plan = Plan(
        levels=(),
        mapped=(0,) * len(operands),
        carried=slots.carried,
        changed=slots.changed,
        made=_made(v.shape[-1], length, width, ports, paths, poisson, extras),
        ports=tuple(_PORTS[port.kind] for port in ports),
        paths=tuple(n for path in paths for n in (path.ring, kind_number(path.weight_kind), int(path.early))),
        poisson=tuple(bank.port for bank in poisson),
        extras=tuple(n for extra in extras for n in (_EXTRAS[extra.kind], extra.port)),
        rings=len(rings),
        width=width,
        length=length,
        isa=isa_number(isa),
    )
    out = _mapped(plan)(*(jnp.asarray(x) for x in operands))
    return _stepped(out, len(rings), ports)


def _made(n: int, length: int, width: int, ports, paths, poisson, extras) -> tuple[tuple[tuple[int, ...], str], ...]:
    """Results that are no operands: the packed spikes, and room for what arrives at the end and at the beginning of a step."""
    words = ((length, -(-n // 32)), "uint32")
    sums = ((-(-n // width), len(ports) * width), "float32")
    late = any(not path.early for path in paths) or bool(poisson) or any(extra.kind == "arrival" for extra in extras)
    early = any(path.early for path in paths)
    return (words, *([sums] if late else []), *([sums] if early else []))


def _stepped(out: tuple[Array, ...], n_rings: int, ports: Sequence[LifPort]) -> LifStepped:
    """The results of the handler by name: v, left, rings, states of ports, words."""
    first = 2 + 2 * n_rings
    states = iter(out[first:])
    held = tuple(None if port.kind == "delta" else next(states) for port in ports)
    rings = tuple(LifRing(out[i], out[i + 1]) for i in range(2, first, 2))
    return LifStepped(out[0], out[1], held, next(states), rings)


class _Slots(NamedTuple):
    carried: tuple[int, ...]
    changed: tuple[int, ...]


def _lay_out(count, clock, v, left, levels, rings, ports, paths, poisson, extras) -> tuple[list[Array], _Slots]:
    """The operands in the order of the handler, and which of them come back: aliased, and among those the changed ones."""
    operands = [count, *clock, v, left, *levels]
    carried, changed = [4, 5], [4, 5]
    for number, ring in enumerate(rings):
        carried += [len(operands), len(operands) + 1]
        changed += [] if number else carried[-2:]
        operands += ring
    for port in ports:
        if port.kind == "delta":
            continue
        carried.append(len(operands))
        changed.append(len(operands))
        operands += [port.state, port.decay, port.held]
        operands += [port.e_rev] if port.kind == "conductance" else []
    for path in paths:
        operands += [path.delays, path.start, path.offset, path.targets, path.weight]
    for bank in poisson:
        operands += [bank.runs, bank.thresholds, bank.weight, bank.a0, bank.b0]
    operands += [extra.value for extra in extras]
    return operands, _Slots(tuple(carried), tuple(changed))


class Plan(NamedTuple):
    """What is static about a call: the `vmap`s around it as in `deliver_native`, which operands return, and the structure."""

    levels: tuple[int, ...]
    mapped: tuple[int, ...]
    carried: tuple[int, ...]
    changed: tuple[int, ...]
    made: tuple[tuple[tuple[int, ...], str], ...]
    ports: tuple[int, ...]
    paths: tuple[int, ...]
    poisson: tuple[int, ...]
    extras: tuple[int, ...]
    rings: int
    width: int
    length: int
    isa: int


@functools.lru_cache(maxsize=256)
def _mapped(plan: Plan):
    """The call below the `vmap`s of a plan, and its rule for one more."""

    @custom_vmap
    def step(*operands):
        return _ffi(plan, operands)

    @step.def_vmap
    def rule(axis_size: int, in_batched: Sequence[bool], *operands):
        arrays, flags = list(operands), list(in_batched)
        for i in plan.changed:
            if not flags[i]:  # the state differs as soon as anything does
                arrays[i] = jnp.broadcast_to(arrays[i], (axis_size, *arrays[i].shape))
                flags[i] = True
        mapped = tuple(bits << 1 | flag for bits, flag in zip(plan.mapped, flags, strict=True))
        out = _mapped(plan._replace(levels=(axis_size, *plan.levels), mapped=mapped))(*arrays)
        return out, tuple(flags[i] for i in plan.carried) + (True,) * len(plan.made)

    return step


def _ffi(plan: Plan, operands: Sequence[Array]) -> tuple[Array, ...]:
    carried = tuple(jax.ShapeDtypeStruct(operands[i].shape, operands[i].dtype) for i in plan.carried)
    made = tuple(jax.ShapeDtypeStruct((*plan.levels, *shape), dtype) for shape, dtype in plan.made)
    call = jax.ffi.ffi_call(
        "n4_lif_run", (*carried, *made), input_output_aliases={operand: result for result, operand in enumerate(plan.carried)}
    )
    static = {name: np.asarray(getattr(plan, name), np.int64) for name in ("levels", "mapped", "ports", "paths", "poisson", "extras")}
    numbers = {name: np.int64(getattr(plan, name)) for name in ("rings", "width", "length", "isa")}
    return tuple(call(*operands, **static, **numbers))
