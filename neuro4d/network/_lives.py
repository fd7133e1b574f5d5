"""Life cycles as a model needs them."""

import functools
from collections.abc import Callable
from typing import Any

import brainunit as u
import jax.numpy as jnp
import numpy as np

from neuro4d._base import AbstractValue, Given, as_value, attach, check_fits, field_ranges, field_units, steps_of
from neuro4d.lattice import Placement
from neuro4d.model import cast
from neuro4d.network._population import Population
from neuro4d.network._spec import BuildSpec
from neuro4d.ops import Pathway, host_edges, pack
from neuro4d.plasticity import AbstractPlasticity
from neuro4d.structure import Lifecycle, Living, Places, Wired, make_places, quantiles

_NUMBERS = ("max_age", "health_decay", "death_below", "mutation_params", "mutation_weights", "division_rate", "division_above")


def make_founders(populations: list[Population]) -> dict[str, Any]:
    """Who is alive at the beginning, packed, of those populations of which it was said neuron by neuron."""
    return {p.name: pack(jnp.asarray(p.alive)) for p in populations if isinstance(p.alive, np.ndarray)}


def make_lives(
    populations: list[Population],
    spec: BuildSpec,
    neurons: dict[str, Any],
    pathways: dict[str, Pathway],
    rules: dict[str, AbstractPlasticity],
    ports: dict[str, str],
) -> dict[str, Living]:
    """The life cycles of a network by population; `ports`: that of the first projection of each pathway.

    **Raises:** `ValueError` for an event off the grid of steps, a radius without a lattice, and parameters that cannot mutate.
    """
    by_name = {population.name: population for population in populations}
    wire = functools.cache(lambda name: _wire(pathways[name], rules[name], by_name, spec, ports[name]))  # populations of a group share pathways
    return {
        name: _make_life(population, population.lifecycle, spec, neurons[name], {path: pathways[path] for path in rules}, wire)
        for name, population in by_name.items()
        if population.lifecycle is not None
    }


def _make_life(
    population: Population,
    rule: Lifecycle,
    spec: BuildSpec,
    neuron: Any,
    plastic: dict[str, Pathway],
    wire: Callable[[str], Wired],
) -> Living:
    where = f"population {population.name!r}: Lifecycle"
    units = field_units(rule)
    numbers = {name: getattr(rule, name) for name in _NUMBERS}
    given = {name: None if value is None else attach(value, units[name]) for name, value in numbers.items()}
    inherits = _mutable(rule, neuron, where)
    group = spec.spans[population.name].group
    changing = [name for name, path in plastic.items() if group in (path.source, path.target)]
    wired = {name: wire(name) for name in changing} if rule.mutation_weights > 0 else {}
    living = Living(
        **given,
        first_age=_first_age(rule, spec.spans[population.name].size, where),
        places=_places(population, rule, spec, where),
        wired=wired,
        quantiles=jnp.asarray(quantiles()),
        every=int(steps_of(rule.every, spec.dt, f"{where}.every")),
        reproduction=rule.reproduction,
        inherits=inherits,
        ranges=tuple(each for each in field_ranges(neuron) if each[0] in inherits),
        ordered=tuple(pair for pair in neuron.ordered if set(pair) <= set(inherits)),
        counts=rule.division_rate is not None and bool(rule.division_above > 0),
    )
    return cast(living, spec.dtype)


def _mutable(rule: Lifecycle, neuron: Any, where: str) -> tuple[str, ...]:
    """The parameters that children have of their own."""
    if not rule.mutation_params > 0:
        return ()
    if not neuron.inherits:
        raise ValueError(
            f"{where}.mutation_params: parameters of {type(neuron).__name__} are not valid any more when they are changed a little; "
            "use `mutation_params=0`."
        )
    return tuple(name for name in field_units(neuron) if getattr(neuron, name) is not None)


def _first_age(rule: Lifecycle, n: int, where: str) -> AbstractValue:
    value = rule.age if isinstance(rule.age, AbstractValue) else as_value(attach(rule.age, u.ms), u.ms, f"{where}.age")
    low, high = value.bounds()
    if low < 0:
        raise ValueError(f"{where}.age is 0 or more; got {value!r}, which reaches down to {low:g} ms. For example `n4.Uniform(0*u.second, 9*u.second)`.")
    check_fits(np.asarray([low, high]), np.float32, f"{where}.age")
    if isinstance(value, Given) and value.values.shape != (n,):
        raise ValueError(f"{where}.age is one time, one for each of {n} neurons, or a distribution; got shape {value.values.shape}.")
    return value


def _places(population: Population, rule: Lifecycle, spec: BuildSpec, where: str) -> Places | None:
    if rule.radius is None:
        return None
    sites = spec.sites[population.name]
    if not isinstance(population.size, Placement) or sites is None:
        raise ValueError(
            f"{where}.radius needs a lattice: give the population a place, for example `brain['V1'].sample(density=0.5)`, or leave radius out."
        )
    return make_places(population.size.lattice, sites, float(rule.radius), f"{where}.radius")


def _wire(path: Pathway, rule: AbstractPlasticity, by_name: dict[str, Population], spec: BuildSpec, only: str) -> Wired:
    """The synapses of a pathway one by one, with the bounds of their weights. `only`: the port of its first projection."""
    place, source, _, neuron_and_port = host_edges(path, 0, path.n_source)
    neuron, port = np.divmod(neuron_and_port, path.n_ports)
    size = path.targets.shape[0]
    ends = [np.full(size, n, np.int32) for n in (path.n_source, path.n_target)]
    ends[0][place], ends[1][place] = source, neuron
    first = next(by_name[name] for name, span in spec.spans.items() if span.group == path.target)
    least = np.array([-np.inf if first.receptors[name].signed else 0.0 for name in spec.ports[path.target]])
    low, high = rule.bounds() or (-np.inf, np.inf)
    bounds = np.maximum(least, low)
    each = np.full(size, low)
    each[place] = bounds[port]
    lowest = bounds[0] if (bounds == bounds[0]).all() else each
    if path.room:  # of one projection, whose synapses come and go
        lowest = bounds[spec.ports[path.target].index(only)]
    return Wired(jnp.asarray(ends[0]), jnp.asarray(ends[1]), jnp.asarray(lowest, spec.dtype), jnp.asarray(high, spec.dtype))

