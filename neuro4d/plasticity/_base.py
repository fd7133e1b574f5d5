"""The protocol of a plasticity rule."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from neuro4d._base import AbstractPart

Synapses = tuple[Array, dict[str, Array]]
"""Weights and further variables of some synapses."""


class Trace(NamedTuple):
    r"""A memory of spikes that fades, $\dot x = -x / \tau$.

    **Fields:** `tau`: in ms. `nearest`: whether a spike sets the trace to 1, so that it remembers the last spike alone; otherwise a spike
    adds 1, so that it remembers all.
    """

    tau: float
    nearest: bool = False


class Seen(NamedTuple):
    """What synapses see of a step; each array has one entry per synapse.

    **Fields:** `arrives`: whether a spike arrives; `fires`: whether the target fires; `pre`, `post`: the traces by name, at the end of the
    step and without the spikes of this step. Those of `pre` have heard the source after the delay of the synapse.
    """

    arrives: Bool[Array, " nnz"]
    fires: Bool[Array, " nnz"]
    pre: dict[str, Float[Array, " nnz"]]
    post: dict[str, Float[Array, " nnz"]]


class AbstractPlasticity(AbstractPart):
    """How the weights of a projection change. They live in the state, one number per synapse.

    A rule names its traces and says what happens when its target fires (`on_post`), when a spike arrives (`on_pre`), and in every step
    (`on_step`), in this order. Each is a function of single synapses, written for arrays of them: an entry depends on the same entry of
    its arguments alone.
    """

    edge_variables: ClassVar[dict[str, Any]] = {}
    """Variables of a synapse next to its weight, with their units."""

    learns: ClassVar[bool] = True
    """Whether steps change anything; if not, a step costs nothing for it."""

    def check(self, weight_unit: Any, where: str) -> None:
        """What only shows with the receptor: the unit of the weights. Raises `UnitError`."""
        del weight_unit, where

    def limits(self) -> tuple[float, float] | None:
        """Between which weights have to lie from the beginning, in the unit of the rule; `None` where any may."""
        return None

    def pre_traces(self) -> dict[str, Trace]:
        """Memories of the spikes that arrive, by name."""
        return {}

    def post_traces(self) -> dict[str, Trace]:
        """Memories of the spikes of the target, by name."""
        return {}

    def init(self, weight: Float[Array, " nnz"]) -> dict[str, Array]:
        """The variables of the synapses before the first step, from their weights."""
        del weight
        return {}

    def on_post(self, weight: Float[Array, " nnz"], variables: dict[str, Array], seen: Seen) -> Synapses:
        """Weights and variables of synapses whose target fires."""
        del seen
        return weight, variables

    def on_pre(self, weight: Float[Array, " nnz"], variables: dict[str, Array], seen: Seen) -> Synapses:
        """Weights and variables of synapses through which a spike arrives."""
        del seen
        return weight, variables

    def on_step(self, dt: float, weight: Float[Array, " nnz"], variables: dict[str, Array]) -> Synapses:
        """Weights and variables after what happens to every synapse in a step of `dt` ms."""
        del dt
        return weight, variables

    def step(self, dt: float, weight: Float[Array, " nnz"], variables: dict[str, Array], seen: Seen) -> Synapses:
        """Weights and variables after a step of `dt` ms, from what each synapse has seen of it."""
        held = _where(seen.fires, self.on_post(weight, variables, seen), (weight, variables))
        held = _where(seen.arrives, self.on_pre(*held, seen), held)
        return self.on_step(dt, *held)


def _where(some: Bool[Array, " nnz"], changed: Synapses, held: Synapses) -> Synapses:
    return jax.tree.map(lambda new, old: jnp.where(some, new, old).astype(old.dtype), changed, held)
