"""Changing one value of a model, and reading edges: the notebook's way."""

import dataclasses
from collections.abc import Callable
from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import NUMBER, UnitError, check_range, example, field_units, lookup
from neuro4d.network._groups import cast, realise
from neuro4d.network._model import Model


def set_value(model: Model, where: Callable[[Model], Any], value: Any) -> Model:
    """A model with one leaf replaced.

    **Arguments:**

    - `model`: any model.
    - `where`: points at a float leaf, for example `lambda m: m.neurons["cells"].v_th`.
    - `value`: a quantity with the unit of the parameter (a bare number for leaves of `pathways`, `sources` and `banks`, which are
      in the internal unit); its shape has to be that of the leaf, or a scalar that then holds everywhere, or `(n,)` for a
      parameter of a population with `n` neurons.

    **Returns:** the new model; the old one is unchanged.

    **Raises:** `UnitError`, `TypeError` or `ValueError` if `where` does not point at one float leaf or the value does not fit.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> model = n4.Network(n4.Population("cells", 10, lif)).build(dt=0.1*u.ms, seed=0)
        >>> float(n4.set(model, lambda m: m.neurons["cells"].v_th, -52*u.mV).neurons["cells"].v_th)
        -52.0
    """
    leaf = where(model)
    if not isinstance(leaf, jax.Array) or not jnp.issubdtype(leaf.dtype, jnp.floating):
        raise TypeError(
            f"`where` has to point at one float array of the model, for example `lambda m: m.neurons['cells'].v_th`; it gives {leaf!r:.80}."
        )
    name, unit, size, part = _owner(model, where)
    if part is not None:
        _validate(part, name, value, unit)
    bare = _bare(value, unit, name)
    if bare.shape not in ((), leaf.shape, () if size is None else (size,)):
        raise ValueError(
            f"the value has shape {bare.shape}; the leaf has shape {leaf.shape}{'' if size is None else f', a value per neuron ({size},)'}."
        )
    if size is None:
        bare = np.broadcast_to(bare, leaf.shape)
    return eqx.tree_at(where, model, jnp.asarray(bare, leaf.dtype))


def _validate(part: Any, name: str, value: Any, unit: Any) -> None:
    """Runs the checks of construction on the changed part."""
    units = field_units(part)
    fields = {key: np.asarray(getattr(part, key)) * units[key] for key in units if getattr(part, key) is not None}
    static = {f.name: getattr(part, f.name) for f in dataclasses.fields(part) if f.name not in units}
    type(part)(**fields | static | {name: value})


def _bare(value: Any, unit: Any, name: str) -> np.ndarray:
    if unit is None:
        if isinstance(value, u.Quantity):
            raise UnitError("this leaf is kept as a bare number in its internal unit: give a bare number.")
        bare = np.asarray(value, np.float64)
        check_range(bare, NUMBER, name)
        return bare
    if not isinstance(value, u.Quantity):
        raise UnitError(f"{name}: expected a quantity convertible to {unit}, for example `{example(unit)}`; got the bare value {value!r}.")
    return np.asarray(value.to_decimal(unit), np.float64)


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
    return "value", None, None, None


def with_neurons(model: Model, population: str, neuron: Any) -> Model:
    """A model in which a population has another neuron of the same kind, with all its parameters.

    **Raises:** `TypeError` if the kinds differ: another kind of neuron is another network, so build it.
    """
    lookup(model.populations, population, "population")
    old = model.neurons[population]
    if type(old) is not type(neuron):
        raise TypeError(
            f"population {population!r} has {type(old).__name__} neurons; got {type(neuron).__name__}. Build a new network for another kind."
        )
    drawn = realise(neuron, model.populations[population].size, 0, ("population", population))
    drawn.check(model.dt)
    return eqx.tree_at(lambda m: m.neurons[population], model, cast(drawn, model.dtype))
