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
from neuro4d.stimuli import Now


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
    """Propagators by group, thresholds of Poisson counts by bank, and the sum of all stimuli that never change by group."""

    groups: dict[str, GroupConstants]
    thresholds: dict[str, UInt32[Array, "s j"]]
    steady: dict[str, Drive]


def prepare(model: ModelFields) -> Constants:
    """The constants of a step. `scan` calls it outside the loop, `step` in every step."""
    groups = {group.name: _of_group(model, group) for group in model.layout.groups}
    return Constants(groups, {name: bank.table() for name, bank in model.banks.items()}, _steady(model))


def _of_group(model: ModelFields, group: Group) -> GroupConstants:
    parts = [model.neurons[span.name] for span in group.spans]
    ports = {port: [model.receptors[span.name][port] for span in group.spans] for port in group.port_names}
    sizes = [span.size for span in group.spans]
    neuron, of_neuron, receptors, of_receptors = _propagators(parts, ports, sizes, model.dt_ms)
    native = None if obstacle(model, group) else _native(parts, ports, group, model.dt_ms)
    return GroupConstants(neuron, receptors, of_neuron, of_receptors, native)


def _propagators(parts: list[Any], ports: dict[str, list[Any]], sizes: list[int], dt: float) -> tuple[Any, Any, dict, dict]:
    neuron = merge(parts, sizes)
    receptors = {port: merge(each, sizes) for port, each in ports.items()}
    of_receptors = {port: receptor.constants(dt, neuron.membrane()) for port, receptor in receptors.items()}
    return neuron, neuron.constants(dt), receptors, of_receptors


def _native(parts: list[Any], ports: dict[str, list[Any]], group: Group, dt: float) -> NativeConstants:
    scalars = all(leaf.ndim == 0 for leaf in jax.tree.leaves((parts, ports)))
    sizes = [1 if scalars else span.size for span in group.spans]
    _, of_neuron, _, of_receptors = _propagators(parts, ports, sizes, dt)
    return NativeConstants(of_neuron, tuple(of_receptors.values()), jnp.asarray(np.array(group.bounds)))


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


def spread_drive(drive: Drive, span: StimulusSpan, n: int, steps: bool = False) -> Drive:
    """A drive on some neurons as a drive on their whole group."""
    return Drive(*(spread(x, span, n, steps) for x in (drive.g, drive.i, drive.jump)))


def spread(x: Any, span: StimulusSpan, n: int, steps: bool = False) -> Any:
    """A value for some neurons as a value for their whole group of `n`, 0 elsewhere; with an axis of `steps` in front, or without."""
    if x is None or (span.start == 0 and span.n == n):
        return x
    here = slice(span.start, span.start + span.n)
    if not steps:
        return jnp.zeros(n, x.dtype).at[here].set(x)
    return jnp.zeros((x.shape[0], n), x.dtype).at[:, here].set(x.reshape(x.shape[0], -1))
