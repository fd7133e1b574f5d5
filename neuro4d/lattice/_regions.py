"""Shapes of areas: boxes of coordinates and masks."""

import abc
import hashlib
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from neuro4d._base import check_count, did_you_mean


class AbstractRegion(abc.ABC):
    """A set of sites, described without knowing the lattice."""

    @abc.abstractmethod
    def check(self, shape: tuple[int, ...], axes: tuple[str, ...], what: str) -> None:
        """Raises where the region does not fit a lattice."""

    @abc.abstractmethod
    def count(self, shape: tuple[int, ...], axes: tuple[str, ...]) -> int:
        """The number of its sites."""

    @abc.abstractmethod
    def pieces(self, shape: tuple[int, ...], axes: tuple[str, ...]):
        """Its sites as arrays of site numbers (first axis fastest), piece by piece."""

    @abc.abstractmethod
    def holds(self, sites: Int[np.ndarray, "n axes"], axes: tuple[str, ...]) -> Bool[np.ndarray, "n"]:
        """Which sites belong to it."""


_PIECE = 1 << 18


class Box(AbstractRegion):
    """All sites with coordinates in the given ranges, both ends included. An axis that is not named is taken whole.

    **Raises:** `TypeError` for anything but pairs of whole numbers, `ValueError` for a negative or reversed range. Whether the
    axis exists and the range fits is checked by the `Lattice`.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.Box(x=(0, 9), w=(0, 2))
        Box(x=(0, 9), w=(0, 2))
    """

    __slots__ = ("ranges",)
    ranges: tuple[tuple[str, int, int], ...]

    def __init__(self, **ranges: tuple[int, int]):
        object.__setattr__(self, "ranges", tuple((axis, *_check_ends(axis, ends)) for axis, ends in ranges.items()))

    def __setattr__(self, name, value):
        raise AttributeError(f"a Box cannot be changed; write a new one, for example `Box(x=(0, 9))` (tried to set {name!r}).")

    def __repr__(self):
        return f"Box({', '.join(f'{axis}=({lo}, {hi})' for axis, lo, hi in self.ranges)})"

    def __eq__(self, other):
        return isinstance(other, Box) and sorted(self.ranges) == sorted(other.ranges)

    def __hash__(self):
        return hash(tuple(sorted(self.ranges)))

    def check(self, shape, axes, what):
        for axis, lo, hi in self.ranges:
            if axis not in axes:
                raise ValueError(f"{what}: {self} names the axis {axis!r}; the lattice has {', '.join(axes)}.{did_you_mean(axis, axes)}")
            last = shape[axes.index(axis)] - 1
            if hi > last:
                raise ValueError(
                    f"{what}: {axis}=({lo}, {hi}) reaches outside the lattice, whose {axis} goes from 0 to {last} (both ends count)."
                )

    def _limits(self, shape, axes) -> list[tuple[int, int]]:
        named = {axis: (lo, hi) for axis, lo, hi in self.ranges}
        return [named.get(axis, (0, n - 1)) for axis, n in zip(axes, shape, strict=True)]

    def count(self, shape, axes):
        total = 1
        for lo, hi in self._limits(shape, axes):
            total *= hi - lo + 1
        return total

    def pieces(self, shape, axes):
        # Site numbers of a box are sums of one offset per axis: the first axes form a template that is moved along the others.
        inner, outer, stride = np.zeros(1, np.int64), np.zeros(1, np.int64), 1
        for (lo, hi), n in zip(self._limits(shape, axes), shape, strict=True):
            offsets = np.arange(lo, hi + 1, dtype=np.int64) * stride
            stride *= n
            if len(outer) == 1 and len(inner) * len(offsets) <= _PIECE:
                inner = (offsets[:, None] + inner).ravel()
            else:
                outer = (offsets[:, None] + outer).ravel()
        step = max(1, _PIECE // len(inner))
        for first in range(0, len(outer), step):
            yield (outer[first : first + step, None] + inner).ravel()

    def holds(self, sites, axes):
        inside = np.ones(len(sites), bool)
        for axis, lo, hi in self.ranges:
            along = sites[:, axes.index(axis)]
            inside &= (along >= lo) & (along <= hi)
        return inside


def _check_ends(axis: str, ends: Any) -> tuple[int, int]:
    if not isinstance(ends, tuple | list) or len(ends) != 2:
        raise TypeError(f"Box: {axis} is a pair of first and last coordinate, for example `Box({axis}=(0, 9))`; got {ends!r}.")
    lo = check_count(ends[0], f"Box: the first coordinate of {axis}", low=0)
    hi = check_count(ends[1], f"Box: the last coordinate of {axis}", low=0)
    if hi < lo:
        raise ValueError(f"Box: {axis}=({lo}, {hi}) ends before it begins; write the smaller coordinate first.")
    return lo, hi


class Mask(AbstractRegion):
    """The sites where a boolean array of the shape of the lattice is true.

    **Raises:** `TypeError` if the array is not boolean, `ValueError` if nothing in it is true. Its shape is checked by the `Lattice`.

    !!! Example

        >>> import numpy as np
        >>> import neuro4d as n4
        >>> n4.Mask(np.eye(5, dtype=bool))
        Mask(5 of 5 x 5 sites)
    """

    __slots__ = ("_digest", "sites")
    sites: np.ndarray
    _digest: bytes

    def __init__(self, sites: Bool[np.ndarray, "..."]):
        array = np.array(sites)
        if array.dtype != bool:
            raise TypeError(f"Mask: expected a boolean array, for example `Mask(np.ones((20, 20, 20, 20), bool))`; got {array.dtype}.")
        if not array.any():
            raise ValueError(f"Mask: an area needs at least one site; all {array.size} entries are false.")
        array.setflags(write=False)
        object.__setattr__(self, "sites", array)
        object.__setattr__(self, "_digest", hashlib.blake2b(array.tobytes(), digest_size=16).digest())

    def __setattr__(self, name, value):
        raise AttributeError(f"a Mask cannot be changed; make a new one from an array (tried to set {name!r}).")

    def __repr__(self):
        return f"Mask({np.count_nonzero(self.sites)} of {' x '.join(map(str, self.sites.shape))} sites)"

    def __eq__(self, other):
        return isinstance(other, Mask) and self.sites.shape == other.sites.shape and self._digest == other._digest

    def __hash__(self):
        return hash((self.sites.shape, self._digest))

    def check(self, shape, axes, what):
        if self.sites.shape != shape:
            raise ValueError(f"{what}: a mask has the shape of its lattice, {shape}; got {self.sites.shape}.")

    def count(self, shape, axes):
        return int(np.count_nonzero(self.sites))

    def pieces(self, shape, axes):
        yield np.flatnonzero(self.sites.ravel(order="F"))

    def holds(self, sites, axes):
        return self.sites[tuple(sites.T)]
