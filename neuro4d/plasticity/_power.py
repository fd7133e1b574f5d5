"""Pairs of spikes whose potentiation is a power of the weight."""

from typing import Any, ClassVar

import brainunit as u
import equinox as eqx
import jax.numpy as jnp

from neuro4d._base import NUMBER, UnitError, internal_unit
from neuro4d.plasticity._base import AbstractPlasticity, Trace
from neuro4d.plasticity._numbers import number
from neuro4d.plasticity._stdp import power


class PowerLawSTDP(AbstractPlasticity):
    r"""Pairs of spikes without an upper bound: strengthening grows slower than the weight, weakening in proportion to it.

    $$ \begin{aligned}
    \text{the target fires:}\quad & w \leftarrow w + \lambda\, w_0 \Bigl(\frac{w}{w_0}\Bigr)^{\mu} x, & \tau_+ \dot x &= -x \\
    \text{a spike arrives:}\quad & w \leftarrow \max(w - \lambda \alpha\, w\, y,\; 0), & \tau_- \dot y &= -y
    \end{aligned} $$

    $x$ remembers all spikes that arrived, after the delay of the synapse, and $y$ all of the target; none of them those of the step
    itself. For independent trains of equal rates weights drift to $w_0\, (\tau_+ / (\alpha \tau_-))^{1 / (1 - \mu)}$.

    **Arguments:**

    - `w0` $w_0$: the weight of reference, in the unit of the receptor's weights, more than 0.
    - `rate` $\lambda$: 0 or more; `alpha` $\alpha$: weakening against strengthening, 0 or more.
    - `mu` $\mu$: 0 or more; by default 0.4.
    - `tau_plus`, `tau_minus`: [time], more than 0; by default 20 ms.

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range.

    **Source:** A. Morrison, A. Aertsen, M. Diesmann (2007), Neural Computation 19, 1437.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.PowerLawSTDP(w0=1*u.pA, rate=0.1, alpha=0.0513, mu=0.4, tau_plus=15*u.ms, tau_minus=30*u.ms)
    """

    native: ClassVar = "PowerLawSTDP"

    w0: float = eqx.field(static=True)
    rate: float = eqx.field(static=True)
    alpha: float = eqx.field(static=True)
    mu: float = eqx.field(static=True)
    tau_plus: float = eqx.field(static=True)
    tau_minus: float = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    def __init__(self, *, w0, rate, alpha, mu=0.4, tau_plus=20 * u.ms, tau_minus=20 * u.ms):
        self.unit = internal_unit(w0, "PowerLawSTDP.w0")
        self.w0 = number(w0, self.unit, "PowerLawSTDP.w0", above=0.0)
        share = lambda x, name: number(x, NUMBER, f"PowerLawSTDP.{name}", least=0.0)  # noqa: E731
        self.rate, self.alpha, self.mu = share(rate, "rate"), share(alpha, "alpha"), share(mu, "mu")
        self.tau_plus = number(tau_plus, u.ms, "PowerLawSTDP.tau_plus", above=0.0)
        self.tau_minus = number(tau_minus, u.ms, "PowerLawSTDP.tau_minus", above=0.0)

    def check(self, weight_unit, where):
        if weight_unit != self.unit:
            raise UnitError(f"{where}: the receptor takes weights in {weight_unit}; got PowerLawSTDP in {self.unit}.")

    def limits(self):
        return 0.0, float("inf")

    def pre_traces(self):
        return {"plus": Trace(self.tau_plus)}

    def post_traces(self):
        return {"minus": Trace(self.tau_minus)}

    def on_post(self, weight, variables, seen):
        return weight + self.rate * self.w0 * power(weight / self.w0, self.mu, most=None) * seen.pre["plus"], variables

    def on_pre(self, weight, variables, seen):
        return jnp.maximum(weight - self.rate * self.alpha * weight * seen.post["minus"], 0), variables
