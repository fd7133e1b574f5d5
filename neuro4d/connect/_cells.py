"""Who is near whom: targets sorted into cells, so that a source looks only at the cells around it.

Allen, M. P. and Tildesley, D. J. (1987), Computer Simulation of Liquids, section 5.3.
"""

import dataclasses
import itertools
import math

import numpy as np

_PAIRS = 1 << 18


@dataclasses.dataclass(frozen=True, eq=False)
class CellList:
    """Targets by cell. Cells are counted with the last axis fastest, so that neighbours along it are one run of targets.

    Neighbours are those within `cutoff`; or, where `half` is given, those that are no further along any axis.
    """

    cutoff: float
    half: np.ndarray | None
    origin: np.ndarray
    edge: np.ndarray
    sizes: tuple[int, ...]
    periodic: np.ndarray
    reach: tuple[int, ...]
    begins: np.ndarray
    members: np.ndarray

    @classmethod
    def of(cls, xyz: np.ndarray, cutoff: float, period: np.ndarray | None, half: np.ndarray | None = None) -> "CellList":
        """Sorts targets into cells about half as wide as the cut-off, wider where there would be many more cells than targets."""
        n, n_axes = xyz.shape
        periodic = np.zeros(n_axes, bool) if period is None else np.isfinite(period)
        low = xyz.min(axis=0) if n else np.zeros(n_axes)
        span = (xyz.max(axis=0) - low) if n else np.zeros(n_axes)
        origin = np.where(periodic, 0.0, low)
        length = span if period is None else np.where(periodic, period, span)
        far = cutoff if half is None else half
        width = far * (1 + 1e-6) / (2 if n_axes <= 4 else 1)
        while True:
            sizes = np.maximum(1, np.floor(length / width)) + ~periodic
            if np.prod(sizes) <= max(4 * n, 1024) or np.all(sizes <= 2):
                break
            width = width * 1.5
        edge = np.where(periodic, length / sizes, width)
        counts = tuple(int(size) for size in sizes)
        reach = tuple(math.ceil(d / e) for d, e in zip(np.broadcast_to(far, n_axes), edge, strict=True))
        cells = _cell_numbers(_locate(xyz, origin, edge, counts, periodic)[0], counts)
        begins = np.zeros(math.prod(counts) + 1, np.int64)
        np.cumsum(np.bincount(cells, minlength=len(begins) - 1), out=begins[1:])
        return cls(cutoff, half, origin, edge, counts, periodic, reach, begins, np.argsort(cells, kind="stable"))

    @property
    def n_neighbours(self) -> int:
        """Runs of cells that a source looks at."""
        return math.prod(len(along) for along in self._along())

    def pairs(self, xyz: np.ndarray):
        """Numbers of candidate pairs, `source * n_targets + target`, in pieces of ascending sources."""
        offsets = np.array(list(itertools.product(*self._along())), np.int64).reshape(self.n_neighbours, -1)
        step = max(1, _PAIRS // (2 * len(offsets)))
        for first in range(0, len(xyz), step):
            begin, count = self._runs(xyz[first : first + step], offsets)
            ends = np.cumsum(count.sum(axis=1))
            row = 0
            while row < len(ends):
                done = ends[row - 1] if row else 0
                stop = max(row + 1, int(np.searchsorted(ends, done + _PAIRS, side="right")))
                yield self._expand(first + row, begin[row:stop], count[row:stop])
                row = stop

    def _along(self) -> list[range]:
        """Steps to neighbouring cells along each axis but the last, each cell once."""
        steps = []
        for size, reach, periodic in zip(self.sizes[:-1], self.reach, self.periodic, strict=False):
            whole = periodic and 2 * reach + 1 >= size
            steps.append(range(size) if whole else range(-reach, reach + 1))
        return steps

    def _runs(self, xyz: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First member and number of members of the runs around each source: two for each offset, the second for the wrap."""
        home, inside = _locate(xyz, self.origin, self.edge, self.sizes, self.periodic)
        cells = home[:, None, :-1] + offsets
        sizes = np.array(self.sizes[:-1], np.int64)
        gap = _gaps(offsets, inside[:, None, :-1], self.edge[:-1], np.where(self.periodic[:-1], sizes, np.inf))
        wrapped = self.periodic[:-1]
        cells[..., wrapped] %= sizes[wrapped]
        if self.half is None:
            left = self.cutoff**2 * (1 + 1e-9) - np.einsum("...i,...i->...", gap, gap)
        else:
            left = np.where((gap <= self.half[:-1] * (1 + 1e-9)).all(axis=-1), self.half[-1] ** 2 * (1 + 1e-9), -1.0)
        valid = ((cells >= 0) & (cells < sizes)).all(axis=-1) & (left >= 0)
        base = np.where(valid, _cell_numbers(cells, self.sizes[:-1]), 0) * self.sizes[-1]
        half = np.sqrt(np.maximum(left, 0)) * (1 + 1e-9) / self.edge[-1]
        at = (home[:, -1] + inside[:, -1] / self.edge[-1])[:, None]
        runs = []
        for low, high in self._along_last(np.floor(at - half).astype(np.int64), np.floor(at + half).astype(np.int64)):
            used = valid & (high >= low)
            begin = self.begins[np.where(used, base + low, 0)]
            runs.append((begin, np.where(used, self.begins[np.where(used, base + high + 1, 0)] - begin, 0)))
        return tuple(np.concatenate(parts, axis=1) for parts in zip(*runs, strict=True))  # type: ignore[return-value]

    def _along_last(self, low: np.ndarray, high: np.ndarray):
        """The range of cells along the last axis, cut at its ends, and the part that reappears at the other end."""
        size = self.sizes[-1]
        inner_low, inner_high = np.maximum(low, 0), np.minimum(high, size - 1)
        if not self.periodic[-1]:
            return [(inner_low, inner_high)]
        whole = high - low + 1 >= size
        first = np.where(whole, 0, inner_low), np.where(whole, size - 1, inner_high)
        below = (low < 0) & ~whole
        over = np.where(below, low + size, 0), np.where(below, size - 1, np.where(whole, -1, high - size))
        return [first, over]

    def _expand(self, first: int, begin: np.ndarray, count: np.ndarray) -> np.ndarray:
        sources = np.repeat(np.arange(first, first + len(begin)), count.sum(axis=1))
        count = count.reshape(-1)
        place = np.repeat(begin.reshape(-1) - (np.cumsum(count) - count), count) + np.arange(count.sum())
        return sources * len(self.members) + self.members[place]


@dataclasses.dataclass(frozen=True, eq=False)
class Crowds:
    """Consecutive targets in boxes around them: a lower bound for distances to many at once, sharp where targets are sorted in space."""

    centre: np.ndarray
    half: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, xyz: np.ndarray, n: int = 64) -> "Crowds":
        """Boxes around every `n` consecutive targets."""
        firsts = np.arange(0, len(xyz), n)
        low, high = np.minimum.reduceat(xyz, firsts, axis=0), np.maximum.reduceat(xyz, firsts, axis=0)
        return cls((low + high) / 2, (high - low) / 2, np.diff(firsts, append=len(xyz)))

    def nearest(self, xyz: np.ndarray, period: np.ndarray | None) -> np.ndarray:
        """Squares of the distances from places to boxes, shape `(places, boxes)`."""
        total = np.zeros((len(xyz), len(self.counts)))
        for axis in range(xyz.shape[1]):
            delta = xyz[:, axis, None] - self.centre[:, axis]
            if period is not None and np.isfinite(period[axis]):
                delta -= period[axis] * np.rint(delta / period[axis])
            np.abs(delta, out=delta)
            delta -= self.half[:, axis]
            np.maximum(delta, 0, out=delta)
            delta *= delta
            total += delta
        return total


def _locate(xyz, origin, edge, sizes, periodic) -> tuple[np.ndarray, np.ndarray]:
    """Cells, and places inside them. Along an axis that is not periodic, a far-off source has a cell outside the grid."""
    scaled = (xyz - origin) / edge
    limit = np.array(sizes, float)
    scaled = np.where(periodic, np.mod(scaled, limit), np.clip(scaled, -1e9, 1e9))
    cells = np.floor(scaled)
    inside = (scaled - cells) * edge
    cells = np.where(periodic & (cells >= limit), 0, cells)  # a place a rounding error below 0 is modulo the whole length
    return cells.astype(np.int64), inside


def _gaps(offsets, inside, edge, periods) -> np.ndarray:
    """Distance along each axis from a place inside its cell to the cell some steps away, the shorter way round."""
    centre = offsets + 0.5 - inside / edge
    with np.errstate(invalid="ignore"):
        around = np.where(np.isfinite(periods), periods * np.rint(centre / periods), 0.0)
    return np.maximum(np.abs(centre - around) - 0.5, 0.0) * edge


def _cell_numbers(cells: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    number = np.zeros(cells.shape[:-1], np.int64)
    for axis, size in enumerate(sizes):
        number = number * size + cells[..., axis]
    return number
