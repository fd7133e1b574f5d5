"""Changing values of a model or a state: the notebook's way, and inside compiled functions."""

import dataclasses
from collections.abc import Callable
from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import NUMBER, UnitError, check_range, field_units, is_traced, lookup, strip_traced
from neuro4d.model._draw import cast, realise
from neuro4d.model._edges import unit_of
from neuro4d.model._model import Model
from neuro4d.model._weights import Weights, set_weights


def set_value(model: Model, where: Callable[[Model], Any] | Weights, value: Any) -> Model:
    """A model with one leaf replaced. Works on the host and inside `jit`, `vmap` and `grad`.

    **Arguments:**

    - `model`: any model.
    - `where`: points at a float leaf, for example `lambda m: m.neurons["cells"].v_th`, or `n4.Weights("e")`: the weights of a
      projection; `lambda m: m.gaps["gap"].conductance`: of gap junctions.
    - `value`: a quantity with the unit of the parameter; a bare number where the leaf has no unit of its own (`sources`, `banks`,
      pathways that several units share), or where the number is traced: then it is in the internal unit. Its shape has to be that
      of the leaf, or a scalar that then holds everywhere, or `(n,)` for a parameter of a population with `n` neurons.

    **Returns:** the new model; the old one is unchanged. The ranges of parameters are checked unless the value is traced.

    **Raises:** `UnitError`, `TypeError` or `ValueError` if `where` does not point at one float leaf or the value does not fit.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> model = n4.Network(n4.Population("cells", 10, lif)).build(dt=0.1*u.ms, seed=0)
        >>> float(n4.set(model, lambda m: m.neurons["cells"].v_th, -52*u.mV).neurons["cells"].v_th)
        -52.0
    """
    if isinstance(where, Weights):
        return set_weights(model, where.projection, value)
    leaf = where(model)
    if not isinstance(leaf, jax.Array) or not jnp.issubdtype(leaf.dtype, jnp.floating):
        raise TypeError(
            f"`where` has to point at one float array of the model, for example `lambda m: m.neurons['cells'].v_th`; it gives {leaf!r:.80}."
        )
    name, unit, size, part = _owner(model, where)
    traced = is_traced(value, model)
    if part is not None and not traced:
        _validate(part, name, value, unit)
    bare = bare_of(value, unit, name, optional=part is None)
    if jnp.shape(bare) not in ((), leaf.shape, () if size is None else (size,)):
        raise ValueError(
            f"the value has shape {jnp.shape(bare)}; the leaf has shape {leaf.shape}"
            f"{'' if size is None else f', a value per neuron ({size},)'}."
        )
    if size is None:
        bare = jnp.broadcast_to(bare, leaf.shape) if traced else np.broadcast_to(bare, leaf.shape)
    return eqx.tree_at(where, model, jnp.asarray(bare, leaf.dtype))


def bare_of(value: Any, unit: Any, name: str, optional: bool = False) -> Any:
    """A value in an internal unit: a float64 array on the host, or a traced number.

    `optional`: whether a bare number is taken to be in that unit.
    """
    quantity = isinstance(value, u.Quantity)
    if quantity and unit is None:
        raise UnitError("this leaf is kept as a bare number in its internal unit: give a bare number.")
    bare = value if not quantity and (unit is None or optional) else strip_traced(value, unit, name)
    if is_traced(bare):
        return bare
    bare = np.asarray(bare, np.float64)
    if unit is None or optional:
        check_range(bare, NUMBER if unit is None else unit, name)
    return bare


def _validate(part: Any, name: str, value: Any, unit: Any) -> None:
    """Runs the checks of construction on the changed part."""
    units = field_units(part)
    held = {key: getattr(part, key) for key in units}
    fields = {key: None if x is None else np.asarray(x) * units[key] for key, x in held.items()}
    static = {f.name: getattr(part, f.name) for f in dataclasses.fields(part) if f.name not in units}
    type(part)(**fields | static | {name: value})


def _owner(model: Model, where: Callable[[Model], Any]) -> tuple[str, Any, int | None, Any]:
    """Name, unit and number of neurons of the parameter that a leaf is; nothing for leaves without a declared unit."""
    sentinel = object()
    marked = eqx.tree_at(where, model, sentinel)
    for population, neuron in marked.neurons.items():
        parts = [
            (neuron, model.neurons[population]),
            *((r, model.receptors[population][port]) for port, r in marked.receptors[population].items()),
        ]
        for part, original in parts:
            for name, unit in field_units(part).items():
                if getattr(part, name) is sentinel:
                    return name, unit, model.populations[population].size, original
    for population, living in marked.lives.items():
        for name, unit in field_units(living).items():
            if getattr(living, name) is sentinel:
                return name, unit, None, model.lives[population]
    for pathway, path in marked.pathways.items():
        if path.weight is sentinel:
            return "weight", _unit_of_pathway(model, pathway), None, None
        if path.free is not None and (path.free.delay is sentinel or path.free.spread is sentinel):
            return "delay that is trained, or its spread", u.ms, None, None
    for name, gap in marked.gaps.items():
        if gap.conductance is sentinel:
            return f"conductance of {name!r}", u.nS, None, None
    return "value", None, None, None


def unit_at(model: Model, where: Callable[[Model], Any]) -> Any:
    """The unit of the leaf that `where` points at, or `None` where it has none of its own."""
    return _owner(model, where)[1]


def _unit_of_pathway(model: Model, pathway: str) -> Any:
    """The unit of all weights of a pathway, or `None` if they have several."""
    units = [unit_of(model, span.name) for span in model.layout.projections_by_pathway[pathway]]
    return units[0] if all(unit == units[0] for unit in units) else None


def with_neurons(model: Model, population: str, neuron: Any) -> Model:
    """A model in which a population has another neuron of the same kind, with all its parameters. Distributions are drawn with the
    seed of the model.

    **Raises:** `TypeError` if the kinds differ: another kind of neuron is another network, so build it.
    """
    lookup(model.populations, population, "population")
    old = model.neurons[population]
    if type(old) is not type(neuron):
        raise TypeError(
            f"population {population!r} has {type(old).__name__} neurons; got {type(neuron).__name__}. Build a new network for another kind."
        )
    drawn = realise(neuron, model.populations[population].size, model.build_seed, ("population", population))
    drawn.check(model.dt_ms)
    return eqx.tree_at(lambda m: m.neurons[population], model, cast(drawn, model.dtype))
