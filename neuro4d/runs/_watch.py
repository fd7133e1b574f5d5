"""Rows for all that is run while somebody watches."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from neuro4d._base import LISTENERS, AbstractListener

_LONGEST_ERROR = 2000

BEGUN = frozenset({"run", "tune", "fit"})
"""Kinds with one row, which is there from the beginning. Rows of a sweep are as many as its runs, and a benchmark gives its own name."""


def how_it_failed(error: BaseException) -> tuple[str, dict[str, str]]:
    """The status of a row of what has raised, and what is noted as its metrics."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", {}
    return "failed", {"error": f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]}


class Call(NamedTuple):
    """One call: of what kind, and the number of its row if there is one already."""

    kind: str
    number: int | None


class Watcher(AbstractListener):
    """Writes a row for each call into a database of runs, which has `start`, `finish`, `record` and `add`."""

    def __init__(self, db: Any, name: str | None, said: dict[str, Any]):
        self._db, self._name, self._said = db, name, said

    def begun(self, kind):
        return Call(kind, self._db.start(self._name or kind, kind=kind, **self._said) if kind in BEGUN else None)

    def ended(self, call, result):
        if call.number is None:
            self._written(lambda: self._db.record(result, self._name, **self._said))
        else:
            self._written(lambda: self._db.finish(call.number, result))

    def failed(self, call, error):
        status, metrics = how_it_failed(error)
        if call.number is None:
            self._written(lambda: self._db.add(call.kind, self._name or call.kind, status=status, metrics=metrics, **self._said))
        else:
            self._written(lambda: self._db.finish(call.number, status=status, metrics=metrics))

    def _written(self, write: Callable[[], Any]) -> None:
        try:
            write()
        except Exception as error:  # whatever it is, the result is worth more than its row
            warnings.warn(f"{self._db.path} has no row of what has just ended: {error}", RuntimeWarning, stacklevel=4)


@contextlib.contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """One more who listens, in this thread."""
    token = LISTENERS.set((*LISTENERS.get(), watcher))
    try:
        yield
    finally:
        LISTENERS.reset(token)
