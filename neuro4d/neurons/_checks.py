"""What several neurons check about their parameters."""

from typing import Any

import numpy as np

from neuro4d._base import AbstractValue, first_bad


def check_above(owner: str, upper: tuple[str, Any], lower: tuple[str, Any], line: str) -> None:
    """Refuses a level that does not lie above another one; what is drawn later is not looked at.

    **Arguments:** `upper`, `lower`: name and value in mV; `line`: arguments that work.
    """
    (high_name, high), (low_name, low) = upper, lower
    if isinstance(high, AbstractValue) or isinstance(low, AbstractValue):
        return
    bad = ~(np.asarray(high) > np.asarray(low))
    if np.any(bad):
        raise ValueError(
            f"{owner}: {high_name} must lie above {low_name}; got {high_name}={high} mV, {low_name}={low} mV{first_bad(bad)}. "
            f"For example `{line}`."
        )
