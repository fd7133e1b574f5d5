"""From objects to plain data."""

import math
from typing import Any

import brainunit as u
import equinox as eqx
import jax
import numpy as np

from neuro4d._base import (
    AbstractPart,
    AbstractValue,
    Constant,
    Given,
    LogNormal,
    Normal,
    Uniform,
    arguments_of,
    attach,
)
from neuro4d.describe._kinds import name_of
from neuro4d.describe._limits import INLINE
from neuro4d.describe._units import unit_text
from neuro4d.lattice import Area, Box, Lattice, Mask, Placement
from neuro4d.network import Population, PopulationView, TrainableDelays
from neuro4d.plasticity import AbstractPlasticity


class Writer:
    """Objects as data, arrays beside it. What cannot be said is gathered in `problems`; the classes that were met in `met`.

    Rules of plasticity and lattices stand in a list of their own, `shared`, since it matters that two projections have the very same one.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.shared: list[Any] = []
        self.problems: list[tuple[str, str]] = []
        self.met: set[type] = set()
        self._places: dict[int, tuple[int, Any]] = {}
        self._names: dict[int, tuple[str, Any]] = {}

    def write(self, x: Any, where: str) -> Any:
        """Anything that an argument may be."""
        match x:
            case None | bool() | str():
                return x
            case np.ndarray() if x.ndim == 0 and x.dtype == np.float64:
                return self.write(float(x), where)
            case np.bool_() | np.integer() | np.floating():
                return self.write(x.item(), where)
            case int():
                return int(x)
            case float():
                return x if math.isfinite(x) else {"float": str(x)}
            case u.Quantity():
                return {"quantity": self.write(x.mantissa, where), "unit": unit_text(x.unit)}
            case np.ndarray() | jax.Array():
                return self._array(np.asarray(x), where)
            case tuple() | list():
                kind = "tuple" if isinstance(x, tuple) else "list"
                return {kind: [self.write(each, f"{where}[{i}]") for i, each in enumerate(x)]}
            case dict() if all(isinstance(key, str) for key in x):
                return {"table": {key: self.write(each, f"{where}[{key!r}]") for key, each in x.items()}}
            case slice():
                return {"slice": [self.write(each, where) for each in (x.start, x.stop, x.step)]}
            case u.Unit():
                return {"unit": unit_text(x)}
        return self._object(x, where)

    def _object(self, x: Any, where: str) -> Any:
        match x:
            case Population():
                return {"population": x.name}
            case PopulationView():
                return {"view": x.population.name, "chosen": self.write(x.chosen, where)}
            case Lattice() | AbstractPlasticity():
                return {"shared": self._share(x, where)}
            case Area():
                return {"lattice": self._share(x.lattice, where), "area": x.name if x.name in x.lattice else None}
            case Placement():
                return {"place": self.write(x.area, where), "density": x.density}
            case Box():
                return {"box": {axis: [lo, hi] for axis, lo, hi in x.ranges}}
            case Mask():
                return {"mask": self._array(x.sites, where)}
            case TrainableDelays():
                bounds = {name: attach(getattr(x, name), u.ms) for name in ("low", "high", "spread")}
                return {"delays": {name: self.write(each, f"{where}.{name}") for name, each in {"init": x.init, **bounds}.items()}}
            case AbstractValue():
                return self._part(x, where, (), _arguments_of_value(x))
            case AbstractPart():
                return self._part(x, where, *arguments_of(x))
        what = "a function of yours" if callable(x) and not isinstance(x, eqx.Module) else f"an object of {type(x).__module__}.{type(x).__qualname__}"
        self.problems.append((where, f"{what}, {x!r:.60}, cannot be written as data"))
        return None

    def _part(self, x: Any, where: str, positional: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        self.met.add(type(x))
        written: dict[str, Any] = {"part": name_of(type(x))}
        if positional:
            written["positional"] = [self.write(each, f"{where}[{i}]") for i, each in enumerate(positional)]
        return written | {"arguments": {name: self.write(each, f"{where}.{name}") for name, each in named.items()}}

    def _share(self, x: Any, where: str) -> int:
        if id(x) not in self._places:
            written = self._lattice(x, where) if isinstance(x, Lattice) else self._part(x, where, *arguments_of(x))
            self.shared.append(written)
            self._places[id(x)] = len(self.shared) - 1, x
        return self._places[id(x)][0]

    def _lattice(self, x: Lattice, where: str) -> dict[str, Any]:
        return {
            "shape": list(x.shape),
            "spacing": self.write(x.spacing, where),
            "wrap": list(x.wrap),
            "axes": list(x.axes),
            "areas": {name: self.write(area.region, f"{where}, area {name!r}") for name, area in x.areas.items()},
        }

    def _array(self, x: np.ndarray, where: str) -> Any:
        if x.dtype.kind not in "biuf" or x.dtype.itemsize > 8:
            self.problems.append((where, f"an array of {x.dtype} cannot be written as data"))
            return None
        if x.size <= INLINE and (x.dtype.kind != "f" or np.isfinite(x).all()):
            return {"array": x.reshape(-1).tolist(), "shape": list(x.shape), "dtype": x.dtype.name}
        if id(x) not in self._names:
            name = f"a{len(self._names)}"
            self._names[id(x)], self.arrays[name] = (name, x), x
        return {"array": self._names[id(x)][0]}


def _arguments_of_value(x: AbstractValue) -> dict[str, Any]:
    """What the constructor of a value is given: quantities again."""
    match x:
        case Constant(value=value) | Given(values=value):
            return {"values" if isinstance(x, Given) else "value": attach(value, x.unit)}
        case Uniform(low=low, high=high):
            return {"low": attach(low, x.unit), "high": attach(high, x.unit)}
        case Normal() | LogNormal():
            limits = {name: attach(bound, x.unit) for name, bound in (("low", x.low), ("high", x.high)) if math.isfinite(bound)}
            return {"mean": attach(x.mean, x.unit), "sd": attach(x.sd, x.unit), **limits, "clip": x.clip}
    return arguments_of(x)[1]
