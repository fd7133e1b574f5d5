"""The lives of neurons as the user knows them, by population; next to `_canonical.py`."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from neuro4d._base import UnknownNameError, did_you_mean
from neuro4d.model._fields import ModelFields
from neuro4d.model._state import State
from neuro4d.structure import LifeState

Tree = dict[str, Any]


def life_tree(model: ModelFields, state: State) -> Tree:
    """`"life"` by population, inherited parameters with `parameter.` in front, and `"counted"`: spikes by population; what there is of them."""
    tree: Tree = {}
    if state.life:
        tree["life"] = {name: _one(life) for name, life in state.life.items()}
    if state.counted:
        spans = [span for span in model.layout.populations if span.group in state.counted]
        tree["counted"] = {span.name: np.asarray(state.counted[span.group])[span.start : span.start + span.size] for span in spans}
    return tree


def _one(life: LifeState) -> Tree:
    held = {name: value for name, value in life._asdict().items() if name != "parameters" and value is not None}
    held |= {f"parameter.{name}": value for name, value in life.parameters.items()}
    return {name: np.asarray(value) for name, value in held.items()}


def life_from(model: ModelFields, fresh: State, tree: Mapping[str, Any]) -> tuple[dict[str, LifeState], dict[str, Any]]:
    """The lives and the counted spikes of a state; populations that the tree does not know begin as after `init`.

    **Raises:** `UnknownNameError` for a population without a life cycle, or something that is not known of its neurons; `ValueError` for
    another number of neurons.
    """
    lives = dict(fresh.life)
    for name, given in tree.get("life", {}).items():
        if name not in lives:
            raise UnknownNameError(f"the model has no life cycle of a population {name!r}, which the tree has.{did_you_mean(name, lives)}")
        lives[name] = _one_from(name, lives[name], given)
    counted = {group: np.array(x) for group, x in fresh.counted.items()}
    for name, values in tree.get("counted", {}).items():
        span = model.layout.spans[name]
        if span.group in counted:
            counted[span.group][span.start : span.start + span.size] = _sized(name, values, span.size)
    return lives, {group: jnp.asarray(x) for group, x in counted.items()}


def _one_from(name: str, fresh: LifeState, given: Mapping[str, np.ndarray]) -> LifeState:
    known = _one(fresh)
    for variable in given:
        if variable not in known:
            raise UnknownNameError(f"of neurons of {name!r} nothing is known as {variable!r}.{did_you_mean(variable, known)}")
    values = {variable: jnp.asarray(_sized(name, x, *known[variable].shape), known[variable].dtype) for variable, x in given.items()}
    inherited = {field: values.get(f"parameter.{field}", x) for field, x in fresh.parameters.items()}
    return fresh._replace(**{v: x for v, x in values.items() if not v.startswith("parameter.")}, parameters=inherited)


def _sized(name: str, given: Any, *size: int) -> np.ndarray:
    if np.shape(given) != size:
        raise ValueError(f"population {name!r} has {size[0] if size else 'one of these'} neurons; the tree has {np.shape(given)}.")
    return np.asarray(given)
