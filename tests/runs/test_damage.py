"""Damaged, truncated and hostile databases: an error with the path, or exactly what was written."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs.helpers import everything, filled

import neuro4d as n4
from neuro4d.runs._blob import from_blob
from neuro4d.runs._plain import from_text, plain, to_text
from neuro4d.runs._row import sum_of
from neuro4d.runs._schema import VERSION

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a database, and what it holds."""
    path = filled(tmp_path_factory.mktemp("whole") / "runs.db")
    return path.read_bytes(), everything(path)


def outcome(path, raw, content):
    """What a changed file does: `error` or `same`. Anything else is the failure that these tests are about."""
    path.write_bytes(raw)
    try:
        found = everything(path)
    except (ValueError, OSError) as error:
        assert str(path) in str(error), error
        return "error"
    finally:
        for name in path.parent.glob(path.name + "-*"):
            name.unlink()
    assert found == content
    return "same"


def flips(whole, path, number, seed):
    raw, content = whole
    rng = np.random.default_rng(seed)
    seen = {"error": 0, "same": 0}
    for place in np.append(rng.integers(0, len(raw), number - number // 4), rng.integers(0, 100, number // 4)):
        changed = bytearray(raw)
        changed[place] ^= 1 << rng.integers(8)
        seen[outcome(path, bytes(changed), content)] += 1
    return seen


def test_one_flipped_bit_at_200_places(whole, tmp_path):
    seen = flips(whole, tmp_path / "runs.db", 200, 0)
    assert seen["error"] > 60, seen


@pytest.mark.full
def test_one_flipped_bit_at_10_000_places(whole, tmp_path):
    seen = flips(whole, tmp_path / "runs.db", 10_000, 1)
    assert seen["error"] > 3_000, seen


def test_nothing_that_was_told_lies_in_the_log(tmp_path):
    """After a kill, SQLite takes a damaged page of its log for the end of what was written: no sum would tell."""
    path, log = tmp_path / "runs.db", tmp_path / "runs.db-wal"
    with n4.RunDB(path) as db:
        for number in range(3):
            db.add(name="cells", parameters={"k": number})
            assert log.stat().st_size == 0  # what a kill would leave
        reader = sqlite3.connect(path, isolation_level=None)
        with closing(reader):
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM runs").fetchall()
            db.add(name="cells", parameters={"k": 3})  # does not wait for who reads, and takes nothing from under them
            assert log.stat().st_size > 0
            assert reader.execute("SELECT count(*) FROM runs").fetchone() == (3,)
        db.add(name="cells", parameters={"k": 4})
        assert log.stat().st_size == 0 and len(db) == 5


def test_cut_off_at_every_percent(whole, tmp_path):
    raw, content = whole
    for percent in range(100):
        assert outcome(tmp_path / "runs.db", raw[: len(raw) * percent // 100], content) == "error", percent


def mutated(raw, rng):
    """A few places overwritten, swapped, doubled or removed, as fuzzers do."""
    changed = bytearray(raw)
    for _ in range(rng.integers(1, 6)):
        a, n = int(rng.integers(len(changed))), int(rng.integers(1, 65))
        match rng.integers(5):
            case 0:
                changed[a : a + n] = rng.bytes(len(changed[a : a + n]))
            case 1:
                changed[a : a + n] = bytes([rng.choice([0, 1, 127, 128, 255])]) * len(changed[a : a + n])
            case 2:
                b = int(rng.integers(len(changed)))
                changed[a : a + n] = changed[b : b + len(changed[a : a + n])].ljust(len(changed[a : a + n]), b"\0")
            case 3:
                del changed[a : a + n]
            case _:
                changed[a:a] = changed[a : a + n]
    return bytes(changed)


def fuzz(whole, path, number, seed):
    rng = np.random.default_rng(seed)
    raw, content = whole
    return [outcome(path, mutated(raw, rng), content) for _ in range(number)].count("error")


def test_200_mutated_files(whole, tmp_path):
    assert fuzz(whole, tmp_path / "runs.db", 200, 2) > 150


@pytest.mark.full
def test_10_000_mutated_files(whole, tmp_path):
    assert fuzz(whole, tmp_path / "runs.db", 10_000, 3) > 8_000


HOSTILE = {
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs; END",
    "a view": "CREATE VIEW v AS SELECT * FROM runs",
    "another table": "CREATE TABLE other (a)",
    "another index": "CREATE INDEX i ON runs (name)",
    "a virtual table": "CREATE VIRTUAL TABLE f USING fts5(a)",
    "a table that became a view": "ALTER TABLE knowledge RENAME TO k; CREATE VIEW knowledge AS SELECT * FROM k",
    "a column more": "ALTER TABLE runs ADD COLUMN more TEXT",
    "a table less": "DROP TABLE texts",
    "an index that is computed": "CREATE INDEX i ON runs (abs(id))",
    "the mark of another program": "PRAGMA application_id=7",
    "a version that never was": "PRAGMA user_version=0",
    "a later version": "PRAGMA user_version=99",
    "another status": "UPDATE runs SET status = 'failed' WHERE id = 3",
    "a row less": "DELETE FROM runs WHERE id = 3",
    "a row twice": "INSERT INTO runs SELECT 99, 'x', sha256, kind, name, status, started, content FROM runs WHERE id = 3",
    "another number": "UPDATE runs SET id = 77 WHERE id = 3",
    "another text": "UPDATE texts SET text = 'x' WHERE id = 1",
    "another array": "UPDATE knowledge SET data = zeroblob(20) WHERE id = 2",
    "no sums": "DELETE FROM sums",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_others_have_put_into_it(name, whole, tmp_path):
    path = tmp_path / "runs.db"
    path.write_bytes(whole[0])
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(HOSTILE[name])
    with pytest.raises(ValueError) as caught:
        everything(path)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, n4.CorruptFileError) == (name != "a later version")


def test_other_files_are_refused(tmp_path):
    for name, raw in {"text": b"not a database, but long enough to be one" * 20, "empty": b"", "short": b"SQLite format 3\0"}.items():
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(n4.CorruptFileError, match=name):
            n4.RunDB(tmp_path / name)
        assert (tmp_path / name).read_bytes() == raw
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE a (b)")
    with pytest.raises(n4.CorruptFileError, match="another program"):
        n4.RunDB(tmp_path / "other.db")
    with pytest.raises(ValueError, match="no file"):
        n4.RunDB(tmp_path)


def test_names_that_are_no_text(whole, tmp_path):
    """SQLite quotes them in its message, which then is no text either."""
    raw, content = whole
    changed = raw.replace(b"sqlite_autoindex_texts_1", b"sqlite_auto\xe9ndex_texts_1")
    assert changed != raw and outcome(tmp_path / "runs.db", changed, content) == "error"


def test_a_journal_of_others_is_not_played_back(whole, tmp_path):
    path = tmp_path / "runs.db"
    path.write_bytes(whole[0])
    (tmp_path / "runs.db-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(504))
    with pytest.raises(n4.CorruptFileError, match="-journal"):
        n4.RunDB(path)


def forged(path, column, content):
    """A row with a sum that fits: whoever writes files on purpose can compute one."""
    with n4.RunDB(path) as db:
        db.add(name="cells")
    with closing(sqlite3.connect(path)) as connection, connection:
        values = dict(zip(("uid", "kind", "name", "status", "started", "content"), connection.execute(
            "SELECT uid, kind, name, status, started, content FROM runs").fetchone(), strict=True)) | {column: content}  # fmt: skip
        sha = sum_of(1, *values.values())
        connection.execute(f"UPDATE runs SET {column} = ?, sha256 = ?", (content, sha))
        connection.execute("UPDATE sums SET sha256 = ? WHERE name = 'runs'", (sha,))


FORGED = (
    ("kind", "virus"),
    ("status", "fine"),
    ("name", "two\nlines"),
    ("name", "x" * 10_000),
    ("started", "\x1b[2J"),
    ("content", "no JSON"),
    ("content", "[" * 100_000),
    ("content", "{" + '"parameters":' * 1 + '{"a":' * 5_000 + "1" + "}" * 5_001),
    ("content", '{"unknown": 1}'),
    ("content", '{"seed": "3"}'),
    ("content", '{"seed": NaN}'),
    ("content", '{"files": [["a", "b", "c"]]}'),
    ("content", '{"parameters": {"a": ' + "9" * 5_000 + "}}"),
    ("content", '{"metrics": {"a": {"$number": "x"}}}'),
)


@pytest.mark.parametrize(("column", "content"), FORGED)
def test_rows_with_a_sum_that_fits_and_a_content_that_does_not(column, content, tmp_path):
    forged(tmp_path / "runs.db", column, content)
    with n4.RunDB(tmp_path / "runs.db") as db, pytest.raises(n4.CorruptFileError, match="row 1"):
        db.runs()


@given(st.binary(max_size=200))
def test_blobs_of_any_bytes(raw):
    for form in (b"npy", b"text", b"json", raw[:5]):
        try:
            from_blob(form, raw)
        except ValueError:
            continue


HEAD = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }"


@pytest.mark.parametrize(
    ("descr", "shape"),
    [
        ("|O", "(1,)"),
        ("<f8", "(2**40,)"),
        ("<f8", "(1099511627776,)"),
        ("<f8", "(-1,)"),
        ("<U4", "(1,)"),
        ("<x9", "(1,)"),
        ("<f8", "(3, 'a')"),
    ],
)
def test_arrays_that_announce_what_is_not_there(descr, shape):
    head = (HEAD % (descr, shape)).ljust(117).encode() + b"\n"
    raw = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(8)
    with pytest.raises(ValueError):
        from_blob(b"npy", raw)


LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=8)
NAMES = st.text(max_size=5).filter(lambda name: not name.startswith("$"))


@settings(max_examples=50, deadline=None)
@given(st.recursive(LEAVES, lambda x: st.lists(x, max_size=3) | st.dictionaries(NAMES, x, max_size=3), max_leaves=8))
def test_values_come_back(value):
    assert repr(from_text(to_text({"": plain(value, "x")}, "x").encode())[""]) == repr(value)


def test_a_file_of_version_1_is_brought_up_to_date(tmp_path):
    path = tmp_path / "runs.db"
    path.write_bytes((DATA / "version-1.db").read_bytes())
    with pytest.raises(ValueError, match="open it once without"):
        n4.RunDB(path, readonly=True)
    with n4.RunDB(path) as db:
        second, first = db.runs()
        assert (first.name, first.seed, first.parameters, first.metrics["rate"], first.note) == (
            "brunel",
            7,
            {"g": 5.0, "eta": 2},
            31.25,
            "kept",
        )
        assert np.isnan(first.metrics["cv"])
        assert (second.name, second.status, db.text(second.network)) == ("cuba", "interrupted", "the network as text")
        assert db.add(name="new") == 3
    with n4.KnowledgeBase(path) as base:
        assert base.store("a", np.zeros(3)) == 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_the_file_of_version_1_is_the_one_that_was_released():
    assert (
        hashlib.sha256((DATA / "version-1.db").read_bytes()).hexdigest()
        == "a38f1e2b180c96940156b606a702308a03b894d92cc41951af92ba6ff5f25022"
    )
