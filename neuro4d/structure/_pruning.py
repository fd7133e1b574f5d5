"""Synapses that vanish because they are weak and not used."""

from typing import Any

import brainunit as u
import equinox as eqx
import numpy as np
from jaxtyping import Float

from neuro4d._base import NUMBER, AbstractPart, attach, check_quantity, internal_unit, quantity


class Pruning(AbstractPart):
    """At every event a synapse that is weaker than `below` vanishes with some probability, with `idle` only if it has carried no spike for longer than that.

    **Arguments:**

    - `below`: of the size of the weight, in the unit of the receptor's weights, more than 0.
    - `idle`: [time], 0 or more; by default `None`: weakness alone counts. Otherwise the time without a spike of the source, or since the synapse was
      formed where that is shorter, in whole intervals between events.
    - `probability`: at each event, 0 to 1; by default 1.

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.Pruning(below=0.1*u.nS, idle=1*u.second, probability=0.05).idle.item()
        1000.0
    """

    below: float = eqx.field(static=True)
    unit: Any = eqx.field(static=True)
    idle: Float[np.ndarray, ""] | None = quantity(u.ms, low=0, optional=True)
    probability: Float[np.ndarray, ""] = quantity(NUMBER, low=0, high=1)

    def __init__(self, *, below, idle=None, probability=1.0):
        self.unit = internal_unit(below, "Pruning.below")
        self.below = one_number(check_quantity(below, self.unit, "Pruning.below", low=0, open_low=True), self.unit, "Pruning.below")
        self.idle, self.probability = idle, probability

    def __check_init__(self):
        if self.idle is not None:
            one_number(self.idle, u.ms, "Pruning.idle")
        one_number(self.probability, NUMBER, "Pruning.probability")


def one_number(x: Any, unit: Any, where: str) -> float:
    """A bare array of one number as a float.

    **Raises:** `ValueError` for several, and for a distribution.
    """
    if not isinstance(x, np.ndarray) or x.ndim:
        raise ValueError(f"{where} is one number for all synapses; got {attach(x, unit) if isinstance(x, np.ndarray) else x}.")
    return float(x)
