"""A neuron that repeats what it receives."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d.neurons._base import AbstractNeuron, Fired


class RelayState(NamedTuple):
    """`waiting`: what arrived and has not been repeated yet, mV."""

    waiting: Float[Array, "n"]


class Relay(AbstractNeuron):
    """Repeats what its `Delta` receptor receives: a jump of 1 mV is one spike. A source of given spikes.

    Makes a `SpikeTimes` or `Poisson` stimulus into a population that projects like any other: give it `weight=1*u.mV`.

    A neuron fires once in a step at most. What arrives beyond one spike waits and is repeated in the following steps, so that no
    spike of a `Poisson` input is lost and only its time moves, by one step for as many spikes as fell into a step before. Only an
    input of more than one spike per step on average lets the queue grow without end.

    What waits is counted in spikes of 1 mV, rounded, but anything positive that arrives at a neuron where nothing waits is one
    spike at least; something negative takes away from what waits.

    **Variables:** `waiting` (mV): 1 mV for each spike that still waits.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> inputs = n4.Population("inputs", 100, n4.Relay(), {"in": n4.Delta()})
        >>> noise = n4.Poisson("noise", inputs, "in", rate=1*u.kHz, weight=1*u.mV)
    """

    native: ClassVar = "Relay"
    variables: ClassVar = {"waiting": u.mV}
    accepts: ClassVar = frozenset({"jump"})

    def check(self, dt):
        del dt

    def membrane(self):
        return None

    def constants(self, dt):
        del dt
        return ()

    def rest(self):
        return {"waiting": 0.0}

    def init(self, values):
        return RelayState(values["waiting"])

    def step(self, constants, state, drive):
        del constants
        total = state.waiting if drive.jump is None else state.waiting + drive.jump
        later = total - 1
        return RelayState(jnp.where(later >= 0.5, later, 0)), Fired(total > 0, total - 0.5)
