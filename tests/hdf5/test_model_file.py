"""A model and a state as an HDF5 file: the same bits back, parts equal to the whole, damage refused."""

import json
import os
import shutil
import subprocess
import sys

import brainunit as u
import h5py
import jax.random as jr
import numpy as np
import pytest
from hdf5.networks import WIRES, built, equal, network

import neuro4d as n4
from neuro4d.io.checkpoint._snapshot import as_text
from neuro4d.io.hdf5 import _part, _writer


@pytest.fixture(scope="module")
def model():
    return built()


@pytest.fixture(scope="module")
def state(model):
    return n4.simulate(model, jr.key(0), 20 * u.ms, record=(), chunk=100).state


@pytest.fixture(scope="module")
def path(model, state, tmp_path_factory):
    where = tmp_path_factory.mktemp("hdf5") / "brain.h5"
    n4.io.save_hdf5(where, model, state)
    return where


@pytest.fixture(scope="module")
def known(path):
    """Every array of the file."""
    with n4.io.ModelFile(path) as file:
        return {row: file.array(*row) for row, leaf in file.rows.items() if leaf.dtype != "{}"}


def test_the_same_bits_come_back(path, model, state):
    again, after = n4.io.load_hdf5(path)
    assert equal((again, after), (model, state)) and again.fingerprint() == model.fingerprint()
    given = n4.io.load_hdf5(path, model=built())
    assert equal(given, (model, state))
    on, there = (n4.simulate(m, s, 20 * u.ms, record=n4.Spikes(), chunk=100) for m, s in ((model, state), (again, after)))
    assert equal((model, on.state), (again, there.state)) and len(on.spikes("e")) > 20
    assert all(np.array_equal(getattr(on.spikes("e"), x), getattr(there.spikes("e"), x)) for x in ("step", "id"))


@pytest.mark.parametrize(("compression", "level"), [("gzip", 0), ("gzip", 9), ("lzf", None), (None, None)])
def test_however_it_is_packed(tmp_path, model, state, known, compression, level):
    n4.io.save_hdf5(tmp_path / "x.h5", model, state, compression=compression, compression_opts=level)
    with n4.io.ModelFile(tmp_path / "x.h5") as file:
        assert all(np.array_equal(file.array(*row), values) for row, values in known.items())
    with h5py.File(tmp_path / "x.h5") as file:
        weights = file["model/weights/e-i"]
        assert (weights.compression, weights.fletcher32, weights.shuffle) == (compression, True, compression is not None)
        assert file.attrs["kind"] == "neuro4d model" and weights.attrs["unit"] == "pA"


def test_without_a_state(tmp_path, model):
    n4.io.save_hdf5(tmp_path / "x.h5", model)
    again, state = n4.io.load_hdf5(tmp_path / "x.h5")
    assert state is None and equal((again, None), (model, None))


def test_edges_in_pieces(path, model, state):
    whole = model.edges(WIRES, state)
    with n4.io.ModelFile(path) as file:
        for rows, most in ((None, 1 << 20), (None, 100), ((17, 40), 64), ((5, 5), 10)):
            pieces = list(file.edges(WIRES, rows, most))
            mine = np.isin(whole.pre, np.arange(*(rows or (0, 128))))
            assert all(len(piece.pre) <= most for piece in pieces)
            for field, values in (("pre", whole.pre), ("post", whole.post), ("weight", whole.weight.mantissa), ("delay", whole.delay.mantissa)):
                got = np.concatenate([getattr(piece, field) for piece in pieces] or [np.zeros(0)])
                assert np.allclose(got, values[mine], rtol=1e-6), (field, rows)
        with pytest.raises(ValueError, match="between 0 and 128"):
            next(file.edges(WIRES, (0, 129)))


CHOICES = [
    ({"neurons": "e"}, {"e": range(128)}),
    ({"neurons": ["i"]}, {"i": range(10)}),
    ({"neurons": {"e": [90, 3, 3, 70], "i": slice(0, 4)}}, {"e": [3, 70, 90], "i": range(4)}),
    ({"areas": "V1"}, "V1"),
    ({"areas": ["V1", "V2"], "neurons": {"i": [9]}}, "both"),
    ({"neurons": {"e": []}}, {"e": []}),
]


@pytest.mark.parametrize(("asked", "expected"), CHOICES, ids=str)
def test_a_part_equals_that_of_the_whole(path, model, state, asked, expected):
    part = n4.io.load_hdf5(path, incoming=True, **asked)
    sites = model.coordinates("e")
    if expected == "V1":
        expected = {"e": np.flatnonzero(sites[:, 0] < 2)}
    elif expected == "both":
        expected = {"e": range(128), "i": [9]}
    assert {name: list(ids) for name, ids in part.neurons.items()} == {name: list(ids) for name, ids in expected.items()}
    for name, ids in part.neurons.items():
        assert np.array_equal(part.variables[name]["v"].to_decimal(u.mV), np.asarray(state[name, "v"])[ids])
        assert np.array_equal(part.parameters[name]["v_th"].to_decimal(u.mV), np.asarray(model.neurons[name].v_th)[ids])
        assert part.parameters[name]["tau"].to_decimal(u.ms) == 20
    if "e" in part.neurons:
        assert np.array_equal(part.sites["e"], sites[part.neurons["e"]])
    for name in model.projections:
        span, whole = model.layout.projections_by_name[name], model.edges(name, state)
        pre, post = (part.neurons.get(end.population, np.zeros(0, int)) for end in (span.pre, span.post))
        from_them, to_them = np.isin(whole.pre, pre), np.isin(whole.post, post)
        assert (name in part.edges) == (span.pre.population in part.neurons) and (name in part.incoming) == (span.post.population in part.neurons)
        for edges, mine in ((part.edges.get(name), from_them), (part.incoming.get(name), to_them & ~from_them)):
            if edges is not None:
                assert np.array_equal(edges.pre, whole.pre[mine]) and np.array_equal(edges.post, whole.post[mine])
                assert np.array_equal(edges.weight.to_decimal(u.pA), whole.weight.to_decimal(u.pA)[mine])
        if name in part.edges:
            assert np.array_equal(part.among(name).post, whole.post[from_them & to_them])


def bytes_read(work):
    """Bytes that a function reads from files."""

    def so_far():
        with open("/proc/self/io") as file:
            return int(next(line for line in file if line.startswith("rchar")).split()[1])

    begin = so_far()
    work()
    return so_far() - begin


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="counts bytes as Linux does")
def test_only_what_is_asked_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(_writer, "CHUNK", 2048)
    monkeypatch.setattr(_part, "CHUNK", 2048)
    monkeypatch.setattr(_part, "_NEAR", 1024)
    cells = n4.Population("cells", 3000, n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV), {"in": n4.Delta()})
    model = n4.Network(cells, n4.Projection("p", cells, cells, "in", n4.FixedOutDegree(100), weight=n4.Uniform(0 * u.mV, 1 * u.mV))).build(0.1 * u.ms, seed=0)
    n4.io.save_hdf5(tmp_path / "x.h5", model, compression=None)
    size = (tmp_path / "x.h5").stat().st_size
    whole = bytes_read(lambda: n4.io.ModelFile(tmp_path / "x.h5").verify())
    opened = bytes_read(lambda: n4.io.ModelFile(tmp_path / "x.h5").close())
    some = bytes_read(lambda: n4.io.load_hdf5(tmp_path / "x.h5", neurons={"cells": range(1000, 1010)}))
    into = bytes_read(lambda: n4.io.load_hdf5(tmp_path / "x.h5", neurons={"cells": [7]}, incoming=True))
    assert whole > 0.95 * size > 3e6
    # A thousand edges lie in two chunks of 8 kB at most in each of three columns; starts and parameters are a chunk each, and there is the index.
    assert some - opened < 200_000 < size / 15
    assert into - opened < 0.9 * size, "all targets, and the chunks of those that lead there"


def test_what_is_asked_wrongly(path, tmp_path, model):
    for wrong, says in (
        ({"neurons": "x"}, "no population named 'x'"),
        ({"areas": "V3"}, "no area named 'V3'"),
        ({"neurons": {"e": [128]}}, "between 0 and 127; got 128"),
        ({"neurons": {"e": [0.5]}}, "whole numbers"),
        ({"neurons": 3}, "neurons are names"),
        ({"incoming": True}, "say to which"),
        ({"neurons": "e", "model": model}, "without building"),
    ):
        with pytest.raises((KeyError, ValueError, TypeError), match=says):
            n4.io.load_hdf5(path, **wrong)
    for wrong, says in (({"compression": "zip"}, "gzip"), ({"compression_opts": 10}, "0 to 9"), ({"compression": "lzf", "compression_opts": 1}, "has none")):
        with pytest.raises(ValueError, match=says):
            n4.io.save_hdf5(tmp_path / "x.h5", model, **wrong)
    with pytest.raises(IsADirectoryError):
        n4.io.save_hdf5(tmp_path, model)
    with pytest.raises(FileNotFoundError, match="no folder"):
        n4.io.save_hdf5(tmp_path / "none" / "x.h5", model)
    with pytest.raises(TypeError, match="save_hdf5 takes"):
        n4.io.save_hdf5(tmp_path / "x.h5", "model")
    assert not list(tmp_path.iterdir())


def test_another_model_is_refused_with_all_differences(path):
    few = n4.Population("e", 5, n4.Relay(), {"exc": n4.Delta()})
    with pytest.raises(ValueError, match="does not belong to this model") as error:
        n4.io.load_hdf5(path, model=n4.Network(few).build(dt=0.2 * u.ms, seed=0))
    for text in ("the time step (ms) is 0.1 in the file and 0.2", "'e' has 128 neurons in the file and 5", "population 'i'", "projection 'e-i' is not in the model"):
        assert text in str(error.value)
    with pytest.raises(ValueError, match="seed of `build` is 0 in the file and 1 in the model"):
        n4.io.load_hdf5(path, model=network().build(dt=0.1 * u.ms, seed=1))


def test_a_write_that_fails_leaves_the_older_file(tmp_path, model, monkeypatch):
    n4.io.save_hdf5(tmp_path / "x.h5", model)
    before = (tmp_path / "x.h5").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_writer.Writer, "column", full)
    with pytest.raises(OSError, match="No space left"):
        n4.io.save_hdf5(tmp_path / "x.h5", model)
    assert (tmp_path / "x.h5").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


# --- damage -------------------------------------------------------------------------------------------------------------------


def outcome(path, known):
    """Whether a file is refused, or holds what it held; nothing else may be."""
    try:
        with n4.io.ModelFile(path) as file:
            same = {row for row, leaf in file.rows.items() if leaf.dtype != "{}"} == set(known)
            return "same" if same and all(np.array_equal(file.array(*row), values) for row, values in known.items()) else "WRONG"
    except (n4.CorruptFileError, n4.UnsafeFileError):
        return "refused"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A file of forty neurons, and its arrays."""
    where = tmp_path_factory.mktemp("small") / "small.h5"
    cells = n4.Population("cells", 40, n4.Relay(), {"in": n4.Delta()})
    model = n4.Network(cells, n4.Projection("p", cells, cells, "in", n4.FixedProb(0.5), weight=n4.Uniform(0 * u.mV, 1 * u.mV))).build(0.1 * u.ms, seed=0)
    n4.io.save_hdf5(where, model, model.init(jr.key(0)))
    with n4.io.ModelFile(where) as file:
        return where.read_bytes(), {row: file.array(*row) for row, leaf in file.rows.items() if leaf.dtype != "{}"}


def test_one_flipped_bit_is_an_error_or_changes_nothing(small, tmp_path):
    good, known = small
    seen = []
    for bit in np.random.default_rng(0).choice(8 * len(good), 200, replace=False):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << int(bit % 8)
        (tmp_path / "x.h5").write_bytes(bad)
        seen.append(outcome(tmp_path / "x.h5", known))
    assert "WRONG" not in seen and seen.count("refused") > 100


def test_cut_files_are_refused(small, tmp_path):
    good, known = small
    for percent in range(100):
        (tmp_path / "x.h5").write_bytes(good[: len(good) * percent // 100])
        assert outcome(tmp_path / "x.h5", known) == "refused", percent


def changed(path, where, change):
    """A copy of a file with something changed by whoever knows HDF5; the manifest says what it said."""
    shutil.copy(path, where)
    with h5py.File(where, "r+") as file:
        change(file)
    return where


def test_arrays_that_are_not_what_the_manifest_says(path, tmp_path):
    def replaced(name, values):
        def change(file):
            del file[name]
            if values is not None:
                file[name] = values

        return change

    v = "state/variables/e/v"
    with h5py.File(path) as file:
        old = file[v][:]
    for change, says in (
        (replaced(v, None), "is missing"),
        (replaced(v, old[:, None]), r"of shape \(128, 1\)"),
        (replaced(v, old.astype(np.float64)), "float64"),
        (replaced(v, old + 1), "checksum"),
        (replaced(v, np.full(128, np.nan, np.float32)), "checksum"),
        (replaced("manifest", None), "no 'manifest'"),
        (replaced("manifest", np.frombuffer(b"{}", np.uint8)), "manifest"),
        (lambda f: (replaced(v, None)(f), f.create_dataset(v, (128,), "f4", fillvalue=np.nan)), "checksum"),
        (lambda f: (replaced(v, None)(f), f.create_group(v)), "a group of shape None"),
    ):
        with pytest.raises(n4.CorruptFileError, match=says):
            n4.io.load_hdf5(changed(path, tmp_path / "x.h5", change))
    more = changed(path, tmp_path / "x.h5", lambda f: f.update({"of mine": [1, 2]}))
    assert n4.io.load_hdf5(more)[1] is not None, "what others put beside is left alone"
    big = changed(path, tmp_path / "x.h5", replaced(v, old.astype(">f4")))
    with n4.io.ModelFile(big) as file:
        assert np.array_equal(file.array("state", "variables", "e", "v"), old), "numbers of another byte order are the same numbers"


def test_another_version_and_a_forged_manifest(path, tmp_path):
    def forged(change):
        def rewrite(file):
            content = json.loads(file["manifest"][:].tobytes())["content"]
            change(content)
            del file["manifest"]
            file["manifest"] = np.frombuffer(as_text(content).encode(), np.uint8)

        return changed(path, tmp_path / "x.h5", rewrite)

    with pytest.raises(ValueError, match=r"has format 2.*Update"):
        n4.io.load_hdf5(forged(lambda c: c.update(format=2)))
    for change in (
        lambda c: c.update(format=0),
        lambda c: c.update(rows=[]),
        lambda c: c["network"].update(dt_ms=-1.0),
        lambda c: c["network"].update(populations=[]),
        lambda c: c["network"]["projections"].update({"e-i": ["e", "x", 3]}),
        lambda c: c["network"]["projections"].update({"e-i": ["e", "i", 10**30]}),
        lambda c: c["rows"].append([["model", "more"], [2**60], "float64", "", "0" * 64]),
        lambda c: c.update(has_state="yes"),
        lambda c: c.pop("versions"),
    ):
        with pytest.raises((n4.CorruptFileError, n4.MemoryBudgetError, ValueError)):
            n4.io.load_hdf5(forged(change))


def test_names_lead_nowhere():
    assert n4.io.hdf5._names.place_of(("..", ".", "a/b", "ä\0", "e to e.x")) == "%2E%2E/%2E/a%2Fb/%C3%A4%00/e to e.x"


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS")
def test_mutated_files(small, tmp_path):
    fuzz(small, tmp_path, 200)


@pytest.mark.full
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS")
def test_ten_thousand_mutated_files(small, tmp_path):
    fuzz(small, tmp_path, 10_000)


def fuzz(small, tmp_path, n):
    """In a process of its own, with 1 GiB at most: HDF5 is written in C."""
    (tmp_path / "good.h5").write_bytes(small[0])
    done = subprocess.run(
        [sys.executable, os.path.join(os.path.dirname(__file__), "fuzz_reader.py"), str(tmp_path / "good.h5"), str(n)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["refused"] + counts["same"] == n and counts["refused"] > n / 2
