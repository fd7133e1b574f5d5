"""A sliding threshold between weakening and strengthening."""

from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp

from neuro4d._base import NUMBER
from neuro4d.plasticity._base import Trace
from neuro4d.plasticity._bounded import AbstractBounded, bound, least
from neuro4d.plasticity._numbers import number


class BCM(AbstractBounded):
    r"""Bienenstock, Cooper and Munro: a spike that arrives weakens the synapses of a slow target and strengthens those of a fast one, and what is fast is learned.

    $$ \text{a spike arrives:}\quad w \leftarrow w + w_{\max}\, \eta\, y (y - \theta), \qquad \tau_\theta \dot\theta = -\theta + y^2,
    \qquad y = \frac{r}{\rho_0}, \quad r = \sum_k \frac{e^{-(t - t_k) / \tau_r}}{\tau_r} $$

    kept between 0 (or $w_{\min}$) and $w_{\max}$. $r$ is the rate of the target, measured by its earlier spikes. Summed over the spikes of a source this is
    $\dot w = w_{\max}\, \eta\, x\, y (y - \theta)$ with the rate $x$ of the source. Where $y$ is constant, $\theta = y^2$, and the only
    stable rate is $\rho_0$: above it synapses weaken, below it they strengthen. Between patterns the threshold lies between their rates.

    **Arguments:**

    - `w_max` $w_{\max}$: the bound, in the unit of the receptor's weights, as in `n4.STDP`.
    - `eta` $\eta$: what an arrival changes, as a share of `w_max`, 0 or more.
    - `rate` $\rho_0$: [frequency], more than 0.
    - `w_min`: a lower bound other than 0, below `w_max`, which is then above 0.
    - `tau_theta`: of the threshold, by default 1 s; `tau_rate` $\tau_r$: of the measured rate, by default 100 ms. [time], more than 0.

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range.

    **Source:** E. L. Bienenstock, L. N. Cooper, P. W. Munro (1982), Journal of Neuroscience 2, 32.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.BCM(w_max=1*u.nS, eta=1e-3, rate=5*u.Hz)
    """

    w_max: float = eqx.field(static=True)
    w_min: float = eqx.field(static=True)
    eta: float = eqx.field(static=True)
    rate: float = eqx.field(static=True)
    tau_theta: float = eqx.field(static=True)
    tau_rate: float = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    def __init__(self, *, w_max, eta, rate, tau_theta=1000 * u.ms, tau_rate=100 * u.ms, w_min=None):
        self.w_max, self.unit = bound(w_max, "BCM")
        self.w_min = least(w_min, self.w_max, self.unit, "BCM")
        self.eta, self.rate = number(eta, NUMBER, "BCM.eta", least=0.0), number(rate, u.Hz, "BCM.rate", above=0.0)
        self.tau_theta = number(tau_theta, u.ms, "BCM.tau_theta", above=0.0)
        self.tau_rate = number(tau_rate, u.ms, "BCM.tau_rate", above=0.0)

    def limits(self):
        return tuple(sorted((self.w_min, self.w_max)))

    def post_traces(self):
        return {"y": Trace(self.tau_rate)}

    def post_variables(self, dt):
        """`theta`: the threshold, which begins where it rests at the rate `rate`."""
        del dt
        return {"theta": 1.0}

    def on_target(self, dt, post, target):
        del target
        return {"theta": post["theta"] - jnp.expm1(-dt / self.tau_theta) * (self._of_rate(post["y"]) ** 2 - post["theta"])}

    def on_pre(self, weight, variables, seen):
        y = self._of_rate(seen.post["y"])
        return jnp.clip(weight / self.w_max + self.eta * y * (y - seen.post["theta"]), self.w_min / self.w_max, 1) * self.w_max, variables

    def _of_rate(self, trace: Any) -> Any:
        return trace * (1000 / (self.tau_rate * self.rate))
