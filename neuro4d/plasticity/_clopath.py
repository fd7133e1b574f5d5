"""Spike-timing-dependent plasticity that listens to the potential of its target."""

import math
from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np

from neuro4d._base import NUMBER, steps_of
from neuro4d.plasticity._base import Trace
from neuro4d.plasticity._bounded import AbstractBounded, bound
from neuro4d.plasticity._numbers import number


class ClopathSTDP(AbstractBounded):
    r"""Voltage-based plasticity: a spike that arrives weakens a depolarised target's synapse, depolarisation after an arrival strengthens it.

    $$ \begin{aligned}
    \text{a spike arrives:}\quad & w \leftarrow w - w_{\max} A_\mathrm{LTD}\, h\, [\bar u_- - \theta_-]_+ \\
    \text{always:}\quad & \dot w = w_{\max} A_\mathrm{LTP}\, \bar x\, [u - \theta_+]_+\, [\bar u_+ - \theta_-]_+
    \end{aligned} \qquad \tau_x \dot{\bar x} = -\bar x + \textstyle\sum_k \delta(t - t_k), \quad \tau_\pm \dot{\bar u}_\pm = -\bar u_\pm + u $$

    kept between 0 and $w_{\max}$. $u$ is the potential of the target. $\bar u_\pm$ act with a delay, so that a spike of the target does
    not see itself, as in the program of the source. $h = 1$, or with `u_ref` $h = \bar{\bar u}^2 / u_\mathrm{ref}^2$ with
    $\tau_{\bar{\bar u}} \dot{\bar{\bar u}} = -\bar{\bar u} + \bar u_-$: slow homeostasis. Between the ends of two steps $u$ is taken as straight for
    $\bar u_\pm$; the change of the weight is summed at the ends of steps. Each step looks at every synapse of the projection.

    A neuron whose spikes are points has no upstroke: with `peak` its potential counts as `peak` from the end of the step in which it
    fires for `width`. Neurons with spikes of their own shape, such as `n4.TraubMiles`, need none.

    **Arguments:**

    - `w_max` $w_{\max}$: the bound, in the unit of the receptor's weights, as in `n4.STDP`.
    - `a_ltd`: by default $14 \cdot 10^{-5}$/mV, `a_ltp`: by default $8 \cdot 10^{-5}$/mV²; as shares of `w_max`, 0 or more.
    - `theta_minus`, `theta_plus`: by default -70.6 mV and -45.3 mV. [voltage]
    - `tau_x`, `tau_minus`, `tau_plus`: by default 15, 10 and 7 ms, more than 0. [time]
    - `delay`: of $\bar u_\pm$, a multiple of the time step; by default 5 ms. [time]
    - `u_ref`: the reference of homeostasis; `None` (the default): none. [voltage]; `tau_ref` $\tau_{\bar{\bar u}}$: by default 500 ms. [time]
    - `rest`: what $\bar u_\pm$ begin from; by default -70.6 mV. [voltage]
    - `peak`: the potential of a spike, `None` (the default): that of the neuron. [voltage]; `width`: how long it lasts, a multiple of the
      time step; by default 1 ms. [time]

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range, and by `build` for times off the grid.

    **Source:** C. Clopath, L. Büsing, E. Vasilaki, W. Gerstner (2010), Nature Neuroscience 13, 344; the defaults are its visual cortex.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.ClopathSTDP(w_max=1*u.nS, peak=30*u.mV)
        >>> rule.reads()
        ('v',)
    """

    w_max: float = eqx.field(static=True)
    a_ltd: float = eqx.field(static=True)
    a_ltp: float = eqx.field(static=True)
    theta_minus: float = eqx.field(static=True)
    theta_plus: float = eqx.field(static=True)
    tau_x: float = eqx.field(static=True)
    tau_minus: float = eqx.field(static=True)
    tau_plus: float = eqx.field(static=True)
    delay: float = eqx.field(static=True)
    u_ref: float | None = eqx.field(static=True)
    tau_ref: float = eqx.field(static=True)
    rest: float = eqx.field(static=True)
    peak: float | None = eqx.field(static=True)
    width: float = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    def __init__(
        self,
        *,
        w_max,
        a_ltd=14e-5 / u.mV,
        a_ltp=8e-5 / u.mV**2,
        theta_minus=-70.6 * u.mV,
        theta_plus=-45.3 * u.mV,
        tau_x=15 * u.ms,
        tau_minus=10 * u.ms,
        tau_plus=7 * u.ms,
        delay=5 * u.ms,
        u_ref=None,
        tau_ref=500 * u.ms,
        rest=-70.6 * u.mV,
        peak=None,
        width=1 * u.ms,
    ):
        self.w_max, self.unit = bound(w_max, "ClopathSTDP")
        self.a_ltd = number(a_ltd * u.mV, NUMBER, "ClopathSTDP.a_ltd (times mV)", least=0.0)
        self.a_ltp = number(a_ltp * u.mV**2, NUMBER, "ClopathSTDP.a_ltp (times mV²)", least=0.0)
        volts = lambda x, name: number(x, u.mV, f"ClopathSTDP.{name}")  # noqa: E731
        self.theta_minus, self.theta_plus = volts(theta_minus, "theta_minus"), volts(theta_plus, "theta_plus")
        self.rest, self.peak = volts(rest, "rest"), None if peak is None else volts(peak, "peak")
        self.u_ref = None if u_ref is None else volts(u_ref, "u_ref")
        if self.u_ref == 0:
            raise ValueError("ClopathSTDP.u_ref is not 0, for example `u_ref=60*u.mV`, or None for no homeostasis.")
        time = lambda x, name: number(x, u.ms, f"ClopathSTDP.{name}", above=0.0)  # noqa: E731
        self.tau_x, self.tau_minus, self.tau_plus = time(tau_x, "tau_x"), time(tau_minus, "tau_minus"), time(tau_plus, "tau_plus")
        self.tau_ref, self.width = time(tau_ref, "tau_ref"), time(width, "width")
        self.delay = number(delay, u.ms, "ClopathSTDP.delay", least=0.0)

    def pre_traces(self):
        return {"x": Trace(self.tau_x)}

    def reads(self):
        return ("v",)

    def post_variables(self, dt):
        """`plus`, `minus`: $\\bar u_\\pm$ of now and of the last steps, the oldest last, mV; `slow`: $\\bar{\\bar u}$, mV; `held`: steps that a
        spike still lasts; `ltd`, `ltp`: the voltage factors of the two changes, with their amplitudes."""
        steps_of(self.width, dt, "ClopathSTDP.width")
        past = np.full(int(steps_of(self.delay, dt, "ClopathSTDP.delay")) + 1, self.rest)
        slow = {} if self.u_ref is None else {"slow": self.rest}
        held = {} if self.peak is None else {"held": 0.0}
        return {"plus": past, "minus": past, "ltd": 0.0, "ltp": 0.0} | slow | held

    def on_target(self, dt, post, target):
        before, after, made = target.before["v"], target.after["v"], {}
        if self.peak is not None:
            steps = int(steps_of(self.width, dt, "ClopathSTDP.width"))
            held = jnp.where(target.fires, steps, jnp.maximum(post["held"] - 1, 0))
            before, after = jnp.where(post["held"] > 0, self.peak, before), jnp.where(held > 0, self.peak, after)
            made["held"] = held
        plus = _low_pass(post["plus"][:, 0], before, after, dt / self.tau_plus)
        minus = _low_pass(post["minus"][:, 0], before, after, dt / self.tau_minus)
        slow = None if self.u_ref is None else _low_pass(post["slow"], post["minus"][:, 0], minus, dt / self.tau_ref)
        return made | self._changes(dt, post, after, plus, minus, slow)

    def _changes(self, dt: float, post: Any, u: Any, plus: Any, minus: Any, slow: Any) -> dict[str, Any]:
        """What the potential of a step and its averages make of the weights."""
        made = {"plus": _pushed(post["plus"], plus), "minus": _pushed(post["minus"], minus)}
        made["ltd"] = self.a_ltd * jnp.maximum(made["minus"][:, -1] - self.theta_minus, 0)
        if self.u_ref is not None:
            made |= {"slow": slow, "ltd": made["ltd"] * (slow / self.u_ref) ** 2}
        above = jnp.maximum(u - self.theta_plus, 0) * jnp.maximum(made["plus"][:, -1] - self.theta_minus, 0)
        return made | {"ltp": self.a_ltp * dt / self.tau_x * above}

    def on_step(self, dt, weight, variables, seen):
        return jnp.clip(weight / self.w_max + seen.pre["x"] * seen.post["ltp"], 0, 1) * self.w_max, variables

    def on_pre(self, weight, variables, seen):
        return jnp.clip(weight / self.w_max - seen.post["ltd"], 0, 1) * self.w_max, variables


def _low_pass(x: Any, begin: Any, end: Any, steps: float) -> Any:
    """Exactly, for a drive that goes straight from `begin` to `end`; `steps`: the time over the time constant."""
    kept = math.exp(-steps)
    mean = -math.expm1(-steps) / steps
    return kept * x + (mean - kept) * begin + (1 - mean) * end


def _pushed(past: Any, now: Any) -> Any:
    """What was `now` first, the oldest dropped."""
    return jnp.concatenate([now[:, None], past[:, :-1]], axis=1)
