"""Periods on the grid of time steps."""

import brainunit as u
import numpy as np

from neuro4d._base._errors import first_bad
from neuro4d._base._units import attach
from neuro4d._base._values import AbstractValue

GRID_TOLERANCE = 1e-4
"""How far from a whole number of steps a period may be, in steps: the width of float32 input, not of a user's intention."""


MOST_STEPS = 2**31 - 1
"""The longest period: step counts inside a model are 32-bit integers."""


def steps_of(period, dt: float, where: str, most: int = MOST_STEPS) -> np.ndarray:
    """A period in ms as a whole number of steps.

    **Raises:** `ValueError` if it is not a multiple of the time step, or longer than `most` steps.
    """
    if isinstance(period, AbstractValue):
        raise TypeError(f"{where}: a distribution has to be drawn before it can be put on the grid of steps.")
    exact = np.asarray(period, np.float64) / dt
    steps = np.rint(exact)
    bad = ~(np.abs(exact - steps) <= GRID_TOLERANCE)
    if np.any(bad):
        value = np.atleast_1d(np.asarray(period))[np.atleast_1d(bad)][0]
        near = max(round(float(value) / dt), 1) * dt
        raise ValueError(
            f"{where} must be a multiple of dt = {attach(dt, u.ms)}; got {attach(value, u.ms)}{first_bad(bad)}. "
            f"Nearest multiple: {near:.6g} * u.ms. Or choose a dt that divides it."
        )
    bad = ~(steps <= most)
    if np.any(bad):
        value = np.atleast_1d(np.asarray(period))[np.atleast_1d(bad)][0]
        raise ValueError(
            f"{where} must be at most {most} steps of dt = {attach(dt, u.ms)}, which is {most * dt:g} ms; "
            f"got {float(value):g} ms{first_bad(bad)}. Use a shorter one, or a larger dt."
        )
    return steps.astype(np.int64)


def per_second(count, ms: float):
    """Events per `ms` of time, as a bare number in Hz; `nan` where no time was observed."""
    return count * (1e3 / ms) if ms > 0 else count * np.nan
