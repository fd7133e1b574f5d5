"""Spikes and reports of SONATA."""

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import brainunit as u
import numpy as np

from neuro4d._base import CorruptFileError, steps_of
from neuro4d.io.exchange._files import reading, write_hdf5
from neuro4d.io.exchange._sonata_parts import UNITS
from neuro4d.io.hdf5 import open_untrusted, read_array, read_attribute
from neuro4d.recorders import SpikeTable, TraceRecord, stamps

LIMIT = 1 << 34
"""Bytes that a file of spikes or of a report may unpack to."""


def write_spikes(path: Path, tables: Iterable[SpikeTable]) -> None:
    """A file of spikes, one group for each population, ordered by time."""
    h5py: Any = importlib.import_module("h5py")
    order = h5py.enum_dtype({"none": 0, "by_id": 1, "by_time": 2}, basetype=np.uint8)

    def fill(file: Any) -> None:
        spikes = file.create_group("spikes")
        for table in tables:
            group = spikes.create_group(table.population)
            group.attrs.create("sorting", np.uint8(2), dtype=order)
            packed = {"fletcher32": True} if len(table) else {}
            times = group.create_dataset("timestamps", data=np.asarray(stamps(table.step, table.dt_ms), np.float64), **packed)
            times.attrs["units"] = np.bytes_("ms")  # of fixed length: the library sets aside gigabytes for a damaged one of variable length
            group.create_dataset("node_ids", data=table.id.astype(np.uint64), **packed)
            for name, value in (("dt", table.dt_ms), ("n", table.n), ("start_step", table.start_step), ("n_steps", table.n_steps)):
                group.attrs[f"neuro4d.{name}"] = value

    write_hdf5(path, fill)


def read_spikes(path: Path, sizes: dict[str, int], dt_ms: float) -> dict[str, SpikeTable]:
    """Tables by population.

    **Arguments:** `sizes`: neurons of every population that may occur; `dt_ms`: of times, where the file does not say it.

    **Raises:** `CorruptFileError` and `UnsafeFileError` for files that are damaged or hold something else; `ValueError` for times off the grid.
    """
    found = {}
    where = f"SONATA: {str(path)!r}"
    with reading(where), open_untrusted(path, strings=True, limit=LIMIT) as file:
        for name in group_in(file, "spikes", where):
            group = group_in(file["spikes"], name, where)
            if name not in sizes:
                raise CorruptFileError(f"{where}: spikes of {name!r:.60}, a population that the circuit does not have.")
            times, ids = (read_array(array_in(group, column, where), kinds=kinds, ndim=1) for column, kinds in (("timestamps", "fiu"), ("node_ids", "iu")))
            if times.shape != ids.shape:
                raise CorruptFileError(f"{where}: {len(times)} times and {len(ids)} neurons of {name!r}.")
            if "units" in group["timestamps"].attrs and read_attribute(group["timestamps"], "units", str) != "ms":
                raise CorruptFileError(f"{where}: times of {name!r} in {read_attribute(group['timestamps'], 'units', str)!r:.40}; expected ms.")
            noted = {
                each: read_attribute(group, f"neuro4d.{each}", kind)
                for each, kind in (("dt", float), ("n", int), ("start_step", int), ("n_steps", int))
                if f"neuro4d.{each}" in group.attrs
            }
            if len(ids) and int(ids.max()) >= sizes[name]:
                raise CorruptFileError(f"{where}: neuron {int(ids.max())} of {name!r}, which has {sizes[name]}.")
            dt = noted.pop("dt", dt_ms)
            columns = {"time_ms": times, "id": ids.astype(np.int64)}
            more = {"start_step": noted.get("start_step"), "n_steps": noted.get("n_steps")}
            found[name] = SpikeTable.from_numpy(columns, population=name, dt=dt * u.ms, n=noted.get("n", sizes[name]), **more)
    return found


def write_report(path: Path, record: TraceRecord, dt_ms: float) -> float:
    """A file of one trace. **Returns:** the time between its rows in ms.

    **Raises:** `ValueError` for rows that do not follow each other at one interval.
    """
    gaps = np.unique(np.diff(record.steps))
    if len(gaps) > 1:
        raise ValueError(f"save_sonata: a report has rows at one interval; those of the trace {record.name!r} are {gaps[:4]} steps apart.")
    every = (int(gaps[0]) if len(gaps) else 1) * dt_ms
    begin = float(stamps(record.steps[:1], dt_ms)[0]) if len(record.steps) else dt_ms
    order = np.argsort(record.ids, kind="stable")

    def fill(file: Any) -> None:
        group = file.create_group("report").create_group(record.population)
        values = np.asarray(record.values)[:, order]
        packed = {"fletcher32": True} if values.size else {}
        data = group.create_dataset("data", data=values, **packed)
        data.attrs["units"] = np.bytes_(str(record.unit))
        mapping = group.create_group("mapping")
        ids = mapping.create_dataset("node_ids", data=np.asarray(record.ids)[order].astype(np.uint64))
        ids.attrs["sorted"] = np.uint8(1)
        mapping["index_pointers"] = np.arange(len(order) + 1, dtype=np.uint64)
        mapping["element_ids"] = np.zeros(len(order), np.uint32)
        time = mapping.create_dataset("time", data=np.array([begin, begin + every * len(record.steps), every]))
        time.attrs["units"] = np.bytes_("ms")
        group.attrs["neuro4d.variable"] = np.bytes_(record.variable.encode())

    write_hdf5(path, fill)
    return every


def read_report(path: Path, name: str, variable: str, dt_ms: float) -> list[TraceRecord]:
    """Traces of a file, one for each population, which is in its name where there are several; one element for each neuron, as point neurons have.

    **Raises:** as `read_spikes`.
    """
    found = []
    where = f"SONATA: {str(path)!r}"
    with reading(where), open_untrusted(path, strings=True, limit=LIMIT) as file:
        populations = list(group_in(file, "report", where))
        for population in populations:
            group = group_in(file["report"], population, where)
            mapping = group_in(group, "mapping", where)
            values = read_array(array_in(group, "data", where), kinds="f", ndim=2)
            ids = read_array(array_in(mapping, "node_ids", where), kinds="iu", ndim=1)
            time = read_array(array_in(mapping, "time", where), kinds="fiu", ndim=1)
            text = read_attribute(group["data"], "units", str) if "units" in group["data"].attrs else ""
            if len(ids) != values.shape[1] or time.shape != (3,) or text not in UNITS:
                raise CorruptFileError(f"{where}: {values.shape} values of {len(ids)} neurons in {text!r:.40}; expected one column for each neuron, and a unit.")
            try:
                first, every = int(steps_of(time[0], dt_ms, "its begin")), int(steps_of(time[2], dt_ms, "its interval"))
            except ValueError as error:
                raise CorruptFileError(f"{where}: {error}") from error
            own = read_attribute(group, "neuro4d.variable", str) if "neuro4d.variable" in group.attrs else variable
            steps = first - 1 + every * np.arange(len(values))
            label = name if len(populations) == 1 else f"{name} {population}"
            found.append(TraceRecord(label, population, own, ids.astype(np.int64), steps, values, UNITS[text]))
    return found


def group_in(holder: Any, name: str, where: str) -> Any:
    """A group below another.

    **Raises:** `CorruptFileError` where there is none.
    """
    if name not in holder or not callable(getattr(holder[name], "keys", None)):
        raise CorruptFileError(f"{where} has no group {name!r:.60} in {holder.name!r}.")
    return holder[name]


def array_in(holder: Any, name: str, where: str) -> Any:
    """A dataset in a group.

    **Raises:** `CorruptFileError` where there is none.
    """
    if name not in holder or callable(getattr(holder[name], "keys", None)):
        raise CorruptFileError(f"{where} has no array {name!r:.60} in {holder.name!r}.")
    return holder[name]
