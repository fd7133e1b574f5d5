"""Everything that is run while a database watches leaves rows, and nothing that it runs for itself."""

import importlib
import threading

import brainunit as u
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d._base import LISTENERS

LIF = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)


def V_TH(model):
    return model.neurons["cells"].v_th


@pytest.fixture(scope="module")
def model():
    cells = n4.Population("cells", 3, LIF, v0=n4.Normal(-55 * u.mV, 2 * u.mV))
    return n4.Network(cells, n4.Clamp("drive", cells, 150 * u.pA)).build(dt=0.1 * u.ms, seed=0)


@pytest.fixture
def db(tmp_path):
    with n4.RunDB(tmp_path / "runs.db") as db:
        yield db


def go(model, **values):
    return n4.simulate(model, jr.key(1), 50 * u.ms, progress=False, **values)


def short(db):
    return [(row.kind, row.name, row.status) for row in reversed(db.runs())]


def test_each_call_leaves_its_rows(model, db):
    with db.watch(parameters={"site": "a"}, note="night"):
        run = go(model)
        n4.sweep(model, V_TH, np.array([-50.0, -48.0]) * u.mV, 50 * u.ms, start=jr.key(0), progress=False)
        n4.batch(model, jr.split(jr.key(0), 2), 50 * u.ms, progress=False)
        with db.watch("inner"):
            go(model)
    go(model)
    assert short(db)[:5] == [("run", "run", "finished")] + 4 * [("sweep", "sweep", "finished")]
    assert sorted(short(db)[5:]) == [("run", "inner", "finished"), ("run", "run", "finished")]
    first = db.get(1)
    assert (first.parameters, first.note, first.seed) == ({"site": "a"}, "night", 0) and first.spikes.total == len(run.spikes("cells"))
    assert db.get(3).parameters["changed"] and db.replay(1).same_spikes
    assert LISTENERS.get() == ()


def test_what_a_call_runs_itself_is_a_part_of_it(model, db):
    with db.watch():
        n4.train.tune(model, V_TH, {"cells": 30 * u.Hz}, max_updates=1, trials=2, duration=50 * u.ms, discard=10 * u.ms, progress=False)
        n4.train.fit(model, loss=lambda m, key: (V_TH(m) + 50.0) ** 2, where=V_TH, epochs=1, progress=False)
    assert short(db) == [("tune", "tune", "finished"), ("fit", "fit", "finished")]


def test_what_fails_is_a_row_and_wrong_arguments_are_none(model, db):
    def stop(state, done):
        raise RuntimeError("not today")

    def halt(models, *_):
        raise KeyboardInterrupt

    with db.watch("x"):
        with pytest.raises(ValueError, match="duration"):
            n4.simulate(model, jr.key(0), -1 * u.ms)
        with pytest.raises(RuntimeError, match="not today"):
            go(model, on_chunk=stop)
        with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
            patch.setattr(importlib.import_module("neuro4d.simulate._batch"), "run_chunks", halt)
            n4.batch(model, jr.split(jr.key(0), 2), 50 * u.ms, progress=False)
    assert short(db) == [("run", "x", "failed"), ("sweep", "x", "interrupted")]
    assert db.get(1).metrics["error"] == "RuntimeError: not today"


def test_what_cannot_be_written_is_said_and_the_result_is_kept(model, tmp_path):
    db = n4.RunDB(tmp_path / "runs.db")
    with db.watch():
        with pytest.warns(RuntimeWarning, match=r"runs\.db has no row of what has just ended"):
            run = go(model, on_chunk=lambda *_: db.close())
        assert run.completed
        with pytest.raises(ValueError, match="closed"):  # before anything is run
            go(model)


def test_other_threads_are_not_heard(model, db):
    with db.watch():
        beside = threading.Thread(target=go, args=(model,))
        beside.start()
        beside.join()
    assert len(db) == 0
