"""Single numbers of rules, checked."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from neuro4d._base import attach, example, strip


def number(x: Any, unit: Any, where: str, least: float | None = None, above: float | None = None) -> float:
    """One finite number in a unit, at least `least`, or more than `above`.

    **Raises:** `UnitError` for another unit, `ValueError` for a value out of range; both name the argument.
    """
    value = strip(x, unit, where)
    bad = value.ndim or not np.isfinite(value) or (least is not None and not value >= least) or (above is not None and not value > above)
    if bad:
        wanted = f"one number, at least {least:g}" if least is not None else "one finite number"
        wanted = f"one number, more than {above:g}" if above is not None else wanted
        raise ValueError(f"{where} is {wanted}, for example `{example(unit)}`; got {attach(value, unit)}.")
    return float(value)


def kept(time: Any, tau: float) -> Any:
    """What a time, a number or an array, leaves of something that decays with a time constant; nothing where that is 0."""
    if tau == 0:
        return 0.0
    return math.exp(-time / tau) if isinstance(time, int | float) else jnp.exp(-time / tau)
