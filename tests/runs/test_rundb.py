"""Rows in, rows out."""

import csv
import errno
import json
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import brainunit as u
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import psutil
import pyarrow.parquet
import pytest
from runs.helpers import start_with_text

import neuro4d as n4
from neuro4d.runs import FileSum
from neuro4d.runs._row import Process, host


@pytest.fixture
def db(tmp_path):
    with n4.RunDB(tmp_path / "some" / "runs.db") as db:
        yield db


def test_a_row_holds_what_it_was_given(db, tmp_path):
    (tmp_path / "out.npz").write_bytes(b"abc")
    given = {
        "rate": 5 * u.Hz,
        "weights": np.array([0.1, 0.25], np.float32),
        "large": np.arange(2000),
        "jax": jnp.arange(3),
        "nested": {"a": [1, None, True, "x"], "nan": float("nan"), "inf": -np.inf},
        "path": tmp_path,
        "big": 2**63,
    }
    number = db.add(
        "benchmark", "cells", parameters=given, seed=2**64 - 1, metrics={"cv": np.float64(0.1)}, files=[tmp_path / "out.npz"], note="a note"
    )
    row = db.get(number)
    assert (row.id, row.kind, row.name, row.status, row.seed, row.note) == (1, "benchmark", "cells", "finished", 2**64 - 1, "a note")
    assert row.parameters["rate"] == {"value": 5, "$unit": "Hz"}
    assert row.parameters["weights"] == [float(np.float32(0.1)), 0.25]
    assert row.parameters["large"]["$array"]["shape"] == [2000] and len(row.parameters["large"]["$array"]["sha256"]) == 64
    assert row.parameters["jax"] == [0, 1, 2] and row.parameters["nested"]["a"] == [1, None, True, "x"]
    assert np.isnan(row.parameters["nested"]["nan"]) and row.parameters["nested"]["inf"] == -np.inf
    assert (row.parameters["path"], row.parameters["big"], row.metrics) == (str(tmp_path), 2**63, {"cv": 0.1})
    assert row.files == (FileSum(str(tmp_path / "out.npz"), 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),)
    assert row.versions["neuro4d"] == n4.__version__ and "jax" in row.versions and row.machine["cores"] >= 1
    assert row.started.endswith("+00:00") and row.ended >= row.started
    assert [found.id for found in db.of_file(tmp_path / "out.npz")] == [1]
    text = str(row)
    assert "5 Hz" in text and "a note" in text and "ba7816bf" in text and "<table>" in row._repr_html_()
    assert repr(row) == f"RunRow(benchmark 1: cells, finished, {row.started})"


BAD = (
    ({"kind": "runs"}, ValueError, "Did you mean 'run'"),
    ({"kind": None}, TypeError, "kind is one of"),
    ({"status": "done"}, ValueError, "status is one of"),
    ({"status": None}, TypeError, "status is one of"),
    ({"status": "running"}, ValueError, "db.start"),
    ({"name": ""}, ValueError, "1 to 200"),
    ({"name": "a\nb"}, ValueError, "one line"),
    ({"name": 3}, TypeError, "is text"),
    ({"seed": -1}, ValueError, "seed"),
    ({"seed": 0.5}, TypeError, "seed"),
    ({"parameters": [1]}, TypeError, "parameters is a dictionary"),
    ({"parameters": {"a": {"b": object()}}}, TypeError, r"parameters\['a'\]\['b'\] has no text"),
    ({"parameters": {"a": lambda: 0}}, TypeError, "has no text"),
    ({"parameters": {"a": jr.key(0)}}, TypeError, "has no text"),
    ({"parameters": {"a": np.array(["x"])}}, TypeError, "has no text"),
    ({"parameters": {"a": 1j}}, TypeError, "has no text"),
    ({"parameters": {1: 2}}, TypeError, "names are text"),
    ({"parameters": {"$unit": 2}}, TypeError, "does not begin with"),
    ({"parameters": {"a": 2**64}}, ValueError, "beyond 64 bits"),
    ({"metrics": {"text": "x" * 5_000_000}}, ValueError, "Write it to a file"),
    ({"files": "out.npz"}, TypeError, "files is a list"),
    ({"files": ["absent.npz"]}, FileNotFoundError, "absent.npz"),
    ({"files": ["."]}, ValueError, "is no file"),
    ({"note": 3}, TypeError, "note is text"),
)


@pytest.mark.parametrize(("given", "error", "text"), BAD)
def test_bad_rows_are_refused_before_anything_is_written(given, error, text, db):
    with pytest.raises(error, match=text):
        db.add(**given)
    assert len(db) == 0


def test_what_nests_for_ever_is_refused(db):
    endless = {}
    endless["a"] = endless
    with pytest.raises(ValueError, match="deep"):
        db.add(parameters=endless)


def test_runs_are_found(db):
    for k in range(6):
        db.add(
            "sweep" if k % 2 else "run",
            f"n{k % 3}",
            parameters={"g": k / 2, "at": {"x": k}},
            seed=k,
            status="failed" if k == 5 else "finished",
        )
    ids = lambda **asked: [row.id for row in db.runs(**asked)]  # noqa: E731
    assert ids() == [6, 5, 4, 3, 2, 1]
    assert ids(limit=2) == [6, 5]
    assert ids(kind="sweep") == [6, 4, 2]
    assert ids(name="n0", kind="run") == [1]
    assert ids(status="failed") == [6]
    assert ids(where={"seed": 3}) == ids(where={"parameters.g": 1.5}) == ids(where={"g": 1.5}) == ids(where={"at.x": 3}) == [4]
    assert ids(where={"absent": None}) == []
    assert ids(where=lambda row: row.parameters["g"] > 1, limit=1) == [6]
    assert db.get(-1).id == 6 and db.get(-6).id == 1
    for number in (0, 7, -7):
        with pytest.raises(n4.UnknownNameError, match="there are 6"):
            db.get(number)
    for asked, error in (({"kind": "x"}, ValueError), ({"where": 3}, TypeError), ({"limit": 0}, ValueError)):
        with pytest.raises(error):
            db.runs(**asked)
    with pytest.raises(TypeError, match="whole number"):
        db.get("1")
    with pytest.raises(n4.UnknownNameError, match="no text"):
        db.text("00" * 32)


def test_together_is_all_or_nothing(db):
    with pytest.raises(ZeroDivisionError), db.together():
        db.add()
        start_with_text(db, "cells", "text")
        1 / 0  # noqa: B018
    assert len(db) == 0 and db.runs() == []
    with db.together():
        numbers = [db.add(), db.add()]
    assert numbers == [1, 2]


def test_a_part_that_fails_alone(db):
    """Who catches an error inside of `together` keeps the rest, and the sums fit."""
    with db.together():
        db.add(name="kept")
        with pytest.raises(ZeroDivisionError), db.together():
            db.add(name="lost")
            1 / 0  # noqa: B018
        db.add(name="kept too")
    with n4.RunDB(db.path) as again:
        assert [row.name for row in again.runs()] == ["kept too", "kept"]


def test_writing_in_the_midst_of_reading_is_refused(db):
    db.add()
    with pytest.raises(RuntimeError, match="while rows are being read"):
        db.runs(where=lambda row: db.add())
    assert len(db) == 1


def test_a_run_that_is_under_way(db, tmp_path):
    number = db.start("cells", parameters={"scale": 0.1}, seed=3)
    row = db.get(number)
    assert (row.status, row.lost, row.ended, row.network, row.again) == ("running", False, None, None, None)
    (tmp_path / "a").write_bytes(b"x")
    db.finish(number, metrics={"rate": 5.0}, files=[tmp_path / "a"], status="interrupted")
    row = db.get(number)
    assert (row.status, row.metrics, row.files[0].bytes, row.parameters, row.seed) == ("interrupted", {"rate": 5.0}, 1, {"scale": 0.1}, 3)
    with pytest.raises(ValueError, match="ended before"):
        db.finish(number)
    with pytest.raises(ValueError, match="status is one of"):
        db.finish(db.start("x"), status="running")


def test_a_run_whose_process_is_gone(db, monkeypatch):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    gone = Process(host(), child.pid, psutil.Process(child.pid).create_time())
    child.communicate(b"\n")
    for process in (gone, Process("elsewhere", child.pid, 0.0), Process(host(), os.getpid(), 0.0)):
        monkeypatch.setattr("neuro4d.runs._db.this_process", lambda process=process: process)
        db.start("cells")
    monkeypatch.undo()
    db.start("mine")
    assert [row.lost for row in db.runs()] == [False, True, False, True]
    assert "its process is gone" in str(db.get(1))

    def hidden(_):
        raise psutil.AccessDenied

    monkeypatch.setattr("neuro4d.runs._row.psutil.Process", hidden)
    assert not db.get(1).lost  # a process of somebody else that cannot be looked at is there
    monkeypatch.undo()
    assert sorted(db.settle()) == [1, 3]
    assert [row.status for row in db.runs()] == ["running", "interrupted", "running", "interrupted"]


def test_compare(db):
    a = db.add(name="a", parameters={"g": 5.0, "only": 1}, metrics={"nan": float("nan"), "rate": 3 * u.Hz}, seed=1)
    b = db.add(name="a", parameters={"g": 4.5}, metrics={"nan": float("nan"), "rate": 3 * u.Hz}, seed=1)
    found = db.compare(a, b)
    assert found.differences == {"parameters.g": (5.0, 4.5), "parameters.only": (1, None)}
    assert found.same_spikes is None
    assert repr(found).splitlines()[0] == "runs 1 and 2: spikes not noted in both, 2 differences"
    assert "4.5" in repr(found) and "<table>" in found._repr_html_()
    assert repr(db.compare(a, a)) == "runs 1 and 1: spikes not noted in both, 0 differences"


def test_export(db, tmp_path):
    db.add(name="a", parameters={"g": 5.0, "w": [1, 2], "mixed": 1, "big": 2**63}, seed=3, metrics={"cv": float("nan"), "ok": True})
    db.add(name="=b", parameters={"g": 4, "mixed": "x", "rate": 5 * u.Hz}, note='with "quotes", commas')
    rows = json.loads(db.export(tmp_path / "r.json").read_text())
    assert [(row["name"], row["parameters"]["g"]) for row in rows] == [("=b", 4), ("a", 5.0)]
    assert rows[1]["metrics"]["cv"] == {"$number": "nan"}
    with db.export(tmp_path / "r.csv").open(newline="") as file:
        b, a = csv.DictReader(file)
    assert (a["parameters.g"], a["seed"], a["metrics.cv"], a["parameters.w"], a["parameters.rate"]) == ("5.0", "3", "nan", "[1, 2]", "")
    assert (b["note"], json.loads(b["parameters.rate"])) == ('with "quotes", commas', {"value": 5, "$unit": "Hz"})
    table = pyarrow.parquet.read_table(db.export(tmp_path / "r", "parquet")).to_pylist()
    assert [row["parameters.g"] for row in table] == [4.0, 5.0] and np.isnan(table[1]["metrics.cv"])
    assert [row["parameters.mixed"] for row in table] == ["x", "1"] and table[1]["parameters.big"] == str(2**63)
    assert len(json.loads(db.export(tmp_path / "one.json", rows=db.runs(name="a")).read_text())) == 1
    with pytest.raises(ValueError, match="format is one of"):
        db.export(tmp_path / "r.xls")


def test_merge(db, tmp_path):
    db.add(name="here")
    with n4.RunDB(tmp_path / "other.db") as other:
        other.finish(start_with_text(other, "there", "text"), metrics={"a": 1})
        other.add(name="last")
        assert (db.merge(other), db.merge(other)) == (2, 0)
        assert [(row.id, row.name) for row in db.runs()] == [(3, "last"), (2, "there"), (1, "here")]
        assert db.get(2).uid == other.get(1).uid and db.text(db.get(2).network) == "text"


def test_opening_and_closing(tmp_path):
    path = tmp_path / "runs.db"
    with pytest.raises(FileNotFoundError, match="neuro4d run"):
        n4.RunDB(path, readonly=True)
    with pytest.raises(TypeError, match="path"):
        n4.RunDB(3)
    with pytest.raises(ValueError, match="timeout"):
        n4.RunDB(path, timeout=-1)
    assert not path.exists()
    db = n4.RunDB(path)
    db.add()
    assert repr(db) == f"RunDB({str(path)!r}, 1 runs)"
    db.close()
    db.close()
    assert "closed" in repr(db)
    with pytest.raises(ValueError, match="is closed"):
        db.runs()
    assert sorted(tmp_path.iterdir()) == [path]
    with n4.RunDB(path, readonly=True) as db:
        assert len(db.runs()) == 1
        with pytest.raises(PermissionError, match="readonly"):
            db.add()


def test_waits_for_others_and_says_so(tmp_path):
    path = tmp_path / "runs.db"
    with n4.RunDB(path, timeout=0.05) as db, closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError, match="another process holds"):
            db.add()
        assert db.runs() == []  # who reads does not wait
        with n4.RunDB(path, timeout=20) as patient:
            timer = threading.Timer(0.2, lambda: other.execute("ROLLBACK"))
            timer.start()
            assert patient.add() == 1
            timer.join()
    assert db._store.closed


def test_one_process_may_open_it_twice_and_fork_from_nothing(tmp_path):
    path = tmp_path / "runs.db"
    with n4.RunDB(path) as a, n4.RunDB(path) as b, n4.KnowledgeBase(path) as base:
        assert [a.add(), b.add(), a.add()] == [1, 2, 3]
        base.store("x", "y")
        assert len(b) == 3


def test_a_full_disk_loses_nothing(tmp_path):
    with n4.RunDB(tmp_path / "runs.db") as db:
        first = db.add(name="kept")
        db._store._connection.execute("PRAGMA max_page_count=20")  # SQLite's own way to run out of room
        with pytest.raises(OSError, match="the disk is full") as caught, db.together():
            for _ in range(100):
                db.add(parameters={"text": "x" * 3000})
        assert caught.value.errno == errno.ENOSPC and str(db.path) in str(caught.value)
        assert [row.id for row in db.runs()] == [first]
    with n4.RunDB(tmp_path / "runs.db") as db:
        assert db.get(first).name == "kept"


def test_a_folder_that_cannot_be_written(tmp_path):
    """A file in place of a folder fails for everybody, also for who may write everywhere."""
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(OSError, match="no database can be made here"):
        n4.RunDB(tmp_path / "file" / "runs.db")


def test_reading_where_nothing_can_be_written(tmp_path, monkeypatch):
    with n4.RunDB(tmp_path / "runs.db") as db:
        db.add(name="kept")
    monkeypatch.setattr("neuro4d.runs._connect.os.access", lambda *_: False)
    with n4.RunDB(tmp_path / "runs.db", readonly=True) as db:
        assert [row.name for row in db.runs()] == ["kept"]
        assert sorted(tmp_path.iterdir()) == [tmp_path / "runs.db"]  # no log, no shared memory
