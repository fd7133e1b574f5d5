"""Data as text and back: JSON that says every number exactly."""

import json
from typing import Any

from neuro4d.describe._errors import DescriptionError
from neuro4d.describe._limits import MAX_TEXT


def to_text(data: Any, *, lines: bool = True) -> str:
    """JSON; a float as the shortest text that gives it back. `lines`: whether each entry has a line of its own."""
    return json.dumps(data, allow_nan=False, ensure_ascii=False, indent=1 if lines else None, separators=None if lines else (",", ":"))


def from_text(text: str, most: int = MAX_TEXT) -> Any:
    """The data of a text of at most so many letters.

    **Raises:** `DescriptionError` for what is no JSON, too long, nested too deeply, or names one key twice.
    """
    if len(text) > most:
        raise DescriptionError(f"the text has {len(text):,} letters; at most {most:,} are read.")
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise DescriptionError("the text is nested too deeply.") from error
    except DescriptionError:
        raise
    except ValueError as error:
        raise DescriptionError(f"the text is no JSON: {error}.") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise DescriptionError(f"the key {twice!r:.80} stands twice.")
    return found


def _refuse(word: str) -> Any:
    raise DescriptionError(f"{word} is no number of JSON.")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise DescriptionError(f"{digits:.40} is larger than any number.")
    return value
