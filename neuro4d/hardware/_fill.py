"""Cores that are filled to the brim: how many neurons of an order fit on one."""

import abc
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from neuro4d.hardware._incoming import Incoming
from neuro4d.kernels import CoreLimits, FillTable, fill_native, native_available

AHEAD = 1.25
"""How much further than the core before is looked at a time."""

UNKNOWN = 2**62
"""In place of a limit that is not known."""


class AbstractFill(abc.ABC):
    """Neurons in an order, what they need, and what a core takes.

    **Arguments:** `incoming`: their synapses; `more`: bits for one more synapse of a source, by how many it has on the core, `(m,)`; `own`: bits of a neuron itself; `limits` of a
    core by resource.
    """

    def __init__(self, incoming: Incoming, more: Int[np.ndarray, " m"], own: int, limits: dict[str, int]):
        self.incoming, self.more, self.own, self.limits = incoming, more, own, limits
        self.leaving = np.zeros(len(incoming.start))  # how many cores the neurons before each place reach, as far as that is known

    @abc.abstractmethod
    def ends(self, low: int, end: int, most: int) -> list[int]:
        """Where cores end that begin at `low` and are each filled to the brim, up to `end` or `most` of them. Fewer where a neuron does not fit on a core of its own."""


class NativeFill(AbstractFill):
    """By the extension."""

    def __init__(self, incoming: Incoming, more: Int[np.ndarray, " m"], own: int, limits: dict[str, int]):
        super().__init__(incoming, more, own, limits)
        n = len(incoming.start) - 1
        self.now, self.seen = 0, (np.zeros(n, np.int32), np.zeros(n, np.int32))

    def ends(self, low: int, end: int, most: int) -> list[int]:
        table = FillTable(self.incoming.start, self.incoming.source, self.more, self.leaving, *self.seen)
        limits = CoreLimits(
            neurons=self.limits["neurons"],
            axons_in=self.limits.get("axons_in", UNKNOWN),
            memory=self.limits.get("memory", UNKNOWN),
            own=self.own,
            axons_out=float(self.limits.get("axons_out", np.inf)),
        )
        found, self.now = fill_native(table, self.now, low, end, most, limits)
        return found


class Needs(NamedTuple):
    """What the first 1, 2, ... neurons of a stretch need together, `(k,)` each, by resource; `None` where the chip knows no limit."""

    axons_in: Int[np.ndarray, " k"] | None
    memory: Int[np.ndarray, " k"] | None
    axons_out: Float[np.ndarray, " k"] | None


class PlainFill(AbstractFill):
    """With NumPy."""

    def __init__(self, incoming: Incoming, more: Int[np.ndarray, " m"], own: int, limits: dict[str, int]):
        super().__init__(incoming, more, own, limits)
        self.rank = incoming.ranks()
        self.before = np.zeros(len(incoming.start) - 1, np.int32)  # how many synapses of each source come before the place `at`
        self.at = 0

    def ends(self, low: int, end: int, most: int) -> list[int]:
        found: list[int] = []
        guess = 64
        while low < end and len(found) < most:
            self._begin(low)
            while True:
                high = min(low + min(guess, self.limits["neurons"]), end)
                number = self._fitting(low, high)
                if low + number < high or high == end or number == self.limits["neurons"]:
                    break
                guess *= 2
            if not number:
                break
            guess = int(number * AHEAD) + 2
            low += number
            found.append(low)
        return found

    def _begin(self, low: int) -> None:
        """Moves `before` to the place `low`."""
        if low < self.at:
            self.before[:], self.at = 0, 0
        span = slice(self.incoming.start[self.at], self.incoming.start[low])
        self.before[self.incoming.source[span]] = self.rank[span] + 1  # the last of each source counts: places ascend, and so do ranks
        self.at = low

    def _fitting(self, low: int, high: int) -> int:
        """How many neurons from `low` on fit on one core; at most `high - low`."""
        found = min(high - low, self.limits["neurons"])
        for name, used in self._needs(low, high)._asdict().items():
            if used is not None:  # a single neuron that reaches too many cores is dealt with where it is known how many these are
                found = min(found, max(int(np.searchsorted(used, self.limits[name], side="right")), name == "axons_out"))
        return found

    def _needs(self, low: int, high: int) -> Needs:
        begin, end = self.incoming.start[low], self.incoming.start[high]
        source = self.incoming.source[begin:end]
        rank = self.rank[begin:end] - self.before[source]
        last = self.incoming.start[low + 1 : high + 1] - begin
        upto = lambda x: np.concatenate([[0], np.cumsum(x, dtype=np.int64)])[last]  # noqa: E731
        return Needs(
            upto(rank == 0) if "axons_in" in self.limits else None,
            upto(self.more[rank]) + np.arange(1, high - low + 1) * self.own if "memory" in self.limits else None,
            self.leaving[low + 1 : high + 1] - self.leaving[low] if "axons_out" in self.limits else None,
        )


def filling(incoming: Incoming, more: Int[np.ndarray, " m"], own: int, limits: dict[str, int]) -> AbstractFill:
    """How cores are filled on this machine."""
    return (NativeFill if native_available() else PlainFill)(incoming, np.ascontiguousarray(more, np.int64), own, limits)
