"""The fast neuron of Traub and Miles, as the benchmarks of networks use it."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from neuro4d._base import NUMBER, quantity, steps_of
from neuro4d.integrators import exprel
from neuro4d.neurons._base import AbstractNeuron, Fired
from neuro4d.neurons._checks import check_above
from neuro4d.neurons._rates import FAR, equilibrium, ionic_change, relaxed


class TraubMilesState(NamedTuple):
    """`v` in mV; the gates `m`, `h`, `n` between 0 and 1; `left`: steps left in which no spike is detected."""

    v: Float[Array, "n"]
    m: Float[Array, "n"]
    h: Float[Array, "n"]
    n: Float[Array, "n"]
    left: Float[Array, "n"]


class TraubMilesConstants(NamedTuple):
    """The parameters, the step `dt` (ms), `rate` (dt/C, 1/nS) and the steps of a refractory period."""

    dt: Float[Array, ""]
    rate: Float[Array, "*n"]
    g_leak: Float[Array, "*n"]
    g_na: Float[Array, "*n"]
    g_k: Float[Array, "*n"]
    e_leak: Float[Array, "*n"]
    e_na: Float[Array, "*n"]
    e_k: Float[Array, "*n"]
    v_t: Float[Array, "*n"]
    v_th: Float[Array, "*n"]
    hold: Int32[Array, "*n"]


class TraubMiles(AbstractNeuron):
    r"""A neuron with the sodium and potassium currents of Traub and Miles (1991), reduced to a point: that of the COBAHH benchmark.

    $$ C \dot v = g_\mathrm{leak}(e_\mathrm{leak} - v) + g_\mathrm{Na} m^3 h\,(e_\mathrm{Na} - v) + g_\mathrm{K} n^4 (e_\mathrm{K} - v)
    + i - g\,v, \qquad \dot x = \alpha_x (1 - x) - \beta_x x $$

    With $w = v - v_\mathrm{t}$ in mV and $\varepsilon(x) = (e^x - 1)/x$ the rates per ms are

    | gate | $\alpha$ | $\beta$ |
    |---|---|---|
    | m | $1.28/\varepsilon((13 - w)/4)$ | $1.4/\varepsilon((w - 40)/5)$ |
    | h | $0.128\,e^{(17 - w)/18}$ | $4/(1 + e^{(40 - w)/5})$ |
    | n | $0.16/\varepsilon((15 - w)/5)$ | $0.5\,e^{(10 - w)/40}$ |

    Beyond 300 mV from $v_\mathrm{t}$ they stay what they are there.

    Scheme: exponential Euler, which is first order. Each equation is linear in its own variable and is solved exactly with all others as
    they were at the beginning of the step: what Brian2 calls `exponential_euler`. Steps of up to 0.1 ms are usual; spikes then come late, by
    0.4 to 2 ms after a slow approach to threshold, and by a tenth of that with 0.01 ms.

    **Spikes:** at the end of a step with $v \ge v_\mathrm{th}$, unless one was found within `t_ref` before it. Nothing is reset; `t_ref`
    keeps a spike from being counted twice. (NEST's `hh_cond_exp_traub` reports the maximum after a passage through
    $v_\mathrm{t}$ + 30 mV, which comes some steps later.)

    **Arguments:** each a scalar, an array with one entry per neuron, or a distribution. The defaults are those of the benchmark: an area of
    20,000 µm² with 1 µF/cm².

    - `c`: capacitance, above 0. [capacitance]
    - `g_leak`: above 0; `g_na`, `g_k`: 0 or more. [conductance]
    - `e_leak`, `e_na`, `e_k`: reversal potentials. [voltage]
    - `v_t`: shifts all rates. [voltage]
    - `v_th`: where a spike is detected, above `e_leak`. [voltage]
    - `t_ref`: least time between two detected spikes, 0 or more, a multiple of the time step. [time]

    **Variables:** `v` (mV), which starts at `e_leak`, and the gates `m`, `h`, `n`, which start at their equilibrium there.

    **Raises:** `UnitError` for a bare number or another dimension, `ValueError` for a value outside its range.

    **Source:** R. D. Traub, R. Miles, Neuronal Networks of the Hippocampus (1991); R. Brette et al., J. Comput. Neurosci. 23, 349 (2007),
    benchmark 3.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> cell = n4.TraubMiles(t_ref=3*u.ms)
        >>> float(cell.g_na)
        20000.0
    """

    c: Float[Array, "*n"] = quantity(u.pF, low=0, open_low=True, default=200 * u.pF)
    g_leak: Float[Array, "*n"] = quantity(u.nS, low=0, open_low=True, default=10 * u.nS)
    g_na: Float[Array, "*n"] = quantity(u.nS, low=0, default=20_000 * u.nS)
    g_k: Float[Array, "*n"] = quantity(u.nS, low=0, default=6_000 * u.nS)
    e_leak: Float[Array, "*n"] = quantity(u.mV, default=-60 * u.mV)
    e_na: Float[Array, "*n"] = quantity(u.mV, default=50 * u.mV)
    e_k: Float[Array, "*n"] = quantity(u.mV, default=-90 * u.mV)
    v_t: Float[Array, "*n"] = quantity(u.mV, default=-63 * u.mV)
    v_th: Float[Array, "*n"] = quantity(u.mV, default=-20 * u.mV)
    t_ref: Float[Array, "*n"] = quantity(u.ms, low=0, default=3 * u.ms)

    native: ClassVar = "TraubMiles"
    ordered: ClassVar = (("v_th", "e_leak"),)
    variables: ClassVar = {"v": u.mV, "m": NUMBER, "h": NUMBER, "n": NUMBER}

    def __check_init__(self):
        check_above("TraubMiles", ("v_th", self.v_th), ("e_leak", self.e_leak), "v_th=-20*u.mV, e_leak=-60*u.mV")

    def check(self, dt):
        steps_of(self.t_ref, dt, "TraubMiles.t_ref")

    def membrane(self):
        return None

    def constants(self, dt):
        hold = jnp.round(self.t_ref / dt).astype(jnp.int32)
        rate = dt / self.c
        levels = (self.g_leak, self.g_na, self.g_k, self.e_leak, self.e_na, self.e_k, self.v_t, self.v_th)
        return TraubMilesConstants(jnp.asarray(dt, rate.dtype), rate, *levels, hold)

    def rest(self):
        return {"v": self.e_leak, **equilibrium(_rates(self.e_leak - self.v_t))}

    def init(self, values):
        return TraubMilesState(values["v"], values["m"], values["h"], values["n"], jnp.zeros_like(values["v"]))

    def step(self, constants, state, drive):
        c = constants
        gates = {name: relaxed(getattr(state, name), a, b, c.dt) for name, (a, b) in _rates(state.v - c.v_t).items()}
        v = state.v + ionic_change(c, state, drive, c.rate)
        if drive.jump is not None:
            v = v + drive.jump
        free = state.left < 0.5
        fired = free & (v >= c.v_th)
        left = jnp.where(fired, c.hold.astype(v.dtype), jnp.where(free, state.left, state.left - 1))
        excess = jnp.where(free, v, c.e_leak) - c.v_th
        return TraubMilesState(v, gates["m"], gates["h"], gates["n"], left), Fired(fired, excess)


def _rates(w):
    """Opening and closing of each gate, 1/ms, at a distance of `w` mV from `v_t`."""
    w = jnp.clip(w, -FAR, FAR)
    return {
        "m": (1.28 / exprel((13 - w) / 4), 1.4 / exprel((w - 40) / 5)),
        "h": (0.128 * jnp.exp((17 - w) / 18), 4 / (1 + jnp.exp((40 - w) / 5))),
        "n": (0.16 / exprel((15 - w) / 5), 0.5 * jnp.exp((10 - w) / 40)),
    }
