"""From a configuration to a `Network` on a lattice."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

import brainunit as u
import numpy as np
from jaxtyping import Float

from neuro4d._base import AbstractValue, lookup, strip
from neuro4d.connect import FixedProb
from neuro4d.io._config_file import AXES, read_config
from neuro4d.io._config_parts import PORT, Growth, lifecycle_of, ports_of, release_ports, rule_of, weight_of
from neuro4d.io._config_schema import BrainConfig, Sense
from neuro4d.lattice import Box, Lattice
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF
from neuro4d.senses import AbstractSense, Audition, Digital, Plane, Smell, Taste, Touch, Vestibular, Vision
from neuro4d.stimuli import Input
from neuro4d.structure import Lifecycle

RESISTANCE = 1.0
"""mV per pA (GOhm). The configuration writes input in mV; with this resistance the same number is a current in pA."""


S = TypeVar("S", bound=AbstractSense)

SENSES: Mapping[str, type[AbstractSense]] = MappingProxyType(
    {
        "vision": Vision,
        "audition": Audition,
        "somatosensory": Touch,
        "taste": Taste,
        "smell": Smell,
        "vestibular": Vestibular,
        "digital": Digital,
    }
)
"""What takes in the data of a sense; senses of other names, and rectangles that do not fit, take them as they are."""


def load_config(
    path: str | os.PathLike[str] | BrainConfig,
    *,
    density: float = 0.1,
    probability: float = 0.01,
    weight: AbstractValue | u.Quantity | None = None,
    spacing: u.Quantity = 50 * u.um,
    alive: float | None = None,
    age: AbstractValue | u.Quantity | None = None,
    division_rate: u.Quantity | None = None,
    division_above: u.Quantity | None = None,
    radius: u.Quantity | None = None,
) -> Network:
    r"""A network from a brain configuration in JSON or TOML.

    Every area becomes a population of the same name on a `Lattice`, every sense a port of its name (`n4.senses`), whose `feed` takes images, sounds, bytes, ...
    Neurons follow

    $$ \tau_m \dot v = -(v - v_\mathrm{rest}) + I $$

    with $I$ in mV; here that is a resistance of 1 GOhm (1 mV per pA), so weights and inputs are the same numbers in pA. A spike
    adds its weight for the one step that follows its arrival. Every neuron may connect to every other.

    All synapses learn by the block `plasticity`: `n4.Hebbian` with decay, then `n4.BCM` (metaplasticity), `n4.Homeostasis`, and
    `n4.TsodyksMarkram`, which says what a spike releases; of which those are there that are written and enabled. Every area has the ports of
    the block `neuromodulation` (`release`). Neurons age, die and have children by the block `cell_lifecycle`, `n4.Lifecycle`, unless it has
    `enable_death` off; who is to die is looked for every 100 steps. What is disabled is not built and costs nothing.

    A file says nothing of growth. With `alive` only a share of the neurons live at the beginning, and with `division_rate` they divide: their
    children live at free places.

    **Arguments:**

    - `path`: the file, or what `read_config` returned.
    - `density`: share of the sites of an area that carry a neuron.
    - `probability`: that a pair of neurons is connected; no neuron connects to itself.
    - `weight`: of the synapses; by default normally distributed with 0.1 pA and 0.05 pA, within `weight_min` and `weight_max` where they learn. [current]
    - `spacing`: distance between neighbouring sites. [length]
    - `alive`: the share of the neurons, above 0 and at most 1, that live at the beginning, drawn with the key of each trial; by default all.
    - `age`: of the neurons at the beginning; by default 0, so that all reach their last step together. [time]
    - `division_rate`: of each neuron, by default none; `division_above`: the rate at which it has to fire, by default 0. [frequency] `radius`: how far
      from its parent a child may live, by default anywhere in its area. [length]

    **Returns:** a `Network`. The configuration is meant for `dt = 1 ms`.

    **Raises:** what `read_config` raises; `ValueError` for weights outside the bounds of what learns, and for growth where the life cycle is off.

    !!! Example

        >>> import neuro4d as n4
        >>> net = n4.load_config("brain.json", density=0.05)  # doctest: +SKIP
    """
    config = path if isinstance(path, BrainConfig) else read_config(path)
    return _network(config, density, probability, weight, spacing, Growth(alive, age, division_rate, division_above, radius))


def _network(
    config: BrainConfig, density: float, probability: float, weight: AbstractValue | u.Quantity | None, spacing: u.Quantity, growth: Growth
) -> Network:
    lattice, lifecycle = _lattice(config, spacing), lifecycle_of(config, growth)
    share = None if growth.alive is None else float(growth.alive)
    populations = [_population(config, lattice, area.name, density, lifecycle, share) for area in config.areas]
    edges, rule = FixedProb(probability, autapses=False), rule_of(config)
    weight = weight_of(config) if weight is None else weight
    projections = [
        Projection(f"{source.name}-{target.name}", source, target, PORT, edges, weight=weight, plasticity=rule)
        for source in populations
        for target in populations
        if probability > 0
    ]
    by_name = {population.name: population for population in populations}
    inputs: list[AbstractSense | Input] = [_port(config, name, by_name[sense.areal]) for name, sense in config.senses.items() if sense.enabled]
    inputs += [port for name, population in by_name.items() for port in release_ports(config, name, population)]
    return Network(*populations, *projections, *inputs)


def sense_input(
    config: BrainConfig, sense: str, values: Float[np.ndarray, "columns rows"] | u.Quantity, z_layer: int = 0
) -> Float[np.ndarray, "columns rows *layers"]:
    """What a step takes as the input of a sense, from a rectangle of values with one entry for each site (x, y) of its area.

    **Arguments:**

    - `config`: from `read_config`.
    - `sense`: its name in the configuration.
    - `values`: shape `input_size`; bare numbers are mV as in the configuration (1 mV is 1 pA here). Sites without a neuron ignore theirs.
    - `z_layer`: which layer of the area receives it, counted from its first.

    **Returns:** pA, one entry for every site that the sense reaches, 0 in the other layers: `model.step(state, {sense: result})`; what the
    `feed` of an `n4.senses.Plane` gives.

    **Raises:** `KeyError` for an unknown sense, `ValueError` if the shape is not `input_size`, a value is not finite, or the area has
    no such layer.

    !!! Example

        >>> import neuro4d as n4
        >>> image = n4.io.sense_input(config, "vision", pixels)  # doctest: +SKIP
    """
    lookup(config.senses, sense, "sense")
    bare = strip(values, u.pA, f"sense '{sense}'") if isinstance(values, u.Quantity) else values
    return _of_kind(Plane, config, sense, None).feed(bare, layer=z_layer)


def _reach(config: BrainConfig, sense: Sense) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The block of sites that a sense reaches: its size and its first site. All layers z, one slice w."""
    ranges = {area.name: area.coord_ranges for area in config.areas}[sense.areal]
    sizes = {"x": sense.input_size[0], "y": sense.input_size[1], "w": 1}
    axes = AXES[: config.dimensions]
    shape = tuple(sizes.get(axis, ranges[axis][1] - ranges[axis][0] + 1) for axis in axes)
    origin = tuple(sense.w_index if axis == "w" else ranges[axis][0] for axis in axes)
    return shape, origin


def _port(config: BrainConfig, name: str, population: Population) -> AbstractSense:
    columns, rows = config.senses[name].input_size
    kind = SENSES.get(name, Plane)
    if (kind is Taste and columns % len(Taste.qualities)) or (kind is Vestibular and (columns != len(Vestibular.organs) or rows < 2)):
        kind = Plane
    return _of_kind(kind, config, name, population)


def _of_kind(kind: type[S], config: BrainConfig, name: str, population: Population | None) -> S:
    shape, origin = _reach(config, config.senses[name])
    return kind(name, population, config.senses[name].input_size, depth=shape[2:], origin=origin, gain=1 / RESISTANCE * u.pA)


def _lattice(config: BrainConfig, spacing: u.Quantity) -> Lattice:
    return Lattice(config.lattice_shape, spacing=spacing, areas={area.name: Box(**area.coord_ranges) for area in config.areas})


def _population(
    config: BrainConfig, lattice: Lattice, area: str, density: float, lifecycle: Lifecycle | None, alive: float | None
) -> Population:
    p = config.neuron_model.params_default
    lif = LIF(
        tau=p.tau_m * u.ms,
        c=p.tau_m / RESISTANCE * u.pF,
        v_rest=p.v_rest * u.mV,
        v_th=p.v_threshold * u.mV,
        v_reset=p.v_reset * u.mV,
        t_ref=p.refractory_period * u.ms,
    )
    places, ports = lattice[area].sample(density), ports_of(config)
    return Population(area, places, lif, ports, v0=p.v_rest * u.mV, alive=alive, lifecycle=lifecycle)
