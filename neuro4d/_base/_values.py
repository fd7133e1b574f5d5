"""Values that differ between edges or neurons: constants, distributions, arrays.

A distribution turns one random word into one number, so that a draw belongs to its edge or neuron and to nothing else.
"""

import abc
import functools
import math
from statistics import NormalDist
from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from neuro4d._base._errors import UnitError, first_bad
from neuro4d._base._random import uniform, uniform_jax
from neuro4d._base._units import COHERENT, NUMBER, attach, example, strip

SIX_SIGMA = 6.34  # the range of `standard_normal`: no draw lies outside


class AbstractValue(eqx.Module):
    """A number for each edge or neuron, made from one 32-bit random word each."""

    unit: eqx.AbstractVar[Any]

    @abc.abstractmethod
    def draw(self, words: UInt32[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Host-side draws in the internal unit."""

    @abc.abstractmethod
    def draw_jax(self, words: UInt32[Array, "n"], dtype) -> Float[Array, "n"]:
        """Draws inside a compiled function, in the internal unit."""

    @abc.abstractmethod
    def bounds(self) -> tuple[float, float]:
        """An interval that holds (practically) all draws: hard limits, or six standard deviations."""


def internal_unit(x: Any, where: str = "value") -> Any:
    """The internal unit with the dimension of a quantity."""
    if not isinstance(x, u.Quantity):
        return NUMBER
    unit = u.get_unit(x)
    for candidate in COHERENT:
        if unit.dim == candidate.dim:
            return candidate
    if unit.dim == NUMBER.dim:
        return NUMBER
    raise UnitError(f"{where}: neuro4d knows time, voltage, current, conductance, capacitance, rate, length and concentration; got {x} with unit {unit}.")


def check_value(value: AbstractValue, unit: Any, where: str) -> AbstractValue:
    """The value, if its unit is the one that is wanted."""
    if value.unit != unit:
        raise UnitError(f"{where}: expected a value in {unit}, for example `{example(unit)}`; got {type(value).__name__} in {value.unit}.")
    return value


@functools.cache
def _normal_table() -> np.ndarray:
    """Normal quantiles at tail probabilities m * 2^e: 256 cells an octave, from 2^-33 to 2^-1."""
    inverse = NormalDist().inv_cdf
    edges = [inverse((1 + i / 256) * 2.0**e / 2**32) for e in range(-1, 31) for i in range(256)]
    return np.array([*edges, 0.0])


def standard_normal(words: UInt32[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Standard normal draws, one per word, by the tabulated inverse of the distribution function.

    Only integer operations, one product and one sum: the result is the same on every platform. The interpolation error is
    below 2e-6, the range is +-6.3 standard deviations.
    """
    z = np.empty(words.shape)
    for lo in range(0, words.size, _PIECE):
        z[lo : lo + _PIECE] = _normal_piece(words[lo : lo + _PIECE])
    return z


_PIECE = 1 << 13  # pieces whose intermediates stay in cache


def _normal_piece(words: np.ndarray) -> np.ndarray:
    table = _normal_table()
    upper = (words >> 31).astype(bool)
    tail = np.where(upper, ~words, words).astype(np.float64)
    tail += 0.5
    bits = tail.view(np.int64)
    cell = bits >> 44
    cell -= (1023 - 1) << 8
    bits &= (1 << 44) - 1
    fraction = bits.astype(np.float64)
    fraction *= 2.0**-44
    left = table[cell]
    fraction *= table[cell + 1] - left
    left += fraction
    np.negative(left, out=left, where=upper)
    return left


def _squeeze(words: np.ndarray, low: float, high: float) -> np.ndarray:
    """Words mapped into the part of the unit interval between two probabilities: truncation without rejection."""
    first = min(int(low * 2**32), 2**32 - 1)
    span = max(min(int(high * 2**32), 2**32) - first, 1)
    wide = words.astype(np.uint64) * np.uint64(span)
    return (first + (wide >> np.uint64(32))).astype(np.uint32)


class Constant(AbstractValue):
    """The same number everywhere. A plain quantity means the same where a value is expected.

    **Arguments:** `value`: one quantity.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.Constant(20 * u.pA).bounds()
        (20.0, 20.0)
    """

    value: float = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    def __init__(self, value):
        self.unit = internal_unit(value)
        self.value = float(_scalar(value, self.unit, "Constant.value"))

    @classmethod
    def of_bare(cls, value: float, unit: Any) -> "Constant":
        """From a number that is checked and in an internal unit already."""
        made = object.__new__(cls)
        object.__setattr__(made, "value", float(value))
        object.__setattr__(made, "unit", unit)
        return made

    def draw(self, words):
        return np.full(len(words), self.value)

    def draw_jax(self, words, dtype):
        return jnp.full(words.shape, self.value, dtype)

    def bounds(self):
        return self.value, self.value


class Given(AbstractValue):
    """An array written by the user: one number per edge (in the user's order) or neuron."""

    values: np.ndarray
    unit: Any = eqx.field(static=True)

    def __init__(self, values):
        self.unit = internal_unit(values)
        self.values = strip(values, self.unit, "array of values")
        if not np.isfinite(self.values).all():
            at = int(np.argwhere(~np.isfinite(self.values))[0, 0])
            raise ValueError(f"array of values: all must be finite; entry {at} is {self.values.reshape(-1)[at]}.")

    @classmethod
    def of_bare(cls, values: np.ndarray, unit: Any) -> "Given":
        """From an array that is checked and in an internal unit already."""
        made = object.__new__(cls)
        object.__setattr__(made, "values", values)
        object.__setattr__(made, "unit", unit)
        return made

    def draw(self, words):
        return self.values

    def draw_jax(self, words, dtype):
        return jnp.asarray(self.values, dtype)

    def bounds(self):
        return (float(self.values.min()), float(self.values.max())) if self.values.size else (0.0, 0.0)


class Normal(AbstractValue):
    r"""Normally distributed values, optionally kept inside `[low, high]`.

    Outside values are redrawn (the default; the result is the truncated normal distribution, drawn without rejection by
    restricting the probability) or, with `clip=True`, set to the nearest limit.

    **Arguments:** `mean`, `sd` (0 or more), `low`, `high`: quantities of one dimension.

    **Raises:** `UnitError` for a missing or different unit; `ValueError` if `sd < 0`, if `low >= high`, or if nearly nothing is
    left between the limits.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.Normal(1.5 * u.ms, 0.75 * u.ms, low=0.1 * u.ms)
        Normal(1.5 ms, 0.75 ms, low=0.1 ms)
    """

    mean: float = eqx.field(static=True)
    sd: float = eqx.field(static=True)
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    clip: bool = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    def __init__(self, mean, sd, *, low=None, high=None, clip=False):
        self.unit = internal_unit(mean, "Normal.mean")
        self.mean = _scalar(mean, self.unit, "Normal.mean")
        self.sd = _at_least_zero(_scalar(sd, self.unit, "Normal.sd"), "Normal.sd")
        self.low, self.high = _limits(low, high, self.unit, "Normal")
        self.clip = bool(clip)
        if not clip:
            _check_mass(self, *self._probabilities())

    def _probabilities(self) -> tuple[float, float]:
        if self.sd == 0:
            return float(self.low > self.mean), float(self.high >= self.mean)
        normal = NormalDist(self.mean, self.sd)
        return normal.cdf(self.low), normal.cdf(self.high)

    def draw(self, words):
        if not self.clip and (math.isfinite(self.low) or math.isfinite(self.high)):
            words = _squeeze(words, *self._probabilities())
        return np.clip(self.mean + self.sd * standard_normal(words), self.low, self.high)

    def draw_jax(self, words, dtype):
        probability = uniform_jax(words, dtype)
        if not self.clip:
            low, high = self._probabilities()
            probability = low + (high - low) * probability
        return jnp.clip(self.mean + self.sd * jax.scipy.special.ndtri(probability), self.low, self.high).astype(dtype)

    def bounds(self):
        return max(self.low, self.mean - SIX_SIGMA * self.sd), min(self.high, self.mean + SIX_SIGMA * self.sd)

    def __repr__(self):
        return _describe(self, mean=self.mean, sd=self.sd)


class LogNormal(AbstractValue):
    r"""Log-normally distributed values with the given mean and standard deviation (of the values, not of their logarithms).

    $$ x = \exp(\mu + \sigma z),\quad \sigma^2 = \ln(1 + s^2/m^2),\quad \mu = \ln m - \sigma^2/2 $$

    **Arguments:** `mean` (positive), `sd`, `low`, `high`, `clip`: as in `Normal`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.LogNormal(1.5 * u.ms, 0.75 * u.ms)
        LogNormal(1.5 ms, 0.75 ms)
    """

    mean: float = eqx.field(static=True)
    sd: float = eqx.field(static=True)
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    clip: bool = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    def __init__(self, mean, sd, *, low=None, high=None, clip=False):
        self.unit = internal_unit(mean, "LogNormal.mean")
        self.mean = _scalar(mean, self.unit, "LogNormal.mean")
        if not self.mean > 0:
            raise ValueError(f"LogNormal.mean must be more than 0; got {attach(self.mean, self.unit)}.")
        self.sd = _at_least_zero(_scalar(sd, self.unit, "LogNormal.sd"), "LogNormal.sd")
        self.low, self.high = _limits(low, high, self.unit, "LogNormal")
        self.clip = bool(clip)
        if not clip:
            _check_mass(self, *self._probabilities())

    def _log(self) -> tuple[float, float]:
        variance = math.log1p((self.sd / self.mean) ** 2)
        return math.log(self.mean) - variance / 2, math.sqrt(variance)

    def _probabilities(self) -> tuple[float, float]:
        mu, sigma = self._log()
        if sigma == 0:
            return float(self.low > self.mean), float(self.high >= self.mean)
        normal = NormalDist(mu, sigma)
        low = normal.cdf(math.log(self.low)) if self.low > 0 else 0.0
        high = normal.cdf(math.log(self.high)) if self.high > 0 else 0.0
        return low, high

    def draw(self, words):
        mu, sigma = self._log()
        if not self.clip:
            words = _squeeze(words, *self._probabilities())
        return np.clip(np.exp(mu + sigma * standard_normal(words)), self.low, self.high)

    def draw_jax(self, words, dtype):
        mu, sigma = self._log()
        probability = uniform_jax(words, dtype)
        if not self.clip:
            low, high = self._probabilities()
            probability = low + (high - low) * probability
        return jnp.clip(jnp.exp(mu + sigma * jax.scipy.special.ndtri(probability)), self.low, self.high).astype(dtype)

    def bounds(self):
        mu, sigma = self._log()
        return max(self.low, math.exp(mu - SIX_SIGMA * sigma)), min(self.high, math.exp(mu + SIX_SIGMA * sigma))

    def __repr__(self):
        return _describe(self, mean=self.mean, sd=self.sd)


class Uniform(AbstractValue):
    """Values uniform in `[low, high)`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.Uniform(-60 * u.mV, -50 * u.mV)
        Uniform(-60 mV, -50 mV)
    """

    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    def __init__(self, low, high):
        self.unit = internal_unit(low, "Uniform.low")
        self.low = _scalar(low, self.unit, "Uniform.low")
        self.high = _scalar(high, self.unit, "Uniform.high")
        if not self.low < self.high:
            raise ValueError(
                f"Uniform: low must lie below high; got low={attach(self.low, self.unit)}, high={attach(self.high, self.unit)}."
            )

    def draw(self, words):
        return self.low + (self.high - self.low) * uniform(words)

    def draw_jax(self, words, dtype):
        return (self.low + (self.high - self.low) * uniform_jax(words, dtype)).astype(dtype)

    def bounds(self):
        return self.low, self.high

    def __repr__(self):
        return f"Uniform({_text(self.low, self.unit)}, {_text(self.high, self.unit)})"


def as_value(x: Any, unit: Any, where: str) -> AbstractValue:
    """What a user may write for a value (quantity, array, distribution), as a value in the wanted unit.

    **Raises:** `UnitError` if the unit is missing or has another dimension; `ValueError` if something is not finite.
    """
    if isinstance(x, AbstractValue):
        return check_value(x, unit, where)
    array = strip(x, unit, where)
    bad = ~np.isfinite(array)
    if np.any(bad):
        value = np.atleast_1d(array)[np.atleast_1d(bad)][0]
        raise ValueError(f"{where} must be finite; got {attach(value, unit)}{first_bad(bad)}. For example `{example(unit)}`.")
    return Constant.of_bare(float(array), unit) if array.ndim == 0 else Given.of_bare(array, unit)


def _scalar(x, unit, where) -> float:
    array = strip(x, unit, where)
    if array.ndim:
        raise ValueError(f"{where} is one number; got an array of shape {array.shape}. Write a per-edge array directly as the value.")
    if not np.isfinite(array):
        raise ValueError(f"{where} must be finite; got {x}.")
    return float(array)


def _at_least_zero(x: float, where: str) -> float:
    if not x >= 0:
        raise ValueError(f"{where} must be at least 0; got {x}.")
    return x


def _limits(low, high, unit, name) -> tuple[float, float]:
    below = -math.inf if low is None else _scalar(low, unit, f"{name}.low")
    above = math.inf if high is None else _scalar(high, unit, f"{name}.high")
    if not below < above:
        raise ValueError(f"{name}: low must lie below high; got low={low}, high={high}.")
    return below, above


def _check_mass(value, low: float, high: float) -> None:
    if high - low < 1e-4:
        raise ValueError(
            f"{value}: less than one draw in 10,000 would lie between the limits. Move the limits, or use `clip=True` to set outside values to the nearest limit."
        )


def _text(x: float, unit: Any) -> str:
    return f"{x:g}" if unit == NUMBER else f"{x:g} {unit}"


def _describe(value, **parts: float) -> str:
    shown = [_text(x, value.unit) for x in parts.values()]
    shown += [f"low={_text(value.low, value.unit)}"] if math.isfinite(value.low) else []
    shown += [f"high={_text(value.high, value.unit)}"] if math.isfinite(value.high) else []
    shown += ["clip=True"] if value.clip else []
    return f"{type(value).__name__}({', '.join(shown)})"
