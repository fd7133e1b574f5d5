"""What is moved when a network is tuned: each place as one number, with a unit, a natural step and bounds.

A place may hold a number for every neuron or synapse. It is moved as a whole, by a common factor or a common distance, so that the spread
between neurons stays.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np

from neuro4d._base import NUMBER, UnknownNameError, address, attach, did_you_mean, internal_unit, is_traced, strip
from neuro4d.model import Model, Weights, set_value
from neuro4d.train._parameters import Where, is_potential, places, read, unit_of

STEP = 0.05
"""A natural step: a twentieth of the number."""

FACTOR = 100.0
"""How far a place that is multiplied goes either way, unless bounds say otherwise."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """A place that `tune` moves by a common factor, whatever its unit.

    **Arguments:** `where`: a function of the model that gives one float leaf.

    !!! Example

        >>> import neuro4d as n4
        >>> taus = n4.train.Scale(lambda m: m.neurons["cells"].tau)
    """

    where: Callable[[Model], Any]

    def __call__(self, model: Model) -> Any:
        return self.where(model)


@dataclasses.dataclass(frozen=True)
class Shift:
    """A place that `tune` moves by a common distance, whatever its unit.

    **Arguments:** `where`: a function of the model that gives one float leaf.

    !!! Example

        >>> import neuro4d as n4
        >>> drive = n4.train.Shift(lambda m: m.sources["drive"].amplitude)
    """

    where: Callable[[Model], Any]

    def __call__(self, model: Model) -> Any:
        return self.where(model)


@dataclasses.dataclass(frozen=True)
class PoissonRate:
    """Points `tune` at the rate of a constant `n4.Poisson` stimulus, which shares its place in `model.banks` with others.

    Moved by a common factor. The distribution of the number of spikes in a step is kept as a table that is long enough for twice the
    largest rate that the port was built with: that is the upper bound.

    **Arguments:** `stimulus`: its name.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.train.PoissonRate("external-L4E")
        PoissonRate(stimulus='external-L4E')
    """

    stimulus: str

    def find(self, model: Model) -> tuple[str, slice]:
        """The bank, and its segments that belong to the stimulus.

        **Raises:** `UnknownNameError` for a name that no Poisson input carries; `TypeError` for one whose rate changes in time.
        """
        # A bank keeps no names, but the random address that each stimulus has by its name.
        own = np.array(address(0, "poisson", self.stimulus), np.uint64)
        for name, bank in model.banks.items():
            for *_, segment, count in bank.parts:
                if (int(bank.a0[segment]), int(bank.b0[segment])) == tuple(int(word) for word in own):
                    return name, slice(segment, segment + count)
        if self.stimulus in model.sources:
            raise TypeError(f"PoissonRate({self.stimulus!r}): this is no Poisson input of constant rate, so its rate is no single number.")
        raise UnknownNameError(
            f"no constant Poisson input named {self.stimulus!r}; the model has {sum(len(bank.parts) for bank in model.banks.values())}. "
            "The name is that of the stimulus, `n4.Poisson('noise', cells, 'in', ...)`."
        )

    def __call__(self, model: Model) -> Any:
        bank, segments = self.find(model)
        return model.banks[bank].mean[segments] / model.dt_ms

    def written(self, model: Model, value: Any) -> Model:
        """A model with other rates, in kHz."""
        bank, segments = self.find(model)
        mean = model.banks[bank].mean
        return eqx.tree_at(lambda m: m.banks[bank].mean, model, mean.at[segments].set(jnp.asarray(value * model.dt_ms, mean.dtype)))

    def most(self, model: Model) -> float:
        """The largest rate for which the table holds all but 2^-32 of the distribution, in kHz."""
        length, low, high = model.banks[self.find(model)[0]].length, 0.0, 128.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if _tail(middle, length) < 2.0**-32 else (low, middle)
        return low / model.dt_ms


def _tail(mean: float, length: int) -> float:
    """The chance of more than `length` spikes."""
    term = math.exp(-mean + length * math.log(mean) - math.lgamma(length + 1)) if mean else 0.0
    total = 0.0
    for k in range(length + 1, length + 200):
        term *= mean / k
        total += term
    return total


@dataclasses.dataclass(frozen=True)
class Lever:
    """One place that is moved as one number: the mean of its leaf.

    **Fields:** `leaf` of the untouched model, float64; `multiplies`: whether by a common factor, else by a distance; `start`, `low`, `high`
    in its unit; `step`: a natural step, of the logarithm where it multiplies.
    """

    name: str
    place: Any
    unit: Any
    leaf: np.ndarray
    multiplies: bool
    start: float
    low: float
    high: float
    step: float

    def value(self, c: float) -> float:
        """The number at a coordinate, counted in natural steps from the start."""
        return self.start * math.exp(c * self.step) if self.multiplies else self.start + c * self.step

    def coordinate(self, value: float) -> float:
        """The inverse of `value`."""
        return math.log(value / self.start) / self.step if self.multiplies else (value - self.start) / self.step

    def slope(self, c: float) -> float:
        """The change of the number with the coordinate."""
        return self.value(c) * self.step if self.multiplies else self.step

    def leaf_slope(self) -> np.ndarray:
        """The change of the leaf of the untouched model with the coordinate."""
        return self.leaf * self.step if self.multiplies else np.full_like(self.leaf, self.step)

    def range(self) -> tuple[float, float]:
        """The bounds as coordinates, ascending."""
        ends = [_end(self, self.low, -math.inf), _end(self, self.high, math.inf)]
        return min(ends), max(ends)

    def written(self, model: Model, c: float) -> Model:
        """A model with the place moved. Ranges of parameters are checked, as `n4.set` does."""
        value = self.value(c)
        leaf = self.leaf * (value / self.start) if self.multiplies else self.leaf + (value - self.start)
        if isinstance(self.place, PoissonRate):
            return self.place.written(model, leaf)
        # One number for all stays one number: weights of a projection are then kept once, not once for each synapse.
        same = leaf.reshape(-1)[0] if np.ptp(leaf) == 0 else leaf
        return set_value(model, self.place, attach(same, self.unit))

    def quantity(self, value: float) -> Any:
        """A number of this place with its unit."""
        return attach(value, self.unit)


def _end(lever: Lever, bound: float, end: float) -> float:
    if lever.multiplies and bound / lever.start <= 0:
        return -math.inf  # the factor comes as near to 0 as one likes
    return lever.coordinate(bound) if math.isfinite(bound) else (end if not lever.multiplies or lever.start > 0 else -end)


def levers(model: Model, where: Where | Mapping[str, Where | PoissonRate], bounds: Any) -> list[Lever]:
    """What a user wrote for `where` and `bounds`, checked against the model.

    **Raises:** `TypeError`, `UnitError`, `ValueError` for places that hold no numbers or cannot be moved, or bounds that do not fit.
    """
    named = {where.stimulus: where} if isinstance(where, PoissonRate) else places(where)
    limits = _limits(bounds, named)
    return [_lever(model, name, place, limits.get(name)) for name, place in named.items()]


def _limits(bounds: Any, named: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    if bounds is None:
        return {}
    if not isinstance(bounds, Mapping):
        if len(named) != 1:
            raise TypeError(
                f"tune: with several places bounds have names, `bounds={{{next(iter(named))!r}: (low, high)}}`; got {bounds!r:.80}."
            )
        bounds = {next(iter(named)): bounds}
    for name, pair in bounds.items():
        if name not in named:
            raise ValueError(f"tune: bounds for {name!r}, which is no place.{did_you_mean(name, named)}")
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"tune: bounds of {name!r} are a pair (low, high), `None` for an open end; got {pair!r:.80}.")
    return dict(bounds)


def _lever(model: Model, name: str, place: Any, bounds: tuple[Any, Any] | None) -> Lever:
    leaf, unit = _leaf(model, name, place)
    if not leaf.size:
        raise ValueError(f"tune: the place {name!r} is empty.")
    multiplies = _multiplies(model, place, leaf)
    start = float(leaf.mean())
    if multiplies and start == 0:
        raise ValueError(f"tune: {name!r} is 0 and would be moved by a factor. Start from another value, or use `n4.train.Shift(...)`.")
    least, most = (0.0, math.inf) if unit in (u.ms, u.pF, u.kHz) else (-math.inf, math.inf)
    if isinstance(place, PoissonRate):
        most = place.most(model) * start / float(leaf.max())
    low, high = (_bound(name, bounds, 0, unit, least), _bound(name, bounds, 1, unit, most))
    if multiplies and bounds is None:  # what takes more than a factor of a hundred is out of reach
        ends = sorted((start / FACTOR, start * FACTOR))
        low, high = max(low, ends[0]), min(high, ends[1])
    if not low <= start <= high or low == high:
        raise ValueError(
            f"tune: {name!r} starts at {attach(start, unit)}, outside of its bounds {attach(low, unit)} to {attach(high, unit)}. "
            "Start from a model inside, `n4.set(model, where, value)`, or widen them."
        )
    return Lever(
        name, place, unit, leaf, multiplies, start, low, high, STEP if multiplies else max(STEP * abs(start), 1e-9) if start else 1.0
    )


def _bound(name: str, bounds: tuple[Any, Any] | None, end: int, unit: Any, otherwise: float) -> float:
    """A bound in the unit of the place, inside of what is possible at all."""
    if bounds is None or bounds[end] is None:
        return otherwise
    given = bounds[end]
    bare = float(strip(given, internal_unit(given) if unit == NUMBER else unit, f"tune: bound of {name!r}"))
    if (bare > otherwise) if end else (bare < otherwise):
        raise ValueError(
            f"tune: the {'upper' if end else 'lower'} bound of {name!r} is {given}; it cannot go {'above' if end else 'below'} {attach(otherwise, unit)}."
        )
    return bare


def _multiplies(model: Model, place: Any, leaf: np.ndarray) -> bool:
    """Potentials are moved by a distance, and numbers of either sign; all others by a factor."""
    if isinstance(place, Scale | Shift):
        return isinstance(place, Scale)
    if isinstance(place, Weights | PoissonRate):
        return True
    one_sign = bool(np.all(leaf > 0) or np.all(leaf < 0))
    return one_sign and not is_potential(model, place)


def _leaf(model: Model, name: str, place: Any) -> tuple[np.ndarray, Any]:
    """The numbers at a place, and their unit; `NUMBER` where the model keeps them bare."""
    if isinstance(place, PoissonRate):
        return np.asarray(place(model), np.float64), u.kHz
    leaf = read(model, {name: place})[name]
    if is_traced(leaf):
        raise TypeError(f"tune: {name!r} is traced; tune runs on the host, outside of compiled functions.")
    unit = unit_of(model, place)
    return np.asarray(leaf, np.float64), NUMBER if unit is None else unit
