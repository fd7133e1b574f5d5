r"""Poisson spike trains, independent for every neuron.

The number of spikes in a step comes from one random word $w$ by table inversion: it is the number of $j$ with
$w \ge 2^{32}\,(1 - P(N > j))$.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, UInt32

from neuro4d._base import AbstractPart, AbstractValue, Address, address, check_name, check_quantity, quantity, steps_of, words_jax
from neuro4d.stimuli._base import AbstractSource, AbstractStimulus, RateWave, Share, check_weight, drawn
from neuro4d.stimuli._movie import Movie
from neuro4d.stimuli._thresholds import thresholds

LARGEST_MEAN = 64.0


class RateSteps(AbstractPart):
    """A rate that changes in time: `samples` `(T,)`, or `(T, n)` with one column per neuron, each held for `every`; 0 after the last.
    [1/time], [time]

    `RateSteps.of` makes them from a function of time.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> burst = n4.RateSteps(samples=np.array([0.0, 120.0, 0.0])*u.Hz, every=10*u.ms)
    """

    samples: Float[np.ndarray, "t *n"] = quantity(u.kHz, low=0)
    every: Float[np.ndarray, ""] = quantity(u.ms, low=0, open_low=True)

    def __check_init__(self):
        if self.samples.ndim not in (1, 2) or not self.samples.size:
            raise ValueError(f"RateSteps: samples have shape (T,) or (T, n); got {self.samples.shape}.")

    @classmethod
    def of(cls, rate: Callable[[Any], Any], *, duration: Any, every: Any) -> "RateSteps":
        r"""The rate that a function of time gives, as its mean over each interval, so that the expected number of spikes is right in each.

        Means are by Gauss and Legendre with four places: exact where the rate is a polynomial of degree 7 within an interval, to $10^{-9}$
        where it is a sine of a tenth of a cycle.

        **Arguments:**

        - `rate`: takes times of shape `(m,)` as a quantity, counted from the start of the run, and gives rates of shape `(m,)`, or `(m, n)`
          with one column per neuron. It is called once, here, and need not be written in JAX.
        - `duration`: how long the rate lasts, a multiple of `every`; it is 0 after that. [time]
        - `every`: how long each mean is held. [time]

        **Raises:** `UnitError` for what is no rate, `ValueError` for a negative one or another shape.

        !!! Example

            >>> import brainunit as u, neuro4d as n4, numpy as np
            >>> def theta(t):
            ...     return (20 + 15*np.sin(2*np.pi*t.to_decimal(u.second)*8))*u.Hz
            >>> n4.RateSteps.of(theta, duration=1*u.second, every=5*u.ms).samples.shape
            (200,)
        """
        where = "RateSteps.of"
        whole, part = (
            float(check_quantity(x, u.ms, f"{where}: {name}", low=0, open_low=True))
            for name, x in (("duration", duration), ("every", every))
        )
        n = round(whole / part)
        if n < 1 or abs(whole / part - n) > 1e-6 * n:
            raise ValueError(
                f"{where}: duration is a multiple of every = {part:g} ms; got {whole:g} ms. For example `duration={max(n, 1) * part:g}*u.ms`."
            )
        places, weights = np.polynomial.legendre.leggauss(4)
        times = (np.arange(n)[:, None] + 0.5 * (1 + places)).reshape(-1) * part
        given = check_quantity(rate(times * u.ms), u.kHz, f"{where}: what the function gives", low=0)
        if given.ndim not in (1, 2) or len(given) != len(times):
            raise ValueError(
                f"{where}: the function gives one rate (or one row of rates) for each of {len(times)} times; got the shape {given.shape}."
            )
        means = np.einsum("q,tq...->t...", 0.5 * weights, given.reshape(n, 4, *given.shape[1:]))
        return cls(samples=means * u.kHz, every=part * u.ms)


class Poisson(AbstractStimulus):
    """Independent Poisson spikes into every neuron of the target.

    Several spikes may fall into one step; their number is drawn from the Poisson distribution.

    **Arguments:**

    - `name`, `target`: as for every stimulus.
    - `port`: the receptor that receives.
    - `rate`: 0 or more; a scalar, one entry per neuron, a distribution, `RateSteps`, or a `Movie`. The mean number of spikes in one step
      may be at most 64. [1/time]
    - `weight`: in the unit of the receptor; a scalar, one entry per neuron, or a distribution, drawn for every neuron in `build`.

    **Raises:** `UnitError`, `ValueError` for a negative rate, a rate or weight that is not finite, a rate too large for the step.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> cells = n4.Population("cells", 10, n4.Relay(), {"in": n4.Delta()})
        >>> noise = n4.Poisson("noise", cells, "in", rate=20*u.Hz, weight=1*u.mV)
    """

    name: str = eqx.field(static=True)
    target: Any = eqx.field(static=True)
    port: str = eqx.field(static=True)
    rate: Any
    weight: AbstractValue

    def __init__(self, name, target, port, *, rate, weight):
        self.name, self.target, self.port = check_name(name, "stimulus"), target, port
        self.rate = rate if isinstance(rate, RateSteps | Movie) else check_quantity(rate, u.kHz, f"Poisson {name!r}: rate", low=0)
        self.weight = check_weight(weight, f"Poisson {name!r}: weight")

    def bind(self, binding, weight_unit):
        where = f"Poisson {self.name!r}: rate"
        weight = drawn(self.weight, binding, f"Poisson {self.name!r}: weight", weight_unit)
        if not isinstance(self.rate, RateSteps | Movie):
            return Share(check_mean(drawn(self.rate, binding, where) * binding.dt, where, binding.dt), weight)
        samples = self.rate.samples if isinstance(self.rate, RateSteps) else self.rate.columns(binding, u.kHz, where, low=0)
        means = check_mean(samples * binding.dt, where, binding.dt)
        if means.ndim == 2 and means.shape[1] != binding.n:
            raise ValueError(f"{where}: samples must have shape (T,) or (T, {binding.n}); got {means.shape}.")
        hold = int(steps_of(self.rate.every, binding.dt, f"Poisson {self.name!r}: every"))
        length = table_length(float(means.max()))
        return PoissonWave(RateWave(jnp.asarray(means, binding.dtype), jnp.asarray(weight, binding.dtype), binding.n, hold, length))


def check_mean(mean: np.ndarray, where: str, dt: float) -> np.ndarray:
    """Means of spikes per step that thresholds can hold."""
    bad = ~(mean <= LARGEST_MEAN)
    if np.any(bad):
        raise ValueError(
            f"{where}: at most {LARGEST_MEAN:g} spikes per step on average, so at most {LARGEST_MEAN / dt * 1000:g} Hz with dt = {dt} ms; "
            f"got {np.max(mean) / dt * 1000:g} Hz. Use a smaller dt, or replace the input by its mean and `WhiteNoise`."
        )
    return mean


def table_length(mean: float) -> int:
    """How many thresholds hold all but 2^-32 of the distribution with twice the given mean, so that a rate can be doubled later."""
    mean = max(2 * mean, 0.05)
    term, total, j = math.exp(-mean), math.exp(-mean), 0
    while 1 - total > 2.0**-33 and j < 400:
        j += 1
        term *= mean / j
        total += term
        if term < 2.0**-36 and j > mean:
            break
    return -(-(j + 1) // 4) * 4


def count_above(word: UInt32[Array, "n"], table: UInt32[Array, "j *n"]) -> Int32[Array, "n"]:
    """How many thresholds a word reaches; a threshold of 0 stands for 2^32, which none reaches."""
    count = jnp.zeros(word.shape, jnp.int32)
    for row in table:
        count = count + ((word >= row) & (row != 0)).astype(jnp.int32)
    return count


class PoissonBank(eqx.Module):
    """All constant Poisson inputs of one port of one group: every segment of neurons has a mean and a weight.

    **Fields:** `mean` spikes per step and `weight` of each segment, `a0` and `b0` its address by name, each `(S,)`. `n`: neurons of the
    group. `parts`: first neuron, neurons, first segment and segments (one, or one per neuron) of each stimulus, ascending. `hold`: 0,
    or the steps for which each of several rows of means is in force; `mean` then has an axis of rows in front.
    """

    mean: Float[Array, " s"]
    weight: Float[Array, " s"]
    a0: UInt32[Array, " s"]
    b0: UInt32[Array, " s"]
    n: int = eqx.field(static=True)
    length: int = eqx.field(static=True)
    parts: tuple[tuple[int, int, int, int], ...] = eqx.field(static=True)
    hold: int = eqx.field(static=True, default=0)

    @property
    def each(self) -> bool:
        """Whether some neurons have a segment of their own: thresholds of neurons then lie side by side."""
        return any(count > 1 for *_, count in self.parts)

    def table(self) -> UInt32[Array, "*t x y"]:
        """The thresholds, computed once per run: `(S, J)`, or `(J, S)` where neurons have segments `each`; rows in front, if there are."""
        table = thresholds(self.mean, self.length)
        return jnp.swapaxes(table, -1, -2) if self.each else table

    def in_force(self, table: UInt32[Array, "*t x y"], elapsed: UInt32[Array, ""]) -> UInt32[Array, "x y"]:
        """The thresholds of a step; all 0, which no word reaches, after the last row."""
        if not self.hold:
            return table
        row, last = elapsed // jnp.uint32(self.hold), table.shape[0] - 1
        found = jax.lax.dynamic_index_in_dim(table, jnp.minimum(row, jnp.uint32(last)).astype(jnp.int32), 0, keepdims=False)
        return jnp.where(row > last, jnp.uint32(0), found)

    def emit(self, table: UInt32[Array, "x y"], a: UInt32[Array, " s"], b: UInt32[Array, " s"]) -> Float[Array, " n"]:
        """Arrivals, from the thresholds and the addresses of the segments in this step. Part by part, so that thresholds stay scalars."""
        done, pieces = 0, []
        for first, size, segment, count in self.parts:
            if first > done:
                pieces.append(jnp.zeros(first - done, self.weight.dtype))
            word = words_jax(a[segment], b[segment], jnp.arange(size, dtype=jnp.uint32))
            of = segment if count == 1 else slice(segment, segment + count)
            bounds = table[:, of] if self.each else table[of].T
            pieces.append(count_above(word, bounds).astype(self.weight.dtype) * self.weight[of])
            done = first + size
        if done < self.n:
            pieces.append(jnp.zeros(self.n - done, self.weight.dtype))
        return pieces[0] if len(pieces) == 1 else jnp.concatenate(pieces)


def bank(parts: Sequence[tuple[int, int, str, Share]], n: int, dtype) -> PoissonBank:
    """One bank from parts `(first neuron, neurons, name, share)`; a mean or a weight per neuron takes one segment each."""
    means: list[float] = []
    weights: list[float] = []
    entities: list[Address] = []
    ranges = []
    for first, size, name, share in sorted(parts, key=lambda part: part[0]):
        count = size if share.mean.ndim or share.weight.ndim else 1
        ranges.append((first, size, len(means), count))
        entities += [address(0, "poisson", name)] * count
        means += np.broadcast_to(share.mean, (count,)).tolist()
        weights += np.broadcast_to(share.weight, (count,)).tolist()
    words = np.array(entities, np.uint64)
    return PoissonBank(
        jnp.asarray(means, dtype),
        jnp.asarray(weights, dtype),
        jnp.asarray(words[:, 0], jnp.uint32),
        jnp.asarray(words[:, 1], jnp.uint32),
        n,
        table_length(max(means)),
        tuple(ranges),
    )


class PoissonWave(AbstractSource):
    """Poisson input whose mean changes in time."""

    wave: RateWave

    def waves(self):
        return self.wave

    def over(self, index, extent):
        wave = self.wave
        means = wave.means if wave.means.ndim > 1 else jnp.broadcast_to(wave.means[:, None], (wave.means.shape[0], wave.n))
        spread = jnp.zeros((means.shape[0], extent), means.dtype).at[:, index].set(means)
        weight = jnp.zeros(extent, wave.weight.dtype).at[index].set(wave.weight)
        return PoissonWave(RateWave(spread, weight, extent, wave.hold, wave.length))

    def emit(self, now):
        raise TypeError("Poisson input is not made step by step from its rates: the model draws from thresholds that are made once.")


def wave_bank(wave: RateWave, span: tuple[int, int], n: int, entity: Address) -> PoissonBank:
    """Input that changes in time, into the neurons `span = (first, number)` of a group of `n`, as a bank of its own; `entity`: its address."""
    count = wave.n if wave.means.ndim > 1 or wave.weight.ndim else 1
    means = jnp.broadcast_to(wave.means if wave.means.ndim > 1 else wave.means[:, None], (wave.means.shape[0], count))
    a0, b0 = (jnp.full(count, word, jnp.uint32) for word in entity)
    return PoissonBank(means, jnp.broadcast_to(wave.weight, (count,)), a0, b0, n, wave.length, ((*span, 0, count),), wave.hold)
