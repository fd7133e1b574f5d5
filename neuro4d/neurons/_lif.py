"""Leaky integrate-and-fire."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from neuro4d._base import AbstractValue, Drive, first_bad, quantity, steps_of
from neuro4d.neurons._base import AbstractNeuron, Fired, Membrane


class LIFState(NamedTuple):
    """`v` in mV; `left`: steps for which the neuron is still held after a spike."""

    v: Float[Array, "n"]
    left: Int32[Array, "n"]


class LIFConstants(NamedTuple):
    """Propagators of one step. With conductances only `rate` (dt/C, 1/nS), `g_leak` (nS) and the levels are used."""

    decay: Float[Array, "*n"]
    gain: Float[Array, "*n"]
    rate: Float[Array, "*n"]
    g_leak: Float[Array, "*n"]
    v_rest: Float[Array, "*n"]
    v_th: Float[Array, "*n"]
    v_reset: Float[Array, "*n"]
    hold: Int32[Array, "*n"]


class LIF(AbstractNeuron):
    r"""Leaky integrate-and-fire neuron with a refractory period.

    $$ C \dot v = \frac{C}{\tau}(v_\mathrm{rest} - v) + i - g\,v $$

    Exact over a step in which `g` and `i` are held: with currents only, $v \leftarrow v_\mathrm{rest} + (v - v_\mathrm{rest})
    e^{-dt/\tau} + \frac{\tau}{C}(1 - e^{-dt/\tau})\, i$; with conductances the same with the total conductance of the step
    (exponential integrator). When $v \ge v_\mathrm{th}$ at the end of a step the neuron fires, and `v` is held at `v_reset` for
    `t_ref`.

    **Arguments:** each a scalar, an array with one entry per neuron, or a distribution.

    - `tau`: membrane time constant, above 0. [time]
    - `c`: capacitance, above 0. [capacitance]
    - `v_rest`: resting potential. [voltage]
    - `v_th`: threshold, above `v_reset`. [voltage]
    - `v_reset`: potential after a spike. [voltage]
    - `t_ref`: refractory period, 0 or more, a multiple of the time step. [time]

    **Raises:** `UnitError` for a bare number or another dimension, `ValueError` for a value outside its range.

    **Source:** Lapicque (1907); exact integration after Rotter and Diesmann (1999), Biological Cybernetics 81, 381.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV, t_ref=5*u.ms)
        >>> float(lif.tau)
        20.0
    """

    tau: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    c: Float[Array, "*n"] = quantity(u.pF, low=0, open_low=True)
    v_rest: Float[Array, "*n"] = quantity(u.mV)
    v_th: Float[Array, "*n"] = quantity(u.mV)
    v_reset: Float[Array, "*n"] = quantity(u.mV)
    t_ref: Float[Array, "*n"] = quantity(u.ms, low=0, default=0 * u.ms)

    variables: ClassVar = {"v": u.mV}

    def __check_init__(self):
        if isinstance(self.v_th, AbstractValue) or isinstance(self.v_reset, AbstractValue):
            return
        bad = ~(np.asarray(self.v_th) > np.asarray(self.v_reset))
        if np.any(bad):
            raise ValueError(
                f"LIF: v_th must lie above v_reset; got v_th={self.v_th} mV, v_reset={self.v_reset} mV{first_bad(bad)}. "
                "For example `v_th=-50*u.mV, v_reset=-60*u.mV`."
            )

    def check(self, dt):
        steps_of(self.t_ref, dt, "LIF.t_ref")

    def membrane(self):
        return Membrane(self.tau, self.c)

    def constants(self, dt):
        decay = jnp.exp(-dt / self.tau)
        gain = -jnp.expm1(-dt / self.tau) * self.tau / self.c
        hold = jnp.round(self.t_ref / dt).astype(jnp.int32)
        return LIFConstants(decay, gain, dt / self.c, self.c / self.tau, self.v_rest, self.v_th, self.v_reset, hold)

    def rest(self):
        return {"v": self.v_rest}

    def init(self, values):
        return LIFState(values["v"], jnp.zeros(values["v"].shape, jnp.int32))

    def step(self, constants, state, drive):
        c = constants
        free = state.left == 0
        moved = jnp.where(free, _integrate(c, state.v, drive), state.v)
        if drive.jump is not None:
            moved = moved + jnp.where(free, drive.jump, 0)
        fired = free & (moved >= c.v_th)
        v = jnp.where(fired, c.v_reset, moved)
        left = jnp.where(fired, c.hold, jnp.maximum(state.left - 1, 0))
        excess = jnp.where(free, moved, c.v_reset) - c.v_th
        return LIFState(v, left), Fired(fired, excess)


def _integrate(c: LIFConstants, v, drive: Drive):
    """The membrane at the end of a step, from a drive that is held during it."""
    if drive.g is None:
        relaxed = c.v_rest + (v - c.v_rest) * c.decay
        return relaxed if drive.i is None else relaxed + c.gain * drive.i
    total = c.g_leak + drive.g
    inward = c.g_leak * c.v_rest + (0 if drive.i is None else drive.i)
    steady = inward / total
    return steady + (v - steady) * jnp.exp(-c.rate * total)
