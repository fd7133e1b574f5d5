"""Everything whose weights arrive at the ports of populations: projections, Poisson input, given spikes; read and put back."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d.model import Model, locate, unit_of_weights
from neuro4d.ops import Pathway

RATE = 0.030
"""Spikes per ms that a synapse is taken to receive where nothing is known: 30 Hz, as sPyNNaker assumes."""


class Arriving(NamedTuple):
    """Weights that arrive at a port, in its unit.

    **Fields:** `name` of the projection or stimulus; `key`: where it is kept, "projection", "bank" or "source" and its name there; `weights` `(k,)`; `delay`: the longest, in
    steps, -1 without any; `expected`: spikes that arrive at a neuron in a step, roughly.
    """

    name: str
    key: tuple
    population: str
    port: str
    weights: Float[np.ndarray, " k"]
    delay: int
    expected: float


def arriving(model: Model) -> list[Arriving]:
    """All of it, in the order of definition."""
    return [*_projections(model), *_banks(model), *_sources(model)]


def delay_text(item: Arriving, steps: int) -> str:
    """The delay of a projection in steps of the model, and as the chip counts it where that differs."""
    return f"projection {item.name!r}: a delay of {item.delay} steps" + ("" if steps == item.delay else f", programmed as {steps}")


def unread(model: Model) -> list[str]:
    """Stimuli at ports whose weights are not part of the model, as sentences."""
    found = []
    for span in model.layout.stimuli:
        source = model.sources[span.name]
        if span.port is not None and (source.takes_value or not _weight_paths(source)):
            found.append(
                f"stimulus {span.name!r}: values at port {span.port!r} come from outside, in the unit of the float model; "
                "what would fit: `n4.SpikeTimes`, or a population of `n4.Relay` that projects"
            )
    return found


def population_at(model: Model, group: str, neuron: int) -> str:
    """The population of a neuron of a group."""
    return next(s.name for s in model.layout.populations if s.group == group and s.start <= neuron < s.start + s.size)


def with_weights(model: Model, changes: Mapping[tuple, Float[np.ndarray, " k"]]) -> Model:
    """A model with other weights, by the keys of `arriving`. They are kept in the precision of the model, where whole numbers are exact."""
    pathways, banks, sources = dict(model.pathways), dict(model.banks), dict(model.sources)
    inside: dict[str, list[tuple[str, Any]]] = {}
    for (kind, name, *place), values in changes.items():
        if kind == "projection":
            inside.setdefault(model.layout.projections_by_name[name].pathway, []).append((name, values))
        elif kind == "bank":
            weight = np.array(banks[name].weight)
            weight[place[0] : place[0] + len(values)] = values
            banks[name] = eqx.tree_at(lambda bank: bank.weight, banks[name], jnp.asarray(weight, model.dtype))
        else:
            sources[name] = jax.tree_util.tree_map_with_path(lambda path, x, v=values: _put(path, x, v), sources[name])
    for pathway, members in inside.items():
        pathways[pathway] = _rewritten(model, pathways[pathway], members)
    return dataclasses.replace(model, pathways=pathways, banks=banks, sources=sources)


def _rewritten(model: Model, path: Pathway, members: list[tuple[str, Any]]) -> Pathway:
    """A pathway with other weights, of which there are as few as there were where that is possible: one in all, or one for each source."""
    found = [(locate(model, name), values) for name, values in members]
    every = np.unique(np.concatenate([values for _, values in found]))
    if path.weight_kind == "one" and len(every) <= 1:
        return dataclasses.replace(path, weight=jnp.asarray(every[0] if len(every) else 0, model.dtype))
    if path.weight_kind != "edge":
        weight = np.zeros(path.n_source)
        for where, values in found:
            weight[where.source] = values
        if all((weight[where.source] == values).all() for where, values in found):
            return dataclasses.replace(path, weight=jnp.asarray(weight, model.dtype), weight_kind="source")
    weight = np.zeros(path.targets.shape[0])
    for where, values in found:
        weight[where.place] = values
    return dataclasses.replace(path, weight=jnp.asarray(weight, model.dtype), weight_kind="edge")


def _projections(model: Model) -> list[Arriving]:
    found = []
    for span in model.layout.projections:
        edges = model.edges(span.name)
        weights = np.asarray(edges.weight.to_decimal(unit_of_weights(model, span.name)), np.float64)
        delays = np.rint(np.asarray(edges.delay.to_decimal(u.ms)) / model.dt_ms)
        fan_in = np.bincount(edges.post).max(initial=0) if len(edges) else 0
        longest = int(delays.max(initial=-1))
        expected = float(fan_in) * RATE * model.dt_ms
        found.append(Arriving(span.name, ("projection", span.name), span.post.population, span.port, weights, longest, expected))
    return found


def _banks(model: Model) -> list[Arriving]:
    found = []
    for span in model.layout.banks:
        bank = model.banks[span.name]
        mean = np.asarray(bank.mean, np.float64)
        mean = mean.max(axis=0) if bank.hold else mean
        for first, _, segment, count in bank.parts:
            here = slice(segment, segment + count)
            name = population_at(model, span.group, first)
            weights = np.asarray(bank.weight, np.float64)[here]
            expected = float(mean[here].max())
            found.append(Arriving(f"Poisson to {name}", ("bank", span.name, segment), name, span.port, weights, -1, expected))
    return found


def _sources(model: Model) -> list[Arriving]:
    found = []
    for span in model.layout.stimuli:
        source = model.sources[span.name]
        paths = _weight_paths(source)
        if span.port is None or source.takes_value or not paths:
            continue
        wave = source.waves()
        expected = 1.0 if wave is None else float(np.max(np.asarray(wave.means)))
        weights = np.atleast_1d(np.asarray(paths[0], np.float64))
        name = population_at(model, span.group, span.start)
        found.append(Arriving(span.name, ("source", span.name), name, span.port, weights, -1, expected))
    return found


def _weight_paths(source: Any) -> list[Array]:
    """The leaves of a source that are called `weight`."""
    return [x for path, x in jax.tree_util.tree_leaves_with_path(source) if _is_weight(path)]


def _is_weight(path: tuple) -> bool:
    return bool(path) and isinstance(path[-1], jax.tree_util.GetAttrKey) and path[-1].name == "weight"


def _put(path: tuple, x: Array, values: Float[np.ndarray, " k"]) -> Array:
    return jnp.asarray(values, x.dtype).reshape(x.shape) if _is_weight(path) else x
