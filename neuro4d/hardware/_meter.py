"""Energy and time of a step as functions of spikes."""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float

from neuro4d.hardware._interval import Interval, larger, largest, over, total
from neuro4d.hardware._loads import LoadModel, Loads, load_model
from neuro4d.hardware._placement import Gating, Placement, knowing
from neuro4d.hardware._schedule import Groups, Price, Schedule, groups_of, schedule
from neuro4d.hardware._schema import ChipTarget, Coefficient, Energy, Processor, Time
from neuro4d.hardware._workload import Workload, check_counts


class AbstractMeter(eqx.Module):
    """Energy in J and time in s of a step, from the spikes of every neuron per step, `(n,)`. Works in `jit`, `vmap` and `grad`.

    NumPy arrays may have rows, `(rows, n)`, and so has what is found, but for `spent_of`.
    """

    @property
    @abc.abstractmethod
    def n_neurons(self) -> int:
        """How many neurons it counts the spikes of."""

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


class Awake(NamedTuple):
    """What gating makes of a run, per step: `powered` cores, mean over time; `energy` in J and `time` in s of waking."""

    powered: float
    energy: Interval
    time: Interval


class ChipMeter(AbstractMeter):
    """A placed network on a chip. `cores` are those that are powered, in whole groups; `tiles`, `chips`: in use; `awake`: what gating makes of it."""

    model: LoadModel
    target: ChipTarget = eqx.field(static=True)
    cores: int = eqx.field(static=True)
    tiles: int = eqx.field(static=True)
    chips: int = eqx.field(static=True)
    awake: Awake | None = None

    def busy(self, loads: Loads) -> dict[str, Interval]:
        """How long each core works in a step, in s, `(cores,)`, by what it does."""
        return busy(self.target.time, loads, interval)

    def paid(self, loads: Loads) -> dict[str, Interval]:
        """What each core pays for the events of a step, in J, `(cores,)`, by what it does, without links."""
        return paid(self.target.energy, loads, interval)

    @property
    def n_neurons(self) -> int:
        return len(self.model.home)

    def loads(self, spikes: Float[Any, " n"]) -> Loads:
        check_counts(spikes, "meter: spikes")
        return self.model(spikes)

    def times_of(self, loads: Loads) -> dict[str, Interval]:
        times = self._times_of(loads)
        return times if self.awake is None else times | {"waking": self.awake.time}

    def _times_of(self, loads: Loads) -> dict[str, Interval]:
        busiest = over(total(self.busy(loads).values()), lambda x: x.max(-1))
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
        on = self.cores if self.awake is None else self.awake.powered
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
        waking = {} if self.awake is None else {"waking": self.awake.energy}
        own = {name: over(x, lambda cores: cores.sum(-1)) for name, x in self.paid(loads).items()}
        return (
            waking
            | own
            | {
                "links": interval(energy.hop) * loads.along + across + interval(energy.between or energy.hop) * loads.between,
            }
        )


class ProcessorMeter(AbstractMeter):
    """A network on a processor: `parts` groups of kernels in a step, `n` neurons; `fan_out` synapses of each neuron; `outside` events."""

    processor: Processor = eqx.field(static=True)
    parts: int = eqx.field(static=True)
    n: int = eqx.field(static=True)
    fan_out: Float[Any, " n"]
    outside: Float[Any, ""]

    @property
    def n_neurons(self) -> int:
        return self.n

    def loads(self, spikes: Float[Any, " n"]) -> Float[Any, ""]:
        """Synaptic events in a step."""
        check_counts(spikes, "meter: spikes")
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


def busy(time: Time, loads: Any, number: Callable[[Coefficient | None], Any]) -> dict[str, Any]:
    """How long each core works in a step, in s, by what it does; `loads` has the fields of `Loads` that count cores; `number` says what of a coefficient counts."""
    return {
        "synapses": number(time.event) * loads.events,
        "neurons": number(time.update) * loads.active + number(time.idle or time.update) * loads.idle,
        "spikes": number(time.spike) * loads.spikes,
        "messages": number(time.message) * loads.messages + number(time.arrival) * loads.arrivals,
    }


def paid(energy: Energy, loads: Loads, number: Callable[[Coefficient | None], Any]) -> dict[str, Any]:
    """What each core pays for the events of a step, in J, without links; `number` says what of a coefficient counts."""
    return {
        "synapses": number(energy.event) * loads.events,
        "neurons": number(energy.update) * loads.active + number(energy.idle or energy.update) * loads.idle,
        "spikes": number(energy.spike) * loads.spikes,
        "messages": number(energy.message) * loads.messages,
    }


def value(number: Coefficient | None) -> float:
    """A number of a target without its band; 0 where it has none."""
    return 0.0 if number is None else number.value


def chip_meter(placement: Placement) -> ChipMeter:
    """Energy and time of a placed network."""
    tiles = len({tuple(tile) for tile in placement.tile.tolist()})
    groups = groups_of(placement)
    plain = ChipMeter(load_model(placement), placement.target, int(groups.size.sum()), tiles, placement.n_chips)
    return plain if placement.gating is None else dataclasses.replace(plain, awake=_awake(placement, plain, groups, placement.gating))


def planned(placement: Placement) -> tuple[Groups, Schedule]:
    """Which groups of cores are powered in which window of the run. All, always, without `gate`."""
    groups, windows = groups_of(placement), placement.workload.windows
    if placement.gating is None:
        on = np.ones((1 if windows is None else len(windows), len(groups.size)), bool)
        return groups, Schedule(on, on[0].astype(float), 0, 0)
    plain = chip_meter(knowing(dataclasses.replace(placement, gating=None), placement.fan_out))
    return groups, _planned(placement, plain, groups, placement.gating)


def _planned(placement: Placement, plain: ChipMeter, groups: Groups, gating: Gating) -> Schedule:
    load, power = placement.workload, placement.target.power
    rows = np.asarray(load.spikes, float)[None] if load.windows is None else np.asarray(load.windows, float)
    loads = plain.loads(rows)
    time = np.broadcast_to(total(plain.times_of(loads).values()).value, len(rows)) * load.steps / len(rows)
    all_on = float(total(plain.powers().values()).value)
    price = Price(value(power.core) - value(power.gated), float(gating.energy.value), all_on * float(_wait(placement.target, gating.time).value))
    return schedule(groups, (loads.events > 0) | (loads.spikes > 0), time, price)


def _awake(placement: Placement, plain: ChipMeter, groups: Groups, gating: Gating) -> Awake:
    plan = _planned(placement, plain, groups, gating)
    powered = float(plan.share @ groups.size)
    steps = placement.workload.steps
    return Awake(powered, gating.energy * (plan.wakes / steps), _wait(placement.target, gating.time) * (plan.waits / steps))


def _wait(target: ChipTarget, time: Interval) -> Interval:
    """How much longer a step takes in which cores wake: on a chip that follows a clock, what does not fit into a tick."""
    tick = target.chip.tick if target.chip.step == "clock" else None
    return time if tick is None else over(time, lambda x: larger(x - tick, 0.0))


def processor_meter(workload: Workload, processor: Processor) -> ProcessorMeter:
    """Energy and time of a network on a processor."""
    return ProcessorMeter(processor, len(workload.parts), workload.n, workload.fan_out, np.sum(workload.arrivals))
