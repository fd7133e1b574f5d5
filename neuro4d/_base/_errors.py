"""Messages that teach: what was expected, what came, and a line that works."""

import difflib
from collections.abc import Iterable


class UnitError(TypeError):
    """A number without a unit, or with a unit of another dimension."""


class CorruptFileError(ValueError):
    """A file that is damaged, cut off, or not what its name and its head say. The message names the path."""


class UnsafeFileError(ValueError):
    """A file that asks for more than to be read: it names other files, holds objects, or declares absurd sizes. The message names the place."""


class NotInNIRError(ValueError):
    """A network with parts that NIR does not know; the message lists all of them."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the nearest choice, or the list of choices when nothing is near."""
    names = sorted(str(choice) for choice in choices)
    near = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    if near:
        return f" Did you mean '{near[0]}'?"
    return f" Known: {', '.join(names)}." if names else ""


def lookup(table, name: str, what: str):
    """`table[name]`, or a `KeyError` that names the nearest key."""
    if name not in table:
        raise UnknownNameError(f"no {what} named {name!r}.{did_you_mean(name, table)}")
    return table[name]


class UnknownNameError(KeyError):
    """A name that nothing carries. Prints its message without the quotes that `KeyError` adds."""

    def __str__(self) -> str:
        return str(self.args[0])


def check_name(name: object, what: str) -> str:
    """A name that is safe as a key, a label and a part of a file name."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a {what} is a string, for example `'cells'`; got {name!r}.")
    allowed = all(letter.isalnum() or letter in "_-.+ " for letter in name)
    if not (0 < len(name) <= 100) or not allowed or name.startswith(".") or name != name.strip():
        raise ValueError(
            f"the name of a {what} has 1 to 100 letters, digits, spaces or any of `_-.+`, and starts with none of `. `; got {name!r}."
        )
    return name


def check_count(n: object, what: str, low: int = 1) -> int:
    """A whole number of things; booleans, floats and strings are refused instead of cast."""
    if isinstance(n, bool) or not is_index(n):
        raise TypeError(f"{what} is a whole number, for example `100`; got {n!r}.")
    count = n.__index__()  # type: ignore[attr-defined]
    if count < low:
        raise ValueError(f"{what} must be at least {low}; got {count}.")
    return count


def is_index(n: object) -> bool:
    """Whether Python accepts the object as an index."""
    return callable(getattr(type(n), "__index__", None))


def first_bad(bad) -> str:
    """` (first at index i)` for the first true entry of an array, nothing for a scalar."""
    import numpy as np

    where = np.argwhere(np.atleast_1d(bad))
    return "" if np.ndim(bad) == 0 or len(where) == 0 else f" (first at index {', '.join(str(i) for i in where[0])})"
