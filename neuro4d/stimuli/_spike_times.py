"""Spikes at given times."""

from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, UInt32

from neuro4d._base import attach, check_name, steps_of, strip
from neuro4d.stimuli._base import AbstractSource, AbstractStimulus


class EventSource(AbstractSource):
    """Events sorted by step; those of a step are found by bisection and added."""

    at: UInt32[Array, " e"]
    ids: Int32[Array, " e"]
    weight: Float[Array, " e"]
    n: int = eqx.field(static=True)
    most: int = eqx.field(static=True)

    def emit(self, now):
        first = jnp.searchsorted(self.at, now.elapsed, side="left")
        index = first + jnp.arange(self.most)
        safe = jnp.minimum(index, self.at.shape[0] - 1)
        here = (index < self.at.shape[0]) & (self.at[safe] == now.elapsed)
        target = jnp.where(here, self.ids[safe], self.n)
        return jnp.zeros(self.n, self.weight.dtype).at[target].add(self.weight[safe], mode="drop")


class SpikeTimes(AbstractStimulus):
    """Spikes that arrive at given times.

    A spike stamped `t` is part of the receptor's state at `t`, like one that arrives through a synapse.

    **Arguments:**

    - `name`, `target`: as for every stimulus.
    - `port`: the receptor that receives.
    - `times`: ascending, multiples of the time step, at least one step; counted from the start of the run. [time]
    - `ids`: the neuron each spike goes to, as an index into the target.
    - `weight`: a scalar, or one per spike, in the unit of the receptor.

    **Raises:** `UnitError`, `ValueError` or `IndexError`, naming the first offender: times that do not ascend, are off the grid,
    not positive or not finite, two spikes of one neuron in one step, ids out of range.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> inputs = n4.Population("inputs", 3, n4.Relay(), {"in": n4.Delta()})
        >>> spikes = n4.SpikeTimes("given", inputs, "in", times=np.array([1.0, 2.0])*u.ms, ids=np.array([0, 2]), weight=1*u.mV)
    """

    name: str = eqx.field(static=True)
    target: Any = eqx.field(static=True)
    port: str = eqx.field(static=True)
    times: Float[np.ndarray, " e"]
    ids: np.ndarray
    weight: Any

    def __init__(self, name, target, port, *, times, ids, weight):
        self.name, self.target, self.port = check_name(name, "stimulus"), target, port
        where = f"SpikeTimes {name!r}"
        self.times = strip(times, u.ms, f"{where}: times")
        self.ids = np.asarray(ids)
        self.weight = weight
        if self.ids.size == 0:
            self.ids = self.ids.astype(np.int64)
        if self.times.ndim != 1 or self.ids.shape != self.times.shape:
            raise ValueError(f"{where}: times and ids are arrays of one length; got shapes {self.times.shape} and {self.ids.shape}.")
        if self.ids.dtype.kind not in "iu":
            raise TypeError(f"{where}: ids are whole numbers; got an array of {self.ids.dtype}.")
        _check_times(self.times, where)

    def bind(self, binding, weight_unit):
        where = f"SpikeTimes {self.name!r}"
        at = steps_of(self.times, binding.dt, f"{where}: times") - 1
        _first(at < 0, where, lambda e: f"spike {e} at {attach(self.times[e], u.ms)} is earlier than one step of {binding.dt} ms")
        bad = (self.ids < 0) | (self.ids >= binding.n)
        _first(bad, where, lambda e: f"spike {e} goes to neuron {self.ids[e]}, but the target has neurons 0 to {binding.n - 1}", IndexError)
        order = np.lexsort((self.ids, at))
        same = (np.diff(at[order]) == 0) & (np.diff(self.ids[order]) == 0)
        _first(
            same,
            where,
            lambda e: f"neuron {self.ids[order][e]} has two spikes in the step that ends at {(at[order][e] + 1) * binding.dt:g} ms",
        )
        weight = strip(self.weight, weight_unit, f"{where}: weight")
        if weight.ndim and weight.shape != at.shape:
            raise ValueError(f"{where}: weight is a scalar or has one entry per spike ({at.shape}); got shape {weight.shape}.")
        if not np.isfinite(weight).all():
            raise ValueError(f"{where}: weights must be finite.")
        weight = np.broadcast_to(weight, at.shape)[order]
        most = int(np.unique(at, return_counts=True)[1].max(initial=1))
        if not at.size:
            at, order, weight = np.array([2**32 - 1]), np.array([0]), np.zeros(1)
            ids = np.zeros(1, np.int64)
        else:
            ids = self.ids
        return EventSource(
            jnp.asarray(at[order], jnp.uint32), jnp.asarray(ids[order], jnp.int32), jnp.asarray(weight, binding.dtype), binding.n, most
        )


def _check_times(times: np.ndarray, where: str) -> None:
    _first(~np.isfinite(times), where, lambda e: f"time {e} is {times[e]}")
    _first(
        ~(times > 0),
        where,
        lambda e: f"time {e} is {attach(times[e], u.ms)}; a spike is stamped at the end of a step, so the earliest is one step",
    )
    _first(
        np.diff(times) < 0,
        where,
        lambda e: f"times must ascend; entry {e + 1} ({times[e + 1]} ms) follows {times[e]} ms. Sort times and ids together.",
    )


def _first(bad: np.ndarray, where: str, text, error=ValueError) -> None:
    if np.any(bad):
        raise error(f"{where}: {text(int(np.argmax(bad)))}.")
