"""Parameters stay in their ranges: those that parts declare, and those of the user."""

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import NUMBER, AbstractPart, attach, field_units, internal_unit, strip
from neuro4d.model import Model, Weights
from neuro4d.ops import FreeDelays
from neuro4d.train._parameters import bare_at, unit_of
from neuro4d.train._trainable import AbstractTrainable
from neuro4d.train.layers import Sequential

MARGIN = 1e-3
"""How near an excluded end a parameter may come, as a share of its distance at the beginning."""


class Limits(eqx.Module):
    """Lowest and highest value for every trained number, infinite where there is none."""

    low: Any
    high: Any

    def project(self, parameters: Any) -> Any:
        """The nearest parameters inside."""
        return jax.tree.map(
            lambda x, low, high: jnp.clip(x, jnp.asarray(low, x.dtype), jnp.asarray(high, x.dtype)), parameters, self.low, self.high
        )


class Bounds:
    r"""Ranges of trained parameters. After every update of `fit` a parameter that left its range is set to the nearest value inside.

    The ranges that parts declare always hold, also without `Bounds`: a time constant stays positive, a threshold above the reset, a trained delay
    between the `low` and `high` of its `TrainableDelays`. An end that is itself
    excluded, such as a time constant of 0, is kept away from by a thousandth of the distance at the beginning.

    **Arguments:** triples `(where, low, high)`: a function of the network or `n4.Weights(...)`, and two quantities, or `None` for no limit.

    **Raises:** `TypeError` for anything else, `UnitError` for another unit, `ValueError` if `low` is not below `high`, and in `fit` for a leaf that is not trained
    and for a range of which the declared one leaves nothing.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> bounds = n4.train.Bounds((lambda net: net.layers[1].neuron.tau, 5*u.ms, 25*u.ms))
    """

    __slots__ = ("triples",)

    def __init__(self, *triples: tuple[Callable[[Any], Any] | Weights, Any, Any]):
        for triple in triples:
            if not isinstance(triple, tuple) or len(triple) != 3 or not (callable(triple[0]) or isinstance(triple[0], Weights)):
                raise TypeError(
                    f"Bounds takes triples (where, low, high), `(lambda net: net.layers[1].neuron.tau, 5*u.ms, 25*u.ms)`; got {triple!r:.80}."
                )
            low, high = (None if x is None else strip(x, internal_unit(x)) for x in triple[1:])
            if low is not None and high is not None and not np.all(low < high):
                raise ValueError(f"Bounds: low must lie below high; got {triple[1]} and {triple[2]}.")
        self.triples = triples

    def limits(self, model: Any, chosen: AbstractTrainable) -> Limits:
        """What has to hold of the parameters that `chosen` takes."""
        marks = chosen.marks(model)
        low, high = declared(model, marks)
        units = None if isinstance(model, Model) else unit_tree(model)
        weights: dict[str, tuple[Any, Any]] = {}
        for where, below, above in self.triples:
            if isinstance(where, Weights):
                unit = unit_of(model, where) if isinstance(model, Model) else None
                weights[where.projection] = narrowed(*weights.get(where.projection, (-np.inf, np.inf)), below, above, unit)
                continue
            if where(marks) is not True:
                raise ValueError(
                    "Bounds of what is not trained: name one leaf that is, for example by `learn=` of its layer or `where=` of `fit`."
                )
            unit = unit_of(model, where) if isinstance(model, Model) else where(units)
            lowest, highest = narrowed(where(low), where(high), below, above, unit)
            low, high = eqx.tree_at(where, low, lowest), eqx.tree_at(where, high, highest)
        return Limits(*(self._picked(chosen, tree, end, weights) for end, tree in enumerate((low, high))))

    def _picked(self, chosen: AbstractTrainable, tree: Any, end: int, weights: dict[str, tuple[Any, Any]]) -> Any:
        found = chosen.pick(tree, (-np.inf, np.inf)[end])
        if not weights:
            return found
        where = {name: place.projection for name, place in getattr(chosen, "where", {}).items() if isinstance(place, Weights)}
        if not set(weights) <= set(where.values()):
            raise ValueError(f"Bounds of weights that are not trained: {', '.join(sorted(set(weights) - set(where.values())))}.")
        return {name: weights[where[name]][end] if where.get(name) in weights else value for name, value in found.items()}


def narrowed(low: Any, high: Any, below: Any, above: Any, unit: Any) -> tuple[Any, Any]:
    """What a range from `low` to `high`, bare, has in common with one of the user, from `below` to `above`.

    **Raises:** `ValueError` where that is nothing: an update would then leave the declared range.
    """
    lowest, highest = np.maximum(low, _number(below, unit, -np.inf)), np.minimum(high, _number(above, unit, np.inf))
    if np.all(lowest <= highest):
        return lowest, highest
    ends = [attach(end, NUMBER if unit is None else unit) for end in (np.max(low), np.min(high))]
    raise ValueError(
        f"Bounds from {below} to {above} lie outside what the part declares or other bounds leave, {ends[0]} to {ends[1]}. "
        "Name a range inside, or `None` for an end without a limit of its own."
    )


def declared(model: Any, marks: Any) -> tuple[Any, Any]:
    """Two trees of the shape of the model: the lowest and the highest value of each leaf."""
    lows = jax.tree.map(lambda part, mark: _ends(part, mark)[0], model, marks, is_leaf=_is_part)
    highs = jax.tree.map(lambda part, mark: _ends(part, mark)[1], model, marks, is_leaf=_is_part)
    if isinstance(model, Sequential):
        for name, layer in model.walk():
            for field, (low, high) in layer.ranges().items():
                lows = lows.replaced(name, eqx.tree_at(attrgetter(field), lows.layer(name), low))
                highs = highs.replaced(name, eqx.tree_at(attrgetter(field), highs.layer(name), high))
    return lows, highs


def _is_part(x: Any) -> bool:
    return isinstance(x, AbstractPart | FreeDelays)


def _ends(part: Any, marks: Any) -> tuple[Any, Any]:
    if not _is_part(part):
        return -np.inf, np.inf
    lows, highs = jax.tree.map(lambda _: -np.inf, part), jax.tree.map(lambda _: np.inf, part)
    if isinstance(part, FreeDelays):
        ends = lambda free: (free.delay, free.spread)  # noqa: E731
        return eqx.tree_at(ends, lows, (part.low, 0.0)), eqx.tree_at(ends, highs, (part.high, part.widest))
    for name in field_units(part):
        if eqx.is_array(getattr(part, name)):
            low, high = _range(part, name)
            lows = eqx.tree_at(attrgetter(name), lows, low)
            highs = eqx.tree_at(attrgetter(name), highs, high)
    return _ordered(part, marks, lows, highs)


def _range(part: Any, name: str) -> tuple[Any, Any]:
    """What the field declares; an excluded end is moved inside."""
    declared = next(f for f in dataclasses.fields(part) if f.name == name).metadata["converter"]
    low = -np.inf if declared.low is None else declared.low
    if declared.low is not None and declared.open_low:
        value = np.asarray(getattr(part, name))
        low = declared.low + MARGIN * (value - declared.low)
    return low, np.inf if declared.high is None else declared.high


def _ordered(part: Any, marks: Any, lows: Any, highs: Any) -> tuple[Any, Any]:
    """The threshold above the reset. Where both are trained, neither passes the middle between them."""
    if not {"v_th", "v_reset"} <= set(field_units(part)):
        return lows, highs
    threshold, reset = np.asarray(part.v_th), np.asarray(part.v_reset)
    middle = (threshold + reset) / 2 if marks.v_th is True and marks.v_reset is True else None
    floor = reset + MARGIN * (threshold - reset) if middle is None else middle + MARGIN * (threshold - middle)
    ceiling = threshold - MARGIN * (threshold - reset) if middle is None else middle
    lows = eqx.tree_at(attrgetter("v_th"), lows, np.maximum(lows.v_th, floor))
    return lows, eqx.tree_at(attrgetter("v_reset"), highs, np.minimum(highs.v_reset, ceiling))


def unit_tree(model: Any) -> Any:
    """The model with the unit of each leaf in its place; a bare number has the unit `NUMBER`."""
    return jax.tree.map(_units, model, is_leaf=_is_part)


def _units(part: Any) -> Any:
    if not isinstance(part, AbstractPart):
        return NUMBER
    tree = jax.tree.map(lambda _: NUMBER, part)
    for name, unit in field_units(part).items():
        if eqx.is_array(getattr(part, name)):
            tree = eqx.tree_at(attrgetter(name), tree, unit)
    return tree


def _number(x: Any, unit: Any, missing: float) -> Any:
    if x is None:
        return missing
    return strip(bare_at(x, None, "Bounds"), NUMBER, "Bounds") if unit is None else strip(x, unit, "Bounds")
