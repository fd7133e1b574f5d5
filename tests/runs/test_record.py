"""Results become rows, and rows become runs again."""

import dataclasses

import brainunit as u
import equinox as eqx
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.bench import Check, Column, Report
from neuro4d.runs import NotReplayableError
from neuro4d.runs._facts import spike_sum
from neuro4d.train._fit_result import Epoch, FitResult
from neuro4d.train._tune_result import Reached, Tuned, Update

LIF = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
V_TH = lambda m: m.neurons["cells"].v_th  # noqa: E731


@pytest.fixture(scope="module")
def model():
    """Five cells that drift apart: random first potentials, random weights, noise."""
    cells = n4.Population("cells", 5, LIF, {"exc": n4.ExpCurrent(tau=5 * u.ms)}, v0=n4.Normal(-55 * u.mV, 2 * u.mV))
    other = n4.Population("other", 3, LIF, {"exc": n4.ExpCurrent(tau=5 * u.ms)})
    net = n4.Network(
        cells,
        other,
        n4.Projection("c_o", cells, other, "exc", n4.FixedProb(0.5), weight=n4.Normal(40 * u.pA, 5 * u.pA), delay=1 * u.ms),
        n4.Clamp("drive", cells, 150 * u.pA),
        n4.Poisson("noise", other, "exc", rate=8000 * u.Hz, weight=10 * u.pA),
    )
    return net.build(dt=0.1 * u.ms, seed=11)


@pytest.fixture(scope="module")
def run(model):
    return n4.simulate(model, jr.key(5), 100 * u.ms, discard=20 * u.ms, progress=False)


@pytest.fixture(scope="module")
def sweep(model):
    return n4.sweep(model, V_TH, np.array([-50.0, -48.0]) * u.mV, 100 * u.ms, start=jr.key(0), progress=False)


@pytest.fixture
def db(tmp_path):
    with n4.RunDB(tmp_path / "runs.db") as db:
        yield db


def test_a_run_becomes_a_row(run, model, db):
    row = db.get(db.record(run, "cells", parameters={"drive": 150 * u.pA}, note="first"))
    assert (row.kind, row.status, row.seed, row.note) == ("run", "finished", 11, "first")
    assert (row.model["neurons"], row.model["dt_ms"], row.model["n_steps"], row.model["precision"]) == (8, 0.1, 1000, "float32")
    assert row.model["fingerprint"] == model.fingerprint() and row.model["start_step"] == 200
    for name in ("cells", "other"):
        assert row.metrics["rates_hz"][name] == float(run.rate(name).to_decimal(u.Hz))
    assert row.metrics["wall_s"] == run.wall_s and row.metrics["real_time_factor"] > 0 and row.metrics["peak_memory_gb"] > 0.01
    assert row.versions["kernels"].startswith("CPU handlers") and row.parameters == {"drive": {"value": 150, "$unit": "pA"}}
    assert row.spikes.of == "spikes" and row.spikes.total == sum(len(run.spikes(name)) for name in ("cells", "other")) > 20
    assert db.text(row.network)


def test_a_run_is_run_again(run, db):
    number = db.record(run)
    found = db.replay(number, progress=False)
    assert found.same_spikes and found.before == found.now == db.get(number).spikes
    np.testing.assert_array_equal(found.run.spikes("other").step, run.spikes("other").step)
    np.testing.assert_array_equal(found.run.spikes("other").id, run.spikes("other").id)


def test_other_spikes_are_noticed(run, db):
    """The row of a run whose state had another key than its spikes came from, as if a hook had changed it."""
    other = dataclasses.replace(run, state=eqx.tree_at(lambda state: state.key, run.state, run.state.key + 1))
    number = db.record(other)
    found = db.replay(number, progress=False)
    assert not found.same_spikes and found.before != found.now
    assert db.compare(number, db.record(found.run)).same_spikes is False


def test_the_sum_of_spikes_says_which_neuron_and_when(run):
    noted, names = spike_sum(run)
    assert names == ("cells", "other")
    only, _ = spike_sum(run, ["cells"])
    assert only.total == len(run.spikes("cells")) and only.sha256 != noted.sha256


def test_spikes_on_the_disk_have_the_sum_of_those_in_memory(run, model, db, tmp_path, monkeypatch):
    pieces = n4.io.SpikeRecording.pieces
    monkeypatch.setattr(n4.io.SpikeRecording, "pieces", lambda self, population: pieces(self, population, 3))
    on_disk = n4.simulate(model, jr.key(5), 100 * u.ms, n4.io.SpikesToDisk(tmp_path / "s.zarr"), discard=20 * u.ms, progress=False)
    assert spike_sum(on_disk) == spike_sum(run)
    assert db.get(db.record(on_disk)).spikes.total > 20 and db.replay(1).same_spikes


def test_a_sweep_becomes_a_row_for_each_value(sweep, db):
    numbers = db.record(sweep, "thresholds", parameters={"who": "me"})
    rows = [db.get(number) for number in numbers]
    assert [row.parameters["lane"] for row in rows] == [0, 1] and {row.kind for row in rows} == {"sweep"}
    assert [row.parameters["changed"] for row in rows] == [{"neurons['cells'].v_th": value} for value in (-50.0, -48.0)]
    assert [row.sweep for row in rows] == [None, rows[0].uid] and rows[0].network == rows[1].network
    assert [row.spikes.total for row in rows] == [sum(len(run.spikes(p)) for p in run.populations) for run in sweep]
    found = db.replay(numbers[1], progress=False)  # the value is in the row
    assert found.same_spikes and float(found.run.model.neurons["cells"].v_th) == -48.0
    assert len(db.runs(kind="sweep", where={"lane": 1})) == 1
    other = n4.Network(n4.Population("cells", 2, LIF)).build(dt=0.1 * u.ms, seed=0)
    with pytest.raises(ValueError, match="different networks"):
        db.record([sweep[0], dataclasses.replace(sweep[0], model=other)])


def test_counts_are_enough(model, db):
    run = n4.simulate(model, jr.key(5), 100 * u.ms, record=n4.Counts(), progress=False)
    row = db.get(db.record(run))
    assert row.spikes.of == "counts" and row.spikes.total == int(run.counts("cells").sum() + run.counts("other").sum())
    assert db.replay(row.id, progress=False).same_spikes


def test_what_cannot_be_run_again_says_why(model, db, run, monkeypatch):
    numbers = {"noted no spikes": db.record(dataclasses.replace(run, records={}))}
    weights = n4.set_weights(model, "c_o", 30 * u.pA)
    numbers["changed after `build`"] = db.record(dataclasses.replace(run, model=weights))
    for text, number in numbers.items():
        with pytest.raises(NotReplayableError, match=text):
            db.replay(number)
    with pytest.raises(NotReplayableError, match="noted no spikes"):
        db.replay(db.add(name="mine"))
    with pytest.raises(NotReplayableError, match="it is a benchmark"):
        db.replay(db.add("benchmark", "mine"))

    def refuse(model):
        raise ValueError("a function of yours")

    monkeypatch.setattr("neuro4d.runs._described.network_text", refuse)
    begun = db.start("cells", model=model)
    db.finish(begun, run)
    for number in (db.record(run), begun):
        with pytest.raises(NotReplayableError, match="its network is not in the row: a function of yours"):
            db.replay(number)


def test_tuning_becomes_a_row(db):
    update = Update(0, "start", {"drive": 1.0}, {"rate": 2.0}, {"rate": 0.1}, 4, 0.5)
    reached = Reached(5.0, 0.2, 5.1, 0.05, 8, u.Hz)
    tuned = Tuned(
        None, {"drive": 1.5 * u.pA}, {"drive": 0.1 * u.pA}, {"rate": reached}, {}, (update,), True, 0.95, "reached", 1.0, {"drive": u.pA}
    )
    row = db.get(db.record(tuned, "rates"))
    assert (row.kind, row.status, row.metrics["converged"], row.metrics["values"]) == (
        "tune",
        "finished",
        True,
        {"drive": {"value": 1.5, "$unit": "pA"}},
    )
    assert row.metrics["reached"]["rate"]["mean"] == 5.1 and row.metrics["history"][0]["kind"] == "start"


def test_training_and_benchmarks_become_rows(db):
    nan = float("nan")
    epochs = tuple(Epoch(k, 1.0 / k, 0.5, 3.0, nan, nan, nan, 0.1) for k in (1, 2))
    row = db.get(db.record(FitResult(None, None, epochs, 2, "interrupted", None), "digits"))
    assert (row.kind, row.status, row.metrics["best"]["loss"], len(row.metrics["history"])) == ("fit", "interrupted", 0.5, 2)
    assert np.isnan(row.metrics["best"]["held_out_loss"])
    machine, versions = {"cpu": "x"}, {"neuro4d": "0.1.0"}
    report = Report(
        "coba",
        "neuro4d bench coba",
        "d",
        True,
        machine,
        versions,
        [{"s": np.float64(1.5)}],
        [Check("same", False, "no")],
        [Column("s", "s")],
        (),
    )
    row = db.get(db.record(report))
    assert (row.kind, row.name, row.status, row.machine, row.parameters["quick"]) == ("benchmark", "coba", "failed", machine, True)
    assert row.metrics["rows"] == [{"s": 1.5}] and row.metrics["checks"][0]["ok"] is False and row.versions["neuro4d"] == "0.1.0"
    with pytest.raises(ValueError, match="command is told by the result"):
        db.record(report, parameters={"command": "x"})
    with pytest.raises(TypeError, match="record takes"):
        db.record(3)


def test_a_run_that_was_begun_is_ended_by_its_result(run, model, db):
    number = db.start("cells", parameters={"drive": 1}, model=model)
    assert db.get(number).network is not None
    db.finish(number, run, metrics={"mine": 1})
    row = db.get(number)
    assert (row.status, row.metrics["mine"], row.parameters, row.seed) == ("finished", 1, {"drive": 1}, 11)
    assert db.replay(number, progress=False).same_spikes
