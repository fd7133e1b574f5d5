"""Which numbers of a model are tuned: places under names, read and written as bare arrays."""

from collections.abc import Callable, Mapping
from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neuro4d._base import NUMBER, UnitError, check_name, is_traced, strip
from neuro4d.model import Model, Weights, set_value, unit_at, unit_of_weights

Where = Callable[[Model], Any] | Weights
Places = Mapping[str, Where]

LEVEL_MV = 20.0
"""How far apart the levels of a membrane lie, from rest to threshold: what a voltage is compared with, since its zero means nothing."""


def places(where: Where | Places) -> dict[str, Where]:
    """Places under names: what a user wrote, one place without a name included.

    A single place is called `"parameter"`, the weights of a projection by its name.

    **Raises:** `TypeError` for anything but a function of a model, `n4.Weights`, or a mapping from names to these; `ValueError` for
    an empty mapping.
    """
    if isinstance(where, Weights):
        return {where.projection: where}
    if isinstance(where, Mapping):
        if not where:
            raise ValueError("`where` is empty; for example `{'threshold': lambda m: m.neurons['cells'].v_th}`.")
        return {check_place(name, place): place for name, place in where.items()}
    check_place("parameter", where)
    return {"parameter": where}


def check_place(name: str, place: Any) -> str:
    """The name of a place, checked together with it."""
    check_name(name, "parameter")
    if not isinstance(place, Weights) and not callable(place):
        raise TypeError(
            f"`where` of {name!r} has to be a function of the model, for example `lambda m: m.neurons['cells'].v_th`, "
            f"or `n4.Weights('e')`; got {place!r:.80}."
        )
    return name


def read(model: Model, where: Places) -> dict[str, Array]:
    """The numbers at some places, bare, in internal units; of `n4.Weights`, one per synapse.

    **Raises:** `TypeError` for a place that is no float array.
    """
    return {name: _float(name, _value(model, place)) for name, place in where.items()}


def _value(model: Model, place: Where) -> Any:
    if isinstance(place, Weights):
        return model.weights(place.projection).mantissa
    return place(model)


def _float(name: str, value: Any) -> Array:
    if not eqx.is_array(value) or not jnp.issubdtype(value.dtype, jnp.floating):
        raise TypeError(f"`where` of {name!r} has to point at a float array of the model; it gives {value!r:.80}.")
    return jnp.asarray(value)


def write(model: Model, where: Places, values: Mapping[str, Any]) -> Model:
    """A model with other numbers at some places. Works inside compiled functions; values are bare, in internal units.

    A scalar holds for all entries of a leaf. Outside of a compiled function every leaf that stays is the very same array, so that models
    of a batch share it.
    """
    for name, place in where.items():
        value = jnp.asarray(values[name], model.dtype)
        model = set_value(model, place, value) if is_traced(model, value) else _written(model, place, value)
    return model


def _written(model: Model, place: Where, value: Array) -> Model:
    changed, structure = _changes(model, place, value)
    return jax.tree.unflatten(structure, [old if new is None else new for new, old in zip(changed, jax.tree.leaves(model), strict=True)])


@eqx.filter_jit
def _changes(model: Model, place: Where, value: Array) -> tuple[list[Array | None], Any]:
    """The leaves that differ, and the structure: weights may have become one per edge. Compiled once for a place; the value is traced,
    so that it counts in internal units."""
    other = set_value(model, place, value)
    before, after = jax.tree.leaves(model), jax.tree.leaves(other)
    return [None if new is old else new for new, old in zip(after, before, strict=True)], jax.tree.structure(other)


def unit_of(model: Model, place: Where) -> Any:
    """The unit of the numbers at a place, or `None` where the leaf has none of its own."""
    if isinstance(place, Weights):
        return unit_of_weights(model, place.projection)
    return unit_at(model, place)


def bare_at(x: Any, unit: Any, name: str) -> Any:
    """A quantity as a bare number in the unit of a place; a bare number stays.

    **Raises:** `UnitError` for another unit, and for any quantity where the place has no unit of its own.
    """
    if not isinstance(x, u.Quantity):
        return x
    if unit is None:
        raise UnitError(
            f"{name}: this leaf is kept as a bare number in its internal unit (`sources`, `banks`, weights that several units share), so give a "
            f"bare number, for example `{np.ravel(u.get_mantissa(x))[0]:g}`; got {x}."
        )
    return strip(x, unit, name)


def is_potential(model: Model, place: Where) -> bool:
    """Whether the numbers at a place are levels of a membrane, whose zero means nothing. Weights in mV are jumps."""
    if isinstance(place, Weights) or unit_of(model, place) != u.mV:
        return False
    leaf = place(model)
    return all(path.weight is not leaf for path in model.pathways.values())


def scales(model: Model, where: Places) -> dict[str, float]:
    """How large a number at each place is, as a measure for steps: its mean magnitude, or, for a voltage, 20 mV.

    **Raises:** `ValueError` for numbers that are all 0 and no voltage: they have no size.
    """
    found = {}
    for name, value in read(model, where).items():
        size = LEVEL_MV if is_potential(model, where[name]) else float(np.mean(np.abs(np.asarray(value, np.float64))))
        if size == 0:
            raise ValueError(
                f"the numbers at {name!r} are all 0, so a relative step is none; say how far to move: "
                f"`n4.train.Differences(step={{{name!r}: 0.1}})`, in the internal unit."
            )
        found[name] = size
    return found


def unit_text(model: Model, place: Where) -> str:
    """The unit of a place as it is printed, or nothing."""
    unit = unit_of(model, place)
    return "" if unit is None or unit == NUMBER else str(unit)
