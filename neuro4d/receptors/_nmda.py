"""A conductance that magnesium blocks."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import Drive, quantity
from neuro4d.receptors._base import AbstractReceptor
from neuro4d.receptors._dual import DualExpConductanceState, dual_constants, dual_pair


class NMDAConstants(NamedTuple):
    """As of `DualExpConductance`; the magnesium at 0 mV as a multiple of that which blocks half, and the steepness (1/mV)."""

    fall: Float[Array, "*n"]
    decay: Float[Array, "*n"]
    cross: Float[Array, "*n"]
    held: Float[Array, "*n"]
    held_rise: Float[Array, "*n"]
    per_weight: Float[Array, "*n"]
    e_rev: Float[Array, "*n"]
    block: Float[Array, "*n"]
    steepness: Float[Array, "*n"]


class NMDA(AbstractReceptor):
    r"""NMDA receptors: a conductance that rises and decays, and that magnesium blocks at negative potentials.

    $$ i = g\,B(v)\,(e_\mathrm{rev} - v), \qquad B(v) = \frac{1}{1 + \frac{[\mathrm{Mg}]}{m_{1/2}}\,e^{-\kappa v}} $$

    `g` has the time course of `DualExpConductance`; the weight (nS) is the peak of the conductance without any block. The mean of `g` over
    the step is taken with the block at its beginning, so that the conductance is never negative, as it would be if the current were
    linearised where its slope is. The price: where `v` moves, the scheme is of first order in the time step (`mg=0*u.mM`: second).

    The kinetics are linear: spikes of all sources add up, and no source saturates.

    **Arguments:** scalars, per-neuron arrays, or distributions.

    - `tau_rise`, `tau_decay`: time constants, above 0, for example 2 and 100 ms. [time]
    - `e_rev`: reversal potential. [voltage]
    - `mg`: magnesium outside, 0 or more. [concentration]
    - `mg_half`: magnesium that blocks half of the channels at 0 mV, above 0. [concentration]
    - `steepness`: of the block, 0 or more. [1 / voltage]

    **Source:** Jahr and Stevens (1990), Journal of Neuroscience 10, 3178: $m_{1/2}$ = 3.57 mM, $\kappa$ = 0.062/mV.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> syn = n4.NMDA(tau_rise=2*u.ms, tau_decay=100*u.ms)
        >>> float(syn.mg)
        1.0
    """

    tau_rise: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    tau_decay: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    e_rev: Float[Array, "*n"] = quantity(u.mV, default=0 * u.mV)
    mg: Float[Array, "*n"] = quantity(u.mM, low=0, default=1 * u.mM)
    mg_half: Float[Array, "*n"] = quantity(u.mM, low=0, open_low=True, default=3.57 * u.mM)
    steepness: Float[Array, "*n"] = quantity(u.mV**-1, low=0, default=0.062 / u.mV)

    native: ClassVar = "NMDA"
    weight_unit: ClassVar = u.nS
    exerts: ClassVar = frozenset({"g", "i"})
    signed: ClassVar = False
    sees_v: ClassVar = True
    variables: ClassVar = {"rise": u.nS / u.ms, "g": u.nS}

    def constants(self, dt, membrane):
        del membrane
        dual = dual_constants(dt, self.tau_rise, self.tau_decay, None, self.e_rev)
        return NMDAConstants(*dual, self.mg / self.mg_half, self.steepness)

    def init(self, values):
        return DualExpConductanceState(values["rise"], values["g"])

    def early(self, state, constants, arrivals):
        return DualExpConductanceState(state.rise + constants.per_weight * arrivals, state.g)

    def step(self, constants, state, arrivals, v):  # type: ignore[override]
        # No further than a conductance of nothing: beyond, the exponential and its derivative would be infinite.
        opposed = jnp.exp(jnp.minimum(-constants.steepness * v, 80))
        mean = (state.g * constants.held + state.rise * constants.held_rise) / (1 + constants.block * opposed)
        drive = Drive(g=mean, i=mean * constants.e_rev)
        return DualExpConductanceState(*dual_pair(constants, state.rise, state.g, arrivals)), drive
