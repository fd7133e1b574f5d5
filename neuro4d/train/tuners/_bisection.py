"""The factor at which a rising function meets a target."""

from collections.abc import Callable

LOW, HIGH = 1e-3, 1e4
"""Factors of a threshold beyond which nothing is looked for."""


def meet(measure: Callable[[float], float], target: float, start: float, tolerance: float, where: str) -> float:
    """A factor at which `measure`, which rises with it, lies within `tolerance` of the target.

    The bracket grows from `start`; inside, a secant step that falls near an end gives way to the middle.

    **Raises:** `ValueError` where the target lies outside the range of `measure`, or where it jumps over the target by more than 0.005.
    """
    start = min(max(start, LOW), HIGH)
    value = measure(start)
    if abs(value - target) <= tolerance:
        return start
    low, high, f_low, f_high = _bracket(measure, target, start, value, where)
    best = min(((abs(f_low - target), low), (abs(f_high - target), high)))
    while best[0] > tolerance and high - low > 1e-5 * high:
        share = min(max((target - f_low) / (f_high - f_low), 0.1), 0.9) if f_high > f_low else 0.5
        middle = low + share * (high - low)
        value = measure(middle)
        best = min(best, (abs(value - target), middle))
        if value < target:
            low, f_low = middle, value
        else:
            high, f_high = middle, value
    if best[0] > 0.005:
        raise ValueError(
            f"{where}: the share of silent steps jumps from {f_low:.4f} to {f_high:.4f} when the threshold passes {best[1]:.6g} times what it was, "
            f"over the target {target:g}. Many neurons are driven alike; take more calibration data, or a target on one side of the jump."
        )
    return best[1]


def _bracket(measure: Callable[[float], float], target: float, start: float, value: float, where: str) -> tuple[float, float, float, float]:
    """Two factors with the target between, and what is measured there."""
    factor, upwards = start, value < target
    step = 1.1
    while True:
        further = min(max(factor * step if upwards else factor / step, LOW), HIGH)
        found = measure(further)
        if (found >= target) if upwards else (found <= target):
            return (factor, further, value, found) if upwards else (further, factor, found, value)
        if further in (LOW, HIGH):
            raise ValueError(
                f"{where}: a sparsity of {target:g} is out of reach: it is {found:.4f} with the threshold at {further:g} times what it was. "
                + ("A lower target works." if upwards else f"A target above {found:.4f} works.")
            )
        factor, value, step = further, found, step**1.5
