"""The declaration of a part: fields with a unit and a range, checked when the part is made."""

import dataclasses
import inspect
import re
from typing import Any, ClassVar

import equinox as eqx
import jax
import numpy as np

from neuro4d._base._errors import did_you_mean, first_bad
from neuro4d._base._units import attach, example, strip
from neuro4d._base._values import AbstractValue, check_value


class _Converter:
    """Turns what the user wrote into a bare float64 array, and knows the field's name for its messages."""

    def __init__(self, unit, low, high, open_low, optional):
        self.unit, self.low, self.high, self.open_low, self.optional = unit, low, high, open_low, optional
        self.where = "value"

    def __call__(self, x: Any) -> Any:
        if x is None and self.optional:
            return None
        if isinstance(x, AbstractValue):
            return check_value(x, self.unit, self.where)
        if isinstance(x, str):
            raise TypeError(f"{self.where}: expected a quantity such as `{example(self.unit)}`; got the string {x!r}.")
        array = strip(x, self.unit, self.where)
        check_range(array, self.unit, self.where, self.low, self.high, self.open_low)
        return array


def check_range(array: np.ndarray, unit, where: str, low=None, high=None, open_low=False) -> None:
    """Refuses what is not finite or lies outside `[low, high]`, naming the first offender."""
    bad = ~np.isfinite(array)
    text = "a finite number"
    if low is not None:
        bad = bad | ~(array > low if open_low else array >= low)
        text = f"{'more than' if open_low else 'at least'} {attach(low, unit)}"
    if high is not None:
        bad = bad | ~(array <= high)
        text += (
            f"{' and ' if low is not None else ''}at most {attach(high, unit)}" if low is not None else f", at most {attach(high, unit)}"
        )
    if np.any(bad):
        value = attach(np.atleast_1d(array)[np.atleast_1d(bad)][0], unit)
        raise ValueError(f"{where} must be {text}; got {value}{first_bad(bad)}. For example `{_last_name(where)}={example(unit)}`.")


def _last_name(where: str) -> str:
    return re.split(r"[.\s]", where)[-1]


def check_quantity(x: Any, unit, where: str, *, low=None, open_low=False) -> Any:
    """What a field declared with `quantity` does, for an argument that is stored by hand."""
    converter = _Converter(unit, low, None, open_low, False)
    converter.where = where
    return converter(x)


def check_fits(array: np.ndarray, dtype: Any, where: str, positive: bool = False) -> None:
    """Refuses finite numbers that would become infinite (or, where `positive`, zero) in the precision of the model."""
    exact = np.asarray(array, np.float64)
    with np.errstate(over="ignore", under="ignore"):
        rounded = exact.astype(dtype)
    bad = ~np.isfinite(rounded) | (positive & (rounded == 0) & (exact != 0))
    if np.any(bad):
        limits = np.finfo(dtype)
        value = np.atleast_1d(exact)[np.atleast_1d(bad)][0]
        raise ValueError(
            f"{where} must lie between {limits.tiny:.1e} and {limits.max:.1e} in size to be kept as {np.dtype(dtype).name}; "
            f"got {value:.6g}{first_bad(bad)}. Check its unit, or build with `precision=jnp.float64`."
        )


def quantity(unit, *, low=None, high=None, open_low=False, optional=False, default=dataclasses.MISSING):
    """A field with a unit.

    **Arguments:**

    - `unit`: the internal unit, or `NUMBER`.
    - `low`, `high`: the allowed range in that unit; `open_low` excludes the lower end.
    - `optional`: whether `None` is allowed.
    - `default`: a quantity.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> class Gain(n4.Izhikevich):
        ...     factor: float = n4.quantity(u.pA, low=0, default=1 * u.pA)
    """
    metadata = {"unit": unit}
    converter = _Converter(unit, low, high, open_low, optional)
    if default is dataclasses.MISSING:
        return eqx.field(converter=converter, metadata=metadata)
    return eqx.field(converter=converter, metadata=metadata, default_factory=lambda: default)


class AbstractPart(eqx.Module):
    """Base of everything that a network is made of: neurons, receptors, rules, stimuli, recorders."""

    _by_hand: ClassVar[bool] = False  # whether the constructor is written by hand, so that fields do not say what it was given

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls._by_hand = True
        for name, field in cls.__dict__.items():
            if isinstance(field, dataclasses.Field):
                converter = field.metadata.get("converter")
                if isinstance(converter, _Converter):
                    converter.where = f"{cls.__name__}.{name}"

    def __new__(cls, *args, **fields):
        # Before equinox's own constructor, whose message does not say what there is.
        known = [name for name in inspect.signature(cls.__init__).parameters if name != "self"]
        for name in fields:
            if name not in known:
                raise TypeError(f"{cls.__name__} has no argument {name!r}.{did_you_mean(name, known)}")
        made = super().__new__(cls)
        if cls._by_hand:
            object.__setattr__(made, "_given", (args, fields))
        return made


def arguments_of(part: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a constructor has to be given to make a part again: by position, and by name.

    A constructor that is made from the fields is given these, with their units. Of one that is written by hand the part remembers what it was given;
    a part that JAX has put together anew has forgotten it, and then the fields have to do.
    """
    given = part.__dict__.get("_given")
    if given is not None:
        return given[0], dict(given[1])
    units = field_units(part)
    known = inspect.signature(type(part).__init__).parameters
    found = {f.name: getattr(part, f.name) for f in dataclasses.fields(part) if f.name in known}
    return (), {name: attach(np.asarray(x), units[name]) if isinstance(x, np.ndarray | jax.Array) and name in units else x for name, x in found.items()}


def field_ranges(part: Any) -> tuple[tuple[str, float | None, float | None, bool], ...]:
    """The quantity fields of a part: name, lowest and highest value in the internal unit, and whether the lowest one is excluded."""
    found = []
    for f in dataclasses.fields(part):
        converter = f.metadata.get("converter")
        if isinstance(converter, _Converter):
            found.append((f.name, converter.low, converter.high, converter.open_low))
    return tuple(found)


def field_units(part: Any) -> dict[str, Any]:
    """The quantity fields of a part and their units."""
    return {f.name: f.metadata["unit"] for f in dataclasses.fields(part) if "unit" in f.metadata}
