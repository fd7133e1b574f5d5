"""What goes wrong while a run is kept: nothing is lost that was acknowledged, and nothing goes on in silence."""

import errno

import brainunit as u
import numpy as np
import pytest
from checkpoint.kept_runs import CHUNK, DT, digest, run, values

import neuro4d as n4
from neuro4d.io.checkpoint import _moments


@pytest.mark.parametrize("full", [range(30, 80), pytest.param(range(30, 1000), marks=pytest.mark.full)], ids=["for a while", "until the end"])
def test_the_disk_is_full(model, whole, tmp_path, monkeypatch, full):
    written = _moments.write_snapshot

    def write(folder, *args, **options):
        if folder.name.isdigit() and int(folder.name) in full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(folder, *args, **options)

    monkeypatch.setattr("neuro4d.io.checkpoint._store.write_snapshot", write)
    last = 120 if 1 + max(full) < 1000 else 20
    with pytest.warns(n4.io.CheckpointWarning, match=rf"checkpoints were not written .* No space left on device.* newest that is whole is of step {last}"):
        result = run(model, checkpoint=n4.io.Checkpoints(tmp_path / "a", every=CHUNK * DT))
    assert digest(result) == whole and result.completed
    monkeypatch.undo()
    assert int(n4.restore(tmp_path / "a", model)[1].step) == last
    assert digest(n4.io.resume(tmp_path / "a", progress=False)) == whole


def test_a_fault_leaves_the_last_good_state(model, tmp_path):
    given = values()
    given[75] = -1e30
    with pytest.raises(n4.SimulationError):
        run(model, inputs={"port": given}, checkpoint=n4.io.Checkpoints(tmp_path / "a", every=20 * DT))
    state = n4.restore(tmp_path / "a", model)[1]
    assert 60 <= int(state.step) <= 75 and not int(state.fault)
    assert all(np.isfinite(np.asarray(state["a", "v"])))


def test_an_error_of_the_user_leaves_the_folder_to_the_next(model, whole, tmp_path):
    def fail(state, done):
        if done == 50:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        run(model, on_chunk=fail, checkpoint=n4.io.Checkpoints(tmp_path / "a", every=20 * DT))
    assert digest(n4.io.resume(tmp_path / "a", progress=False)) == whole


def test_a_checkpoint_that_is_damaged_is_passed_over(model, whole, tmp_path, caplog):
    run(model, checkpoint=n4.io.Checkpoints(tmp_path / "a", every=20 * DT))
    (tmp_path / "a" / "checkpoints" / "120" / "manifest.json").write_bytes(b"")
    segment = tmp_path / "a" / "records" / "80-100" / "manifest.json"
    segment.write_bytes(segment.read_bytes()[:-9])
    assert digest(n4.io.resume(tmp_path / "a", progress=False)) == whole
    assert "step 120 is passed over" in caplog.text and "step 100 is passed over" in caplog.text
    assert not [found for found in n4.io.examine(tmp_path / "a") if found.damage]


def test_what_is_refused_before_anything_is_compiled(model, tmp_path):
    for options, error, text in (
        ({"every": 10}, TypeError, "every"),
        ({"every": 0.15 * u.ms}, ValueError, "every"),
        ({"every": -1 * u.ms}, ValueError, "one time of more than 0"),
        ({"wall": [1, 2] * u.second}, ValueError, "one time of more than 0"),
        ({"keep": 0}, ValueError, "keep must be at least 1"),
        ({"keep_every": 0.15 * u.ms}, ValueError, "keep_every"),
        ({"resume": 1}, TypeError, "True or False"),
        ({"note": {"f": print}}, TypeError, "not JSON"),
    ):
        with pytest.raises(error, match=text):
            run(model, checkpoint=n4.io.Checkpoints(tmp_path / "a", **options))
    with pytest.raises(TypeError, match=r"n4\.io\.Checkpoints\('runs/a'"):
        run(model, checkpoint=str(tmp_path))
    with n4.io.Store(tmp_path / "b", "run") as other:
        other.open()
        with pytest.raises(BlockingIOError, match="somebody else writes"):
            run(model, checkpoint=n4.io.Checkpoints(tmp_path / "b"))
