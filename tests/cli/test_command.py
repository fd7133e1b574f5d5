"""The command as a person runs it: in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import neuro4d as n4

ROOT = Path(__file__).parents[2]
KEYS = {
    "name", "version", "neurons", "synapses", "dt_ms", "duration_ms", "seed", "rates_hz", "cv",
    "build_s", "compile_s", "wall_s", "real_time_factor", "peak_memory_gb",
}  # fmt: skip
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def command(tmp_path):
    """Runs `neuro4d` with the given arguments in an empty folder."""

    def command(*args):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(tmp_path / "cache")}
        return subprocess.run(
            [sys.executable, "-m", "neuro4d", *args], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300
        )

    return command


def check_mistake(done, text):
    """A mistake of the user: exit code 2, one sentence on the standard error, no traceback."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    shown = " ".join(done.stderr.replace("│", " ").split())
    assert text in shown, shown


def test_run(command, tmp_path):
    out = tmp_path / "out"
    done = command("run", "coba", "--scale", "0.1", "--duration", "100 ms", "--seed", "3", "--record", "spikes,trace", "--out", str(out))
    assert done.returncode == 0, done.stderr
    for text in ("population", "cells", "rate (Hz)", "s of biological time"):
        assert text in done.stdout
    summary = json.loads((out / "summary.json").read_text())
    assert summary.keys() >= KEYS
    assert (summary["name"], summary["version"]) == ("coba", n4.__version__)
    assert (summary["neurons"], summary["dt_ms"], summary["duration_ms"], summary["seed"]) == (400, 0.1, 100.0, 3)
    assert summary["synapses"] == pytest.approx(32_000, rel=0.05)
    assert summary["peak_memory_gb"] > 0.05
    with np.load(out / "spikes.npz", allow_pickle=False) as spikes:
        steps, ids = spikes["cells.step"], spikes["cells.id"]
        assert float(spikes["dt_ms"]) == 0.1
    assert len(steps) == len(ids) > 0
    assert steps.min() >= 0 and steps.max() < 1000 and ids.max() < 400
    assert summary["rates_hz"]["cells"] == pytest.approx(len(steps) / 400 / 0.1)
    with np.load(out / "trace.npz", allow_pickle=False) as trace:
        assert trace["cells.v_mv"].shape == (1000, 10)
        assert trace["cells.time_ms"].shape == (1000,)
        assert trace["cells.v_mv"].max() < -50
    assert (out / "raster.png").read_bytes()[:8] == PNG
    assert sorted(path.name for path in out.iterdir()) == ["raster.png", "spikes.npz", "summary.json", "trace.npz"]


def test_same_seed_same_spikes_for_any_number_of_threads(command, tmp_path):
    spikes = []
    for threads in ("1", "auto"):
        out = tmp_path / threads
        done = command("run", "cuba", "--scale", "0.05", "--duration", "50 ms", "--threads", threads, "--out", str(out), "--no-progress")
        assert done.returncode == 0, done.stderr
        with np.load(out / "spikes.npz", allow_pickle=False) as file:
            spikes.append((file["cells.step"], file["cells.id"]))
        if threads == "1":
            assert json.loads((out / "summary.json").read_text())["threads"] == 1
    np.testing.assert_array_equal(spikes[0], spikes[1])
    assert any((tmp_path / "cache" / "neuro4d" / "xla").iterdir())


def test_run_a_file(command, tmp_path):
    config = {
        "lattice_shape": [6, 6, 3, 2],
        "neuron_model": {},
        "cell_lifecycle": {},
        "plasticity": {},
        "senses": {"vision": {"areal": "V1", "w_index": 0, "input_size": [6, 6]}},
        "areas": [{"name": "V1", "sense": "vision", "coord_ranges": {"x": [0, 5], "y": [0, 5], "z": [0, 2], "w": [0, 1]}}],
    }
    (tmp_path / "brain.json").write_text(json.dumps(config))
    done = command("run", "brain.json", "--duration", "20 ms", "--record", "counts", "--precision", "float64")
    assert done.returncode == 0, done.stderr
    assert "not simulated yet" in done.stderr
    folder = tmp_path / "runs" / "brain"
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["name"], summary["dt_ms"], summary["precision"]) == ("brain", 1.0, "float64")
    assert summary["rates_hz"] == {"V1": 0.0} and summary["cv"] == {"V1": None}
    assert sorted(path.name for path in folder.iterdir()) == ["counts.npz", "summary.json"]


def test_a_second_run_replaces_the_first(command, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "trace.npz").write_bytes(b"old")
    (out / "notes.txt").write_text("mine")
    done = command("run", "cuba", "--scale", "0.05", "--duration", "5 ms", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert not (out / "trace.npz").exists()
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("run", "microcircut"), "Did you mean 'microcircuit'"),
        (("run", "absent.json"), "no configuration at"),
        (("run", "cuba", "--duration", "1"), "needs a unit"),
        (("run", "cuba", "--dt", "0.1 mV"), "--dt takes a time"),
        (("run", "cuba", "--dt", "0.3 ms"), "t_ref"),
        (("run", "cuba", "--scale", "0"), "scale"),
        (("run", "izhikevich2003", "--scale", "0.5"), "one size only"),
        (("run", "cuba", "--record", "spike"), "Did you mean 'spikes'"),
        (("run", "cuba", "--record", "trace"), "`spikes` or `counts`"),
        (("run", "cuba", "--threads", "0"), "--threads"),
        (("run", "cuba", "--threads", "100000"), "may use"),
        (("run", "cuba", "--device", "tpu"), "finds no tpu"),
        (("run", "cuba", "--seed", "-1"), "seed"),
        (("run", "cuba", "--precision", "float16"), "float32"),
        (("run", "cuba", "--out", "/dev/null"), "is a file"),
        (("run",), "NAME|FILE"),
        (("runn", "cuba"), "run"),
        ((), "subcommand"),
    ],
)
def test_mistakes(command, args, text):
    check_mistake(command(*args), text)


def test_devices(command):
    done = command("devices")
    assert done.returncode == 0, done.stderr
    for text in (n4.__version__, "cpu", "cores", "CPU handlers"):
        assert text in done.stdout


def test_zoo(command):
    done = command("zoo")
    assert done.returncode == 0, done.stderr
    for name in n4.zoo.names():
        assert any(line.startswith(name + " ") for line in done.stdout.splitlines()), name
    assert "298,880,970" in done.stdout and "Potjans" in done.stdout


def test_help(command):
    done = command("run", "--help")
    assert done.returncode == 0
    for option in ("--scale", "--duration", "--seed", "--dt", "--precision", "--device", "--threads", "--record", "--out", "--no-progress"):
        assert option in done.stdout
