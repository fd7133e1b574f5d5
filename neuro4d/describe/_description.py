"""A network as plain data, and back."""

import dataclasses
import hashlib
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import brainunit as u
import numpy as np

from neuro4d.describe._errors import DescriptionError, NotDescribableError
from neuro4d.describe._kinds import kinds_of
from neuro4d.describe._read import Reader, made
from neuro4d.describe._same import differences
from neuro4d.describe._text import from_text, to_text
from neuro4d.describe._write import Writer
from neuro4d.model import Model, Origin, freeze_like, frozen_tree
from neuro4d.network import GapJunctions, Network, Population, Projection
from neuro4d.ops import Backend, Kernels
from neuro4d.recorders import AbstractRecorder

FORMAT = 1
_KEYS = frozenset({"format", "shared", "populations", "projections", "gaps", "stimuli", "build", "recorders"})
_POPULATION = ("name", "size", "neuron", "receptors", "initial", "alive", "lifecycle")
_PROJECTION = ("name", "source", "target", "port", "rule", "weight", "delay", "plasticity", "structure", "slots")
_GAP = ("name", "source", "target", "rule", "conductance")
_BUILD = ("dt", "seed", "precision", "backend", "surrogate", "store_weights", "frozen")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Description:
    """A network, the arguments of its `build` and recorders, as plain data. Made by `neuro4d.describe.describe`, or from a text.

    **Fields:**

    - `data`: dictionaries, lists, texts and numbers, as in JSON.
    - `arrays`: by name, those with more than a few numbers, for which the data holds the name.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> from neuro4d.describe import Description, describe
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
        >>> model = n4.Network(cells).build(dt=0.1*u.ms, seed=7)
        >>> text = describe(model).to_json()
        >>> again = Description.from_json(text).build()
        >>> again.fingerprint() == model.fingerprint()
        True
    """

    data: dict[str, Any]
    arrays: Mapping[str, np.ndarray]

    def __repr__(self):
        return f"Description({len(self.data['populations'])} populations, {len(self.data['projections'])} projections, {len(self.arrays)} arrays)"

    def network(self, parts: Iterable[type] = ()) -> Network:
        """The network, made by its constructors.

        **Arguments:** `parts`: classes of yours that it uses, if they are not imported from where they were.

        **Raises:** `DescriptionError` for what is not the description of a network.
        """
        return self._made(parts)[0]

    def recorders(self, parts: Iterable[type] = ()) -> tuple[AbstractRecorder, ...]:
        """The recorders that were described beside the network.

        **Raises:** `DescriptionError` as `network`.
        """
        return self._made(parts)[1]

    def build(self, parts: Iterable[type] = (), *, backend: Backend | None = None) -> Model:
        """The model, built with the arguments that are described; with another `backend`, if one is given.

        **Raises:** `DescriptionError` as `network`, and where no arguments are described; what `Network.build` raises.
        """
        network, _, built = self._made(parts)
        if built is None:
            raise DescriptionError("a network is described, but not how it was built: `description.network().build(dt=0.1*u.ms, seed=0)`.")
        origin, frozen = built
        model = network.build(
            origin.dt * u.ms,
            origin.seed,
            precision=np.dtype(origin.precision),
            backend=origin.backend if backend is None else backend,
            surrogate=origin.surrogate,
            store_weights=origin.store_weights,
        )
        return made(lambda: freeze_like(model, frozen), "delays that were trained") if frozen else model

    @property
    def frozen(self) -> bool:
        """Whether delays that are trained were taken to the grid, `model.freeze()`; `build` does the same, with these delays."""
        return bool((self.data["build"] or {}).get("frozen"))

    def digest(self) -> str:
        """A hash of the data and all arrays; two descriptions with one digest describe the same."""
        found = hashlib.sha256(to_text(self.data).encode())
        for name, x in sorted(self.arrays.items()):
            found.update(f"{name} {x.dtype.str} {x.shape}\n".encode())
            found.update(np.ascontiguousarray(x).data)
        return found.hexdigest()

    def to_json(self) -> str:
        """The text, without the arrays."""
        return to_text(self.data)

    @classmethod
    def from_json(cls, text: str, arrays: Mapping[str, np.ndarray] | None = None) -> "Description":
        """The description of a text and the arrays beside it. Parts are made when `network` is called.

        **Raises:** `DescriptionError` for what is no JSON, of a later version, too long, or has other keys.
        """
        return cls(_checked(from_text(text)), dict(arrays or {}))

    def _made(self, parts: Iterable[type]) -> tuple[Network, tuple[AbstractRecorder, ...], tuple[Origin, dict[str, Any]] | None]:
        data = _checked(self.data)
        reader = Reader(data["shared"], self.arrays, kinds_of(parts))
        found: list[Any] = [reader.add(_population(reader, each, i)) for i, each in enumerate(data["populations"])]
        found += [_projection(reader, each, i) for i, each in enumerate(data["projections"])]
        found += [_gap(reader, each, i) for i, each in enumerate(data["gaps"])]
        found += [reader.read(each, f"stimulus {i}") for i, each in enumerate(data["stimuli"])]
        recorders = tuple(reader.read(each, f"recorder {i}") for i, each in enumerate(data["recorders"]))
        for i, each in enumerate(recorders):
            if not isinstance(each, AbstractRecorder):
                raise DescriptionError(f"recorder {i}: {each!r:.80} is none.")
        return made(lambda: Network(*found), "network"), recorders, None if data["build"] is None else _origin(reader, data["build"])


def describe(what: Network | Model, *, recorders: Iterable[AbstractRecorder] = ()) -> Description:
    """A network, or a model with the arguments it was built with, as plain data: the same to the last bit when it is made again.

    **Arguments:**

    - `what`: a network, or a model made by `Network.build`, which knows its network. Numbers that were changed later (`n4.set`) are not part of it:
      they are in `n4.to_user(model)`.
    - `recorders`: described beside it.

    **Raises:** `NotDescribableError`, a `ValueError`, for functions of the user and other objects that data cannot say; it lists all. `ValueError` for
    a model of which it is not known what it was built from.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> from neuro4d.describe import describe
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
        >>> describe(n4.Network(cells)).data["populations"][0]["name"]
        'cells'
    """
    origin = what.origin if isinstance(what, Model) else None
    network = what if origin is None else origin.network
    if not isinstance(network, Network):
        raise ValueError("it is not known what this model was built from: it was not made by `Network.build`. Describe its network.")
    if isinstance(what, Model) and origin is not None and not origin.fits(what.pathways, what.gaps):
        raise ValueError(
            "the synapses of this model are not those of the network that it names: they come from a state (`model.as_in`), or the model came out of a "
            "compiled function, which saw another one of the same structure first. Describe the model that went in."
        )
    writer, given = Writer(), tuple(recorders)
    data = _written(writer, network, origin, frozen_tree(what) if isinstance(what, Model) else {}, given)
    if writer.problems:
        raise NotDescribableError(writer.problems)
    description = Description(data, writer.arrays)
    _check(description, network, given, writer.met)
    return description


def _written(
    writer: Writer, network: Network, origin: Origin | None, frozen: dict[str, Any], recorders: tuple[Any, ...]
) -> dict[str, Any]:
    def rows(kind: str, parts: Iterable[Any], names: tuple[str, ...]) -> list[Any]:
        return [{name: _field(writer, part, name, f"{kind} {part.name!r}") for name in names} for part in parts]

    written = {
        "format": FORMAT,
        "populations": rows("population", network.populations, _POPULATION),
        "projections": rows("projection", network.projections, _PROJECTION),
        "gaps": rows("gap junctions", network.gaps, _GAP),
        "stimuli": [writer.write(part, f"stimulus {part.name!r}") for part in network.stimuli],
        "build": None if origin is None else _build(writer, origin, frozen),
        "recorders": [writer.write(part, f"recorder {i}") for i, part in enumerate(recorders)],
    }
    return written | {"shared": writer.shared}


def _field(writer: Writer, part: Any, name: str, where: str) -> Any:
    value = getattr(part, name)
    if name == "delay" and part.trainable is not None:
        value = part.trainable
    return writer.write(value, f"{where}: {name}")


def _build(writer: Writer, origin: Origin, frozen: dict[str, Any]) -> dict[str, Any]:
    return {
        "dt": origin.dt,
        "seed": origin.seed,
        "precision": origin.precision,
        "backend": _backend(writer, origin.backend),
        "surrogate": writer.write(origin.surrogate, "surrogate"),
        "store_weights": origin.store_weights,
        "frozen": {name: {key: writer.write(x, f"delays of {name!r}") for key, x in held.items()} for name, held in frozen.items()},
    }


def _backend(writer: Writer, backend: Backend) -> Any:
    match backend:
        case Backend.AUTO:
            return "auto"
        case Backend.REFERENCE:
            return "reference"
        case Kernels(cores=int(cores)):
            return {"cores": cores}
    writer.problems.append(("backend", f"a backend of yours, {backend!r:.60}, cannot be written as data"))
    return None


def _check(description: Description, network: Network, recorders: tuple[Any, ...], met: Iterable[type]) -> None:
    """Makes everything again and compares: what a part keeps need not be what it was given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the network, and said when the user made it
        try:
            again, recorded, _ = description._made(met)
        except DescriptionError as error:
            raise NotDescribableError([("network", str(error))]) from error
    found = [*differences(network, again, "network"), *differences(recorders, recorded, "recorders")]
    if found:
        why = "it cannot be made again from the arguments of its constructor; was it changed after it was made?"
        raise NotDescribableError([(where, why) for where in found])


def _checked(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict) or "format" not in data:
        raise DescriptionError("this is not the description of a network.")
    if data["format"] != FORMAT:
        raise DescriptionError(f"the format of the description is {data['format']!r:.20}; this version of neuro4d reads {FORMAT}.")
    if set(data) != _KEYS:
        raise DescriptionError(f"a description has the keys {', '.join(sorted(_KEYS))}; got {', '.join(sorted(map(str, data)))[:200]}.")
    for name in ("shared", "populations", "projections", "gaps", "stimuli", "recorders"):
        if not isinstance(data[name], list):
            raise DescriptionError(f"{name}: {data[name]!r:.80} is no list.")
    return data


def _row(reader: Reader, x: Any, names: tuple[str, ...], where: str) -> dict[str, Any]:
    if not isinstance(x, dict) or set(x) != set(names):
        raise DescriptionError(f"{where}: has the keys {', '.join(names)}; got {x!r:.80}.")
    return reader.table(x, where)


def _population(reader: Reader, x: Any, number: int) -> Population:
    where = f"population {number}"
    given = _row(reader, x, _POPULATION, where)
    name, size, neuron, receptors, initial, alive, lifecycle = (given[key] for key in _POPULATION)
    return made(lambda: Population(name, size, neuron, receptors, init=initial, alive=alive, lifecycle=lifecycle), where)


def _projection(reader: Reader, x: Any, number: int) -> Projection:
    where = f"projection {number}"
    given = _row(reader, x, _PROJECTION, where)
    first = [given[key] for key in _PROJECTION[:5]]
    weight, delay, plasticity, structure, slots = (given[key] for key in _PROJECTION[5:])
    return made(lambda: Projection(*first, weight=weight, delay=delay, plasticity=plasticity, structure=structure, slots=slots), where)


def _gap(reader: Reader, x: Any, number: int) -> GapJunctions:
    where = f"gap junctions {number}"
    given = _row(reader, x, _GAP, where)
    return made(lambda: GapJunctions(*(given[key] for key in _GAP[:4]), conductance=given["conductance"]), where)


def _origin(reader: Reader, x: Any) -> tuple[Origin, dict[str, Any]]:
    where = "build"
    if not isinstance(x, dict) or set(x) != set(_BUILD):
        raise DescriptionError(f"{where}: has the keys {', '.join(_BUILD)}; got {x!r:.80}.")
    if type(x["dt"]) is not float or type(x["seed"]) is not int or type(x["frozen"]) is not dict or x["precision"] not in ("float32", "float64"):
        raise DescriptionError(f"{where}: {x!r:.120} is not how a network is built.")
    match x["backend"]:
        case "auto":
            backend = Backend.AUTO
        case "reference":
            backend = Backend.REFERENCE
        case {"cores": int(cores), **rest} if not rest:
            backend = Backend.kernels(cores)
        case other:
            raise DescriptionError(f"{where}: {other!r:.80} is no backend.")
    surrogate = reader.read(x["surrogate"], f"{where}: surrogate")
    frozen = {name: reader.table(held, f"delays of {name!r:.80}") for name, held in x["frozen"].items()}
    for name, held in frozen.items():
        if set(held) != {"pre", "post", "steps"} or not all(isinstance(each, np.ndarray) and each.dtype.kind in "iu" and each.ndim == 1 for each in held.values()):
            raise DescriptionError(f"{where}: delays of {name!r:.80} are arrays `pre`, `post` and `steps` of whole numbers.")
    return Origin(None, x["dt"], x["seed"], x["precision"], backend, surrogate, x["store_weights"]), frozen
