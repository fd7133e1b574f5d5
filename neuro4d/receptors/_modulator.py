"""A port for signals that act on no membrane."""

from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import NUMBER, Drive
from neuro4d.receptors._base import AbstractReceptor


class ModulatorState(NamedTuple):
    """`level`, without a unit: what arrived in the last step."""

    level: Float[Array, "n"]


class Modulator(AbstractReceptor):
    """Takes signals for rules of plasticity, such as dopamine, and exerts nothing.

    Its only variable `level` is the sum of what arrived in the last step; how long that lasts is the rule's matter. Weights are bare
    numbers. Anything that reaches a port may signal: a projection, `n4.SpikeTimes`, `n4.Input`, at each neuron another value. A delay of
    0 is served in the next step, like a delay of one step. A population with such a port is stepped in plain XLA.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta(), "dopamine": n4.Modulator()})
        >>> reward = n4.SpikeTimes("reward", cells, "dopamine", ids=[0, 1, 2], times=[5, 5, 5]*u.ms, weight=1)
    """

    weight_unit: ClassVar = NUMBER
    exerts: ClassVar = frozenset()
    takes_early: ClassVar = False
    variables: ClassVar = {"level": NUMBER}

    def constants(self, dt, membrane):
        del dt, membrane
        return ()

    def init(self, values):
        return ModulatorState(values["level"])

    def step(self, constants, state, arrivals):
        return ModulatorState(jnp.zeros_like(state.level) if arrivals is None else arrivals), Drive()
