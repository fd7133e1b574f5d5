"""The edges of a projection, read from the layout of delivery, in an order that does not depend on the machine."""

from collections.abc import Iterable
from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from neuro4d._base import lookup
from neuro4d.model._fields import ModelFields
from neuro4d.model._layout import ProjectionSpan
from neuro4d.model._shares import Share, collected, free_delays, shares
from neuro4d.model._state import State, in_force
from neuro4d.model._stimulate import port_unit
from neuro4d.model._wiring import gathered
from neuro4d.ops import Pathway, edge_table


class Edges(eqx.Module):
    """The edges of a projection as host arrays: `pre` and `post` are indices into the populations, `weight` and `delay` quantities.

    Their order is (source, delay, target, definition), on every machine and backend. `alive`: whether neurons live at both ends in the state
    that was asked about; `None` where all live for ever, or no state was given.
    """

    pre: np.ndarray
    post: np.ndarray
    weight: Any
    delay: Any
    alive: np.ndarray | None = None

    def __len__(self):
        return len(self.pre)


class Located(eqx.Module):
    """Where the edges of a projection lie in the arrays of its pathway, their ends in the groups (`source`, `target`) and in the
    populations (`pre`, `post`), and their delay in steps; all `(k,)`, in their order."""

    place: Int[np.ndarray, " k"]
    source: Int[np.ndarray, " k"]
    target: Int[np.ndarray, " k"]
    pre: Int[np.ndarray, " k"]
    post: Int[np.ndarray, " k"]
    delay: Int[np.ndarray, " k"]


def span_of(model: ModelFields, projection: str) -> ProjectionSpan:
    """Where a projection lies.

    **Raises:** `UnknownNameError` for a name that no projection carries.
    """
    return lookup(model.layout.projections_by_name, projection, "projection")


def as_wired(model: Any, state: State | None) -> Any:
    """The model with the synapses that there are in a state, for projections whose synapses come and go; their weights too."""
    if state is None or not model.structures:
        return model
    paths = {name: in_force(path, state.edges[name]) if name in model.structures else path for name, path in model.pathways.items()}
    return eqx.tree_at(lambda m: m.pathways, model, paths)


def locate(model: ModelFields, projection: str) -> Located:
    """The edges of a projection, on the host. Reads the rows of its sources only."""
    fields = ("place", "source", "target", "pre", "post", "delay")
    found = [[getattr(share, field) for field in fields] for share in shares(model, span_of(model, projection).pathway, (projection,))]
    return Located(*(np.concatenate(each, dtype=np.int64) for each in zip(*found, strict=True)))


def _within(x: Any, first: int, n: int) -> Any:
    return (x >= first) & (x < first + n)


def traced_mask(model: ModelFields, projection: str) -> Array:
    """Which edges of its pathway belong to a projection, inside a compiled function: booleans `(nnz,)`."""
    span = span_of(model, projection)
    path = model.pathways[span.pathway]
    source, _, block = edge_table(path)
    local = path.targets.astype(jnp.int32)
    neuron, port = block * path.width + local % path.width, local // path.width
    mine = _within(source, span.pre.in_group, span.pre.extent) & _within(neuron, span.post.in_group, span.post.extent)
    mine &= port == model.layout.group(path.target).port_number(span.port)
    return mine if path.owner is None else mine & (path.owner == span.number)


def edges(model: ModelFields, projection: str, state: State | None) -> Edges:
    """The edges of a projection, with the weights of the model or those in force in a state; or gap junctions."""
    model = as_wired(model, state)
    if projection in model.layout.gaps_by_name:
        gap, span = model.gaps[projection], model.layout.gaps_by_name[projection]
        pre, post = (np.asarray(x) - (end.in_group - end.first) for x, end in ((gap.a, span.a), (gap.b, span.b)))
        return Edges(pre, post, np.asarray(gap.conductance) * u.nS, np.zeros(len(pre)) * u.ms)
    found = locate(model, projection)
    weight = _weights_at(model.pathways[span_of(model, projection).pathway], found, _held(model, projection, state))
    free = model.pathways[span_of(model, projection).pathway].free
    delay = found.delay * model.dt_ms if free is None else free_delays(free, found.place)
    return Edges(found.pre, found.post, weight * unit_of(model, projection), delay * u.ms, _alive_at(model, projection, found, state))


def _alive_at(model: ModelFields, projection: str, found: Located, state: State | None) -> np.ndarray | None:
    """Whether neurons live at both ends of each edge, where they may die."""
    span, alive = span_of(model, projection), {} if state is None else state.alive
    ends = [np.asarray(alive[end.population])[who] for end, who in ((span.pre, found.pre), (span.post, found.post)) if end.population in alive]
    return np.logical_and.reduce(ends) if ends else None


def weights(model: ModelFields, projection: str, state: State | None) -> Any:
    """The weights of a projection, a quantity `(k,)`."""
    return bare_weights(model, (projection,), state)[projection] * unit_of(model, projection)


def bare_weights(model: ModelFields, projections: Iterable[str], state: State | None = None) -> dict[str, np.ndarray]:
    """The weights of some projections in the units of their receptors, `(k,)` each: one pass over each pathway."""
    model = as_wired(model, state)
    by_pathway: dict[str, list[str]] = {}
    for name in projections:
        by_pathway.setdefault(span_of(model, name).pathway, []).append(name)
    found: dict[str, np.ndarray] = {}
    for pathway, names in by_pathway.items():
        held = _held(model, names[0], state)
        kind = "edge" if held is not None else model.pathways[pathway].weight_kind
        weight = np.asarray(model.pathways[pathway].weight if held is None else held)
        if kind == "edge" and weight.ndim == 1:
            found |= gathered(model, pathway, names, weight)
            continue

        def read(share: Share, kind: str = kind, weight: np.ndarray = weight) -> dict[str, np.ndarray]:
            if kind == "one":
                return {"weight": np.full(share.n, weight)}
            return {"weight": share.read(weight) if kind == "edge" else weight[share.source]}

        found |= {name: values["weight"] for name, values in collected(model, pathway, names, read).items()}
    return {name: found[name] for name in projections}


def unit_of(model: ModelFields, projection: str) -> Any:
    """The unit of the weights of a projection."""
    span = span_of(model, projection)
    return port_unit(model, model.pathways[span.pathway].target, span.port)


def _held(model: ModelFields, projection: str, state: State | None) -> Array | None:
    """The weights in the state, if those of the projection live there."""
    held = None if state is None else state.edges.get(span_of(model, projection).pathway)
    return None if held is None else held.weight


def _weights_at(path: Pathway, found: Located, held: Array | None) -> np.ndarray:
    if held is not None:
        return np.asarray(held)[found.place]
    weight = np.asarray(path.weight)
    if path.weight_kind == "one":
        return np.full(len(found.place), weight)
    if path.weight_kind == "edge":
        return weight[found.place]
    return weight[found.source]


def fan_out(model: ModelFields, projection: str, state: State | None = None) -> Int[np.ndarray, " n"]:
    """Synapses of a projection that leave each neuron of its source population."""
    model = as_wired(model, state)
    n = model.layout.spans[span_of(model, projection).pre.population].size
    return np.bincount(locate(model, projection).pre, minlength=n)


def fan_in(model: ModelFields, projection: str, state: State | None = None) -> Int[np.ndarray, " n"]:
    """Synapses of a projection that reach each neuron of its target population."""
    model = as_wired(model, state)
    n = model.layout.spans[span_of(model, projection).post.population].size
    return np.bincount(locate(model, projection).post, minlength=n)
