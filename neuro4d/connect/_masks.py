"""Shapes around a neuron inside which it may connect."""

import abc

import numpy as np
from brainunit import um
from jaxtyping import Bool, Float

from neuro4d._base import AbstractPart, quantity

SLACK = 1 + 1e-9
"""A pair exactly at a border is inside, whatever the last bit of its position says."""


class AbstractMask(AbstractPart):
    """A set of displacements from source to target, in um; along periodic axes the shorter way round counts. Borders belong to it."""

    @abc.abstractmethod
    def reach(self, axes: int) -> float:
        """The radius of a ball that holds it in so many axes, um. Raises `ValueError` where it is of another number of axes."""

    def box(self, axes: int) -> Float[np.ndarray, "axes"] | None:
        """Half of each edge of a box that holds it, um, for masks that a ball holds badly; else `None`."""
        return None

    @abc.abstractmethod
    def holds(self, delta: Float[np.ndarray, "n axes"]) -> Bool[np.ndarray, "n"]:
        """Which displacements belong to it."""


class BallMask(AbstractMask):
    """All targets within a radius, in any number of axes: a disc on a layer, a ball in space.

    **Arguments:** `radius`, above 0. [length]

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> near = n4.Neighbours(n4.BallMask(100*u.um), p=0.3)
    """

    radius: Float[np.ndarray, ""] = quantity(um, low=0.0, open_low=True)

    def __check_init__(self):
        _one(self.radius, "BallMask.radius")

    def reach(self, axes):
        return float(self.radius) * SLACK

    def holds(self, delta):
        return np.einsum("...i,...i->...", delta, delta) <= (float(self.radius) * SLACK) ** 2


class RingMask(AbstractMask):
    """All targets between two distances: a ring on a layer, a shell in space.

    **Arguments:** `inner`, 0 or more, and `outer`, above it. [length]

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> surround = n4.Neighbours(n4.RingMask(inner=100*u.um, outer=250*u.um), p=0.2)
    """

    inner: Float[np.ndarray, ""] = quantity(um, low=0.0)
    outer: Float[np.ndarray, ""] = quantity(um, low=0.0, open_low=True)

    def __check_init__(self):
        _one(self.inner, "RingMask.inner")
        _one(self.outer, "RingMask.outer")
        if not self.inner < self.outer:
            raise ValueError(
                f"RingMask: inner lies below outer, for example `inner=100*u.um, outer=250*u.um`; got {self.inner} um and {self.outer} um."
            )

    def reach(self, axes):
        return float(self.outer) * SLACK

    def holds(self, delta):
        square = np.einsum("...i,...i->...", delta, delta)
        return (square >= (float(self.inner) / SLACK) ** 2) & (square <= (float(self.outer) * SLACK) ** 2)


class BoxMask(AbstractMask):
    """All targets that are no further than `half` along every axis: a box of twice that size around the neuron.

    **Arguments:** `half`, above 0, one length or one for each axis. [length]

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> column = n4.Neighbours(n4.BoxMask([50, 50, 1000, 50]*u.um))
    """

    half: Float[np.ndarray, "*axes"] = quantity(um, low=0.0, open_low=True)

    def __check_init__(self):
        _one_or_each(self.half, "BoxMask.half")

    def reach(self, axes):
        return float(np.linalg.norm(_each(self.half, axes, "BoxMask.half"))) * SLACK

    def box(self, axes):
        return _each(self.half, axes, "BoxMask.half") * SLACK

    def holds(self, delta):
        return (np.abs(delta) <= self.half * SLACK).all(axis=-1)


class EllipsoidMask(AbstractMask):
    r"""All targets inside an ellipsoid along the axes of the lattice, $\sum_a (\Delta_a/r_a)^2 \le 1$.

    **Arguments:** `radii`, above 0, one for each axis. [length]

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> along_x = n4.Neighbours(n4.EllipsoidMask([300, 100]*u.um))
    """

    radii: Float[np.ndarray, "axes"] = quantity(um, low=0.0, open_low=True)

    def __check_init__(self):
        if np.ndim(self.radii) != 1:
            raise ValueError(
                f"EllipsoidMask.radii has one length for each axis, for example `[300, 100]*u.um`; got the shape {np.shape(self.radii)}."
            )

    def reach(self, axes):
        return float(_each(self.radii, axes, "EllipsoidMask.radii").max()) * SLACK

    def box(self, axes):
        return _each(self.radii, axes, "EllipsoidMask.radii") * SLACK

    def holds(self, delta):
        scaled = delta / self.radii
        return np.einsum("...i,...i->...", scaled, scaled) <= SLACK**2


def _one(length: object, where: str) -> None:
    if not isinstance(length, np.ndarray) or length.ndim:
        raise TypeError(f"{where} is one length, for example `{where.split('.')[1]}=150 * u.um`; got {length!r}.")


def _one_or_each(length: object, where: str) -> None:
    if not isinstance(length, np.ndarray) or length.ndim > 1:
        raise TypeError(f"{where} is one length, or one for each axis, for example `{where.split('.')[1]}=150 * u.um`; got {length!r}.")


def _each(length: np.ndarray, axes: int, where: str) -> np.ndarray:
    """One length for each axis."""
    if length.ndim and len(length) != axes:
        raise ValueError(f"{where} has one length for each of the {axes} axes; got {len(length)}.")
    return np.broadcast_to(length, (axes,))
