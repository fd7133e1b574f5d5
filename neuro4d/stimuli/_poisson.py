r"""Poisson spike trains, independent for every neuron.

The number of spikes in a step comes from one random word $w$ by table inversion: it is the number of $j$ with
$w \ge 2^{32}\,(1 - P(N > j))$.
"""

import math
from collections.abc import Sequence
from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, UInt32

from neuro4d._base import AbstractPart, Address, address, check_name, check_quantity, quantity, steps_of, strip, words_jax
from neuro4d.stimuli._base import AbstractSource, AbstractStimulus, Target
from neuro4d.stimuli._thresholds import thresholds

LARGEST_MEAN = 64.0


class RateSteps(AbstractPart):
    """A rate that changes in time: `samples` (T,), each held for `every`; 0 after the last. [1/time], [time]

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> burst = n4.RateSteps(samples=np.array([0.0, 120.0, 0.0])*u.Hz, every=10*u.ms)
    """

    samples: Float[np.ndarray, " t"] = quantity(u.kHz, low=0)
    every: Float[np.ndarray, ""] = quantity(u.ms, low=0, open_low=True)

    def __check_init__(self):
        if self.samples.ndim != 1 or not self.samples.size:
            raise ValueError(f"RateSteps: samples have shape (T,); got {self.samples.shape}.")


class Poisson(AbstractStimulus):
    """Independent Poisson spikes into every neuron of the target.

    Several spikes may fall into one step; their number is drawn from the Poisson distribution.

    **Arguments:**

    - `name`, `target`: as for every stimulus.
    - `port`: the receptor that receives.
    - `rate`: 0 or more; a scalar, one entry per neuron, a distribution, or `RateSteps`. The mean number of spikes in one step
      may be at most 64. [1/time]
    - `weight`: one number in the unit of the receptor.

    **Raises:** `UnitError`, `ValueError` for a negative rate, a rate that is not finite or too large for the step.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> cells = n4.Population("cells", 10, n4.Relay(), {"in": n4.Delta()})
        >>> noise = n4.Poisson("noise", cells, "in", rate=20*u.Hz, weight=1*u.mV)
    """

    name: str = eqx.field(static=True)
    target: Any = eqx.field(static=True)
    port: str = eqx.field(static=True)
    rate: Any
    weight: Any

    def __init__(self, name, target, port, *, rate, weight):
        self.name, self.target, self.port = check_name(name, "stimulus"), target, port
        where = f"Poisson {name!r}: rate"
        self.rate = rate if isinstance(rate, RateSteps) else check_quantity(rate, u.kHz, where, low=0)
        self.weight = weight

    def scalar_weight(self, unit) -> float:
        """The weight as a bare number in the receptor's unit."""
        weight = strip(self.weight, unit, f"Poisson {self.name!r}: weight")
        if weight.ndim or not np.isfinite(weight):
            raise ValueError(f"Poisson {self.name!r}: weight is one finite number, for example `87.8*u.pA`; got {self.weight}.")
        return float(weight)

    def means(self, target: Target) -> np.ndarray:
        """Mean number of spikes per step and neuron: a scalar or `(n,)`."""
        where = f"Poisson {self.name!r}: rate"
        rate = target.draw(self.rate, where)
        if rate.ndim and rate.shape != (target.n,):
            raise ValueError(f"{where} must be a scalar or have shape ({target.n},), one entry per neuron; got shape {rate.shape}.")
        return _check_mean(rate * target.dt, where, target.dt)

    def bind(self, target, weight_unit):
        weight = self.scalar_weight(weight_unit)
        if not isinstance(self.rate, RateSteps):
            return bank([(0, target.n, self.name, self.means(target), weight)], target.n, target.dtype)
        means = _check_mean(self.rate.samples * target.dt, f"Poisson {self.name!r}: rate", target.dt)
        hold = int(steps_of(self.rate.every, target.dt, f"Poisson {self.name!r}: every"))
        length = table_length(float(means.max()))
        return PoissonWave(jnp.asarray(means, target.dtype), jnp.asarray(weight, target.dtype), target.n, hold, length)


def _check_mean(mean: np.ndarray, where: str, dt: float) -> np.ndarray:
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


class PoissonBank(AbstractSource):
    """All constant-rate Poisson inputs of one port of one group: every segment of neurons has a mean and a weight.

    **Fields:** `mean` `(S + 1,)` spikes per step and `weight` `(S + 1,)` of each segment; the last is silent. `segment` `(n,)` which
    one a neuron belongs to, `local` `(n,)` its index in the target it was declared for. `a0`, `b0`: addresses by name. `parts`: first neuron, neurons, first
    segment and segments of each stimulus, ascending.
    """

    mean: Float[Array, " s"]
    weight: Float[Array, " s"]
    segment: Int32[Array, " n"]
    local: UInt32[Array, " n"]
    a0: UInt32[Array, " s"]
    b0: UInt32[Array, " s"]
    length: int = eqx.field(static=True)
    parts: tuple[tuple[int, int, int, int], ...] = eqx.field(static=True)

    def table(self) -> UInt32[Array, "s j"]:
        """The thresholds of every segment, computed once per run."""
        return thresholds(self.mean, self.length)

    def emit(self, now):
        raise TypeError("a PoissonBank emits with its own addresses: call `emit_bank`.")

    def emit_bank(self, table: UInt32[Array, "s j"], a: UInt32[Array, " s"], b: UInt32[Array, " s"]) -> Float[Array, " n"]:
        """Arrivals, from the thresholds and the addresses of the segments in this step. Part by part, so that thresholds stay scalars."""
        n, done, pieces = self.segment.shape[0], 0, []
        for first, size, segment, count in self.parts:
            if first > done:
                pieces.append(jnp.zeros(first - done, self.weight.dtype))
            word = words_jax(a[segment], b[segment], jnp.arange(size, dtype=jnp.uint32))
            rows = table[segment] if count == 1 else table[segment : segment + count].T
            pieces.append(count_above(word, rows).astype(self.weight.dtype) * self.weight[segment])
            done = first + size
        if done < n:
            pieces.append(jnp.zeros(n - done, self.weight.dtype))
        return pieces[0] if len(pieces) == 1 else jnp.concatenate(pieces)


def bank(parts: Sequence[tuple[int, int, str, np.ndarray, float]], n: int, dtype) -> PoissonBank:
    """One bank from parts `(first neuron, neurons, name, mean, weight)`; a mean per neuron takes one segment each."""
    means: list[float] = []
    weights: list[float] = []
    entities: list[Address] = []
    ranges = []
    segment, local = np.full(n, -1, np.int64), np.zeros(n, np.uint32)
    for first, size, name, mean, weight in sorted(parts, key=lambda part: part[0]):
        count = size if mean.ndim else 1
        segment[first : first + size] = len(means) + (np.arange(size) if mean.ndim else 0)
        local[first : first + size] = np.arange(size)
        ranges.append((first, size, len(means), count))
        entities += [address(0, "poisson", name)] * count
        means += np.broadcast_to(mean, (count,)).tolist()
        weights += [weight] * count
    silent = len(means)
    words = np.array([*entities, (0, 0)], np.uint64)
    return PoissonBank(
        jnp.asarray([*means, 0.0], dtype),
        jnp.asarray([*weights, 0.0], dtype),
        jnp.asarray(np.where(segment < 0, silent, segment), jnp.int32),
        jnp.asarray(local),
        jnp.asarray(words[:, 0], jnp.uint32),
        jnp.asarray(words[:, 1], jnp.uint32),
        table_length(max(means)),
        tuple(ranges),
    )


class PoissonWave(AbstractSource):
    """Poisson input whose mean changes in time."""

    means: Float[Array, " t"]
    weight: Float[Array, ""]
    n: int = eqx.field(static=True)
    hold: int = eqx.field(static=True)
    length: int = eqx.field(static=True)

    def emit(self, now):
        index = now.elapsed // jnp.uint32(self.hold)
        last = self.means.shape[0] - 1
        mean = jnp.where(index > last, 0, self.means[jnp.minimum(index, jnp.uint32(last)).astype(jnp.int32)])
        word = words_jax(now.a, now.b, jnp.arange(self.n, dtype=jnp.uint32))
        return count_above(word, thresholds(mean, self.length)).astype(self.weight.dtype) * self.weight
