"""What follows from the parameters alone, computed once per run."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, UInt32

from neuro4d._base import Drive
from neuro4d.model._choice import obstacle
from neuro4d.model._fields import ModelFields
from neuro4d.model._layout import Group, StimulusSpan
from neuro4d.model._merge import merge
from neuro4d.ops import opaque
from neuro4d.stimuli import AbstractSource, Now


class NativeConstants(eqx.Module):
    """Propagators for the native pass over a group, with one value per population where all parameters are scalars."""

    neuron: Any
    receptors: tuple[Any, ...]
    bounds: Int32[Array, " b"]


class GroupConstants(eqx.Module):
    """One group: its neuron model and receptors as one part each, and their propagators. `native` is `None` where plain XLA steps
    the neurons."""

    neuron: Any
    receptors: dict[str, Any]
    of_neuron: Any
    of_receptors: dict[str, Any]
    native: NativeConstants | None


class Constants(eqx.Module):
    """Propagators by group, thresholds of Poisson counts by bank, the sum of all stimuli that never change by group, and the others
    by name."""

    groups: dict[str, GroupConstants]
    thresholds: dict[str, UInt32[Array, "s j"]]
    steady: dict[str, Drive]
    sources: dict[str, AbstractSource]


def prepare(model: ModelFields) -> Constants:
    """The constants of a step. `scan` calls it outside the loop, `step` in every step.

    The parameters that enter and the constants that come out are opaque to XLA, so that a step has the same bits whether they are
    arguments, parts of the program, or computed outside of a loop.
    """
    model = eqx.tree_at(_small, model, opaque(_small(model)))
    groups = {group.name: _of_group(model, group) for group in model.layout.groups}
    thresholds = {name: bank.table() for name, bank in model.banks.items()}
    groups, thresholds, steady = opaque((groups, thresholds, _steady(model)))
    return Constants(groups, thresholds, steady, model.sources)


def _small(model: ModelFields) -> tuple:
    """All that is computed with, but for synapses, which are only added."""
    return model.neurons, model.receptors, model.sources, model.banks


def _of_group(model: ModelFields, group: Group) -> GroupConstants:
    parts = [model.neurons[span.name] for span in group.spans]
    ports = {port: [model.receptors[span.name][port] for span in group.spans] for port in group.port_names}
    native = not obstacle(model, group)
    by_span = native and all(leaf.ndim == 0 for leaf in jax.tree.leaves((parts, ports)))
    sizes = [1 if by_span else span.size for span in group.spans]
    neuron = merge(parts, sizes)
    receptors = {port: merge(each, sizes) for port, each in ports.items()}
    of_neuron = neuron.constants(model.dt_ms)
    of_receptors = {port: receptor.constants(model.dt_ms, neuron.membrane()) for port, receptor in receptors.items()}
    if not native:
        return GroupConstants(neuron, receptors, of_neuron, of_receptors, None)
    held = NativeConstants(of_neuron, tuple(of_receptors.values()), jnp.asarray(group.bounds))
    if by_span and len(parts) > 1:
        of_neuron, of_receptors = jax.tree.map(lambda x: _to_neurons(x, group), (of_neuron, of_receptors))
    return GroupConstants(neuron, receptors, of_neuron, of_receptors, held)


def _to_neurons(x: Array, group: Group) -> Array:
    """One value per population as one per neuron."""
    return jnp.repeat(x, np.diff(group.bounds), total_repeat_length=group.n) if x.ndim else x


def _steady(model: ModelFields) -> dict[str, Drive]:
    """Stimuli that never change, summed for every group."""
    drives = {group.name: Drive() for group in model.layout.groups}
    nothing = jnp.uint32(0)
    for span in model.layout.stimuli:
        source = model.sources[span.name]
        if source.steady:
            drive = source.emit(Now(nothing, nothing, nothing, None))
            if not isinstance(drive, Drive):
                raise TypeError(f"stimulus {span.name!r} is steady: it gives a `Drive`, not arrivals; got {type(drive).__name__}.")
            drives[span.group] = drives[span.group] + spread_drive(drive, span, model.layout.group(span.group).n)
    return drives


def spread_drive(drive: Drive, span: StimulusSpan, n: int) -> Drive:
    """A drive on some neurons as a drive on their whole group."""
    return Drive(*(spread(x, span, n) for x in (drive.g, drive.i, drive.jump)))


def spread(x: Any, span: StimulusSpan, n: int) -> Any:
    """A value for some neurons as a value for their whole group of `n`, 0 elsewhere."""
    if x is None or (span.start == 0 and span.n == n):
        return x
    return jnp.zeros(n, x.dtype).at[span.start : span.start + span.n].set(x)
