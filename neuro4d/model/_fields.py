"""The fields of a model, for the functions that read them."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, UInt32

from neuro4d._base import AbstractValue
from neuro4d.model._gap import Gap
from neuro4d.model._layout import Layout
from neuro4d.model._origin import UNKNOWN, Origin
from neuro4d.ops import AbstractSurrogate, Pathway
from neuro4d.plasticity import AbstractPlasticity
from neuro4d.stimuli import AbstractSource, PoissonBank
from neuro4d.structure import Living, Structure


class ModelFields(eqx.Module):
    """What is constant during a run. `Model` adds what one does with it."""

    neurons: dict[str, Any]
    receptors: dict[str, dict[str, Any]]
    initial: dict[str, dict[str, AbstractValue]]
    pathways: dict[str, Pathway]
    plasticity: dict[str, AbstractPlasticity]
    gaps: dict[str, Gap]
    sources: dict[str, AbstractSource]
    banks: dict[str, PoissonBank]
    sites: dict[str, Array]
    surrogate: AbstractSurrogate | None
    seed: UInt32[Array, "2"]
    layout: Layout = eqx.field(static=True)
    founders: dict[str, UInt32[Array, " w"]] = eqx.field(default_factory=dict)
    lives: dict[str, Living] = eqx.field(default_factory=dict)
    structures: dict[str, Structure] = eqx.field(default_factory=dict)
    origin: Origin = eqx.field(static=True, default=UNKNOWN)

    @property
    def dt_ms(self) -> float:
        """The time step in ms."""
        return self.layout.dt

    @property
    def dtype(self) -> Any:
        """The precision of state and parameters."""
        return self.layout.dtype
