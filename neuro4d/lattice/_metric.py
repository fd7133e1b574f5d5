"""Distances in any number of axes, some of them periodic."""

import numpy as np
from jaxtyping import Float


def displacement(
    a: Float[np.ndarray, "*n axes"], b: Float[np.ndarray, "*n axes"], period: Float[np.ndarray, "axes"] | None = None
) -> Float[np.ndarray, "*n axes"]:
    r"""What leads from `b` to `a`; along a periodic axis the shorter way round, $\Delta_a - L_a\,\mathrm{round}(\Delta_a / L_a)$.

    **Arguments:** positions (they broadcast against each other), and the period of every axis: NaN where an axis is not
    periodic, `None` where none is.
    """
    delta = a - b
    if period is not None:
        for axis in np.flatnonzero(np.isfinite(period)):
            along = delta[..., axis]
            along -= period[axis] * np.rint(along / period[axis])
    return delta


def square_distance(
    a: Float[np.ndarray, "*n axes"], b: Float[np.ndarray, "*n axes"], period: Float[np.ndarray, "axes"] | None = None
) -> Float[np.ndarray, "*n"]:
    r"""Squared Euclidean distance; along a periodic axis the shorter way round counts.

    $$ d^2 = \sum_a \left(\Delta_a - L_a\,\mathrm{round}(\Delta_a / L_a)\right)^2 $$

    **Arguments:** as for `displacement`.
    """
    delta = displacement(a, b, period)
    return np.einsum("...i,...i->...", delta, delta)


def distance(
    a: Float[np.ndarray, "*n axes"], b: Float[np.ndarray, "*n axes"], period: Float[np.ndarray, "axes"] | None = None
) -> Float[np.ndarray, "*n"]:
    """Euclidean distance; along a periodic axis the shorter way round counts.

    **Arguments:** positions (they broadcast against each other), and the period of every axis: NaN where an axis is not
    periodic, `None` where none is.

    !!! Example

        >>> import numpy as np
        >>> from neuro4d.lattice import distance
        >>> float(distance(np.array([0.0, 0.0]), np.array([9.0, 0.0]), period=np.array([10.0, np.nan])))
        1.0
    """
    return np.sqrt(square_distance(a, b, period))
