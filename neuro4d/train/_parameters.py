"""Which numbers of a model are tuned: places under names, read and written as bare arrays."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d._base import check_name
from neuro4d.model import Model, Weights, set_value

Where = Callable[[Model], Any] | Weights
Places = Mapping[str, Where]


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
    """The numbers at some places, bare, in internal units; of `n4.Weights`, one per synapse."""
    return {name: jnp.asarray(_value(model, place)) for name, place in where.items()}


def _value(model: Model, place: Where) -> Any:
    if isinstance(place, Weights):
        return model.weights(place.projection).mantissa
    return place(model)


def write(model: Model, where: Places, values: Mapping[str, Any]) -> Model:
    """A model with other numbers at some places. Works inside compiled functions; values are bare, in internal units.

    A scalar holds for all entries of a leaf.
    """
    for name, place in where.items():
        model = _written(model, place, values[name])
    return model


def _written(model: Model, place: Where, value: Any) -> Model:
    """Written as a traced number is, so that it counts in internal units and a program may differentiate it."""
    return jax.jit(lambda m, x: set_value(m, place, x))(model, jnp.asarray(value, model.dtype))
