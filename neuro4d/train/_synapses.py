"""Eligibilities of synapses, one by one, or of their sources as a typical target would see them."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from neuro4d.train._aims import Synapses
from neuro4d.train._tangents import Changes, Local, variables


def first_traces(synapses: Synapses, number: int, sources: int | None, dtype: Any) -> list[Array]:
    """No trace yet, one array per variable of the target: `(k,)` for synapses, `(d, sources)` for sources."""
    shape = synapses.source.shape if sources is None else (synapses.delays.shape[0], sources)
    return [jnp.zeros(shape, dtype) for _ in range(number)]


def of_synapses(signals: Changes, step: Local, traces: list[Array], synapses: Synapses, arrived: Array) -> tuple[list[Array], Array]:
    """The eligibilities after a step, and their share in the gradient, `(count, k)`. `arrived`: from `arriving`."""
    at, z, k = synapses.target, arrived[synapses.which, synapses.source], range(len(traces))
    later = [sum(step.to[a][b][at] * traces[b] for b in k) + step.arrive[a][at] * z for a in k]
    return later, _share(signals, step, traces, later, synapses, z)


def of_sources(signals: Changes, step: Local, traces: list[Array], synapses: Synapses, arrived: Array) -> tuple[list[Array], Array]:
    """The same with one trace per source and delay: what a spike does to the typical target, in the middle of all of them."""
    k = range(len(traces))
    to = [[jnp.median(step.to[a][b]) for b in k] for a in k]
    arrive = [jnp.median(step.arrive[a]) for a in k]
    later = [sum(to[a][b] * traces[b] for b in k) + arrive[a] * arrived for a in k]
    here = (synapses.which, synapses.source)
    return later, _share(signals, step, [trace[here] for trace in traces], [trace[here] for trace in later], synapses, arrived[here])


def _share(signals: Changes, step: Local, before: list[Array], after: list[Array], synapses: Synapses, z: Array) -> Array:
    """What the synapses have done to what is observed, `(count, k)`."""
    at, group = synapses.target, synapses.target_group
    spike = sum(step.spike[b][at] * trace for b, trace in enumerate(before)) + step.spike_arrive[at] * z
    share = signals.soft[group][:, at] * spike
    for signal, trace in zip(variables(signals.groups, group), after, strict=True):
        share = share + signal[:, at] * trace
    return share
