"""Files of edges: text and Parquet."""

import csv
import importlib
from pathlib import Path
from typing import Any, NamedTuple

import brainunit as u
import numpy as np

from neuro4d._base import UnitError, check_count, lookup, write_whole

Column = tuple[str, Any]
"""The name of a column and the unit of its numbers."""


class Wanted(NamedTuple):
    """The columns that a file has or shall have: names of `pre` and `post`, name and unit of `weight` and `delay`, number of the first neuron."""

    pre: str
    post: str
    weight: Column | None
    delay: Column | None
    first: int

    def check(self, where: str) -> None:
        """Raises where a name is none, a unit is none, or a name is used twice."""
        check_count(self.first, f"{where}: first", low=0)
        for what, column in (("weight", self.weight), ("delay", self.delay)):
            if column is None:
                continue
            if not isinstance(column, tuple) or len(column) != 2:
                line = '("w", u.pA)' if what == "weight" else '("d", u.ms)'
                raise TypeError(f"{where}: {what} is the name and the unit of a column, for example `{what}={line}`; got {column!r}.")
            check_unit(column[1], f"{where}: {what}")
            if what == "delay" and column[1].dim != u.ms.dim:
                raise UnitError(f'{where}: delays are times, for example `delay=("d", u.ms)`; got the unit {column[1]}.')
        names = self.names()
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f'{where}: the name of a column is a string, for example `pre="source"`; got {name!r}.')
        if len(set(names)) < len(names):
            raise ValueError(f"{where}: each column is used once; got {', '.join(names)}.")

    def names(self) -> list[str]:
        """The names in the order pre, post, weight, delay."""
        return [self.pre, self.post, *(column[0] for column in (self.weight, self.delay) if column is not None)]


class Found(NamedTuple):
    """What a file held: indices from 0, quantities."""

    pre: np.ndarray
    post: np.ndarray
    weight: Any
    delay: Any


def check_unit(unit: Any, where: str) -> None:
    """Refuses what is no unit."""
    if not isinstance(unit, u.Unit):
        raise UnitError(f"{where} takes a unit such as `u.pA`; got {unit!r}.")


def read_csv(path: Path, wanted: Wanted, delimiter: str) -> Found:
    """The columns of a text file."""
    where = f"EdgeTable.from_csv: {path}"
    wanted.check("EdgeTable.from_csv")
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        raise TypeError(f'EdgeTable.from_csv: delimiter is one character, for example `delimiter=";"`; got {delimiter!r}.')
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            head = next(reader, None)
            if not head:
                raise ValueError(f"{where} has no line with the names of its columns, for example `pre,post,weight,delay`.")
            if len(set(head)) < len(head):
                raise ValueError(f"{where}: the names of its columns differ; got {', '.join(head)}.")
            place = {name: at for at, name in enumerate(head)}
            places = [lookup(place, name, f"column in {path}") for name in wanted.names()]
            cells, lines = _cells(reader, places, len(head), where)
        except csv.Error as error:
            raise ValueError(f"{where}, line {reader.line_num}: {error}.") from error
    texts = {name: (values, lines) for name, values in zip(wanted.names(), cells, strict=True)}
    column = lambda name, whole: _parsed(*texts[name], name, whole, where)  # noqa: E731
    return _found(wanted, column, where, lambda row: f"row {row} (line {lines[row]})")


def _cells(reader: Any, places: list[int], width: int, where: str) -> tuple[list[list[str]], list[int]]:
    """The wanted cells by column, and the line of each row."""
    rows: list[list[str]] = []
    lines: list[int] = []
    for row in reader:
        if len(row) != width:
            raise ValueError(
                f"{where}: row {len(rows)} (line {reader.line_num}) has {len(row)} cells, the first line names {width} columns."
            )
        rows.append(row)
        lines.append(reader.line_num)
    return [[row[place] for row in rows] for place in places], lines


def _parsed(texts: list[str], lines: list[int], name: str, whole: bool, where: str) -> np.ndarray:
    """Numbers from texts, or the first text that is none."""
    kind = int if whole else float
    try:
        if texts and not any("_" in text for text in texts):
            return np.array(texts).astype(np.int64 if whole else np.float64)
    except (ValueError, OverflowError):
        pass  # which one it is, is found below
    values = np.empty(len(texts), np.int64 if whole else np.float64)
    for row, text in enumerate(texts):
        try:
            if "_" in text:  # Python reads 1_000; a table means something else
                raise ValueError
            values[row] = kind(text)
        except (ValueError, OverflowError) as error:
            line = "a whole number, for example `3`" if whole else "a number, for example `0.5`"
            raise ValueError(f"{where}: row {row} (line {lines[row]}), column {name!r}: expected {line}; got {text!r}.") from error
    return values


def read_parquet(path: Path, wanted: Wanted) -> Found:
    """The columns of a Parquet file."""
    where = f"EdgeTable.from_parquet: {path}"
    wanted.check("EdgeTable.from_parquet")
    parquet = _pyarrow("from_parquet", "pyarrow.parquet")
    if not path.is_file():
        raise FileNotFoundError(f"{where}: there is no such file.")
    known = parquet.read_schema(path).names
    for name in wanted.names():
        lookup(dict.fromkeys(known), name, f"column in {path}")
    table = parquet.read_table(path, columns=wanted.names())

    def column(name: str, whole: bool) -> np.ndarray:
        values = table.column(name)
        if values.null_count:
            row = int(np.argmax(values.is_null().to_numpy()))
            raise ValueError(f"{where}: row {row}, column {name!r}: expected a number; got nothing.")
        array = values.to_numpy()
        if array.dtype.kind not in ("iu" if whole else "fiu"):
            line = "whole numbers" if whole else "numbers"
            first = f"; got {array[0]!r} in row 0" if len(array) else ""
            raise ValueError(f"{where}: column {name!r} holds {line}, not {values.type}{first}. Write it with another type.")
        return array

    return _found(wanted, column, where, lambda row: f"row {row}")


def _found(wanted: Wanted, column: Any, where: str, row_text: Any) -> Found:
    """Columns as indices and quantities, checked row by row."""

    def refuse(bad: np.ndarray, values: np.ndarray, name: str, expected: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(f"{where}: {row_text(row)}, column {name!r}: expected {expected}; got {values[row]}.")

    ends = []
    for name in (wanted.pre, wanted.post):
        ids = column(name, True)
        refuse((ids < wanted.first) | (ids > 2**31 - 1 + wanted.first), ids, name, f"the number of a neuron, {wanted.first} or more")
        ends.append(ids.astype(np.int64) - wanted.first)
    found: list[Any] = []
    for what, wish in (("weight", wanted.weight), ("delay", wanted.delay)):
        if wish is None:
            found.append(None)
            continue
        name, unit = wish
        values = column(name, False).astype(np.float64)
        refuse(~np.isfinite(values), values, name, "a finite number, for example `0.5`")
        if what == "delay":
            refuse(values < 0, values, name, "a delay of 0 or more, for example `1.5`")
        found.append(values * unit)
    return Found(*ends, *found)


def columns_of(pre: np.ndarray, post: np.ndarray, weight: Any, delay: Any, wanted: Wanted) -> dict[str, np.ndarray]:
    """The columns of a file that is written, in the units of the caller."""
    wanted.check("EdgeTable: a file")
    columns = {wanted.pre: pre + wanted.first, wanted.post: post + wanted.first}
    for what, values, wish, line in (
        ("weight", weight, wanted.weight, '("weight", u.pA)'),
        ("delay", delay, wanted.delay, '("delay", u.ms)'),
    ):
        if (values is None) != (wish is None):
            problem = "the table has none" if values is None else "they would be lost"
            raise ValueError(
                f"EdgeTable: a column for {what}s is written where there are {what}s, and {problem}; for example `{what}={line}`."
            )
        if wish is not None:
            if u.get_unit(values).dim != wish[1].dim:
                raise UnitError(f"EdgeTable: {what}s are in {u.get_unit(values)}, which is not convertible to {wish[1]}.")
            columns[wish[0]] = np.asarray(values.mantissa if u.get_unit(values) == wish[1] else values.to_decimal(wish[1]))
    return columns


def write_csv(path: Path, columns: dict[str, np.ndarray], delimiter: str) -> None:
    """A text file that appears whole or not at all. Numbers are written with as many digits as they need to be read again."""
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        raise TypeError(f'EdgeTable.to_csv: delimiter is one character, for example `delimiter=";"`; got {delimiter!r}.')

    def fill(file: Any) -> None:
        lines = zip(*(map(repr, values.tolist()) for values in columns.values()), strict=True)
        file.write((delimiter.join(columns) + "\n").encode())
        file.writelines((delimiter.join(cells) + "\n").encode() for cells in lines)

    for name in columns:
        if any(letter in name for letter in (delimiter, '"', "\n", "\r")):
            raise ValueError(f"EdgeTable.to_csv: the name of a column has no delimiter, quote or line break; got {name!r}.")
    write_whole(path, fill)


def write_parquet(path: Path, columns: dict[str, np.ndarray]) -> None:
    """A Parquet file that appears whole or not at all."""
    arrow, parquet = (_pyarrow("to_parquet", name) for name in ("pyarrow", "pyarrow.parquet"))
    table = arrow.table(columns)
    write_whole(path, lambda file: parquet.write_table(table, file))


def _pyarrow(what: str, module: str) -> Any:
    """A module of pyarrow, which is loaded where it is used."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'EdgeTable.{what} needs pyarrow: `pip install "neuro4d[parquet]"`. Without it: `EdgeTable.{what.replace("parquet", "csv")}`.'
        ) from error
