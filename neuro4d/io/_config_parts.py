"""What the blocks of a configuration become: rules of plasticity and ports of neuromodulators."""

from typing import Any, NamedTuple

import brainunit as u
import jax
import numpy as np

from neuro4d._base import AbstractValue, Normal, lookup
from neuro4d.io._config_schema import BrainConfig, Dopamine, Neuromodulation, Norepinephrine, Plasticity, Serotonin, ShortTerm
from neuro4d.network import Population
from neuro4d.plasticity import BCM, AbstractPlasticity, Combined, Hebbian, Homeostasis, Mixed, Modulated, TsodyksMarkram
from neuro4d.receptors import AbstractReceptor, Neuromodulator, PulseCurrent
from neuro4d.stimuli import Input
from neuro4d.structure import Lifecycle

STEP = 1.0
"""ms. The configuration counts in steps and is meant for steps of 1 ms."""

EVENT = 100
"""Steps from one look at who dies to the next."""

PORT = "in"
SIGNALS = ("dopamine", "serotonin", "norepinephrine")
WINDOWS = 10
"""How often weights are scaled within the time in which a rate is measured."""


def rule_of(config: BrainConfig) -> AbstractPlasticity | None:
    """The rule of all synapses, or `None` where nothing changes them."""
    block = config.plasticity
    if not block.enabled:
        return None
    learning = _joined([*_hebbian(block), *_sliding(block)])
    dopamine = _modulation(config)
    if learning is not None and dopamine is not None:
        levels = dopamine.dopamine
        learning = Modulated(learning, by="dopamine", strength=levels.learning_rate_modulation, baseline=levels.baseline)
    return _joined([*([] if learning is None else [learning]), *_scaling(block), *_release(block.short_term)])


def _joined(rules: list[AbstractPlasticity]) -> AbstractPlasticity | None:
    return Combined(*rules) if len(rules) > 1 else (rules[0] if rules else None)


def _hebbian(block: Plasticity) -> list[AbstractPlasticity]:
    if not block.learning_rate and not block.weight_decay:
        return []
    decay = block.weight_decay * u.pA / (STEP * u.ms)
    return [Hebbian(rate=block.learning_rate * u.pA, low=block.weight_min * u.pA, high=block.weight_max * u.pA, decay=decay)]


def _sliding(block: Plasticity) -> list[AbstractPlasticity]:
    inner = block.metaplasticity
    if inner is None or not inner.enabled or not block.learning_rate:
        return []
    eta, tau = block.learning_rate / block.weight_max, inner.bcm_tau * STEP * u.ms
    low, high = block.weight_min * u.pA, block.weight_max * u.pA
    return [BCM(w_max=high, w_min=low, eta=eta, rate=inner.bcm_target_rate * u.Hz, tau_theta=tau)]


def _scaling(block: Plasticity) -> list[AbstractPlasticity]:
    inner = block.homeostatic
    if inner is None or not inner.enabled or not inner.scaling_rate:
        return []
    window = inner.time_window * STEP * u.ms
    low, high = block.weight_min * u.pA, block.weight_max * u.pA
    every = max(inner.time_window // WINDOWS, 1)
    return [
        Homeostasis(w_max=high, w_min=low, rate=inner.target_rate * u.Hz, tau=window / inner.scaling_rate, tau_rate=window, every=every)
    ]


def _release(block: ShortTerm | None) -> list[AbstractPlasticity]:
    """Short-term plasticity, with the numbers of synapses that mostly facilitate and of synapses that mostly run out."""
    if block is None or not block.enabled:
        return []
    facilitating = TsodyksMarkram(use=0.15, tau_rec=50 * u.ms, tau_fac=750 * u.ms)
    depressing = TsodyksMarkram(use=0.6, tau_rec=800 * u.ms, tau_fac=20 * u.ms)
    share = {"facilitation": 1.0, "depression": 0.0, "mixed": block.facilitation_fraction}[block.default_type]
    if share in (0.0, 1.0):
        return [facilitating if share else depressing]
    return [Mixed(facilitating, depressing, shares=(share, 1 - share))]


def weight_of(config: BrainConfig) -> AbstractValue:
    """The first weights, within the bounds of what learns."""
    block, mean, spread = config.plasticity, 0.1 * u.pA, 0.05 * u.pA
    return Normal(mean, spread, low=block.weight_min * u.pA, high=block.weight_max * u.pA) if block.enabled else Normal(mean, spread)


class Growth(NamedTuple):
    """What a file does not say of how a brain begins and grows; `None` as by default."""

    alive: float | None
    age: Any
    division_rate: u.Quantity | None
    division_above: u.Quantity | None
    radius: u.Quantity | None


def lifecycle_of(config: BrainConfig, growth: Growth) -> Lifecycle | None:
    """How neurons live, or `None` where they live for ever.

    **Raises:** `ValueError` for growth of neurons that live for ever, and a share that is none.
    """
    block, alive = config.cell_lifecycle, growth.alive
    if alive is not None and (isinstance(alive, bool) or not 0 < alive <= 1):
        raise ValueError(f"alive is a share above 0 and at most 1, for example `alive=0.5`; got {alive!r}.")
    if not block.enabled or not block.enable_death:
        given = [name for name, value in growth._asdict().items() if value is not None]
        if given:
            raise ValueError(f'{given[0]} is for neurons that live and die: write `"cell_lifecycle": {{"enable_death": true}}`.')
        return None
    return Lifecycle(
        every=EVENT * STEP * u.ms,
        max_age=block.max_age * STEP * u.ms,
        health_decay=block.health_decay_per_step / (STEP * u.ms),
        reproduction=block.enable_reproduction,
        mutation_params=block.mutation_std_params,
        mutation_weights=block.mutation_std_weights,
        division_rate=growth.division_rate,
        division_above=0 * u.Hz if growth.division_above is None else growth.division_above,
        radius=growth.radius,
        age=0 * u.ms if growth.age is None else growth.age,
    )


def ports_of(config: BrainConfig) -> dict[str, AbstractReceptor]:
    """The receptors of every population."""
    ports: dict[str, AbstractReceptor] = {PORT: PulseCurrent()}
    block = _modulation(config)
    if block is not None:
        ports["dopamine"] = _level(block.dopamine)
        ports["serotonin"] = _level(block.serotonin, inhibition={PORT: block.serotonin.inhibition_strength})
        ports["norepinephrine"] = _level(block.norepinephrine, gain={PORT: block.norepinephrine.gain_modulation})
    return ports


def _level(block: Dopamine | Serotonin | Norepinephrine, gain: dict | None = None, inhibition: dict | None = None) -> Neuromodulator:
    return Neuromodulator(baseline=block.baseline, tau=STEP / block.decay_rate * u.ms, gain=gain or {}, inhibition=inhibition or {})


def _modulation(config: BrainConfig) -> Neuromodulation | None:
    """The block, where it is written and enabled."""
    block = config.neuromodulation
    return block if block is not None and block.enabled else None


def release_ports(config: BrainConfig, area: str, population: Population) -> list[Input]:
    """Where neuromodulators are released in an area."""
    signals = SIGNALS if _modulation(config) is not None else ()
    return [Input(f"{signal}-{area}", population, port=signal) for signal in signals]


def release(config: BrainConfig, signal: str, amount: float | np.ndarray | jax.Array) -> dict[str, float | np.ndarray | jax.Array]:
    """A release of a neuromodulator in all areas, as `step` and `simulate` take it in `inputs=`.

    **Arguments:**

    - `config`: from `read_config`.
    - `signal`: `"dopamine"`, `"serotonin"` or `"norepinephrine"`.
    - `amount`: what is added to the level in a step, negative to take some away; for `simulate` one number for each step `(T,)`.

    **Returns:** the amount for the port of every area, such as `"dopamine-V1_like"`.

    **Raises:** `KeyError` for another signal, `ValueError` if the configuration has no neuromodulation.

    !!! Example

        >>> import neuro4d as n4
        >>> reward = n4.io.release(config, "dopamine", 0.2)  # doctest: +SKIP
    """
    lookup(dict.fromkeys(SIGNALS), signal, "neuromodulator")
    if _modulation(config) is None:
        raise ValueError('the configuration has no neuromodulation: write the block `"neuromodulation": {}`.')
    return {f"{signal}-{area.name}": amount for area in config.areas}
