"""What `RunDB` and `KnowledgeBase` share: one file, transactions, and sums that know how many rows there have to be."""

import contextlib
import errno
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neuro4d._base import CorruptFileError
from neuro4d.runs import _connect
from neuro4d.runs._schema import APPLICATION, STEPS, TABLES, VERSION, expected

FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.1
"""Seconds between two attempts at a file that is busy."""

MORE_ENTRIES_THAN_EXPECTED = 64

SUM_BYTES = 32


class Store:
    """An open database. Every row carries its own SHA-256; the table `sums` holds the number of rows and the XOR of their sums, so that a row
    that vanished is noticed as well as one that changed."""

    def __init__(self, path: str | os.PathLike[str], readonly: bool, check: bool, timeout: float):
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"a database is given by its path, for example `n4.RunDB('runs/runs.db')`; got {path!r:.80}.")
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 <= timeout <= 86_400:
            raise ValueError(f"timeout is a number of seconds from 0 to 86400, for example `timeout=30`; got {timeout!r}.")
        self.path = Path(path).expanduser().absolute()
        self.readonly, self._timeout, self._owner = readonly, float(timeout), (os.getpid(), threading.get_ident())
        self._depth = 0
        self._connection: sqlite3.Connection | None = None
        _prepare(self.path, readonly)
        with _connect.explained(self.path, opening=True):
            self._connection = self._again(lambda: _connect.connect(self.path, readonly, self._timeout))
            try:
                self._again(lambda: self._open(check))
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Gives the file back. Closing twice does no harm."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @property
    def closed(self) -> bool:
        return self._connection is None

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A view of one moment, whatever others write meanwhile."""
        with _connect.explained(self.path):
            connection = self._own()
            if connection.in_transaction:  # a part of what goes on
                yield connection
                return
            with self._transaction(connection, "BEGIN"):
                yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. Waits for others that write. Inside of another `writing` it is a part of that, which can fail alone."""
        if self.readonly:
            raise PermissionError(f"{self.path} was opened with `readonly=True`.")
        with _connect.explained(self.path):
            connection = self._own()
            if connection.in_transaction and not self._depth:
                raise RuntimeError(
                    f"{self.path}: nothing can be written while rows are being read; write after `db.runs(...)` has returned."
                )
            with self._part(connection) if self._depth else self._transaction(connection, "BEGIN IMMEDIATE"):
                self._depth += 1
                try:
                    yield connection
                finally:
                    self._depth -= 1
            if not self._depth:
                _connect.empty_log(connection)

    @contextlib.contextmanager
    def _transaction(self, connection: sqlite3.Connection, begin: str) -> Iterator[None]:
        try:
            self._again(lambda: connection.execute(begin))
            yield
            if not connection.in_transaction:  # SQLite has taken everything back, and somebody has swallowed why
                raise OSError(errno.EIO, "what was to be written together could not be, and nothing of it was", str(self.path))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _part(self, connection: sqlite3.Connection) -> Iterator[None]:
        connection.execute("SAVEPOINT part")
        try:
            yield
            connection.execute("RELEASE part")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK TO part")
                connection.execute("RELEASE part")
            raise

    def insert(self, table: str, columns: tuple[str, ...], values: tuple[Any, ...], sha256: bytes) -> None:
        """A row, and its part in the sum of the table. Within `writing`."""
        marks = ", ".join("?" * len(columns))
        connection = self._own()
        connection.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", values)
        self.amend(table, 1, sha256)

    def amend(self, table: str, more: int, change: bytes) -> None:
        """Takes into the sum of a table what has changed: how many rows more, and the XOR of old and new sums."""
        connection = self._own()
        entries, before = connection.execute("SELECT entries, sha256 FROM sums WHERE name = ?", (table,)).fetchone() or (0, b"")
        if not isinstance(before, bytes) or len(before) != SUM_BYTES:
            raise self.damaged("the table of sums")
        connection.execute("UPDATE sums SET entries = ?, sha256 = ? WHERE name = ?", (entries + more, xor(before, change), table))

    def count(self, table: str) -> int:
        """How many rows there are."""
        with self.reading() as connection:
            return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def next_id(self, table: str) -> int:
        """The number of the next row. Within `writing`, where nobody else can take it."""
        return self._own().execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}").fetchone()[0]

    def damaged(self, what: str) -> CorruptFileError:
        """The error for a row that is not what was written."""
        return CorruptFileError(f"{self.path}: {what} is damaged, or was changed by other means than neuro4d's.")

    def _own(self) -> sqlite3.Connection:
        if self._connection is None:
            raise ValueError(f"the database {self.path} is closed; open it again, `with n4.RunDB({str(self.path)!r}) as db:`.")
        if (os.getpid(), threading.get_ident()) != self._owner:
            raise RuntimeError(
                f"the database {self.path} was opened by another process or thread; open it in each: a connection cannot be shared."
            )
        return self._connection

    def _again(self, call: Any) -> Any:
        """A call, again and again while the file is busy. SQLite waits by itself where it may; at the end of a log that others recover it may not."""
        end, pause = time.monotonic() + self._timeout, FIRST_PAUSE
        while True:
            try:
                return call()
            except sqlite3.OperationalError as error:
                if not _connect.is_busy(error) or time.monotonic() >= end:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _open(self, check: bool) -> None:
        """Whether it is ours, of which version, and whole; an older one is brought up to date."""
        connection = self._own()
        connection.execute("BEGIN")
        try:
            version = self._recognised(connection)
            if check:
                self._whole(connection, version)
        finally:
            connection.execute("ROLLBACK")
        if version < VERSION and self.readonly:
            raise ValueError(
                f"{self.path} is of version {version}; open it once without `readonly=True`, which brings it to version {VERSION}."
            )
        if self.readonly:
            return
        connection.execute("PRAGMA journal_mode=WAL")
        if version < VERSION:
            self._migrate(connection)

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            _connect.advance(connection, self._recognised(connection))  # another process may have done it meanwhile
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _recognised(self, connection: sqlite3.Connection) -> int:
        """The version of a file with our mark and exactly our tables: no view, no trigger, no table of others."""
        (mark,), (version,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version"))
        if mark != APPLICATION:
            raise CorruptFileError(f"{self.path} is an SQLite database of another program, or a damaged one: its mark is {mark:#x}.")
        if version > len(STEPS):
            raise ValueError(f"{self.path} is of version {version}, written by a later neuro4d; this one reads up to version {VERSION}.")
        if version < 1:
            raise CorruptFileError(f"{self.path} says that it is of version {version}, which never was.")
        found = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT ?", (MORE_ENTRIES_THAN_EXPECTED,)).fetchall()
        entries = [tuple(each if each is None else bytes(each) for each in row) for row in found]
        wanted = {tuple(each if each is None else each.encode() for each in entry) for entry in expected(version)}
        if len(entries) != len(wanted) or set(entries) != wanted:
            other = next((entry for entry in entries if entry not in wanted), None)
            what = "a table is missing" if other is None else f"it holds the {_shown(other[0])} {_shown(other[1])}"
            raise CorruptFileError(f"{self.path} has other tables than a database of runs of version {version}: {what}. It is not opened.")
        return version

    def _whole(self, connection: sqlite3.Connection, version: int) -> None:
        (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if said != b"ok":
            raise CorruptFileError(f"{self.path} is damaged: SQLite's own check says {_shown(said)}.")
        kept = dict(connection.execute("SELECT name, sha256 FROM sums").fetchall())
        numbers = dict(connection.execute("SELECT name, entries FROM sums").fetchall())
        if set(kept) != {name.encode() for name in TABLES[version]}:
            raise self.damaged("the table of sums")
        for table in TABLES[version]:
            count, total = 0, 0
            for (each,) in connection.execute(f"SELECT sha256 FROM {table}"):
                count, total = count + 1, total ^ int.from_bytes(each)
            if (count, total) != (numbers[table.encode()], int.from_bytes(kept[table.encode()])):
                raise CorruptFileError(f"{self.path} is damaged: rows of the table '{table}' are missing, or have changed.")


def digest(*parts: str | bytes) -> bytes:
    """The SHA-256 of several texts, each with its length before it, so that no two lists of texts have one sum by construction."""
    sha = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        sha.update(len(raw).to_bytes(8, "little"))
        sha.update(raw)
    return sha.digest()


def xor(a: bytes, b: bytes) -> bytes:
    """Bit by bit, of two sums."""
    return (int.from_bytes(a) ^ int.from_bytes(b)).to_bytes(SUM_BYTES)


def _prepare(path: Path, readonly: bool) -> None:
    """Makes the file where it has to be made, and refuses what is no file."""
    if not path.exists():
        if readonly:
            raise FileNotFoundError(_missing(path))
        with _connect.explained(path, opening=True):
            _connect.create(path)
    if not path.is_file():
        raise ValueError(f"{path} is no file; a database of runs is one file, for example `n4.RunDB('runs/runs.db')`.")
    if path.stat().st_size == 0:
        raise CorruptFileError(f"{path} is empty: a database that was cut off, or none. Delete it, and a new one is made.")


def _missing(path: Path) -> str:
    """What to say of a database that is not there."""
    return f"there is no database of runs at {path}; `n4.RunDB({str(path)!r})` makes one, and so does `neuro4d run`."


def _shown(raw: Any) -> str:
    """Text of a file that nobody has checked, without control characters and of bounded length."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    return ascii(text[:200])
