"""The tables of a database, version by version, and what a file has to contain to be one."""

from collections.abc import Iterable
from types import MappingProxyType

APPLICATION = 0x6E346462
"""Written into the head of the file ("n4db"), so that a database of another program is not taken for one of ours."""

_RUNS = (
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, sha256 BLOB NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, "
    "status TEXT NOT NULL, started TEXT NOT NULL, content TEXT NOT NULL) STRICT"
)
_TEXTS = "CREATE TABLE texts (id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, text TEXT NOT NULL) STRICT"
_SUMS = "CREATE TABLE sums (name TEXT NOT NULL PRIMARY KEY, entries INTEGER NOT NULL, sha256 BLOB NOT NULL) STRICT"
_KNOWLEDGE = (
    "CREATE TABLE knowledge (id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, sha256 BLOB NOT NULL, category TEXT NOT NULL, "
    "data_type TEXT NOT NULL, form TEXT NOT NULL, stored TEXT NOT NULL, metadata TEXT NOT NULL, data BLOB NOT NULL) STRICT"
)
_BY_CATEGORY = "CREATE INDEX knowledge_by_category ON knowledge (category, data_type)"


def _no_rows(table: str) -> str:
    return f"INSERT INTO sums VALUES ('{table}', 0, zeroblob(32))"


STEPS = (
    (_RUNS, _TEXTS, _SUMS, _no_rows("runs"), _no_rows("texts")),
    (_KNOWLEDGE, _BY_CATEGORY, _no_rows("knowledge")),
)
"""What leads from each version to the next; the first from an empty file to version 1. Steps that were released never change."""

VERSION = len(STEPS)

TABLES = MappingProxyType({1: ("runs", "texts"), 2: ("runs", "texts", "knowledge")})
"""The tables with a sum over their rows, by version."""

Entry = tuple[str, str, str, str | None]


def expected(version: int) -> frozenset[Entry]:
    """What `sqlite_master` holds in this version: `(type, name, table, sql)`, with what SQLite adds for a unique column."""
    return frozenset(entry for step in STEPS[:version] for entry in _entries(step))


def _entries(statements: Iterable[str]) -> Iterable[Entry]:
    for sql in statements:
        words = sql.split()
        if words[:2] == ["CREATE", "TABLE"]:
            name = words[2]
            yield ("table", name, name, sql)
            if " UNIQUE" in sql or "TEXT NOT NULL PRIMARY KEY" in sql:
                yield ("index", f"sqlite_autoindex_{name}_1", name, None)
        elif words[:2] == ["CREATE", "INDEX"]:
            yield ("index", words[2], words[4], sql)
