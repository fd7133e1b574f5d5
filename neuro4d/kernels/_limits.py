"""What the compiled handlers serve at most. `src/` says the same; the numbers are compared when the handlers are loaded."""

from typing import NamedTuple

BATCH_AXES = 6
"""`vmap`s around one call."""

PORTS = 64
"""Receptors of a group."""


class Limits(NamedTuple):
    """What a native call serves at most."""

    ports: int
    batch_axes: int


def native_limits() -> Limits:
    """The limits of the native kernels.

    !!! Example

        >>> from neuro4d.kernels import native_limits
        >>> native_limits().ports
        64
    """
    return Limits(PORTS, BATCH_AXES)
