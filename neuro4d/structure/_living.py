"""A life cycle as a model has it: numbers in internal units, periods in steps, and what is known of places and synapses beforehand."""

from typing import Any

import brainunit as u
import equinox as eqx
from jaxtyping import Array, Float, Int32

from neuro4d._base import NUMBER, AbstractPart, AbstractValue, quantity
from neuro4d.structure._inherit import Range
from neuro4d.structure._places import Places


class Wired(eqx.Module):
    """Synapses of a pathway whose weights live in the state: the neurons of their groups at both ends `(nnz,)`, one more than there are
    where a synapse is none; and the bounds of their weights, one for all or `(nnz,)`."""

    source: Int32[Array, " nnz"]
    target: Int32[Array, " nnz"]
    low: Float[Array, "*nnz"]
    high: Float[Array, ""]


class Living(AbstractPart):
    """The life cycle of a population in a model, `model.lives["cells"]`. Its numbers can be changed with `n4.set`.

    **Fields:** as those of `Lifecycle`; and `first_age`: that of the first neurons; `places`, where children live near their parents;
    `wired`: synapses that inherit, by pathway; `quantiles` of the normal distribution; `every`: steps; `inherits`: parameters that mutate, with their `ranges` and the pairs that
    are `ordered`.
    """

    first_age: AbstractValue
    places: Places | None
    wired: dict[str, Wired]
    quantiles: Int32[Array, " cells"]
    every: int = eqx.field(static=True)
    reproduction: bool = eqx.field(static=True)
    inherits: tuple[str, ...] = eqx.field(static=True)
    ranges: tuple[Range, ...] = eqx.field(static=True)
    ordered: tuple[tuple[str, str], ...] = eqx.field(static=True)
    counts: bool = eqx.field(static=True)
    max_age: Any = quantity(u.ms, low=0, optional=True)
    health_decay: Any = quantity(u.kHz, low=0, optional=True)
    death_below: Any = quantity(NUMBER, low=0, high=1)
    mutation_params: Any = quantity(NUMBER, low=0)
    mutation_weights: Any = quantity(NUMBER, low=0)
    division_rate: Any = quantity(u.kHz, low=0, optional=True)
    division_above: Any = quantity(u.kHz, low=0)
