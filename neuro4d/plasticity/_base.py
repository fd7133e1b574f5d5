"""The protocol of a plasticity rule."""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt32

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


class SourceVariable(NamedTuple):
    """A number that a rule keeps per source and delay: `first`, its value at the beginning; `tau`: the time constant with which it changes
    between spikes, in ms, 0 where it does so at once. The native form of a rule needs that."""

    first: float
    tau: float = 0.0


class Seen(NamedTuple):
    """What synapses see of a step; each array has one entry per synapse.

    **Fields:** `arrives`: whether a spike arrives; `fires`: whether the target fires; `pre`, `post`: the traces by name, at the end of the
    step and without the spikes of this step. Those of `pre` have heard the source after the delay of the synapse. `post` has the variables
    of the rule per target as well, as `on_target` left them, and `pre` those per source, as a spike that arrives in the next step finds them. `steps`: one number for all synapses, the steps since the beginning of the run, with this one.
    `chance`: uniform numbers between 0 and 1, as many for each synapse as the rule `draws`.
    """

    arrives: Bool[Array, " nnz"]
    fires: Bool[Array, " nnz"]
    pre: dict[str, Float[Array, " nnz"]]
    post: dict[str, Float[Array, " nnz"]]
    steps: UInt32[Array, ""] | int = 0
    chance: Float[Array, "draws nnz"] | tuple[()] = ()


class Target(NamedTuple):
    """What happens to target neurons in a step; each array has one entry per neuron.

    **Fields:** `fires`: whether the neuron fires; `before`, `after`: the variables that the rule `reads`, at the beginning and at the end
    of the step, in their internal units. After a spike that is what the reset has left.
    """

    fires: Bool[Array, " n_target"]
    before: dict[str, Float[Array, " n_target"]]
    after: dict[str, Float[Array, " n_target"]]


class AbstractPlasticity(AbstractPart):
    """How the weights of a projection change. They live in the state, one number per synapse.

    A rule names its traces and says what happens in a step: to every target neuron (`on_target`), to every synapse (`on_step`), when the
    target fires (`on_post`) and when a spike arrives (`on_pre`), in this order. The last three are functions of single synapses, written
    for arrays of them: an entry depends on the same entry of its arguments alone. What a rule leaves out costs nothing; `on_step` costs
    a pass over all synapses, in one step of `every`.

    **Arguments:** of every rule that has no constructor of its own; `every`: the number of steps, 1 or more, after which `on_step` is
    called for all of them at once.
    """

    edge_variables: ClassVar[dict[str, Any]] = {}
    """Variables of a synapse next to its weight, with their units."""

    learns: ClassVar[bool] = True
    """Whether steps change anything; if not, a step costs nothing for it."""

    every: int = eqx.field(static=True, default=1, kw_only=True, repr=False)

    def __check_init__(self):
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise ValueError(f"{type(self).__name__}.every is a number of steps, 1 or more, for example `every=10`; got {self.every!r}.")

    def check(self, weight_unit: Any, where: str) -> None:
        """What only shows with the receptor: the unit of the weights. Raises `UnitError`."""
        del weight_unit, where

    def limits(self) -> tuple[float, float] | None:
        """Between which weights have to lie from the beginning, in the unit of the rule; `None` where any may."""
        return None

    def passing(self) -> bool:
        """Whether it only says what a spike releases: what lasts is then its variable `strength`, which other rules may change (`n4.Combined`)."""
        return False

    def lasting(self) -> str | None:
        """The variable of a synapse that lasts in the place of its weight; `None` where the weight itself does."""
        return "strength" if self.passing() else None

    def bounds(self) -> tuple[float, float] | None:
        """Between which it keeps weights that it changes; `None` where it keeps none. First weights may lie outside, other than with `limits`."""
        return self.limits()

    def pre_traces(self) -> dict[str, Trace]:
        """Memories of the spikes that arrive, by name."""
        return {}

    def post_traces(self) -> dict[str, Trace]:
        """Memories of the spikes of the target, by name."""
        return {}

    def pre_variables(self) -> dict[str, SourceVariable]:
        """What the rule keeps per source and delay besides traces, by name."""
        return {}

    def reads(self) -> tuple[str, ...]:
        """Variables of the target neurons that `on_target` needs, as in `state["cells", name]`: `"v"`, or `"dopamine.level"` of a port."""
        return ()

    def post_variables(self, dt: float) -> dict[str, Any]:
        """What the rule keeps per target neuron besides traces: first values by name. An array is kept for every neuron."""
        del dt
        return {}

    def draws(self) -> int:
        """How many random numbers a synapse needs in each step."""
        return 0

    def dendritic(self) -> float:
        """How much of the delay is dendritic, in ms; infinite: all of it. Asked for with `n4.Dendritic(rule)`."""
        return 0.0

    def init(self, weight: Float[Array, " nnz"]) -> dict[str, Array]:
        """The variables of the synapses before the first step, from their weights."""
        del weight
        return {}

    def on_source(self, ms: Any, pre: dict[str, Array]) -> dict[str, Array]:
        """The variables per source and delay after some time without a spike, more than 0 ms."""
        del ms
        return pre

    def on_arrival(self, pre: dict[str, Array]) -> dict[str, Array]:
        """The variables per source and delay after a spike of theirs."""
        return pre

    def on_target(self, dt: float, post: dict[str, Array], target: Target) -> dict[str, Array]:
        """The variables per target neuron after a step of `dt` ms; `post`: those from before and the traces as synapses see them."""
        del dt, post, target
        return {}

    def on_step(self, dt: float, weight: Float[Array, " nnz"], variables: dict[str, Array], seen: Seen) -> Synapses:
        """Weights and variables of every synapse after `dt` ms, the time of `every` steps, before the spikes of the last of them count."""
        del dt, seen
        return weight, variables

    def on_post(self, weight: Float[Array, " nnz"], variables: dict[str, Array], seen: Seen) -> Synapses:
        """Weights and variables of synapses whose target fires."""
        del seen
        return weight, variables

    def on_pre(self, weight: Float[Array, " nnz"], variables: dict[str, Array], seen: Seen) -> Synapses:
        """Weights and variables of synapses through which a spike arrives."""
        del seen
        return weight, variables

    def step(self, dt: float, weight: Float[Array, " nnz"], variables: dict[str, Array], seen: Seen) -> Synapses:
        """Weights and variables after a step of `dt` ms, from what each synapse has seen of it."""
        held = self._passed(dt, (weight, variables), seen)
        held = _where(seen.fires, self.on_post(*held, seen), held)
        return _where(seen.arrives, self.on_pre(*held, seen), held)

    def _passed(self, dt: float, held: Synapses, seen: Seen) -> Synapses:
        """After the time since `on_step` was called last, if this step is due."""

        def after(held: Synapses) -> Synapses:
            weight, variables = held
            return _like(held, self.on_step(dt * self.every, weight, variables, seen))

        return after(held) if self.every == 1 else jax.lax.cond(seen.steps % self.every == 0, after, lambda held: held, held)


def _where(some: Bool[Array, " nnz"], changed: Synapses, held: Synapses) -> Synapses:
    return jax.tree.map(lambda new, old: jnp.where(some, new, old).astype(old.dtype), changed, held)


def _like(held: Synapses, changed: Synapses) -> Synapses:
    return jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), changed, held)
