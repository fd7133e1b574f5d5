"""The unit of every array of the canonical form."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import brainunit as u

from neuro4d._base import NUMBER, field_units
from neuro4d.model._edges import span_of, unit_of
from neuro4d.model._fields import ModelFields
from neuro4d.model._stimulate import port_unit

_OF_DRIVES = MappingProxyType({**dict.fromkeys(("amplitude", "values", "samples", "offset", "mean", "std"), u.pA), "tau": u.ms})
"""Numbers of the sources of currents that neuro4d has."""


def unit_finder(model: ModelFields) -> Callable[[tuple[str, ...]], str]:
    """A function that says the unit of the array at a path of `to_user`, as text: `"mV"`; empty for plain numbers, and for numbers of a stimulus of the
    user, which is the only one to know.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 3, lif, {"in": n4.ExpCurrent(tau=2*u.ms)})
        >>> unit_at = n4.model.unit_finder(n4.Network(cells).build(dt=0.1*u.ms, seed=0))
        >>> unit_at(("parameters", "cells", "in.tau")), unit_at(("state", "variables", "cells", "v")), unit_at(("state", "step"))
        ('ms', 'mV', '')
    """

    def find(path: tuple[str, ...]) -> str:
        unit = _unit(model, path)
        return "" if unit is None or unit == NUMBER else str(unit)

    return find


def tree_units(model: ModelFields, tree: Any) -> Any:
    """The units of a tree of `to_user`: the same dictionaries, with text in place of the arrays."""
    find = unit_finder(model)

    def walk(part: Any, path: tuple[str, ...]) -> Any:
        return {name: walk(each, (*path, name)) for name, each in part.items()} if isinstance(part, dict) else find(path)

    return walk(tree, ())


def _unit(model: ModelFields, path: tuple[str, ...]) -> Any:
    match path:
        case ("state", *rest):
            return _of_state(model, tuple(rest))
        case ("parameters", population, name):
            return _of_parameter(model, population, name)
        case ("weights", name):
            return unit_of(model, name)
        case ("gaps", _):
            return u.nS
        case ("delays", *_):
            return u.ms
        case ("initial", population, name):
            return _variables(model, population).get(name.removesuffix(".values"))
        case ("stimuli", name, leaf):
            return _of_stimulus(model, name, leaf)
        case ("plasticity", name, leaf):
            return _within(model.plasticity[span_of(model, name).pathway], leaf)
        case ("structures", name, leaf):
            return _within(model.structures[span_of(model, name).pathway], leaf)
        case ("lives", population, leaf):
            return _of_life(model, population, leaf)
        case ("surrogate", leaf):
            return _within(model.surrogate, leaf)
    return None


def _of_state(model: ModelFields, path: tuple[str, ...]) -> Any:
    match path:
        case ("variables", population, name):
            return _variables(model, population).get(name)
        case ("stimuli", _):
            return u.pA  # those with a memory are noise: a deviation of the current
        case ("coming", population, port):
            return model.receptors[population][port].weight_unit
        case ("edges", name, "weight"):
            return unit_of(model, name)
        case ("edges", name, variable):
            return model.plasticity[span_of(model, name).pathway].edge_variables.get(variable)
        case ("life", population, name) if name.startswith("parameter."):
            return _of_parameter(model, population, name.removeprefix("parameter."))
    return None


def _variables(model: ModelFields, population: str) -> dict[str, Any]:
    units = dict(model.neurons[population].variables)
    for port, receptor in model.receptors[population].items():
        units |= {f"{port}.{name}": unit for name, unit in receptor.variables.items()}
    return units


def _of_parameter(model: ModelFields, population: str, name: str) -> Any:
    port, _, field = name.rpartition(".")
    return field_units(model.receptors[population][port] if port else model.neurons[population]).get(field)


def _of_stimulus(model: ModelFields, name: str, leaf: str) -> Any:
    for bank in model.layout.banks:
        if name in bank.stimuli:
            return port_unit(model, bank.group, bank.port) if leaf == "weight" else None
    span = next(span for span in model.layout.stimuli if span.name == name)
    owner, last = _owner(model.sources[name], leaf)
    if type(owner).__module__.partition(".")[0] != "neuro4d":
        return None
    if span.port is not None:
        return port_unit(model, span.group, span.port) if last == "weight" else None
    return _OF_DRIVES.get(last)


def _of_life(model: ModelFields, population: str, leaf: str) -> Any:
    if leaf.startswith("wired."):
        return unit_of(model, leaf.removeprefix("wired.").rpartition(".")[0])
    return u.ms if leaf.startswith("first_age") else _within(model.lives[population], leaf)


def _within(part: Any, leaf: str) -> Any:
    owner, last = _owner(part, leaf)
    return field_units(owner).get(last)


def _owner(part: Any, leaf: str) -> tuple[Any, str]:
    """The part within a part that has a leaf, and the name of the leaf there."""
    *above, last = leaf.split(".")
    for name in above:
        part = part[int(name)] if isinstance(part, tuple | list) else part[name] if isinstance(part, dict) else getattr(part, name)
    return part, last
