"""The blocks of a brain configuration, their keys and defaults. Times in ms, potentials in mV, lengths in sites."""

from typing import Literal

import msgspec


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all blocks: immutable, and a key that is not listed is an error."""


class Parameters(Block, frozen=True):
    """`neuron_model.params_default`: a leaky integrate-and-fire neuron."""

    tau_m: float = 20.0
    v_rest: float = -65.0
    v_reset: float = -70.0
    v_threshold: float = -50.0
    refractory_period: float = 5.0


class NeuronModel(Block, frozen=True):
    """`neuron_model`."""

    type: Literal["LIF"] = "LIF"
    params_default: Parameters = Parameters()


class CellLifecycle(Block, frozen=True):
    """`cell_lifecycle`: ageing, death and reproduction of cells."""

    enabled: bool = True
    enable_death: bool = True
    enable_reproduction: bool = True
    max_age: int = 100_000
    health_decay_per_step: float = 1e-4
    mutation_std_params: float = 0.05
    mutation_std_weights: float = 0.02


class Homeostatic(Block, frozen=True):
    """`plasticity.homeostatic`: scaling of weights towards a target rate."""

    enabled: bool = True
    target_rate: float = 5.0
    time_window: int = 1000
    scaling_rate: float = 0.01


class Metaplasticity(Block, frozen=True):
    """`plasticity.metaplasticity`: the sliding threshold of Bienenstock, Cooper and Munro."""

    enabled: bool = True
    bcm_tau: float = 1000.0
    bcm_target_rate: float = 5.0


class ShortTerm(Block, frozen=True):
    """`plasticity.short_term`: facilitation and depression."""

    enabled: bool = True
    default_type: Literal["mixed", "facilitation", "depression"] = "mixed"
    facilitation_fraction: float = 0.3


class Plasticity(Block, frozen=True):
    """`plasticity`. The inner blocks are off unless they are written."""

    enabled: bool = True
    rule: Literal["hebb_like"] = "hebb_like"
    learning_rate: float = 1e-3
    weight_min: float = -1.0
    weight_max: float = 1.0
    weight_decay: float = 1e-5
    homeostatic: Homeostatic | None = None
    metaplasticity: Metaplasticity | None = None
    short_term: ShortTerm | None = None


class Dopamine(Block, frozen=True):
    """`neuromodulation.dopamine`."""

    baseline: float = 0.5
    decay_rate: float = 0.1
    learning_rate_modulation: float = 2.0


class Serotonin(Block, frozen=True):
    """`neuromodulation.serotonin`."""

    baseline: float = 0.5
    decay_rate: float = 0.1
    inhibition_strength: float = 0.5


class Norepinephrine(Block, frozen=True):
    """`neuromodulation.norepinephrine`."""

    baseline: float = 0.5
    decay_rate: float = 0.1
    gain_modulation: float = 2.0


class Neuromodulation(Block, frozen=True):
    """`neuromodulation`: three global signals."""

    enabled: bool = True
    dopamine: Dopamine = Dopamine()
    serotonin: Serotonin = Serotonin()
    norepinephrine: Norepinephrine = Norepinephrine()


class Sense(Block, frozen=True):
    """One of `senses`: a rectangle of input values for the sites of an area in the slice `w_index`."""

    areal: str
    w_index: int
    input_size: tuple[int, int]
    enabled: bool = True
    input_description: str = ""


class AreaBlock(Block, frozen=True):
    """One of `areas`: a box of sites, first and last coordinate included."""

    name: str
    coord_ranges: dict[str, tuple[int, int]]
    sense: str | None = None


class BrainConfig(Block, frozen=True):
    """A whole configuration."""

    lattice_shape: tuple[int, ...]
    neuron_model: NeuronModel
    cell_lifecycle: CellLifecycle
    plasticity: Plasticity
    senses: dict[str, Sense]
    areas: tuple[AreaBlock, ...]
    neuromodulation: Neuromodulation | None = None
    model_version: int = 1
    dimensions: int = 4
