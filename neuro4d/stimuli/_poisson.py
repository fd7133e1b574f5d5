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

from neuro4d._base import (
    AbstractPart,
    AbstractValue,
    Address,
    UnitError,
    address,
    as_value,
    check_name,
    check_quantity,
    internal_unit,
    quantity,
    steps_of,
    words_jax,
)
from neuro4d.stimuli._base import AbstractSource, AbstractStimulus, Share, drawn
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
        where = f"Poisson {name!r}: rate"
        self.rate = rate if isinstance(rate, RateSteps) else check_quantity(rate, u.kHz, where, low=0)
        where = f"Poisson {name!r}: weight"
        if not isinstance(weight, u.Quantity | AbstractValue):
            raise UnitError(
                f"{where}: expected a quantity in the unit of the receptor, for example `87.8 * u.pA`; got the bare value {weight!r}."
            )
        self.weight = weight if isinstance(weight, AbstractValue) else as_value(weight, internal_unit(weight, where), where)

    def bind(self, binding, weight_unit):
        where = f"Poisson {self.name!r}: rate"
        weight = drawn(self.weight, binding, f"Poisson {self.name!r}: weight", weight_unit)
        if not isinstance(self.rate, RateSteps):
            return Share(_check_mean(drawn(self.rate, binding, where) * binding.dt, where, binding.dt), weight)
        means = _check_mean(self.rate.samples * binding.dt, where, binding.dt)
        hold = int(steps_of(self.rate.every, binding.dt, f"Poisson {self.name!r}: every"))
        length = table_length(float(means.max()))
        return PoissonWave(jnp.asarray(means, binding.dtype), jnp.asarray(weight, binding.dtype), binding.n, hold, length)


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


class PoissonBank(eqx.Module):
    """All constant Poisson inputs of one port of one group: every segment of neurons has a mean and a weight.

    **Fields:** `mean` spikes per step and `weight` of each segment, `a0` and `b0` its address by name, each `(S,)`. `n`: neurons of the
    group. `parts`: first neuron, neurons, first segment and segments (one, or one per neuron) of each stimulus, ascending.
    """

    mean: Float[Array, " s"]
    weight: Float[Array, " s"]
    a0: UInt32[Array, " s"]
    b0: UInt32[Array, " s"]
    n: int = eqx.field(static=True)
    length: int = eqx.field(static=True)
    parts: tuple[tuple[int, int, int, int], ...] = eqx.field(static=True)

    def table(self) -> UInt32[Array, "s j"]:
        """The thresholds of every segment, computed once per run."""
        return thresholds(self.mean, self.length)

    def emit(self, table: UInt32[Array, "s j"], a: UInt32[Array, " s"], b: UInt32[Array, " s"]) -> Float[Array, " n"]:
        """Arrivals, from the thresholds and the addresses of the segments in this step. Part by part, so that thresholds stay scalars."""
        done, pieces = 0, []
        for first, size, segment, count in self.parts:
            if first > done:
                pieces.append(jnp.zeros(first - done, self.weight.dtype))
            word = words_jax(a[segment], b[segment], jnp.arange(size, dtype=jnp.uint32))
            of = segment if count == 1 else slice(segment, segment + count)
            pieces.append(count_above(word, table[of].T).astype(self.weight.dtype) * self.weight[of])
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

    means: Float[Array, " t"]
    weight: Float[Array, "*n"]
    n: int = eqx.field(static=True)
    hold: int = eqx.field(static=True)
    length: int = eqx.field(static=True)

    def emit(self, now):
        index = now.elapsed // jnp.uint32(self.hold)
        last = self.means.shape[0] - 1
        mean = jnp.where(index > last, 0, self.means[jnp.minimum(index, jnp.uint32(last)).astype(jnp.int32)])
        word = words_jax(now.a, now.b, jnp.arange(self.n, dtype=jnp.uint32))
        return count_above(word, thresholds(mean, self.length)).astype(self.weight.dtype) * self.weight
