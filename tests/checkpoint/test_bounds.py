"""A folder from somebody else does not choose where to write."""

import dataclasses
import os
import shutil

import brainunit as u
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.cli import main
from neuro4d.cli._arguments import Run

TIME = {"duration": 20 * u.ms, "chunk": 40, "progress": False}


@pytest.fixture(scope="module")
def model():
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    cells = n4.Population("cells", 3, lif)
    return n4.Network(cells, n4.Clamp("drive", cells, 250 * u.pA)).build(dt=0.1 * u.ms, seed=0)


def killed(model, folder, spikes):
    """A run that a kill ended after half of its steps."""
    run = n4.simulate(model, jr.key(0), record=n4.io.SpikesToDisk(spikes), checkpoint=n4.io.Checkpoints(folder, every=4 * u.ms, keep=9), **TIME)
    for each in (folder / "checkpoints").iterdir():
        if int(each.name) > 120:
            shutil.rmtree(each)
    return run.spikes("cells")


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_recorders_that_write_elsewhere(model, tmp_path):
    folder, spikes = tmp_path / "run", tmp_path / "spikes.zarr"
    expected = killed(model, folder, spikes)
    assert len(expected)
    before = content(tmp_path)
    with pytest.raises(n4.UnsafeFileError, match=r"'spikes_on_disk' to '.*spikes\.zarr'.*record=\[\.\.\.\].*resume=True.*outside=True"):
        n4.io.resume(folder, progress=False)
    assert main(["resume", str(folder), "--no-db", "--no-progress"]) == 2 and content(tmp_path) == before
    again = n4.io.resume(folder, record=[n4.io.SpikesToDisk(spikes)], progress=False).spikes("cells")
    assert np.array_equal(again.step, expected.step) and np.array_equal(again.id, expected.id)
    assert main(["resume", str(folder), "--no-db", "--no-progress", "--outside"]) == 0


@pytest.mark.parametrize("text", ["..", "../spikes.zarr", "a/../../spikes.zarr", "~/spikes.zarr", "link/spikes.zarr"])
def test_what_lies_outside(tmp_path, text):
    from neuro4d.io.checkpoint import lies_in

    (tmp_path / "run" / "a").mkdir(parents=True)
    (tmp_path / "run" / "link").symlink_to(tmp_path)
    (tmp_path / "way").symlink_to(tmp_path / "run")
    assert not lies_in(tmp_path / "run", text if text[0] == "~" else os.path.join(tmp_path, "run", text))
    assert lies_in(tmp_path / "way", tmp_path / "run" / "spikes.zarr") and lies_in(tmp_path / "run", tmp_path / "way" / "a" / "spikes.zarr")


def test_recorders_that_write_into_the_folder_and_links(model, tmp_path):
    folder = tmp_path / "run"
    expected = killed(model, folder, folder / "spikes.zarr")
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, tmp_path / "other", symlinks=True)
    for inside in ("spikes.zarr", "checkpoints", "records", "neuro4d.json"):
        path = tmp_path / "other" / inside
        if path.exists():
            path.rename(elsewhere)
            path.symlink_to(elsewhere)
            with pytest.raises(n4.UnsafeFileError, match=r"is a symbolic link, .*outside=True"):
                n4.io.resume(tmp_path / "other", record=[n4.io.SpikesToDisk(tmp_path / "mine.zarr")], progress=False)
            path.unlink()
            elsewhere.rename(path)
    again = n4.io.resume(folder, progress=False).spikes("cells")
    assert np.array_equal(again.step, expected.step) and np.array_equal(again.id, expected.id)


def test_the_command_writes_results_where_the_user_says(model, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "precious"
    there.mkdir()
    (there / "summary.json").write_text("mine")
    command = dataclasses.asdict(Run("polychronous_small", duration="20 ms", out=str(there)))
    keeper = n4.io.Checkpoints(tmp_path / "run", every=4 * u.ms, note={"command": command | {"network": n4.zoo.names()[0]}})
    n4.simulate(model, jr.key(0), record=n4.Spikes(), checkpoint=keeper, **TIME)
    assert main(["resume", "run", "--no-db", "--no-progress"]) == 2
    assert f"neuro4d resume run --out {there}" in capsys.readouterr().err
    assert (there / "summary.json").read_text() == "mine"
    assert main(["resume", "run", "--no-db", "--no-progress", "--out", "results"]) == 0 and (tmp_path / "results" / "summary.json").is_file()
    assert (there / "summary.json").read_text() == "mine"
