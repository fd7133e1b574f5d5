"""The command as a person runs it: in a process of its own."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import brainunit as u
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.cli import main
from neuro4d.cli._arguments import Run

ROOT = Path(__file__).parents[2]
KEYS = {
    "name", "version", "neurons", "synapses", "dt_ms", "duration_ms", "seed", "rates_hz", "cv",
    "build_s", "compile_s", "wall_s", "real_time_factor", "peak_memory_gb",
}  # fmt: skip
PNG = b"\x89PNG\r\n\x1a\n"


def command(folder, *args, store=None):
    """Runs `neuro4d` with the given arguments in a folder and a process of its own, which takes seconds to start."""
    own = {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    inherited = dict(os.environ)
    if store is not None:
        own["XDG_CACHE_HOME"] = str(store)
        inherited.pop("JAX_COMPILATION_CACHE_DIR", None)
    call = [sys.executable, "-m", "neuro4d", *args]
    return subprocess.run(call, capture_output=True, text=True, cwd=folder, env=inherited | own, timeout=300)


COBA = ("run", "coba", "--scale", "0.1", "--duration", "100 ms", "--seed", "3", "--record", "spikes,trace")


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run with `--threads auto`: what it said, its output folder, and the compiled programs it has kept."""
    folder = tmp_path_factory.mktemp("command")
    done = command(folder, *COBA, "--out", str(folder / "out"), store=folder / "cache")
    assert done.returncode == 0, done.stderr
    return done.stdout, folder / "out", programs(folder)


def programs(folder):
    return {path.name for path in (folder / "cache" / "neuro4d" / "xla").iterdir()}


def check_message(error, text):
    """One sentence for the user, without a traceback; the frames of the parser do not count."""
    assert "Traceback" not in error
    shown = " ".join(error.replace("│", " ").split())
    assert text in shown, shown


def test_run(first):
    said, out, _ = first
    for text in ("population", "cells", "rate (Hz)", "s of biological time"):
        assert text in said
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


def test_same_seed_same_spikes_for_any_number_of_threads_and_compiled_programs_are_kept(first):
    _, out, kept = first
    folder = out.parent
    done = command(folder, *COBA, "--threads", "1", "--no-progress", "--out", "one", store=folder / "cache")
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "one" / "summary.json").read_text())["threads"] == 1
    spikes = []
    for path in (out, folder / "one"):
        with np.load(path / "spikes.npz", allow_pickle=False) as file:
            spikes.append((file["cells.step"], file["cells.id"]))
    np.testing.assert_array_equal(spikes[0], spikes[1])
    assert kept
    assert programs(folder) == kept  # nothing had to be compiled again


def test_run_a_file(tmp_path):
    config = {
        "lattice_shape": [6, 6, 3, 2],
        "neuron_model": {},
        "cell_lifecycle": {"enabled": False},
        "plasticity": {"short_term": {}},
        "senses": {"vision": {"areal": "V1", "w_index": 0, "input_size": [6, 6]}},
        "areas": [{"name": "V1", "sense": "vision", "coord_ranges": {"x": [0, 5], "y": [0, 5], "z": [0, 2], "w": [0, 1]}}],
    }
    (tmp_path / "brain.json").write_text(json.dumps(config))
    done = command(tmp_path, "run", "brain.json", "--duration", "20 ms", "--record", "counts", "--precision", "float64")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "brain"
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["name"], summary["dt_ms"], summary["precision"]) == ("brain", 1.0, "float64")
    assert summary["rates_hz"] == {"V1": 0.0} and summary["cv"] == {"V1": None}
    assert sorted(path.name for path in folder.iterdir()) == ["counts.npz", "summary.json"]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_interrupted_run_keeps_what_was_done(tmp_path):
    store = tmp_path / "cache"  # tells when the loop is compiled
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": str(store)}
    environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    args = [sys.executable, "-m", "neuro4d", "run", "cuba", "--scale", "0.2", "--duration", "60 min", "--threads", "1", "--out", str(tmp_path / "out")]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert "built in" in process.stdout.readline()
        give_up = time.monotonic() + 100
        while not list(store.glob("jit_run_chunk*")) and time.monotonic() < give_up:
            time.sleep(0.1)
        time.sleep(2)  # past the compilation, far from the end
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=100)
    assert process.returncode == 130
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert not summary["completed"]
    assert 0 < summary["duration_ms"] < 3_600_000
    assert (tmp_path / "out" / "spikes.npz").exists()


@pytest.fixture
def here(capsys, monkeypatch, tmp_path):
    """Runs `neuro4d` in this process, in an empty folder, with the settings of the machine left alone."""
    monkeypatch.chdir(tmp_path)
    for handler in ("_run", "_resume"):
        monkeypatch.setattr(f"neuro4d.cli.{handler}.prepare", lambda device, threads, precision: 1)

    def here(*args):
        try:
            code = main(args)
        except SystemExit as stop:
            code = stop.code
        return code or 0, *capsys.readouterr()

    return here


def test_a_second_run_replaces_the_first(here, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "trace.npz").write_bytes(b"old")
    (out / "notes.txt").write_text("mine")
    code, _, error = here("run", "cuba", "--scale", "0.05", "--duration", "5 ms", "--out", str(out))
    assert code == 0, error
    assert not (out / "trace.npz").exists()
    assert (out / "notes.txt").read_text() == "mine"


def test_a_run_of_a_file_goes_on_without_the_file(here, tmp_path):
    """The folder has the network; who goes on may be elsewhere, or have changed the file."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    model = n4.Network(n4.Population("cells", 2, lif)).build(dt=0.1 * u.ms, seed=0)
    begun = dataclasses.asdict(Run("gone.json", duration="2 ms", dt="0.1 ms"))
    n4.simulate(model, jr.key(0), 2 * u.ms, progress=False, checkpoint=n4.io.Checkpoints(tmp_path / "kept", note={"command": begun}))
    code, said, error = here("resume", "kept", "--no-db", "--no-progress")
    assert code == 0 and said.startswith("gone: 2 neurons"), error
    assert json.loads((tmp_path / "runs/gone/summary.json").read_text())["duration_ms"] == 2


MISTAKES = (
    (("run", "microcircut"), "Did you mean 'microcircuit'"),
    (("run", "absent.json"), "no configuration at"),
    (("run", "brain.json", "--scale", "2"), "--scale is for networks of the zoo"),
    (("run", "cuba", "--duration", "1"), "needs a unit"),
    (("run", "cuba", "--dt", "0.1 mV"), "--dt takes a time"),
    (("run", "cuba", "--dt", "0.3 ms"), "t_ref"),
    (("run", "cuba", "--scale", "0"), "scale"),
    (("run", "cuba", "--scale", "big"), "--scale"),
    (("run", "izhikevich2003", "--scale", "0.5"), "one size only"),
    (("run", "cuba", "--record", "spike"), "Did you mean 'spikes'"),
    (("run", "cuba", "--record", "trace"), "`spikes` or `counts`"),
    (("run", "cuba", "--seed", "-1"), "seed"),
    (("run", "cuba", "--seed", "1.5"), "--seed"),
    (("run", "cuba", "--precision", "float16"), "float32"),
    (("run", "cuba", "--out", "/dev/null"), "is a file"),
    (("run", "cuba", "--out", "/dev/null/below"), "cannot write into"),
    (("run", "cuba", "--scal", "2"), "--scale"),
    (("run",), "NAME|FILE"),
    (("runn", "cuba"), "run"),
    ((), "subcommand"),
)


@pytest.mark.parametrize(("args", "text"), MISTAKES)
def test_mistakes(args, text, here, tmp_path):
    code, _, error = here(*args)
    assert code == 2
    check_message(error, text)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


SETTINGS = (
    (("run", "cuba", "--threads", "0"), "--threads is a positive whole number"),
    (("run", "cuba", "--threads", "100000"), "this process may use"),
    (("run", "cuba", "--device", "tpu"), "finds no tpu"),
)


def test_mistakes_in_settings_of_the_machine():
    """In one process of their own, which none of them may leave with other settings; the last ends it as a person sees it."""
    last = ["neuro4d", "run", "cuba", "--duration", "1 year"]
    script = f"""
import runpy, sys
from neuro4d.cli import main
for args in {[args for args, _ in SETTINGS]}:
    print(main(args), file=sys.stderr)
sys.argv = {last}
runpy.run_module("neuro4d", run_name="__main__")
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 2, done.stderr
    *said, rest = done.stderr.split("\n2\n")
    for error, (_, text) in zip(said, SETTINGS, strict=True):
        check_message(error, text)
    check_message(rest, "--duration takes a time")


def test_a_mistake_can_be_traced(capsys, monkeypatch):
    monkeypatch.setenv("NEURO4D_TRACEBACK", "1")
    monkeypatch.setattr("neuro4d.cli._run.prepare", lambda device, threads, precision: 1)
    assert main(["run", "cuba", "--scale", "0"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_devices(here):
    code, said, error = here("devices")
    assert code == 0, error
    for text in (n4.__version__, "cpu", "cores", "CPU handlers"):
        assert text in said


def test_zoo(here):
    code, said, error = here("zoo")
    assert code == 0, error
    for name in n4.zoo.names():
        assert any(line.startswith(name + " ") for line in said.splitlines()), name
    assert "298,880,970" in said and "Potjans" in said


def test_help(here):
    code, said, _ = here("run", "--help")
    assert code == 0
    for option in ("--scale", "--duration", "--seed", "--dt", "--precision", "--device", "--threads", "--record", "--out", "--no-progress"):
        assert option in said
