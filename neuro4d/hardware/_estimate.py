"""`estimate` and `compare`: from a run, a workload or a placement to a `Cost`."""

import os
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from neuro4d.hardware._compare import Comparison
from neuro4d.hardware._cost import Cost, Resource
from neuro4d.hardware._interval import over, total
from neuro4d.hardware._meter import AbstractMeter, chip_meter, processor_meter
from neuro4d.hardware._packing import CapacityError, limits
from neuro4d.hardware._partition import partition
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._schema import ProcessorTarget, Target
from neuro4d.hardware._target import target as read_target
from neuro4d.hardware._target import targets as known_targets
from neuro4d.hardware._utilization import stored
from neuro4d.hardware._workload import Workload, workload
from neuro4d.model import Model
from neuro4d.results import Run


def estimate(
    model: Model | Workload | Placement,
    run: Run | None = None,
    target: str | os.PathLike[str] | Target | None = None,
) -> Cost:
    """What a network costs on a chip or a processor: energy, latency, cores, bottleneck.

    $$E = t\\,(n_\\text{cores} P_\\text{core} + n_\\text{chips} P_\\text{chip} + P_\\text{host}) + \\sum_i n_i e_i$$

    with the step time $t$ that of the busiest core plus what it takes until all agree; on a processor, launches plus the longer of arithmetic and memory
    traffic. Counts $n_i$ come from the run, coefficients from the target, with their bands.

    **Arguments:**

    - `model`, `run`: a model and a run of it that recorded spikes or counts; `n4.Counts(every=10*u.ms)` also shows bursts. Or a `Workload`, or a
      `Placement`, alone.
    - `target`: one of `n4.hardware.targets()`, or a file of yours; that of the placement if one is given.

    **Raises:** `CapacityError` for a network that does not fit; `TargetError` for an unknown target; `ValueError` for a run without spikes.

    !!! Example

        >>> model = n4.zoo.coba(scale=0.05).build(dt=0.1*u.ms, seed=0)
        >>> run = n4.simulate(model, jr.key(0), 50*u.ms, n4.Counts())
        >>> cost = n4.hardware.estimate(model, run, "loihi1")
        >>> cost.cores, bool(cost.energy_per_step.low < cost.energy_per_step.value < cost.energy_per_step.high)
        (1, True)
    """
    if isinstance(model, Placement):
        return _of_chip(model)
    if target is None:
        raise TypeError("estimate: `target` is the chip or processor, for example `n4.hardware.estimate(model, run, 'loihi2')`.")
    found = read_target(target)
    load = model if isinstance(model, Workload) else workload(model, run)
    if isinstance(found, ProcessorTarget):
        return _of_processor(load, found)
    return _of_chip(partition(load, found))


def compare(
    model: Model | Workload, run: Run | None = None, targets: Sequence[str | os.PathLike[str] | Target] | None = None
) -> Comparison:
    """The same network on several targets, side by side. A target on which it does not fit is a row that says why.

    **Arguments:** as for `estimate`; `targets`: several; all that come with neuro4d if left out.

    !!! Example

        >>> model = n4.zoo.coba(scale=0.05).build(dt=0.1*u.ms, seed=0)
        >>> run = n4.simulate(model, jr.key(0), 50*u.ms, n4.Counts())
        >>> list(n4.hardware.compare(model, run, ["loihi1", "cpu"]).costs)
        ['loihi1', 'cpu']
    """
    load = model if isinstance(model, Workload) else workload(model, run)
    costs: dict[str, Any] = {}
    for each in [read_target(name) for name in (known_targets() if targets is None else targets)]:
        try:
            costs[each.name] = estimate(load, None, each)
        except CapacityError as error:
            costs[each.name] = str(error)
    return Comparison(costs)


def meter(placement: Placement | Workload, target: str | os.PathLike[str] | Target | None = None) -> AbstractMeter:
    """Energy and time of a step as functions of spikes, for losses: `meter(placement).energy(spikes).value`.

    **Arguments:** a placement; or a workload and a target, which places it or, on a processor, needs no place.

    !!! Example

        >>> load = n4.hardware.layered(["a"], [3], [0, 1], [1, 2], np.ones(3), dt=1*u.ms, steps=10)
        >>> energy = n4.hardware.meter(load, "loihi1").energy
        >>> slope = jax.grad(lambda spikes: energy(spikes).value)(jnp.ones(3))
        >>> bool(slope[0] > slope[2] > 0)  # the last neuron reaches nobody
        True
    """
    if isinstance(placement, Placement):
        return chip_meter(placement)
    if target is None:
        raise TypeError("meter: a workload needs a target, for example `n4.hardware.meter(workload, 'loihi2')`.")
    found = read_target(target)
    if isinstance(found, ProcessorTarget):
        return processor_meter(placement, found.processor)
    return chip_meter(partition(placement, found))


def _of_chip(placement: Placement) -> Cost:
    counted, load, found = chip_meter(placement), placement.workload, placement.target
    fullest = stored(placement)
    most = {name: Resource(int(getattr(fullest, name).max()), limit) for name, limit in limits(found).items()}
    return _cost(counted, load, found, placement.n_cores, placement.n_chips, most)


def _of_processor(load: Workload, found: ProcessorTarget) -> Cost:
    counted = processor_meter(load, found.processor)
    return _cost(counted, load, found, 0, 0, {})


def _cost(counted: AbstractMeter, load: Workload, found: Target, cores: int, chips: int, most: dict[str, Resource]) -> Cost:
    spikes = np.asarray(load.spikes, float)
    rows = spikes[None] if load.windows is None else np.asarray(load.windows, float)
    both = counted.loads(np.vstack([rows, spikes]))  # the mean as one more row: synapses are read once
    loads, mean_loads = (jax.tree.map(lambda x, part=part: x[part], both) for part in (slice(-1), -1))
    times = counted.times_of(loads)
    spent = counted.spent_of(mean_loads)
    step = over(total(times.values()), lambda x: np.broadcast_to(x, len(rows)))
    mean = over(step, np.mean)
    terms = {name: over(x, np.mean) for name, x in counted.events_of(loads).items()} | {
        name: power * mean for name, power in counted.powers().items()
    }
    return Cost(
        target=found,
        terms=terms,
        times={name: over(x, np.mean) for name, x in times.items()},
        window_times=step,
        events=float(spikes @ load.fan_out) + float(np.sum(load.arrivals)),
        dt=load.dt,
        steps=load.steps,
        cores=cores,
        chips=chips,
        usage=most,
        bottleneck=max(spent, key=lambda name: float(spent[name])),
        notes=_notes(load),
    )


def _notes(load: Workload) -> tuple[str, ...]:
    notes = []
    if np.any(np.asarray(load.arrivals)):
        notes.append("Input from outside counts as synaptic events on the cores; what makes it is not included.")
    if load.windows is None or len(load.windows) == 1:
        notes.append("Latency from the mean over the run; record `n4.Counts(every=10*u.ms)` to see bursts.")
    return tuple(notes)
