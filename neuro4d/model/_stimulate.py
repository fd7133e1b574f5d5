"""What stimuli give in a step, and the values that come from outside."""

from typing import Any

import brainunit as u
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d._base import Drive, UnknownNameError, address, did_you_mean, step_address
from neuro4d.model._constants import Constants, spread, spread_drive
from neuro4d.model._fields import ModelFields
from neuro4d.model._layout import StimulusSpan
from neuro4d.model._stages import Outside
from neuro4d.model._state import State
from neuro4d.stimuli import Now


def stimulate(model: ModelFields, constants: Constants, state: State, values: dict[str, Any]) -> dict[str, Outside]:
    """Stimuli other than constant Poisson input: drives and arrivals by group, in the order of their definition."""
    elapsed = state.step - state.start
    drives: dict[str, list[Drive]] = {group: [drive] for group, drive in constants.steady.items()}
    arrivals: dict[str, list[Array]] = {group: [] for group in drives}
    ports: dict[str, list[int]] = {group: [] for group in drives}
    for span in model.layout.stimuli:
        source = constants.sources[span.name]
        if source.steady:
            continue
        group = model.layout.group(span.group)
        a, b = step_address(state.key, address(0, "stimulus", span.name), elapsed)
        out = source.emit(Now(elapsed, a, b, values.get(span.name)))
        if isinstance(out, Drive):
            drives[group.name].append(spread_drive(out, span, group.n))
        elif out is not None and span.port is not None:
            arrivals[group.name].append(spread(jnp.asarray(out), span, group.n))
            ports[group.name].append(group.port_number(span.port))
    return {group: Outside(tuple(drives[group]), tuple(arrivals[group]), tuple(ports[group])) for group in drives}


def input_spans(model: ModelFields) -> dict[str, StimulusSpan]:
    """The ports for values from outside, by name."""
    return {span.name: span for span in model.layout.stimuli if model.sources[span.name].takes_value}


def input_unit(model: ModelFields, span: StimulusSpan) -> Any:
    """The unit of the values of an `Input`: a current, or the weights of its port."""
    return u.pA if span.port is None else port_unit(model, span.group, span.port)


def port_unit(model: ModelFields, group: str, port: str) -> Any:
    """The unit of the weights of a port."""
    return model.receptors[model.layout.group(group).spans[0].name][port].weight_unit


def check_inputs(model: ModelFields, inputs: dict[str, Any] | None) -> dict[str, Any]:
    """Values for one step, bare, in the precision of the model. Raises for names that no port carries and shapes that do not fit."""
    spans, given = input_spans(model), {}
    for name, value in (inputs or {}).items():
        if name not in spans:
            raise UnknownNameError(f"no Input named {name!r}.{did_you_mean(name, spans)}")
        if isinstance(value, u.Quantity):
            value = value.to_decimal(input_unit(model, spans[name]))
        value, shape = jnp.asarray(value, model.dtype), model.sources[name].value_shape()
        if value.shape not in ((), shape):
            raise ValueError(f"input {name!r} is a scalar or has shape {shape}; got shape {value.shape}.")
        given[name] = value
    return given
