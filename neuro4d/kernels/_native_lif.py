"""Steps of a group of leaky integrate-and-fire neurons by the compiled handler `n4_lif_run`.

The handler delivers the synapses into sums that stay in cache, adds Poisson input, integrates, fires, holds, lets the
receptors decay and remembers the spikes, block by block on XLA's own threads. A group that hears only itself takes many steps
in one call, during which each thread keeps to the same neurons.
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, UInt, UInt32

from neuro4d.kernels._call import Made, Operand, call
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


class LifParams(NamedTuple):
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
    n_fired: Int32[Array, " depth"]


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
    start: UInt32[Array, "n_source 2"]
    bounds: UInt32[Array, "n_source d*n_blocks+1"]
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
    params: LifParams,
    rings: Sequence[LifRing],
    ports: Sequence[LifPort],
    paths: Sequence[LifPath],
    poisson: Sequence[LifPoisson],
    extras: Sequence[LifExtra],
    *,
    alive: UInt32[Array, " w"] | None = None,
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
    - `clock`, `v` (mV), `left` (steps still held, or what rounding left over), `params`: the neurons.
    - `rings`: the group's own first, then those of other groups that `paths` read from.
    - `ports`, `paths`, `poisson`, `extras`: in the order in which XLA adds them.
    - `alive`: packed bits; the others fire nothing. `None`: all are alive.
    - `width`: neurons per target block; a multiple of 32 if there are several blocks.
    - `isa`: only to compare instruction sets.

    **Returns:** `LifStepped`, state and rings in the memory of the operands where XLA allows it.

    `vmap` works over any operands; synapses that are not mapped are shared by the batch. There is no derivative here. Ask
    `native_available()` first: it registers the handler.
    """
    operands = _operands(jnp.asarray(count, jnp.int32), clock, v, left, params, alive, rings, ports, paths, poisson, extras)
    static: dict[str, int | tuple[int, ...]] = {
        "ports": tuple(_PORTS[port.kind] for port in ports),
        "paths": tuple(n for path in paths for n in (path.ring, kind_number(path.weight_kind), int(path.early))),
        "poisson": tuple(bank.port for bank in poisson),
        "extras": tuple(n for extra in extras for n in (_EXTRAS[extra.kind], extra.port)),
        "rings": len(rings),
        "mortal": int(alive is not None),
        "width": width,
        "length": length,
        "isa": isa_number(isa),
    }
    out = call("n4_lif_run", operands, _made(v.shape[-1], length, width, ports, paths, poisson, extras), static)
    held = tuple(None if port.kind == "delta" else out[f"port.state:{number}"] for number, port in enumerate(ports))
    return LifStepped(
        out["v"],
        out["left"],
        held,
        out["words"],
        tuple(LifRing(out[f"ring.ids:{number}"], out[f"ring.count:{number}"]) for number in range(len(rings))),
    )


def _made(n: int, length: int, width: int, ports, paths, poisson, extras) -> dict[str, Made]:
    """Results that are no operands: the packed spikes, and room for what arrives at the end and at the beginning of a step."""
    made = {"words": Made((length, -(-n // 32)), "uint32")}
    sums = Made((-(-n // width), len(ports) * width), "float32")
    if any(not path.early for path in paths) or poisson or any(extra.kind == "arrival" for extra in extras):
        made["late"] = sums
    if any(path.early for path in paths):
        made["early"] = sums
    return made


def _operands(count, clock, v, left, params, alive, rings, ports, paths, poisson, extras) -> dict[str, Operand]:
    """All operands by name. Those that the call changes differ between the lanes of a batch."""
    operands = {"count": Operand(count)}
    operands |= {name: Operand(value) for name, value in clock._asdict().items()}
    operands |= {"v": Operand(v, True, True), "left": Operand(left, True, True)}
    operands |= {name: Operand(value) for name, value in params._asdict().items()}
    if alive is not None:
        operands["alive"] = Operand(alive)
    for number, ring in enumerate(rings):
        operands[f"ring.ids:{number}"] = Operand(ring.ids, True, number == 0)
        operands[f"ring.count:{number}"] = Operand(ring.n_fired, True, number == 0)
    for number, port in enumerate(ports):
        if port.kind != "delta":
            operands[f"port.state:{number}"] = Operand(port.state, True, True)
            operands[f"port.decay:{number}"] = Operand(port.decay)
            operands[f"port.held:{number}"] = Operand(port.held)
        if port.kind == "conductance":
            operands[f"port.e_rev:{number}"] = Operand(port.e_rev)
    for number, path in enumerate(paths):
        for name in ("delays", "start", "bounds", "targets", "weight"):
            operands[f"path.{name}:{number}"] = Operand(getattr(path, name))
    for number, bank in enumerate(poisson):
        for name in ("runs", "thresholds", "weight", "a0", "b0"):
            operands[f"poisson.{name}:{number}"] = Operand(getattr(bank, name))
    for number, extra in enumerate(extras):
        operands[f"extra.value:{number}"] = Operand(extra.value)
    return operands
