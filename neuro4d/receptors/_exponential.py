"""Receptors with an exponential time course."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import Drive, quantity
from neuro4d.receptors._base import AbstractReceptor
from neuro4d.receptors._propagators import held_current, phi


class ExpCurrentState(NamedTuple):
    """`i` in pA."""

    i: Float[Array, "n"]


class ExpConductanceState(NamedTuple):
    """`g` in nS."""

    g: Float[Array, "n"]


class ExponentialConstants(NamedTuple):
    """Decay over a step, the held equivalent at its beginning, and the reversal potential (mV) where there is one."""

    decay: Float[Array, "*n"]
    held: Float[Array, "*n"]
    e_rev: Float[Array, "*n"]


class ExpCurrent(AbstractReceptor):
    r"""Synaptic current with an exponential time course: $\dot i = -i/\tau$, a spike adds its weight (pA).

    Exact together with `LIF`, also for $\tau = \tau_m$. The weight may be negative: it is a current, not a receptor with a sign.

    **Arguments:** `tau`: time constant, above 0; scalar, per neuron, or a distribution. [time]

    **Source:** Rotter and Diesmann (1999), Biological Cybernetics 81, 381.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> syn = n4.ExpCurrent(tau=0.5*u.ms)
    """

    tau: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)

    native: ClassVar = "ExpCurrent"
    weight_unit: ClassVar = u.pA
    exerts: ClassVar = frozenset({"i"})
    variables: ClassVar = {"i": u.pA}

    def constants(self, dt, membrane):
        decay = jnp.exp(-dt / self.tau)
        return ExponentialConstants(decay, held_current(dt, self.tau, membrane)[0], jnp.zeros_like(decay))

    def init(self, values):
        return ExpCurrentState(values["i"])

    def early(self, state, constants, arrivals):
        return ExpCurrentState(state.i + arrivals)

    def step(self, constants, state, arrivals):
        decayed = state.i * constants.decay
        return ExpCurrentState(decayed if arrivals is None else decayed + arrivals), Drive(i=state.i * constants.held)


class ExpConductance(AbstractReceptor):
    r"""Synaptic conductance with an exponential time course: $\dot g = -g/\tau$, a spike adds its weight (nS).

    The current into the membrane is $g\,(e_\mathrm{rev} - v)$. The membrane equation sees the mean of `g` over the step, which
    makes the exponential integrator of `LIF` second order in the time step.

    **Arguments:** scalars, per-neuron arrays, or distributions.

    - `tau`: time constant, above 0. [time]
    - `e_rev`: reversal potential. [voltage]

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> inh = n4.ExpConductance(tau=10*u.ms, e_rev=-80*u.mV)
    """

    tau: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    e_rev: Float[Array, "*n"] = quantity(u.mV)

    native: ClassVar = "ExpConductance"
    weight_unit: ClassVar = u.nS
    exerts: ClassVar = frozenset({"g", "i"})
    signed: ClassVar = False
    variables: ClassVar = {"g": u.nS}

    def constants(self, dt, membrane):
        del membrane
        return ExponentialConstants(jnp.exp(-dt / self.tau), phi(-dt / self.tau), self.e_rev)

    def init(self, values):
        return ExpConductanceState(values["g"])

    def early(self, state, constants, arrivals):
        return ExpConductanceState(state.g + arrivals)

    def step(self, constants, state, arrivals):
        mean = state.g * constants.held
        decayed = state.g * constants.decay
        return ExpConductanceState(decayed if arrivals is None else decayed + arrivals), Drive(g=mean, i=mean * constants.e_rev)
