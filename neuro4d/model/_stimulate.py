"""What stimuli give in a step, and the values that come from outside."""

from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d._base import Drive, UnknownNameError, address, did_you_mean, step_address
from neuro4d.model._constants import Constants, spread, spread_drive
from neuro4d.model._fields import ModelFields
from neuro4d.model._gap import gap_drives
from neuro4d.model._layout import StimulusSpan
from neuro4d.model._stages import NoiseInput, Outside
from neuro4d.model._state import State
from neuro4d.stimuli import Now


class _Gathered:
    """What stimuli give, by group, in the order of their definition."""

    def __init__(self, model: ModelFields, constants: Constants):
        self.model = model
        self.drives: dict[str, list[tuple[Drive, bool]]] = {group: [(drive, False)] for group, drive in constants.steady.items()}
        self.arrivals: dict[str, list[tuple[Array, int, bool]]] = {group: [] for group in constants.steady}
        self.noise: dict[str, list[NoiseInput]] = {group: [] for group in constants.steady}
        for span in model.layout.stimuli:
            if span.name in constants.noise:
                entity = address(0, "stimulus", span.name)
                self.noise[span.group].append(NoiseInput(constants.noise[span.name], span.name, entity, span.start, span.n))

    def add(self, span: StimulusSpan, out: Any, changes: bool) -> None:
        """What one stimulus gives, with an axis of steps in front if it `changes`."""
        group = self.model.layout.group(span.group)
        if isinstance(out, Drive):
            self.drives[group.name].append((spread_drive(out, span, group.n, changes), changes))
        elif out is not None and span.port is not None:
            self.arrivals[group.name].append((spread(jnp.asarray(out), span, group.n, changes), group.port_number(span.port), changes))

    def outside(self) -> dict[str, Outside]:
        """The same as values."""
        found = {}
        for group, drives in self.drives.items():
            arrivals = self.arrivals[group]
            found[group] = Outside(
                tuple(drive for drive, _ in drives),
                tuple(value for value, *_ in arrivals),
                tuple(self.noise[group]),
                tuple(port for _, port, _ in arrivals),
                tuple(changes for _, changes in drives),
                tuple(changes for *_, changes in arrivals),
            )
        return found


def stimulate(model: ModelFields, constants: Constants, state: State, values: dict[str, Any]) -> dict[str, Outside]:
    """Stimuli other than Poisson input, in one step, and what gap junctions exert."""
    gathered, elapsed = _Gathered(model, constants), state.step - state.start
    for span in model.layout.stimuli:
        source = constants.sources[span.name]
        if not (source.steady or _drawn(constants, span)):
            gathered.add(span, _emit(constants, span, state, elapsed, values.get(span.name)), False)
    for group, drive in gap_drives(constants.gaps, state.groups).items():
        gathered.drives[group].append((drive, False))
    return gathered.outside()


def stimulate_many(model: ModelFields, constants: Constants, state: State, series: dict[str, Any], length: int) -> dict[str, Outside]:
    """The same for `length` steps from the next on; `series` holds the values of `Input` ports, one row for each step."""
    gathered, steps = _Gathered(model, constants), state.step - state.start + jnp.arange(length, dtype=jnp.uint32)
    for span in model.layout.stimuli:
        source = constants.sources[span.name]
        if source.steady or _drawn(constants, span) or (source.takes_value and span.name not in series):
            continue
        gathered.add(span, jax.vmap(lambda elapsed, value, s=span: _emit(constants, s, state, elapsed, value))(steps, series.get(span.name)), True)
    return gathered.outside()


def numbers_per_step(model: ModelFields, constants: Constants) -> int:
    """How many numbers stimuli that change give in a step."""
    return sum(span.n for span in model.layout.stimuli if not (model.sources[span.name].steady or _drawn(constants, span)))


def _drawn(constants: Constants, span: StimulusSpan) -> bool:
    """Whether a stimulus is noise or Poisson input, which are drawn where they are added."""
    return span.name in constants.noise or span.name in constants.waves


def _emit(constants: Constants, span: StimulusSpan, state: State, elapsed: Array, value: Any) -> Any:
    entity = address(0, "stimulus", span.name)
    a, b = step_address(state.key, entity, elapsed)
    return constants.sources[span.name].emit(Now(elapsed, a, b, value, state.key, entity))


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
