"""Ranges of the numbers in the blocks of a configuration that change the network while it runs."""

from collections.abc import Iterator

from neuro4d.io._config_schema import BrainConfig, CellLifecycle, Neuromodulation, Plasticity


def value_problems(config: BrainConfig) -> Iterator[str]:
    """Every number of an enabled block that is out of range, as a sentence."""
    if config.plasticity.enabled:
        yield from _of_plasticity(config.plasticity)
    if config.neuromodulation is not None and config.neuromodulation.enabled:
        yield from _of_neuromodulation(config.neuromodulation)
    if config.cell_lifecycle.enabled:
        yield from _of_lifecycle(config.cell_lifecycle)


def _of_plasticity(block: Plasticity) -> Iterator[str]:
    for name in ("learning_rate", "weight_decay"):
        yield from _at_least(f"plasticity.{name}", getattr(block, name), 0)
    if not block.weight_min < block.weight_max:
        yield f"`plasticity.weight_min` lies below `plasticity.weight_max`; got {block.weight_min:g} and {block.weight_max:g}."
    bounded = [name for name in ("homeostatic", "metaplasticity") if getattr(block, name) is not None and getattr(block, name).enabled]
    if bounded and not block.weight_max > 0:
        yield f"`plasticity.weight_max` is more than 0 where weights are scaled (`{bounded[0]}`); got {block.weight_max:g}."
    if block.homeostatic is not None:
        yield from _more_than("plasticity.homeostatic.target_rate", block.homeostatic.target_rate, 0)
        yield from _at_least("plasticity.homeostatic.time_window", block.homeostatic.time_window, 1)
        yield from _at_least("plasticity.homeostatic.scaling_rate", block.homeostatic.scaling_rate, 0)
    if block.metaplasticity is not None:
        yield from _more_than("plasticity.metaplasticity.bcm_tau", block.metaplasticity.bcm_tau, 0)
        yield from _more_than("plasticity.metaplasticity.bcm_target_rate", block.metaplasticity.bcm_target_rate, 0)
    if block.short_term is not None:
        yield from _share("plasticity.short_term.facilitation_fraction", block.short_term.facilitation_fraction)


def _of_neuromodulation(block: Neuromodulation) -> Iterator[str]:
    for name in ("dopamine", "serotonin", "norepinephrine"):
        level = getattr(block, name)
        yield from _share(f"neuromodulation.{name}.baseline", level.baseline)
        yield from _more_than(f"neuromodulation.{name}.decay_rate", level.decay_rate, 0)


def _of_lifecycle(block: CellLifecycle) -> Iterator[str]:
    yield from _at_least("cell_lifecycle.max_age", block.max_age, 1)
    for name in ("health_decay_per_step", "mutation_std_params", "mutation_std_weights"):
        yield from _at_least(f"cell_lifecycle.{name}", getattr(block, name), 0)


def _at_least(path: str, value: float, low: float) -> Iterator[str]:
    if not value >= low:
        yield f"`{path}` is at least {low:g}; got {value:g}."


def _more_than(path: str, value: float, low: float) -> Iterator[str]:
    if not value > low:
        yield f"`{path}` is more than {low:g}; got {value:g}."


def _share(path: str, value: float) -> Iterator[str]:
    if not 0 <= value <= 1:
        yield f"`{path}` lies between 0 and 1; got {value:g}."
