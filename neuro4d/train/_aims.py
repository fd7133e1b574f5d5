"""Whose tangent a place needs: one for all neurons, one for each, or one for each synapse."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32

from neuro4d.model import Model, Weights
from neuro4d.neurons import PoissonNeuron
from neuro4d.train._parameters import Places, Where, read


class Synapses(eqx.Module):
    """The synapses of a projection: their source and target in the groups, and the number of their delay, all `(k,)`; `delays` in steps;
    the port, and whether they arrive at the beginning of a step."""

    source: Int32[Array, " k"]
    target: Int32[Array, " k"]
    which: Int32[Array, " k"]
    delays: Int32[Array, " d"]
    source_group: str = eqx.field(static=True)
    target_group: str = eqx.field(static=True)
    port: int = eqx.field(static=True)
    early: bool = eqx.field(static=True)

    @property
    def place(self) -> tuple[str, int, bool]:
        """Where they arrive: group, port, and whether at the beginning of a step."""
        return self.target_group, self.port, self.early


class Aim(eqx.Module):
    """Where the numbers of a place act.

    **Fields:** `group`: in which group, or `None` where one number acts on all; `start`, `size`: on which of its neurons, where each has
    a number; `synapses`: where each synapse has one.
    """

    group: str | None = eqx.field(static=True)
    start: int = eqx.field(static=True)
    size: int = eqx.field(static=True)
    synapses: Synapses | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the numbers."""
        return () if self.group is None else (self.size,)


def aims(model: Model, where: Places) -> dict[str, Aim]:
    """Where the numbers of each place act.

    **Raises:** `ValueError` for arrays that are neither one number, nor one per neuron, nor `n4.Weights`.
    """
    values = read(model, where)
    return {name: _aim(model, name, place, values[name].shape) for name, place in where.items()}


def _aim(model: Model, name: str, place: Where, shape: tuple[int, ...]) -> Aim:
    if isinstance(place, Weights):
        return _of_weights(model, place.projection)
    mark = object()
    marked = eqx.tree_at(place, model, mark)
    _check_known(marked, mark, name)
    if not shape:
        return Aim(None, 0, 1)
    span = _span(model, marked, mark)
    if span is None or shape != (span[2],):
        raise ValueError(
            f"`where` of {name!r} gives numbers of shape {shape} that do not belong to the neurons of one population: eligibility knows one "
            "number for all, one per neuron, and synapses by `n4.Weights('e')`. `n4.train.Differences` knows every place."
        )
    return Aim(*span)


def _check_known(marked: Model, mark: object, name: str) -> None:
    """Refuses numbers that no eligibility reaches, instead of finding 0 for them. `marked`: the model with a mark in their place."""
    if any(path.free is not None and _holds(path.free, mark) for path in marked.pathways.values()):
        raise ValueError(
            f"`where` of {name!r} points at delays that are trained, or their spread: eligibility follows what arrives, not when. "
            "`n4.train.Surrogate` and `n4.train.Differences` know them."
        )
    if any(_holds(gap, mark) for gap in marked.gaps.values()):
        raise ValueError(
            f"`where` of {name!r} belongs to gap junctions: eligibility keeps partners where they are. `n4.train.Surrogate` and "
            "`n4.train.Differences` know them."
        )
    if any(_holds(path, mark) for path in marked.pathways.values()):
        raise ValueError(f"`where` of {name!r} points at synapses as they lie in memory; write `n4.Weights('e')`.")
    if any(bank.mean is mark for bank in marked.banks.values()):
        raise ValueError(
            f"`where` of {name!r} is the rate of Poisson input: its counts have no derivative. `n4.train.Differences` knows it."
        )
    if any(isinstance(neuron, PoissonNeuron) and _holds(neuron, mark) for neuron in marked.neurons.values()):
        raise ValueError(f"`where` of {name!r} belongs to neurons that fire at random: no derivative. `n4.train.Differences` knows it.")


def _span(model: Model, marked: Model, mark: object) -> tuple[str, int, int] | None:
    """Group, first neuron and number of neurons that an array of parameters or of a stimulus belongs to."""
    for name, neuron in marked.neurons.items():
        if any(_holds(part, mark) for part in (neuron, *marked.receptors[name].values())):
            span = model.populations[name]
            return span.group, span.start, span.size
    for stimulus in model.layout.stimuli:
        if _holds(marked.sources[stimulus.name], mark):
            return stimulus.group, stimulus.start, stimulus.n
    return None


def _holds(part: Any, mark: object) -> bool:
    return any(value is mark for value in vars(part).values())


def _of_weights(model: Model, projection: str) -> Aim:
    span = model.layout.projections_by_name[projection]
    path, edges = model.pathways[span.pathway], model.edges(projection)
    if path.plastic:
        raise ValueError(f"the weights of {projection!r} live in the state (plasticity); eligibility needs those of a model without.")
    if path.free is not None:
        raise ValueError(
            f"the delays of {projection!r} are trained, so its spikes arrive between the steps: eligibility needs delays on the grid, "
            "`model.freeze()`. `n4.train.Surrogate` and `n4.train.Differences` know the weights as they are."
        )
    steps = np.maximum(np.rint(np.asarray(edges.delay.mantissa, np.float64) / model.dt_ms), 1).astype(np.int32)
    delays, which = np.unique(steps, return_inverse=True)
    synapses = Synapses(
        jnp.asarray(edges.pre + (span.pre.in_group - span.pre.first), jnp.int32),
        jnp.asarray(edges.post + (span.post.in_group - span.post.first), jnp.int32),
        jnp.asarray(which.reshape(-1), jnp.int32),
        jnp.asarray(delays, jnp.int32),
        path.source,
        path.target,
        model.layout.group(path.target).port_number(span.port),
        path.early,
    )
    return Aim(path.target, 0, len(edges), synapses)
