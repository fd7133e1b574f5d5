"""Quadratic integrate-and-fire, and the exact flow of a quadratic equation."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from neuro4d._base import quantity, steps_of
from neuro4d.neurons._base import AbstractNeuron, Fired
from neuro4d.neurons._checks import check_above

LEAST = 2.0**-20
"""Nearer to an infinite potential than this share of a step counts as infinite."""


def quadratic_flow(v, a, b, c, dt, v_peak) -> tuple[Array, Bool[Array, "n"]]:
    r"""$\dot v = a v^2 + b v + c$ over a step, and where `v` was infinite before its end (there it is `v_peak`).

    With $f = a v^2 + b v + c$ and $T = \tanh(s\,dt)/s$, $s^2 = b^2/4 - a c$ of either sign, the solution is $v + f T/(1 - f' T/2)$. T is smooth
    in $z = s^2 dt^2$; the fraction below is right to single precision for $z$ within 1 and to 1e-3 within 10.
    """
    slope = (a * v + b) * v + c
    z = jnp.clip(0.25 * dt * dt * (b * b - 4 * a * c), -2, 1e6)
    t = dt * (945 + z * (105 + z)) / (945 + z * (420 + 15 * z))
    rest = 1 - (a * v + 0.5 * b) * t
    burst = rest < LEAST
    return jnp.where(burst, v_peak, v + slope * t / jnp.where(burst, 1, rest)), burst


class QIFState(NamedTuple):
    """`v` in mV; `left`: steps until a held neuron is free."""

    v: Float[Array, "n"]
    left: Float[Array, "n"]


class QIFConstants(NamedTuple):
    """The polynomial `alpha` v^2 + `beta` v + `gamma` (mV/ms), the inverse capacitance (1/pF), the step (ms), levels (mV), `hold` in steps."""

    alpha: Float[Array, "*n"]
    beta: Float[Array, "*n"]
    gamma: Float[Array, "*n"]
    per_c: Float[Array, "*n"]
    dt: Float[Array, ""]
    v_reset: Float[Array, "*n"]
    v_peak: Float[Array, "*n"]
    hold: Int32[Array, "*n"]


class QIF(AbstractNeuron):
    r"""Quadratic integrate-and-fire neuron with a refractory period.

    $$ C \dot v = g_L \frac{(v - v_\mathrm{rest})(v - v_t)}{v_t - v_\mathrm{rest}} + i - g\,v $$

    so that $g_L$ is the conductance at rest, and $g_L (v_t - v_\mathrm{rest})/4$ the current above which it fires. In the notation of
    Izhikevich (2007) $k = g_L/(v_t - v_\mathrm{rest})$. When $v \ge v_\mathrm{peak}$ at the end of a step the neuron fires, and `v` is held at
    `v_reset` for `t_ref`.

    Scheme: the exact solution of a step in which `g` and `i` are held, also through infinity.

    **Arguments:** each a scalar, an array with one entry per neuron, or a distribution.

    - `c`: capacitance, above 0. [capacitance]
    - `g_l`: conductance at rest, above 0. [conductance]
    - `v_rest`: resting potential. [voltage]
    - `v_t`: above it the neuron spikes by itself; above `v_rest`. [voltage]
    - `v_reset`: potential after a spike, below `v_peak`. [voltage]
    - `v_peak`: where a spike is cut, above `v_t`. [voltage]
    - `t_ref`: refractory period, 0 or more, a multiple of the time step. [time]

    **Raises:** `UnitError` for a bare number or another dimension, `ValueError` for a value outside its range.

    **Source:** G. B. Ermentrout, N. Kopell, SIAM J. Appl. Math. 46, 233 (1986); P. E. Latham et al., J. Neurophysiol. 83, 808 (2000).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> qif = n4.QIF(c=200*u.pF, g_l=10*u.nS, v_rest=-65*u.mV, v_t=-50*u.mV, v_reset=-70*u.mV)
    """

    c: Float[Array, "*n"] = quantity(u.pF, low=0, open_low=True)
    g_l: Float[Array, "*n"] = quantity(u.nS, low=0, open_low=True)
    v_rest: Float[Array, "*n"] = quantity(u.mV)
    v_t: Float[Array, "*n"] = quantity(u.mV)
    v_reset: Float[Array, "*n"] = quantity(u.mV)
    v_peak: Float[Array, "*n"] = quantity(u.mV, default=30 * u.mV)
    t_ref: Float[Array, "*n"] = quantity(u.ms, low=0, default=0 * u.ms)

    native: ClassVar = "QIF"
    ordered: ClassVar = (("v_t", "v_rest"), ("v_peak", "v_t"), ("v_peak", "v_reset"))
    variables: ClassVar = {"v": u.mV}

    def __check_init__(self):
        check_above("QIF", ("v_t", self.v_t), ("v_rest", self.v_rest), "v_rest=-65*u.mV, v_t=-50*u.mV")
        check_above("QIF", ("v_peak", self.v_peak), ("v_t", self.v_t), "v_t=-50*u.mV, v_peak=30*u.mV")
        check_above("QIF", ("v_peak", self.v_peak), ("v_reset", self.v_reset), "v_reset=-70*u.mV, v_peak=30*u.mV")

    def check(self, dt):
        steps_of(self.t_ref, dt, "QIF.t_ref")

    def membrane(self):
        return None

    def constants(self, dt):
        alpha = self.g_l / (self.c * (self.v_t - self.v_rest))
        hold = jnp.round(self.t_ref / dt).astype(jnp.int32)
        beta, gamma = -alpha * (self.v_rest + self.v_t), alpha * self.v_rest * self.v_t
        return QIFConstants(alpha, beta, gamma, 1 / self.c, jnp.asarray(dt, alpha.dtype), self.v_reset, self.v_peak, hold)

    def rest(self):
        return {"v": self.v_rest}

    def init(self, values):
        return QIFState(values["v"], jnp.zeros_like(values["v"]))

    def step(self, constants, state, drive):
        p = constants
        free = state.left < 0.5
        beta = p.beta if drive.g is None else p.beta - p.per_c * drive.g
        gamma = p.gamma if drive.i is None else p.gamma + p.per_c * drive.i
        v, burst = quadratic_flow(state.v, p.alpha, beta, gamma, p.dt, p.v_peak)
        if drive.jump is not None:
            v = v + drive.jump
        v = jnp.where(free, v, state.v)
        fired = free & ((v >= p.v_peak) | burst)
        left = jnp.where(fired, p.hold.astype(v.dtype), jnp.where(free, 0, state.left - 1))
        return QIFState(jnp.where(fired, p.v_reset, v), left), Fired(fired, jnp.where(free, v, p.v_reset) - p.v_peak)
