"""A table of bad inputs: the call, the error, and what its message says. Nothing here needs pytest or `assert`, so that it runs under `python -O`."""

import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class BadInput(NamedTuple):
    """A call that has to be refused, the class of the error, and a regular expression for its message."""

    call: Callable[[], Any]
    error: type[BaseException]
    says: str


class Said(NamedTuple):
    """What came of it: the class of the error and its message, or `None` and nothing."""

    error: str | None
    message: str
    fault: str = ""


class Table(dict):
    """Bad inputs by what they are. Names begin with the number of the kind of mistake, such as `B01`."""

    def __call__(self, name: str, call: Callable[[], Any], error: type[BaseException], says: str) -> None:
        if name in self:
            raise ValueError(f"two rows are named {name!r}")
        self[name] = BadInput(call, error, says)


@contextmanager
def nothing_runs() -> Iterator[None]:
    """Within it, no loop of a simulation is called, and warnings are errors."""

    def called(*_: Any) -> None:
        raise SystemError("the loop was called")

    # By module name: the function `simulate` hides the package of that name.
    places = [(sys.modules["neuro4d.simulate._run"], "run_chunk"), (sys.modules["neuro4d.simulate._batch"], "run_lanes")]
    kept = [getattr(module, name) for module, name in places]
    for module, name in places:
        setattr(module, name, called)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        for (module, name), own in zip(places, kept, strict=True):
            setattr(module, name, own)


def say(row: BadInput) -> Said:
    """Makes the call. `fault`: why what came is not what has to come, or nothing."""
    try:
        with nothing_runs():
            row.call()
    except row.error as error:
        message = str(error)
        right = re.search(row.says, message, re.DOTALL) is not None
        return Said(type(error).__name__, message, "" if right else f"the message lacks {row.says!r}: {message}")
    except Exception as error:
        return Said(type(error).__name__, str(error), f"{type(error).__name__} in the place of {row.error.__name__}: {error}")
    return Said(None, "", "nothing was raised")
