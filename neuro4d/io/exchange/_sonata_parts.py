"""Neurons and receptors as plain numbers by name, and back."""

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from neuro4d import neurons, receptors
from neuro4d._base import COHERENT, NUMBER, AbstractPart, CorruptFileError, attach, field_units, lookup
from neuro4d.neurons import AbstractNeuron
from neuro4d.receptors import AbstractReceptor

UNITS = MappingProxyType({"1": NUMBER} | {str(unit): unit for unit in COHERENT})
PREFIX = "neuro4d:"


def known_parts(parts: Iterable[type]) -> dict[str, type]:
    """Classes by name: the neurons and receptors of neuro4d, and those that the caller names."""
    found = {
        name: kind
        for package in (neurons, receptors)
        for name, kind in vars(package).items()
        if inspect.isclass(kind) and issubclass(kind, AbstractNeuron | AbstractReceptor) and not inspect.isabstract(kind)
    }
    for part in parts:
        if not (inspect.isclass(part) and issubclass(part, AbstractNeuron | AbstractReceptor)):
            raise TypeError(f"parts are classes of neurons and receptors, for example `parts=[MyNeuron]`; got {part!r:.80}.")
        found[part.__name__] = part
    return found


def numbers_of(part: AbstractPart, prefix: str, n: int, arrays: dict[str, np.ndarray], problems: list[str], where: str) -> dict[str, Any]:
    """A part as a table for JSON. Numbers that differ between neurons go into `arrays`, under `prefix` and their name."""
    units = field_units(part)
    settings: dict[str, Any] = {}
    values: dict[str, dict[str, Any]] = {}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if field.name not in units:
            if not _is_plain(value):
                problems.append(f"{where}: {type(part).__name__}.{field.name} is {value!r:.60}, no number and no text")
            settings[field.name] = value
            continue
        if value is None:
            continue
        array = np.asarray(value, np.float64)
        values[field.name] = {"unit": str(units[field.name])}
        if array.ndim == 0:
            values[field.name]["value"] = float(array)
        else:
            arrays[f"{prefix}{field.name}"] = np.broadcast_to(array, (n,))
    return {"class": type(part).__name__, "parameters": values, "settings": settings}


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(isinstance(each, str | int | float) for each in value)
    return value is None or isinstance(value, str | bool | int | float)


def part_from(table: Any, prefix: str, arrays: Mapping[str, np.ndarray], known: Mapping[str, type], base: type, where: str) -> Any:
    """A part from its table and arrays; what it says is checked as what is typed is.

    **Raises:** `CorruptFileError` for a table of another form; `UnknownNameError` for a class that is not known.
    """
    if not isinstance(table, dict) or not isinstance(table.get("class"), str) or not isinstance(table.get("parameters"), dict):
        raise CorruptFileError(f"{where}: expected a class and its parameters; got {table!r:.80}.")
    kind = lookup({name: each for name, each in known.items() if issubclass(each, base)}, table["class"], f"{base.__name__[8:].lower()} class")
    names = {field.name for field in dataclasses.fields(kind)}
    fields: dict[str, Any] = {}
    for name, value in table["parameters"].items():
        unit = UNITS.get(str(value.get("unit"))) if isinstance(value, dict) else None
        number = arrays.get(f"{prefix}{name}", value.get("value") if isinstance(value, dict) else None)
        if unit is None or not (isinstance(number, np.ndarray) or (isinstance(number, int | float) and not isinstance(number, bool))):
            raise CorruptFileError(f"{where}: {name!r:.60} of {table['class']} is a number with a unit; got {value!r:.80}.")
        fields[name] = attach(np.asarray(number, np.float64), unit)
    for name, value in dict(table.get("settings") or {}).items():
        fields[name] = tuple(value) if isinstance(value, list) else value
    if set(fields) - names:
        raise CorruptFileError(f"{where}: {table['class']} has no {', '.join(sorted(set(fields) - names))}.")
    try:
        return kind(**fields)
    except (TypeError, ValueError) as error:
        raise CorruptFileError(f"{where}: {error}") from error
