"""Recordings of spikes on disk: equal to those in memory, whole after a kill, refused when damaged, constant in memory."""

import os
import signal
import subprocess
import sys
import time

import brainunit as u
import jax
import jax.random as jr
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d.io.recording import _arrays, _recorder, _search
from neuro4d.io.recording._writer import SpikeWriter

CHUNK = 100


@pytest.fixture(scope="module")
def model():
    few = n4.Population("few", 5, n4.PoissonNeuron(rate=300 * u.Hz))
    many = n4.Population("many", 40, n4.PoissonNeuron(rate=50 * u.Hz))
    return n4.Network(few, many).build(dt=0.1 * u.ms, seed=0)


def run(model, start, ms, record):
    return n4.simulate(model, start, ms * u.ms, record=record, chunk=CHUNK)


@pytest.fixture(scope="module")
def known(model):
    """A run of 60 ms in memory, and its state after 40."""
    first = run(model, jr.key(0), 40, n4.Spikes())
    whole = run(model, jr.key(0), 60, n4.Spikes())
    return first.state, {name: whole.spikes(name) for name in model.populations}


@pytest.fixture
def small_chunks(monkeypatch):
    """So few events in a file that searching has something to do."""
    for module in (_arrays, _search):
        monkeypatch.setattr(module, "CHUNK", 16)


def same(a, b):
    return (a.n, a.dt_ms, a.start_step, a.n_steps) == (b.n, b.dt_ms, b.start_step, b.n_steps) and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("step", "id")
    )


def appends(monkeypatch):
    """How many events every append has had."""
    found, append = [], SpikeWriter.append
    monkeypatch.setattr(SpikeWriter, "append", lambda self, events: (found.append(sum(len(step) for step, _ in events.values())), append(self, events))[1])
    return found


@pytest.mark.parametrize(("pause", "together", "most"), [(1.0, 1 << 20, 4), (1.0, 10, 60), (0.0, 1 << 20, 7)])
def test_what_comes_within_a_pause_is_written_together(model, known, tmp_path, monkeypatch, pause, together, most):
    """Each append syncs a file for every column of every population. Six chunks of a run that takes less than a second, or as many as come."""
    monkeypatch.setattr(_recorder, "PAUSE_S", pause)
    monkeypatch.setattr(_recorder, "TOGETHER", together)
    monkeypatch.setattr(_recorder, "_BLOCK", 60 if together == 10 else 1 << 20)  # some steps of three words
    counts = appends(monkeypatch)
    found = run(model, jr.key(0), 60, n4.io.SpikesToDisk(tmp_path / "spikes.zarr"))
    assert all(same(found.spikes(name), known[1][name]) for name in model.populations)
    assert sum(counts) == sum(len(table) for table in known[1].values()) and len(counts) <= most
    assert (len(counts) > 6) == (together == 10)


def test_on_disk_as_in_memory(model, known, tmp_path, small_chunks):
    state, tables = known
    path = tmp_path / "spikes.zarr"
    first = run(model, jr.key(0), 40, n4.io.SpikesToDisk(path))
    assert same(first.spikes("many"), tables["many"].between(None, 40 * u.ms))
    assert first.rate("few") == tables["few"].between(None, 40 * u.ms).counts().sum() / (5 * 0.04) * u.Hz
    second = run(model, state, 20, n4.io.SpikesToDisk(path, append=True))
    assert same(second.spikes("few"), tables["few"].between(40 * u.ms)), "a run shows its own steps"
    found = n4.io.open_spikes(path)
    for name in tables:
        assert same(found.spikes(name), tables[name]) and found.n_spikes(name) == len(tables[name])
        for window in ((0, 60), (0, 0), (13.4, 41.7), (59.9, 60)):
            t0, t1 = (t * u.ms for t in window)
            assert same(found.between(t0, t1).spikes(name), tables[name].between(t0, t1)), window
            pieces = list(found.between(t0, t1).pieces(name, 7))
            assert np.array_equal(np.concatenate([np.zeros(0, int), *(each.step for each in pieces)]), tables[name].between(t0, t1).step)
            assert sum(each.n_steps for each in pieces) == round((window[1] - window[0]) * 10)
    found.verify()


def test_goes_on_only_where_it_ended(model, known, tmp_path):
    state, tables = known
    path = tmp_path / "spikes.zarr"
    run(model, jr.key(0), 40, n4.io.SpikesToDisk(path))
    with pytest.raises(FileExistsError, match="append=True"):
        run(model, jr.key(0), 40, n4.io.SpikesToDisk(path))
    with pytest.raises(ValueError, match=r"To record that time anew, cut it first: `n4\.io\.cut_spikes"):
        run(model, jr.key(0), 40, n4.io.SpikesToDisk(path, append=True))
    with pytest.raises(ValueError, match="has a population 'few', which is not recorded now"):
        run(model, state, 40, n4.io.SpikesToDisk(path, "many", append=True))
    n4.io.cut_spikes(path, 300)
    with pytest.raises(ValueError, match="what lies between would be missing"):
        run(model, state, 20, n4.io.SpikesToDisk(path, append=True))
    assert same(n4.io.open_spikes(path).spikes("many"), tables["many"].between(None, 30 * u.ms))
    n4.io.cut_spikes(path, 0)
    run(model, jr.key(0), 60, n4.io.SpikesToDisk(path, append=True))
    assert all(same(n4.io.open_spikes(path).spikes(name), tables[name]) for name in tables)


def test_a_run_that_goes_on_replaces_what_came_after_its_beginning(model, known, tmp_path):
    state, tables = known
    run(model, jr.key(0), 60, n4.io.SpikesToDisk(tmp_path / "a"))  # as a kill leaves it: the checkpoint is of 40 ms
    probe = n4.io.SpikesToDisk(tmp_path / "a").fit(model)
    probe.begin(0, None, done=400)
    assert n4.io.open_spikes(tmp_path / "a").n_steps == 400
    rows = n4.simulate(model, state, 20 * u.ms, record=n4.Spikes(), chunk=CHUNK).records["spikes"].packed
    probe.take(n4.recorders.Chunk(400, 200, rows))
    probe.take(n4.recorders.Chunk(550, 50, {name: each[150:] for name, each in rows.items()}))  # again from there on, as after a fault
    probe.settle()
    assert same(n4.io.open_spikes(tmp_path / "a").spikes("few"), tables["few"]), "on the disk before the run is over"
    probe.end()
    assert same(n4.io.open_spikes(tmp_path / "a").spikes("few"), tables["few"])


class Stop(Exception):
    pass


def test_goes_on_from_a_checkpoint(model, known, tmp_path):
    """A run dies with spikes on disk that its last checkpoint does not know of. They come again."""
    path, tables = tmp_path / "spikes", known[1]

    def ask(resume, on_chunk):
        keeper = n4.io.Checkpoints(tmp_path / "run", every=20 * u.ms, resume=resume)
        return n4.simulate(model, jr.key(0), 60 * u.ms, record=n4.io.SpikesToDisk(path), chunk=CHUNK, checkpoint=keeper, on_chunk=on_chunk)

    def stop(_, done):
        if done == 500:
            raise Stop

    with pytest.raises(Stop):
        ask(False, stop)
    assert n4.io.open_spikes(path).n_steps == 500, "what was taken is written, and the lock has gone"
    run = ask(True, lambda *_: None)
    assert all(same(run.spikes(name), tables[name]) for name in tables) and n4.io.open_spikes(path).n_steps == 600


def test_a_full_disk_ends_the_run_and_leaves_what_was_written(model, known, tmp_path, monkeypatch):
    plain, calls = _arrays.Columns.append, []

    def full(self, first, columns):
        calls.append(first)
        if len(calls) > 4:  # two populations, two chunks
            raise OSError(28, "No space left on device")
        return plain(self, first, columns)

    monkeypatch.setattr(_arrays.Columns, "append", full)
    monkeypatch.setattr(_recorder, "TOGETHER", 1)  # every chunk is written by itself
    with pytest.raises(OSError, match="No space left"):
        run(model, jr.key(0), 60, n4.io.SpikesToDisk(tmp_path / "a"))
    found = n4.io.open_spikes(tmp_path / "a")
    assert found.n_steps in (100, 200)
    assert all(same(found.spikes(name), known[1][name].between(None, found.n_steps / 10 * u.ms)) for name in found.populations)
    n4.io.cut_spikes(tmp_path / "a", 0)  # the lock has gone


def test_what_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match="one simulation"):
        n4.batch(model, jr.split(jr.key(0), 2), 1 * u.ms, record=n4.io.SpikesToDisk(tmp_path / "b"))
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="is a file"):
        run(model, jr.key(0), 10, n4.io.SpikesToDisk(tmp_path / "file"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "photo").write_text("")
    with pytest.raises(FileExistsError, match="other things"):
        run(model, jr.key(0), 10, n4.io.SpikesToDisk(tmp_path / "other"))
    with pytest.raises(FileNotFoundError, match="no recording"):
        n4.io.open_spikes(tmp_path / "other")
    writer = SpikeWriter(tmp_path / "c", (("cells", 2),), 0.1, append=False)
    writer.begin(0)
    with pytest.raises(BlockingIOError, match="somebody else writes"):
        SpikeWriter(tmp_path / "c", (("cells", 2),), 0.1, append=True).begin(0)
    writer.close()
    with pytest.raises(ValueError, match=r"time step is 0\.1 ms, that of the model 0\.2 ms; population 'cells' has 2 neurons in it, and 3 now"):
        SpikeWriter(tmp_path / "c", (("cells", 3),), 0.2, append=True)
    with pytest.raises(ValueError, match="inside the 0 to 0 ms"):
        n4.io.open_spikes(tmp_path / "c").between(0 * u.ms, 1 * u.ms)


def test_the_path_changes_no_program_and_the_length_no_memory(model, tmp_path):
    one, other = (n4.io.SpikesToDisk(tmp_path / name).fit(model) for name in "ab")
    assert jax.tree.structure(one) == jax.tree.structure(other) and hash(jax.tree.structure(one)) == hash(jax.tree.structure(other))
    assert one.bytes(10**9, CHUNK) == one.bytes(10**3, CHUNK)


def events(seed, n_steps=400, n=40):
    """Steps and ids of random spikes."""
    return np.nonzero(np.random.default_rng(seed).random((n_steps, n)) < 0.05)


def write(path, step, ids, every=100, n_steps=400, name="cells/../x", acknowledge=None):
    """Appends events in pieces of some steps; `acknowledge` hears of each that is on disk."""
    writer = SpikeWriter(path, ((name, 40),), 0.1, append=True)
    writer.begin(0)
    for end in range(every, n_steps + 1, every):
        mine = (step >= end - every) & (step < end)
        writer.append({name: (step[mine], ids[mine])})
        writer.done(end)
        writer.commit()
        if acknowledge is not None:
            acknowledge(end)
    writer.close()


def outcome(path, step, ids):
    try:
        table = n4.io.open_spikes(path).spikes("cells/../x")
    except (n4.CorruptFileError, FileNotFoundError, FileExistsError):
        return "refused"
    return "same" if np.array_equal(table.step, step) and np.array_equal(table.id, ids) and table.n_steps == 400 else "WRONG"


def test_one_flipped_bit_is_an_error_or_changes_nothing(tmp_path):
    step, ids = events(0)
    write(tmp_path / "a", step, ids)
    files = sorted(each for each in (tmp_path / "a").rglob("*") if each.is_file())
    sizes = np.array([each.stat().st_size for each in files])
    assert not any("x" in each.name or ".." in each.parts for each in files), "a name of a user is no file name"
    rng, seen = np.random.default_rng(1), []
    for bit in rng.choice(8 * sizes.sum(), 200, replace=False):
        file = int(np.searchsorted(np.cumsum(sizes), bit // 8, side="right"))
        place = int(bit // 8 - (np.cumsum(sizes) - sizes)[file])
        good = files[file].read_bytes()
        bad = bytearray(good)
        bad[place] ^= 1 << int(bit % 8)
        files[file].write_bytes(bad)
        seen.append(outcome(tmp_path / "a", step, ids))
        files[file].write_bytes(good)
    assert set(seen) == {"refused", "same"} and outcome(tmp_path / "a", step, ids) == "same"


def test_cut_files_are_refused_or_complete(tmp_path):
    step, ids = events(2)
    write(tmp_path / "a", step, ids)
    for name, needed in (("manifest.json", True), ("0/step/c/0", True), ("0/id/c/0", True), ("0/step/zarr.json", False)):
        file = tmp_path / "a" / name
        good = file.read_bytes()
        for percent in range(100):
            file.write_bytes(good[: len(good) * percent // 100])
            assert outcome(tmp_path / "a", step, ids) == ("refused" if needed else "same"), (name, percent)
        file.unlink()
        assert outcome(tmp_path / "a", step, ids) == ("refused" if needed else "same"), name
        file.write_bytes(good)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "a"
    step, ids = events(3)
    write(path, step, ids)
    return path, step, ids


def fuzzed(written, name, place, change):
    path, step, ids = written
    good = (path / name).read_bytes()
    at = place % len(good)
    (path / name).write_bytes(good[:at] + change + good[at + len(change) :])
    try:
        assert outcome(path, step, ids) in ("refused", "same")
    finally:
        (path / name).write_bytes(good)


FUZZ = {
    "name": st.sampled_from(["manifest.json", "neuro4d.json", "0/step/c/0", "0/id/c/0", "0/id/zarr.json"]),
    "place": st.integers(0, 10**6),
    "change": st.binary(min_size=0, max_size=12) | st.sampled_from([b'"', b"1e9", b"{", b"null", b"9" * 12]),
}


@settings(max_examples=200)
@given(**FUZZ)
@example(name="manifest.json", place=172, change=b"1e9")  # the number 1e9859
def test_mutated_files(written, name, place, change):
    fuzzed(written, name, place, change)


@pytest.mark.full
@settings(max_examples=10_000)
@given(**FUZZ)
def test_ten_thousand_mutated_files(written, name, place, change):
    fuzzed(written, name, place, change)


def kill_while_writing(server, path, begun, wait):
    """The last acknowledged step of a process that is killed a while after it was started, or after its first steps are on disk."""
    server.stdin.write(f"{path}\n")
    server.stdin.flush()
    pid = int(server.stdout.readline())
    said = int(server.stdout.readline()) if begun else 0
    time.sleep(wait)
    os.kill(pid, signal.SIGKILL)
    for line in server.stdout:
        if line == "dead\n":
            return said
        said = int(line)
    raise RuntimeError("the process that starts others has ended")


@pytest.mark.parametrize("trials", [3, pytest.param(50, marks=pytest.mark.full)])
def test_killed_while_appending(tmp_path, trials):
    rng = np.random.default_rng(trials)
    step, ids = events(7, n_steps=20_000)
    with subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        for trial in range(trials):
            path = tmp_path / str(trial)
            begun = trial % 4 < 3  # else it may be killed while it makes the folder
            said = kill_while_writing(server, path, begun, rng.uniform(0, 0.5))
            if not (path / "manifest.json").exists():
                assert said == 0, "killed before it began"
                continue
            found = n4.io.open_spikes(path)
            table = found.spikes("cells/../x")
            assert said <= found.n_steps <= said + 100
            assert np.array_equal(table.step, step[step < found.n_steps]) and np.array_equal(table.id, ids[step < found.n_steps])
            found.verify()
            writer = SpikeWriter(path, (("cells/../x", 40),), 0.1, append=True)
            writer.begin(found.n_steps)  # the lock has gone with the process
            writer.close()
            assert not list(path.rglob("*.__lock")), "what it had begun to write is gone"
        server.stdin.close()


def test_lazily_in_xarray(tmp_path, monkeypatch, small_chunks):
    pytest.importorskip("xarray")
    step, ids = events(4)
    write(tmp_path / "a", step, ids)
    read = []
    plain = _arrays.Columns.read
    monkeypatch.setattr(_arrays.Columns, "read", lambda self, name, first, end: read.append((name, end - first)) or plain(self, name, first, end))
    data = n4.io.open_spikes(tmp_path / "a").to_xarray("cells/../x")
    assert not read and dict(data.sizes) == {"spike": len(step)} and data.attrs["dt_ms"] == 0.1
    assert np.array_equal(data.step[5:9].values, step[5:9]) and read == [("step", 4)]
    assert np.array_equal(data.id.isel(spike=[0, 40, 3]).values, ids[[0, 40, 3]])
    assert np.array_equal(data.id[::-50].values, ids[::-50])
    assert np.array_equal(data.time.values, (step + 1) / 10) and data.time.attrs["units"] == "ms"


def test_zarr_finds_the_arrays(tmp_path):
    zarr = pytest.importorskip("zarr")
    step, ids = events(5)
    write(tmp_path / "a", step, ids)
    group = zarr.open_group(tmp_path / "a", mode="r")
    assert group["0"].attrs["population"] == "cells/../x"
    assert np.array_equal(group["0/step"][:], step) and np.array_equal(group["0/id"][:], ids)


@pytest.mark.full
def test_memory_stays_flat(tmp_path):
    """The peak of a run of 4 * 10^5 steps is that of one of 10^5: the spikes of the difference would take 45 MB as events, 480 MB as bits."""
    peaks = [int(subprocess.run([sys.executable, __file__, str(tmp_path / str(n)), str(n)], check=True, stdout=subprocess.PIPE).stdout) for n in (1, 4)]
    assert peaks[1] - peaks[0] < 24 << 20, peaks


def child_of_kill_test():
    """Starts a process for each path that it is told: to import everything takes longer than to write."""
    step, ids = events(7, n_steps=20_000)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            write(line.strip(), step, ids, n_steps=20_000, acknowledge=lambda end: print(end, flush=True))
            os._exit(0)
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("dead", flush=True)


def child_of_memory_test(path, tens_of_seconds):
    import resource

    cells = n4.Population("cells", 10_000, n4.PoissonNeuron(rate=10 * u.Hz))
    model = n4.Network(cells).build(dt=0.1 * u.ms, seed=0)
    n4.simulate(model, jr.key(0), tens_of_seconds * 10 * u.second, record=n4.io.SpikesToDisk(path), progress=False)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        child_of_kill_test()
    else:
        child_of_memory_test(sys.argv[1], int(sys.argv[2]))
