"""Volleys of spikes around given times."""

import math
from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Bool, Float, UInt32

from neuro4d._base import AbstractValue, attach, check_count, check_name, check_quantity, first_bad, steps_of, words_jax
from neuro4d.stimuli._base import AbstractSource, AbstractStimulus, check_weight, per_neuron

_REACH = 6.5
"""Beyond so many standard deviations lies less than a word can tell, 2^-32."""


class PulsePackets(AbstractStimulus):
    r"""Packets of a fixed number of spikes, spread around given times by the normal distribution.

    Every neuron receives exactly `spikes` spikes of each packet, each at its own time $t + \sigma z$, taken to the nearest step. They are drawn
    anew in every trial, independently for every neuron, or once for all where they are `shared`. A spike stamped `t` is part of the receptor's
    state at `t`.

    **Arguments:**

    - `name`, `target`, `port`: as for every stimulus.
    - `times`: the middles of the packets, ascending multiples of the time step, counted from the start of the run. The first is later than
      6.5 `sigma`, so that no spike would come before the run. [time]
    - `spikes`: in each packet, a whole number. What it costs grows with `spikes`, and with neurons where they are not shared.
    - `sigma`: the standard deviation of the times, above 0. [time]
    - `weight`: in the unit of the receptor; a scalar, one entry per neuron, or a distribution.
    - `shared`: whether all neurons receive the same spikes, as from one source.

    **Raises:** `UnitError`, `TypeError` or `ValueError` naming the first offender.

    **Source:** Diesmann, Gewaltig, Aertsen, Nature 402, 529 (1999). NEST's `pulsepacket_generator` calls them `pulse_times`, `activity`, `sdev`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> cells = n4.Population("cells", 100, n4.Relay(), {"in": n4.Delta()})
        >>> volley = n4.PulsePackets("volley", cells, "in", times=np.array([20.0, 70.0])*u.ms, spikes=1, sigma=2*u.ms, weight=1*u.mV)
    """

    name: str = eqx.field(static=True)
    target: Any = eqx.field(static=True)
    port: str = eqx.field(static=True)
    times: Float[np.ndarray, " p"]
    sigma: Float[np.ndarray, ""]
    weight: AbstractValue
    spikes: int = eqx.field(static=True)
    shared: bool = eqx.field(static=True)

    def __init__(self, name, target, port, *, times, spikes, sigma, weight, shared=False):
        self.name, self.target, self.port = check_name(name, "stimulus"), target, port
        where = f"PulsePackets {name!r}"
        self.times = check_quantity(times, u.ms, f"{where}: times", low=0)
        self.sigma = check_quantity(sigma, u.ms, f"{where}: sigma", low=0, open_low=True)
        self.spikes = check_count(spikes, f"{where}: spikes")
        self.weight = check_weight(weight, f"{where}: weight")
        if not isinstance(shared, bool):
            raise TypeError(f"{where}: shared is True or False; got {shared!r}.")
        self.shared = shared
        if isinstance(self.sigma, AbstractValue) or np.shape(self.sigma):
            raise TypeError(f"{where}: sigma is one time, for example `sigma=2*u.ms`; got {sigma!r:.80}.")
        if isinstance(self.times, AbstractValue) or self.times.ndim != 1 or not self.times.size:
            raise ValueError(f"{where}: times are an array of one or more, for example `times=np.array([20.0])*u.ms`; got {times!r:.80}.")
        if not (np.diff(self.times) > 0).all():
            at = int(np.argmin(np.diff(self.times) > 0)) + 1
            raise ValueError(f"{where}: times must ascend; entry {at} ({self.times[at]} ms) does not follow {self.times[at - 1]} ms.")

    def bind(self, binding, weight_unit):
        where = f"PulsePackets {self.name!r}"
        centre = steps_of(self.times, binding.dt, f"{where}: times") - 1
        reach = max(1, math.ceil(_REACH * float(self.sigma) / binding.dt))
        early = centre < reach
        if early.any():
            raise ValueError(
                f"{where}: spikes reach {attach(reach * binding.dt, u.ms)} before the middle of a packet, so the first middle is at "
                f"{attach((reach + 1) * binding.dt, u.ms)} or later; got {attach(self.times[early][0], u.ms)}{first_bad(early)}."
            )
        if self.spikes * (1 if self.shared else binding.n) >= 2**32:
            raise ValueError(f"{where}: at most 2^32 spikes in a packet; got {self.spikes} for each of {binding.n} neurons.")
        edges = scipy.special.ndtr((np.arange(-reach, reach) + 0.5) * binding.dt / float(self.sigma))
        cuts = np.concatenate([[0], np.rint(edges * 2.0**32).astype(np.int64), [2**32]])
        return PacketSource(
            jnp.asarray(centre, jnp.uint32),
            jnp.asarray(cuts[:-1] % 2**32, jnp.uint32),
            jnp.asarray((cuts[1:] - 1) % 2**32, jnp.uint32),
            jnp.asarray(np.diff(cuts) > 0),
            per_neuron(self.weight, binding, f"{where}: weight", weight_unit),
            binding.n,
            self.spikes,
            _most_at_once(centre, reach),
            self.shared,
        )


class PacketSource(AbstractSource):
    """Packets around the steps `centre`. A spike falls into offset `k` of the `reach` steps on either side if its word lies from `low[k]` to
    `high[k]`, unless the offset holds `none`; `most` packets reach one step."""

    centre: UInt32[Array, " p"]
    low: UInt32[Array, " k"]
    high: UInt32[Array, " k"]
    some: Bool[Array, " k"]
    weight: Float[Array, "*n"]
    n: int = eqx.field(static=True)
    spikes: int = eqx.field(static=True)
    most: int = eqx.field(static=True)
    shared: bool = eqx.field(static=True)

    def emit(self, now):
        n, reach = 1 if self.shared else self.n, self.low.shape[0] // 2
        first = jnp.searchsorted(self.centre + jnp.uint32(reach), now.elapsed, side="left")
        count = jnp.zeros(n, jnp.int32)
        for k in range(self.most):
            packet = jnp.minimum(first + k, self.centre.shape[0] - 1)
            centre = self.centre[packet]
            offset = now.elapsed.astype(jnp.int32) - centre.astype(jnp.int32) + reach
            place = jnp.clip(offset, 0, 2 * reach)
            here = (first + k < self.centre.shape[0]) & (offset == place) & self.some[place]
            a, b = now.address_at(centre)
            low, high, neurons = self.low[place], self.high[place], jnp.arange(n, dtype=jnp.uint32)

            def add(spike: Array, found: Array, a=a, b=b, low=low, high=high, neurons=neurons) -> Array:
                word = words_jax(a, b, spike.astype(jnp.uint32) * jnp.uint32(n) + neurons)
                return found + ((word >= low) & (word <= high)).astype(jnp.int32)

            # No turn of the loop where no packet is near.
            count = jax.lax.fori_loop(0, jnp.where(here, self.spikes, 0), add, count)
        return jnp.broadcast_to(count, (self.n,)).astype(self.weight.dtype) * self.weight


def _most_at_once(centre: np.ndarray, reach: int) -> int:
    """The largest number of packets that reach one step."""
    return int((np.searchsorted(centre, centre + 2 * reach, side="right") - np.arange(len(centre))).max())
