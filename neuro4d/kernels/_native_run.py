"""Steps of groups of neurons by the compiled handler `n4_run`.

The handler delivers synapses into sums that stay in cache, adds Poisson input, lets receptors act, decay and take in what arrives,
integrates, fires, resets and remembers the spikes, block by block on XLA's own threads. Groups that hear only each other take many steps
in one call, during which each thread keeps to the same neurons.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, UInt, UInt32

from neuro4d.kernels._call import Made, Operand, call
from neuro4d.kernels._manifest import numbers
from neuro4d.kernels._native_deliver import Isa, WeightKind, isa_number, kind_number, some_or_none
from neuro4d.kernels._native_learn import NativeLearned, NativeLearning, learned
from neuro4d.kernels._native_load import native_manifest

ExtraKind = Literal["current", "conductance", "jump", "arrival", "noise", "colored_noise"]

_EXTRAS = numbers("extra_kinds")


FOREIGN = "Foreign"
"""The cell whose equations are not compiled: `NativeStepped.cell` is what acts on it, `g`, `i` and `jump`, each `(n,)`. Its spikes are
not in `words`, and its ring is handed on as it was; `push_native` remembers them."""


class NativeClock(NamedTuple):
    """`step` and `start` of the state, and the two words of its key: what random words depend on."""

    step: UInt32[Array, ""]
    start: UInt32[Array, ""]
    key: UInt32[Array, "2"]


class NativeRing(NamedTuple):
    """The past of a group: sorted ids of the spikes of each step, and their number."""

    ids: Int32[Array, "depth n"]
    n_fired: Int32[Array, " depth"]


class NativePart(NamedTuple):
    """A cell or receptor: its name in the manifest, its variables `(n,)`, and its parameters, each with one value, one per span of
    neurons or one per neuron; all float32. `FOREIGN` is a cell without either."""

    kind: str
    state: Mapping[str, Float[Array, " n"]]
    params: Mapping[str, Float[Array, "*s"]]


class NativePath(NamedTuple):
    """Synapses from the group of ring number `ring`, as in `deliver_native`; `early`: they arrive before the step; `learning`: of synapses
    that learn, with a weight per edge."""

    ring: int
    early: bool
    weight_kind: WeightKind
    delays: Int32[Array, " d"]
    start: UInt32[Array, "n_source 2"]
    bounds: UInt32[Array, "n_source d*n_blocks+1"]
    targets: UInt[Array, " e"]
    weight: Float[Array, "*e"]
    some: UInt32[Array, "d words"] | None = None
    learning: NativeLearning | None = None


class NativePoisson(NamedTuple):
    """Poisson input to a port.

    `runs` int32 `(r, 4)`: first neuron, number of neurons, segment of the first, and 1 where every neuron has a segment of its
    own, else 0; the neurons of a run count from 0 in their random words, whose address is that of its first segment. `thresholds`
    `(segments, length)`, or `(length, segments)` where neurons have segments `each`: words at or above number `j` mean more than `j`
    spikes, 0 stands for none. With a `hold` they have an axis of rows in front, each in force for so many steps, and none after the
    last. `weight`, `a0`, `b0` `(segments,)`: size and address of a segment.
    """

    port: int
    runs: Int32[Array, "r 4"]
    thresholds: UInt32[Array, "*t x y"]
    weight: Float[Array, " s"]
    a0: UInt32[Array, " s"]
    b0: UInt32[Array, " s"]
    each: bool = False
    hold: int = 0


class NativeMemory(NamedTuple):
    """What coloured noise holds: its name, the deviation from the mean of every neuron, and its decay in a step, one value or one for each."""

    name: str
    held: Float[Array, " n"]
    decay: Float[Array, "*n"]


class NativeExtra(NamedTuple):
    """What a stimulus adds to the drive, or to the arrivals of port number `port`: one value or one per neuron; if it `changes`, with an
    axis of steps in front.

    Noise: `value` is the mean and `std` the standard deviation of the current into the neurons `start` to `start + n - 1`, one value or
    one for each of them; `address` is where its random words begin.
    """

    kind: ExtraKind
    value: Float[Array, "*n"]
    port: int = 0
    changes: bool = False
    std: Float[Array, "*n"] | None = None
    address: tuple[int, int] = (0, 0)
    start: int = 0
    n: int = 0
    memory: NativeMemory | None = None

    def numbers(self) -> tuple[int, ...]:
        """How the handler knows it."""
        shared = (self.start, self.n) if self.std is not None else (self.port, int(self.changes))
        return (_EXTRAS[self.kind], *shared)


class NativeGroup(NamedTuple):
    """A group: its cell, its receptors in their order, what they receive in the order in which plain XLA adds it, the limits of its
    populations (int32 `(spans + 1,)`), the width of its blocks, who is alive (packed bits; `None`: all), and where the random words of each
    population begin (`None` where the cell takes none)."""

    cell: NativePart
    ports: tuple[NativePart, ...]
    paths: tuple[NativePath, ...]
    poisson: tuple[NativePoisson, ...]
    extras: tuple[NativeExtra, ...]
    bounds: Int32[Array, " b"]
    width: int
    alive: UInt32[Array, " w"] | None
    addresses: UInt32[Array, "spans 2"] | None = None


class NativeStepped(NamedTuple):
    """What a call leaves of a group: variables of the cell and of each port, packed spikes of each step (bit `i` of word `w` is neuron
    `32 w + i`), what coloured noise holds, by name, and the synapses that learn, one entry per pathway."""

    cell: dict[str, Float[Array, " n"]]
    ports: tuple[dict[str, Float[Array, " n"]], ...]
    words: UInt32[Array, "length w"]
    memories: dict[str, Float[Array, " n"]]
    learned: tuple[NativeLearned | None, ...] = ()


def run_native(
    count: Int32[Array, ""] | int,
    clock: NativeClock,
    rings: Sequence[NativeRing],
    groups: Sequence[NativeGroup],
    *,
    length: int = 1,
    isa: Isa = "best",
) -> tuple[tuple[NativeStepped, ...], tuple[NativeRing, ...]]:
    """Steps of groups of neurons, in float32.

    The same sums in the same order as the steps in plain XLA. Results differ from it by how the compiler contracts products, by the
    exponential, and by 1e-6 of a normal number; they are the same bits for any number of threads, any batch and any instruction set.

    **Arguments:**

    - `count`: how many steps, at most `length`; rows of packed spikes beyond it mean nothing. More than one step needs groups whose
      `paths` come from each other.
    - `clock`: what random words depend on.
    - `rings`: the groups' own first, in their order, then those of other groups that `paths` read from.
    - `groups`: all that is stepped; a width of a block is a multiple of 32 if there are several blocks.
    - `isa`: only to compare instruction sets.

    **Returns:** what is left of each group, and all rings, in the memory of the operands where XLA allows it.

    `vmap` works over any operands; synapses that are not mapped are shared by the batch. There is no derivative here. Ask
    `native_available()` first: it registers the handler.
    """
    made = {}
    for number, (group, ring) in enumerate(zip(groups, rings, strict=False)):
        made |= _made(number, group, ring.ids.shape[-1], length)
    out = call("n4_run", _operands(count, clock, rings, groups), made, _static(groups, len(rings), length, isa_number(isa)))
    stepped, first, extra, path = [], 0, 0, 0
    for number, group in enumerate(groups):
        known = native_manifest().cells[group.cell.kind]
        cell = {name: out[f"cell.{name}:{number}"] for name in (known.state if known.made else group.cell.state)}
        ports = tuple({name: out[f"port.{name}:{first + p}"] for name in port.state} for p, port in enumerate(group.ports))
        memories = {x.memory.name: out[f"extra.memory:{extra + k}"] for k, x in enumerate(group.extras) if x.memory is not None}
        after = tuple(None if x.learning is None else learned(out, path + k, x.learning) for k, x in enumerate(group.paths))
        stepped.append(NativeStepped(cell, ports, out[f"words:{number}"], memories, after))
        first, extra, path = first + len(group.ports), extra + len(group.extras), path + len(group.paths)
    return tuple(stepped), tuple(NativeRing(out[f"ring.ids:{r}"], out[f"ring.count:{r}"]) for r in range(len(rings)))


def _made(number: int, group: NativeGroup, n: int, length: int) -> dict[str, Made]:
    """Results that are no operands: the packed spikes, and room for what arrives at the end and at the beginning of a step."""
    made = {f"words:{number}": Made((length, -(-n // 32)), "uint32")}
    known = native_manifest().cells[group.cell.kind]
    if known.made:
        made |= {f"cell.{name}:{number}": Made((n,), "float32") for name in known.state}
    sums = Made((-(-n // group.width), len(group.ports) * group.width), "float32")
    if any(not path.early for path in group.paths) or group.poisson or any(extra.kind == "arrival" for extra in group.extras):
        made[f"late:{number}"] = sums
    if any(path.early for path in group.paths):
        made[f"early:{number}"] = sums
    return made


def _static(groups: Sequence[NativeGroup], rings: int, length: int, isa: int) -> dict[str, int | tuple[int, ...]]:
    manifest = native_manifest()
    described: list[int] = []
    for group in groups:
        cell = manifest.cells[group.cell.kind].number
        described += [cell, group.width, len(group.ports), len(group.poisson), len(group.extras), int(group.alive is not None)]
    return {
        "groups": tuple(described),
        "ports": tuple(manifest.receptors[port.kind].number for group in groups for port in group.ports),
        "paths": tuple(
            x
            for number, group in enumerate(groups)
            for path in group.paths
            for x in (number, path.ring, kind_number(path.weight_kind), int(path.early), *_rule_numbers(path))
        ),
        "poisson": tuple(x for group in groups for bank in group.poisson for x in (bank.port, int(bank.each), bank.hold)),
        "extras": tuple(x for group in groups for extra in group.extras for x in extra.numbers()),
        "rings": rings,
        "length": length,
        "isa": isa,
    }


def _operands(count: Any, clock: NativeClock, rings: Sequence[NativeRing], groups: Sequence[NativeGroup]) -> dict[str, Operand]:
    """All operands by name. Those that the call changes differ between the lanes of a batch."""
    operands = {"count": Operand(jnp.asarray(count, jnp.int32))} | {name: Operand(value) for name, value in clock._asdict().items()}
    for number, ring in enumerate(rings):
        operands[f"ring.ids:{number}"] = Operand(ring.ids, True, number < len(groups))
        operands[f"ring.count:{number}"] = Operand(ring.n_fired, True, number < len(groups))
    at = {"port": 0, "path": 0, "poisson": 0, "extra": 0}
    for number, group in enumerate(groups):
        operands[f"group.bounds:{number}"] = Operand(group.bounds)
        if group.alive is not None:
            operands[f"group.alive:{number}"] = Operand(group.alive)
        if group.addresses is not None:
            operands[f"group.addresses:{number}"] = Operand(group.addresses)
        operands |= _part_operands("cell", number, group.cell)
        for port in group.ports:
            operands |= _part_operands("port", _next(at, "port"), port)
        for bank in group.poisson:
            k = _next(at, "poisson")
            operands |= {f"poisson.{name}:{k}": Operand(getattr(bank, name)) for name in ("runs", "thresholds", "weight", "a0", "b0")}
        for extra in group.extras:
            k = _next(at, "extra")
            operands[f"extra.value:{k}"] = Operand(extra.value)
            if extra.memory is not None:
                operands[f"extra.memory:{k}"] = Operand(extra.memory.held, True, True)
                operands[f"extra.decay:{k}"] = Operand(extra.memory.decay)
            if extra.std is not None:
                operands |= {f"extra.std:{k}": Operand(extra.std), f"extra.address:{k}": Operand(np.array(extra.address, np.uint32))}
    for group in groups:
        for path in group.paths:
            k = _next(at, "path")
            operands |= {f"path.{name}:{k}": Operand(getattr(path, name)) for name in ("delays", "start", "bounds")}
            operands[f"path.some:{k}"] = Operand(some_or_none(path.some))
            operands[f"path.targets:{k}"] = Operand(path.targets)
            operands[f"path.weight:{k}"] = Operand(path.weight, path.learning is not None, path.learning is not None)
            operands |= {} if path.learning is None else path.learning.operands(k)
    return operands


def _rule_numbers(path: NativePath) -> tuple[int, int, int]:
    return (-1, 0, 0) if path.learning is None else path.learning.numbers()


def _next(at: dict[str, int], what: str) -> int:
    at[what] += 1
    return at[what] - 1


def _part_operands(prefix: str, number: int, part: NativePart) -> dict[str, Operand]:
    state = {f"{prefix}.{name}:{number}": Operand(value, True, True) for name, value in part.state.items()}
    return state | {f"{prefix}.{name}:{number}": Operand(value) for name, value in part.params.items()}
