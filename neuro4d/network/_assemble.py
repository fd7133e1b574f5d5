"""Assembly: the edges of all projections from one group to another, sorted into the order of delivery.

Rows are made a chunk at a time and straight into their place, by as many threads as there are cores. A chunk is a set of source
neurons; within it one sort of packed integers puts the edges into the order (block, source, delay, target, definition).
Every draw is addressed by its projection and edge, so chunks and threads change nothing.
"""

import concurrent.futures
import os
from typing import Any, NamedTuple

import numpy as np

from neuro4d._base import AbstractValue, Constant, Given, address, words
from neuro4d.connect import Rows
from neuro4d.kernels import huge_empty

CHUNK_EDGES = 1 << 20


class Strand(NamedTuple):
    """One projection, resolved: where its ends lie in their groups, and what its edges carry."""

    name: str
    source_start: int
    target_start: int
    port: int
    rows: Rows
    weight: AbstractValue
    delay: AbstractValue
    seed: int


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
    """The arrays of a pathway on the host."""

    targets: np.ndarray
    weight: np.ndarray
    start: np.ndarray
    offset: np.ndarray


def assemble(strands: list[Strand], shape: Shape, dt: float, weight_dtype: Any, kind: str) -> Table:
    """All edges in the order of delivery. `kind` says how weights are kept: `"one"`, `"source"` or `"edge"`."""
    counts = np.zeros(shape.n_source, np.int64)
    for strand in strands:
        counts[strand.source_start : strand.source_start + len(strand.rows.counts)] += strand.rows.counts
    ends = np.concatenate([[0], np.cumsum(counts)])
    capacity = max(shape.capacity, int(ends[-1]))
    block_size = shape.n_ports * shape.width
    targets = huge_empty((capacity,), np.uint16 if block_size <= 1 << 16 else np.uint32)
    targets[int(ends[-1]) :] = 0
    edge_weight = huge_empty((capacity,) if kind == "edge" else (0,), weight_dtype)
    edge_weight[int(ends[-1]) :] = 0
    start = huge_empty((shape.n_blocks, shape.n_source, 2), np.uint32)
    offset = huge_empty((shape.n_blocks, shape.n_source, len(shape.delays) + 1), np.uint32)
    start[...] = 0
    offset[...] = 0
    bounds = _chunk_bounds(ends)

    def work(piece: tuple[int, int]) -> None:
        _chunk(piece, strands, shape, dt, ends, Table(targets, edge_weight, start, offset))

    if len(bounds) == 1:
        work(bounds[0])
    else:
        with concurrent.futures.ThreadPoolExecutor(n_cores()) as pool:
            list(pool.map(work, bounds))
    return Table(targets, edge_weight if kind == "edge" else _weights(strands, shape, weight_dtype, kind), start, offset)


def n_cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _chunk_bounds(ends: np.ndarray) -> list[tuple[int, int]]:
    n = len(ends) - 1
    marks = np.searchsorted(ends, np.arange(CHUNK_EDGES, int(ends[-1]), CHUNK_EDGES))
    edges = np.unique(np.concatenate([[0], marks, [n]]))
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def weight_kind(strands: list[Strand], n_source: int) -> str:
    """How few numbers hold all weights: one for all, one per source, or one per edge."""
    if not all(isinstance(s.weight, Constant) for s in strands):
        return "edge"
    values = {s.weight.bounds()[0] for s in strands}
    if len(values) == 1:
        return "one"
    seen = np.full(n_source, np.nan)
    for strand in strands:
        value, rows = strand.weight.bounds()[0], slice(strand.source_start, strand.source_start + len(strand.rows.counts))
        used = strand.rows.counts > 0
        if np.any(used & ~np.isnan(seen[rows]) & (seen[rows] != value)):
            return "edge"
        seen[rows] = np.where(used, value, seen[rows])
    return "source"


def _weights(strands: list[Strand], shape: Shape, dtype: Any, kind: str) -> np.ndarray:
    if kind == "one":
        return np.asarray(strands[0].weight.bounds()[0], dtype)
    values = np.zeros(shape.n_source, dtype)
    for strand in strands:
        rows = slice(strand.source_start, strand.source_start + len(strand.rows.counts))
        values[rows] = np.where(strand.rows.counts > 0, strand.weight.bounds()[0], values[rows])
    return values


def _chunk(piece: tuple[int, int], strands: list[Strand], shape: Shape, dt: float, ends: np.ndarray, table: Table) -> None:
    """The edges of the sources `lo` to `hi - 1`."""
    lo, hi = piece
    first, last = int(ends[lo]), int(ends[hi])
    if first == last:
        return
    key = np.empty(last - first, np.int64)
    weight = np.empty(last - first if table.weight.size else 0, table.weight.dtype)
    filled = 0
    for strand in strands:
        filled += _strand_keys(strand, piece, shape, dt, key[filled:], weight[filled:])
    n_delays, block_size = len(shape.delays), shape.n_ports * shape.width
    bits = max((last - first - 1).bit_length(), 1)
    key <<= bits
    key |= np.arange(last - first)
    key.sort()
    if weight.size:
        table.weight[first:last] = weight[key & ((1 << bits) - 1)]
    key >>= bits
    segment, local = np.divmod(key, block_size)
    table.targets[first:last] = local
    lengths = np.bincount(segment, minlength=shape.n_blocks * (hi - lo) * n_delays).reshape(shape.n_blocks, hi - lo, n_delays)
    np.cumsum(lengths, axis=-1, out=lengths)
    table.offset[:, lo:hi, 1:] = lengths
    rows = lengths[..., -1].reshape(-1)
    begin = (first + np.concatenate([[0], np.cumsum(rows)[:-1]])).reshape(shape.n_blocks, hi - lo)
    table.start[:, lo:hi, 0] = begin & 0xFFFFFFFF
    table.start[:, lo:hi, 1] = begin >> 32


def _strand_keys(strand: Strand, piece: tuple[int, int], shape: Shape, dt: float, key: np.ndarray, weight: np.ndarray) -> int:
    """Writes the sort keys and weights of one projection's share of a chunk, and says how many edges that is."""
    lo, hi = piece
    n_rows = len(strand.rows.counts)
    a, b = min(max(lo - strand.source_start, 0), n_rows), min(max(hi - strand.source_start, 0), n_rows)
    if a >= b:
        return 0
    target = strand.rows.targets(a, b)
    n = len(target)
    if not n:
        return 0
    edge = strand.rows.starts[a] + np.arange(n)
    neuron = target + np.int32(strand.target_start)
    source = np.repeat(np.arange(strand.source_start + a - lo, strand.source_start + b - lo), strand.rows.counts[a:b])
    block = neuron // np.int32(shape.width) if shape.n_blocks > 1 else 0
    local = strand.port * shape.width + (neuron - block * np.int32(shape.width))
    which = _delay_index(shape.delays, delay_steps(strand, edge, dt)) if len(shape.delays) > 1 else 0
    segment = (block * np.int64(hi - lo) + source) * len(shape.delays) + which
    np.multiply(segment, shape.n_ports * shape.width, out=key[:n])
    key[:n] += local
    if weight.size:
        weight[:n] = edge_values(strand.weight, strand, edge, "weight")
    return n


def _delay_index(delays: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The position of delays among those of the pathway; where these are all steps of a range, without a search."""
    whole_range = int(delays[-1] - delays[0]) == len(delays) - 1
    return steps - delays[0] if whole_range else np.searchsorted(delays, steps)


def edge_values(value: AbstractValue, strand: Strand, edge: np.ndarray, what: str) -> np.ndarray:
    """A value for some edges of a projection: drawn by edge, or taken from the user's array."""
    if isinstance(value, Given):
        return value.values[edge if strand.rows.order is None else strand.rows.order[edge]]
    if isinstance(value, Constant):
        return np.full(len(edge), value.value)
    return value.draw(words(address(strand.seed, "projection", strand.name, what), edge))


def delay_steps(strand: Strand, edge: np.ndarray, dt: float) -> np.ndarray:
    """Delays in steps, at least 1."""
    delays = edge_values(strand.delay, strand, edge, "delay")
    delays /= dt
    np.rint(delays, out=delays)
    return np.maximum(delays, 1).astype(np.int32)
