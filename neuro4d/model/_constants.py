"""What follows from the parameters alone, computed once per run."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, UInt32

from neuro4d._base import Drive, address
from neuro4d.model._choice import foreign, obstacle
from neuro4d.model._fields import ModelFields
from neuro4d.model._gap import GapConstants, gap_constants
from neuro4d.model._layout import Group, Layout, StimulusSpan
from neuro4d.model._merge import merge
from neuro4d.ops import opaque
from neuro4d.stimuli import AbstractSource, Noise, Now, PoissonBank, wave_bank


class NativeConstants(eqx.Module):
    """Propagators for the native pass over a group, with one value per population where all parameters are scalars. `neuron` is `None`
    where plain XLA updates the neurons from what the native pass says acts on them."""

    neuron: Any
    receptors: tuple[Any, ...]
    bounds: Int32[Array, " b"]


class GroupConstants(eqx.Module):
    """One group: its neuron model and receptors as one part each, and their propagators. `native` is `None` where plain XLA makes
    the whole step."""

    neuron: Any
    receptors: dict[str, Any]
    of_neuron: Any
    of_receptors: dict[str, Any]
    native: NativeConstants | None


class Constants(eqx.Module):
    """Propagators by group, thresholds of Poisson counts by bank, Poisson input that changes in time with its thresholds, and noise, by
    stimulus, the sum of all stimuli that never change by group, all stimuli by name, and gap junctions by group."""

    groups: dict[str, GroupConstants]
    thresholds: dict[str, UInt32[Array, "x y"]]
    waves: dict[str, tuple[PoissonBank, UInt32[Array, "t x y"]]]
    noise: dict[str, Noise]
    steady: dict[str, Drive]
    sources: dict[str, AbstractSource]
    gaps: dict[str, GapConstants]


def prepare(model: ModelFields) -> Constants:
    """The constants of a step. `simulate` and `scan` call it outside the loop, `step` in every step.

    The parameters that enter and the constants that come out are opaque to XLA, so that a step has the same bits whether they are
    arguments, parts of the program, or computed outside of a loop.
    """
    groups = {group.name: _of_group(model, group) for group in model.layout.groups}
    thresholds, waves, noise, steady, sources = _of_stimuli(model.sources, model.banks, model.layout)
    return Constants(groups, thresholds, waves, noise, steady, sources, gap_constants(model.gaps, model.layout))


def _of_group(model: ModelFields, group: Group) -> GroupConstants:
    parts = [model.neurons[span.name] for span in group.spans]
    receptors = [[model.receptors[span.name][port] for span in group.spans] for port in group.port_names]
    sizes = tuple(span.size for span in group.spans)
    native = not obstacle(model, group)
    made = _computed(parts, receptors, sizes, model.dt_ms, native, native and bool(foreign(model, group)))
    named = (dict(zip(group.port_names, each, strict=True)) for each in (made[1], made[3]))
    return GroupConstants(made[0], next(named), made[2], next(named), made[4])


@functools.partial(jax.jit, static_argnames=("sizes", "dt", "native", "foreign"), inline=True)
def _computed(parts: list[Any], receptors: list[list[Any]], sizes: tuple[int, ...], dt: float, native: bool, foreign: bool) -> tuple:
    """Neuron, receptors and their constants, without names: groups of one kind share a trace.

    The native pass takes one value per population where no parameter is an array; plain XLA then spreads the same values.
    """
    parts, receptors = opaque((parts, receptors))
    by_span = native and all(leaf.ndim == 0 for leaf in jax.tree.leaves((parts, receptors)))
    each = [1] * len(sizes) if by_span else list(sizes)
    neuron, merged = merge(parts, each), [merge(column, each) for column in receptors]
    of_receptors = [receptor.constants(dt, neuron.membrane()) for receptor in merged]
    if foreign:  # its constants may have any form, so they are made from parameters that are spread already
        neuron = merge(parts, list(sizes))
    of_neuron = neuron.constants(dt)
    if not native:
        return opaque((neuron, merged, of_neuron, of_receptors, None))
    bounds = jnp.asarray(np.cumsum([0, *sizes]), jnp.int32)
    held = NativeConstants(None if foreign else of_neuron, tuple(of_receptors), bounds)
    if by_span and len(sizes) > 1:
        of_receptors = jax.tree.map(lambda x: _to_neurons(x, sizes), of_receptors)
        of_neuron = of_neuron if foreign else jax.tree.map(lambda x: _to_neurons(x, sizes), of_neuron)
    return opaque((neuron, merged, of_neuron, of_receptors, held))


def _to_neurons(x: Array, sizes: tuple[int, ...]) -> Array:
    """One value per population as one per neuron."""
    return jnp.repeat(x, np.array(sizes), total_repeat_length=sum(sizes)) if x.ndim else x


@functools.partial(jax.jit, static_argnames=("layout",), inline=True)
def _of_stimuli(sources: dict[str, AbstractSource], banks: dict[str, PoissonBank], layout: Layout) -> tuple[dict, dict, dict, dict, dict]:
    """Thresholds by bank, rates that change, noise, steady drives by group, and all sources."""
    sources, banks = opaque((sources, banks))
    waves = {}
    for span in layout.stimuli:
        wave = sources[span.name].waves()
        if wave is not None:
            made = wave_bank(wave, (span.start, span.n), layout.group(span.group).n, address(0, "stimulus", span.name))
            waves[span.name] = (made, made.table())
    noise = {name: made for name, made in ((name, source.noise()) for name, source in sources.items()) if made is not None}
    return opaque(({name: bank.table() for name, bank in banks.items()}, waves, noise, _steady(sources, layout), sources))


def _steady(sources: dict[str, AbstractSource], layout: Layout) -> dict[str, Drive]:
    """Stimuli that never change, summed for every group."""
    drives = {group.name: Drive() for group in layout.groups}
    nothing = jnp.uint32(0)
    for span in layout.stimuli:
        source = sources[span.name]
        if source.steady:
            drive = source.emit(Now(nothing, nothing, nothing, None))
            if not isinstance(drive, Drive):
                raise TypeError(f"stimulus {span.name!r} is steady: it gives a `Drive`, not arrivals; got {type(drive).__name__}.")
            drives[span.group] = drives[span.group] + spread_drive(drive, span, layout.group(span.group).n)
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
