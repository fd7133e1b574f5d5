"""Spike-timing-dependent plasticity of triplets of spikes."""

from typing import Any, ClassVar, Literal

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d._base import NUMBER
from neuro4d.plasticity._base import Trace
from neuro4d.plasticity._bounded import AbstractBounded, bound, check_pairing
from neuro4d.plasticity._numbers import number


class TripletSTDP(AbstractBounded):
    r"""Pairs of spikes and triplets: what a spike changes depends on earlier spikes of its own side too, so that pairs at a high rate strengthen.

    $$ \begin{aligned}
    \text{the target fires:}\quad & w \leftarrow w + w_{\max}\, r_1 (A_2^+ + A_3^+ o_2), & \tau_+ \dot r_1 &= -r_1, & \tau_y \dot o_2 &= -o_2 \\
    \text{a spike arrives:}\quad & w \leftarrow w - w_{\max}\, o_1 (A_2^- + A_3^- r_2), & \tau_- \dot o_1 &= -o_1, & \tau_x \dot r_2 &= -r_2
    \end{aligned} $$

    each kept between 0 and $w_{\max}$. $r_1, r_2$ remember the spikes that arrived, after the delay of the synapse, $o_1, o_2$ those of the
    target; none of them those of the step itself.

    **Arguments:**

    - `w_max` $w_{\max}$: the bound, as in `n4.STDP`.
    - `a2_plus`, `a3_plus`, `a2_minus`, `a3_minus`: amplitudes of pairs and triplets, as shares of `w_max`, 0 or more. Leaves of a model, as in `n4.STDP`.
    - `tau_plus`, `tau_minus`, `tau_x`, `tau_y`: [time], more than 0.
    - `pairing`: `"all"`: every spike adds 1 to its traces; `"nearest"`: it sets them to 1, so that the last one alone counts.

    The defaults are the fit to visual cortex of the source (all-to-all, full model). The rule by which Diehl and Cook's network reads digits is the nearest one with
    `a3_plus` and `a2_minus` alone: strengthened where the target has fired shortly before.

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range.

    **Source:** J.-P. Pfister, W. Gerstner (2006), Journal of Neuroscience 26, 9673, equations 3 and 4.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.TripletSTDP(w_max=1*u.nS).tau_y
        125.0
    """

    native: ClassVar = "TripletSTDP"

    w_max: float = eqx.field(static=True)
    a2_plus: float
    a3_plus: float
    a2_minus: float
    a3_minus: float
    tau_plus: float = eqx.field(static=True)
    tau_minus: float = eqx.field(static=True)
    tau_x: float = eqx.field(static=True)
    tau_y: float = eqx.field(static=True)
    pairing: Literal["all", "nearest"] = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    def __init__(
        self,
        *,
        w_max,
        a2_plus=5e-10,
        a3_plus=6.2e-3,
        a2_minus=7e-3,
        a3_minus=2.3e-4,
        tau_plus=16.8 * u.ms,
        tau_minus=33.7 * u.ms,
        tau_x=101 * u.ms,
        tau_y=125 * u.ms,
        pairing="all",
    ):
        self.w_max, self.unit = bound(w_max, "TripletSTDP")
        amplitude = lambda x, name: number(x, NUMBER, f"TripletSTDP.{name}", least=0.0)  # noqa: E731
        self.a2_plus, self.a3_plus = amplitude(a2_plus, "a2_plus"), amplitude(a3_plus, "a3_plus")
        self.a2_minus, self.a3_minus = amplitude(a2_minus, "a2_minus"), amplitude(a3_minus, "a3_minus")
        time = lambda x, name: number(x, u.ms, f"TripletSTDP.{name}", above=0.0)  # noqa: E731
        self.tau_plus, self.tau_minus = time(tau_plus, "tau_plus"), time(tau_minus, "tau_minus")
        self.tau_x, self.tau_y = time(tau_x, "tau_x"), time(tau_y, "tau_y")
        self.pairing = check_pairing(pairing, "TripletSTDP")

    def pre_traces(self):
        nearest = self.pairing == "nearest"
        return {"r1": Trace(self.tau_plus, nearest), "r2": Trace(self.tau_x, nearest)}

    def post_traces(self):
        nearest = self.pairing == "nearest"
        return {"o1": Trace(self.tau_minus, nearest), "o2": Trace(self.tau_y, nearest)}

    def on_post(self, weight, variables, seen):
        return self._moved(weight, seen.pre["r1"] * (self.a2_plus + self.a3_plus * seen.post["o2"])), variables

    def on_pre(self, weight, variables, seen):
        return self._moved(weight, -seen.post["o1"] * (self.a2_minus + self.a3_minus * seen.pre["r2"])), variables

    def _moved(self, weight: Array, by: Array) -> Array:
        return jnp.clip(weight / self.w_max + by, 0, 1) * self.w_max
