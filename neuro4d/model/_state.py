"""What changes from one step to the next, and what a step returns."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt32

from neuro4d._base import lookup
from neuro4d.model._layout import Group, Span
from neuro4d.ops import History, Pathway, pack, unpack
from neuro4d.structure import LifeState, Slots


class GroupState(NamedTuple):
    """The variables of a group: of its neurons, of its receptors by port, who is alive (packed bits) where neurons may die, and what
    stimuli with a memory hold, by name `(n,)`."""

    neurons: Any
    receptors: dict[str, Any]
    alive: UInt32[Array, " w"] | None
    stimuli: dict[str, Float[Array, " n"]]


def variables_of(held: GroupState) -> dict[str, Array]:
    """All variables of a group by name, those of receptors with their port in front."""
    found = dict(held.neurons._asdict()) if held.neurons else {}
    for port, values in held.receptors.items():
        found |= {f"{port}.{name}": value for name, value in (values._asdict() if values else {}).items()}
    return found


class Wide(NamedTuple):
    """What rules hold that need more than spikes: `targets`, their variables per target neuron `(n_target,)` or `(n_target, k)`, and
    `later`, where delays are partly dendritic: sums of weights that arrive in later steps, in the order of the pathway's blocks."""

    targets: dict[str, Array]
    later: Float[Array, "slots size"] | None


class EdgeState(NamedTuple):
    """Synapses whose weights live in the state: `weight` `(nnz,)` in the order of the pathway, and further variables by name; and the
    traces of the rule by name, where it has any: `pre` of arrivals by delay and source, fewer numbers than `Pathway.bounds` has, and
    `post` of the target neurons. A trace is kept as its last spike left it, and `heard` and `fired` are the steps of these spikes: it
    fades when it is read. `None` where there are no such traces. `wide`: for rules that need more than spikes, `None` for the others; their
    traces are kept as they are at the end of the step. `slots`: which synapses there are, where they come and go."""

    weight: Float[Array, " nnz"]
    variables: dict[str, Array]
    pre: dict[str, Float[Array, "D n_source"]]
    post: dict[str, Float[Array, " n_target"]]
    heard: UInt32[Array, "D n_source"] | None = None
    fired: UInt32[Array, " n_target"] | None = None
    wide: Wide | None = None
    slots: Slots | None = None


def in_force(path: Pathway, held: EdgeState | None) -> Pathway:
    """A pathway with the weights of the state, where they live there, and with the synapses of the state, where they come and go."""
    if held is None:
        return path
    if held.slots is None:
        return eqx.tree_at(lambda p: p.weight, path, held.weight)
    return dataclasses.replace(path, weight=held.weight, targets=held.slots.targets, bounds=held.slots.bounds)


class State(eqx.Module):
    """Everything that changes from one step to the next.

    Read it by population: `state["cells", "v"]`, `state["cells", "exc.g"]`, `state.neurons["cells"].v`. It means the same on any
    number of cores and on any backend.

    **Fields:**

    - `groups`: variables of the groups of populations that run together.
    - `edges`: synapses that live in the state, by pathway; empty unless a projection is plastic.
    - `history`: the spikes of the last steps, by group.
    - `key`: the two words of the random key of this trial.
    - `step`: uint32, the number of steps done, the only clock; `start`: its value at the beginning. Stimuli and noise depend on
      `step - start`, so the start changes nothing but the stamps.
    - `fault`: sticky codes, see `neuro4d.Fault`.
    - `spans`: where populations lie in their groups; static.
    - `life`: age, health, descent and inherited parameters by population, for those with a `lifecycle`.
    - `counted`: spikes of every neuron since the beginning of the trial, modulo 2^32, by group, where an event asks for them.
    """

    groups: dict[str, GroupState]
    edges: dict[str, EdgeState]
    history: dict[str, History]
    key: UInt32[Array, "2"]
    step: UInt32[Array, ""]
    start: UInt32[Array, ""]
    fault: UInt32[Array, ""]
    spans: tuple[Span, ...] = eqx.field(static=True)
    life: dict[str, LifeState] = eqx.field(default_factory=dict)
    counted: dict[str, UInt32[Array, " n"]] = eqx.field(default_factory=dict)

    @property
    def neurons(self) -> dict[str, Any]:
        """Variables of the neurons by population: `state.neurons["cells"].v`, shape `(n,)`."""
        return {span.name: self._cut(self.groups[span.group].neurons, span) for span in self.spans}

    @property
    def receptors(self) -> dict[str, dict[str, Any]]:
        """Variables of the receptors by population and port: `state.receptors["cells"]["exc"].g`, shape `(n,)`."""
        return {
            span.name: {port: self._cut(held, span) for port, held in self.groups[span.group].receptors.items()} for span in self.spans
        }

    def __getitem__(self, where: tuple[str, str]) -> Float[Array, " n"]:
        """A variable of a population, bare, in its internal unit.

        **Raises:** `UnknownNameError` for a population or variable that there is not.
        """
        population, variable = where
        span = lookup({span.name: span for span in self.spans}, population, "population")
        return self.read(span.group, variable)[..., span.start : span.start + span.size]

    @property
    def alive(self) -> dict[str, Bool[Array, " n"]]:
        """Who is alive, by population, for those whose neurons may die."""
        return {span.name: self.alive_in(span.group)[span.start : span.start + span.size] for span in self.spans if span.alive is not None}

    def with_alive(self, population: str, alive: Bool[Array, " n"]) -> "State":
        """A state in which the neurons of a population live as `alive` says, `(n,)`. The dead fire nothing.

        Works on the host, between chunks (`between=` of `simulate`), and inside `jit` and `vmap`.

        **Raises:** `ValueError` for a population that was not made with `alive=`, or another number of neurons.

        !!! Example

            >>> import brainunit as u, jax.numpy as jnp, jax.random as jr, neuro4d as n4
            >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()}, alive=2)
            >>> state = n4.Network(cells).build(dt=0.1*u.ms, seed=0).init(jr.key(0))
            >>> state.with_alive("cells", jnp.array([False, True, True])).alive["cells"].tolist()
            [False, True, True]
        """
        span = lookup({span.name: span for span in self.spans}, population, "population")
        if span.alive is None:
            raise ValueError(f"neurons of {population!r} live for ever: make the population with `alive={span.size}` if they may die.")
        alive = jnp.asarray(alive)
        if alive.shape != (span.size,) or alive.dtype != bool:
            raise ValueError(f"alive has one boolean per neuron, shape ({span.size},); got shape {alive.shape} of {alive.dtype}.")
        whole = self.alive_in(span.group).at[span.start : span.start + span.size].set(alive)
        return eqx.tree_at(lambda s: s.groups[span.group].alive, self, pack(whole))

    def alive_in(self, group: str) -> Bool[Array, " n"]:
        """Who of a group is alive."""
        n = max(span.start + span.size for span in self.spans if span.group == group)
        words = self.groups[group].alive
        return jnp.ones(n, bool) if words is None else unpack(words, n)

    def variables(self, group: str) -> dict[str, Array]:
        """All variables of a group by name, those of receptors with their port in front."""
        return variables_of(self.groups[group])

    def read(self, group: str, variable: str) -> Float[Array, " n"]:
        """A variable of a group, bare, in its internal unit."""
        return lookup(self.variables(group), variable, "variable")

    def _cut(self, held: Any, span: Span) -> Any:
        """The part of a population; where it is all there is, the very same object, so that `eqx.tree_at` can point at it."""
        whole = sum(1 for other in self.spans if other.group == span.group) == 1
        return held if whole else jax.tree.map(lambda x: x[..., span.start : span.start + span.size], held)


class StepSpikes(eqx.Module):
    """The spikes of one step.

    `spikes["cells"]` gives them by population: booleans, or floats that carry a gradient in a model with a surrogate.

    **Fields:** `words`: packed bits by group; `soft`: floats by group, or `None`; `groups`: static.
    """

    words: dict[str, UInt32[Array, " w"]]
    soft: dict[str, Float[Array, " n"]] | None
    groups: tuple[Group, ...] = eqx.field(static=True)

    def fired(self, group: str) -> Bool[Array, " n"]:
        """Who of a group fired."""
        n = next(each.n for each in self.groups if each.name == group)
        return unpack(self.words[group], n)

    def number(self, group: str) -> UInt32[Array, ""]:
        """How many of a group fired."""
        return jnp.sum(jax.lax.population_count(self.words[group]), dtype=jnp.uint32)

    def __getitem__(self, population: str) -> Array:
        """The spikes of a population, shape `(n,)`.

        **Raises:** `UnknownNameError` for a name that no population carries.
        """
        span = lookup({span.name: span for group in self.groups for span in group.spans}, population, "population")
        whole = self.fired(span.group) if self.soft is None else self.soft[span.group]
        return whole[span.start : span.start + span.size]
