"""Leaky integrate-and-fire."""

from typing import Any, ClassVar, NamedTuple

import brainunit as u
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from neuro4d._base import Drive, quantity, steps_of
from neuro4d.neurons._base import AbstractNeuron, Fired, Membrane
from neuro4d.neurons._checks import check_above


class LIFState(NamedTuple):
    """`v` in mV; `left`: in a held neuron the steps left until it is free, 1 or more; in a free one what rounding left over of `v`
    in the last step, in mV and below 1/2.

    No neuron needs both, so one number serves: `v` plus its remainder has twice the digits of `v`, and the slow approach to a
    threshold, by less than a unit in the last place of `v` per step, is not lost.
    """

    v: Float[Array, "n"]
    left: Float[Array, "n"]


class LIFConstants(NamedTuple):
    """What one step needs, beside the levels: with currents the share `leak` of the way to the steady potential, 1 - exp(-dt/tau),
    and `resistance` (tau/C, mV/pA); with conductances `rate` (dt/C, 1/nS) and `g_leak` (nS)."""

    leak: Float[Array, "*n"]
    resistance: Float[Array, "*n"]
    rate: Float[Array, "*n"]
    g_leak: Float[Array, "*n"]
    v_rest: Float[Array, "*n"]
    v_th: Float[Array, "*n"]
    v_reset: Float[Array, "*n"]
    hold: Int32[Array, "*n"]


class LIF(AbstractNeuron):
    r"""Leaky integrate-and-fire neuron with a refractory period.

    $$ C \dot v = \frac{C}{\tau}(v_\mathrm{rest} - v) + i - g\,v $$

    Exact over a step in which `g` and `i` are held: with currents only, $v \leftarrow v + (1 - e^{-dt/\tau})
    (v_\mathrm{rest} + \frac{\tau}{C} i - v)$; with conductances the same with the total conductance of the step
    (exponential integrator). When $v \ge v_\mathrm{th}$ at the end of a step the neuron fires, and `v` is held at `v_reset` for
    `t_ref`. What rounding takes from `v` in a step is kept and added in the next (a compensated sum), so that single precision
    finds the right step also where a step moves `v` by less than its last digit.

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

    native: ClassVar = "LIF"
    ordered: ClassVar = (("v_th", "v_reset"),)
    variables: ClassVar = {"v": u.mV}

    def __check_init__(self):
        check_above("LIF", ("v_th", self.v_th), ("v_reset", self.v_reset), "v_th=-50*u.mV, v_reset=-60*u.mV")

    def check(self, dt):
        steps_of(self.t_ref, dt, "LIF.t_ref")

    def membrane(self):
        return Membrane(self.tau, self.c)

    def constants(self, dt):
        leak = -jnp.expm1(-dt / self.tau)
        hold = jnp.round(self.t_ref / dt).astype(jnp.int32)
        return LIFConstants(leak, self.tau / self.c, dt / self.c, self.c / self.tau, self.v_rest, self.v_th, self.v_reset, hold)

    def rest(self):
        return {"v": self.v_rest}

    def init(self, values):
        return LIFState(values["v"], jnp.zeros_like(values["v"]))

    def step(self, constants, state, drive):
        c = constants
        free = state.left < 0.5
        change = leaky_change(c, state.v, drive) + (state.left if drive.jump is None else state.left + drive.jump)
        after = state.v + change
        over = jax.lax.stop_gradient(change - (after - state.v))  # no derivative: it is 0 but for rounding
        moved = jnp.where(free, after, state.v)
        fired = free & (moved >= c.v_th)
        v = jnp.where(fired, c.v_reset, moved)
        left = jnp.where(fired, c.hold.astype(v.dtype), jnp.where(free, over, state.left - 1))
        excess = jnp.where(free, moved, c.v_reset) - c.v_th
        return LIFState(v, left), Fired(fired, excess)


def leaky_change(c: Any, v: Array, drive: Drive) -> Array:
    """How far a leaky membrane moves in a step in which the drive is held; `c` has `leak`, `resistance`, `rate`, `g_leak` and `v_rest`."""
    away = c.v_rest - v
    if drive.g is None:
        return c.leak * (away if drive.i is None else away + c.resistance * drive.i)
    total = c.g_leak + drive.g
    inward = c.g_leak * away + ((0 if drive.i is None else drive.i) - drive.g * v)
    return inward / total * -jnp.expm1(-c.rate * total)
