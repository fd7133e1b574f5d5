"""Slow inhibition through G proteins."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import Drive, quantity
from neuro4d.receptors._base import AbstractReceptor
from neuro4d.receptors._propagators import phi


class GABABState(NamedTuple):
    """`t`: transmitter, mM; `r`: the fraction of receptors that are activated; `s`: activated G protein, mM."""

    t: Float[Array, "n"]
    r: Float[Array, "n"]
    s: Float[Array, "n"]


class GABABConstants(NamedTuple):
    """What is left of the transmitter after a step, and its mean times `k1 dt`; `k2 dt`; what is left of the G protein, what comes of a
    receptor that is activated during the step; `half`, half of its inverse; the largest conductance and the reversal potential."""

    cleared: Float[Array, "*n"]
    bind: Float[Array, "*n"]
    unbind: Float[Array, "*n"]
    decay: Float[Array, "*n"]
    gain: Float[Array, "*n"]
    half: Float[Array, "*n"]
    g_max: Float[Array, "*n"]
    e_rev: Float[Array, "*n"]


class GABAB(AbstractReceptor):
    r"""GABA-B receptors: slow inhibition that needs several spikes, through G proteins that open potassium channels.

    $$ \dot T = -T/\tau_T, \quad \dot r = k_1 T (1 - r) - k_2 r, \quad \dot s = k_3 r - k_4 s, \quad
    i = g_\mathrm{max} \frac{s^4}{s^4 + s_{1/2}^4} (e_\mathrm{rev} - v) $$

    A spike adds its weight (mM) to the transmitter `T`, which is cleared with `tau_clear`: a pulse whose area is that of a rectangle
    with this amplitude and length, which is what the slow kinetics see.

    **Sums:** the state is one per neuron, not per synapse: all sources release into one volume, upon one pool of receptors and G
    proteins, as where transmitter spills over. So sources cooperate (four G proteins open a channel: eight spikes do far more than
    eight times one) and together saturate at `g_max`, which is the conductance of the whole pool. Synapses that do not share
    their receptors are ports of their own.

    Scheme: exponential, with the mean of `T` and of `r` over the step, and the conductance in its middle; second order.

    **Arguments:** scalars, per-neuron arrays, or distributions.

    - `g_max`: conductance with all channels open, 0 or more. [conductance]
    - `e_rev`: reversal potential, that of potassium. [voltage]
    - `tau_clear`: time constant of the transmitter, above 0. [time]
    - `k1`: binding. [1 / (time concentration)]
    - `k2`: unbinding, above 0. [1 / time]
    - `k3`: production of G protein. [concentration / time]
    - `k4`: its decay, above 0. [1 / time]
    - `half`: G protein that opens half of the channels, $K_d^{1/4}$, above 0. [concentration]

    **Source:** Destexhe, Mainen and Sejnowski (1998), in Methods in Neuronal Modeling: $k_1$ = 90/(mM s), $k_2$ = 1.2/s,
    $k_3$ = 180 uM/s, $k_4$ = 34/s, $K_d$ = 100 uM^4, four binding sites; transmitter pulses of 0.5 mM and 0.3 ms.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> slow = n4.GABAB(g_max=5*u.nS)
        >>> float(slow.e_rev)
        -95.0
    """

    g_max: Float[Array, "*n"] = quantity(u.nS, low=0)
    e_rev: Float[Array, "*n"] = quantity(u.mV, default=-95 * u.mV)
    tau_clear: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True, default=0.3 * u.ms)
    k1: Float[Array, "*n"] = quantity(u.kHz / u.mM, low=0, default=0.09 * u.kHz / u.mM)
    k2: Float[Array, "*n"] = quantity(u.kHz, low=0, open_low=True, default=0.0012 * u.kHz)
    k3: Float[Array, "*n"] = quantity(u.mM / u.ms, low=0, default=1.8e-4 * u.mM / u.ms)
    k4: Float[Array, "*n"] = quantity(u.kHz, low=0, open_low=True, default=0.034 * u.kHz)
    half: Float[Array, "*n"] = quantity(u.mM, low=0, open_low=True, default=1e-3 * 100**0.25 * u.mM)

    native: ClassVar = "GABAB"
    weight_unit: ClassVar = u.mM
    exerts: ClassVar = frozenset({"g", "i"})
    signed: ClassVar = False
    variables: ClassVar = {"t": u.mM, "r": u.UNITLESS, "s": u.mM}

    def constants(self, dt, membrane):
        del membrane
        mean, share = phi(-dt / self.tau_clear), phi(-dt * self.k4)
        return GABABConstants(
            cleared=jnp.exp(-dt / self.tau_clear),
            bind=dt * self.k1 * mean,
            unbind=dt * self.k2,
            decay=jnp.exp(-dt * self.k4),
            gain=dt * self.k3 * share / 2,
            half=0.5 / self.half,
            g_max=self.g_max,
            e_rev=self.e_rev,
        )

    def init(self, values):
        return GABABState(values["t"], values["r"], values["s"])

    def early(self, state, constants, arrivals):
        return state._replace(t=state.t + arrivals)

    def step(self, constants, state, arrivals):
        c = constants
        bind = c.bind * state.t
        total = bind + c.unbind
        r = state.r + (bind - total * state.r) / total * -jnp.expm1(-total)
        s = state.s * c.decay + c.gain * (state.r + r)
        square = ((state.s + s) * c.half) ** 2
        open_four = square * square
        g = c.g_max * (open_four / (1 + open_four))
        t = state.t * c.cleared
        return GABABState(t if arrivals is None else t + arrivals, r, s), Drive(g=g, i=g * c.e_rev)
