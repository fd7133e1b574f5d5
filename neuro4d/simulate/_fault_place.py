"""Where in a state a fault shows: a variable of a neuron, the weight of an edge, another number."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import LARGEST_POTENTIAL
from neuro4d.model import Model, State, unit_of_weights


class Place(NamedTuple):
    """A number of a state: what to call it, its value, and what it was in another state. `population`, `neuron` and `variable` where it
    belongs to a neuron; `projection` and `edge` where it is a weight."""

    text: str
    value: float
    unit: Any
    population: str | None = None
    neuron: int | None = None
    variable: str | None = None
    projection: str | None = None
    edge: int | None = None

    @property
    def shown(self) -> str:
        """The value with its unit."""
        return with_unit(self.value, self.unit)


def with_unit(value: Any, unit: Any) -> str:
    """A number and its unit, short."""
    return f"{float(value):.6g} {unit}".strip() if unit is not None else f"{float(value):.6g}"


def is_good(variable: str, values: np.ndarray) -> np.ndarray:
    """Whether values of a variable are finite; potentials also whether they are within bounds."""
    return np.abs(values) <= LARGEST_POTENTIAL if variable == "v" else np.isfinite(values)


def find_place(model: Model, state: State) -> Place | None:
    """The first bad number of a state of one simulation: of neurons, then weights, then all others."""
    return _of_neurons(model, state) or _of_weights(model, state) or _of_others(state)


def value_at(model: Model, state: State, place: Place) -> float | None:
    """The number at a place, in another state; `None` for a place that is not that of a neuron or an edge."""
    if place.population is not None and place.variable is not None:
        return float(np.asarray(state[place.population, place.variable])[place.neuron])
    if place.projection is not None:
        return float(np.asarray(model.weights(place.projection, state).to_decimal(place.unit))[place.edge])
    return None


def _of_neurons(model: Model, state: State) -> Place | None:
    for span in model.layout.populations:
        units = model.variables(span.name)
        names = [name for name in state.variables(span.group) if name in units]
        for name in sorted(names, key=lambda name: name != "v"):
            values = np.asarray(state[span.name, name])
            good = is_good(name, values) if jnp.issubdtype(values.dtype, jnp.inexact) else np.ones(1, bool)
            if not good.all():
                neuron = int(np.argmin(good))
                text = f"population {span.name!r}, neuron {neuron}, variable {name!r}"
                return Place(text, float(values[neuron]), units[name], span.name, neuron, name)
    return None


def _of_weights(model: Model, state: State) -> Place | None:
    for span in model.layout.projections:
        held = state.edges.get(span.pathway)
        if held is None or np.isfinite(np.asarray(held.weight)).all():
            continue
        edges, unit = model.edges(span.name, state), unit_of_weights(model, span.name)
        weights = np.asarray(edges.weight.to_decimal(unit))
        bad = np.flatnonzero(~np.isfinite(weights))
        if len(bad):
            edge = int(bad[0])
            ends = f"neuron {edges.pre[edge]} of {span.pre.population!r} to neuron {edges.post[edge]} of {span.post.population!r}"
            text = f"projection {span.name!r}, the weight of edge {edge} (from {ends})"
            return Place(text, float(weights[edge]), unit, projection=span.name, edge=edge)
    return None


def _of_others(state: State) -> Place | None:
    """Traces of rules, variables of synapses, lives, and what stimuli hold, by their name in the state."""
    parts = {"groups": state.groups, "edges": state.edges, "life": state.life}
    for path, leaf in jax.tree_util.tree_leaves_with_path(parts):
        values = np.asarray(leaf)
        if jnp.issubdtype(values.dtype, jnp.inexact) and not np.isfinite(values).all():
            where = np.argwhere(~np.isfinite(np.atleast_1d(values)))[0]
            name = "state." + jax.tree_util.keystr(path[:1])[2:-2] + jax.tree_util.keystr(path[1:])
            return Place(f"`{name}`, entry {', '.join(map(str, where))}", float(np.atleast_1d(values)[tuple(where)]), None)
    return None
