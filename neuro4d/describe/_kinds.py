"""Classes by name: only those that are imported, so that a text cannot make Python run something."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from neuro4d._base import AbstractPart, AbstractValue, did_you_mean
from neuro4d.describe._errors import DescriptionError


def name_of(kind: type) -> str:
    """`LIF` for a class of neuro4d, wherever in the package it lies; `module:Name` for any other."""
    own = kind.__module__.split(".")[0] == "neuro4d"
    return kind.__qualname__ if own else f"{kind.__module__}:{kind.__qualname__}"


def kinds_of(parts: Iterable[type] = ()) -> "Kinds":
    """All parts that are imported; `parts` are found whatever module they were in when a text was written.

    **Raises:** `TypeError` for something that is no class of a part.
    """
    given = {}
    for part in parts:
        if not (isinstance(part, type) and issubclass(part, AbstractPart | AbstractValue)):
            raise TypeError(f"parts are classes of neurons, rules or other parts, for example `parts=[MyNeuron]`; got {part!r:.80}.")
        given |= {name_of(part): part, f":{part.__qualname__}": part}
    return Kinds({name_of(kind): kind for kind in _imported()}, given)


class Kinds:
    """Classes by the names that texts use."""

    def __init__(self, imported: Mapping[str, type], given: Mapping[str, type]):
        self._imported, self._given = imported, given

    def __getitem__(self, name: Any) -> type:
        if isinstance(name, str):
            elsewhere = f":{name.partition(':')[2]}"  # no class of neuro4d has such a name
            kind = self._given.get(name) or self._given.get(elsewhere) or self._imported.get(name)
            if kind is not None:
                return kind
        where = str(name).partition(":")
        advice = f" Import `{where[0]}` first, or give the class: `parts=[{where[2]}]`." if where[1] else did_you_mean(str(name), self._imported)
        raise DescriptionError(f"no part named {name!r:.80} is imported.{advice}")


def _imported() -> Iterator[type]:
    seen: set[type] = set()
    waiting: list[type] = [AbstractPart, AbstractValue]
    while waiting:
        for kind in waiting.pop(0).__subclasses__():
            if kind not in seen:
                seen.add(kind)
                waiting.append(kind)
                if not inspect.isabstract(kind):
                    yield kind
