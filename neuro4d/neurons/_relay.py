"""A neuron that repeats what it receives."""

from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d.neurons._base import AbstractNeuron, Fired


class RelayState(NamedTuple):
    """`last`: the jump that arrived in the last step, mV."""

    last: Float[Array, "n"]


class Relay(AbstractNeuron):
    """Fires in every step in which its `Delta` receptor receives anything positive: a source of given spikes.

    Makes a `SpikeTimes` or `Poisson` stimulus into a population that projects like any other.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> inputs = n4.Population("inputs", 100, n4.Relay(), {"in": n4.Delta()})
    """

    variables: ClassVar = {}

    def check(self, dt):
        del dt

    def membrane(self):
        return None

    def constants(self, dt):
        del dt
        return ()

    def rest(self):
        return {}

    def init(self, values):
        return RelayState(values["last"])

    def step(self, constants, state, drive):
        del constants
        last = jnp.zeros_like(state.last) if drive.jump is None else jnp.broadcast_to(drive.jump, state.last.shape)
        return RelayState(last), Fired(last > 0, last - 0.5)
