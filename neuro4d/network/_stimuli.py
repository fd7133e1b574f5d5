"""Stimuli bound to the neurons of a model."""

from typing import Any

import numpy as np

from neuro4d._base import AbstractValue, address, as_value, words
from neuro4d.network._population import view_of
from neuro4d.network._projection import check_sign
from neuro4d.network._spec import BuildSpec
from neuro4d.stimuli import Poisson, RateSteps, SpikeTimes, Target, bank


def make_sources(stimuli: list[Any], spec: BuildSpec) -> tuple[dict, dict]:
    """Sources by stimulus, and one bank for all constant Poisson inputs of a port."""
    sources, banks = {}, {}
    for stimulus in stimuli:
        view = view_of(stimulus.target, f"stimulus {stimulus.name!r}")
        span = spec.spans[view.population.name]
        chosen = view.resolve(span.size)
        start, n = chosen.first, chosen.n
        sites = spec.sites[span.name]
        target = Target(n, spec.dt, spec.dtype, None if sites is None else sites[start : start + n], _drawer(stimulus.name, n, spec.seed))
        receptor = None if stimulus.port is None else view.population.receptors[stimulus.port]
        unit = None if receptor is None else receptor.weight_unit
        if isinstance(stimulus, Poisson | SpikeTimes):
            where = f"{type(stimulus).__name__} {stimulus.name!r}: weight"
            check_sign(receptor, as_value(stimulus.weight, unit, where), where)
        part = (span.start + start, n, stimulus.name)
        if isinstance(stimulus, Poisson) and not isinstance(stimulus.rate, RateSteps):
            _join(banks, (span.group, stimulus.port), (*part, stimulus.means(target), stimulus.scalar_weight(unit)))
        else:
            sources[stimulus.name] = (span.group, stimulus.port, span.start + start, n, stimulus.bind(target, unit))
    made = {}
    for (group, port), layers in banks.items():
        for number, parts in enumerate(layers):
            made[f"{group}.{port}.{number}"] = (group, port, bank(parts, spec.totals[group], spec.dtype))
    return sources, made


def _join(banks: dict, key: tuple, part: tuple) -> None:
    """Into the first bank of the port in which these neurons have no input yet."""
    layers = banks.setdefault(key, [])
    for layer in layers:
        if all(part[0] + part[1] <= first or first + size <= part[0] for first, size, *_ in layer):
            layer.append(part)
            return
    layers.append([part])


def _drawer(name: str, n: int, seed: int):
    def draw(value, where: str) -> np.ndarray:
        if not isinstance(value, AbstractValue):
            return value
        return value.draw(words(address(seed, "stimulus", name, where), np.arange(n)))

    return draw
