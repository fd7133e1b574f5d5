"""Spike tables as columns: data frames of pandas, tables of Arrow, Parquet files."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import brainunit as u
import numpy as np

from neuro4d._base import CorruptFileError, UnsafeFileError, check_count, strip, write_whole

KEY = "neuro4d.spikes"
FIELDS = ("population", "dt_ms", "n", "start_step", "n_steps")
MOST = 1 << 28
"""Spikes of a file: 268 million take 5 GB."""


def package(what: str, name: str, extra: str) -> Any:
    """A package that is loaded where it is used."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f'SpikeTable.{what} needs {name.split(".")[0]}: `pip install "neuro4d[{extra}]"`.') from error


def notes(table: Any) -> dict[str, Any]:
    """What a table knows beside its columns."""
    return {name: getattr(table, name) for name in FIELDS}


def arrow_table(table: Any) -> Any:
    """As a table of Arrow, with those notes as metadata."""
    arrow = package("to_arrow", "pyarrow", "parquet")
    columns = table.to_numpy()
    made = arrow.table({name: np.ascontiguousarray(columns[name]) for name in columns.dtype.names})
    return made.replace_schema_metadata({KEY: json.dumps(notes(table))})


def arrow_notes(schema: Any, where: str) -> dict[str, Any]:
    """The notes in the metadata of a schema; none where somebody else wrote it.

    **Raises:** `CorruptFileError` for notes that are damaged.
    """
    text = (schema.metadata or {}).get(KEY.encode())
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{where}: the metadata {KEY!r} are damaged: {error}") from error
    if not isinstance(found, dict) or set(found) - set(FIELDS):
        raise CorruptFileError(f"{where}: the metadata {KEY!r} hold {', '.join(FIELDS)}; got {text!r:.80}.")
    return found


def arrow_column(table: Any, name: str, where: str) -> np.ndarray | None:
    """A column, or `None` where there is none."""
    if name not in table.column_names:
        return None
    column = table.column(name)
    if column.null_count:
        raise ValueError(f"{where}: column {name!r} has {column.null_count} empty cells.")
    return column.to_numpy()


def arguments(columns: Mapping[str, Any], noted: Mapping[str, Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The arguments of a table: columns `step` and `id`, or `time_ms` and `id`, with what is noted beside them and what the caller says.

    **Raises:** `ValueError` for a column or a number that nobody gives, and for times off the grid.
    """
    found = dict(noted) | {name: value for name, value in given.items() if value is not None}
    if "dt" in found:
        found["dt_ms"] = float(strip(found.pop("dt"), u.ms, f"{where}: dt"))
    for name, line in (("dt_ms", "dt=0.1*u.ms"), ("n", "n=100"), ("population", 'population="cells"')):
        if name not in found:
            raise ValueError(f"{where}: nothing says what {name.removesuffix('_ms')} is; give it, for example `{line}`.")
    if isinstance(found["dt_ms"], bool) or not isinstance(found["dt_ms"], int | float) or not 0 < found["dt_ms"] < np.inf:
        raise ValueError(f"{where}: dt is a positive time, for example `dt=0.1*u.ms`; got {found['dt_ms']!r:.60} ms.")
    if not isinstance(found["population"], str):
        raise TypeError(f"{where}: population is a name; got {found['population']!r:.60}.")
    step, id = columns.get("step"), columns.get("id")
    if id is None or (step is None and columns.get("time_ms") is None):
        raise ValueError(f"{where}: expected the columns `id` and `step`, or `id` and `time_ms`; got {', '.join(name for name, x in columns.items() if x is not None) or 'neither'}.")
    if step is None:
        step = _steps(np.asarray(columns["time_ms"]), float(found["dt_ms"]), where)
    step, id = np.asarray(step), np.asarray(id)
    if len(step) == len(id) and np.any((np.diff(step) < 0) | ((np.diff(step) == 0) & (np.diff(id) < 0))):  # other programs may have the order of neurons
        order = np.lexsort((id, step))
        step, id = step[order], id[order]
    start = check_count(found.get("start_step", 0), f"{where}: start_step", low=0)
    last = int(step.max()) + 1 - start if len(step) and step.dtype.kind in "iu" else 0
    steps = check_count(found.get("n_steps", max(last, 0)), f"{where}: n_steps", low=0)
    return {"step": step, "id": id, **{name: found[name] for name in ("population", "dt_ms", "n")}, "start_step": start, "n_steps": steps}


def _steps(times: np.ndarray, dt: float, where: str) -> np.ndarray:
    """The steps that end at some times in ms."""
    if times.dtype.kind not in "fiu":
        raise TypeError(f"{where}: column 'time_ms' holds numbers; got {times.dtype}.")
    exact = times.astype(np.float64) / dt
    steps = np.rint(exact)
    bad = ~(np.abs(exact - steps) <= 1e-3) | ~(np.abs(exact) < 2**53)
    if bad.any():
        at = int(np.argmax(bad))
        raise ValueError(f"{where}: times are multiples of dt = {dt:g} ms; row {at} has {times[at]} ms. Give the dt with which it was recorded.")
    return steps.astype(np.int64) - 1


def write_parquet(table: Any, path: Path) -> None:
    """A Parquet file that appears whole or not at all."""
    made, parquet = arrow_table(table), package("to_parquet", "pyarrow.parquet", "parquet")
    write_whole(path, lambda file: parquet.write_table(made, file, compression="zstd", write_page_checksum=True))


def read_parquet(path: Path, most: int) -> Any:
    """A table of Arrow from a Parquet file, once its size is known to be within bounds."""
    where = f"SpikeTable.from_parquet: {str(path)!r}"
    arrow, parquet = package("from_parquet", "pyarrow", "parquet"), package("from_parquet", "pyarrow.parquet", "parquet")
    if not path.is_file():
        raise FileNotFoundError(f"{where}: there is no such file.")
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            if not 0 <= file.metadata.num_rows <= most:
                raise UnsafeFileError(f"{where} declares {file.metadata.num_rows:,} spikes; at most {most:,} are read. More with `most=`, or piece by piece with pyarrow.")
            wanted = [name for name in ("step", "id", "time_ms") if name in file.schema_arrow.names]
            for name in wanted:
                kind = file.schema_arrow.field(name).type
                if not (arrow.types.is_integer(kind) or arrow.types.is_floating(kind)):
                    raise CorruptFileError(f"{where}: column {name!r} holds {kind}; expected numbers.")
            return file.read(columns=wanted)
    except (arrow.ArrowException, OSError, OverflowError) as error:
        raise CorruptFileError(f"{where} is no Parquet file, or a damaged one: {str(error)[:300]}") from error
