"""Rows of targets: the result of a rule, made when asked for."""

import abc
import dataclasses
import functools

import numpy as np
from jaxtyping import Int

from neuro4d._base import Address, bounded, words

BLOCK = 1 << 16
"""Edges that are worked on at once: the intermediates stay in cache."""


class Rows(abc.ABC):
    """The edges of a projection, row after row of targets, one row for each source.

    **Fields:**

    - `counts`: number of edges of each source.
    - `order`: for a list of edges written by a user, the position of edge `e` in that list; otherwise `None`.
    """

    counts: Int[np.ndarray, "n_pre"]
    order: Int[np.ndarray, "edges"] | None = None

    @functools.cached_property
    def starts(self) -> Int[np.ndarray, "n_pre_plus_1"]:
        """Number of the first edge of each row, and the number of all edges at the end."""
        return starts_of(self.counts)

    @property
    def n_edges(self) -> int:
        """The number of all edges."""
        return int(self.starts[-1])

    def targets(self, lo: int, hi: int) -> Int[np.ndarray, "edges"]:
        """Targets of the rows from `lo` to `hi - 1`, row after row, as a new int32 array.

        Pure: the same rows give the same targets, in whatever pieces and from whatever thread they are asked for.

        **Raises:** `IndexError` unless `0 <= lo <= hi <= n_pre`.
        """
        if not 0 <= lo <= hi <= len(self.counts):
            raise IndexError(f"rows go from 0 to {len(self.counts)}; asked for {lo} to {hi}.")
        out = np.empty(self.starts[hi] - self.starts[lo], np.int32)
        if out.size:
            self._fill(lo, hi, out)
        return out

    @abc.abstractmethod
    def _fill(self, lo: int, hi: int, out: np.ndarray) -> None:
        """Writes the targets of at least one edge."""


def starts_of(counts: np.ndarray) -> np.ndarray:
    """Cumulated counts, from 0."""
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts


def numbers(lo: int, hi: int) -> np.ndarray:
    """Consecutive draws. Below 2^32 the narrow type gives the same words in less time."""
    return np.arange(lo, hi, dtype=np.uint32 if hi <= 1 << 32 else np.int64)


@dataclasses.dataclass(frozen=True)
class Pool:
    """What each source may choose from: all targets, or all but itself.

    The sources that find themselves among the targets are consecutive, `first` to `last - 1`. They choose from one target
    less, and choices from their own number on are moved up by one.
    """

    n_pre: int
    n_post: int
    first: int
    last: int
    shift: int

    @classmethod
    def of(cls, n_pre: int, n_post: int, self_shift: int | None, autapses: bool) -> "Pool":
        """The pool of a rule with or without autapses."""
        if self_shift is None or autapses:
            return cls(n_pre, n_post, 0, 0, 0)
        first = min(max(0, -self_shift), n_pre)
        return cls(n_pre, n_post, first, max(first, min(n_pre, n_post - self_shift)), self_shift)

    @property
    def n_excluded(self) -> int:
        """The number of pairs of a neuron with itself that are left out."""
        return self.last - self.first

    @property
    def n_pairs(self) -> int:
        """The number of pairs that may be connected."""
        return self.n_pre * self.n_post - self.n_excluded

    @property
    def smallest(self) -> int:
        """The number of targets that every source can choose from."""
        return self.n_post - (1 if self.n_excluded else 0)

    def sizes(self) -> np.ndarray:
        """The number of targets that each source can choose from."""
        sizes = np.full(self.n_pre, self.n_post, np.int64)
        sizes[self.first : self.last] -= 1
        return sizes

    def blocks(self, starts: np.ndarray, lo: int, hi: int):
        """Consecutive rows with one pool size, about `BLOCK` edges, and less than 2^32 pairs: `(lo, hi, size)`."""
        most = max(1, (2**32 - 1) // self.n_post)
        for cut_lo, cut_hi, less in ((0, self.first, 0), (self.first, self.last, 1), (self.last, self.n_pre, 0)):
            row, end = max(lo, cut_lo), min(hi, cut_hi)
            while row < end:
                full = int(np.searchsorted(starts, starts[row] + BLOCK, side="right")) - 1
                stop = min(max(full, row + 1), end, row + most)
                yield row, stop, self.n_post - less
                row = stop

    def move_up(self, choices: np.ndarray, lo: int, counts: np.ndarray) -> None:
        """Turns choices of rows from `lo` on into targets, in place."""
        if self.first <= lo < self.last:
            own = np.arange(lo + self.shift, lo + self.shift + len(counts), dtype=choices.dtype)
            choices += choices >= np.repeat(own, counts)


@dataclasses.dataclass(frozen=True, eq=False)
class Independent(Rows):
    """Every edge of a row draws its target independently."""

    address: Address
    stream: int
    pool: Pool
    counts: np.ndarray
    order = None

    def _fill(self, lo, hi, out):
        begin = self.starts[lo]
        for a, b, size in self.pool.blocks(self.starts, lo, hi):
            for first in range(self.starts[a], self.starts[b], BLOCK):
                last = min(first + BLOCK, int(self.starts[b]))
                out[first - begin : last - begin] = bounded(words(self.address, numbers(first, last), self.stream), size)
            self.pool.move_up(out[self.starts[a] - begin : self.starts[b] - begin], a, self.counts[a:b])


@dataclasses.dataclass(frozen=True, eq=False)
class Distinct(Rows):
    """The targets of a row are a uniformly drawn subset, in ascending order.

    Each row draws candidates, keeps what is new and draws again for what is missing. Renaming the targets commutes with
    this, so all subsets of a size are equally likely. Rows that want more than half draw what they leave out.
    """

    address: Address
    stream: int
    pool: Pool
    counts: np.ndarray
    order = None

    @functools.cached_property
    def _drawn(self) -> np.ndarray:
        """First draw of each row: a row draws its targets or its gaps, whichever are fewer."""
        return starts_of(np.minimum(self.counts, self.pool.sizes() - self.counts))

    def _fill(self, lo, hi, out):
        begin = self.starts[lo]
        for a, b, size in self.pool.blocks(self.starts, lo, hi):
            if self.starts[b] == self.starts[a]:
                continue
            counts, drawn = self.counts[a:b], self._drawn[a : b + 1]
            keys = distinct_keys(self.address, self.stream, drawn, size)
            if drawn[-1] - drawn[0] == self.starts[b] - self.starts[a]:
                rows = np.repeat(np.arange(b - a, dtype=np.uint32) * np.uint32(size), counts)
                choices = (keys - rows).view(np.int32)
            else:
                choices = _with_gaps(keys, counts, size)
            self.pool.move_up(choices, a, counts)
            out[self.starts[a] - begin : self.starts[b] - begin] = choices


def _with_gaps(keys: np.ndarray, counts: np.ndarray, size: int) -> np.ndarray:
    chosen = np.zeros((len(counts), size), bool)
    chosen.reshape(-1)[keys] = True
    chosen[counts > size - counts] ^= True
    return (np.flatnonzero(chosen) % size).astype(np.int32)


def distinct_keys(addr: Address, stream: int, starts: np.ndarray, size: int) -> np.ndarray:
    """Sorted distinct `row * size + choice` (uint32), as many per row as `starts` tells; round `r` draws from `stream + r`."""
    n_rows = len(starts) - 1
    keys = bounded(words(addr, numbers(starts[0], starts[-1]), stream), size).view(np.uint32)
    keys += np.repeat(np.arange(n_rows, dtype=np.uint32) * np.uint32(size), np.diff(starts))
    known: _Marks | _Sorted = _Marks.of(keys, n_rows, size) if len(keys) * _DENSE > n_rows * size else _Sorted.of(keys, size)
    missing = known.missing(starts)
    while missing.size:
        stream += 1
        slot = np.arange(len(missing)) - np.searchsorted(missing, missing)
        tries = bounded(words(addr, starts[missing] + slot, stream), size).view(np.uint32) + missing * np.uint32(size)
        tries.sort()
        seen = known.has(tries)
        seen[1:] |= tries[1:] == tries[:-1]
        missing = tries[seen] // np.uint32(size)
        known.add(tries[~seen])
    return known.keys()


_DENSE = 6  # sets with more than one in so many are kept as marks, others as sorted keys; both give the same sets


@dataclasses.dataclass(eq=False)
class _Sorted:
    """A growing set of keys, sorted; what comes later is kept apart, because it is little."""

    first: np.ndarray
    later: np.ndarray
    lost: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray, size: int) -> "_Sorted":
        keys.sort()
        twice = keys[1:] == keys[:-1]
        lost = keys[1:][twice] // np.uint32(size)
        first = np.concatenate([keys[:1], keys[1:][~twice]]) if lost.size else keys
        return cls(first, keys[:0], lost)

    def missing(self, starts: np.ndarray) -> np.ndarray:
        """The row of every edge that is still to be drawn, ascending."""
        return self.lost

    def has(self, keys: np.ndarray) -> np.ndarray:
        return is_in(keys, self.first) | is_in(keys, self.later)

    def add(self, keys: np.ndarray) -> None:
        self.later = np.sort(np.concatenate([self.later, keys]))

    def keys(self) -> np.ndarray:
        return np.sort(np.concatenate([self.first, self.later])) if self.later.size else self.first


@dataclasses.dataclass(eq=False)
class _Marks:
    """A growing set of keys as one mark for each possible key."""

    marks: np.ndarray
    size: int

    @classmethod
    def of(cls, keys: np.ndarray, n_rows: int, size: int) -> "_Marks":
        marks = np.zeros(n_rows * size, bool)
        marks[keys] = True
        return cls(marks, size)

    def missing(self, starts: np.ndarray) -> np.ndarray:
        """The row of every edge that is still to be drawn, ascending."""
        lost = np.diff(starts) - np.count_nonzero(self.marks.reshape(-1, self.size), axis=1)
        return np.repeat(np.arange(len(lost), dtype=np.uint32), lost)

    def has(self, keys: np.ndarray) -> np.ndarray:
        return self.marks[keys]

    def add(self, keys: np.ndarray) -> None:
        self.marks[keys] = True

    def keys(self) -> np.ndarray:
        return np.flatnonzero(self.marks).astype(np.uint32)


def is_in(wanted: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Which of the wanted are in a sorted table."""
    if not table.size:
        return np.zeros(len(wanted), bool)
    return table[np.minimum(np.searchsorted(table, wanted), len(table) - 1)] == wanted


@dataclasses.dataclass(frozen=True, eq=False)
class Stored(Rows):
    """Targets kept in memory, four bytes an edge."""

    counts: np.ndarray
    stored: np.ndarray
    order: np.ndarray | None = None

    def _fill(self, lo, hi, out):
        out[:] = self.stored[self.starts[lo] : self.starts[hi]]


def transposed(columns: Rows, n_pre: int) -> Stored:
    """Rows of targets from rows of sources: the edges sorted by source, then target."""
    n_post = len(columns.counts)
    narrow = n_pre * n_post <= 1 << 32
    keys = np.empty(columns.n_edges, np.uint32 if narrow else np.uint64)
    row, starts = 0, columns.starts
    while row < n_post:
        stop = min(n_post, max(row + 1, int(np.searchsorted(starts, starts[row] + BLOCK, side="right")) - 1))
        sources = columns.targets(row, stop).astype(keys.dtype)
        post = np.repeat(np.arange(row, stop, dtype=keys.dtype), columns.counts[row:stop])
        keys[starts[row] : starts[stop]] = sources * keys.dtype.type(n_post) + post
        row = stop
    keys.sort()
    return from_keys(keys, n_pre, n_post)


def from_keys(keys: np.ndarray, n_pre: int, n_post: int) -> Stored:
    """Rows of targets from sorted keys `source * n_post + target`."""
    firsts = np.arange(1, n_pre, dtype=np.uint64) * np.uint64(n_post)
    cuts = np.searchsorted(keys, firsts.astype(keys.dtype))
    counts = np.diff(cuts, prepend=0, append=len(keys)).astype(np.int64)[:n_pre]
    stored = np.empty(len(keys), np.int32)
    starts = starts_of(counts)
    row = 0
    while row < n_pre:
        stop = min(n_pre, max(row + 1, int(np.searchsorted(starts, starts[row] + BLOCK, side="right")) - 1))
        base = np.repeat(np.arange(row, stop, dtype=keys.dtype) * keys.dtype.type(n_post), counts[row:stop])
        np.subtract(keys[starts[row] : starts[stop]], base, out=stored[starts[row] : starts[stop]], casting="unsafe")
        row = stop
    return Stored(counts, stored)
