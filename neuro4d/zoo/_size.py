"""Numbers of neurons at a scale."""

import math


def scaled_size(n: int, scale: float, network: str) -> int:
    """`n` times `scale`, rounded; at least 1.

    **Raises:** `TypeError` if the scale is not a number, `ValueError` unless it is positive and finite.
    """
    if isinstance(scale, bool) or not isinstance(scale, int | float):
        raise TypeError(f"{network}: `scale` is a number, for example `scale=0.5`; got {scale!r}.")
    if not (scale > 0 and math.isfinite(scale)):
        raise ValueError(f"{network}: `scale` must be positive, for example `scale=0.5`; got {scale}.")
    size = round(n * scale)
    if size < 1:
        raise ValueError(f"{network}: with `scale={scale}` a population of {n} has no neuron left; use at least `scale={1 / n:.2g}`.")
    return size


def sparse(p: float, scale: float, network: str) -> float:
    """The connection probability that keeps the in-degree at another number of neurons.

    **Raises:** `ValueError` if it would be more than 1.
    """
    if not p <= scale:
        raise ValueError(f"{network}: below `scale={p}` there are fewer neurons than synapses per neuron; got `scale={scale}`.")
    return p / scale
