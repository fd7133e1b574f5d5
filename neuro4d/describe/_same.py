"""Whether two objects are the same to the last bit."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import brainunit as u
import jax
import numpy as np

from neuro4d.lattice import Box, Mask
from neuro4d.network import GapJunctions, Network, Population, Projection, TrainableDelays

_SLOTTED = (Population, Projection, GapJunctions, Network, TrainableDelays)


def differences(a: Any, b: Any, where: str) -> Iterator[str]:
    """Where two objects differ."""
    if isinstance(a, np.ndarray | jax.Array) and isinstance(b, np.ndarray | jax.Array):
        a, b = np.asarray(a), np.asarray(b)
        if (a.dtype, a.shape) != (b.dtype, b.shape) or a.tobytes() != b.tobytes():
            yield where
    elif type(a) is not type(b):
        yield where
    elif isinstance(a, u.Quantity):
        if a.unit != b.unit:
            yield where
        yield from differences(a.mantissa, b.mantissa, where)
    elif isinstance(a, tuple | list):
        if len(a) != len(b):
            yield where
        for i, (x, y) in enumerate(zip(a, b, strict=False)):
            yield from differences(x, y, f"{where}[{i}]")
    elif isinstance(a, dict):
        if list(a) != list(b):
            yield where
        for key in set(a) & set(b):
            yield from differences(a[key], b[key], f"{where}[{key!r}]")
    elif isinstance(a, _SLOTTED):
        for name in type(a).__slots__:
            yield from differences(getattr(a, name), getattr(b, name), f"{where}.{name}")
    elif dataclasses.is_dataclass(a) and not isinstance(a, Box | Mask):
        for field in dataclasses.fields(a):
            yield from differences(getattr(a, field.name), getattr(b, field.name), f"{where}.{field.name}")
    elif isinstance(a, float):
        if np.float64(a).tobytes() != np.float64(b).tobytes():
            yield where
    elif a != b:
        yield where
