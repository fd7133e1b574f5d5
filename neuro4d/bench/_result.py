"""What a benchmark leaves: rows of figures, checks that had to hold, and the table made from them."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neuro4d._base import write_whole

FORMAT = 1
"""Of the JSON files; raised when a field changes its meaning."""


class Check(NamedTuple):
    """Something that must hold for the figures to mean anything."""

    what: str
    ok: bool
    detail: str


class Column(NamedTuple):
    """One column of the printed table: the field of a row, its title, and how a number is written."""

    field: str
    title: str
    form: str = ""


class Outcome(NamedTuple):
    """What a benchmark function returns."""

    rows: list[dict[str, Any]]
    checks: list[Check]
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Report:
    """A benchmark that was run, with everything that is needed to judge it.

    **Fields:** `rows` with all single timings (`seconds`) and their medians; `checks`; `machine`, `versions`, `command`, `date`.
    """

    name: str
    command: str
    date: str
    quick: bool
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    checks: Sequence[Check]
    columns: Sequence[Column]
    notes: Sequence[str]

    @property
    def ok(self) -> bool:
        """Whether every check held."""
        return all(check.ok for check in self.checks)

    def to_json(self) -> str:
        """The file that `write` writes. NaN and infinity become `null`."""
        content = {"format": FORMAT, **dataclasses.asdict(self)}
        content["checks"] = [check._asdict() for check in self.checks]
        content["columns"] = [column._asdict() for column in self.columns]
        return json.dumps(_plain(content), indent=1, allow_nan=False) + "\n"

    def write(self, path: Path) -> None:
        """Writes the file completely or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda file: file.write(self.to_json().encode()))

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.date}, {self.machine['cpu']}, {self.machine['cores_granted']} cores"]
        if self.quick:
            lines.append("quick sizes: for a look whether everything works, not for figures")
        lines += ["", text_table(self.columns, self.rows), ""]
        lines += [f"{'ok    ' if check.ok else 'FAILED'}  {check.what}: {check.detail}" for check in self.checks]
        return "\n".join([*lines, *self.notes])


def text_table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> str:
    """Columns as wide as their widest cell, numbers to the right."""
    cells = [[cell(row.get(column.field), column.form) for column in columns] for row in rows]
    widths = [max(len(column.title), *(len(line[i]) for line in cells), 0) for i, column in enumerate(columns)]
    left = [not column.form for column in columns]
    out = [[column.title for column in columns], ["-" * width for width in widths], *cells]
    aligned = (((c.ljust(w) if at else c.rjust(w)) for c, w, at in zip(line, widths, left, strict=True)) for line in out)
    return "\n".join("  ".join(line).rstrip() for line in aligned)


def cell(value: Any, form: str) -> str:
    """A value in a table; a dash where there is none.

    !!! Example

        >>> from neuro4d.bench import cell
        >>> cell(0.01234, ".2g"), cell(None, ".2g"), cell(4000, ",")
        ('0.012', '-', '4,000')
    """
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "-"
    return format(value, form)


def median(values: Sequence[float]) -> float:
    """The median of single timings."""
    return float(np.median(values))


def _plain(value: Any) -> Any:
    """Python's own types, so that every JSON reader takes the file."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
