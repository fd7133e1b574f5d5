"""SQLite, opened with limits; its errors as sentences with the path."""

import contextlib
import errno
import os
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from neuro4d._base import CorruptFileError
from neuro4d.runs._schema import APPLICATION, STEPS, VERSION

LARGEST = 2**29
"""Bytes of one value. SQLite refuses larger ones before it allocates."""

LIMITS = MappingProxyType(
    {
        sqlite3.SQLITE_LIMIT_LENGTH: LARGEST,
        sqlite3.SQLITE_LIMIT_SQL_LENGTH: 10_000,
        sqlite3.SQLITE_LIMIT_COLUMN: 32,
        sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 50,
        sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 4,
        sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 8,
        sqlite3.SQLITE_LIMIT_ATTACHED: 0,
        sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 100,
        sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 100,
        sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
        sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
    }
)

# What a file says of itself is not believed: its schema may not call functions with effects, its cache may not be any size, and a page is
# looked at before its cells are.
PRAGMAS = ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "cache_size=-8192", "temp_store=MEMORY", "synchronous=FULL")

STRICT_SINCE = (3, 37, 0)

BUSY, LOCKED, FULL = 5, 6, 13
NOT_ALLOWED = frozenset({3, 8, 14, 23})
"""SQLite's numbers for a missing permission, a read-only file or folder, and a file that cannot be opened."""
DAMAGED = frozenset({11, 18, 24, 26})
"""A malformed image, a value too large, another format, no database."""
INPUT_OUTPUT = 10


def connect(path: Path, readonly: bool, timeout: float) -> sqlite3.Connection:
    """A connection to a file that exists. Nothing of it has been checked, and nothing read but its head.

    Texts come as bytes: what is not UTF-8 is found where a row is checked. The file is never opened by other means than SQLite's: closing it
    would take away the locks that other connections of this process hold.
    """
    if sqlite3.sqlite_version_info < STRICT_SINCE:
        raise RuntimeError(f"a database of runs needs SQLite 3.37 or later; Python was built with {sqlite3.sqlite_version}.")
    if path.with_name(path.name + "-journal").exists():
        raise CorruptFileError(
            f"{path}: there is a file '{path.name}-journal' beside it, which neuro4d never writes; it would change what is read."
        )
    connection = sqlite3.connect(f"{path.as_uri()}?{_mode(path, readonly)}", uri=True, timeout=timeout, isolation_level=None)
    connection.text_factory = bytes
    for limit, value in LIMITS.items():
        connection.setlimit(limit, value)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _mode(path: Path, readonly: bool) -> str:
    """How to open it. In a folder where nothing can be written nobody writes, and SQLite reads a file without a log beside it as it is."""
    if not readonly:
        return "mode=rw"
    alone = not path.with_name(path.name + "-wal").exists()
    return "mode=ro&immutable=1" if alone and not os.access(path.parent, os.W_OK) else "mode=ro"


def empty_log(connection: sqlite3.Connection) -> None:
    """Moves what was written from the log beside the file into the file, unless others are reading: they need the log.

    In a log, SQLite takes a damaged page for the end of what was written; in the file, sums tell. What stays in the log is as safe as it was.
    """
    with contextlib.suppress(sqlite3.OperationalError):
        (wait,) = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute("PRAGMA busy_timeout=0")
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.execute(f"PRAGMA busy_timeout={wait}")


def create(path: Path) -> None:
    """A database without rows, complete or not there; one that another process has made meanwhile stays."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.neuro4d.tmp")
    _touch(temporary, path)
    try:
        with contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("BEGIN")
            advance(connection, 0)
            connection.execute(f"PRAGMA application_id={APPLICATION}")
            connection.execute("COMMIT")
        with contextlib.suppress(FileExistsError):
            _publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _touch(temporary: Path, path: Path) -> None:
    """An empty file with the rights that files have here."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
    except OSError as error:
        raise OSError(
            error.errno, f"no database can be made here ({error.strerror}); give a path in a folder that can be written", str(path)
        ) from None


def advance(connection: sqlite3.Connection, version: int) -> None:
    """The steps from a version to the present one, within the transaction of the caller."""
    for step in STEPS[version:]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version={VERSION}")


def _publish(temporary: Path, path: Path) -> None:
    """The name of a finished file; raises `FileExistsError` rather than replace one."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: here two that begin at the same moment could meet
        if path.exists():
            raise FileExistsError(path) from None
        temporary.rename(path)


@contextlib.contextmanager
def explained(path: Path, opening: bool = False) -> Iterator[None]:
    """Errors of SQLite as Python's own, with the path and what can be done.

    **Raises:** `CorruptFileError`, `TimeoutError`, `PermissionError`, `OSError`; others of SQLite pass, but not while a file is opened, where
    nothing but the file can be wrong.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(path, error, opening) from error
    except UnicodeDecodeError as error:  # SQLite's message quotes what the file has in place of text
        if not opening:
            raise
        raise CorruptFileError(f"{path} is no database of runs, or a damaged one: its tables have names that are no text.") from error


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else holds the file at the moment."""
    return _number(error) in (BUSY, LOCKED)


def _number(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF  # the higher bits say where


def _explain(path: Path, error: sqlite3.Error, opening: bool) -> Exception:
    number = _number(error)
    if number in (BUSY, LOCKED):
        return TimeoutError(
            f"{path}: another process holds the database; wait for it, or give a longer `timeout=`, `n4.RunDB(path, timeout=120)`."
        )
    if number == FULL:
        return OSError(errno.ENOSPC, "the disk is full; nothing of this was written, and what was there is whole", str(path))
    if number in NOT_ALLOWED:
        return PermissionError(
            errno.EACCES, f"cannot be written or opened ({error}); `readonly=True` reads where reading is allowed", str(path)
        )
    if number == INPUT_OUTPUT:
        return OSError(errno.EIO, f"the file could not be read or written ({error})", str(path))
    if number in DAMAGED or opening:
        return CorruptFileError(f"{path} is no database of runs, or a damaged one: {error}.")
    return error
