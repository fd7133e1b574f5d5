"""Sorting: the edges of all projections of a pathway, drawn and put into the order of delivery.

Rows are made a chunk at a time and straight into their place, by as many threads as there are cores. A chunk is a set of source
neurons; within it one sort of packed integers puts the edges into the order (source, delay, target, port, definition), which is the
order in which they are kept. Every draw is addressed by its projection and edge, so chunks and threads change nothing.
"""

import concurrent.futures
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from neuro4d._base import AbstractValue, Address, Constant, Given, n_cores, words
from neuro4d.connect import Rows
from neuro4d.kernels import WeightKind, huge_empty

CHUNK_EDGES = 1 << 20


class ResolvedProjection(NamedTuple):
    """One projection as the sort needs it: which neurons of their groups its ends are, and what its edges carry.

    `sources` and `targets` are first neurons, or ascending arrays of neurons where some in between are left out.
    """

    name: str
    number: int
    sources: int | np.ndarray
    targets: int | np.ndarray
    port: int
    rows: Rows
    weight: AbstractValue
    delay: AbstractValue
    weight_address: Address
    delay_address: Address

    @property
    def n_rows(self) -> int:
        """Sources, each with a row of targets."""
        return len(self.rows.counts)

    def source_index(self) -> slice | np.ndarray:
        """The sources as an index into the neurons of their group."""
        return slice(self.sources, self.sources + self.n_rows) if isinstance(self.sources, int) else self.sources

    def rows_between(self, low: int, high: int) -> tuple[int, int]:
        """The rows whose sources are neurons `low` to `high - 1`."""
        if isinstance(self.sources, int):
            return min(max(low - self.sources, 0), self.n_rows), min(max(high - self.sources, 0), self.n_rows)
        first, last = np.searchsorted(self.sources, [low, high])
        return int(first), int(last)

    def source_ids(self, a: int, b: int) -> np.ndarray:
        """Neurons of the rows `a` to `b - 1`."""
        return np.arange(self.sources + a, self.sources + b) if isinstance(self.sources, int) else self.sources[a:b]

    def target_ids(self, target: np.ndarray) -> np.ndarray:
        """Neurons of the group, from targets of the rule."""
        return target + np.int32(self.targets) if isinstance(self.targets, int) else self.targets[target].astype(np.int32)


class Shape(NamedTuple):
    """The static side of a pathway."""

    n_source: int
    n_target: int
    n_ports: int
    width: int
    n_blocks: int
    delays: np.ndarray
    capacity: int


class Table(NamedTuple):
    """The arrays of a pathway on the host, named as in `Pathway`."""

    targets: np.ndarray
    weight: np.ndarray
    start: np.ndarray
    bounds: np.ndarray
    owner: np.ndarray | None


def sort_edges(
    members: list[ResolvedProjection],
    shape: Shape,
    dt: float,
    weight_dtype: Any,
    kind: WeightKind,
    owned: bool,
    done: Callable[[int], None],
) -> Table:
    """All edges in the order of delivery.

    `kind` says how weights are kept: `"one"`, `"source"` or `"edge"`; `owned`: whether each edge notes its projection; `done` is told
    how many edges have been made.
    """
    counts = np.zeros(shape.n_source, np.int64)
    for member in members:
        counts[member.source_index()] += member.rows.counts
    ends = np.concatenate([[0], np.cumsum(counts)])
    table = _room(shape, int(ends[-1]), weight_dtype, kind, len(members) if owned else 0)
    table.start[:, 0] = ends[:-1] & 0xFFFFFFFF
    table.start[:, 1] = ends[:-1] >> 32
    pieces = _chunk_bounds(ends)

    def work(piece: tuple[int, int]) -> None:
        _chunk(piece, members, shape, dt, ends, table)
        done(int(ends[piece[1]] - ends[piece[0]]))

    if len(pieces) == 1:
        work(pieces[0])
    else:
        with concurrent.futures.ThreadPoolExecutor(n_cores()) as pool:
            list(pool.map(work, pieces))
    return table if kind == "edge" else table._replace(weight=_weights(members, shape, weight_dtype, kind))


def _room(shape: Shape, n_edges: int, weight_dtype: Any, kind: str, owners: int) -> Table:
    capacity = max(shape.capacity, n_edges)
    targets = huge_empty((capacity,), np.uint16 if shape.n_ports * shape.width <= 1 << 16 else np.uint32)
    weight = huge_empty((capacity,) if kind == "edge" else (0,), weight_dtype)
    owner = huge_empty((capacity,), np.uint8 if owners <= 1 << 8 else np.uint16) if owners else None
    for array in (targets, weight, *(() if owner is None else (owner,))):
        array[n_edges:] = 0
    start = huge_empty((shape.n_source, 2), np.uint32)
    bounds = huge_empty((shape.n_source, len(shape.delays) * shape.n_blocks + 1), np.uint32)
    bounds[...] = 0
    return Table(targets, weight, start, bounds, owner)


def pairs_with_synapses(table: Table, shape: Shape) -> np.ndarray | None:
    """Bits that say which sources may have synapses of a delay, as in `Pathway.some`."""
    n_delays, blocks = len(shape.delays), shape.n_blocks
    words = words_for_some(shape.n_source, n_delays, int(table.bounds[:, -1].sum(dtype=np.int64)))
    if not words:
        return None
    some = huge_empty((n_delays, words), np.uint32)
    rounds = -(-shape.n_source // (32 * words))
    has = np.zeros((256, rounds * 32 * words), bool)
    for low in range(0, n_delays, len(has)):
        ends = table.bounds[:, low * blocks : (low + len(has)) * blocks + 1 : blocks].T
        n = len(ends) - 1
        has[:n, : shape.n_source] = ends[1:] > ends[:-1]
        some[low : low + n] = np.packbits(has[:n].reshape(n, rounds, -1).any(1), axis=1, bitorder="little").view(np.uint32)
    return some


def words_for_some(n_source: int, n_delays: int, n_edges: int) -> int:
    """Words of `Pathway.some` for a delay: a power of two that leaves one bit in sixteen set, or enough for all sources. None if the
    bounds fit a cache, or if a quarter of the pairs of source and delay may have synapses."""
    pairs = n_source * n_delays
    if pairs < 1 << 18 or 4 * n_edges > pairs:
        return 0
    wanted = min(n_source, 16 * n_edges // n_delays)
    return 1 << max(-(-wanted // 32) - 1, 0).bit_length()


def _chunk_bounds(ends: np.ndarray) -> list[tuple[int, int]]:
    n = len(ends) - 1
    marks = np.searchsorted(ends, np.arange(CHUNK_EDGES, int(ends[-1]), CHUNK_EDGES))
    edges = np.unique(np.concatenate([[0], marks, [n]]))
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def weight_kind(members: list[ResolvedProjection], n_source: int) -> WeightKind:
    """How few numbers hold all weights: one for all, one per source, or one per edge."""
    values = [member.weight.value for member in members if isinstance(member.weight, Constant)]
    if len(values) < len(members):
        return "edge"
    if len(set(values)) == 1:
        return "one"
    seen = np.full(n_source, np.nan)
    for member, value in zip(members, values, strict=True):
        rows, used = member.source_index(), member.rows.counts > 0
        if np.any(used & ~np.isnan(seen[rows]) & (seen[rows] != value)):
            return "edge"
        seen[rows] = np.where(used, value, seen[rows])
    return "source"


def _weights(members: list[ResolvedProjection], shape: Shape, dtype: Any, kind: str) -> np.ndarray:
    constants = [(member, member.weight.value) for member in members if isinstance(member.weight, Constant)]
    if kind == "one":
        return np.asarray(constants[0][1], dtype)
    values = np.zeros(shape.n_source, dtype)
    for member, value in constants:
        rows = member.source_index()
        values[rows] = np.where(member.rows.counts > 0, value, values[rows])
    return values


def _chunk(piece: tuple[int, int], members: list[ResolvedProjection], shape: Shape, dt: float, ends: np.ndarray, table: Table) -> None:
    """The edges of the sources `low` to `high - 1`."""
    low, high = piece
    first, last = int(ends[low]), int(ends[high])
    if first == last:
        return
    key = np.empty(last - first, np.int64)
    weight = np.empty(last - first if table.weight.size else 0, table.weight.dtype)
    owner = None if table.owner is None else np.empty(last - first, table.owner.dtype)
    filled = 0
    for number, member in enumerate(members):
        n = _keys(member, piece, shape, dt, key[filled:], weight[filled:])
        if owner is not None:
            owner[filled : filled + n] = number
        filled += n
    bits = max((last - first - 1).bit_length(), 1)
    key <<= bits
    key |= np.arange(last - first)
    key.sort()
    if weight.size or owner is not None:
        order = key & ((1 << bits) - 1)
        if weight.size:
            table.weight[first:last] = weight[order]
        if owner is not None:
            table.owner[first:last] = owner[order]  # type: ignore[index]
    key >>= bits
    piece_of, place = np.divmod(key, shape.n_ports * shape.width)
    table.targets[first:last] = _local_ids(shape, table.targets.dtype)[place] if shape.n_ports > 1 else place
    n_pieces = len(shape.delays) * shape.n_blocks
    lengths = np.bincount(piece_of, minlength=n_pieces * (high - low)).reshape(high - low, n_pieces)
    np.cumsum(lengths, axis=-1, out=lengths)
    table.bounds[low:high, 1:] = lengths


def _local_ids(shape: Shape, dtype: Any) -> np.ndarray:
    """From the place of a target in the order (neuron, port) of its block to its local id, which is by (port, neuron)."""
    return np.arange(shape.n_ports * shape.width, dtype=dtype).reshape(shape.n_ports, shape.width).T.reshape(-1)


def _keys(member: ResolvedProjection, piece: tuple[int, int], shape: Shape, dt: float, key: np.ndarray, weight: np.ndarray) -> int:
    """Writes the sort keys and weights of one projection's share of a chunk, and says how many edges that is.

    The key counts (source, delay, block, neuron in the block, port): the order of edges, from which blocks can be read off.
    """
    low, high = piece
    a, b = member.rows_between(low, high)
    if a >= b:
        return 0
    target = member.rows.targets(a, b)
    n = len(target)
    if not n:
        return 0
    edge = member.rows.starts[a] + np.arange(n)
    neuron = member.target_ids(target)
    source = np.repeat(member.source_ids(a, b) - low, member.rows.counts[a:b])
    block = neuron // np.int32(shape.width) if shape.n_blocks > 1 else np.int32(0)
    which = _delay_index(shape.delays, delay_steps(member, edge, dt)) if len(shape.delays) > 1 else 0
    piece_of = (source * np.int64(len(shape.delays)) + which) * shape.n_blocks + block
    np.multiply(piece_of, shape.n_ports * shape.width, out=key[:n])
    key[:n] += (neuron - block * np.int32(shape.width)) * np.int32(shape.n_ports) + np.int32(member.port)
    if weight.size:
        weight[:n] = edge_values(member.weight, member, edge, member.weight_address)
    return n


def _delay_index(delays: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The position of delays among those of the pathway; where these are all steps of a range, without a search."""
    whole_range = int(delays[-1] - delays[0]) == len(delays) - 1
    return steps - delays[0] if whole_range else np.searchsorted(delays, steps)


def edge_values(value: AbstractValue, member: ResolvedProjection, edge: np.ndarray, address: Address) -> np.ndarray:
    """A value for some edges of a projection: drawn by edge, or taken from the user's array."""
    if isinstance(value, Given):
        return value.values[edge if member.rows.order is None else member.rows.order[edge]]
    if isinstance(value, Constant):
        return np.full(len(edge), value.value)
    return value.draw(words(address, edge))


def delay_steps(member: ResolvedProjection, edge: np.ndarray, dt: float) -> np.ndarray:
    """Delays in steps, at least 1."""
    delays = edge_values(member.delay, member, edge, member.delay_address)
    delays /= dt
    np.rint(delays, out=delays)
    return np.maximum(delays, 1).astype(np.int32)
