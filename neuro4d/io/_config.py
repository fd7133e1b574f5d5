"""From a configuration to a `Network` on a lattice."""

import logging
import os

import brainunit as u
import numpy as np
from jaxtyping import Float

from neuro4d._base import AbstractValue, Normal, lookup, strip
from neuro4d.connect import FixedProb
from neuro4d.io._config_file import AXES, read_config
from neuro4d.io._config_schema import BrainConfig, Sense
from neuro4d.lattice import Box, Lattice
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF
from neuro4d.receptors import PulseCurrent
from neuro4d.stimuli import Input

logger = logging.getLogger("neuro4d")

RESISTANCE = 1.0
"""mV per pA (GOhm). The configuration writes input in mV; with this resistance the same number is a current in pA."""


class NotSimulatedError(NotImplementedError):
    """A configuration asks for something that neuro4d does not simulate yet."""


def load_config(
    path: str | os.PathLike[str] | BrainConfig,
    *,
    density: float = 0.1,
    probability: float = 0.01,
    weight: AbstractValue | u.Quantity = Normal(0.1 * u.pA, 0.05 * u.pA),
    spacing: u.Quantity = 50 * u.um,
    strict: bool = False,
) -> Network:
    r"""A network from a brain configuration in JSON or TOML.

    Every area becomes a population of the same name on a `Lattice`, every sense an `Input` of its name. Neurons follow

    $$ \tau_m \dot v = -(v - v_\mathrm{rest}) + I $$

    with $I$ in mV; here that is a resistance of 1 GOhm (1 mV per pA), so weights and inputs are the same numbers in pA. A spike
    adds its weight for the one step that follows its arrival. Every neuron may connect to every other.

    The blocks `plasticity`, `cell_lifecycle` and `neuromodulation` are read and checked but **not simulated yet**. What they ask
    for is listed in a warning on the logger `neuro4d`, or refused with `strict=True`.

    **Arguments:**

    - `path`: the file, or what `read_config` returned.
    - `density`: share of the sites of an area that carry a neuron.
    - `probability`: that a pair of neurons is connected; no neuron connects to itself.
    - `weight`: of the synapses. [current]
    - `spacing`: distance between neighbouring sites. [length]
    - `strict`: refuse what cannot be simulated yet.

    **Returns:** a `Network`. The configuration is meant for `dt = 1 ms`.

    **Raises:** what `read_config` raises; `NotSimulatedError` if `strict`.

    !!! Example

        >>> import neuro4d as n4
        >>> net = n4.load_config("brain.json", density=0.05)  # doctest: +SKIP
    """
    config = path if isinstance(path, BrainConfig) else read_config(path)
    _report(unsimulated(config), strict)
    lattice = _lattice(config, spacing)
    populations = [_population(config, lattice, area.name, density) for area in config.areas]
    rule = FixedProb(probability, autapses=False)
    projections = [
        Projection(f"{source.name}-{target.name}", source, target, "in", rule, weight=weight)
        for source in populations
        for target in populations
        if probability > 0
    ]
    by_name = {population.name: population for population in populations}
    inputs = [_port(config, name, by_name[sense.areal]) for name, sense in config.senses.items() if sense.enabled]
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

    **Returns:** pA, one entry for every site that the sense reaches, 0 in the other layers: `model.step(state, {sense: result})`.

    **Raises:** `KeyError` for an unknown sense, `ValueError` if the shape is not `input_size`, a value is not finite, or the area has
    no such layer.

    !!! Example

        >>> import neuro4d as n4
        >>> image = n4.io.sense_input(config, "vision", pixels)  # doctest: +SKIP
    """
    chosen = lookup(config.senses, sense, "sense")
    bare = strip(values, u.pA, f"sense '{sense}'") if isinstance(values, u.Quantity) else np.asarray(values, np.float64)
    if bare.shape != chosen.input_size:
        raise ValueError(f"sense '{sense}' takes values of shape {chosen.input_size} (`input_size`); got {bare.shape}.")
    if not np.isfinite(bare).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(bare))[0])
        raise ValueError(f"sense '{sense}' takes finite values; the one at {at} is {bare[at]}.")
    shape, _ = _reach(config, chosen)
    layers = shape[2] if len(shape) > 2 else 1
    if not 0 <= z_layer < layers:
        raise ValueError(f"sense '{sense}': the area '{chosen.areal}' has layers 0 to {layers - 1}; got `z_layer={z_layer}`.")
    currents = np.zeros((*chosen.input_size, layers))
    currents[:, :, z_layer] = bare / RESISTANCE
    return currents.reshape(shape)


def _reach(config: BrainConfig, sense: Sense) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The block of sites that a sense reaches: its size and its first site. All layers z, one slice w."""
    ranges = {area.name: area.coord_ranges for area in config.areas}[sense.areal]
    sizes = {"x": sense.input_size[0], "y": sense.input_size[1], "w": 1}
    axes = AXES[: config.dimensions]
    shape = tuple(sizes.get(axis, ranges[axis][1] - ranges[axis][0] + 1) for axis in axes)
    origin = tuple(sense.w_index if axis == "w" else ranges[axis][0] for axis in axes)
    return shape, origin


def unsimulated(config: BrainConfig) -> list[str]:
    """What a configuration asks for and neuro4d does not simulate yet, one phrase each."""
    cells, plastic, asked = config.cell_lifecycle, config.plasticity, []
    if cells.enabled and (cells.enable_death or cells.enable_reproduction):
        what = [name for name, on in (("death", cells.enable_death), ("reproduction", cells.enable_reproduction)) if on]
        asked.append(f"cell_lifecycle ({' and '.join(what)})")
    if plastic.enabled and (plastic.learning_rate or plastic.weight_decay):
        asked.append(f"plasticity (rule {plastic.rule}, learning_rate {plastic.learning_rate:g}, weight_decay {plastic.weight_decay:g})")
    if plastic.enabled:
        inner = ("homeostatic", "metaplasticity", "short_term")
        asked += [f"plasticity.{name}" for name in inner if getattr(plastic, name) and getattr(plastic, name).enabled]
    if config.neuromodulation is not None and config.neuromodulation.enabled:
        asked.append("neuromodulation")
    return asked


def _port(config: BrainConfig, name: str, population: Population) -> Input:
    shape, origin = _reach(config, config.senses[name])
    return Input(name, population, shape=shape, origin=origin)


def _report(asked: list[str], strict: bool) -> None:
    if not asked:
        return
    text = f"the configuration asks for what is not simulated yet: {', '.join(asked)}."
    if strict:
        raise NotSimulatedError(f"{text} Set `enabled` to false in these blocks, or load with `strict=False` to run without them.")
    logger.warning("%s The network runs without it.", text)


def _lattice(config: BrainConfig, spacing: u.Quantity) -> Lattice:
    return Lattice(config.lattice_shape, spacing=spacing, areas={area.name: Box(**area.coord_ranges) for area in config.areas})


def _population(config: BrainConfig, lattice: Lattice, area: str, density: float) -> Population:
    p = config.neuron_model.params_default
    lif = LIF(
        tau=p.tau_m * u.ms,
        c=p.tau_m / RESISTANCE * u.pF,
        v_rest=p.v_rest * u.mV,
        v_th=p.v_threshold * u.mV,
        v_reset=p.v_reset * u.mV,
        t_ref=p.refractory_period * u.ms,
    )
    return Population(area, lattice[area].sample(density), lif, {"in": PulseCurrent()}, v0=p.v_rest * u.mV)
