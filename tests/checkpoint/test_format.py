"""Files of every format that was ever written are read: `format_1.zip` is a run of 60 ms that was killed after 30, with its last checkpoint at 20."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

import neuro4d as n4
from neuro4d.cli import main
from neuro4d.io.checkpoint import _snapshot

STEPS = [102, 102, 102, 218, 219, 222, 334, 336, 342, 450, 453, 462, 566, 570, 582]


@pytest.fixture
def old(tmp_path):
    with zipfile.ZipFile(Path(__file__).with_name("format_1.zip")) as archive:
        archive.extractall(tmp_path / "run")
    return tmp_path / "run"


def test_format_1(old):
    model, state = n4.restore(old)
    assert int(state.step) == 200
    assert state["cells", "v"].tolist() == np.array([-51.482178, -51.78915, -51.57182], np.float32).tolist()
    assert model.weights("ring", state).mantissa.tolist() == np.array([49.04877, 59.09516, 69.13929], np.float32).tolist()
    run = n4.io.resume(old, progress=False)
    assert run.completed and run.trace("cells.v").values.shape == (12, 3)
    assert np.abs(run.spikes("cells").step - STEPS).max() <= 1  # another machine may round the potential differently


@pytest.mark.parametrize(
    ("place", "change", "text"),
    [
        ("checkpoints/200", {"segments": [["../../elsewhere", 200]]}, "does not say of which model"),
        ("checkpoints/200", {"model": "../models/0"}, "does not say of which model"),
        ("checkpoints/200", {"step": 100}, "says that it is of step 100"),
        ("description", {"run": {"n_steps": "600"}}, "does not say what it is about"),
    ],
)
def test_what_somebody_else_has_written(old, place, change, text):
    """With a checksum that is right: numbers are numbers, and no text becomes a path."""
    path = old / place / "manifest.json"
    body = _snapshot.read_body(path)
    path.write_text(_snapshot.as_text(body | {"meta": body["meta"] | change}))
    with pytest.raises(n4.CorruptFileError, match=text):
        n4.restore(old, step=200)


def test_the_doctor(old, tmp_path, capsys):
    assert main(["doctor", str(old)]) == 0
    said = capsys.readouterr().out
    for text in ("1 population, 3 neurons, 3 synapses; described", "a run of 600 steps, 60 ms", "1 segment of records", "checkpoint of step 200", "none damaged"):
        assert text in said
    manifest = old / "checkpoints" / "200" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"uint32"', b'"uint64"'))
    (old / "records" / "3-4.neuro4d.tmp").mkdir()
    assert main(["doctor", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "DAMAGED  run/checkpoints/200: checkpoint of step 200" in said and "left behind by a kill" in said and "1 damaged" in said
    (old / "neuro4d.json").write_text("{")
    assert main(["doctor", str(old)]) == 1 and "what the folder is" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    for place in ("empty", "none"):
        assert main(["doctor", str(tmp_path / place)]) == 2


def test_the_command_goes_on(old, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["resume", str(old), "--no-db", "--no-progress"]) == 0
    assert "60 ms in 600 steps" in capsys.readouterr().out
    assert main(["resume", str(old), "--out", "x", "--no-db"]) == 2
    assert main(["resume", "none", "--no-db"]) == 2
    assert main(["run", "coba", "--every", "1 s"]) == 2
    assert main(["run", "coba", "--checkpoint", str(old)]) == 2
    said = capsys.readouterr().err
    for text in ("n4.io.resume(", "there is no folder 'none'", "say where, `--checkpoint DIR`", "To go on with it: `neuro4d resume"):
        assert text in said
