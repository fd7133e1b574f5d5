"""Receptors with an alpha-function time course."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import Drive, quantity
from neuro4d.receptors._base import AbstractReceptor
from neuro4d.receptors._propagators import held_current, phi, psi


class AlphaCurrentState(NamedTuple):
    """`rise` in pA/ms, `i` in pA."""

    rise: Float[Array, "n"]
    i: Float[Array, "n"]


class AlphaConductanceState(NamedTuple):
    """`rise` in nS/ms, `g` in nS."""

    rise: Float[Array, "n"]
    g: Float[Array, "n"]


class AlphaConstants(NamedTuple):
    """Propagators of the pair (rise, value), the held equivalents of both, the jump of `rise` per weight, the reversal."""

    decay: Float[Array, "*n"]
    cross: Float[Array, "*n"]
    held: Float[Array, "*n"]
    held_rise: Float[Array, "*n"]
    per_weight: Float[Array, "*n"]
    e_rev: Float[Array, "*n"]


def _pair(constants, rise, value, arrivals):
    later = value * constants.decay + rise * constants.cross
    risen = rise * constants.decay
    return (risen if arrivals is None else risen + constants.per_weight * arrivals), later


def _alpha_constants(dt, tau, held, e_rev):
    decay = jnp.exp(-dt / tau)
    return AlphaConstants(decay, dt * decay, held[0], held[1], jnp.e / tau, e_rev)


class AlphaCurrent(AbstractReceptor):
    r"""Synaptic current with the time course of an alpha function, $w\,(e/\tau)\,t\,e^{-t/\tau}$: the weight (pA) is its peak, at $t = \tau$.

    Exact together with `LIF`, also for $\tau = \tau_m$.

    **Arguments:** `tau`: rise time, above 0; scalar, per neuron, or a distribution. [time]

    **Source:** Rotter and Diesmann (1999), Biological Cybernetics 81, 381.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> syn = n4.AlphaCurrent(tau=0.5*u.ms)
    """

    tau: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)

    native: ClassVar = "AlphaCurrent"
    weight_unit: ClassVar = u.pA
    exerts: ClassVar = frozenset({"i"})
    variables: ClassVar = {"rise": u.pA / u.ms, "i": u.pA}

    def constants(self, dt, membrane):
        return _alpha_constants(dt, self.tau, held_current(dt, self.tau, membrane), jnp.zeros_like(self.tau))

    def init(self, values):
        return AlphaCurrentState(values["rise"], values["i"])

    def early(self, state, constants, arrivals):
        return AlphaCurrentState(state.rise + constants.per_weight * arrivals, state.i)

    def step(self, constants, state, arrivals):
        drive = Drive(i=state.i * constants.held + state.rise * constants.held_rise)
        return AlphaCurrentState(*_pair(constants, state.rise, state.i, arrivals)), drive


class AlphaConductance(AbstractReceptor):
    r"""Synaptic conductance with the time course of an alpha function: the weight (nS) is its peak, at $t = \tau$.

    The current into the membrane is $g\,(e_\mathrm{rev} - v)$; the membrane equation sees the mean of `g` over the step.

    **Arguments:** `tau`: rise time, above 0 [time]; `e_rev`: reversal potential [voltage].

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> exc = n4.AlphaConductance(tau=0.2*u.ms, e_rev=0*u.mV)
    """

    tau: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    e_rev: Float[Array, "*n"] = quantity(u.mV)

    native: ClassVar = "AlphaConductance"
    weight_unit: ClassVar = u.nS
    exerts: ClassVar = frozenset({"g", "i"})
    signed: ClassVar = False
    variables: ClassVar = {"rise": u.nS / u.ms, "g": u.nS}

    def constants(self, dt, membrane):
        del membrane
        x = -dt / self.tau
        return _alpha_constants(dt, self.tau, (phi(x), dt * psi(x)), self.e_rev)

    def init(self, values):
        return AlphaConductanceState(values["rise"], values["g"])

    def early(self, state, constants, arrivals):
        return AlphaConductanceState(state.rise + constants.per_weight * arrivals, state.g)

    def step(self, constants, state, arrivals):
        mean = state.g * constants.held + state.rise * constants.held_rise
        drive = Drive(g=mean, i=mean * constants.e_rev)
        return AlphaConductanceState(*_pair(constants, state.rise, state.g, arrivals)), drive
