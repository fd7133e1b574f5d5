"""Receptors that rise and decay with a time constant each."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import Drive, quantity
from neuro4d.receptors._base import AbstractReceptor
from neuro4d.receptors._propagators import exp_between, held_pair, phi


class DualExpCurrentState(NamedTuple):
    """`rise` in pA/ms, `i` in pA."""

    rise: Float[Array, "n"]
    i: Float[Array, "n"]


class DualExpConductanceState(NamedTuple):
    """`rise` in nS/ms, `g` in nS."""

    rise: Float[Array, "n"]
    g: Float[Array, "n"]


class DualExpConstants(NamedTuple):
    """Propagators of the pair (rise, value), the held equivalents of both, the jump of `rise` per weight, the reversal."""

    fall: Float[Array, "*n"]
    decay: Float[Array, "*n"]
    cross: Float[Array, "*n"]
    held: Float[Array, "*n"]
    held_rise: Float[Array, "*n"]
    per_weight: Float[Array, "*n"]
    e_rev: Float[Array, "*n"]


def dual_constants(dt: float, rise, decay, membrane, e_rev) -> DualExpConstants:
    r"""The constants of a step. A spike of weight 1 makes the value rise to 1: its peak is $\tau_d e^{-t/\tau_r}$ times the jump at
    $t = \tau_r/\varphi(-y)$ with $y = \ln(\tau_d/\tau_r)$, which holds for equal time constants too."""
    held, held_rise = held_pair(dt, rise, decay, membrane)
    x, y = -dt / decay, -dt / rise
    per_weight = jnp.exp(1 / phi(jnp.log(rise / decay))) / decay
    return DualExpConstants(jnp.exp(y), jnp.exp(x), dt * exp_between(x, y), held, held_rise, per_weight, e_rev)


def dual_pair(constants, rise, value, arrivals):
    """The pair at the end of a step, with what arrives."""
    later = value * constants.decay + rise * constants.cross
    fallen = rise * constants.fall
    return (fallen if arrivals is None else fallen + constants.per_weight * arrivals), later


class DualExpCurrent(AbstractReceptor):
    r"""Synaptic current that rises and decays: $w\,k\,(e^{-t/\tau_d} - e^{-t/\tau_r})$, with `k` such that the weight (pA) is its peak.

    Exact together with `LIF`, whatever the three time constants; for $\tau_r = \tau_d$ it is `AlphaCurrent`.

    **Arguments:** scalars, per-neuron arrays, or distributions.

    - `tau_rise`, `tau_decay`: time constants, above 0; exchanging them changes nothing. [time]

    **Source:** Rotter and Diesmann (1999), Biological Cybernetics 81, 381; Roth and van Rossum (2009), in Computational Modeling
    Methods for Neuroscientists, eq. 6.4.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> syn = n4.DualExpCurrent(tau_rise=0.5*u.ms, tau_decay=4*u.ms)
    """

    tau_rise: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    tau_decay: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)

    native: ClassVar = "DualExpCurrent"
    weight_unit: ClassVar = u.pA
    exerts: ClassVar = frozenset({"i"})
    variables: ClassVar = {"rise": u.pA / u.ms, "i": u.pA}

    def constants(self, dt, membrane):
        return dual_constants(dt, self.tau_rise, self.tau_decay, membrane, jnp.zeros_like(self.tau_rise))

    def init(self, values):
        return DualExpCurrentState(values["rise"], values["i"])

    def early(self, state, constants, arrivals):
        return DualExpCurrentState(state.rise + constants.per_weight * arrivals, state.i)

    def step(self, constants, state, arrivals):
        drive = Drive(i=state.i * constants.held + state.rise * constants.held_rise)
        return DualExpCurrentState(*dual_pair(constants, state.rise, state.i, arrivals)), drive


class DualExpConductance(AbstractReceptor):
    r"""Synaptic conductance that rises and decays: $w\,k\,(e^{-t/\tau_d} - e^{-t/\tau_r})$, the weight (nS) is its peak.

    The current into the membrane is $g\,(e_\mathrm{rev} - v)$; the membrane equation sees the mean of `g` over the step, which makes
    the exponential integrator of `LIF` second order. For $\tau_r = \tau_d$ it is `AlphaConductance`.

    **Arguments:** scalars, per-neuron arrays, or distributions.

    - `tau_rise`, `tau_decay`: time constants, above 0; exchanging them changes nothing. [time]
    - `e_rev`: reversal potential. [voltage]

    **Source:** Roth and van Rossum (2009), in Computational Modeling Methods for Neuroscientists, eq. 6.4.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> inh = n4.DualExpConductance(tau_rise=0.5*u.ms, tau_decay=8*u.ms, e_rev=-80*u.mV)
    """

    tau_rise: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    tau_decay: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    e_rev: Float[Array, "*n"] = quantity(u.mV)

    native: ClassVar = "DualExpConductance"
    weight_unit: ClassVar = u.nS
    exerts: ClassVar = frozenset({"g", "i"})
    signed: ClassVar = False
    variables: ClassVar = {"rise": u.nS / u.ms, "g": u.nS}

    def constants(self, dt, membrane):
        del membrane
        return dual_constants(dt, self.tau_rise, self.tau_decay, None, self.e_rev)

    def init(self, values):
        return DualExpConductanceState(values["rise"], values["g"])

    def early(self, state, constants, arrivals):
        return DualExpConductanceState(state.rise + constants.per_weight * arrivals, state.g)

    def step(self, constants, state, arrivals):
        mean = state.g * constants.held + state.rise * constants.held_rise
        drive = Drive(g=mean, i=mean * constants.e_rev)
        return DualExpConductanceState(*dual_pair(constants, state.rise, state.g, arrivals)), drive
