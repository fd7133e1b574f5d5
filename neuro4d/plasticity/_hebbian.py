"""Hebbian learning with decay."""

from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp

from neuro4d._base import UnitError, internal_unit
from neuro4d.plasticity._base import AbstractPlasticity
from neuro4d.plasticity._numbers import number


class Hebbian(AbstractPlasticity):
    r"""Strengthens synapses whose spike arrives in a step in which their target fires, weakens those whose target is silent.

    $$ w \leftarrow w + \eta \begin{cases} 1 & \text{spike arrives, target fires} \\ -\tfrac12 & \text{spike arrives, target silent}
    \\ 0 & \text{else} \end{cases} \qquad\text{then}\qquad |w| \leftarrow \max(|w| - \delta\,\mathrm{d}t, 0) $$

    kept inside `[low, high]`. Each step looks at every synapse of the projection.

    **Arguments:** all but `decay` in the unit of the receptor's weights.

    - `rate` $\eta$: what a coincidence adds, 0 or more.
    - `low`, `high`: the bounds, `low < high`.
    - `decay` $\delta$: how fast weights shrink towards 0; in the unit of the weights per time, 0 or more, by default 0.

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.Hebbian(rate=0.1*u.pA, low=0*u.pA, high=20*u.pA, decay=0.01*u.pA/u.second)
    """

    rate: float = eqx.field(static=True)
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    decay: float = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    def __init__(self, *, rate, low, high, decay=None):
        self.unit = internal_unit(rate, "Hebbian.rate")
        self.rate = number(rate, self.unit, "Hebbian.rate", least=0.0)
        self.low, self.high = number(low, self.unit, "Hebbian.low"), number(high, self.unit, "Hebbian.high")
        self.decay = 0.0 if decay is None else number(decay * u.ms, self.unit, "Hebbian.decay (per ms)", least=0.0)
        if not self.low < self.high:
            raise ValueError(f"Hebbian: low must lie below high; got low={low}, high={high}. For example `low=0*u.pA, high=20*u.pA`.")

    def check(self, weight_unit, where):
        if weight_unit != self.unit:
            raise UnitError(f"{where}: the receptor takes weights in {weight_unit}; got Hebbian in {self.unit}.")

    def bounds(self):
        return self.low, self.high

    def step(self, dt, weight, variables, seen):
        change = jnp.where(seen.arrives, jnp.where(seen.fires, self.rate, -self.rate / 2), 0.0).astype(weight.dtype)
        bounded = jnp.clip(weight + change, self.low, self.high)
        shrunk = jnp.sign(bounded) * jnp.maximum(jnp.abs(bounded) - self.decay * dt, 0)
        return jnp.clip(shrunk, self.low, self.high).astype(weight.dtype), variables
