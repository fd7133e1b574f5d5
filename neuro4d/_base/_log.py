"""Who keeps what training has done, so that it can go on after an interruption: a protocol, so that training knows no files."""

import abc
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

Tree = Mapping[str, Any]


class Kept(NamedTuple):
    """What was kept: a number that counts up, a nested dictionary of arrays, and plain data."""

    number: int
    tree: dict[str, Any]
    meta: dict[str, Any]


class AbstractLog(abc.ABC):
    """Keeps trees of arrays by number. `begin` is called once, `keep` whenever something more is done, and `close` however it ends."""

    @abc.abstractmethod
    def begin(self, what: Mapping[str, Any]) -> Kept | None:
        """Gets ready, or finds what to go on from. `what`: plain data that says what is done; that of what is found has to be the same."""

    @abc.abstractmethod
    def keep(self, number: int, make: Callable[[], tuple[Tree, Mapping[str, Any]]], last: bool) -> None:
        """Keeps what `make` gives, arrays and plain data, where that is due; `last`: nothing more will be done."""

    @abc.abstractmethod
    def close(self) -> None:
        """Returns when everything is kept."""


class AbstractLogs(abc.ABC):
    """What `fit` and `tune` take as `checkpoint=`."""

    @abc.abstractmethod
    def log(self, kind: str) -> AbstractLog:
        """The log of one call; `kind` says of what, `"fit"` or `"tune"`."""


class NoLog(AbstractLog):
    """Keeps nothing."""

    def begin(self, what: Mapping[str, Any]) -> None:
        return None

    def keep(self, number: int, make: Callable[[], tuple[Tree, Mapping[str, Any]]], last: bool) -> None:
        pass

    def close(self) -> None:
        pass


def log_of(checkpoint: Any, kind: str) -> AbstractLog:
    """The log of one call, one that keeps nothing for `None`.

    **Raises:** `TypeError` for anything else that keeps nothing.
    """
    if checkpoint is None:
        return NoLog()
    if not isinstance(checkpoint, AbstractLogs):
        raise TypeError(f"{kind}: checkpoint is None or `n4.io.Checkpoints('runs/{kind}', wall=60*u.second)`; got {type(checkpoint).__name__}.")
    return checkpoint.log(kind)


def array_of(kept: Kept, *path: str) -> np.ndarray:
    """An array of what was kept.

    **Raises:** `ValueError` where there is none at that place.
    """
    part: Any = kept.tree
    for name in path:
        part = part.get(name) if isinstance(part, dict) else None
    if not isinstance(part, np.ndarray):
        raise ValueError(f"what was kept has no array {'/'.join(path)!r}.")
    return part
