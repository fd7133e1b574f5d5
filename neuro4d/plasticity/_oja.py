"""Hebbian learning that keeps the norm of the weights."""

from typing import Any

import brainunit as u
import equinox as eqx

from neuro4d._base import NUMBER, UnitError, internal_unit
from neuro4d.plasticity._base import AbstractPlasticity, Trace
from neuro4d.plasticity._numbers import number


class Oja(AbstractPlasticity):
    r"""Oja's rule: synapses of what fires before the target grow, and all of them shrink as the target fires.

    $$ \text{the target fires:}\quad w \leftarrow w + \eta\, (w_0\, x - y\, w), \qquad \tau \dot x = -x + \tau\textstyle\sum_k \delta(t - t_k),
    \quad \tau \dot y = -y + \tau\textstyle\sum_k \delta(t - t_k) $$

    with $w$ on the right as it is after the change, so that no step overshoots: $w \leftarrow (w + \eta w_0 x) / (1 + \eta y)$. $x$
    remembers all spikes that arrived, $y$ all of the target, none of them those of the step itself. Summed over the spikes of the target
    this is $\dot w \propto y\,(w_0 x - y w)$. In balance $\sum_i w_i \langle y x_i \rangle w_0 = \langle y^2 \rangle \sum_i w_i^2$: a target that
    fires at the rate $\sum_i w_i x_i / w_0$ takes the norm of its weights to $w_0$, and their direction to the largest correlation.
    Weights of one sign never change it. Without bounds.

    **Arguments:**

    - `norm` $w_0$: in the unit of the receptor's weights, more than 0.
    - `eta` $\eta$: 0 or more; `tau` $\tau$: of both traces, [time], more than 0; by default 20 ms.

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range.

    **Source:** E. Oja (1982), Journal of Mathematical Biology 15, 267.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.Oja(norm=1*u.nS, eta=1e-3)
    """

    norm: float = eqx.field(static=True)
    eta: float = eqx.field(static=True)
    tau: float = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    def __init__(self, *, norm, eta, tau=20 * u.ms):
        self.unit = internal_unit(norm, "Oja.norm")
        self.norm = number(norm, self.unit, "Oja.norm", above=0.0)
        self.eta = number(eta, NUMBER, "Oja.eta", least=0.0)
        self.tau = number(tau, u.ms, "Oja.tau", above=0.0)

    def check(self, weight_unit, where):
        if weight_unit != self.unit:
            raise UnitError(f"{where}: the receptor takes weights in {weight_unit}; got Oja in {self.unit}.")

    def pre_traces(self):
        return {"x": Trace(self.tau)}

    def post_traces(self):
        return {"y": Trace(self.tau)}

    def on_post(self, weight, variables, seen):
        return (weight + self.eta * self.norm * seen.pre["x"]) / (1 + self.eta * seen.post["y"]), variables
