"""Synapses that come and go, in the canonical form: the ends of those that there are, and what is known of sources and targets that have none."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from neuro4d.model._edges import Located, span_of
from neuro4d.model._model import Model
from neuro4d.model._state import EdgeState, State, Wide
from neuro4d.ops import rows_of_neurons
from neuro4d.structure import Slots, Structure

_COUNTS = ("used", "spikes_pre", "spikes_post", "formed", "pruned", "refused")


def slots_tree(model: Model, state: State, projection: str, found: Located) -> dict[str, np.ndarray]:
    """What `to_user` says of a projection whose synapses come and go, besides what it says of any; nothing of others."""
    pathway = span_of(model, projection).pathway
    held = state.edges[pathway]
    if held.slots is None:
        return {}
    tree = {"pre": found.pre, "post": found.post, "born": np.asarray(held.slots.born)[found.place]}
    tree |= {f"slots.{name}": np.asarray(getattr(held.slots, name)) for name in _COUNTS}
    if held.slots.elements is not None:
        tree |= {f"slots.{name}": np.asarray(x) for name, x in held.slots.elements._asdict().items()}
    for name, x, where in _of_neurons(held, model.structures[pathway]):
        tree[f"slots.{name}"] = np.asarray(x)[where]
    return tree


def _of_neurons(held: EdgeState, structure: Structure) -> list[tuple[str, Any, Any]]:
    """What synapses share that have a source or a target in common: names, arrays, and where the neurons of the projection lie in them."""
    sources, targets = np.asarray(structure.sources), np.asarray(structure.targets)
    found = [(f"pre.{name}", x, (Ellipsis, sources)) for name, x in held.pre.items()]
    found += [(f"post.{name}", x, (Ellipsis, targets)) for name, x in held.post.items()]
    found += [(name, x, (Ellipsis, ids)) for name, x, ids in (("heard", held.heard, sources), ("fired", held.fired, targets)) if x is not None]
    wide = {} if held.wide is None else held.wide.targets
    return found + [(f"target.{name}", x, targets) for name, x in wide.items()]


def slots_from(model: Model, pathway: str, fresh: EdgeState, later: Any, tree: Mapping[str, Any]) -> EdgeState:
    """The synapses of a pathway from those of a tree. `later`: what is on its way along dendrites.

    **Raises:** `ValueError` for a row that has no room for them, and for ends that the projection does not have.
    """
    name = model.layout.projections_by_pathway[pathway][0].name
    if name not in tree["edges"] or fresh.slots is None:
        return fresh
    given, structure, path = tree["edges"][name], model.structures[pathway], model.pathways[pathway]
    place, neurons = _placed(model, pathway, name, given)
    local, bounds = rows_of_neurons(jnp.asarray(neurons), structure.port, path.width, path.n_blocks, path.n_target, path.targets.dtype)

    def laid(old: Any, values: Any) -> Any:
        found = np.zeros((structure.sources.shape[0] * structure.room, *old.shape[1:]), old.dtype)
        found[place] = values
        return jnp.asarray(found)

    slots = Slots(
        targets=local.reshape(-1),
        bounds=jnp.zeros_like(fresh.slots.bounds).at[structure.sources].set(bounds),
        fan_in=jnp.zeros_like(fresh.slots.fan_in).at[jnp.asarray(neurons)].add(1, mode="drop"),
        born=laid(fresh.slots.born, given["born"]),
        elements=_elements(fresh.slots, given),
        **{count: jnp.asarray(given[f"slots.{count}"], jnp.uint32) for count in _COUNTS},
    )
    held = fresh._replace(
        weight=laid(fresh.weight, given["weight"]),
        variables={variable: laid(x, given[variable]) for variable, x in fresh.variables.items()},
        slots=slots,
    )
    return _with_neurons(held, structure, later, given)


def _placed(model: Model, pathway: str, name: str, given: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The slots of the synapses of a tree, and rows of their target neurons."""
    structure, path, span = model.structures[pathway], model.pathways[pathway], span_of(model, name)
    sources, targets = np.asarray(structure.sources), np.asarray(structure.targets)
    source = np.asarray(given["pre"]) + (span.pre.in_group - span.pre.first)
    target = np.asarray(given["post"]) + (span.post.in_group - span.post.first)
    row = np.minimum(np.searchsorted(sources, source), len(sources) - 1)
    if not (np.array_equal(sources[row], source) and np.isin(target, targets).all()):
        raise ValueError(f"projection {name!r} does not have all neurons between which the tree has synapses.")
    counts = np.bincount(row, minlength=len(sources))
    if counts.max(initial=0) > structure.room:
        raise ValueError(f"projection {name!r} has {structure.room} slots; in the tree a source has {counts.max()} synapses.")
    place = row * structure.room + np.arange(len(row)) - (np.cumsum(counts) - counts)[row]
    neurons = np.full(len(sources) * structure.room, path.n_target, np.int32)
    neurons[place] = target
    return place, neurons.reshape(len(sources), -1)


def _elements(slots: Slots, given: Mapping[str, Any]) -> Any:
    if slots.elements is None:
        return None
    return type(slots.elements)(**{name: jnp.asarray(given[f"slots.{name}"], x.dtype) for name, x in slots.elements._asdict().items()})


def _with_neurons(held: EdgeState, structure: Structure, later: Any, given: Mapping[str, Any]) -> EdgeState:
    """The synapses with what those have in common that share a source or a target."""
    found = {}
    for name, x, where in _of_neurons(held, structure):
        values = np.array(x)
        values[where] = given[f"slots.{name}"]
        found[name] = jnp.asarray(values)
    wide = None if held.wide is None else Wide({name: found[f"target.{name}"] for name in held.wide.targets}, later)
    return held._replace(
        pre={name: found[f"pre.{name}"] for name in held.pre},
        post={name: found[f"post.{name}"] for name in held.post},
        heard=found.get("heard"),
        fired=found.get("fired"),
        wide=jax.tree.map(jnp.asarray, wide),
    )
