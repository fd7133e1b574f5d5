"""Parts with numbers: distributions drawn, in the precision of the model."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import AbstractValue, address, attach, check_fits, field_units, words


def realise(part: Any, n: int, seed: int, where: tuple[str, ...]) -> Any:
    """A part with its distributions drawn for `n` neurons: bare float64 arrays, checked like everything a user writes.

    **Raises:** `ValueError` if an array has neither no axis nor one entry per neuron, or if a draw lies outside the range.
    """
    units = field_units(part)
    given = {name: getattr(part, name) for name in units if getattr(part, name) is not None}
    drawn = {name: v.draw(words(address(seed, *where, name), np.arange(n))) for name, v in given.items() if isinstance(v, AbstractValue)}
    for name, value in (given | drawn).items():
        if value.ndim and value.shape != (n,):
            raise ValueError(
                f"{'.'.join(where)}.{name} must be a scalar or have shape ({n},), one entry per neuron; got shape {value.shape}."
            )
    if not drawn:
        return part
    fields = {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
    fields |= {name: attach(value, units[name]) for name, value in (given | drawn).items()}
    return type(part)(**fields)


def cast(part: Any, dtype: Any) -> Any:
    """A part with its numbers as JAX arrays in the precision of the model."""
    values = {name: getattr(part, name) for name in field_units(part) if getattr(part, name) is not None}
    for name, value in values.items():
        check_fits(value, dtype, f"{type(part).__name__}.{name}", positive=True)
    return with_fields(part, {name: jnp.asarray(value, dtype) for name, value in values.items()})


def with_leaves(rule: Any, dtype: Any) -> Any:
    """A rule of plasticity with those of its numbers that are leaves as JAX arrays in the precision of the model, so that they can be set and trained."""
    return jax.tree.map(lambda x: jnp.asarray(x, dtype) if isinstance(x, float) else x, rule)


def with_fields(part: Any, changes: dict[str, Any]) -> Any:
    """The part with some fields replaced by bare arrays; converters, which expect units, are passed by."""
    names = tuple(changes)
    if not names:
        return part
    return eqx.tree_at(
        lambda p: [getattr(p, name) for name in names],
        part,
        [changes[name] for name in names],
        is_leaf=lambda x: x is None or isinstance(x, AbstractValue),
    )
