"""Cuts an order of neurons into cores: as long as they fit, and no longer."""

import itertools
from types import MappingProxyType

import numpy as np
from jaxtyping import Int

from neuro4d.hardware._entries import reached
from neuro4d.hardware._fill import filling
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
        most = int(np.diff(self.incoming.first).max(initial=0))
        self.fill = filling(self.incoming, np.diff(synapse_bits(target, np.arange(most + 2))), int(target.packing.neuron), self.limits)

    def cores(self) -> tuple[Int[np.ndarray, " n"], FanOut]:
        """The core of every neuron, and which cores each reaches."""
        bounds = self._outputs(self._stretches())
        by_place = self._numbered(bounds)
        core = np.empty_like(by_place)
        core[self.order] = by_place
        del self.fill
        self.incoming.give_up()
        return core, self.incoming.table(by_place)

    def _numbered(self, bounds: list[int]) -> Int[np.ndarray, " n"]:
        """The core of every place, where cores begin and end at these bounds."""
        return np.repeat(np.arange(len(bounds) - 1, dtype=np.int32), np.diff(bounds))

    def _stretches(self) -> list[int]:
        """Where cores begin and end that fit by their inputs; small stretches of the order together, and large ones each by itself."""
        bounds, low, part = [0], 0, 0
        while part < len(self.ends):
            if self._fits(low, self.ends[part]):
                while part + 1 < len(self.ends) and self._fits(low, self.ends[part + 1]):
                    part += 1
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
        return high == low or self._filled(low, high, 1) == [high]

    def _least(self, low: int, high: int) -> float:
        return int(self.incoming.start[high] - self.incoming.start[low]) * self.target.packing.synapse

    def _cut(self, low: int, end: int) -> list[int]:
        """Where cores end if each is filled to the brim."""
        return self._filled(low, end, end - low)

    def _filled(self, low: int, end: int, most: int) -> list[int]:
        """The same for at most so many cores. Raises `CapacityError` for a neuron that doesn't fit on a core of its own."""
        found = self.fill.ends(low, end, most)
        reached = found[-1] if found else low
        if reached < end and len(found) < most:
            raise self._too_large(reached, self._needs(reached))
        return found

    def _needs(self, place: int) -> dict[str, int]:
        """What the neuron at a place needs by itself, by resource that is limited."""
        source = self.incoming.source[self.incoming.start[place] : self.incoming.start[place + 1]]
        synapses = np.unique(source, return_counts=True)[1]
        bits = int(synapse_bits(self.target, synapses).sum()) + int(self.target.packing.neuron)
        return {name: used for name, used in (("neurons", 1), ("axons_in", len(synapses)), ("memory", bits)) if name in self.limits}

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
                self.fill.leaving = total * (1 + MARGIN * attempt)
                bounds = self._stretches()
            else:
                bounds = [0] + [end for low, high in itertools.pairwise(bounds) for end in self._split(low, high, total)]
            attempt += 1

    def _leaving(self, bounds: list[int]) -> Int[np.ndarray, " n"]:
        """How many other cores the neuron at each place reaches."""
        by_place = self._numbered(bounds)
        core = np.empty_like(by_place)
        core[self.order] = by_place
        return reached(self.incoming.first, self.incoming.place, by_place, core)[self.order]

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
