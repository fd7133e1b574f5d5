"""The protocol of a plasticity rule."""

import abc
from typing import Any, ClassVar, NamedTuple

from jaxtyping import Array, Bool, Float

from neuro4d._base import AbstractPart


class Seen(NamedTuple):
    """What a synapse sees of a step: whether a spike arrives through it, and whether its target fires; each `(nnz,)`."""

    arrives: Bool[Array, " nnz"]
    fires: Bool[Array, " nnz"]


class AbstractPlasticity(AbstractPart):
    """How the weights of a projection change. They live in the state, one number per synapse."""

    edge_variables: ClassVar[dict[str, Any]] = {}
    """Variables of a synapse next to its weight, with their units."""

    learns: ClassVar[bool] = True
    """Whether steps change anything; if not, a step costs nothing for it."""

    def check(self, weight_unit: Any, where: str) -> None:
        """What only shows with the receptor: the unit of the weights. Raises `UnitError`."""
        del weight_unit, where

    @abc.abstractmethod
    def init(self, weight: Float[Array, " nnz"]) -> dict[str, Array]:
        """The variables of the synapses before the first step, from their weights."""

    @abc.abstractmethod
    def step(
        self, dt: float, weight: Float[Array, " nnz"], variables: dict[str, Array], seen: Seen
    ) -> tuple[Float[Array, " nnz"], dict[str, Array]]:
        """Weights and variables after a step of `dt` ms, from what each synapse has seen of it."""
