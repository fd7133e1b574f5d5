"""Progress of a build: how many synapses have been made."""

import threading
from types import TracebackType
from typing import Self

from neuro4d._base import progress_bar, watched

MANY = 5_000_000
"""From so many synapses on a build takes longer than a second."""


class BuildProgress:
    """A bar over the synapses of a build, told by several threads. `progress`: as in `Network.build`."""

    def __init__(self, n_edges: int, progress: bool | None) -> None:
        if progress is not None and not isinstance(progress, bool):
            raise TypeError(f"progress is True, False or None (only where a person can see it); got {progress!r}.")
        shown = (n_edges >= MANY and watched()) if progress is None else progress
        self._bar = progress_bar(n_edges, "synapses") if shown else None
        self._lock = threading.Lock()

    def advance(self, edges: int) -> None:
        """Report that `edges` more are made."""
        if self._bar is not None:
            with self._lock:
                self._bar.update(edges)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()
