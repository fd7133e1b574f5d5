"""Cuts an order of neurons into cores: as long as they fit, and no longer."""

import itertools
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from neuro4d.hardware._incoming import Incoming
from neuro4d.hardware._packing import CapacityError, limits, synapse_bits
from neuro4d.hardware._placement import FanOut
from neuro4d.hardware._schema import ChipTarget
from neuro4d.hardware._workload import Workload

REASONS = MappingProxyType(
    {
        "axons_in": "is reached by {used:,} sources; a core of {target} takes {limit:,} (axons_in). What would fit: at most {limit:,} sources for every neuron.",
        "axons_out": "reaches {used:,} other cores; a core of {target} sends to {limit:,} (axons_out). "
        "What would fit: targets on {limit:,} cores, with fewer neurons or with a method of `partition` that keeps them together.",
        "memory": "needs {used:,} bits for its synapses and itself; a core of {target} has {limit:,} (memory). What would fit: about {share:.0%} of its synapses.",
    }
)

RECUT, MARGIN = 6, 0.03
"""How often all borders are moved before cores are split, and by how much more than it seems they keep away from the limit each time."""

AHEAD = 1.25
"""How much further than the core before is looked at a time."""


class Needs(NamedTuple):
    """What the first 1, 2, ... neurons of a stretch need together, `(k,)` each, by resource; `None` where the chip knows no limit."""

    axons_in: Int[np.ndarray, " k"] | None
    memory: Int[np.ndarray, " k"] | None
    axons_out: Float[np.ndarray, " k"] | None


class Cutter:
    """Neurons in an order, and what any stretch of it uses.

    **Arguments:** `order`: the neurons, `(n,)`; `ends`: where stretches of it end that stay together, `(k,)`.
    """

    def __init__(self, workload: Workload, target: ChipTarget, order: Int[np.ndarray, " n"], ends: Int[np.ndarray, " k"]):
        self.ends = [int(end) for end in ends]
        place = np.empty(workload.n, np.int32)
        place[order] = np.arange(workload.n, dtype=np.int32)
        self.workload, self.target, self.order = workload, target, order
        self.limits = limits(target)
        self.incoming = Incoming(workload.connections, place)
        self.before = np.zeros(workload.n, np.int32)  # how many synapses of each source come before the stretch that is looked at
        self.leaving = np.zeros(workload.n + 1)  # how many cores the neurons before each place reach, as far as that is known
        most = int(np.diff(self.incoming.first).max(initial=0))
        self.more = np.diff(synapse_bits(target, np.arange(most + 2)))  # bits for one more synapse of a source

    def cores(self) -> tuple[Int[np.ndarray, " n"], FanOut]:
        """The core of every neuron, and which cores each reaches."""
        bounds = self._outputs(self._stretches())
        by_place = self._numbered(bounds)
        core = np.empty_like(by_place)
        core[self.order] = by_place
        self.incoming.give_up()
        return core, self.incoming.table(by_place)

    def _numbered(self, bounds: list[int]) -> Int[np.ndarray, " n"]:
        """The core of every place, where cores begin and end at these bounds."""
        return np.repeat(np.arange(len(bounds) - 1, dtype=np.int32), np.diff(bounds))

    def _needs(self, low: int, high: int) -> Needs:
        """What the neurons from `low` on need together, up to each of those before `high`. `before` has to be that of `low`."""
        begin, end = self.incoming.start[low], self.incoming.start[high]
        source = self.incoming.source[begin:end]
        rank = self.incoming.rank[begin:end] - self.before[source]
        last = self.incoming.start[low + 1 : high + 1] - begin
        upto = lambda x: np.concatenate([[0], np.cumsum(x, dtype=np.int64)])[last]  # noqa: E731
        own = np.arange(1, high - low + 1) * int(self.target.packing.neuron)
        return Needs(
            upto(rank == 0) if "axons_in" in self.limits else None,
            upto(self.more[rank]) + own if "memory" in self.limits else None,
            self.leaving[low + 1 : high + 1] - self.leaving[low] if "axons_out" in self.limits else None,
        )

    def _fitting(self, low: int, high: int) -> int:
        """How many neurons from `low` on fit on one core, by their inputs; at most `high - low`."""
        needs = self._needs(low, high)
        found = min(high - low, self.limits["neurons"])
        for name, used in needs._asdict().items():
            if used is not None:  # a single neuron that reaches too many cores is dealt with where it is known how many these are
                found = min(found, max(int(np.searchsorted(used, self.limits[name], side="right")), name == "axons_out"))
        if not found:
            raise self._too_large(low, {"neurons": 1, **{name: int(used[0]) for name, used in needs._asdict().items() if used is not None}})
        return found

    def _passed(self, low: int, high: int) -> None:
        """Moves `before` from `low` to `high`."""
        span = slice(self.incoming.start[low], self.incoming.start[high])
        self.before[self.incoming.source[span]] = (
            self.incoming.rank[span] + 1
        )  # the last of each source counts: places ascend, and so do ranks

    def _stretches(self) -> list[int]:
        """Where cores begin and end that fit by their inputs; small stretches of the order together, and large ones each by itself."""
        self.before[:] = 0
        bounds, low, part = [0], 0, 0
        while part < len(self.ends):
            if self._fits(low, self.ends[part]):
                while part + 1 < len(self.ends) and self._fits(low, self.ends[part + 1]):
                    part += 1
                self._passed(low, self.ends[part])
                bounds.append(self.ends[part])
            else:
                bounds += self._cut(low, self.ends[part])
            low = self.ends[part]
            part += 1
        return bounds

    def _fits(self, low: int, high: int) -> bool:
        """Whether a whole stretch fits on one core; what is far too large is refused without being counted."""
        if high - low > self.limits["neurons"] or (
            self.target.packing.rule == "list" and self._least(low, high) > self.limits.get("memory", np.inf)
        ):
            return False
        return high == low or self._fitting(low, high) == high - low

    def _least(self, low: int, high: int) -> float:
        return int(self.incoming.start[high] - self.incoming.start[low]) * self.target.packing.synapse

    def _cut(self, low: int, end: int) -> list[int]:
        """Where cores end if each is filled to the brim."""
        found, guess = [], 64
        while low < end:
            while True:
                high = min(low + min(guess, self.limits["neurons"]), end)
                number = self._fitting(low, high)
                if low + number < high or high == end or number == self.limits["neurons"]:
                    break
                guess *= 2
            guess = int(number * AHEAD) + 2
            self._passed(low, low + number)
            low += number
            found.append(low)
        return found

    def _outputs(self, bounds: list[int]) -> list[int]:
        """Cores whose neurons reach too many others are made smaller. That makes more cores, which others may reach, so all are looked at again."""
        if "axons_out" not in self.limits:
            return bounds
        attempt = 0
        while True:
            sent = self._leaving(bounds)
            total = np.concatenate([[0], np.cumsum(sent)])
            if (np.diff(total[bounds]) <= self.limits["axons_out"]).all():
                return bounds
            if attempt < RECUT:
                # Nearly all cores are near the limit: to move all borders a little is better than to split each core in two.
                self.leaving = total * (1 + MARGIN * attempt)
                bounds = self._stretches()
            else:
                bounds = [0] + [end for low, high in itertools.pairwise(bounds) for end in self._split(low, high, total)]
            attempt += 1

    def _leaving(self, bounds: list[int]) -> Int[np.ndarray, " n"]:
        """How many other cores the neuron at each place reaches."""
        by_place = self._numbered(bounds)
        table = self.incoming.table(by_place)
        core = np.empty_like(by_place)
        core[self.order] = by_place
        others = np.diff(table.start)
        others[table.source[table.core == core[table.source]]] -= 1
        return others[self.order]

    def _split(self, low: int, high: int, total: Int[np.ndarray, " n+1"]) -> list[int]:
        """The ends of the cores that one that sends too much is made into: two that send about as much each."""
        sent = int(total[high] - total[low])
        if sent <= self.limits["axons_out"]:
            return [high]
        if high - low == 1:
            raise self._too_large(low, {"axons_out": sent})
        half = int(np.searchsorted(total[low + 1 : high + 1] - total[low], sent / 2)) + 1
        return [low + int(np.clip(half, 1, high - low - 1)), high]

    def _too_large(self, place: int, needs: dict[str, int]) -> CapacityError:
        """Why the neuron at a place doesn't fit on a core of its own."""
        neuron = int(self.order[place])
        part = self.workload.part_of(neuron)
        resource = next(name for name, used in needs.items() if used > self.limits.get(name, np.inf))
        used, limit = needs[resource], self.limits[resource]
        own = int(self.target.packing.neuron)
        share = max(limit - own, 0) / max(used - own, 1)
        reason = REASONS[resource].format(used=used, limit=limit, target=self.target.name, share=share)
        return CapacityError(f"{part.name!r}: its neuron {neuron - part.first} {reason}")
