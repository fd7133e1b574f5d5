"""Checks of what a user writes about places."""

import math
from typing import Any

import numpy as np

from neuro4d._base import NUMBER, check_count, strip


def check_fraction(x: Any, where: str, line: str) -> float:
    """A number from 0 to 1, as a Python float.

    **Arguments:** the value, what the message calls it (`"FixedProb.p"`), and a line that works (`"FixedProb(0.1)"`).

    **Raises:** `TypeError` for anything but one real number, `ValueError` for NaN and for values outside `[0, 1]`.
    """
    array = strip(x, NUMBER, where)
    if array.ndim:
        raise TypeError(f"{where} is one number from 0 to 1, for example `{line}`; got an array of shape {array.shape}.")
    if not 0 <= array <= 1:
        raise ValueError(f"{where} must lie between 0 and 1, for example `{line}`; got {x}.")
    return float(array)


def check_shape(shape: Any) -> tuple[int, ...]:
    """Numbers of sites along the axes, each at least 1 and small enough for a 64-bit Morton code."""
    if isinstance(shape, str) or not isinstance(shape, tuple | list | np.ndarray):
        raise TypeError(
            f"Lattice.shape is a tuple of whole numbers, for example `Lattice((20, 20, 20, 20), spacing=50 * u.um)`; got {shape!r}."
        )
    if not 1 <= len(shape) <= 16:
        raise ValueError(f"Lattice.shape has 1 to 16 axes; got {len(shape)}: {shape!r}.")
    sizes = tuple(check_count(n, f"Lattice.shape[{axis}]") for axis, n in enumerate(shape))
    largest = 1 << min(64 // len(sizes), 31)
    for axis, n in enumerate(sizes):
        if n > largest:
            raise ValueError(f"Lattice.shape[{axis}]: a lattice of {len(sizes)} axes has at most {largest} sites along each; got {n}.")
    if math.prod(sizes) > 1 << 62:
        raise ValueError(f"Lattice.shape: at most 2**62 sites in all; got {shape!r}, which has {math.prod(sizes)}.")
    return sizes
