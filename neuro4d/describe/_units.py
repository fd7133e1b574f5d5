"""Units as text."""

from types import MappingProxyType
from typing import Any

import brainunit as u

from neuro4d._base import COHERENT, NUMBER
from neuro4d.describe._errors import DescriptionError

_KNOWN = MappingProxyType({"1": NUMBER} | {str(unit): unit for unit in (*COHERENT, u.Hz, u.second, u.volt, u.amp, u.metre)})
_ORDER = ("m", "kg", "s", "A", "K", "mol", "cd")


def unit_text(unit: Any) -> Any:
    """A name such as `nS`; for a unit without one its dimensions and scale."""
    for name, known in _KNOWN.items():
        if unit == known:
            return name
    powers = {letter: float(power) for letter, power in zip(_ORDER, unit.dim._dims, strict=True) if power}
    return {"dimensions": powers, "scale": float(unit.scale), "base": float(unit.base), "factor": float(unit.factor)}


def unit_from(text: Any) -> Any:
    """The unit of a text.

    **Raises:** `DescriptionError` for a text that names none.
    """
    if isinstance(text, str) and text in _KNOWN:
        return _KNOWN[text]
    match text:
        case {"dimensions": dict(powers), "scale": float(scale), "base": float(base), "factor": float(factor), **rest} if not rest:
            if set(powers) <= set(_ORDER) and all(isinstance(power, float) for power in powers.values()) and base > 0 and factor > 0:
                dimension = u.get_or_create_dimension([powers.get(letter, 0.0) for letter in _ORDER])
                return u.Unit(dimension, scale=scale, base=base, factor=factor)
    raise DescriptionError(f"{text!r:.80} is no unit.")
