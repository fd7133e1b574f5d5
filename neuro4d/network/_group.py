"""Groups: populations that share a neuron model and the kinds and names of their receptors run as one."""

import dataclasses
from typing import Any

from neuro4d._base import field_units
from neuro4d.model import Span
from neuro4d.network._alive import fit_alive, how_many
from neuro4d.network._population import Population


def arrange(populations: list[Population], sizes: dict[str, int]) -> dict[str, Span]:
    """Assigns every population a span in a group; a group is named after its first population."""
    groups: dict[tuple, str] = {}
    filled: dict[str, int] = {}
    spans = {}
    for population in populations:
        # Neurons that may die share no group with those that cannot, which then pay nothing for it.
        mortal = population.alive is not None
        ports = tuple((port, _static(receptor)) for port, receptor in sorted(population.receptors.items()))
        group = groups.setdefault((_static(population.neuron), ports, mortal), population.name)
        start = filled.get(group, 0)
        filled[group] = start + sizes[population.name]
        size = sizes[population.name]
        alive = None if population.alive is None else fit_alive(population.name, size, population.alive)
        spans[population.name] = Span(population.name, group, start, size, *how_many(alive, size))
    return spans


def group_sizes(spans: dict[str, Span]) -> dict[str, int]:
    """Neurons of every group."""
    total: dict[str, int] = {}
    for span in spans.values():
        total[span.group] = max(total.get(span.group, 0), span.start + span.size)
    return total


def _static(part: Any) -> tuple:
    """What parts must have in common to be computed together: all but the numbers of their fields."""
    units = field_units(part)
    fixed = tuple((f.name, getattr(part, f.name)) for f in dataclasses.fields(part) if f.name not in units)
    absent = tuple(name for name in units if getattr(part, name) is None)
    return type(part), fixed, absent
