"""Numbers with a band: what is not known to three digits is not printed with three digits."""

from collections.abc import Iterable
from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import is_traced


class Interval(eqx.Module):
    """A number that is at least 0, with the lower and the upper end of its band; arrays or scalars, bare or with a unit.

    Sums, products and maxima of intervals are intervals: ends go with ends, since nothing here is below 0. So a band is as wide as if all
    its parts were wrong in the same direction, which is what shared sources and shared silicon suggest.

    **Arguments:** `value`; `low` and `high`: its band, `value` itself where nothing is said.

    **Raises:** `ValueError` for a band that does not contain its value, or reaches below 0; not inside of compiled functions, where numbers have no values yet.

    !!! Example

        >>> a = n4.hardware.Interval(2.0, 1.0, 4.0)
        >>> (a + 3) * a
        Interval(value=10.0, low=4.0, high=28.0)
    """

    __array_ufunc__ = None  # an array of NumPy on the left leaves the operation to the interval

    value: Any
    low: Any
    high: Any

    def __init__(self, value: Any, low: Any = None, high: Any = None):
        self.value = value
        self.low = value if low is None else low
        self.high = value if high is None else high

    def __check_init__(self) -> None:
        if is_traced((self.low, self.value, self.high)):
            return
        low, value, high = map(_bare, (self.low, self.value, self.high))
        if not (np.all(low >= 0) and np.all(low <= value) and np.all(value <= high)):
            raise ValueError(
                f"an interval has 0 <= low <= value <= high; got low={self.low}, value={self.value}, high={self.high}. "
                "For example `n4.hardware.Interval(23.6e-12, 20e-12, 35.5e-12)`."
            )

    def __add__(self, other: Any) -> "Interval":
        low, value, high = _ends(other)
        return Interval(self.value + value, self.low + low, self.high + high)

    def __mul__(self, other: Any) -> "Interval":
        low, value, high = _ends(other)
        return Interval(self.value * value, self.low * low, self.high * high)

    def __truediv__(self, other: Any) -> "Interval":
        low, value, high = _ends(other)
        return Interval(self.value / value, self.low / high, self.high / low)

    def __rtruediv__(self, other: Any) -> "Interval":
        low, value, high = _ends(other)
        return Interval(value / self.value, low / self.high, high / self.low)

    __radd__ = __add__
    __rmul__ = __mul__


def total(terms: Iterable[Any]) -> Interval:
    """The sum of intervals and numbers; 0 of none."""
    found = Interval(0.0)
    for term in terms:
        found = found + term
    return found


def largest(terms: Iterable[Any]) -> Interval:
    """The largest of intervals and numbers, end by end; 0 of none."""
    low = value = high = np.zeros(())
    for term in terms:
        a, b, c = _ends(term)
        low, value, high = larger(low, a), larger(value, b), larger(high, c)
    return Interval(value, low, high)


def larger(a: Any, b: Any) -> Any:
    """The larger of two numbers or arrays, by NumPy where neither is of JAX."""
    return (jnp if isinstance(a, jax.Array) or isinstance(b, jax.Array) else np).maximum(a, b)


def over(interval: Interval, reduce: Any) -> Interval:
    """An array of intervals reduced by a function that grows with each of its numbers, such as the largest or the mean."""
    return Interval(reduce(interval.value), reduce(interval.low), reduce(interval.high))


def _ends(x: Any) -> tuple[Any, Any, Any]:
    return (x.low, x.value, x.high) if isinstance(x, Interval) else (x, x, x)


def _bare(x: Any) -> np.ndarray:
    """A number without its unit."""
    return np.asarray(x.mantissa if isinstance(x, u.Quantity) else x, np.float64)
