"""Leaky integrate-and-fire neurons that adapt, as spiking networks are trained with: by their threshold, or by a current."""

from typing import ClassVar, NamedTuple

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import quantity
from neuro4d.neurons._base import AbstractNeuron, Fired, Membrane

ORDERS = ("sparch", "ef", "se")


class ALIFState(NamedTuple):
    """`v` and `b`, by which the threshold is raised, in mV."""

    v: Float[Array, "n"]
    b: Float[Array, "n"]


class ALIFConstants(NamedTuple):
    """The shares of the way that `v` and `b` go in a step, `resistance` (1/g_l, mV/pA), and levels (mV)."""

    share: Float[Array, "*n"]
    resistance: Float[Array, "*n"]
    share_b: Float[Array, "*n"]
    beta: Float[Array, "*n"]
    v_th: Float[Array, "*n"]


class ALIF(AbstractNeuron):
    r"""Leaky integrate-and-fire neuron whose threshold rises with its spikes.

    With $\alpha = e^{-dt/\tau}$, $\rho = e^{-dt/\tau_b}$ and a spike $z_t = 1$ where $v \ge v_\mathrm{th} + b$, one step is

    $$ v = \alpha v_{t-1} + (1 - \alpha)\, i_t/g_L, \qquad v_t = v - (v_\mathrm{th} + b_{t-1})\, z_t, \qquad
    b_t = \rho\, b_{t-1} + (1 - \rho)\, \beta z_t $$

    The potential is measured from rest. Publications write it without units: with `g_l` of 1 nS, the default, a current of `x` pA moves `v`
    towards `x` mV, and with `v_th` of 1 mV the numbers are the published ones. `b` is the published variable times $\beta$. A spike adds
    $(1 - \rho) \beta$, which depends on the time step. No refractory period; conductances are refused.

    **Arguments:** each a scalar, an array with one entry per neuron, or a distribution.

    - `tau`: membrane time constant, above 0. [time]
    - `tau_b`: time constant of the threshold, above 0. [time]
    - `beta`: what the threshold would rise by if the neuron fired in every step. [voltage]
    - `v_th`: threshold of a neuron that was silent, above 0. [voltage]
    - `g_l`: leak conductance, above 0. [conductance]

    With a surrogate, derivatives pass through spikes to other neurons, and not through the reset and the adaptation of the same neuron.

    **Raises:** `UnitError` for a bare number or another dimension, `ValueError` for a value outside its range.

    **Source:** G. Bellec, D. Salaj, A. Subramoney, R. Legenstein, W. Maass, NeurIPS 31 (2018).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> alif = n4.ALIF(tau=20*u.ms, tau_b=700*u.ms, beta=1.8*u.mV)
    """

    tau: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    tau_b: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    beta: Float[Array, "*n"] = quantity(u.mV)
    v_th: Float[Array, "*n"] = quantity(u.mV, low=0, open_low=True, default=1 * u.mV)
    g_l: Float[Array, "*n"] = quantity(u.nS, low=0, open_low=True, default=1 * u.nS)

    native: ClassVar = "ALIF"
    variables: ClassVar = {"v": u.mV, "b": u.mV}
    accepts: ClassVar = frozenset({"i", "jump"})

    def check(self, dt):
        del dt

    def membrane(self):
        return Membrane(self.tau, self.tau * self.g_l)

    def constants(self, dt):
        return ALIFConstants(-jnp.expm1(-dt / self.tau), 1 / self.g_l, -jnp.expm1(-dt / self.tau_b), self.beta, self.v_th)

    def rest(self):
        return {"v": 0.0, "b": 0.0}

    def init(self, values):
        return ALIFState(values["v"], values["b"])

    def step(self, constants, state, drive):
        p = constants
        v = state.v + p.share * ((0 if drive.i is None else p.resistance * drive.i) - state.v)
        if drive.jump is not None:
            v = v + drive.jump
        threshold = p.v_th + state.b
        excess = v - threshold
        fired = v >= threshold
        b = state.b + p.share_b * (jnp.where(fired, p.beta, 0) - state.b)
        return ALIFState(jnp.where(fired, excess, v), b), Fired(fired, excess)


class AdLIFState(NamedTuple):
    """`v` in mV, the adaptation current `w` in pA, `z`: 1 where the last step had a spike."""

    v: Float[Array, "n"]
    w: Float[Array, "n"]
    z: Float[Array, "n"]


class AdLIFConstants(NamedTuple):
    """The shares of the way that `v` and `w` go in a step, `resistance` (1/g_l, mV/pA), `a` (nS) and `b` (pA), the threshold, and the number of
    the order."""

    share: Float[Array, "*n"]
    resistance: Float[Array, "*n"]
    share_w: Float[Array, "*n"]
    a: Float[Array, "*n"]
    b: Float[Array, "*n"]
    v_th: Float[Array, "*n"]
    order: Float[Array, ""]


class AdLIF(AbstractNeuron):
    r"""Leaky integrate-and-fire neuron with an adaptation current, in the three orders of sums that are published under this name.

    With $\alpha = e^{-dt/\tau}$, $\beta = e^{-dt/\tau_w}$ and a spike $z_t = 1$ where $v \ge v_\mathrm{th}$, every order begins with

    $$ v = \alpha v_{t-1} + (1 - \alpha)(i_t - w_{t-1})/g_L $$

    | `order` | then | published as |
    |---|---|---|
    | `"sparch"` | $w_t = \beta w_{t-1} + a v + b z_t$, $v_t = v - v_\mathrm{th} z_t$ | adLIF: Bittar and Garner (2022), `sparch` |
    | `"ef"` | $v_t = v (1 - z_t)$, $w_t = \beta w_{t-1} + (1 - \beta)(a v_{t-1} + b z_{t-1})$ | EF-adLIF: Baronig et al. (2025) |
    | `"se"` | $v_t = v (1 - z_t)$, $w_t = \beta w_{t-1} + (1 - \beta)(a v_t + b z_t)$ | SE-adLIF: Baronig et al. (2025) |

    `sparch` computes $w$ at the beginning of a step from the potential before its reset, which is the same sum one step later; so its `w` here is
    ahead by one step.

    The potential is measured from rest. Publications write it without units: with `g_l` of 1 nS, the default, `v_th` of 1 mV, `a` in nS, `b` and `i`
    in pA, the numbers are the published ones. Baronig's factor `q` (120) belongs to `a` and `b`: write `a = q*a_published`. No refractory
    period; conductances are refused.

    **Arguments:** each but the last a scalar, an array with one entry per neuron, or a distribution.

    - `tau`: membrane time constant, above 0. [time]
    - `tau_w`: time constant of `w`, above 0. [time]
    - `a`: coupling of `w` to the potential. [conductance]
    - `b`: coupling of `w` to spikes. [current]
    - `v_th`: threshold, above 0. [voltage]
    - `g_l`: leak conductance, above 0. [conductance]
    - `order`: `"sparch"`, `"ef"` or `"se"`.

    With a surrogate, derivatives pass through spikes to other neurons, and not through the reset and the adaptation of the same neuron.

    **Raises:** `UnitError` for a bare number or another dimension, `ValueError` for a value outside its range.

    **Source:** A. Bittar, P. N. Garner, Front. Neurosci. 16, 865897 (2022); M. Baronig, R. Ferrand, S. Sabathiel, R. Legenstein,
    Nature Communications 16, 5776 (2025).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> adlif = n4.AdLIF(tau=15*u.ms, tau_w=120*u.ms, a=60*u.nS, b=120*u.pA, order="se")
    """

    tau: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    tau_w: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    a: Float[Array, "*n"] = quantity(u.nS)
    b: Float[Array, "*n"] = quantity(u.pA)
    v_th: Float[Array, "*n"] = quantity(u.mV, low=0, open_low=True, default=1 * u.mV)
    g_l: Float[Array, "*n"] = quantity(u.nS, low=0, open_low=True, default=1 * u.nS)
    order: str = eqx.field(static=True, kw_only=True)

    native: ClassVar = "AdLIF"
    variables: ClassVar = {"v": u.mV, "w": u.pA, "z": u.UNITLESS}
    accepts: ClassVar = frozenset({"i", "jump"})

    def __check_init__(self):
        if self.order not in ORDERS:
            raise ValueError(f'AdLIF.order is "sparch", "ef" or "se": three neurons of one name; got {self.order!r}. For example `order="se"`.')

    def check(self, dt):
        del dt

    def membrane(self):
        return Membrane(self.tau, self.tau * self.g_l)

    def constants(self, dt):
        share, share_w = -jnp.expm1(-dt / self.tau), -jnp.expm1(-dt / self.tau_w)
        return AdLIFConstants(share, 1 / self.g_l, share_w, self.a, self.b, self.v_th, jnp.asarray(ORDERS.index(self.order), share.dtype))

    def rest(self):
        return {"v": 0.0, "w": 0.0, "z": 0.0}

    def init(self, values):
        return AdLIFState(values["v"], values["w"], values["z"])

    def step(self, constants, state, drive):
        p = constants
        v = state.v + p.share * (p.resistance * ((0 if drive.i is None else drive.i) - state.w) - state.v)
        if drive.jump is not None:
            v = v + drive.jump
        fired = v >= p.v_th
        z = fired.astype(v.dtype)
        if self.order == "sparch":
            after = v - p.v_th * z
            w = state.w + (p.a * v + p.b * z - p.share_w * state.w)
        else:
            after = jnp.where(fired, 0, v)
            seen, spike = (state.v, state.z) if self.order == "ef" else (after, z)
            w = state.w + p.share_w * (p.a * seen + p.b * spike - state.w)
        return AdLIFState(after, w, z), Fired(fired, v - p.v_th)
