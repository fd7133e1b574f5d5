"""Numbered snapshots of trees: whole or not there, and never other numbers than were written. No network, no compilation."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import neuro4d
from neuro4d._base import CorruptFileError, MemoryBudgetError
from neuro4d.io import Store
from neuro4d.io._leaves import differences, flatten, rows_from, unflatten
from neuro4d.io.checkpoint import _arrays, _snapshot

RNG = np.random.default_rng(0)
TREE = {
    "weights": {"e->e / äöü ..": RNG.normal(size=(300, 100)).astype(np.float32)},
    "cells": {"v": RNG.normal(size=70), "nothing": np.zeros((0, 3), np.float32), "none": {}, "fired": RNG.random(33) > 0.5},
    "step": np.uint32(7),
    "half": np.arange(5, dtype=np.float16),
    "odd": np.array([np.nan, np.inf, -0.0]),
    "brain": np.arange(3).astype(ml_dtypes.bfloat16),
}


def same(a, b):
    """Whether two trees are equal to the last bit."""
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[name], b[name]) for name in a)
    x, y = np.asarray(a), np.asarray(b)
    return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("original") / "s"
    with Store(path, "test") as store:
        for step in (1, 2):
            store.save(step, TREE | {"step": np.uint32(step)}, {"loss": 0.1 * step})
    return path


@pytest.fixture
def written(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "s"))


def test_what_is_written_is_read(written):
    found = Store(written, "test").read()
    assert found.step == 2 and same(found.tree, TREE | {"step": np.uint32(2)}) and found.meta["loss"] == 0.2
    assert same(Store(written, "test").read(1).tree["step"], np.uint32(1))
    assert Store(written, "test").latest() == 2
    assert {"neuro4d", "jax", "numpy", "orbax"} <= set(found.meta["versions"])


LEAF = hnp.arrays(st.sampled_from(["bool", "int8", "uint64", "float16", "float32", "float64", "complex64"]), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
TREES = st.dictionaries(st.text(min_size=1, max_size=8), st.recursive(LEAF, lambda inner: st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=3)), max_size=4)


@given(TREES)
def test_rows_say_what_a_tree_is(tree):
    rows, arrays = flatten(tree)
    assert rows_from([row.as_json() for row in rows]) == rows
    assert same(unflatten(rows, arrays), tree)
    assert not differences(rows, rows)


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ({"a": 1.0}, "'a' is not an array but float"),
        ({"a": {"b": jax.random.key(0)}}, "key_data"),
        ({"a": np.array(["x"])}, "plain numbers"),
        ({"a": np.array([None])}, "plain numbers"),
        ({1: np.zeros(2)}, "names in a tree are text"),
        ({"": np.zeros(2)}, "names in a tree are text"),
    ],
)
def test_what_is_no_tree_of_arrays(tmp_path, tree, text):
    with pytest.raises(TypeError, match=text), Store(tmp_path / "s", "test") as store:
        store.save(1, tree)
    assert Store(tmp_path / "s", "test").steps() == [] and not list((tmp_path / "s").glob("**/*.tmp"))


@pytest.mark.parametrize(
    "rows",
    [
        {},
        [1],
        [[["a"], [2], "float32", "", "0" * 63]],
        [[["a"], [-1], "float32", "", "0" * 64]],
        [[["a"], [2], "O", "", "0" * 64]],
        [[["a"], [2], "object", "", "0" * 64]],
        [[["a"], [2], "f4", "", "0" * 64]],
        [[[], [2], "float32", "", "0" * 64]],
        [[["a"], [True], "float32", "", "0" * 64]],
        [[["a"], [2], "float32", "", "0" * 64]] * 2,
        [[["a"], [2], "float32", "", "0" * 64], [["a", "b"], [2], "float32", "", "0" * 64]],
    ],
)
def test_rows_that_are_none(rows):
    with pytest.raises(ValueError):
        rows_from(rows)


def test_differences_are_all_named():
    old, new = flatten({"a": np.zeros(3), "b": np.zeros(2), "c": np.zeros(1)})[0], flatten({"a": np.zeros(4, np.float32), "b": np.zeros(2), "d": np.zeros(1)})[0]
    assert differences(old, [new[0], new[1]._replace(unit="mV"), new[2]]) == [
        "'d' is not in the file",
        "'c' is in the file and not in the model",
        "'a' has shape (3,) in the file and (4,) in the model",
        "'a' has type float64 in the file and float32 in the model",
        "'b' has unit none in the file and mV in the model",
    ]


def test_retention_and_steps_that_are_written_again(tmp_path):
    with Store(tmp_path, "test", keep=2, keep_every=4) as store:
        for step in (*range(1, 8), 7):
            store.save(step, {"a": np.full(3, step)}, wait=True)
            assert store.latest() == step
    assert store.steps() == [4, 6, 7]
    with Store(tmp_path, "test") as store:
        store.open()
        store.drop_after(4)
    assert store.steps() == [4]


def test_one_writer(written):
    with Store(written, "test") as one:
        one.open()
        with pytest.raises(BlockingIOError, match=rf"somebody else writes into .*process {os.getpid()}"):
            Store(written, "test").open()
        assert Store(written, "test").read().step == 2, "readers are let in"
    with Store(written, "test") as two:
        two.open()


def test_folders_that_are_refused(tmp_path, written):
    (tmp_path / "file").write_text("")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_text("")
    for path, error, text in (
        ("file", NotADirectoryError, "is a file"),
        ("photos", FileExistsError, r"holds other things \(cat.png\)"),
        ("s", FileExistsError, "holds a test, not a run"),
    ):
        with pytest.raises(error, match=text):
            Store(tmp_path / path, "run").open()
    for path in ("none", "photos"):
        with pytest.raises(FileNotFoundError):
            Store(tmp_path / path, "run").read()
    with pytest.raises(ValueError):
        Store("a\0b", "run")
    assert sorted(each.name for each in (tmp_path / "photos").iterdir()) == ["cat.png"]


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # root may write everywhere
    with pytest.raises(PermissionError, match=r"cannot write into .* choose another folder"):
        Store(tmp_path / "s", "test").open()


def test_debris_is_never_read_and_goes_away(written):
    for name in ("9.neuro4d.tmp", "8.neuro4d.gone", "2.neuro4d.old"):
        shutil.copytree(written / "checkpoints" / "2", written / "checkpoints" / name)
    shutil.copytree(written / "checkpoints" / "2" / "arrays", written / "checkpoints" / "9.neuro4d.tmp" / "arrays.orbax-checkpoint-tmp")
    shutil.move(written / "checkpoints" / "1", written / "checkpoints" / "1.neuro4d.old")  # a replacement that was cut between its two renames
    assert Store(written, "test").steps() == [2]
    with Store(written, "test") as store:
        store.open()
    assert sorted(os.listdir(written / "checkpoints")) == ["1", "2"] and Store(written, "test").read(1).step == 1


def test_the_clock_set_back(written):
    for path in written.rglob("*"):
        os.utime(path, (0, 0))
    os.utime(written / "checkpoints" / "1", (4e9, 4e9))
    assert Store(written, "test").latest() == 2


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def check_damage(folder, expected):
    """Reads a damaged folder: an error that says so, or the very same data."""
    try:
        found = Store(folder, "test").read(2)
    except (CorruptFileError, FileNotFoundError) as error:
        assert str(folder) in str(error)
        latest = Store(folder, "test").read()
        assert latest.step == 1 and same(latest.tree["weights"], TREE["weights"])
        return True
    assert same(found.tree, expected)
    return False


@pytest.mark.parametrize("n", [25, pytest.param(200, marks=pytest.mark.full)])
def test_flipped_bits(written, n):
    expected, noticed = TREE | {"step": np.uint32(2)}, 0
    parts = files(written / "checkpoints" / "2")
    weights = np.array([part.stat().st_size for part in parts], float) ** 0.5  # small files are hit as well
    for _ in range(n):
        part = parts[RNG.choice(len(parts), p=weights / weights.sum())]
        raw = part.read_bytes()
        if not raw:
            continue
        damaged = bytearray(raw)
        damaged[RNG.integers(len(raw))] ^= 1 << RNG.integers(8)
        part.write_bytes(damaged)
        noticed += check_damage(written, expected)
        part.write_bytes(raw)
    assert noticed > n / 3
    assert not check_damage(written, expected)


@pytest.mark.parametrize("step", [10, pytest.param(1, marks=pytest.mark.full)])
def test_truncated_files(written, step):
    expected, parts = TREE | {"step": np.uint32(2)}, files(written / "checkpoints" / "2")
    for part in parts if step == 1 else parts[:1] + parts[-1:]:
        raw = part.read_bytes()
        for percent in range(0, 100, step):
            part.write_bytes(raw[: len(raw) * percent // 100])
            check_damage(written, expected)
        part.unlink()
        check_damage(written, expected)
        part.write_bytes(raw)


def test_a_manifest_of_a_later_version(written):
    path = written / "checkpoints" / "2" / "manifest.json"
    body = _snapshot.read_body(path)
    path.write_text(_snapshot.as_text(body | {"format": 2, "versions": {"neuro4d": "9.1"}}))
    with pytest.raises(ValueError, match=r"format 2, written by neuro4d 9\.1; this is .*Update"):
        Store(written, "test").read(2)
    assert Store(written, "test").latest() == 1


def test_sizes_are_looked_at_before_anything_is_read(written):
    path = written / "checkpoints" / "2" / "manifest.json"
    body = _snapshot.read_body(path)
    body["rows"][0][1] = [1 << 40, 1 << 10]
    path.write_text(_snapshot.as_text(body))
    with pytest.raises(MemoryBudgetError, match="PiB"):
        Store(written, "test").read(2)


@pytest.mark.parametrize("text", ['{"a": ' * 5000, '{"sha256": "", "content": NaN}', "[]", "{}", "\xff", '{"sha256": 1, "content": {}}'])
def test_texts_that_are_no_manifest(written, text):
    (written / "checkpoints" / "2" / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(CorruptFileError, match="is damaged"):
        Store(written, "test").read(2)


def fill_disk(path):
    """Writes until a file system refuses; whether it did, and what is whole then."""
    refused = None
    store = Store(path, "test", keep=100)
    try:
        for step in range(100):
            store.save(step, {"a": np.random.default_rng(step).normal(size=60_000)}, wait=True)
    except OSError as error:
        refused = error
    try:
        store.close()
    except OSError as error:
        refused = refused or error
    return refused, store.latest()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("mount"), reason="mounts a file system of 5 MB")
def test_a_full_disk(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("this process may not mount")
    try:
        refused, latest = fill_disk(small / "s")
        assert refused is not None and latest is not None and latest >= 3
        assert Store(small / "s", "test").steps()[-1] == latest and not list((small / "s").glob("**/*.tmp"))
    finally:
        subprocess.run(["umount", str(small)], check=True)


LIMITED = """
import resource, signal, sys
sys.path.insert(0, {tests!r})
from checkpoint.test_store import fill_disk
import neuro4d.io
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from neuro4d.io import Store
import numpy as np
path = Path({path!r})
with Store(path, "test") as store:
    store.save(0, {{"a": np.zeros(10)}})
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
refused, latest = fill_disk(path)
print(type(refused).__name__, latest)
"""


@pytest.mark.full
def test_a_limit_on_the_size_of_files(tmp_path):
    """The same where nothing can be mounted: a process that may write no file of more than 200 kB."""
    tests = Path(__file__).parents[1]
    text = LIMITED.format(tests=str(tests), path=str(tmp_path / "s"))
    env = os.environ | {"PYTHONPATH": str(Path(neuro4d.__file__).parents[1]), "JAX_COMPILATION_CACHE_DIR": ""}
    done = subprocess.run([sys.executable, "-c", text], env=env, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "OSError 0", done.stderr[-2000:]


KILLED = """
import os, sys
import numpy as np
from neuro4d.io import Store
from neuro4d.io.checkpoint._arrays import orbax
orbax()
for line in sys.stdin:
    child = os.fork()  # to import everything again would take seconds
    if child:
        print("child", child, flush=True)
        os.waitpid(child, 0)
        print("dead", 0, flush=True)
        continue
    with Store(sys.argv[1], "test", keep=2) as store:
        for step in range(int(line), 10**6):
            store.save(step, {"a": np.random.default_rng(step).normal(size=200_000), "step": np.int64(step)}, wait=True)
            print("step", step, flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("n", [3, pytest.param(50, marks=pytest.mark.full)])
def test_killed_while_saving(tmp_path, n):
    """At random times: what was acknowledged restores, always."""
    env = os.environ | {"PYTHONPATH": str(Path(neuro4d.__file__).parents[1])}
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    kept = -1
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1) as parent:
        for _ in range(n):
            parent.stdin.write(f"{kept + 1}\n")
            said = {}
            while not {"child", "step"} <= set(said):
                word, number = parent.stdout.readline().split()
                said[word] = int(number)
            time.sleep(RNG.uniform(0, 0.2))
            os.kill(said["child"], signal.SIGKILL)
            while "dead" not in said:
                word, number = parent.stdout.readline().split()
                said[word] = int(number)
            found = Store(tmp_path, "test").read()
            assert found.step in (said["step"], said["step"] + 1)
            assert same(found.tree["a"], np.random.default_rng(found.step).normal(size=200_000))
            kept = found.step
        parent.stdin.close()


def test_errors_of_the_thread_surface(tmp_path, monkeypatch):
    store = Store(tmp_path, "test")
    store.save(1, {"a": np.zeros(3)}, wait=True)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_arrays, "sync_tree", full)
    store.save(2, {"a": np.zeros(3)})
    with pytest.raises(OSError, match="No space left"):
        store.save(3, {"a": np.zeros(3)})
    store.submit(full)
    with pytest.raises(OSError, match="No space left"):
        store.close()
    assert Store(tmp_path, "test").steps() == [1] and sorted(os.listdir(tmp_path / "checkpoints")) == ["1"]


def test_arrays_of_jax(tmp_path):
    with Store(tmp_path, "test") as store:
        store.save(0, {"a": jnp.arange(3), "key": jax.random.key_data(jax.random.key(1))})
    assert same(Store(tmp_path, "test").read().tree["a"], np.arange(3, dtype=np.int32))
