"""Receptors without a time course of their own."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import Drive
from neuro4d.receptors._base import AbstractReceptor


class PulseState(NamedTuple):
    """`i` in pA: what arrived at the end of the last step."""

    i: Float[Array, "n"]


class Delta(AbstractReceptor):
    """A jump of the membrane potential by the weight (mV) at the moment of arrival, before the threshold is tested.

    Arrivals during the refractory period are lost. A delay of 0 is served in the next step, like a delay of one step.

    !!! Example

        >>> import neuro4d as n4
        >>> syn = n4.Delta()
    """

    native: ClassVar = "Delta"
    weight_unit: ClassVar = u.mV
    exerts: ClassVar = frozenset({"jump"})
    takes_early: ClassVar = False
    variables: ClassVar = {}

    def constants(self, dt, membrane):
        del dt, membrane
        return ()

    def init(self, values):
        del values
        return ()

    def step(self, constants, state, arrivals):
        return (), Drive(jump=arrivals)


class PulseCurrent(AbstractReceptor):
    """A current held during the step after the arrival: the weight (pA) acts for exactly one time step.

    The coupling of the published program of Izhikevich (2003), where a spike adds its weight to the input of one millisecond.

    !!! Example

        >>> import neuro4d as n4
        >>> syn = n4.PulseCurrent()
    """

    native: ClassVar = "PulseCurrent"
    weight_unit: ClassVar = u.pA
    exerts: ClassVar = frozenset({"i"})
    variables: ClassVar = {"i": u.pA}

    def constants(self, dt, membrane):
        del dt, membrane
        return ()

    def init(self, values):
        return PulseState(values["i"])

    def early(self, state, constants, arrivals):
        return PulseState(state.i + arrivals)

    def step(self, constants, state, arrivals):
        return PulseState(jnp.zeros_like(state.i) if arrivals is None else arrivals), Drive(i=state.i)


class PromptCurrent(AbstractReceptor):
    """A current held during the very step in which a spike arrives: the weight (pA) acts for exactly one time step.

    The coupling of the published program of Izhikevich (2006), where a spike of delay `d` is part of the input of the `d`-th millisecond after it, and may make its target
    fire at the end of that. `PulseCurrent` acts one step later. A delay of 0 is served in the next step, like a delay of one step. Has no native pass.

    !!! Example

        >>> import neuro4d as n4
        >>> syn = n4.PromptCurrent()
    """

    weight_unit: ClassVar = u.pA
    exerts: ClassVar = frozenset({"i"})
    takes_early: ClassVar = False
    variables: ClassVar = {}

    def constants(self, dt, membrane):
        del dt, membrane
        return ()

    def init(self, values):
        del values
        return ()

    def step(self, constants, state, arrivals):
        return (), Drive(i=arrivals)
