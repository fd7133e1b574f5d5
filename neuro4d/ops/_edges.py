"""Every edge of a pathway by itself: its source, its delay, its target."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Int32, UInt

from neuro4d.kernels import MOST_KINDS, NativeRows, deal_native, native_available
from neuro4d.ops._bits import n_up_to
from neuro4d.ops._columns import Columns
from neuro4d.ops._pathway import Pathway


def edge_table(path: Pathway) -> tuple[Int32[Array, " nnz"], Int32[Array, " nnz"], Int32[Array, " nnz"]]:
    """Source, index of the delay and block of every edge, inside a compiled function; padding has the source `n_source`.

    For pathways that XLA can address; on the host, and for any number of edges, there is `host_edges`.
    """
    if path.room:
        return _table_with_room(path)
    n_edges, n_source = path.targets.shape[0], path.n_source
    n_pieces = path.bounds.shape[-1] - 1
    length = jnp.diff(path.bounds.astype(jnp.int32), axis=-1).reshape(-1)
    ends = jnp.cumsum(length)
    edge = jnp.arange(n_edges, dtype=jnp.int32)
    piece = n_up_to(ends, edge)
    real = edge < ends[-1]
    safe = jnp.minimum(piece, n_source * n_pieces - 1)
    source = jnp.where(real, safe // n_pieces, n_source)
    within = safe % n_pieces
    return source, within // path.n_blocks, jnp.where(real, within % path.n_blocks, 0)


def _table_with_room(path: Pathway) -> tuple[Int32[Array, " nnz"], Int32[Array, " nnz"], Int32[Array, " nnz"]]:
    """`edge_table` of rows with room behind them."""
    n_rows, along = path.targets.shape[0] // path.room, jnp.arange(path.room, dtype=jnp.int32)
    row = (path.start[:, 0] // jnp.uint32(path.room)).astype(jnp.int32)
    source = jnp.zeros(n_rows, jnp.int32).at[row].set(jnp.arange(path.n_source, dtype=jnp.int32), mode="drop")
    ends = path.bounds[source].astype(jnp.int32)
    real = along < ends[:, -1:]
    block = jax.vmap(lambda ends: n_up_to(ends, along))(ends[:, 1:])
    found = (jnp.where(real, source[:, None], path.n_source), jnp.where(real, block, 0))
    return found[0].reshape(-1), jnp.zeros(path.targets.shape[0], jnp.int32), found[1].reshape(-1)


Place = slice | Int[np.ndarray, " k"]
"""Where some edges lie in the arrays of their pathway."""


def host_edges(path: Pathway, low: int, high: int) -> tuple[Place, Int[np.ndarray, " k"], Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """The edges of the sources `low` to `high - 1` on the host: their place in the arrays, and source, index of the delay and local
    neuron-and-port of each as NumPy arrays.

    The last is `neuron * n_ports + port`, so that `divmod` with `n_ports` gives both.
    """
    place, lengths = _pieces(path, low, high)
    n_blocks = path.n_blocks
    piece = np.repeat(np.tile(np.arange(lengths.shape[1]), len(lengths)), lengths.reshape(-1))
    source = np.repeat(np.arange(low, high), lengths.sum(axis=1))
    port, inside = np.divmod(np.asarray(path.targets)[place].astype(np.int64), path.width)
    neuron = (piece % n_blocks) * path.width + inside
    return place, source, piece // n_blocks, neuron * path.n_ports + port


def host_targets(path: Pathway, low: int, high: int) -> tuple[Int[np.ndarray, " sources"], Int32[np.ndarray, " k"]]:
    """How many edges each of the sources `low` to `high - 1` has, and the neurons that they lead to, source by source: what `host_edges` says without delays and ports,
    and in numbers of 32 bits."""
    place, lengths = _pieces(path, low, high)
    edges = np.asarray(path.targets)[place].astype(np.int32)
    inside = edges if path.n_ports == 1 else edges % np.int32(path.width)
    if path.n_blocks > 1:
        block = np.tile(np.arange(lengths.shape[1], dtype=np.int32) % path.n_blocks * path.width, len(lengths))
        inside = inside + np.repeat(block, lengths.reshape(-1))
    return lengths.sum(axis=1), inside


class HostRows:
    """The rows of the sources `low` to `high - 1` of a pathway on the host: what is known of their edges, each array made when it is asked for."""

    def __init__(self, path: Pathway, low: int, high: int):
        self.path, self.low, self.high = path, low, high
        self.place, self._lengths = _pieces(path, low, high)

    @functools.cached_property
    def n(self) -> int:
        """How many edges."""
        return int(self._lengths.sum())

    @functools.cached_property
    def slot(self) -> Int[np.ndarray, " k"]:
        """Where the sum lies to which an edge adds: `block * block_size + local`."""
        path = self.path
        kind = np.int32 if path.n_blocks * path.block_size < 1 << 31 else np.int64
        local = np.asarray(path.targets)[self.place]
        if path.n_blocks == 1:
            return local.astype(kind)
        block = np.tile(np.arange(self._lengths.shape[1], dtype=kind) % path.n_blocks * path.block_size, len(self._lengths))
        return np.add(np.repeat(block, self._lengths.reshape(-1)), local, dtype=kind, casting="unsafe")

    def neuron(self, pick: slice | Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
        """Targets of some of the edges, in the narrower numbers of `slot`."""
        slot, path = self.slot[pick], self.path
        if path.n_ports == 1:
            return slot
        if path.n_blocks == 1:
            return slot % path.width
        block, local = np.divmod(slot, path.block_size)
        return block * path.width + local % path.width

    @property
    def native(self) -> NativeRows:
        """These rows for calls of the extension."""
        return NativeRows(np.asarray(self.path.targets)[self.place], self._lengths.reshape(-1), self.path.n_blocks, self.path.block_size)

    def dealt(self, table: UInt[np.ndarray, " slots"], kinds: int) -> list[Int[np.ndarray, " m"]]:
        """The edges that lead to slots of each kind, ascending; `table`: the kind of each slot, or `kinds` for none."""
        if table.dtype == np.uint8 and kinds <= MOST_KINDS and native_available():
            found, ends = deal_native(self.native, table, kinds)
            return np.split(found, ends[:-1])
        numbers = table[self.slot]
        return [np.flatnonzero(numbers == kind) for kind in range(kinds)]

    @functools.cached_property
    def source(self) -> Int[np.ndarray, " k"]:
        """Sources."""
        return np.repeat(np.arange(self.low, self.high), self._lengths.sum(axis=1))

    @functools.cached_property
    def delay_number(self) -> Int[np.ndarray, " k"]:
        """Indices into the delays of the pathway."""
        return self._by_delay(np.arange(self._lengths.shape[1] // self.path.n_blocks, dtype=np.int32))

    @functools.cached_property
    def delay(self) -> Int[np.ndarray, " k"]:
        """Delays in steps, as the rows have them: training moves others."""
        return self._by_delay(np.asarray(self.path.delays).astype(np.int32))

    def _by_delay(self, values: Int[np.ndarray, " delays"]) -> Int[np.ndarray, " k"]:
        return np.repeat(np.tile(np.repeat(values, self.path.n_blocks), len(self._lengths)), self._lengths.reshape(-1))


def some_places(place: Place, which: Bool[np.ndarray, " k"] | Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
    """The places of some of these edges: those that a mask marks, or of given numbers."""
    if isinstance(place, slice):
        return np.add(np.flatnonzero(which) if which.dtype == bool else which, place.start, dtype=np.int64)
    return place[which]


def _pieces(path: Pathway, low: int, high: int) -> tuple[Place, Int[np.ndarray, "sources pieces"]]:
    """Where the edges of the sources `low` to `high - 1` lie in the arrays, and how many each has by delay and block."""
    # Cut on the host: to slice a JAX array is to compute, which fails inside a compiled function and with numbers beyond 32 bits.
    lengths = np.diff(np.asarray(path.bounds)[low:high].astype(np.int64), axis=1)
    if low >= high:
        return slice(0, 0), lengths
    if path.room:
        counts = lengths.sum(axis=1)
        begin = np.asarray(path.start)[low:high, 0].astype(np.int64) - (np.cumsum(counts) - counts)
        return np.repeat(begin, counts) + np.arange(counts.sum()), lengths
    start = np.asarray(path.start)[low].astype(np.int64)
    first = int(start[0] | (start[1] << 32))
    return slice(first, first + int(lengths.sum())), lengths


def with_columns(path: Pathway) -> Pathway:
    """The same synapses, to be found by their targets too. On the host."""
    place, source, which, where = host_edges(path, 0, path.n_source)
    neuron = where // path.n_ports
    order = np.argsort(neuron, kind="stable")
    counts = np.bincount(neuron, minlength=path.n_target)
    begin = np.cumsum(counts) - counts
    room = path.targets.shape[0]  # the same for all seeds, so that they share a program
    found = Columns(
        edge=_padded(some_places(place, order), room),
        source=_padded(source[order], room),
        which=_padded(which[order], room),
        start=jnp.asarray(np.stack([begin & 0xFFFFFFFF, begin >> 32], axis=1).astype(np.uint32)),
        bounds=jnp.asarray(np.stack([np.zeros_like(counts), counts], axis=1).astype(np.uint32)),
        hint=1 << min(max(math.ceil(math.log2(max(1.25 * room / path.n_target, 1))), 3), 10),
    )
    return dataclasses.replace(path, columns=found)


def _padded(values: np.ndarray, room: int) -> Int32[Array, " k"]:
    return jnp.asarray(np.pad(values, (0, max(room, 1) - len(values))), jnp.int32)
