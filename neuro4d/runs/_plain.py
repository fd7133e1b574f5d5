"""Values as JSON text and back, with nothing rounded or dropped."""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import brainunit as u
import jax
import numpy as np

LARGEST_TEXT = 4 * 2**20
"""Characters of one row. What is larger belongs into a file, whose sum the row holds."""

LARGEST_LIST = 1000
"""Elements of an array that are written out; of a larger one, shape, type and sum."""

DEEPEST = 24

REAL = frozenset("biuf")
"""Kinds of NumPy's types that are real numbers."""

NUMBER, UNIT, ARRAY = "$number", "$unit", "$array"
"""Keys of what JSON has no form for: a number that is not finite, a quantity, an array too large to be written out."""


def to_text(values: Mapping[str, Any], what: str) -> str:
    """Plain values as JSON, in ASCII only, so that no encoding can be mistaken for another.

    **Raises:** `ValueError` for too much of it.
    """
    text = json.dumps(marked(values), allow_nan=False, separators=(",", ":"))
    if len(text) > LARGEST_TEXT:
        raise ValueError(
            f"{what} takes {len(text)} characters; a row holds {LARGEST_TEXT}. Write it to a file and give the file, `files=['big.npz']`."
        )
    return text


def plain(value: Any, where: str, depth: int = 0) -> Any:
    """A value of Python, NumPy, JAX or brainunit as what JSON can hold.

    Quantities keep their unit. Arrays of more than a thousand elements leave shape, type and SHA-256.
    """
    if depth > DEEPEST:
        raise ValueError(f"{where} is nested more than {DEEPEST} deep.")
    match value:
        case None | bool() | str():
            return value
        case int():
            return _integer(int(value), where)
        case float():
            return float(value)
        case Mapping():
            return {_key(key, where): plain(each, f"{where}[{key!r}]", depth + 1) for key, each in value.items()}
        case list() | tuple():
            return [plain(each, f"{where}[{i}]", depth + 1) for i, each in enumerate(value)]
        case os.PathLike():
            return os.fspath(value)
        case u.Quantity():
            return {"value": plain(np.asarray(value.to_decimal(value.unit)), where, depth + 1), UNIT: str(value.unit)}
        case np.ndarray() | np.generic() | jax.Array():
            return _array(np.asarray(value), where) if getattr(value.dtype, "kind", "") in REAL else _refuse(value, where)
        case _:
            return _refuse(value, where)


def plain_mapping(values: Any, what: str) -> dict[str, Any]:
    """An argument of named values; `None` is none of them.

    **Raises:** `TypeError` for what is no dictionary.
    """
    if values is not None and not isinstance(values, Mapping):
        raise TypeError(f"{what} is a dictionary, for example `{what}={{'rate': 5.0}}`; got {values!r:.80}.")
    return plain(values or {}, what)


def marked(value: Any) -> Any:
    """Plain values with marks on the numbers that are not finite."""
    match value:
        case float():
            return _real(value)
        case Mapping():
            return {key: marked(each) for key, each in value.items()}
        case list() | tuple():
            return [marked(each) for each in value]
        case _:
            return value


def from_text(raw: bytes) -> Any:
    """What `to_text` wrote; marked numbers are numbers again, quantities and large arrays stay what JSON says of them.

    **Raises:** `ValueError` for anything else, however deep or long.
    """
    if len(raw) > LARGEST_TEXT:
        raise ValueError(f"{len(raw)} bytes of text")
    try:
        return json.loads(raw, object_hook=_unmarked, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def flat(values: Any, name: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with names joined by dots: `{"rates_hz": {"e": 3.0}}` is `{"rates_hz.e": 3.0}`."""
    if not isinstance(values, Mapping) or UNIT in values or ARRAY in values:
        return {name: values}
    found: dict[str, Any] = {}
    for key, each in values.items():
        found |= flat(each, f"{name}.{key}" if name else str(key))
    return found


def shown(value: Any) -> str:
    """A value for a table: a quantity with its unit, a number with six digits, a text without control characters."""
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
        case str():
            return value if value.isprintable() else ascii(value)
        case {"value": number, "$unit": unit}:
            return f"{shown(number)} {shown(unit)}"
        case _:
            return json.dumps(value, default=str)


def _integer(value: int, where: str) -> int:
    if not -(2**63) <= value < 2**64:
        raise ValueError(f"{where} is a whole number beyond 64 bits; give it as text, `str(...)`.")
    return value


def _real(value: float) -> Any:
    return value if math.isfinite(value) else {NUMBER: repr(value)}


def _key(key: Any, where: str) -> str:
    if not isinstance(key, str) or key.startswith("$"):
        raise TypeError(f"{where}: names are text that does not begin with `$`, for example `{{'rate': 5.0}}`; got {key!r:.80}.")
    return key


def _array(value: np.ndarray, where: str) -> Any:
    if value.size > LARGEST_LIST:
        sha = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {ARRAY: {"shape": list(value.shape), "dtype": value.dtype.name, "sha256": sha}}
    return plain(value.astype(np.float64).tolist() if value.dtype.kind == "f" else value.tolist(), where, 0)


def _refuse(value: Any, where: str) -> Any:
    raise TypeError(
        f"{where} has no text: numbers, texts, quantities, arrays of numbers, lists and dictionaries of them; got {value!r:.80}."
    )


def _unmarked(found: dict[str, Any]) -> Any:
    if set(found) != {NUMBER}:
        return found
    if found[NUMBER] not in ("nan", "inf", "-inf"):
        raise ValueError("a number that is none")
    return float(found[NUMBER])


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")
