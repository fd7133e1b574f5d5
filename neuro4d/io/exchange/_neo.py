"""Runs as objects of Neo, and spikes back."""

import importlib
from collections.abc import Mapping
from typing import Any

import brainunit as u
import numpy as np

from neuro4d._base import check_name
from neuro4d.io.exchange._recorded import recorded_spikes, recorded_traces
from neuro4d.recorders import SpikeTable, TraceRecord, stamps
from neuro4d.results import Run

NOTES = ("population", "n", "dt_ms", "start_step", "n_steps")


def to_neo(run: Run) -> Any:
    """The spikes and traces of a run as a `neo.Block` with one segment; needs `pip install "neuro4d[neo]"`.

    Every neuron has a `SpikeTrain`, silent ones too, with its `population` and `id` as annotations; every trace is an `AnalogSignal`, or an `IrregularlySampledSignal` where its rows
    are not at one interval; every population is a `Group` of its trains. All have units. Times are stamps of the end of a step on the model's clock; `t_start` and `t_stop` are the
    begin and the end of what was observed.

    **Arguments:** `run`: with recorded spikes or traces.

    **Raises:** `TypeError` for what is no run; `ValueError` where nothing was recorded; `ImportError` without neo.

    ```python
    block = n4.io.to_neo(run)
    trains = block.segments[0].spiketrains           # for Elephant
    tables = n4.io.from_neo(block)                   # and back
    ```
    """
    if not isinstance(run, Run):
        raise TypeError(f"to_neo takes a run, the result of `n4.simulate(...)`; got {run!r:.80}.")
    neo, tables, traces = _package("to_neo"), recorded_spikes(run), recorded_traces(run)
    if not tables and not traces:
        raise ValueError("to_neo: the run has neither spikes nor traces; record some, for example `n4.simulate(model, key, duration, (n4.Spikes(),))`.")
    block, segment = neo.Block(name="neuro4d"), neo.Segment(name="run")
    block.segments.append(segment)
    for table in tables.values():
        group = neo.Group(name=table.population, **{name: getattr(table, name) for name in NOTES})
        for i, train in enumerate(_trains(neo, table)):
            train.annotate(population=table.population, id=i)
            segment.spiketrains.append(train)
            group.spiketrains.append(train)
        block.groups.append(group)
    for record in traces:
        signal = _signal(neo, record, run.dt_ms)
        (segment.analogsignals if isinstance(signal, neo.AnalogSignal) else segment.irregularlysampledsignals).append(signal)
    return block


def _trains(neo: Any, table: SpikeTable) -> list[Any]:
    step, _ = table.by_neuron
    times = np.split(stamps(step, table.dt_ms), np.cumsum(table.counts())[:-1]) if table.n else []
    begin, end = (float(stamps(np.array(k - 1), table.dt_ms)) for k in (table.start_step, table.start_step + table.n_steps))
    return [neo.SpikeTrain(each, units="ms", t_start=begin, t_stop=end) for each in times]


def _signal(neo: Any, record: TraceRecord, dt_ms: float) -> Any:
    """A trace with its unit."""
    quantities = importlib.import_module("quantities")
    unit, times = str(record.unit).replace(" ", ""), stamps(record.steps, dt_ms)
    unit = "dimensionless" if unit == "1" else unit
    notes = {"name": record.name, "population": record.population, "variable": record.variable, "array_annotations": {"id": np.asarray(record.ids)}}
    gaps = np.unique(np.diff(record.steps))
    if len(gaps) > 1:
        return neo.IrregularlySampledSignal(times, record.values, units=unit, time_units="ms", **notes)
    every = quantities.Quantity((int(gaps[0]) if len(gaps) else 1) * dt_ms, "ms")
    return neo.AnalogSignal(record.values, units=unit, t_start=quantities.Quantity(float(times[0]) if len(times) else 0.0, "ms"), sampling_period=every, **notes)


def from_neo(data: Any, dt: Any = None, population: str = "neurons") -> dict[str, SpikeTable]:
    """Tables of spikes from a block, a segment or a list of spike trains of Neo, by population.

    Trains of `to_neo` come back as they were. Those of anybody else are one population, in their order, and have to lie on the grid of `dt`: a time between two steps is refused, not
    moved.

    **Arguments:**

    - `data`: a `neo.Block` with one segment, a `neo.Segment`, or a list of `neo.SpikeTrain`.
    - `dt`: the time step, where the groups of the block do not name it. [time]
    - `population`: the name for trains that have none.

    **Raises:** `ValueError` for a block of several segments, times off the grid and a missing `dt`; `TypeError` for anything else.
    """
    neo = _package("from_neo")
    segments = list(data.segments) if isinstance(data, neo.Block) else [data]
    if len(segments) != 1:
        raise ValueError(f"from_neo: the block has {len(segments)} segments; give one of them, for example `block.segments[0]`.")
    trains = list(segments[0].spiketrains) if isinstance(segments[0], neo.Segment) else segments[0]
    if not isinstance(trains, list) or not all(isinstance(each, neo.SpikeTrain) for each in trains):
        raise TypeError(f"from_neo takes a block, a segment or a list of spike trains of Neo; got {data!r:.80}.")
    noted = {group.name: group.annotations for group in data.groups if set(NOTES) <= set(group.annotations)} if isinstance(data, neo.Block) else {}
    by_name: dict[str, list[Any]] = {name: [] for name in noted}
    for train in trains:
        by_name.setdefault(check_name(train.annotations.get("population", population), "population"), []).append(train)
    return {name: _table(name, each, noted.get(name, {}), dt) for name, each in by_name.items()}


def _table(name: str, trains: list[Any], noted: Mapping[str, Any], dt: Any) -> SpikeTable:
    own = [train.annotations.get("id") for train in trains]
    ids = own if all(isinstance(each, int | np.integer) and not isinstance(each, bool) for each in own) and noted else list(range(len(trains)))
    times = [np.asarray(train.rescale("ms").magnitude, np.float64) for train in trains]
    columns = {
        "time_ms": np.concatenate(times) if times else np.zeros(0),
        "id": np.repeat(np.asarray(ids, np.int64), [len(each) for each in times]) if times else np.zeros(0, np.int64),
    }
    step = float(noted["dt_ms"]) * u.ms if "dt_ms" in noted else dt
    if step is None:
        raise ValueError("from_neo: nothing says the time step; give it, for example `dt=0.1*u.ms`.")
    n, start, steps = noted.get("n", len(trains)), noted.get("start_step"), noted.get("n_steps")
    return SpikeTable.from_numpy(columns, population=name, dt=step, n=n, start_step=start, n_steps=steps)


def _package(what: str) -> Any:
    try:
        return importlib.import_module("neo")
    except ImportError as error:
        raise ImportError(f'{what} needs the package neo: `pip install "neuro4d[neo]"`.') from error
