"""The squid axon of Hodgkin and Huxley, reduced to a point."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import NUMBER, quantity
from neuro4d.integrators import exprel
from neuro4d.neurons._base import AbstractNeuron, Fired
from neuro4d.neurons._checks import check_above
from neuro4d.neurons._rates import FAR, equilibrium, ionic_change, relaxed, relaxed_twice


class HodgkinHuxleyState(NamedTuple):
    """`v` in mV; the gates `m`, `h`, `n` between 0 and 1."""

    v: Float[Array, "n"]
    m: Float[Array, "n"]
    h: Float[Array, "n"]
    n: Float[Array, "n"]


class HodgkinHuxleyConstants(NamedTuple):
    """The parameters, the step of the gates (ms, times `speed`) and `rate` (dt/C, 1/nS)."""

    dt: Float[Array, "*n"]
    rate: Float[Array, "*n"]
    g_leak: Float[Array, "*n"]
    g_na: Float[Array, "*n"]
    g_k: Float[Array, "*n"]
    e_leak: Float[Array, "*n"]
    e_na: Float[Array, "*n"]
    e_k: Float[Array, "*n"]
    v_rest: Float[Array, "*n"]
    v_th: Float[Array, "*n"]


class HodgkinHuxley(AbstractNeuron):
    r"""The neuron of Hodgkin and Huxley (1952), with potentials as they are measured today: inside against outside, a spike goes up.

    $$ C \dot v = g_\mathrm{leak}(e_\mathrm{leak} - v) + g_\mathrm{Na} m^3 h\,(e_\mathrm{Na} - v) + g_\mathrm{K} n^4 (e_\mathrm{K} - v)
    + i - g\,v, \qquad \dot x = s\,\big(\alpha_x (1 - x) - \beta_x x\big) $$

    With $w = v - v_\mathrm{rest}$ in mV and $\varepsilon(x) = (e^x - 1)/x$ the rates per ms at 6.3 °C are

    | gate | $\alpha$ | $\beta$ |
    |---|---|---|
    | m | $1/\varepsilon((25 - w)/10)$ | $4\,e^{-w/18}$ |
    | h | $0.07\,e^{-w/20}$ | $1/(1 + e^{(30 - w)/10})$ |
    | n | $0.1/\varepsilon((10 - w)/10)$ | $0.125\,e^{-w/80}$ |

    Beyond 300 mV from $v_\mathrm{rest}$ they stay what they are there.

    Scheme: exponential midpoint, second order in the time step. The gates go a quarter of a step and with these the membrane half a step;
    the rates found there take the gates to the middle and to the end of the step, and the gates of the middle the membrane to its end. Each
    part is exact while the rest is held. A spike train of 80 Hz runs late by 0.2 µs per spike with steps of 0.01 ms, by 5 µs with 0.05 ms.

    **Spikes:** at the end of a step in which `v` passes `v_th` from below. Nothing is reset. (NEST's `hh_psc_alpha` reports the first step
    after the maximum that follows, at most one in 2 ms.)

    **Arguments:** each a scalar, an array with one entry per neuron, or a distribution. The defaults are those of NEST for 100 µm² of axon
    with 1 µF/cm².

    - `c`: capacitance, above 0. [capacitance]
    - `g_leak`: above 0; `g_na`, `g_k`: 0 or more. [conductance]
    - `e_leak`, `e_na`, `e_k`: reversal potentials. [voltage]
    - `v_rest`: where Hodgkin and Huxley put their zero; shifts all rates. [voltage]
    - `v_th`: where a spike is detected, above `v_rest`. [voltage]
    - `speed`: factor of all rates, above 0: $3^{(T - 6.3\,°\mathrm{C})/10\,°\mathrm{C}}$ at another temperature.

    **Variables:** `v` (mV), which starts at `v_rest`, and the gates `m`, `h`, `n`, which start at their equilibrium there.

    **Raises:** `UnitError` for a bare number or another dimension, `ValueError` for a value outside its range.

    **Source:** A. L. Hodgkin, A. F. Huxley, J. Physiol. 117, 500 (1952).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> squid = n4.HodgkinHuxley()
        >>> warm = n4.HodgkinHuxley(speed=3**((18.5 - 6.3)/10))
        >>> round(float(warm.speed), 2)
        3.82
    """

    c: Float[Array, "*n"] = quantity(u.pF, low=0, open_low=True, default=100 * u.pF)
    g_leak: Float[Array, "*n"] = quantity(u.nS, low=0, open_low=True, default=30 * u.nS)
    g_na: Float[Array, "*n"] = quantity(u.nS, low=0, default=12_000 * u.nS)
    g_k: Float[Array, "*n"] = quantity(u.nS, low=0, default=3_600 * u.nS)
    e_leak: Float[Array, "*n"] = quantity(u.mV, default=-54.402 * u.mV)
    e_na: Float[Array, "*n"] = quantity(u.mV, default=50 * u.mV)
    e_k: Float[Array, "*n"] = quantity(u.mV, default=-77 * u.mV)
    v_rest: Float[Array, "*n"] = quantity(u.mV, default=-65 * u.mV)
    v_th: Float[Array, "*n"] = quantity(u.mV, default=0 * u.mV)
    speed: Float[Array, "*n"] = quantity(NUMBER, low=0, open_low=True, default=1.0)

    native: ClassVar = "HodgkinHuxley"
    ordered: ClassVar = (("v_th", "v_rest"),)
    variables: ClassVar = {"v": u.mV, "m": NUMBER, "h": NUMBER, "n": NUMBER}

    def __check_init__(self):
        check_above("HodgkinHuxley", ("v_th", self.v_th), ("v_rest", self.v_rest), "v_th=0*u.mV, v_rest=-65*u.mV")

    def check(self, dt):
        if dt > 0.1:
            raise ValueError(f"HodgkinHuxley: a spike needs steps of at most 0.1 ms, better 0.05 ms; got dt={dt} ms. For example `dt=0.05*u.ms`.")

    def membrane(self):
        return None

    def constants(self, dt):
        levels = (self.g_leak, self.g_na, self.g_k, self.e_leak, self.e_na, self.e_k, self.v_rest, self.v_th)
        return HodgkinHuxleyConstants(dt * self.speed, dt / self.c, *levels)

    def rest(self):
        return {"v": self.v_rest, **equilibrium(_rates(jnp.zeros_like(self.v_rest)))}

    def init(self, values):
        return HodgkinHuxleyState(values["v"], values["m"], values["h"], values["n"])

    def step(self, constants, state, drive):
        c, s = constants, state
        early = {name: relaxed(getattr(s, name), a, b, 0.25 * c.dt) for name, (a, b) in _rates(s.v - c.v_rest).items()}
        half = s.v + ionic_change(c, HodgkinHuxleyState(s.v, **early), drive, 0.5 * c.rate)
        late = {name: relaxed_twice(getattr(s, name), a, b, 0.5 * c.dt) for name, (a, b) in _rates(half - c.v_rest).items()}
        middle, gates = ({name: pair[k] for name, pair in late.items()} for k in (0, 1))
        v = s.v + ionic_change(c, HodgkinHuxleyState(s.v, **middle), drive, c.rate)
        if drive.jump is not None:
            v = v + drive.jump
        below = s.v < c.v_th
        excess = jnp.where(below, v, c.v_rest) - c.v_th
        return HodgkinHuxleyState(v, **gates), Fired(below & (v >= c.v_th), excess)


def _rates(w):
    """Opening and closing of each gate, 1/ms, at a distance of `w` mV from rest."""
    w = jnp.clip(w, -FAR, FAR)
    return {
        "m": (1 / exprel((25 - w) / 10), 4 * jnp.exp((0 - w) / 18)),
        "h": (0.07 * jnp.exp((0 - w) / 20), 1 / (1 + jnp.exp((30 - w) / 10))),
        "n": (0.1 / exprel((10 - w) / 10), 0.125 * jnp.exp((0 - w) / 80)),
    }
