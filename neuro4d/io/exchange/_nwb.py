"""Runs as files of Neurodata Without Borders."""

import datetime
import importlib
import uuid
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from neuro4d._base import fresh_file
from neuro4d.io.exchange._recorded import recorded_spikes, recorded_traces
from neuro4d.recorders import SpikeTable, TraceRecord, stamps
from neuro4d.results import Run

SI = MappingProxyType(
    {
        "mV": ("volts", 1e-3),
        "pA": ("amperes", 1e-12),
        "nS": ("siemens", 1e-9),
        "pF": ("farads", 1e-12),
        "ms": ("seconds", 1e-3),
        "kHz": ("hertz", 1e3),
        "um": ("meters", 1e-6),
    }
)
"""Units of a model as NWB wants them: a name of SI, and what a number is multiplied by."""


def to_nwb(run: Run, path: str | PathLike[str], description: str = "a simulation with neuro4d", start: datetime.datetime | None = None) -> None:
    """Writes the spikes and traces of a run as a file of NWB, which appears whole or not at all; needs `pip install "neuro4d[nwb]"`.

    Spikes are the `units` of the file, one row for each neuron, silent ones too: `spike_times` in s on the model's clock, `obs_intervals`, `population`, and `neuron` within it. Traces
    are `acquisition`: a `TimeSeries` with the numbers of the run, the unit of SI and the `conversion` to it.

    **Arguments:**

    - `run`: with recorded spikes or traces.
    - `path`: of the file, replaced where it exists.
    - `description`: of the session.
    - `start`: when it began, with a time zone; by default now.

    **Raises:** `TypeError` for what is no run; `ValueError` where nothing was recorded, or for a `start` without a time zone; `ImportError` without pynwb; `OSError`.

    ```python
    n4.io.to_nwb(run, "run.nwb")
    with pynwb.NWBHDF5IO("run.nwb", "r") as file:
        units = file.read().units.to_dataframe()
    ```
    """
    if not isinstance(run, Run):
        raise TypeError(f"to_nwb takes a run, the result of `n4.simulate(...)`; got {run!r:.80}.")
    pynwb, tables, traces = _package(), recorded_spikes(run), recorded_traces(run)
    if not tables and not traces:
        raise ValueError("to_nwb: the run has neither spikes nor traces; record some, for example `n4.simulate(model, key, duration, (n4.Spikes(),))`.")
    start = datetime.datetime.now(datetime.UTC) if start is None else start
    if start.tzinfo is None:
        raise ValueError(f"to_nwb: start has a time zone, for example `datetime.datetime.now(datetime.UTC)`; got {start!r}.")
    file = pynwb.NWBFile(session_description=description, identifier=uuid.uuid4().hex, session_start_time=start, source_script_file_name="neuro4d", source_script="neuro4d")
    if tables:
        file.units = _units(pynwb, list(tables.values()), run.dt_ms)
    for record in traces:
        file.add_acquisition(_series(pynwb, record, run.dt_ms))
    with fresh_file(Path(path), ".nwb") as temporary, pynwb.NWBHDF5IO(str(temporary), "w") as out:
        out.write(file)


def _units(pynwb: Any, tables: list[SpikeTable], dt_ms: float) -> Any:
    """All neurons as one table, made column by column: a call for each neuron takes a second for a thousand."""
    common = importlib.import_module("hdmf.common")
    times = np.concatenate([stamps(table.by_neuron[0], table.dt_ms) for table in tables]) * 1e-3
    ends = np.cumsum(np.concatenate([table.counts() for table in tables]), dtype=np.int64)
    n = len(ends)
    spans = np.concatenate([np.tile(_observed(table), (table.n, 1)) for table in tables])
    column = common.VectorData
    spikes = column(name="spike_times", data=times, description="times of the ends of the steps in which the neuron fired, s")
    observed = column(name="obs_intervals", data=spans, description="what was recorded, s")
    columns = [
        *(spikes, common.VectorIndex(name="spike_times_index", target=spikes, data=ends.astype(np.uint64))),
        *(observed, common.VectorIndex(name="obs_intervals_index", target=observed, data=np.arange(1, n + 1, dtype=np.uint64))),
        column(name="population", data=[table.population for table in tables for _ in range(table.n)], description="name of the population"),
        column(name="neuron", data=np.concatenate([np.arange(table.n) for table in tables]), description="number within the population, from 0"),
    ]
    ids = common.ElementIdentifiers(name="id", data=np.arange(n))
    return pynwb.misc.Units(name="units", description="simulated neurons", id=ids, columns=columns, resolution=dt_ms * 1e-3)


def _observed(table: SpikeTable) -> np.ndarray:
    """Begin and end of what was recorded, s."""
    return stamps(np.array([table.start_step - 1, table.start_step + table.n_steps - 1]), table.dt_ms) * 1e-3


def _series(pynwb: Any, record: TraceRecord, dt_ms: float) -> Any:
    """A trace; its rows at one interval, or with the time of each."""
    unit, conversion = SI.get(str(record.unit), (str(record.unit), 1.0))
    times, gaps = stamps(record.steps, dt_ms) * 1e-3, np.unique(np.diff(record.steps))
    clock = {"timestamps": times} if len(gaps) != 1 else {"starting_time": float(times[0]), "rate": 1e3 / (int(gaps[0]) * dt_ms)}
    text = f"{record.variable} of neurons {np.asarray(record.ids).tolist()[:50]} of {record.population}"
    return pynwb.TimeSeries(name=record.name, data=np.asarray(record.values), unit=unit, conversion=conversion, description=text, **clock)


def _package() -> Any:
    try:
        return importlib.import_module("pynwb")
    except ImportError as error:
        raise ImportError('to_nwb needs the package pynwb: `pip install "neuro4d[nwb]"`.') from error
