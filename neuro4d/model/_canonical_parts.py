"""The numbers of stimuli, rules, life cycles, trained delays and surrogates as the user knows them; next to `_canonical.py`."""

import dataclasses
import functools
import operator
from collections.abc import Mapping
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import UnknownNameError, did_you_mean, lookup
from neuro4d.model._edges import locate, span_of
from neuro4d.model._fields import ModelFields
from neuro4d.model._freeze import freeze_at
from neuro4d.model._layout import BankSpan
from neuro4d.structure import Living

M = TypeVar("M", bound=ModelFields)
Tree = dict[str, Any]


def parts_tree(model: ModelFields) -> Tree:
    """The sections of `to_user` besides parameters, weights and gap junctions; those that hold something.

    - `"initial"`: by population and variable, initial values given neuron by neuron.
    - `"stimuli"`: by name; `"plasticity"`, `"structures"`: by projection; `"lives"`: by population; `"surrogate"`.
    - `"delays"`: by projection, delays that are trained, in ms in the order of `model.edges`. `"frozen"`: those that were taken to the grid, in steps,
      with both ends of each edge.
    """
    names = model.layout.projections_by_name
    tree: Tree = {
        "initial": {name: numbers(values) for name, values in model.initial.items()},
        "stimuli": {name: numbers(source) for name, source in model.sources.items()} | _banks_tree(model),
        "plasticity": {name: numbers(model.plasticity.get(span.pathway)) for name, span in names.items()},
        "structures": {name: numbers(model.structures.get(span.pathway)) for name, span in names.items()},
        "lives": {name: _life_tree(model, living) for name, living in model.lives.items()},
        "delays": {name: _delays_tree(model, name) for name in names},
        "frozen": frozen_tree(model),
    }
    tree = {section: {name: held for name, held in parts.items() if held} for section, parts in tree.items()}
    tree["surrogate"] = numbers(model.surrogate)
    return {section: held for section, held in tree.items() if held}


def with_parts(model: M, tree: Mapping[str, Any]) -> M:
    """The model with the numbers of `parts_tree`.

    **Raises:** `UnknownNameError` for a name that the model does not have, `ValueError` for another shape.
    """
    _check(model, tree)
    if "frozen" in tree:
        model = freeze_like(model, tree["frozen"])
    for name, given in tree.get("delays", {}).items():
        model = _with_delays(model, name, given)
    for name, given in tree.get("initial", {}).items():
        model = _put(model, lambda m, name=name: m.initial[name], given, f"initial values of {name!r}")
    for name, given in tree.get("stimuli", {}).items():
        model = _with_stimulus(model, name, given)
    for section in ("plasticity", "structures"):
        for name, given in tree.get(section, {}).items():
            where = functools.partial(_of_projection, section, span_of(model, name).pathway)
            model = _put(model, where, given, f"{section} of projection {name!r}")
    for name, given in tree.get("lives", {}).items():
        model = _with_life(model, name, given)
    if "surrogate" in tree:
        model = _put(model, lambda m: m.surrogate, tree["surrogate"], "the surrogate")
    return model


def numbers(part: Any) -> dict[str, np.ndarray]:
    """The float leaves of a part by name, those of parts within with dots between."""
    return {_name(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(part)[0] if _is_float(leaf)}


def with_numbers(part: Any, given: Mapping[str, Any], where: str) -> Any:
    """A part with other float leaves.

    **Raises:** `UnknownNameError` for a name that it does not have, `ValueError` for another shape.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(part)
    known = {_name(path): leaf for path, leaf in leaves if _is_float(leaf)}
    for name in given:
        if name not in known:
            raise UnknownNameError(f"{where} has no number {name!r}, which the tree has.{did_you_mean(name, known)}")

    def changed(name: str, leaf: Any) -> Any:
        if name not in known or name not in given or np.array_equal(np.asarray(leaf), given[name], equal_nan=True):
            return leaf
        value = sized(given[name], leaf.shape, f"{where}: {name}")
        return value.astype(leaf.dtype) if isinstance(leaf, np.ndarray) else jnp.asarray(value, leaf.dtype)

    return jax.tree.unflatten(structure, [changed(_name(path), leaf) for path, leaf in leaves])


def sized(given: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    """An array, if it has the shape that is wanted."""
    if np.shape(given) != shape:
        raise ValueError(f"{where} has the shape {shape} in the model; the tree has {np.shape(given)}.")
    return np.asarray(given)


def _is_float(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray) and jnp.issubdtype(leaf.dtype, jnp.floating)


def _name(path: Any) -> str:
    words = [getattr(key, "name", getattr(key, "key", getattr(key, "idx", None))) for key in path]
    return ".".join(str(word) for word in words)


def _put(model: M, where: Any, given: Mapping[str, Any], what: str) -> M:
    part = where(model)
    after = with_numbers(part, given, what)
    changed = [new is not old for new, old in zip(jax.tree.leaves(after), jax.tree.leaves(part), strict=True)]
    return eqx.tree_at(where, model, after, is_leaf=lambda x: x is None) if any(changed) else model


def _of_projection(section: str, pathway: str, model: ModelFields) -> Any:
    return getattr(model, section)[pathway]


def _check(model: ModelFields, tree: Mapping[str, Any]) -> None:
    names = model.layout.projections_by_name
    within = {section: {name for name, span in names.items() if span.pathway in getattr(model, section)} for section in ("plasticity", "structures")}
    for section, what, known in (
        ("initial", "population", model.initial),
        ("stimuli", "stimulus", {**model.sources, **_parts_of_banks(model)}),
        ("plasticity", "plastic projection", within["plasticity"]),
        ("structures", "projection with synapses that come and go", within["structures"]),
        ("lives", "population with a life cycle", model.lives),
        ("delays", "projection", names),
        ("frozen", "projection", names),
    ):
        for name in tree.get(section, {}):
            if name not in known:
                raise UnknownNameError(f"the model has no {what} named {name!r}, which the tree has.{did_you_mean(name, known)}")
    if "surrogate" in tree and model.surrogate is None:
        raise ValueError("the tree has a surrogate and the model has none: build with `surrogate=`.")


# Poisson input is drawn for all stimuli of a port together; each has segments of its own in the bank of the port.


def _parts_of_banks(model: ModelFields) -> dict[str, tuple[BankSpan, slice]]:
    return {
        name: (span, slice(first, first + count))
        for span in model.layout.banks
        for name, (_, _, first, count) in zip(span.stimuli, model.banks[span.name].parts, strict=True)
    }


def _banks_tree(model: ModelFields) -> Tree:
    return {
        name: {field: np.asarray(getattr(model.banks[span.name], field))[..., here] for field in ("mean", "weight")}
        for name, (span, here) in _parts_of_banks(model).items()
    }


def _with_stimulus(model: M, name: str, given: Mapping[str, Any]) -> M:
    what = f"stimulus {name!r}"
    if name in model.sources:
        return _put(model, lambda m: m.sources[name], given, what)
    span, here = _parts_of_banks(model)[name]
    held = model.banks[span.name]
    for field, values in given.items():
        lookup({"mean": 0, "weight": 0}, field, f"number of {what}")
        before = np.asarray(getattr(held, field))
        if not np.array_equal(before[..., here], values, equal_nan=True):
            after = before.copy()
            after[..., here] = sized(values, before[..., here].shape, f"{what}: {field}")
            held = eqx.tree_at(operator.attrgetter(field), held, jnp.asarray(after))
    return model if held is model.banks[span.name] else eqx.tree_at(lambda m: m.banks[span.name], model, held)


def _life_tree(model: ModelFields, living: Living) -> Tree:
    tree = {name: x for name, x in numbers(living).items() if not name.startswith("wired.")}
    for name, span in model.layout.projections_by_name.items():
        if span.pathway in living.wired:
            for bound in ("low", "high"):
                values = np.asarray(getattr(living.wired[span.pathway], bound))
                tree[f"wired.{name}.{bound}"] = values[locate(model, name).place] if values.ndim else values
    return tree


def _with_life(model: M, population: str, given: Mapping[str, Any]) -> M:
    living, what = model.lives[population], f"the life cycle of {population!r}"
    own = {name: x for name, x in given.items() if not name.startswith("wired.")}
    after = with_numbers(living, own, what)
    for name, values in given.items():
        if name in own:
            continue
        projection, bound = name.removeprefix("wired.").rsplit(".", 1)
        pathway = span_of(model, projection).pathway
        before = np.asarray(getattr(lookup(after.wired, pathway, f"synapses of {what}"), lookup({"low": "low", "high": "high"}, bound, "bound")))
        place = (locate(model, projection).place,) if before.ndim else ()
        if not np.array_equal(before[place], values, equal_nan=True):
            array = before.copy()
            array[place] = sized(values, before[place].shape, f"{what}: {name}")
            wired = dataclasses.replace(after.wired[pathway], **{bound: jnp.asarray(array)})
            after = eqx.tree_at(lambda a: a.wired, after, after.wired | {pathway: wired})
    return eqx.tree_at(lambda m: m.lives[population], model, after)


def _delays_tree(model: ModelFields, name: str) -> Tree:
    free = model.pathways[span_of(model, name).pathway].free
    return {} if free is None else {"delay": np.asarray(free.delay)[locate(model, name).place], "spread": np.asarray(free.spread)}


def _with_delays(model: M, name: str, given: Mapping[str, Any]) -> M:
    pathway = span_of(model, name).pathway
    free = model.pathways[pathway].free
    if free is None:
        raise ValueError(f"projection {name!r} has delays that are trained in the tree, and none in the model; build with `n4.TrainableDelays(...)`.")
    place = locate(model, name).place
    delay = np.array(free.delay)
    delay[place] = sized(given["delay"], place.shape, f"projection {name!r}: delay")
    held = (jnp.asarray(delay), jnp.asarray(sized(given["spread"], (), f"projection {name!r}: spread"), free.spread.dtype))
    return eqx.tree_at(lambda m: (m.pathways[pathway].free.delay, m.pathways[pathway].free.spread), model, held)


def frozen_tree(model: ModelFields) -> Tree:
    """By projection, delays that were trained and taken to the grid: both ends of each edge, and its delay in steps."""
    found = {span.name: locate(model, span.name) for span in model.layout.projections if span.pathway in model.origin.frozen}
    return {name: {"pre": edges.pre, "post": edges.post, "steps": edges.delay} for name, edges in found.items()}


def freeze_like(model: M, tree: Mapping[str, Any]) -> M:
    """A model whose trained delays are taken to the grid as `frozen_tree` says.

    **Raises:** `UnknownNameError` for a projection that it does not have, `ValueError` where it joins other neurons, or has other delays on the grid.
    """
    steps: dict[str, np.ndarray] = {}
    for name, given in tree.items():
        pathway, found = span_of(model, name).pathway, locate(model, name)
        mine, theirs = np.lexsort((found.post, found.pre)), np.lexsort((given["post"], given["pre"]))
        ends = ((found.pre, given["pre"]), (found.post, given["post"]))
        if len(mine) != len(theirs) or any(not np.array_equal(a[mine], np.asarray(b)[theirs]) for a, b in ends):
            raise ValueError(f"projection {name!r} joins other neurons in the model than in the tree.")
        if model.pathways[pathway].free is not None:
            steps[pathway] = np.empty(len(mine), np.int64)
            steps[pathway][found.place[mine]] = np.asarray(given["steps"])[theirs]
        elif not np.array_equal(found.delay, given["steps"]):
            raise ValueError(f"projection {name!r} has other delays in the tree than in the model, which lie on the grid; build it anew.")
    return freeze_at(model, steps) if steps else model
