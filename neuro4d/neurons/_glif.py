"""Generalised leaky integrate-and-fire, five levels."""

from typing import ClassVar, NamedTuple

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from neuro4d._base import NUMBER, Drive, quantity, steps_of
from neuro4d.integrators import exprel
from neuro4d.neurons._base import AbstractNeuron, Fired, Membrane
from neuro4d.neurons._checks import check_above

LEVELS = ((False, False, False), (True, False, False), (False, True, False), (True, True, False), (True, True, True))
"""For each level: whether it has reset rules, after-spike currents, a threshold that follows the potential."""

FAR = 80.0
"""Where exponents end, so that single precision holds them."""


class GLIFState(NamedTuple):
    """`v` in mV; the parts of the threshold from spikes and from the potential, mV; two after-spike currents, pA; steps left in hold."""

    v: Float[Array, "n"]
    th_spike: Float[Array, "n"]
    th_voltage: Float[Array, "n"]
    asc_1: Float[Array, "n"]
    asc_2: Float[Array, "n"]
    left: Float[Array, "n"]


class GLIFConstants(NamedTuple):
    """Factors of one step; what a level lacks has factors of 0.

    Membrane: the share `leak` of the way to the steady potential, `resistance` (1/nS), with conductances `rate` (dt/C) and `g_leak`.
    After-spike currents: what a step keeps, their mean over it, what a spike keeps and adds. Threshold: likewise for its part from
    spikes; for its part from the potential what a step keeps, and what it takes from the steady potential (`voltage_mean`) and from the
    way there (`voltage_gap`; with conductances `voltage_cross` and `voltage_rate`). Reset: fraction and base."""

    leak: Float[Array, "*n"]
    resistance: Float[Array, "*n"]
    rate: Float[Array, "*n"]
    g_leak: Float[Array, "*n"]
    v_rest: Float[Array, "*n"]
    v_th: Float[Array, "*n"]
    asc_keep_1: Float[Array, "*n"]
    asc_keep_2: Float[Array, "*n"]
    asc_mean_1: Float[Array, "*n"]
    asc_mean_2: Float[Array, "*n"]
    asc_after_1: Float[Array, "*n"]
    asc_after_2: Float[Array, "*n"]
    asc_amp_1: Float[Array, "*n"]
    asc_amp_2: Float[Array, "*n"]
    spike_keep: Float[Array, "*n"]
    spike_after: Float[Array, "*n"]
    spike_add: Float[Array, "*n"]
    voltage_keep: Float[Array, "*n"]
    voltage_mean: Float[Array, "*n"]
    voltage_gap: Float[Array, "*n"]
    voltage_cross: Float[Array, "*n"]
    voltage_rate: Float[Array, "*n"]
    reset_fraction: Float[Array, "*n"]
    reset_base: Float[Array, "*n"]
    v_reset: Float[Array, "*n"]
    hold: Int32[Array, "*n"]


class GLIF(AbstractNeuron):
    r"""The generalised leaky integrate-and-fire neurons of the Allen Institute, levels 1 to 5.

    $$ C \dot v = g_\mathrm{leak}(v_\mathrm{rest} - v) + I_1 + I_2 + i - g\,v, \qquad \dot I_j = -k_j I_j $$

    $$ \dot\theta_s = -b_s \theta_s, \qquad \dot\theta_v = a_v (v - v_\mathrm{rest}) - b_v \theta_v $$

    A spike is where $v \ge v_\mathrm{th} + \theta_s + \theta_v$ at the end of a step. All variables are then held for `t_ref`, and

    | level | name | $v$ after a spike | $I_j$ | $\theta_s$ | $\theta_v$ |
    |---|---|---|---|---|---|
    | 1 | LIF | $v_\mathrm{reset}$ | 0 | 0 | 0 |
    | 2 | LIF-R | $v_\mathrm{rest} + f(v - v_\mathrm{rest}) + \delta v$ | 0 | $\theta_s e^{-b_s t_\mathrm{ref}} + \delta\theta$ | 0 |
    | 3 | LIF-ASC | as 1 | $I_j r_j e^{-k_j t_\mathrm{ref}} + \delta I_j$ | 0 | 0 |
    | 4 | LIF-R-ASC | as 2 | as 3 | as 2 | 0 |
    | 5 | LIF-R-ASC-A | as 2 | as 3 | as 2 | unchanged |

    with the $v$ of the beginning of the step in which the spike falls, as in NEST.

    Scheme: exact over a step in which `g` and `i` are held (after-spike currents act by their mean over it), threshold included. With
    currents spike times are those of NEST's `glif_psc`. Two things differ. There $\theta_v$ does not see synaptic currents, only injected
    ones; here it follows the potential, whatever moves it (level 5 with synapses). And NEST's `glif_cond` integrates with adaptive steps.

    **Arguments:** each a scalar, an array with one entry per neuron, or a distribution; `level` is a number of the table. The defaults
    are those of NEST. There are two after-spike currents; for one alone set `asc_amp_2` to 0.

    - `c`, `g_leak`: capacitance and leak, above 0. [capacitance, conductance]
    - `v_rest`, `v_th`, `v_reset`: potentials; `v_reset` lies below `v_th`. [voltage]
    - `t_ref`: refractory period, 0 or more, a multiple of the time step (3.75 ms: not of 0.1 ms). [time]
    - `reset_fraction`: $f$, from 0 to 1; `reset_add`: $\delta v$. [number, voltage]
    - `th_spike_add`: $\delta\theta$; `th_spike_decay`: $b_s$, above 0. [voltage, 1/time]
    - `th_voltage_index`: $a_v$; `th_voltage_decay`: $b_v$, above 0. [1/time]
    - `asc_amp_1`, `asc_amp_2`: $\delta I_j$. [current]
    - `asc_decay_1`, `asc_decay_2`: $k_j$, above 0. [1/time]
    - `asc_keep_1`, `asc_keep_2`: $r_j$, from 0 to 1.

    **Raises:** `UnitError` for a bare number or another dimension, `ValueError` for a value outside its range or another level.

    **Source:** C. Teeter et al., Nature Communications 9, 709 (2018).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> cell = n4.GLIF(level=3, t_ref=4*u.ms)
        >>> n4.GLIF(level=6)
        Traceback (most recent call last):
        ValueError: GLIF.level is 1, 2, 3, 4 or 5; got 6.
    """

    level: int = eqx.field(static=True)
    c: Float[Array, "*n"] = quantity(u.pF, low=0, open_low=True, default=58.72 * u.pF)
    g_leak: Float[Array, "*n"] = quantity(u.nS, low=0, open_low=True, default=9.43 * u.nS)
    v_rest: Float[Array, "*n"] = quantity(u.mV, default=-78.85 * u.mV)
    v_th: Float[Array, "*n"] = quantity(u.mV, default=-51.68 * u.mV)
    v_reset: Float[Array, "*n"] = quantity(u.mV, default=-78.85 * u.mV)
    t_ref: Float[Array, "*n"] = quantity(u.ms, low=0, default=3.75 * u.ms)
    reset_fraction: Float[Array, "*n"] = quantity(NUMBER, low=0, high=1, default=0.2)
    reset_add: Float[Array, "*n"] = quantity(u.mV, default=18.51 * u.mV)
    th_spike_add: Float[Array, "*n"] = quantity(u.mV, default=0.37 * u.mV)
    th_spike_decay: Float[Array, "*n"] = quantity(u.kHz, low=0, open_low=True, default=0.009 * u.kHz)
    th_voltage_index: Float[Array, "*n"] = quantity(u.kHz, default=0.005 * u.kHz)
    th_voltage_decay: Float[Array, "*n"] = quantity(u.kHz, low=0, open_low=True, default=0.09 * u.kHz)
    asc_amp_1: Float[Array, "*n"] = quantity(u.pA, default=-9.18 * u.pA)
    asc_amp_2: Float[Array, "*n"] = quantity(u.pA, default=-198.94 * u.pA)
    asc_decay_1: Float[Array, "*n"] = quantity(u.kHz, low=0, open_low=True, default=0.003 * u.kHz)
    asc_decay_2: Float[Array, "*n"] = quantity(u.kHz, low=0, open_low=True, default=0.1 * u.kHz)
    asc_keep_1: Float[Array, "*n"] = quantity(NUMBER, low=0, high=1, default=1.0)
    asc_keep_2: Float[Array, "*n"] = quantity(NUMBER, low=0, high=1, default=1.0)

    native: ClassVar = "GLIF"
    ordered: ClassVar = (("v_th", "v_reset"),)
    variables: ClassVar = {"v": u.mV, "th_spike": u.mV, "th_voltage": u.mV, "asc_1": u.pA, "asc_2": u.pA}

    def __check_init__(self):
        if isinstance(self.level, bool) or self.level not in range(1, len(LEVELS) + 1):
            raise ValueError(f"GLIF.level is 1, 2, 3, 4 or 5; got {self.level!r}.")
        check_above("GLIF", ("v_th", self.v_th), ("v_reset", self.v_reset), "v_th=-50*u.mV, v_reset=-70*u.mV")

    def check(self, dt):
        steps_of(self.t_ref, dt, "GLIF.t_ref")

    def membrane(self):
        return Membrane(self.c / self.g_leak, self.c)

    def constants(self, dt):
        resets, currents, follows = (jnp.asarray(flag, self.c.dtype) for flag in LEVELS[self.level - 1])
        b, x = self.th_voltage_decay * dt, self.g_leak * dt / self.c
        k_1, k_2 = self.asc_decay_1, self.asc_decay_2
        cross = follows * self.th_voltage_index * dt * jnp.exp(-b)
        fraction = resets * self.reset_fraction
        ruled = self.v_rest * (1 - fraction) + self.reset_add
        return GLIFConstants(
            leak=-jnp.expm1(-x), resistance=1 / self.g_leak, rate=dt / self.c, g_leak=self.g_leak, v_rest=self.v_rest, v_th=self.v_th,
            asc_keep_1=currents * jnp.exp(-k_1 * dt), asc_keep_2=currents * jnp.exp(-k_2 * dt),
            asc_mean_1=currents * exprel(-k_1 * dt), asc_mean_2=currents * exprel(-k_2 * dt),
            asc_after_1=self.asc_keep_1 * jnp.exp(-k_1 * self.t_ref), asc_after_2=self.asc_keep_2 * jnp.exp(-k_2 * self.t_ref),
            asc_amp_1=currents * self.asc_amp_1, asc_amp_2=currents * self.asc_amp_2,
            spike_keep=resets * jnp.exp(-self.th_spike_decay * dt), spike_after=jnp.exp(-self.th_spike_decay * self.t_ref),
            spike_add=resets * self.th_spike_add,
            voltage_keep=follows * jnp.exp(-b), voltage_mean=follows * self.th_voltage_index * dt * exprel(-b),
            voltage_gap=cross * exprel(b - x), voltage_cross=cross, voltage_rate=b,
            reset_fraction=fraction, reset_base=jnp.where(resets > 0, ruled, self.v_reset), v_reset=self.v_reset,
            hold=jnp.round(self.t_ref / dt).astype(jnp.int32),
        )  # fmt: skip

    def rest(self):
        return {"v": self.v_rest}

    def init(self, values):
        v, th_spike, th_voltage, asc_1, asc_2 = (values[name] for name in self.variables)
        return GLIFState(v, th_spike, th_voltage, asc_1, asc_2, jnp.zeros_like(v))

    def step(self, constants, state, drive):
        c, s = constants, state
        inward = c.asc_mean_1 * s.asc_1 + c.asc_mean_2 * s.asc_2
        steady, share, gap = _towards(c, inward if drive.i is None else inward + drive.i, drive)
        v = s.v + share * (steady - s.v)
        if drive.jump is not None:
            v = v + drive.jump
        th_spike = c.spike_keep * s.th_spike
        th_voltage = c.voltage_keep * s.th_voltage + c.voltage_mean * (steady - c.v_rest) + gap * (s.v - steady)
        excess = v - (c.v_th + th_spike + th_voltage)
        free = s.left < 0.5
        fired = free & (excess >= 0)
        asc_1, asc_2 = c.asc_keep_1 * s.asc_1, c.asc_keep_2 * s.asc_2
        after = (
            c.reset_fraction * s.v + c.reset_base,
            c.spike_after * th_spike + c.spike_add,
            th_voltage,
            c.asc_after_1 * asc_1 + c.asc_amp_1,
            c.asc_after_2 * asc_2 + c.asc_amp_2,
        )
        moved = (v, th_spike, th_voltage, asc_1, asc_2)
        v, th_spike, th_voltage, asc_1, asc_2 = (jnp.where(fired, a, jnp.where(free, m, old)) for a, m, old in zip(after, moved, s[:-1]))
        left = jnp.where(fired, c.hold.astype(v.dtype), jnp.where(free, s.left, s.left - 1))
        return GLIFState(v, th_spike, th_voltage, asc_1, asc_2, left), Fired(fired, jnp.where(free, excess, c.v_reset - c.v_th))


def _towards(c: GLIFConstants, inward, drive: Drive):
    """Where the membrane goes, what share of the way it makes, and what the threshold takes from the distance."""
    if drive.g is None:
        return c.v_rest + c.resistance * inward, c.leak, c.voltage_gap
    total = c.g_leak + drive.g
    steady = (c.g_leak * c.v_rest + inward) / total
    share = -jnp.expm1(-c.rate * total)
    return steady, share, c.voltage_cross * exprel(jnp.clip(c.voltage_rate - c.rate * total, -FAR, FAR))
