"""Rows as files for other programs."""

import csv
import importlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neuro4d._base import write_whole
from neuro4d.runs._plain import marked
from neuro4d.runs._row import RunRow

FORMATS = ("json", "csv", "parquet")


def export_rows(rows: Sequence[RunRow], path: str | os.PathLike[str], format: str | None) -> Path:
    """Writes rows completely or not at all.

    **Raises:** `ValueError` for another format, `ImportError` where Parquet is asked for and pyarrow is missing.
    """
    target = Path(path).expanduser().absolute()
    kind = target.suffix.lower().lstrip(".") if format is None else format
    if kind not in FORMATS:
        raise ValueError(
            f"format is one of {', '.join(FORMATS)}, or what the name of the file ends in, `db.export('runs.csv')`; got {kind!r}."
        )
    if kind == "parquet":
        _write_parquet(rows, target)
    else:
        text = _json(rows) if kind == "json" else _csv(rows)
        write_whole(target, lambda file: file.write(text.encode()))
    return target


def _json(rows: Sequence[RunRow]) -> str:
    return json.dumps(marked([row.as_dict() for row in rows]), indent=1, allow_nan=False) + "\n"


def _csv(rows: Sequence[RunRow]) -> str:
    columns = _columns(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_cell(value) for value in line] for line in zip(*columns.values(), strict=True)])
    return out.getvalue()


def _columns(rows: Sequence[RunRow]) -> dict[str, list[Any]]:
    """The values of all rows by name, `None` where a row has none."""
    flat = [row.flat() for row in rows]
    return {name: [row.get(name) for row in flat] for name in dict.fromkeys(name for row in flat for name in row)}


def _cell(value: Any) -> Any:
    """A number or a text as it is, nothing where there is nothing, and all else as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return repr(value)
    return json.dumps(marked(value))


def _write_parquet(rows: Sequence[RunRow], target: Path) -> None:
    try:
        arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise ImportError("Parquet needs pyarrow: `pip install 'neuro4d[parquet]'`. CSV and JSON need nothing.") from error
    content = arrow.table({name: arrow.array(_column(values)) for name, values in _columns(rows).items()})
    write_whole(target, lambda file: parquet.write_table(content, file))


def _column(values: list[Any]) -> list[Any]:
    """Values of one type: as they are where they have one, as JSON text where they do not."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        return [None if value is None else float(value) for value in values] if float in kinds else _integers(values)
    if len(kinds) == 1 and kinds <= {bool, str}:
        return values
    return [value if value is None or isinstance(value, str) else json.dumps(marked(value)) for value in values]


def _integers(values: list[Any]) -> list[Any]:
    """As they are where 64 bits with a sign hold them, else as text."""
    return values if all(value is None or value < 2**63 for value in values) else [None if v is None else str(v) for v in values]
