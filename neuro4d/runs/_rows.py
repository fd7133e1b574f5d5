"""The tables of runs and of texts: rows in, rows out, each with its sum."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from neuro4d._base import UnknownNameError, did_you_mean
from neuro4d.runs._plain import flat
from neuro4d.runs._row import SECTIONS, Content, RunRow, read_row, sum_of
from neuro4d.runs._store import Store, digest, xor

_COLUMNS = ("id", "uid", "sha256", "kind", "name", "status", "started", "content")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM runs"
_TEXT_COLUMNS = ("id", "sha256", "text")

LARGEST_TEXT = 64 * 2**20
"""Bytes of the description of a network."""


class Rows:
    """What `RunDB` does to its tables."""

    def __init__(self, store: Store):
        self._store = store

    def insert(self, kind: str, name: str, status: str, started: str, content: Content, uid: str | None = None) -> int:
        """A new row. Returns its number."""
        text, uid = content.text(), uid or uuid.uuid4().hex
        with self._store.writing():
            number = self._store.next_id("runs")
            sha = sum_of(number, uid, kind, name, status, started, text)
            self._store.insert("runs", _COLUMNS, (number, uid, sha, kind, name, status, started, text), sha)
        return number

    def replace(self, row: RunRow, status: str, content: Content) -> None:
        """The same row with another status and content."""
        text = content.text()
        sha = sum_of(row.id, row.uid, row.kind, row.name, status, row.started, text)
        with self._store.writing() as connection:
            (before,) = connection.execute("SELECT sha256 FROM runs WHERE id = ?", (row.id,)).fetchone()
            connection.execute("UPDATE runs SET sha256 = ?, status = ?, content = ? WHERE id = ?", (sha, status, text, row.id))
            self._store.amend("runs", 0, xor(before, sha))

    def latest_first(self, asked: Mapping[str, str]) -> Iterator[RunRow]:
        """Rows with these values in their columns. Within `reading`."""
        clause = f" WHERE {' AND '.join(f'{column} = ?' for column in asked)}" if asked else ""
        with self._store.reading() as connection:
            for values in connection.execute(f"{_SELECT}{clause} ORDER BY id DESC", tuple(asked.values())):
                yield self._checked(values)

    def get(self, number: int) -> RunRow:
        """The row of a number; negative ones count from the latest."""
        order = "ORDER BY id DESC LIMIT 1 OFFSET ?" if number < 0 else "WHERE id = ?"
        with self._store.reading() as connection:
            values = connection.execute(f"{_SELECT} {order}", (-number - 1 if number < 0 else number,)).fetchone()
            if values is None:
                there = self._store.count("runs")
                raise UnknownNameError(f"no run has the number {number}; there are {there}, which `db.runs()` lists.")
        return self._checked(values)

    def uids(self) -> set[str]:
        """The names of all rows in any file."""
        with self._store.reading() as connection:
            return {uid.decode() for (uid,) in connection.execute("SELECT uid FROM runs")}

    def keep_text(self, text: str) -> str:
        """Keeps a text once, however often it is given. Returns its sum."""
        if len(text) > LARGEST_TEXT:
            raise ValueError(f"a text of {len(text)} characters is too large for a database of runs, which keeps up to {LARGEST_TEXT}.")
        sha = digest(text)
        with self._store.writing() as connection:
            if connection.execute("SELECT 1 FROM texts WHERE sha256 = ?", (sha,)).fetchone() is None:
                self._store.insert("texts", _TEXT_COLUMNS, (self._store.next_id("texts"), sha, text), sha)
        return sha.hex()

    def text(self, sha256: str) -> str:
        """The text of this sum."""
        raw = bytes.fromhex(sha256)
        with self._store.reading() as connection:
            found = connection.execute("SELECT text FROM texts WHERE sha256 = ?", (raw,)).fetchone()
        if found is None:
            raise UnknownNameError(f"no text has the sum {sha256!r}.")
        if not isinstance(found[0], bytes) or digest(found[0]) != raw:
            raise self._store.damaged(f"the text {sha256[:16]}")
        return found[0].decode()

    def _checked(self, values: tuple[Any, ...]) -> RunRow:
        try:
            return read_row(values)
        except ValueError as error:
            raise self._store.damaged(f"row {values[0]} of the table of runs ({error})") from None


def matches(row: RunRow, where: Mapping[str, Any] | Callable[[RunRow], bool] | None) -> bool:
    """Whether a row has these values. A name is looked up in `row.flat()`, as it is or below one of the sections."""
    if where is None:
        return True
    if callable(where):
        return bool(where(row))
    values = row.flat()
    return all(_value(values, name) == flat({"": wanted})[""] for name, wanted in where.items())


def check_where(where: Any) -> None:
    """Refuses what is neither a dictionary nor a function."""
    if where is not None and not callable(where) and not isinstance(where, Mapping):
        raise TypeError(f"where is a dictionary of values or a function of a row, `where={{'seed': 3}}`; got {where!r:.80}.")


def known(value: str, choices: tuple[str, ...], what: str) -> str:
    """One of the choices."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is one of {', '.join(choices)}; got {value!r:.80}.")
    if value not in choices:
        raise ValueError(f"{what} is one of {', '.join(choices)}; got {value!r:.80}.{did_you_mean(value, choices)}")
    return value


def _value(values: dict[str, Any], name: str) -> Any:
    for key in (name, *(f"{section}.{name}" for section in SECTIONS)):
        if key in values:
            return values[key]
    return _ABSENT


_ABSENT = object()
