"""Delays on the grid of steps, before an edge is drawn."""

from typing import Any

import brainunit as u
import numpy as np

from neuro4d._base import AbstractValue, Constant, Given, attach, steps_of
from neuro4d.network._projection import Projection


def check_delay(delay: AbstractValue, dt: float, name: str) -> tuple[int, int]:
    """The smallest and largest delay of a projection in steps.

    **Raises:** `ValueError` for a constant or an array off the grid, for an array that mixes 0 and longer delays, and for a
    distribution that reaches below half a step.
    """
    where = f"projection {name!r}: delay"
    if isinstance(delay, Constant):
        constant = int(steps_of(delay.value, dt, where))
        return constant, constant
    if isinstance(delay, Given):
        steps = steps_of(delay.values, dt, where)
        if not steps.size:
            return 1, 1
        low, high = int(steps.min()), int(steps.max())
        if low == 0 < high:
            raise ValueError(
                f"{where}: 0 holds for a whole projection or for none of it; entry {int(np.argmin(steps))} is 0. Use two projections."
            )
        return low, high
    shortest, longest = delay.bounds()
    if not shortest >= dt / 2:
        raise ValueError(
            f"{where}: {delay} reaches down to {attach(shortest, u.ms)}, below one step of {attach(dt, u.ms)}. "
            f"Give a lower limit, for example `low={dt}*u.ms`."
        )
    return max(int(np.rint(shortest / dt)), 1), max(int(np.rint(longest / dt)), 1)


def delay_range(projection: Projection, dt: float) -> tuple[int, int]:
    """The smallest and largest delay of a projection in steps; where they are trained, of those that it begins with."""
    if projection.trainable is not None:
        return projection.trainable.steps(dt, projection.name)
    return check_delay(projection.delay, dt, projection.name)


def distinct_delays(parts: list[tuple[AbstractValue, int, int]]) -> np.ndarray:
    """The delays of a pathway in steps, ascending: just those that occur if all are constant, else the whole range."""
    if all(isinstance(value, Constant) for value, _, _ in parts):
        return np.unique([max(low, 1) for _, low, _ in parts]).astype(np.int32)
    given: list[Any] = [low for _, low, _ in parts] + [high for _, _, high in parts]
    return np.arange(max(min(given), 1), max(max(given), 1) + 1, dtype=np.int32)
