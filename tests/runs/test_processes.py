"""Several processes on one database, and processes that are killed."""

import concurrent.futures
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import neuro4d as n4
from neuro4d.runs._store import digest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks and kills")


def crowd(*args):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    call = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("crowd.py")), *map(str, args)]
    done = subprocess.run(call, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("times", [5, pytest.param(50, marks=pytest.mark.full)])
def test_four_processes_write_200_rows_each_and_what_was_told_is_there_after_a_kill(times, tmp_path):
    """One test, because loading Python and JAX for the script takes most of its time."""
    said = crowd(tmp_path, 4, 200, times)
    assert said["codes"] == [0] * 4
    killed = said["kill"]
    assert killed["lost"] == []
    assert times < killed["told"] <= killed["there"] <= killed["told"] + times  # a row can be there of which nobody had heard
    path = tmp_path / "written.db"
    with n4.RunDB(path) as db:
        rows = db.runs()
        assert sorted((row.parameters["who"], row.parameters["k"]) for row in rows) == [(who, k) for who in range(4) for k in range(200)]
        assert [row.id for row in rows] == list(range(800, 0, -1))
        assert {row.status for row in rows} == {"finished"} and len({row.uid for row in rows}) == 800
        assert [db.text(digest(f"network {k}").hex()) for k in range(5)] == [f"network {k}" for k in range(5)]
    with n4.KnowledgeBase(path) as base:
        assert [len(base.query(f"of {who}")) for who in range(4)] == [10] * 4


def test_a_connection_is_not_shared(tmp_path, monkeypatch):
    with n4.RunDB(tmp_path / "runs.db") as db:
        with concurrent.futures.ThreadPoolExecutor() as pool, pytest.raises(RuntimeError, match="open it in each"):
            pool.submit(db.runs).result()
        monkeypatch.setattr("neuro4d.runs._store.os.getpid", lambda: -1)  # what a fork sees
        with pytest.raises(RuntimeError, match="open it in each"):
            db.add()
