"""From plain data to objects, by the same constructors that a user calls."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from neuro4d._base import attach
from neuro4d.describe._errors import DescriptionError
from neuro4d.describe._kinds import Kinds
from neuro4d.describe._limits import MAX_DEPTH
from neuro4d.describe._units import unit_from
from neuro4d.lattice import Area, Box, Lattice, Mask
from neuro4d.network import Population, TrainableDelays

_DTYPES = frozenset("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split())


class Reader:
    """Objects from data. What is not exactly what `Writer` writes is refused."""

    def __init__(self, shared: list[Any], arrays: Mapping[str, np.ndarray], kinds: Kinds):
        self._arrays, self._kinds = arrays, kinds
        self._populations: dict[str, Population] = {}
        self._depth = 0
        self._shared: list[Any] = []
        for number, each in enumerate(shared):
            self._shared.append(self._lattice(each) if isinstance(each, dict) and "shape" in each else self.read(each, f"shared {number}"))

    def add(self, population: Population) -> Population:
        """A population that later parts may name."""
        self._populations[population.name] = population
        return population

    def read(self, x: Any, where: str) -> Any:
        """Whatever an argument may be."""
        if x is None or isinstance(x, bool | int | float | str):
            return x
        if not isinstance(x, dict):
            raise DescriptionError(f"{where}: {x!r:.80} is not what an argument may be.")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise DescriptionError(f"{where}: nested deeper than {MAX_DEPTH}.")
        for key, (fields, method) in _FORMS.items():
            if key in x:
                unknown = sorted(set(x) - fields - {key})
                if unknown:
                    raise DescriptionError(f"{where}: {unknown[0]!r:.80} is not known beside {key!r}.")
                try:
                    made = method(self, x, where)
                except (KeyError, AttributeError, IndexError, OverflowError) as error:
                    raise DescriptionError(f"{where}: {x!r:.80} says too little or too much ({error!r:.80}).") from error
                self._depth -= 1
                return made
        raise DescriptionError(f"{where}: {x!r:.80} is not what an argument may be.")

    def _quantity(self, x: Any, where: str) -> Any:
        value = self.read(x["quantity"], where)
        if isinstance(value, bool) or not isinstance(value, int | float | np.ndarray):
            raise DescriptionError(f"{where}: {value!r:.80} is no quantity.")
        return attach(value, unit_from(x["unit"]))

    def _array(self, x: Any, where: str) -> np.ndarray:
        given = x["array"]
        if isinstance(given, str) and set(x) == {"array"}:
            if given not in self._arrays:
                raise DescriptionError(f"{where}: the array {given!r:.80} is missing.")
            return np.asarray(self._arrays[given])
        shape, dtype = x["shape"], x["dtype"]
        if dtype not in _DTYPES or not isinstance(given, list) or not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
            raise DescriptionError(f"{where}: {x!r:.80} is no array.")
        kinds = {"b": (bool,), "f": (float,)}.get(np.dtype(dtype).kind, (int,))
        if math.prod(shape) != len(given) or not all(type(value) in kinds for value in given):
            raise DescriptionError(f"{where}: {x!r:.80} is no array of {dtype} of the shape {shape}.")
        exact = np.array(given, np.float64 if kinds == (float,) else dtype)
        with np.errstate(over="ignore"):
            found = exact.astype(dtype)
        if not np.array_equal(found.astype(exact.dtype), exact):
            raise DescriptionError(f"{where}: {x!r:.80} holds numbers that {dtype} does not have.")
        return found.reshape(shape)

    def _float(self, x: Any, where: str) -> float:
        if x["float"] not in ("inf", "-inf", "nan"):
            raise DescriptionError(f"{where}: {x!r:.80} is no number.")
        return float(x["float"])

    def _many(self, x: Any, where: str) -> Any:
        kind = "tuple" if "tuple" in x else "list"
        if not isinstance(x[kind], list):
            raise DescriptionError(f"{where}: {x!r:.80} is no {kind}.")
        found = [self.read(each, f"{where}[{i}]") for i, each in enumerate(x[kind])]
        return tuple(found) if kind == "tuple" else found

    def table(self, x: Any, where: str) -> dict[str, Any]:
        """Arguments by name."""
        if not isinstance(x, dict):
            raise DescriptionError(f"{where}: {x!r:.80} is no table.")
        return {key: self.read(each, f"{where}.{key}") for key, each in x.items()}

    def _slice(self, x: Any, where: str) -> slice:
        if not isinstance(x["slice"], list) or len(x["slice"]) != 3 or not all(each is None or type(each) is int for each in x["slice"]):
            raise DescriptionError(f"{where}: {x!r:.80} is no slice.")
        return slice(*x["slice"])

    def _part(self, x: Any, where: str) -> Any:
        kind = self._kinds[x["part"]]
        positional = self._many({"list": x.get("positional", [])}, where)
        named = self.table(x["arguments"], where)
        return made(lambda: kind(*positional, **named), where)

    def _share(self, x: Any, where: str) -> Any:
        number = x["shared"]
        if type(number) is not int or not 0 <= number < len(self._shared):
            raise DescriptionError(f"{where}: {x!r:.80} refers to nothing.")
        return self._shared[number]

    def _population(self, x: Any, where: str) -> Population:
        name = x.get("population", x.get("view"))
        if not isinstance(name, str) or name not in self._populations:
            raise DescriptionError(f"{where}: there is no population {name!r:.80}.")
        return self._populations[name]

    def _view(self, x: Any, where: str) -> Any:
        population, chosen = self._population(x, where), self.read(x["chosen"], where)
        return made(lambda: population[chosen], where)

    def _area(self, x: Any, where: str) -> Area:
        lattice = self._share({"shared": x["lattice"]}, where)
        if not isinstance(lattice, Lattice):
            raise DescriptionError(f"{where}: {x!r:.80} is no area of a lattice.")
        return lattice.whole if x["area"] is None else lattice[x["area"]]

    def _place(self, x: Any, where: str) -> Any:
        area = self._area(x["place"], where)
        return made(lambda: area.sample(x["density"]), where)

    def _lattice(self, x: Any) -> Lattice:
        where = "a lattice"
        if set(x) != {"shape", "spacing", "wrap", "axes", "areas"} or not all(isinstance(x[name], list) for name in ("shape", "wrap", "axes")):
            raise DescriptionError(f"{where}: {x!r:.80} is none.")
        spacing, areas = self.read(x["spacing"], where), self.table(x["areas"], where)
        return made(lambda: Lattice(tuple(x["shape"]), spacing, tuple(x["wrap"]), areas, tuple(x["axes"])), where)

    def _box(self, x: Any, where: str) -> Box:
        return made(lambda: Box(**{axis: tuple(ends) for axis, ends in x["box"].items()}), where)

    def _mask(self, x: Any, where: str) -> Mask:
        sites = self.read(x["mask"], where)
        return made(lambda: Mask(sites), where)

    def _delays(self, x: Any, where: str) -> TrainableDelays:
        given = self.table(x["delays"], where)
        return made(lambda: TrainableDelays(given["init"], low=given["low"], high=given["high"], spread=given["spread"]), where)


def made(make: Callable[[], Any], where: str) -> Any:
    """What a constructor makes of data; what it refuses is an error that says where."""
    try:
        return make()
    except DescriptionError:
        raise
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise DescriptionError(f"{where}: {error}") from error


_FORMS: Mapping[str, tuple[frozenset[str], Callable[[Reader, Any, str], Any]]] = MappingProxyType(
    {
        "quantity": (frozenset({"unit"}), Reader._quantity),
        "array": (frozenset({"shape", "dtype"}), Reader._array),
        "part": (frozenset({"positional", "arguments"}), Reader._part),
        "shared": (frozenset(), Reader._share),
        "population": (frozenset(), Reader._population),
        "view": (frozenset({"chosen"}), Reader._view),
        "place": (frozenset({"density"}), Reader._place),
        "area": (frozenset({"lattice"}), Reader._area),
        "box": (frozenset(), Reader._box),
        "mask": (frozenset(), Reader._mask),
        "delays": (frozenset(), Reader._delays),
        "float": (frozenset(), Reader._float),
        "tuple": (frozenset(), Reader._many),
        "list": (frozenset(), Reader._many),
        "table": (frozenset(), lambda reader, x, where: reader.table(x["table"], where)),
        "slice": (frozenset(), Reader._slice),
        "unit": (frozenset(), lambda reader, x, where: unit_from(x["unit"])),
    }
)
