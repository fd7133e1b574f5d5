"""`neuro4d runs`, and the rows that `neuro4d run` and `neuro4d bench` leave."""

import csv
import json

import numpy as np
import pytest

import neuro4d as n4
from neuro4d.bench import Check, Column, Report
from neuro4d.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def here(capsys, monkeypatch, folder):
    """Runs `neuro4d` in this process, in a folder that the tests share, with the settings of the machine left alone."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("neuro4d.cli._run.prepare", lambda device, threads, precision: 1)
    monkeypatch.setattr("neuro4d.cli._runs.prepare", lambda device, threads, precision: 1)

    def here(*args):
        try:
            code = main(args)
        except SystemExit as stop:
            code = stop.code
        return code or 0, *capsys.readouterr()

    return here


CUBA = ("run", "cuba", "--scale", "0.02", "--duration", "30 ms", "--out", "out")


def test_a_run_is_noted(here, folder):
    code, said, error = here(*CUBA, "--seed", "3")
    assert code == 0, error
    assert "noted as run 1 in runs/runs.db" in said
    with n4.RunDB(folder / "runs/runs.db") as db:
        row = db.get(1)
    assert (row.kind, row.name, row.status, row.seed, row.parameters["scale"]) == ("run", "cuba", "finished", 3, 0.02)
    assert row.parameters["duration_ms"] == 30 and row.metrics["build_s"] > 0 and row.network
    summary = json.loads((folder / "out/summary.json").read_text())
    assert (row.model["neurons"], row.metrics["rates_hz"]) == (summary["neurons"], summary["rates_hz"])
    assert {file.path for file in row.files} >= {str(folder / "out" / name) for name in ("summary.json", "spikes.npz")}
    with np.load(folder / "out/spikes.npz") as spikes:
        assert row.spikes.total == sum(len(spikes[name]) for name in spikes.files if name.endswith(".id")) > 0


def test_it_is_run_again(here):
    code, said, error = here("runs", "replay", "1", "--no-progress")
    assert code == 0, error
    assert "run 1 again (cuba): the same spikes" in said


def test_list_show_compare_export(here, folder):
    assert here(*CUBA, "--seed", "4")[0] == 0
    code, said, _ = here("runs", "list")
    assert code == 0 and [line.split()[0] for line in said.splitlines()[2:]] == ["2", "1"] and "finished" in said
    assert here("runs", "list", "--name", "absent")[1] == "no runs\n"
    assert here("runs", "list", "--limit", "1")[1].splitlines()[-1].startswith("2 ")
    code, said, _ = here("runs", "show", "-1")
    assert code == 0 and said.startswith("run 2: cuba, finished") and "metrics.rates_hz" in said and "versions.jax" in said
    code, said, _ = here("runs", "compare", "1", "2")
    assert code == 1 and "other spikes" in said and any(line.split() == ["seed", "3", "4"] for line in said.splitlines())
    assert here("runs", "compare", "1", "1")[0] == 0
    assert here("runs", "export", "all.csv")[0] == 0
    with (folder / "all.csv").open(newline="") as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["4", "3"]


def test_a_run_that_fails_is_noted_as_failed(here, folder, monkeypatch):
    def fail(*_, **__):
        raise ValueError("no luck")

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("neuro4d.cli._run.simulate", fail)
    assert here(*CUBA, "--db", "other.db")[0] == 2
    monkeypatch.setattr("neuro4d.cli._run.simulate", stop)
    assert here(*CUBA, "--db", "other.db")[0] == 130
    with n4.RunDB(folder / "other.db") as db:
        assert [(row.status, row.metrics) for row in db.runs()] == [("interrupted", {}), ("failed", {"error": "ValueError: no luck"})]
    assert here("runs", "replay", "1", "--db", "other.db")[0] == 2


def test_nothing_is_noted_where_nobody_wants_it(here, folder):
    code, said, _ = here(*CUBA, "--no-db", "--db", "never.db")
    assert code == 0 and "noted" not in said and not (folder / "never.db").exists()


def test_mistakes(here, folder):
    (folder / "broken.db").write_bytes(b"x" * 5000)
    code, _, error = here(*CUBA, "--db", "broken.db")
    assert code == 2 and "broken.db" in error and "--no-db" in error
    code, _, error = here("runs", "list", "--db", "absent.db")
    assert code == 2 and "there is no database at absent.db" in error and not (folder / "absent.db").exists()
    code, _, error = here("runs", "show", "99")
    assert code == 2 and "no run has the number 99" in error
    assert here("runs", "list", "--kind", "walk")[0] == 2


def test_what_cannot_be_noted_is_said_and_the_results_are_kept(here, folder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "the disk is full")

    monkeypatch.setattr("neuro4d.runs.RunDB.finish", full)
    code, said, error = here(*CUBA, "--out", "kept", "--db", "full.db")
    assert code == 0 and "this run is not noted" in error and "the disk is full" in error
    assert "written to" in said and "noted as" not in said and (folder / "kept/summary.json").exists()


@pytest.mark.parametrize("ok", [True, False])
def test_a_benchmark_is_noted(ok, here, folder, monkeypatch):
    report = Report(
        "coba",
        "neuro4d bench coba",
        "d",
        True,
        {"cpu": "x", "cores_granted": 2},
        {"neuro4d": "0"},
        [{"s": 1.5}],
        [Check("a", ok, "b")],
        [Column("s", "s", ".1f")],
        (),
    )
    monkeypatch.setattr("neuro4d.bench.run_benchmark", lambda *_, **__: report)
    code, said, error = here("bench", "coba", "--quick", "--db", "bench.db")
    assert code == (0 if ok else 1), error
    assert "noted as run" in said
    with n4.RunDB(folder / "bench.db") as db:
        row = db.get(-1)
    assert (row.kind, row.name, row.status, row.metrics["rows"]) == ("benchmark", "coba", "finished" if ok else "failed", [{"s": 1.5}])
