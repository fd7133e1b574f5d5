"""Interrupted and resumed is what it would have been without the interruption, to the last bit."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import brainunit as u
import jax
import jax.random as jr
import numpy as np
import pytest
from checkpoint import kept_runs
from checkpoint.kept_runs import CHUNK, DT, KEY, N_STEPS, build, digest, recorders, run
from describe.rich import rich

import neuro4d as n4
from neuro4d.io.checkpoint._content import identity, unlike


@pytest.fixture(scope="module")
def kept(model, whole, tmp_path_factory):
    """The folder of a run with a checkpoint after every chunk, all of them kept."""
    folder = tmp_path_factory.mktemp("kept") / "run"
    assert digest(run(model, checkpoint=n4.io.Checkpoints(folder, every=CHUNK * DT, keep=100))) == whole
    return folder


def cut(folder, step, to):
    """The folder as a kill would have left it after a step."""
    shutil.copytree(folder, to)
    for each in (to / "checkpoints").iterdir():
        if int(each.name) > step:
            shutil.rmtree(each)
    return to


@pytest.mark.parametrize("steps", [(0, 100), pytest.param(range(10, 120, CHUNK), marks=pytest.mark.full)], ids=["some cuts", "every cut"])
def test_cuts(whole, kept, tmp_path, steps):
    for step in steps:
        there = cut(kept, step, tmp_path / str(step))
        assert digest(n4.io.resume(there, progress=False)) == whole, step
        assert sorted(int(each.name) for each in (there / "checkpoints").iterdir()) == list(range(0, N_STEPS + 1, CHUNK))
    assert digest(n4.io.resume(there, progress=False)) == whole, "what has ended is read"


def test_other_lengths_of_chunks_and_checkpoints(model, whole, tmp_path):
    keeper = n4.io.Checkpoints(tmp_path / "a", every=25 * DT, keep=2, keep_every=50 * DT)
    assert digest(run(model, checkpoint=keeper)) == whole
    assert sorted(int(each.name) for each in (tmp_path / "a" / "checkpoints").iterdir()) == [0, 50, 100, 120]
    assert digest(n4.io.resume(cut(tmp_path / "a", 50, tmp_path / "b"), progress=False)) == whole
    assert digest(run(model, checkpoint=n4.io.Checkpoints(tmp_path / "c", wall=30 * u.ms))) == whole


@pytest.mark.full
def test_chunks_of_other_lengths(model, whole, tmp_path):
    for name, options, every in (("a", {"chunk": 33}, 4), ("b", {"chunk": None}, 50), ("c", {"chunk": 7}, 11)):
        keeper = n4.io.Checkpoints(tmp_path / name, every=every * DT, keep=100)
        assert digest(run(model, **options, checkpoint=keeper)) == whole
        assert digest(n4.io.resume(cut(tmp_path / name, 70, tmp_path / f"{name} cut"), progress=False)) == whole


@pytest.mark.full
def test_a_new_process(whole, kept, tmp_path):
    there = cut(kept, 50, tmp_path / "run")
    package = Path(n4.__file__).parents[1]
    env = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(package)}
    done = subprocess.run([sys.executable, kept_runs.__file__, str(there)], env=env, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == whole, done.stderr[-2000:]


@pytest.mark.full
@pytest.mark.parametrize("threads", [1, 2])
def test_threads(threads, whole, tmp_path):
    package = Path(n4.__file__).parents[1]
    env = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(package), "NEURO4D_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    command = ["taskset", "-c", ",".join(map(str, range(threads)))] if shutil.which("taskset") else []
    done = subprocess.run([*command, sys.executable, kept_runs.__file__, "begin", str(tmp_path / "r")], env=env, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == whole, done.stderr[-2000:]


@pytest.mark.full
@pytest.mark.parametrize("backend", [n4.Backend.REFERENCE, n4.Backend.kernels(cores=3)])
def test_another_backend(model, whole, kept, backend, tmp_path):
    """A run of one backend goes on on another; on each it is its own uninterrupted run."""
    there = cut(kept, 0, tmp_path / "run")
    other = build(backend=backend)
    assert digest(n4.io.resume(there, backend=backend, progress=False)) == digest(run(other))
    restored, state = n4.restore(cut(kept, 60, tmp_path / "half"), backend=backend)
    same_model, same_state = n4.restore(tmp_path / "half", model)
    assert equal(n4.to_user(restored, state), n4.to_user(same_model, same_state))


def equal(a, b):
    """Whether two canonical forms are equal."""
    x, y = (jax.tree_util.tree_leaves_with_path(tree) for tree in (a, b))
    return [path for path, _ in x] == [path for path, _ in y] and all(np.array_equal(v, w) for (_, v), (_, w) in zip(x, y, strict=True))


@pytest.mark.full
def test_discarded_steps(model, tmp_path):
    options = {"discard": 3 * u.ms, "inputs": None}
    expected = digest(run(model, **options))
    assert digest(run(model, **options, checkpoint=n4.io.Checkpoints(tmp_path / "a", every=CHUNK * DT, keep=100))) == expected
    for step in (0, 20, 30, 40):  # before, in, at the end of and after what is discarded
        assert digest(n4.io.resume(cut(tmp_path / "a", step, tmp_path / str(step)), progress=False)) == expected


def stronger(model, state, done):
    """Between two chunks: another model."""
    return n4.set_weights(model, "ab", (12 + done / 10) * u.pA), state


@pytest.mark.full
def test_a_function_of_the_user_between_chunks(model, tmp_path):
    expected = digest(run(model, between=stronger))
    folder = tmp_path / "a"
    assert digest(run(model, between=stronger, checkpoint=n4.io.Checkpoints(folder, every=20 * DT, keep=100))) == expected
    half = cut(folder, 60, tmp_path / "b")
    with pytest.raises(ValueError, match="whether a function `between` changes the run"):
        n4.io.resume(half)
    assert digest(n4.io.resume(half, between=stronger, progress=False)) == expected


@pytest.mark.full
def test_a_recorder_with_a_function(model, tmp_path):
    def mean(state, spikes):
        return state["a", "v"].mean()

    record = [n4.Record(mean, every=0.4 * u.ms), n4.Spikes("b")]
    expected = digest(run(model, record=record))
    assert digest(run(model, record=record, checkpoint=n4.io.Checkpoints(tmp_path / "a", every=40 * DT, keep=100))) == expected
    half = cut(tmp_path / "a", 80, tmp_path / "b")
    with pytest.raises(ValueError, match=r"are not described .* names: 'record', 'spikes'"):
        n4.io.resume(half)
    assert digest(n4.io.resume(half, record=record, progress=False)) == expected


@pytest.mark.full
def test_spikes_on_disk(model, tmp_path):
    expected = run(model, record=n4.Spikes()).spikes("a")
    to_disk = n4.io.SpikesToDisk(str(tmp_path / "spikes.zarr"))
    run(model, record=to_disk, checkpoint=n4.io.Checkpoints(tmp_path / "a", every=30 * DT, keep=100))
    for name, how in (("b", {"outside": True}), ("c", {"record": [to_disk]})):
        again = n4.io.resume(cut(tmp_path / "a", 60, tmp_path / name), progress=False, **how).spikes("a")
        assert np.array_equal(again.step, expected.step) and np.array_equal(again.id, expected.id)
    keeper = n4.io.Checkpoints(cut(tmp_path / "a", 60, tmp_path / "d"), every=30 * DT, keep=100, resume=True)
    assert np.array_equal(run(model, record=to_disk, checkpoint=keeper).spikes("a").step, expected.step)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.full)])
def test_a_signal_ends_a_run_with_a_checkpoint(model, whole, tmp_path, number):
    def kill(state, done):
        if done == 50:
            signal.raise_signal(number)

    before = signal.getsignal(number)
    part = run(model, on_chunk=kill, checkpoint=n4.io.Checkpoints(tmp_path / "a", every=40 * DT))
    assert (part.completed, part.n_steps) == (False, 50) and signal.getsignal(number) is before
    assert n4.restore(tmp_path / "a")[1].step == 50
    assert digest(n4.io.resume(tmp_path / "a", progress=False)) == whole


def test_a_script_that_is_run_again(model, whole, kept, tmp_path):
    there = cut(kept, 70, tmp_path / "a")
    with pytest.raises(FileExistsError, match=r"holds a run up to 7\. ms\. To go on with it: `n4\.io\.resume"):
        run(model, checkpoint=n4.io.Checkpoints(there, every=CHUNK * DT))
    assert digest(run(model, checkpoint=n4.io.Checkpoints(there, every=CHUNK * DT, resume=True))) == whole
    assert digest(run(model, checkpoint=n4.io.Checkpoints(tmp_path / "new", every=40 * DT, resume=True))) == whole
    with pytest.raises(ValueError) as error:
        other = n4.set(build(seed=6), lambda m: m.neurons["a"].v_th, -45 * u.mV)
        n4.simulate(other, jr.key(1), 13 * u.ms, recorders()[:2], checkpoint=n4.io.Checkpoints(there, resume=True))
    for text in ("holds another run", "the seed of `build` is 5 in the file and 6 in the model", "projection 'aa'"):
        assert text in str(error.value)
    with pytest.raises(ValueError) as error:
        other = n4.set(model, lambda m: m.neurons["a"].v_th, -45 * u.mV)
        n4.simulate(other, jr.key(1), 13 * u.ms, recorders()[:2], checkpoint=n4.io.Checkpoints(there, resume=True))
    for text in ("the number of steps: 120 there, 130 here", "the recorders", "the inputs", "the state at the beginning", "'a/v_th': other numbers"):
        assert text in str(error.value)


@pytest.mark.full
def test_a_network_with_one_of_almost_everything(tmp_path):
    """Lives, structures, modulators, gap junctions, trained delays, lattices."""
    model = rich().build(dt=DT, seed=4)
    options = {"record": n4.Spikes(), "inputs": {"open": 100 * u.pA}, "progress": False}
    expected = n4.simulate(model, KEY, 30 * u.ms, **options)
    assert len(expected.spikes("cells")) > 5
    folder = tmp_path / "a"
    n4.simulate(model, KEY, 30 * u.ms, **options, checkpoint=n4.io.Checkpoints(folder, every=5 * u.ms, keep=100))
    for step in (0, 100, 250):
        again = n4.io.resume(cut(folder, step, tmp_path / str(step)), progress=False)
        assert equal(n4.to_user(again.model, again.state), n4.to_user(model, expected.state))
        assert np.array_equal(again.spikes("cells").step, expected.spikes("cells").step)


def test_what_does_not_belong_together(model, kept):
    for other, text in (
        (build(dt=0.2 * u.ms), r"the time step \(ms\) is 0.1 in the file and 0.2 in the model"),
        (build(n=11), "population 'a' has 12 neurons in the file and 11 in the model[^*]*projection 'aa' has"),
    ):
        with pytest.raises(ValueError, match=text):
            n4.restore(kept, other)
    found = unlike(identity(model) | {"precision": "float64", "fingerprint": "other"}, model)
    assert found == ["the precision is 'float64' in the file and 'float32' in the model"]
    assert "structure" in unlike(identity(model) | {"fingerprint": "other"}, model)[0]
    with pytest.raises(FileNotFoundError, match="no checkpoint of step 7 "):
        n4.restore(kept, model, step=7)


def test_a_model_and_its_states(model, tmp_path):
    state = model.init(KEY)
    n4.save(tmp_path / "a", model)
    assert n4.restore(tmp_path / "a")[1] is None
    n4.save(tmp_path / "b", model, state)
    later = n4.simulate(model, state, 2 * u.ms).state
    changed = n4.set(model, lambda m: m.neurons["a"].v_th, -45 * u.mV)
    n4.save(tmp_path / "b", changed, later)
    for step, of, held in ((None, changed, later), (0, model, state), (20, changed, later)):
        assert equal(n4.to_user(*n4.restore(tmp_path / "b", step=step)), n4.to_user(of, held))
    with pytest.raises(ValueError, match="the seed of `build` is 5 in the file and 6"):
        n4.save(tmp_path / "b", build(seed=6))
    with pytest.raises(ValueError, match="holds a model and its states, and no run"):
        n4.io.resume(tmp_path / "b")
    with pytest.raises(TypeError, match="save takes a folder, a model and a state"):
        n4.save(tmp_path / "c", state)
