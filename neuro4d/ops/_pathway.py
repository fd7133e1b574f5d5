"""The layout of synapses: what is connected, in the order in which it is delivered."""

import dataclasses

import equinox as eqx
from jaxtyping import Array, Float, Int32, UInt, UInt32

from neuro4d.kernels import WeightKind
from neuro4d.ops._columns import Columns
from neuro4d.ops._free_delays import FreeDelays


class Pathway(eqx.Module):
    """All synapses from one group of neurons to the ports of another.

    Edges are ordered by (source, delay, target, port, definition), whatever the machine: a state or an array of weights means the
    same on any number of cores and any backend. Targets are cut into blocks of `width` neurons with all their ports. The edges of
    one source and delay that go to one block follow each other, so a block is served by reading one piece of each row that
    arrives. Inside a block the local id of a target is `port * width + (neuron - block * width)`, so that the sums of one block
    lie together.

    **Fields:**

    - `targets`: local ids, uint16 where `n_ports * width` allows, else uint32; `(nnz,)`, possibly padded at the end.
    - `weight`: `()` one for all, `(n_source,)` one per source, or `(nnz,)`, in the unit of the receptor.
    - `delays`: int32 `(D,)`, ascending, in steps, at least 1.
    - `start`: uint32 `(n_source, 2)`, where a row begins, as the low and high half of 64 bits.
    - `bounds`: uint32 `(n_source, D * n_blocks + 1)`, where the pieces of a row begin, relative to it: piece `d * n_blocks + b`
      holds the edges of delay number `d` to block `b`.
    - `some`: uint32 `(D, words)`; bit `i % (32 * words)` of row `d` is set if source `i`, or another that shares the bit, has synapses
      of delay number `d`. `None` where most have. The native kernels look here first: the bounds of very many delays fit no cache.
    - `owner`: `(nnz,)`, the number of the projection that an edge belongs to, or `None` where the ends say it.
    - `weight_kind`: `"one"`, `"source"` or `"edge"`: what the shape of `weight` means.
    - `plastic`: whether the weights that count are those of the state.
    - `free`: delays that are trained, one per edge, in place of those on the grid; then no edge is padding. `None` where there are none.
    - `columns`: the same synapses by their targets, where a rule of plasticity looks for them so; `None` elsewhere.
    - `room`: how many synapses a row has room for, where they come and go, behind those that there are: rows of some sources then lie `room` apart, and
      `start` of the others is `nnz`. 0 where rows follow each other.
    """

    targets: UInt[Array, " nnz"]
    weight: Float[Array, "*nnz"]
    delays: Int32[Array, " D"]
    start: UInt32[Array, "n_source 2"]
    bounds: UInt32[Array, "n_source pieces+1"]
    owner: UInt[Array, " nnz"] | None
    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    early: bool = eqx.field(static=True)
    n_target: int = eqx.field(static=True)
    n_ports: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    weight_kind: WeightKind = eqx.field(static=True)
    plastic: bool = eqx.field(static=True)
    row_hint: int = eqx.field(static=True)
    some: UInt32[Array, "D words"] | None = None
    free: FreeDelays | None = None
    columns: Columns | None = None
    room: int = eqx.field(static=True, default=0)

    def with_free(self, free: FreeDelays) -> "Pathway":
        """The same edges, with delays that are trained."""
        return dataclasses.replace(self, free=free, some=None)

    @property
    def n_source(self) -> int:
        return self.start.shape[-2]

    @property
    def n_blocks(self) -> int:
        """Blocks of targets."""
        return -(-self.n_target // self.width)

    @property
    def block_size(self) -> int:
        """Accumulators of one block: its neurons times the ports."""
        return self.n_ports * self.width


def by_port(acc: Float[Array, "blocks block_size"], n_ports: int, width: int, n_target: int) -> Float[Array, "ports n_target"]:
    """Sums in the order of blocks, given back as one row per port."""
    if acc.shape[0] == 1 and width == n_target:
        return acc.reshape(n_ports, width)
    return acc.reshape(-1, n_ports, width).swapaxes(0, 1).reshape(n_ports, -1)[:, :n_target]
