"""Cuts an order of neurons into cores: as long as they fit, and no longer."""

from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from neuro4d.hardware._packing import CapacityError, limits, synapse_bits
from neuro4d.hardware._schema import ChipTarget
from neuro4d.hardware._sources import Sources
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


class Group(NamedTuple):
    """The neurons of a core as places `low` to `high - 1` in the order, and who reaches them with how many synapses, `(k,)`."""

    low: int
    high: int
    source: Int[np.ndarray, " k"]
    synapses: Int[np.ndarray, " k"]


class Cutter:
    """Neurons in an order, and what any stretch of it uses.

    **Arguments:** `order`: the neurons, `(n,)`; `ends`: where stretches of it end that stay together, `(k,)`.
    """

    def __init__(self, workload: Workload, target: ChipTarget, order: Int[np.ndarray, " n"], ends: Int[np.ndarray, " k"]):
        self.ends = [int(end) for end in ends]
        place = np.empty(workload.n, np.int32)
        place[order] = np.arange(workload.n, dtype=np.int32)
        self.workload, self.target, self.order, self.place = workload, target, order, place
        self.limits = limits(target)
        self.sources = Sources(workload.connections, place)
        self.bits = synapse_bits(target, np.arange(256))
        self.fitted = Group(0, 0, np.zeros(0, np.int32), np.zeros(0, np.int16))
        self.leaving = np.zeros(workload.n + 1)  # how many cores the neurons before each place reach, as far as that is known

    def groups(self) -> list[Group]:
        """One group of neurons for each core."""
        return self._outputs(self._stretches())

    def _needs(self, group: Group) -> dict[str, int]:
        """What the neurons of a core and the synapses onto them need, whatever the other cores are."""
        bits = int(self._synapse_bits(group.synapses).sum()) + (group.high - group.low) * int(self.target.packing.neuron)
        return {"neurons": group.high - group.low, "axons_in": len(group.source), "memory": bits}

    def _group(self, low: int, high: int) -> Group:
        source, synapses = self.sources.counts(low, high)
        few = np.int16 if int(synapses.max(initial=0)) < 2**15 else np.int32  # there may be hundreds of millions of them
        return Group(low, high, source.astype(np.int32), synapses.astype(few))

    def _synapse_bits(self, synapses: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
        most = int(synapses.max(initial=0))
        if most >= len(self.bits):
            self.bits = synapse_bits(self.target, np.arange(2 * most))
        return self.bits[synapses]

    def _fits(self, low: int, high: int) -> bool:
        """Whether a stretch fits, by its inputs; the last one that did is kept. What is far too large is refused without being counted."""
        known = self.limits
        if high - low > known["neurons"]:
            return False
        if high - low > 1 and self.leaving[high] - self.leaving[low] > known.get("axons_out", np.inf):
            return False
        least = self.sources.number(low, high) * self.target.packing.synapse
        if self.target.packing.rule == "list" and least > known.get("memory", np.inf):
            return False
        group = self._group(low, high)
        if any(used > known.get(name, np.inf) for name, used in self._needs(group).items()):
            return False
        self.fitted = group
        return True

    def _stretches(self) -> list[Group]:
        """Cores that fit by their inputs; small stretches of the order together, and large ones each by itself."""
        ends = self.ends
        found: list[Group] = []
        low = part = 0
        while part < len(ends):
            if self._fits(low, ends[part]):
                while part + 1 < len(ends) and self._fits(low, ends[part + 1]):
                    part += 1
                found.append(self.fitted)
            else:
                found += self._cut(low, ends[part])
            low = ends[part]
            part += 1
        return found

    def _cut(self, low: int, end: int) -> list[Group]:
        found, size = [], 1
        while low < end:
            group = self._furthest(low, end, size)
            found.append(group)
            low, size = group.high, group.high - low
        return found

    def _furthest(self, low: int, end: int, guess: int) -> Group:
        """The longest stretch from `low` on that fits: strides that double away from a guess, then halve."""
        good, bad, step = low, end + 1, 1
        high = min(low + guess, end)
        while bad - good > 1:
            if self._fits(low, high):
                good = high
            else:
                bad = high
            if bad == low + 1:
                raise self._too_large(low, self._needs(self._group(low, low + 1)))
            if good > low and bad <= end:
                high = (good + bad) // 2
            else:
                high = min(good + step, end) if good > low else max(bad - step, low + 1)
                step *= 2
        return self.fitted  # each that fits is longer than the one before

    def _outputs(self, groups: list[Group]) -> list[Group]:
        """Groups whose neurons reach too many cores are made smaller. That makes more cores, which others may reach, so all are looked at again."""
        if "axons_out" not in self.limits:
            return groups
        attempt = 0
        while True:
            reached = self._reached(groups)
            sent = [self._leaving(group, reached) for group in groups]
            if all(int(out.sum()) <= self.limits["axons_out"] for out in sent):
                return groups
            if (
                attempt < RECUT
            ):  # nearly all cores are near the limit: to move all borders a little is better than to split each core in two
                self.leaving = np.concatenate([[0], np.cumsum(np.concatenate(sent) * (1 + MARGIN * attempt))])
                groups = self._stretches()
            else:
                groups = [part for group, out in zip(groups, sent, strict=True) for part in self._split(group, out)]
            attempt += 1

    def _reached(self, groups: list[Group]) -> Int[np.ndarray, " n"]:
        """How many cores each neuron reaches."""
        reached = np.zeros(self.workload.n, np.int64)
        for group in groups:
            reached[group.source] += 1
        return reached

    def _leaving(self, group: Group, reached: Int[np.ndarray, " n"]) -> Int[np.ndarray, " k"]:
        """How many other cores each neuron of a group reaches."""
        out = reached[self.order[group.low : group.high]]
        at = self.place[group.source] - group.low
        out[at[(at >= 0) & (at < len(out))]] -= 1
        return out

    def _split(self, group: Group, out: Int[np.ndarray, " k"]) -> list[Group]:
        """A group that sends too much as two that send about as much each."""
        total = int(out.sum())
        if total <= self.limits["axons_out"]:
            return [group]
        if len(out) == 1:
            raise self._too_large(group.low, {"axons_out": total})
        cut = group.low + int(np.clip(np.searchsorted(np.cumsum(out), total / 2) + 1, 1, len(out) - 1))
        return [self._group(group.low, cut), self._group(cut, group.high)]

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
