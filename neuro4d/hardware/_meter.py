"""Energy and time of a step as functions of spikes."""

import abc
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from neuro4d.hardware._interval import Interval, larger, largest, over, total
from neuro4d.hardware._loads import LoadModel, Loads, load_model
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._schema import ChipTarget, Coefficient, Processor
from neuro4d.hardware._workload import Workload


class AbstractMeter(eqx.Module):
    """Energy in J and time in s of a step, from the spikes of every neuron per step, `(n,)`. Works in `jit`, `vmap` and `grad`."""

    @abc.abstractmethod
    def loads(self, spikes: Float[Any, " n"]) -> Any:
        """What spikes make the machine do in a step: all that time and energy depend on."""

    @abc.abstractmethod
    def times_of(self, loads: Any) -> dict[str, Interval]:
        """What the step time is the sum of, in s, by name."""

    @abc.abstractmethod
    def events_of(self, loads: Any) -> dict[str, Interval]:
        """What is paid per event in a step, in J."""

    @abc.abstractmethod
    def spent_of(self, loads: Any) -> dict[str, Any]:
        """What the busiest core, or the processor, spends its time on in a step, in s, by what it does."""

    @abc.abstractmethod
    def powers(self) -> dict[str, Interval]:
        """What is paid per second, whatever happens, in W."""

    def events(self, spikes: Float[Any, " n"]) -> dict[str, Interval]:
        """What is paid per event in a step, in J."""
        return self.events_of(self.loads(spikes))

    def step_time(self, spikes: Float[Any, " n"]) -> Interval:
        """Time of a step in s."""
        return total(self.times_of(self.loads(spikes)).values())

    def terms(self, spikes: Float[Any, " n"]) -> dict[str, Interval]:
        """Energy of a step in J, by term: events, and powers times the step time."""
        loads = self.loads(spikes)
        time = total(self.times_of(loads).values())
        return self.events_of(loads) | {name: power * time for name, power in self.powers().items()}

    def energy(self, spikes: Float[Any, " n"]) -> Interval:
        """Energy of a step in J."""
        return total(self.terms(spikes).values())


class ChipMeter(AbstractMeter):
    """A placed network on a chip. `tiles`, `cores`, `chips`: in use."""

    model: LoadModel
    target: ChipTarget = eqx.field(static=True)
    cores: int = eqx.field(static=True)
    tiles: int = eqx.field(static=True)
    chips: int = eqx.field(static=True)

    def busy(self, loads: Loads) -> dict[str, Interval]:
        """How long each core works in a step, in s, `(cores,)`, by what it does."""
        time = self.target.time
        return {
            "synapses": interval(time.event) * loads.events,
            "neurons": interval(time.update) * loads.active + interval(time.idle or time.update) * loads.idle,
            "spikes": interval(time.spike) * loads.spikes,
            "messages": interval(time.message) * loads.messages + interval(time.arrival) * loads.arrivals,
        }

    def loads(self, spikes: Float[Any, " n"]) -> Loads:
        return self.model(spikes)

    def times_of(self, loads: Loads) -> dict[str, Interval]:
        busiest = over(total(self.busy(loads).values()), lambda x: x.max())
        if self.target.chip.step == "clock":
            tick = Interval(self.target.chip.tick)
            return {"tick": tick, "overrun": over(busiest, lambda x: larger(x - self.target.chip.tick, 0.0))}
        return {"busiest core": busiest, "barrier": self.barrier()}

    def spent_of(self, loads: Loads) -> dict[str, Any]:
        busy = {name: x.value for name, x in self.busy(loads).items()}
        core = sum(busy.values()).argmax()
        waiting = {name: x.value for name, x in self.times_of(loads).items() if name != "busiest core"}
        return {f"{name} of the busiest core": x[core] for name, x in busy.items()} | waiting

    def barrier(self) -> Interval:
        """How long cores take to agree."""
        time = self.target.time
        known = [step for step in time.barrier if step.tiles <= self.tiles] or time.barrier[:1]
        parts = [interval(known[-1].time)] if known else []
        parts += [interval(time.floor)] if time.floor else []
        parts += [interval(time.floor_chips)] if time.floor_chips and self.chips > 1 else []
        return largest(parts)

    def powers(self) -> dict[str, Interval]:
        power, chip = self.target.power, self.target.chip
        on = min(-(-self.cores // power.group) * power.group, self.chips * chip.cores)
        boards = -(-self.chips // power.chips_per_board)
        return {
            "cores": interval(power.core) * on,
            "gated cores": interval(power.gated) * (self.chips * chip.cores - on),
            "chips": interval(power.chip) * self.chips,
            "boards": interval(power.board) * boards,
            "host": interval(power.host) * self.chips,
        }

    def events_of(self, loads: Loads) -> dict[str, Interval]:
        energy = self.target.energy
        across = interval(energy.hop_rows or energy.hop) * loads.across
        return {
            "synapses": interval(energy.event) * loads.events.sum(),
            "neurons": interval(energy.update) * loads.active.sum() + interval(energy.idle or energy.update) * loads.idle.sum(),
            "spikes": interval(energy.spike) * loads.spikes.sum(),
            "messages": interval(energy.message) * loads.messages.sum(),
            "links": interval(energy.hop) * loads.along + across + interval(energy.between or energy.hop) * loads.between,
        }


class ProcessorMeter(AbstractMeter):
    """A network on a processor: `parts` groups of kernels in a step, `n` neurons; `fan_out` synapses of each neuron; `outside` events."""

    processor: Processor = eqx.field(static=True)
    parts: int = eqx.field(static=True)
    n: int = eqx.field(static=True)
    fan_out: Float[Any, " n"]
    outside: Float[Any, ""]

    def loads(self, spikes: Float[Any, " n"]) -> Float[Any, ""]:
        """Synaptic events in a step."""
        return spikes @ self.fan_out + self.outside

    def times_of(self, loads: Float[Any, ""]) -> dict[str, Interval]:
        p = self.processor
        operations = (self.n * p.update_operations + loads * p.event_operations) / interval(p.operations)
        traffic = (self.n * p.update_bytes + loads * p.event_bytes) / interval(p.bandwidth)
        return {"launches": interval(p.launch) * (p.kernels * self.parts), "work": largest([operations, traffic])}

    def spent_of(self, loads: Float[Any, ""]) -> dict[str, Any]:
        return {name: x.value for name, x in self.times_of(loads).items()}

    def powers(self) -> dict[str, Interval]:
        return {"rest": interval(self.processor.rest), "busy": interval(self.processor.busy)}

    def events_of(self, loads: Float[Any, ""]) -> dict[str, Interval]:
        return {}


def interval(number: Coefficient | None) -> Interval:
    """A number of a target with its band; 0 where it has none."""
    return Interval(0.0) if number is None else number.interval


def chip_meter(placement: Placement) -> ChipMeter:
    """Energy and time of a placed network."""
    tiles = len({tuple(tile) for tile in placement.tile.tolist()})
    return ChipMeter(load_model(placement), placement.target, placement.n_cores, tiles, placement.n_chips)


def processor_meter(workload: Workload, processor: Processor) -> ProcessorMeter:
    """Energy and time of a network on a processor."""
    return ProcessorMeter(processor, len(workload.parts), workload.n, workload.fan_out, np.sum(workload.arrivals))
