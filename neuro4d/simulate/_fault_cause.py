"""What probably made a fault: the step is made again without one of the values that enter it. Where that helps, it was that value."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import field_units
from neuro4d.model import Model, Span, State, StimulusSpan, input_spans, input_unit, unit_of_weights
from neuro4d.simulate._fault_place import Place, is_good, value_at, with_unit
from neuro4d.simulate._find_fault import Found

MANY_EDGES = 20_000_000
"""Edges of a projection that are listed one by one on the host; of more only the largest weight is looked at."""

UNUSUAL = 1e6
"""Parameters so much larger or smaller than 1 in their unit are named."""


def likely_cause(model: Model, found: Found, before: State, place: Place | None) -> str:
    """A sentence without its end. `before`: the state of the lane before the step."""
    for text in _not_finite_parts(model, place):
        return text
    if place is None or place.population is None or place.variable is None or place.neuron is None:
        return _of_synapses(model, before, place)
    trial = _Trial(model, found, place)
    span = model.populations[place.population]
    for text in (*_inputs(trial, span), *_variables(trial, span, before), *_arrivals(trial, before)):
        return text
    return _parameters(model, span, place, value_at(model, before, place))


class _Trial:
    """The step, made again with something changed."""

    def __init__(self, model: Model, found: Found, place: Place):
        self.model, self.place = model, place
        self._found, self.pieces = found, found.replay.piece(found.done, 1)

    def helps(self, state: Callable[[State], State] | None = None, pieces: dict[str, Any] | None = None) -> bool:
        """Whether the place stays good."""
        replay, before = self._found.replay, self._found.before
        changed = before if state is None else state(before)
        after, _ = replay.run(changed, replay.first_carries(), pieces or self.pieces, self._found.done, 1)
        whole = np.asarray(after[self.place.population, self.place.variable])
        value = whole[..., self.place.neuron] if self._found.lane is None else whole[self._found.lane, self.place.neuron]
        return bool(is_good(str(self.place.variable), np.asarray(value)))

    def index(self, neuron: int) -> tuple[int, ...]:
        """A neuron of a group in an array of the states."""
        return (neuron,) if self._found.lane is None else (self._found.lane, neuron)


def _inputs(trial: _Trial, span: Span) -> Iterator[str]:
    """Values from outside."""
    for name, port in input_spans(trial.model).items():
        at = span.start + int(trial.place.neuron or 0) - port.start
        if name not in trial.pieces or port.group != span.group or not 0 <= at < port.n:
            continue
        values = np.asarray(trial.pieces[name])[0]
        if values.any() and trial.helps(pieces=trial.pieces | {name: jnp.zeros_like(trial.pieces[name])}):
            yield f"the value {_entry(trial.model, port, values, at)} of input {name!r} in this step"


def _entry(model: Model, port: StimulusSpan, values: np.ndarray, at: int) -> str:
    """The value for a neuron, or the largest where it is not known which one that is."""
    one = values.reshape(-1)[at] if values.shape == (port.n,) else values.reshape(-1)[np.argmax(np.abs(values))]
    return with_unit(one, input_unit(model, port))


def _variables(trial: _Trial, span: Span, before: State) -> Iterator[str]:
    """Other variables of the neuron, as the step before left them."""
    units = trial.model.variables(span.name)
    for name, whole in before.variables(span.group).items():
        if name == trial.place.variable or name not in units or not jnp.issubdtype(whole.dtype, jnp.inexact):
            continue
        value = np.asarray(whole)[span.start + int(trial.place.neuron or 0)]
        index = trial.index(span.start + int(trial.place.neuron or 0))
        if value and trial.helps(state=functools.partial(_without, group=span.group, name=name, index=index)):
            port, _, variable = name.rpartition(".")
            weight = _largest_weight(trial.model, before, trial.place, port) if port else ""
            yield f"variable {variable if not port else name!r} of the neuron, which was {with_unit(value, units[name])} before the step{weight}"


def _without(state: State, group: str, name: str, index: tuple[int, ...]) -> State:
    """A state in which a variable of a neuron is 0."""
    port, _, variable = name.rpartition(".")

    def of(state: State) -> Any:
        held = state.groups[group]
        return getattr(held.receptors[port] if port else held.neurons, variable)

    leaf = of(state)
    values = np.array(leaf)
    values[index] = 0
    return eqx.tree_at(of, state, jax.device_put(values, leaf.sharding))


def _arrivals(trial: _Trial, before: State) -> Iterator[str]:
    """Spikes that arrive in the step."""

    def silent(state: State) -> State:
        past = jax.tree.map(lambda x: jax.device_put(np.zeros_like(np.asarray(x)), x.sharding), state.history)
        return eqx.tree_at(lambda s: s.history, state, past)

    if trial.helps(state=silent):
        yield "the spikes that arrive in this step" + _largest_weight(trial.model, before, trial.place, None)


def _largest_weight(model: Model, state: State, place: Place, port: str | None) -> str:
    """The largest weight of an edge to a neuron, of all ports or of one, as an end of a sentence."""
    best, found = 0.0, ""
    for span in model.layout.projections:
        if span.post.population != place.population or port not in (None, span.port):
            continue
        path, unit = model.pathways[span.pathway], unit_of_weights(model, span.name)
        if path.targets.size > MANY_EDGES:
            held = state.edges.get(span.pathway)
            values = np.abs(np.asarray(path.weight if held is None else held.weight))
            own, edge = float(values.max(initial=0)), "synapses"
        else:
            edges = model.edges(span.name, state)
            here = np.flatnonzero(edges.post == place.neuron)
            sizes = np.abs(np.asarray(edges.weight.to_decimal(unit)))[here]
            own = float(sizes.max(initial=0))
            edge = f"edge {here[np.argmax(sizes)]}" if len(here) else ""
        if own > best:
            best, found = own, f"; the largest weight that reaches it is {with_unit(own, unit)}, of projection {span.name!r}, {edge}"
    return found


def _not_finite_parts(model: Model, place: Place | None) -> Iterator[str]:
    """Parameters and weights of the model that are NaN or infinite; those of the population first."""
    names = sorted(model.populations, key=lambda name: place is None or name != place.population)
    for name in names:
        parts = {f"population {name!r}": model.neurons[name]}
        parts |= {f"receptor {port!r} of population {name!r}": part for port, part in model.receptors[name].items()}
        for where, part in parts.items():
            for field, unit, values in _fields(part):
                if not np.isfinite(values).all():
                    at = "" if values.ndim == 0 else f", neuron {int(np.argmin(np.isfinite(values)))}"
                    value = with_unit(np.atleast_1d(values)[np.argmin(np.isfinite(np.atleast_1d(values)))], unit)
                    yield f"the parameter {type(part).__name__}.{field} of {where} is {value}{at}"
    for name, tree in (*model.sources.items(), *model.banks.items()):
        for leaf in jax.tree.leaves(tree):
            if jnp.issubdtype(leaf.dtype, jnp.inexact) and not np.isfinite(np.asarray(leaf)).all():
                yield f"stimulus {name!r} holds a number that is not finite"
    for span in model.layout.projections:
        if not np.isfinite(np.asarray(model.pathways[span.pathway].weight)).all():
            edges, unit = model.edges(span.name), unit_of_weights(model, span.name)
            bad = np.flatnonzero(~np.isfinite(np.asarray(edges.weight.to_decimal(unit))))
            if len(bad):
                yield f"the weight of edge {bad[0]} of projection {span.name!r} is {with_unit(edges.weight.to_decimal(unit)[bad[0]], unit)}"


def _fields(part: Any) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Parameters of a part that are numbers: name, unit, values."""
    for field, unit in field_units(part).items():
        values = getattr(part, field)
        if isinstance(values, jax.Array | np.ndarray):
            yield field, unit, np.asarray(values)


def _of_synapses(model: Model, before: State, place: Place | None) -> str:
    """Weights that learn, traces, lives: the rule, and the weight that it began with."""
    if place is None or place.projection is None:
        return "a rule of plasticity or a life cycle whose rates are too large for its variables"
    rule = model.plasticity[model.layout.projections_by_name[place.projection].pathway]
    value = value_at(model, before, place)
    return f"the rule {type(rule).__name__} of projection {place.projection!r}: its rates are too large for a weight of {with_unit(value, place.unit)}"


def _parameters(model: Model, span: Span, place: Place, before: float | None) -> str:
    """What is left: parameters of unusual size, time constants shorter than the step, stimuli, the step itself."""
    unusual = []
    parts = {"": model.neurons[span.name]} | {f" of receptor {port!r}": part for port, part in model.receptors[span.name].items()}
    for where, part in parts.items():
        for field, unit, values in _fields(part):
            value = float(values[place.neuron] if values.ndim else values)
            name = f"{type(part).__name__}.{field}{where} = {with_unit(value, unit)}"
            if value and not 1 / UNUSUAL <= abs(value) <= UNUSUAL:
                unusual.append(name)
            elif str(unit) == "ms" and 0 < value < model.dt_ms / 2:
                unusual.append(f"{name}, shorter than the time step")
    for each in model.layout.stimuli:
        inside = each.group == span.group and each.start < span.start + span.size and span.start < each.start + each.n
        leaves = [np.abs(np.asarray(leaf)) for leaf in jax.tree.leaves(model.sources[each.name]) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
        largest = max((float(leaf.max(initial=0)) for leaf in leaves), default=0.0)
        if inside and largest > UNUSUAL:
            unusual.append(f"stimulus {each.name!r}, which reaches {largest:.6g}")
    if unusual:
        return f"{' and '.join(unusual)} in population {span.name!r}"
    grown = "" if before is None else f" ({place.variable!r} was {with_unit(before, place.unit)} before it)"
    return f"a time step of {model.dt_ms} ms that is too large for {type(model.neurons[span.name]).__name__} with these parameters{grown}"
