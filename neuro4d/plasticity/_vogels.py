"""Inhibition that balances its target."""

from typing import Any, ClassVar

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d.plasticity._base import Trace
from neuro4d.plasticity._bounded import AbstractBounded, bound
from neuro4d.plasticity._numbers import number


class VogelsInhibitory(AbstractBounded):
    r"""Synapses of inhibition that keep their target at a rate: coincidence strengthens, whatever comes first, and a spike that arrives alone weakens.

    $$ \begin{aligned}
    \text{the target fires:}\quad & |w| \leftarrow |w| + \eta\, x, & \tau \dot x &= -x \\
    \text{a spike arrives:}\quad & |w| \leftarrow |w| + \eta\, (y - 2 \rho_0 \tau), & \tau \dot y &= -y
    \end{aligned} $$

    each kept between 0 and $w_{\max}$. $x$ remembers all spikes that arrived, $y$ all of the target, none of them those of the step itself.
    Where source and target fire independently of each other, the weight drifts by $2 \eta \tau\, r_\mathrm{pre} (r_\mathrm{post} - \rho_0)$ per time:
    inhibition grows until the target fires at $\rho_0$.

    **Arguments:**

    - `w_max` $w_{\max}$: the bound, in the unit of the receptor's weights, as in `n4.STDP`. Negative for a current that inhibits.
    - `eta` $\eta$: what a coincidence adds to the size of a weight, in the same unit, 0 or more.
    - `rate` $\rho_0$: of the target, [frequency], 0 or more.
    - `tau` $\tau$: of the window, [time], more than 0; by default 20 ms.

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range.

    **Source:** T. P. Vogels, H. Sprekeler, F. Zenke, C. Clopath, W. Gerstner (2011), Science 334, 1569.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.VogelsInhibitory(w_max=100*u.nS, eta=0.01*u.nS, rate=3*u.Hz)
        >>> round(rule.alone, 2)
        0.12
    """

    native: ClassVar = "VogelsInhibitory"

    w_max: float = eqx.field(static=True)
    eta: float = eqx.field(static=True)
    rate: float = eqx.field(static=True)
    tau: float = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    def __init__(self, *, w_max, eta, rate, tau=20 * u.ms):
        self.w_max, self.unit = bound(w_max, "VogelsInhibitory")
        self.eta = number(eta, self.unit, "VogelsInhibitory.eta", least=0.0)
        self.rate = number(rate, u.Hz, "VogelsInhibitory.rate", least=0.0)
        self.tau = number(tau, u.ms, "VogelsInhibitory.tau", above=0.0)

    @property
    def alone(self) -> float:
        r"""$2 \rho_0 \tau$: what a spike that arrives takes away, in units of $\eta$."""
        return 2 * self.rate * self.tau / 1000

    def pre_traces(self):
        return {"x": Trace(self.tau)}

    def post_traces(self):
        return {"y": Trace(self.tau)}

    def on_post(self, weight, variables, seen):
        return self._grown(weight, seen.pre["x"]), variables

    def on_pre(self, weight, variables, seen):
        return self._grown(weight, seen.post["y"] - self.alone), variables

    def _grown(self, weight: Array, by: Array) -> Array:
        return jnp.clip(weight / self.w_max + self.eta / abs(self.w_max) * by, 0, 1) * self.w_max
