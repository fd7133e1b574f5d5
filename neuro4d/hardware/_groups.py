"""Entries of flat tables: those that belong together, and which to take at a time."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

AT_ONCE = 1 << 22
"""Entries that are looked at together, about."""


def groups(key: Int[np.ndarray, " k"]) -> list[Int[np.ndarray, " g"]]:
    """Where equal keys stand, ascending; the smallest key first."""
    if not len(key):
        return []
    order = np.argsort(key, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(key[order])) + 1)


def spans(start: Int[np.ndarray, " k"], count: Int[np.ndarray, " k"]) -> Int[np.ndarray, " e"]:
    """The numbers `start[i]` to `start[i] + count[i] - 1`, one `i` behind the other."""
    return np.arange(int(count.sum())) + np.repeat(start - np.cumsum(count) + count, count)


def ranges(start: Int[np.ndarray, " n+1"]) -> Iterator[tuple[int, int]]:
    """Ranges `low`, `high` of rows with about `AT_ONCE` entries, at least one row each; those of row `i` are `start[i]` to `start[i + 1] - 1`."""
    low, n = 0, len(start) - 1
    while low < n:
        high = min(max(int(np.searchsorted(start, start[low] + AT_ONCE, side="right")) - 1, low + 1), n)
        yield low, high
        low = high
