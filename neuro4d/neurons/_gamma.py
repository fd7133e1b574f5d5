"""Neurons whose intervals are drawn from the gamma distribution."""

import functools
import math
from typing import Any, ClassVar, NamedTuple

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Float, UInt32

from neuro4d._base import NUMBER, AbstractValue, first_bad, quantity, strip, uniform_jax, upper_half, words_jax
from neuro4d.neurons._base import AbstractNeuron, Fired

_PLACE, _PART, _START = 1, 2, 3
"""What a word is mixed with for the first spike: its place in an interval, which part of it, and the interval. The next interval takes the word."""

_NEVER = 1e30
"""An interval in steps that no run reaches."""

_BITS = 8
"""Of the logarithm of a probability that choose a place in the table: with 256 places in each octave a number is right to 5e-5 of itself for a
shape of 0.1, to 1e-5 from 0.5 on."""


class GammaNeuronState(NamedTuple):
    """`left`: steps to the next spike, a fraction; `begun`: 0 before the first step, then 1."""

    left: Float[Array, "n"]
    begun: Float[Array, "n"]


class GammaNeuronConstants(NamedTuple):
    """The mean of the gamma part of an interval (steps), the dead time (steps), and its share of the mean interval."""

    mean: Float[Array, "*n"]
    dead: Float[Array, "*n"]
    share: Float[Array, "*n"]


class GammaNeuron(AbstractNeuron):
    r"""A neuron that fires by itself, whatever it receives, at intervals that are independent and drawn from the gamma distribution:

    $$ I = t_\mathrm{ref} + G, \qquad G \sim \mathrm{Gamma}(k), \qquad \langle I \rangle = 1/r, \qquad
    \mathrm{CV} = (1 - r\,t_\mathrm{ref})/\sqrt{k} $$

    A source of renewal spike trains that projections can start from. With `shape=1` and a dead time it is the Poisson process with dead
    time, of the given rate in all; `PoissonNeuron` is the same with the rate between dead times. A shape above 1 is more regular than
    Poisson, one below 1 comes in bursts.

    Intervals are drawn in continuous time, each by inversion of one random word, and a spike is stamped at the end of its step, so that no
    rounding adds up. A neuron fires at most once in a step; a second spike in a step waits for the next, and none is lost.

    **Arguments:**

    - `rate`: of the whole train, 0 or more; at most one spike in a step on average. A scalar, one entry per neuron, or a distribution. [1/time]
    - `shape`: $k$, from 0.1 to 1000, one number for all neurons.
    - `t_ref`: dead time after each spike, 0 or more, less than the mean interval; it need not be a multiple of the time step. As `rate`. [time]
    - `stationary`: whether the train is in equilibrium from the first step on, as if it had begun long ago (a *stationary* renewal process).
      `False` begins with a spike of each neuron at time 0, which is not in the train (an *ordinary* renewal process).

    **Variables:** `left`: steps to the next spike; `begun`: 0 before the first step, in which the first spike is drawn.

    **Raises:** `UnitError`, `ValueError` as for every part; `ValueError` where the dead time leaves no room for an interval.

    **Source:** Cox, *Renewal Theory* (1962). NEST's `gamma_sup_generator` and `ppd_sup_generator` are sums of such trains.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> regular = n4.Population("regular", 100, n4.GammaNeuron(rate=20*u.Hz, shape=4))
        >>> dead_time = n4.Population("dead time", 100, n4.GammaNeuron(rate=20*u.Hz, shape=1, t_ref=2*u.ms))
    """

    rate: Float[Array, "*n"] = quantity(u.kHz, low=0)
    shape: float = eqx.field(static=True, kw_only=True, converter=lambda k: _check_shape(k))
    t_ref: Float[Array, "*n"] = quantity(u.ms, low=0, default=0 * u.ms)
    stationary: bool = eqx.field(static=True, default=True)

    random: ClassVar = True
    inherits: ClassVar = False
    accepts: ClassVar = frozenset()
    variables: ClassVar = {"left": NUMBER, "begun": NUMBER}

    def __check_init__(self):
        if not isinstance(self.stationary, bool):
            raise TypeError(f"GammaNeuron.stationary is True or False; got {self.stationary!r}.")
        if not any(isinstance(x, AbstractValue) for x in (self.rate, self.t_ref)):
            _check_room(self.rate, self.t_ref)

    def check(self, dt):
        _check_room(self.rate, self.t_ref)
        rate = np.asarray(self.rate, np.float64)
        bad = ~(rate * dt <= 1)
        if np.any(bad):
            raise ValueError(
                f"GammaNeuron.rate: at most one spike per step on average, so at most {1e3 / dt:g} Hz with dt = {dt} ms; "
                f"got {np.max(rate) * 1e3:g} Hz{first_bad(bad)}. Use a smaller dt, for example `rate=20*u.Hz`."
            )

    def membrane(self):
        return None

    def constants(self, dt):
        silent = self.rate == 0
        whole = jnp.where(silent, _NEVER, 1 / (dt * jnp.where(silent, 1, self.rate)))
        dead = self.t_ref / dt
        return GammaNeuronConstants(whole - dead, dead, dead / whole)

    def rest(self):
        return {"left": 0.0, "begun": 0.0}

    def init(self, values):
        return GammaNeuronState(values["left"], values["begun"])

    def step(self, constants, state, drive, words):  # type: ignore[override]
        del drive
        c = constants
        new = state.begun < 0.5
        left = jax.lax.cond(jnp.any(new), lambda x: jnp.where(new, self._first(c, words, x.dtype), x), lambda x: x, state.left) - 1
        fired = left <= 0
        later = left + (c.dead + _on_grid(c.mean * _gamma(self.shape, 0, words, left.dtype)))
        return GammaNeuronState(jnp.where(fired, later, left), jnp.ones_like(left)), Fired(fired, -left)

    def _first(self, c: GammaNeuronConstants, words: UInt32[Array, "n"], dtype: Any) -> Float[Array, "n"]:
        """Steps from the beginning to the first spike."""
        place, part, word = (words_jax(words, jnp.uint32(purpose), jnp.zeros_like(words)) for purpose in (_PLACE, _PART, _START))
        interval = c.dead + _on_grid(c.mean * _gamma(self.shape, 0, word, dtype))
        if not self.stationary:
            return interval
        # A moment picks intervals in proportion to their length and lies anywhere in the one that it has picked. Of t + G, the t picks with its
        # share of the mean and leaves G as it is; G picks with the rest, and G in proportion to its length has the shape k + 1.
        longer = c.dead + _on_grid(c.mean * _gamma(self.shape, 1, word, dtype))
        kind = np.dtype(dtype).type
        return _on_grid(uniform_jax(place, kind) * jnp.where(uniform_jax(part, kind) < c.share, interval, longer))


def _check_shape(k: Any) -> float:
    array = strip(k, NUMBER, "GammaNeuron.shape")
    if array.ndim:
        raise TypeError(
            f"GammaNeuron.shape is one number for all neurons, for example `shape=4`; got the shape {array.shape}. Use a population for each."
        )
    if not 0.1 <= array <= 1000:
        raise ValueError(f"GammaNeuron.shape must lie between 0.1 and 1000, for example `shape=4`; got {array}.")
    return float(array)


def _check_room(rate: Any, t_ref: Any) -> None:
    used = np.asarray(rate, np.float64) * np.asarray(t_ref, np.float64)
    if np.any(used >= 1):
        raise ValueError(
            f"GammaNeuron.t_ref must be shorter than the mean interval 1/rate; got a dead time of {np.max(used):.6g} mean intervals"
            f"{first_bad(used >= 1)}. For example `rate=20*u.Hz, t_ref=2*u.ms`."
        )


@jax.custom_jvp
def _on_grid(steps: Float[Array, "n"]) -> Float[Array, "n"]:
    """To the nearest 1/1024 of a step. A product that is rounded before it is added cannot be contracted with the sum, to other bits in one
    program than in the next: so a lane of a batch is the single run."""
    return jnp.round(steps * 1024) * (1 / 1024)


_on_grid.defjvps(lambda tangent, answer, steps: tangent)


def _gamma(shape: float, more: int, words: UInt32[Array, "n"], dtype: Any) -> Float[Array, "n"]:
    """Numbers of the gamma distribution of `shape + more`, in means of that of `shape`, by inversion of the words.

    The distance `t` of a word from the nearer end of its range goes through a table by its octave and the bits below; between places of the table
    integers are interpolated, so that the same word gives the same number in every program.
    """
    table, unit = _quantiles(shape, more)
    upper = words >= jnp.uint32(1 << 31)
    t = jnp.where(upper, ~words, words) + 1
    zeros = jax.lax.clz(t)
    bits = t << zeros
    place = ((31 - zeros) << _BITS) + ((bits >> (31 - _BITS)) & jnp.uint32((1 << _BITS) - 1))
    at = jnp.where(upper, place + jnp.uint32(table.shape[0] // 2), place).astype(jnp.int32)
    here, after = jnp.asarray(table)[at], jnp.asarray(table)[at + 1]
    step = upper_half(jnp.where(upper, here - after, after - here), bits << (_BITS + 1))
    return jnp.where(upper, here - step, here + step).astype(dtype) * np.dtype(dtype).type(unit)


@functools.lru_cache(maxsize=64)
def _quantiles(shape: float, more: int) -> tuple[np.ndarray, float]:
    """Quantiles as whole numbers of a unit: first those of small probabilities, ascending, then those of large ones, descending."""
    place = np.arange((31 << _BITS) + 2)
    t = np.minimum(2.0 ** (place >> _BITS) * (1 + (place & ((1 << _BITS) - 1)) / (1 << _BITS)), 2.0**31)
    chance = (t - 0.5) * 2.0**-32
    values = np.concatenate([scipy.special.gammaincinv(shape + more, chance), scipy.special.gammainccinv(shape + more, chance)]) / shape
    unit = 2.0 ** (math.ceil(math.log2(values.max())) - 31)
    table = np.rint(values / unit).astype(np.uint32)
    table.setflags(write=False)
    return table, unit
