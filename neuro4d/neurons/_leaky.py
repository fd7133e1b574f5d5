"""Leaky integrators as spiking networks are trained with: one whose time constant is trained, and a readout that never fires."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import NUMBER, quantity
from neuro4d.neurons._base import AbstractNeuron, Fired, Membrane
from neuro4d.neurons._checks import check_above
from neuro4d.neurons._lif import leaky_change

FAR = -1e6
"""mV below a threshold that there is not."""


class LeakyState(NamedTuple):
    """`v` in mV."""

    v: Float[Array, "n"]


class PLIFConstants(NamedTuple):
    """The share of the way that `v` goes in a step, `resistance` (1/g_l, mV/pA), and levels (mV)."""

    share: Float[Array, "*n"]
    resistance: Float[Array, "*n"]
    v_th: Float[Array, "*n"]
    v_reset: Float[Array, "*n"]


class PLIF(AbstractNeuron):
    r"""Leaky integrate-and-fire neuron whose time constant is trained.

    $$ v = v_{t-1} + \sigma(w)\,(i_t/g_L + v_\mathrm{reset} - v_{t-1}), \qquad \sigma(w) = 1/\tau = \frac{1}{1 + e^{-w}} $$

    with $\tau$ in steps, above 1 for any `w`; where $v \ge v_\mathrm{th}$ the neuron fires and $v_t = v_\mathrm{reset}$, which is also the resting
    potential. **A step is the unit of time here**: another `dt` is another neuron.

    Published without units: with `g_l` of 1 nS, the default, an input of `x` pA counts as `x` mV, and with `v_th` of 1 mV the numbers are the
    published ones. Conductances are refused.

    **Arguments:** each a scalar, an array with one entry per neuron, or a distribution.

    - `w`: $-\ln(\tau_0 - 1)$ for a time constant of $\tau_0$ steps; 0 means 2 steps. [a number]
    - `v_th`: threshold, above `v_reset`. [voltage]
    - `v_reset`: potential at rest and after a spike. [voltage]
    - `g_l`: leak conductance, above 0. [conductance]

    **Raises:** `UnitError` for a bare number or another dimension, `ValueError` for a value outside its range.

    **Source:** W. Fang, Z. Yu, Y. Chen, T. Masquelier, T. Huang, Y. Tian, ICCV (2021).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> plif = n4.PLIF(w=-np.log(20 - 1))
    """

    w: Float[Array, "*n"] = quantity(NUMBER, default=0.0)
    v_th: Float[Array, "*n"] = quantity(u.mV, default=1 * u.mV)
    v_reset: Float[Array, "*n"] = quantity(u.mV, default=0 * u.mV)
    g_l: Float[Array, "*n"] = quantity(u.nS, low=0, open_low=True, default=1 * u.nS)

    native: ClassVar = "PLIF"
    ordered: ClassVar = (("v_th", "v_reset"),)
    variables: ClassVar = {"v": u.mV}
    accepts: ClassVar = frozenset({"i", "jump"})

    def __check_init__(self):
        check_above("PLIF", ("v_th", self.v_th), ("v_reset", self.v_reset), "v_reset=0*u.mV, v_th=1*u.mV")

    def check(self, dt):
        del dt

    def membrane(self):
        return None

    def constants(self, dt):
        del dt
        return PLIFConstants(jax.nn.sigmoid(self.w), 1 / self.g_l, self.v_th, self.v_reset)

    def rest(self):
        return {"v": self.v_reset}

    def init(self, values):
        return LeakyState(values["v"])

    def step(self, constants, state, drive):
        p = constants
        v = state.v + p.share * (p.resistance * (0 if drive.i is None else drive.i) + p.v_reset - state.v)
        if drive.jump is not None:
            v = v + drive.jump
        fired = v >= p.v_th
        return LeakyState(jnp.where(fired, p.v_reset, v)), Fired(fired, v - p.v_th)


class LIConstants(NamedTuple):
    """With currents the share `leak` of the way to the steady potential and `resistance` (mV/pA); with conductances `rate` (dt/C, 1/nS) and
    `g_leak` (nS)."""

    leak: Float[Array, "*n"]
    resistance: Float[Array, "*n"]
    rate: Float[Array, "*n"]
    g_leak: Float[Array, "*n"]
    v_rest: Float[Array, "*n"]


class LI(AbstractNeuron):
    r"""Leaky integrator that never fires: a readout, whose potential is the output.

    $$ \tau \dot v = v_\mathrm{rest} - v + (i - g\,v)/g_L $$

    Exact over a step, as `LIF`. With `g_l` of 1 nS, the default, currents of `x` pA move `v` towards `x` mV, as the readouts of spiking
    networks that are trained are written: $v_t = \alpha v_{t-1} + (1 - \alpha) i_t$ with $\alpha = e^{-dt/\tau}$.

    **Arguments:** each a scalar, an array with one entry per neuron, or a distribution.

    - `tau`: time constant, above 0. [time]
    - `g_l`: leak conductance, above 0. [conductance]
    - `v_rest`: resting potential. [voltage]

    **Raises:** `UnitError` for a bare number or another dimension, `ValueError` for a value outside its range.

    **Source:** M. Baronig et al., Nature Communications 16, 5776 (2025), methods; exact integration after Rotter and Diesmann (1999).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> readout = n4.Population("readout", 20, n4.LI(tau=15*u.ms), {"in": n4.PulseCurrent()})
    """

    tau: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    g_l: Float[Array, "*n"] = quantity(u.nS, low=0, open_low=True, default=1 * u.nS)
    v_rest: Float[Array, "*n"] = quantity(u.mV, default=0 * u.mV)

    native: ClassVar = "LI"
    variables: ClassVar = {"v": u.mV}

    def check(self, dt):
        del dt

    def membrane(self):
        return Membrane(self.tau, self.tau * self.g_l)

    def constants(self, dt):
        return LIConstants(-jnp.expm1(-dt / self.tau), 1 / self.g_l, dt / (self.tau * self.g_l), self.g_l, self.v_rest)

    def rest(self):
        return {"v": self.v_rest}

    def init(self, values):
        return LeakyState(values["v"])

    def step(self, constants, state, drive):
        change = leaky_change(constants, state.v, drive)
        v = state.v + (change if drive.jump is None else change + drive.jump)
        return LeakyState(v), Fired(jnp.zeros(v.shape, bool), jnp.full_like(v, FAR))
