"""Exponential integrate-and-fire neurons, without and with adaptation."""

from typing import Any, ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from neuro4d._base import Drive, UnknownNameError, quantity, steps_of
from neuro4d.neurons._base import AbstractNeuron, Fired, Membrane
from neuro4d.neurons._checks import check_above

STEEPEST = 80.0
"""Exponents are cut here: so far above `v_t` a neuron fires in any step."""

LEAST = 2.0**-20
"""Nearer to an infinite potential than this share of a step counts as infinite."""

NAUD = (
    ("tonic", 200, 10, -70, 2, 30, 0, -58),
    ("adaptation", 200, 12, -70, 2, 300, 60, -58),
    ("initial-burst", 130, 18, -58, 4, 150, 120, -50),
    ("regular-bursting", 200, 10, -58, 2, 120, 100, -46),
    ("delayed-accelerating", 200, 12, -70, -10, 300, 0, -58),
    ("delayed-regular-bursting", 100, 10, -65, -10, 90, 30, -47),
    ("transient", 100, 10, -65, 10, 90, 100, -47),
    ("irregular", 100, 12, -60, -11, 130, 30, -48),
)
"""Naud et al. (2008): name, c (pF), g_l (nS), v_rest (mV), a (nS), tau_w (ms), b (pA), v_reset (mV); v_t -50 mV, delta_t 2 mV."""


class EIFState(NamedTuple):
    """`v` in mV; `left`: steps until a held neuron is free."""

    v: Float[Array, "n"]
    left: Float[Array, "n"]


class AdExState(NamedTuple):
    """`v` in mV, the adaptation current `w` in pA; `left`: steps until a held neuron is free."""

    v: Float[Array, "n"]
    w: Float[Array, "n"]
    left: Float[Array, "n"]


class EIFConstants(NamedTuple):
    """With currents the share `half` of the way to the steady potential in half a step and `resistance` (mV/pA); with conductances
    `rate` (dt/2C, 1/nS) and `g_l` (nS); `rise` (dt/tau), `per_delta` (1/mV) and levels (mV) of the upstroke; `hold` in steps."""

    half: Float[Array, "*n"]
    resistance: Float[Array, "*n"]
    rate: Float[Array, "*n"]
    g_l: Float[Array, "*n"]
    v_rest: Float[Array, "*n"]
    rise: Float[Array, "*n"]
    v_t: Float[Array, "*n"]
    delta_t: Float[Array, "*n"]
    per_delta: Float[Array, "*n"]
    v_reset: Float[Array, "*n"]
    v_peak: Float[Array, "*n"]
    hold: Int32[Array, "*n"]


class AdExConstants(NamedTuple):
    """As `EIFConstants`, then the share `half_w` of the way of `w` in half a step, `a` (nS) and `b` (pA)."""

    half: Float[Array, "*n"]
    resistance: Float[Array, "*n"]
    rate: Float[Array, "*n"]
    g_l: Float[Array, "*n"]
    v_rest: Float[Array, "*n"]
    rise: Float[Array, "*n"]
    v_t: Float[Array, "*n"]
    delta_t: Float[Array, "*n"]
    per_delta: Float[Array, "*n"]
    v_reset: Float[Array, "*n"]
    v_peak: Float[Array, "*n"]
    hold: Int32[Array, "*n"]
    half_w: Float[Array, "*n"]
    a: Float[Array, "*n"]
    b: Float[Array, "*n"]


class EIF(AbstractNeuron):
    r"""Exponential integrate-and-fire neuron with a refractory period.

    $$ C \dot v = g_L (v_\mathrm{rest} - v) + g_L \Delta_T\, e^{(v - v_t)/\Delta_T} + i - g\,v $$

    When $v \ge v_\mathrm{peak}$ at the end of a step the neuron fires, and `v` is held at `v_reset` for `t_ref`.

    Scheme: half a step of the linear membrane, a whole step of the upstroke alone, half a step of the linear membrane (Strang 1968),
    each exact: second order. The upstroke has the solution $v - \Delta_T \ln(1 - \frac{dt}{\tau} e^{(v - v_t)/\Delta_T})$; where that is infinite
    before the end of the step, the neuron fires, so that no step is too long for the upstroke and none overflows.

    **Arguments:** each a scalar, an array with one entry per neuron, or a distribution.

    - `c`: capacitance, above 0. [capacitance]
    - `g_l`: leak conductance, above 0; the time constant is `c/g_l`. [conductance]
    - `v_rest`: reversal potential of the leak. [voltage]
    - `v_t`: where the upstroke begins. [voltage]
    - `delta_t`: its sharpness, above 0. [voltage]
    - `v_reset`: potential after a spike, below `v_peak`. [voltage]
    - `v_peak`: where a spike is cut, above `v_t`. [voltage]
    - `t_ref`: refractory period, 0 or more, a multiple of the time step. [time]

    **Raises:** `UnitError` for a bare number or another dimension, `ValueError` for a value outside its range.

    **Source:** N. Fourcaud-Trocmé, D. Hansel, C. van Vreeswijk, N. Brunel, J. Neurosci. 23, 11628 (2003).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> eif = n4.EIF(c=200*u.pF, g_l=10*u.nS, v_rest=-65*u.mV, v_t=-50*u.mV, delta_t=3*u.mV, v_reset=-60*u.mV)
    """

    c: Float[Array, "*n"] = quantity(u.pF, low=0, open_low=True)
    g_l: Float[Array, "*n"] = quantity(u.nS, low=0, open_low=True)
    v_rest: Float[Array, "*n"] = quantity(u.mV)
    v_t: Float[Array, "*n"] = quantity(u.mV)
    delta_t: Float[Array, "*n"] = quantity(u.mV, low=0, open_low=True)
    v_reset: Float[Array, "*n"] = quantity(u.mV)
    v_peak: Float[Array, "*n"] = quantity(u.mV, default=0 * u.mV)
    t_ref: Float[Array, "*n"] = quantity(u.ms, low=0, default=0 * u.ms)

    native: ClassVar = "EIF"
    ordered: ClassVar = (("v_peak", "v_t"), ("v_peak", "v_reset"))
    variables: ClassVar = {"v": u.mV}

    def __check_init__(self):
        _check_levels(self, "EIF")

    def check(self, dt):
        steps_of(self.t_ref, dt, "EIF.t_ref")

    def membrane(self):
        return Membrane(self.c / self.g_l, self.c)

    def constants(self, dt):
        return EIFConstants(*_membrane_constants(self, dt))

    def rest(self):
        return {"v": self.v_rest}

    def init(self, values):
        return EIFState(values["v"], jnp.zeros_like(values["v"]))

    def step(self, constants, state, drive):
        p = constants
        free = state.left < 0.5
        later, burst = _membrane_step(p, state.v, drive.g, 0 if drive.i is None else drive.i)
        v, fired, left = _fire(p, state.v, state.left, later, burst, drive)
        return EIFState(jnp.where(fired, p.v_reset, v), left), Fired(fired, jnp.where(free, v, p.v_reset) - p.v_peak)


class AdEx(AbstractNeuron):
    r"""Adaptive exponential integrate-and-fire neuron.

    $$ C \dot v = g_L (v_\mathrm{rest} - v) + g_L \Delta_T\, e^{(v - v_t)/\Delta_T} - w + i - g\,v, \qquad
    \tau_w \dot w = a (v - v_\mathrm{rest}) - w $$

    When $v \ge v_\mathrm{peak}$ at the end of a step the neuron fires: $w \leftarrow w + b$, and `v` is held at `v_reset` for `t_ref`, while
    `w` goes on.

    Scheme: half a step of `w`, then `v` as in `EIF`, then half a step of `w` with the new `v` (in a step with a spike, with
    `v_reset`): second order. Spikes lie
    on the grid. NEST's `aeif` models solve the same equations with adaptive steps: with `t_ref` above 0 their spikes lie within one step of these;
    with `t_ref=0` they reset inside of a step and every interval is shorter by up to one step.

    **Arguments:** each a scalar, an array with one entry per neuron, or a distribution.

    - `c`, `g_l`, `v_rest`, `v_t`, `delta_t`, `v_reset`, `v_peak`, `t_ref`: as for `EIF`.
    - `a`: coupling of `w` to the potential, of any sign. [conductance]
    - `tau_w`: time constant of `w`, above 0. [time]
    - `b`: increment of `w` at a spike. [current]

    `AdEx.preset(name)` has the eight firing patterns of Naud et al. (2008).

    **Raises:** `UnitError` for a bare number or another dimension, `ValueError` for a value outside its range.

    **Source:** R. Brette, W. Gerstner, J. Neurophysiol. 94, 3637 (2005); R. Naud et al., Biol. Cybern. 99, 335 (2008).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> membrane = dict(c=281*u.pF, g_l=30*u.nS, v_rest=-70.6*u.mV, v_t=-50.4*u.mV, delta_t=2*u.mV, v_reset=-70.6*u.mV)
        >>> adex = n4.AdEx(**membrane, a=4*u.nS, tau_w=144*u.ms, b=80.5*u.pA)
        >>> n4.AdEx.preset("irregular").a.tolist()
        -11.0
    """

    c: Float[Array, "*n"] = quantity(u.pF, low=0, open_low=True)
    g_l: Float[Array, "*n"] = quantity(u.nS, low=0, open_low=True)
    v_rest: Float[Array, "*n"] = quantity(u.mV)
    v_t: Float[Array, "*n"] = quantity(u.mV)
    delta_t: Float[Array, "*n"] = quantity(u.mV, low=0, open_low=True)
    a: Float[Array, "*n"] = quantity(u.nS)
    tau_w: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    b: Float[Array, "*n"] = quantity(u.pA)
    v_reset: Float[Array, "*n"] = quantity(u.mV)
    v_peak: Float[Array, "*n"] = quantity(u.mV, default=0 * u.mV)
    t_ref: Float[Array, "*n"] = quantity(u.ms, low=0, default=0 * u.ms)

    native: ClassVar = "AdEx"
    ordered: ClassVar = (("v_peak", "v_t"), ("v_peak", "v_reset"))
    variables: ClassVar = {"v": u.mV, "w": u.pA}

    @classmethod
    def preset(cls, name: str) -> "AdEx":
        """A neuron of Naud et al. (2008), table 1: `tonic`, `adaptation`, `initial-burst`, `regular-bursting`, `delayed-accelerating`,
        `delayed-regular-bursting`, `transient`, `irregular`. `n4.zoo.adex_pattern` has them with their input.

        **Raises:** `UnknownNameError` with the names.
        """
        found = next((row for row in NAUD if row[0] == name), None)
        if found is None:
            raise UnknownNameError(f"AdEx has no preset {name!r}. There are: {', '.join(row[0] for row in NAUD)}.")
        _, c, g_l, v_rest, a, tau_w, b, v_reset = found
        return cls(
            c=c * u.pF, g_l=g_l * u.nS, v_rest=v_rest * u.mV, v_t=-50 * u.mV, delta_t=2 * u.mV, a=a * u.nS, tau_w=tau_w * u.ms,
            b=b * u.pA, v_reset=v_reset * u.mV,
        )  # fmt: skip

    def __check_init__(self):
        _check_levels(self, "AdEx")

    def check(self, dt):
        steps_of(self.t_ref, dt, "AdEx.t_ref")

    def membrane(self):
        return Membrane(self.c / self.g_l, self.c)

    def constants(self, dt):
        adaptation = -jnp.expm1(-dt / (2 * self.tau_w)), self.a, self.b
        return AdExConstants._make((*_membrane_constants(self, dt), *adaptation))

    def rest(self):
        return {"v": self.v_rest, "w": 0.0}

    def init(self, values):
        return AdExState(values["v"], values["w"], jnp.zeros_like(values["v"]))

    def step(self, constants, state, drive):
        p = constants
        free = state.left < 0.5
        w = state.w + p.half_w * (p.a * (state.v - p.v_rest) - state.w)
        later, burst = _membrane_step(p, state.v, drive.g, (0 if drive.i is None else drive.i) - w)
        seen = jnp.where(free, jnp.where(later >= p.v_peak, p.v_reset, later), state.v)
        w = w + p.half_w * (p.a * (seen - p.v_rest) - w)
        v, fired, left = _fire(p, state.v, state.left, later, burst, drive)
        w = jnp.where(fired, w + p.b, w)
        return AdExState(jnp.where(fired, p.v_reset, v), w, left), Fired(fired, jnp.where(free, v, p.v_reset) - p.v_peak)


def _check_levels(neuron: Any, owner: str) -> None:
    check_above(owner, ("v_peak", neuron.v_peak), ("v_t", neuron.v_t), "v_t=-50*u.mV, v_peak=0*u.mV")
    check_above(owner, ("v_peak", neuron.v_peak), ("v_reset", neuron.v_reset), "v_reset=-58*u.mV, v_peak=0*u.mV")


def _membrane_constants(n: Any, dt: float) -> tuple:
    rise = dt * n.g_l / n.c
    hold = jnp.round(n.t_ref / dt).astype(jnp.int32)
    half = -jnp.expm1(-rise / 2)
    return half, 1 / n.g_l, dt / (2 * n.c), n.g_l, n.v_rest, rise, n.v_t, n.delta_t, 1 / n.delta_t, n.v_reset, n.v_peak, hold


def _membrane_step(p: Any, v: Array, g: Any, i: Any) -> tuple[Array, Bool[Array, "n"]]:
    """The potential after a step without jumps, and where it was infinite before (there it is `v_peak`)."""
    if g is None:
        steady = p.v_rest + p.resistance * i
        v = v + p.half * (steady - v)
    else:
        total = p.g_l + g
        share = -jnp.expm1(-p.rate * total)
        steady = (p.g_l * p.v_rest + i) / total
        v = v + share * (steady - v)
    rise = p.rise * jnp.exp(jnp.minimum((v - p.v_t) * p.per_delta, STEEPEST))
    burst = 1 - rise < LEAST
    v = v - p.delta_t * jnp.log1p(-jnp.where(burst, 0, rise))
    v = v + (p.half if g is None else share) * (steady - v)
    return jnp.where(burst, p.v_peak, v), burst


def _fire(p: Any, v: Array, left: Array, later: Array, burst: Array, drive: Drive) -> tuple[Array, Bool[Array, "n"], Array]:
    """The potential before a reset, who fires, and how long who is held."""
    free = left < 0.5
    if drive.jump is not None:
        later = later + drive.jump
    v = jnp.where(free, later, v)
    fired = free & ((v >= p.v_peak) | burst)
    return v, fired, jnp.where(fired, p.hold.astype(v.dtype), jnp.where(free, 0, left - 1))
