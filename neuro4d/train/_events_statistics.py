"""Statistics of spike times between grid points: numbers that move when spikes move."""

import abc
from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import check_count, check_name, check_quantity, lookup
from neuro4d.model import Model
from neuro4d.train._events import ARRIVALS, SpikeRun, spike_times
from neuro4d.train._statistic import AbstractStatistic


class AbstractSpikeStatistic(AbstractStatistic):
    """A number of a `SpikeRun`. Called with a model and a key, it makes the run; `EventBased` differentiates that.

    **Fields:** `population`: its name; `duration` of the run. [time]
    """

    population: eqx.AbstractVar[str]
    duration: eqx.AbstractVar[Any]
    max_spikes: eqx.AbstractVar[int]

    @abc.abstractmethod
    def of(self, run: SpikeRun, model: Model) -> Float[Array, ""]:
        """The number, bare."""

    @property
    def unit(self):
        return u.ms

    def __call__(self, model, key, arrivals=ARRIVALS):
        lookup(model.populations, self.population, "population")
        return self.of(spike_times(model, key, self.duration, self.max_spikes, arrivals=arrivals), model)


class FirstSpike(AbstractSpikeStatistic):
    """The time of the first spike, averaged over the neurons of a population: what a latency code is read from.

    A neuron without a spike counts with the whole duration, and has no share in a gradient.

    **Arguments:** `population`; `duration` of the run [time]. Bare it is in ms.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.train.FirstSpike("cells", 50*u.ms).unit
        Unit("ms")
    """

    population: str = eqx.field(static=True)
    duration: Any = eqx.field(static=True)
    max_spikes: int = eqx.field(static=True)

    def __init__(self, population: str, duration: Any):
        self.population, self.duration, self.max_spikes = check_name(population, "population"), _span("FirstSpike", duration), 1

    def of(self, run, model):
        return jnp.mean(_or(run.times[self.population][:, 0], self.duration.to_decimal(u.ms)))


class SpikeTime(AbstractSpikeStatistic):
    """The time of one spike of one neuron.

    Where there is no such spike it is the whole duration, without a gradient.

    **Arguments:** `population`; `neuron`: its index; `number`: which spike, from 0; `duration` of the run [time]. Bare it is in ms.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> third = n4.train.SpikeTime("cells", neuron=4, number=2, duration=50*u.ms)
    """

    population: str = eqx.field(static=True)
    neuron: int = eqx.field(static=True)
    number: int = eqx.field(static=True)
    duration: Any = eqx.field(static=True)
    max_spikes: int = eqx.field(static=True)

    def __init__(self, population: str, *, neuron: int, number: int, duration: Any):
        self.population, self.duration = check_name(population, "population"), _span("SpikeTime", duration)
        self.neuron = check_count(neuron, "SpikeTime.neuron", low=0)
        self.number = check_count(number, "SpikeTime.number", low=0)
        self.max_spikes = self.number + 1

    def of(self, run, model):
        _check_neuron("SpikeTime", self.neuron, model, self.population)
        return _or(run.times[self.population][self.neuron, self.number], self.duration.to_decimal(u.ms))


class Potential(AbstractSpikeStatistic):
    """The potential at one time, of one neuron or averaged over a population.

    **Arguments:** `population`; `at`: a multiple of the time step [time]; `neuron`: its index, or `None` for all. Bare it is in mV.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.train.Potential("cells", at=20*u.ms).unit
        Unit("mV")
    """

    population: str = eqx.field(static=True)
    duration: Any = eqx.field(static=True)
    neuron: int | None = eqx.field(static=True)
    max_spikes: int = eqx.field(static=True)

    def __init__(self, population: str, *, at: Any, neuron: int | None = None):
        self.population, self.duration, self.max_spikes = check_name(population, "population"), _span("Potential", at), 1
        self.neuron = None if neuron is None else check_count(neuron, "Potential.neuron", low=0)

    @property
    def unit(self):
        return u.mV

    def of(self, run, model):
        v = lookup(run.v, self.population, "population that integrates")[-1]
        if self.neuron is None:
            return jnp.mean(v)
        _check_neuron("Potential", self.neuron, model, self.population)
        return v[self.neuron]


class IntervalRate(AbstractSpikeStatistic):
    r"""A rate that moves with spikes: of each neuron with two spikes or more after `discard`, the reciprocal of its mean interval,

    $$ r_i = \frac{k_i - 1}{t_{i, k_i} - t_{i, 1}}, $$

    averaged over all neurons of the population; a neuron with fewer spikes counts with how many it has in the time that is observed.
    Spikes that appear or disappear have no share in its gradient.

    **Arguments:** `population`; `duration` that is observed, `discard`: a time before [time]; `max_spikes` of a neuron in both. Bare it is in Hz.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.train.IntervalRate("cells", 200*u.ms, discard=50*u.ms).unit
        Unit("Hz")
    """

    population: str = eqx.field(static=True)
    observed: Any = eqx.field(static=True)
    discard: Any = eqx.field(static=True)
    max_spikes: int = eqx.field(static=True)
    duration: Any = eqx.field(static=True)

    def __init__(self, population: str, duration: Any, *, discard: Any = 0 * u.ms, max_spikes: int = 64):
        self.population, self.observed = check_name(population, "population"), _span("IntervalRate", duration)
        check_quantity(discard, u.ms, "IntervalRate.discard", low=0)
        self.discard, self.max_spikes = discard, check_count(max_spikes, "IntervalRate.max_spikes", low=2)
        self.duration = duration + discard

    @property
    def unit(self):
        return u.Hz

    def of(self, run, model):
        times, counts = run.times[self.population], run.counts[self.population]
        there = jnp.isfinite(times) & (times > self.discard.to_decimal(u.ms))
        number = jnp.sum(there, axis=1)
        first = jnp.min(jnp.where(there, times, jnp.inf), axis=1)
        last = jnp.max(jnp.where(there, times, -jnp.inf), axis=1)
        many = number > 1
        between = jnp.where(many, last, 1) - jnp.where(many, first, 0)
        rate = jnp.where(many, (number - 1) / between, number / self.observed.to_decimal(u.ms))
        complete = jnp.all(counts <= self.max_spikes)
        return jnp.where(complete, 1000 * jnp.mean(rate), jnp.nan)


class SpikeDistance(AbstractSpikeStatistic):
    r"""The distance of van Rossum between the spike times of a population and wanted ones, a mean over neurons:

    $$ D^2 = \frac{1}{2} \Big( \sum_{i,j} e^{-|t_i - t_j|/\tau} + \sum_{i,j} e^{-|w_i - w_j|/\tau} - 2 \sum_{i,j} e^{-|t_i - w_j|/\tau} \Big) $$

    In closed form, so spikes pull at each other at any distance of a few $\tau$. A spike too many counts 1/2. A long $\tau$ widens the basin in
    which a gradient leads to the wanted times; take it back in the course of training.

    **Arguments:** `population`; `wanted`: times `(n, k)`, infinite where there is none [time]; `tau` [time]; `duration` of the run [time];
    `max_spikes` of a neuron in it: if one fires more often, the distance is not a number, and `EventBased` says so.

    **Raises:** `ValueError` for a `tau` that is not positive, or wanted times that are no matrix.

    **Source:** M. C. W. van Rossum, Neural Computation 13, 751 (2001).

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> wanted = n4.train.SpikeDistance("cells", np.array([[3.0, 9.0], [5.0, np.inf]])*u.ms, tau=5*u.ms, duration=20*u.ms)
    """

    wanted: Float[np.ndarray, "n k"]
    population: str = eqx.field(static=True)
    duration: Any = eqx.field(static=True)
    tau: float = eqx.field(static=True)
    max_spikes: int = eqx.field(static=True)

    def __init__(self, population: str, wanted: Any, *, tau: Any, duration: Any, max_spikes: int = 16):
        self.population, self.duration = check_name(population, "population"), _span("SpikeDistance", duration)
        self.tau = float(_span("SpikeDistance.tau", tau).to_decimal(u.ms))
        self.max_spikes = check_count(max_spikes, "SpikeDistance.max_spikes")
        if not isinstance(wanted, u.Quantity):
            raise TypeError("SpikeDistance.wanted are times, for example `np.array([[3.0, 9.0]])*u.ms`; got numbers without a unit.")
        self.wanted = np.asarray(wanted.to_decimal(u.ms), np.float64)
        if self.wanted.ndim != 2:
            raise ValueError(f"SpikeDistance.wanted has a row for each neuron, shape (n, k); got {self.wanted.shape}.")

    @property
    def unit(self):
        return None

    def of(self, run, model):
        times = run.times[self.population]
        if times.shape[0] != self.wanted.shape[0]:
            raise ValueError(f"SpikeDistance.wanted has a row for each of {times.shape[0]} neurons; got {self.wanted.shape[0]}.")
        complete = jnp.all(run.counts[self.population] <= times.shape[1])
        return jnp.where(complete, spike_distance(times, jnp.asarray(self.wanted, times.dtype), self.tau), jnp.nan)


def spike_distance(times: Float[Array, "n k"], wanted: Float[Array, "n l"], tau: Any) -> Float[Array, ""]:
    """The distance of `SpikeDistance` between two tables of spike times, for a loss of yours.

    **Arguments:** `times`, `wanted`: bare, in ms, a row for each neuron, infinite where there is no spike; `tau`: bare, in ms.

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> one, none = jnp.array([[3.0, jnp.inf]]), jnp.array([[jnp.inf]])
        >>> float(n4.train.spike_distance(one, none, 5.0)), float(n4.train.spike_distance(one, one, 5.0))
        (0.5, 0.0)
    """
    whole = _product(times, times, tau) + _product(wanted, wanted, tau) - 2 * _product(times, wanted, tau)
    return jnp.mean(whole) / 2


def _product(a: Float[Array, "n k"], b: Float[Array, "n l"], tau: Any) -> Float[Array, " n"]:
    """The scalar products of smoothed trains."""
    there = jnp.isfinite(a)[:, :, None] & jnp.isfinite(b)[:, None, :]
    apart = jnp.where(there, _finite(a)[:, :, None] - _finite(b)[:, None, :], 0)
    return jnp.sum(jnp.where(there, jnp.exp(-jnp.abs(apart) / tau), 0), axis=(1, 2))


def _finite(times: Array) -> Array:
    return jnp.where(jnp.isfinite(times), times, 0)


def _or(times: Array, otherwise: float) -> Array:
    """Times, and a number where there is none."""
    return jnp.where(jnp.isinf(times), otherwise, times)


def _span(name: str, duration: Any) -> Any:
    if not check_quantity(duration, u.ms, name if "." in name else f"{name}.duration", low=0) > 0:
        raise ValueError(f"{name}: a time above 0, for example `50*u.ms`; got {duration}.")
    return duration


def _check_neuron(name: str, neuron: int, model: Model, population: str) -> None:
    size = model.populations[population].size
    if neuron >= size:
        raise IndexError(f"{name}.neuron: {population!r} has neurons 0 to {size - 1}; got {neuron}.")
