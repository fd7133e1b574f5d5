"""Synaptic scaling to a rate."""

import math
from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp

from neuro4d.plasticity._bounded import AbstractBounded, bound, least
from neuro4d.plasticity._numbers import number


class Homeostasis(AbstractBounded):
    r"""Synaptic scaling: all synapses of a neuron grow by one factor while it fires slower than it should, and shrink while it fires faster.

    $$ \tau \dot w = w \Bigl(1 - \frac{r}{\rho_0}\Bigr), \qquad \tau_r \dot r = -r + \textstyle\sum_k \delta(t - t_k) $$

    kept between 0 (or $w_{\min}$) and $w_{\max}$. $r$ is the measured rate of the target; it begins at $\rho_0$. Ratios of weights below the bound are
    kept. The weights are multiplied once in `every` steps, by $e^{n\,\mathrm{d}t\,(1 - r / \rho_0) / \tau}$ with the rate of then; with `every=1` that is
    each step, and a pass over every synapse of the projection.

    **Arguments:**

    - `w_max` $w_{\max}$: the bound, in the unit of the receptor's weights, as in `n4.STDP`.
    - `rate` $\rho_0$: [frequency], more than 0.
    - `tau`: of the scaling, by default 10 s; `tau_rate` $\tau_r$: of the measured rate, by default 1 s, less than `tau` for a rate that
      settles without overshoot. [time], more than 0.
    - `w_min`: a lower bound other than 0, below `w_max`, which is then above 0; a weight below 0 is scaled like the others, and stays below 0.
    - `every`: in steps, 1 or more; by default 1.

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range.

    **Source:** G. G. Turrigiano (2008), Cell 135, 422; M. C. W. van Rossum, G. Q. Bi, G. G. Turrigiano (2000), Journal of Neuroscience 20, 8812.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.Homeostasis(w_max=1*u.nS, rate=5*u.Hz, every=100)
    """

    w_max: float = eqx.field(static=True)
    w_min: float = eqx.field(static=True)
    rate: float = eqx.field(static=True)
    tau: float = eqx.field(static=True)
    tau_rate: float = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    def __init__(self, *, w_max, rate, tau=10 * u.second, tau_rate=1 * u.second, every=1, w_min=None):
        self.w_max, self.unit = bound(w_max, "Homeostasis")
        self.w_min = least(w_min, self.w_max, self.unit, "Homeostasis")
        self.rate = number(rate, u.Hz, "Homeostasis.rate", above=0.0)
        self.tau, self.tau_rate = number(tau, u.ms, "Homeostasis.tau", above=0.0), number(tau_rate, u.ms, "Homeostasis.tau_rate", above=0.0)
        self.every = every

    def limits(self):
        return tuple(sorted((self.w_min, self.w_max)))

    def post_variables(self, dt):
        """`r`: the measured rate over the wanted one."""
        del dt
        return {"r": 1.0}

    def on_target(self, dt, post, target):
        each = 1000 / (self.tau_rate * self.rate)
        return {"r": post["r"] * math.exp(-dt / self.tau_rate) + jnp.where(target.fires, each, 0)}

    def on_step(self, dt, weight, variables, seen):
        return jnp.clip(weight / self.w_max * jnp.exp(dt / self.tau * (1 - seen.post["r"])), self.w_min / self.w_max, 1) * self.w_max, variables
