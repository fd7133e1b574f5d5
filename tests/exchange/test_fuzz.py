"""Damaged and hostile files: every reader gives an error that says so, or a result, in bounded time and memory.

200 damaged files for each reader by default, 30 where a whole network is made of them, and 10,000 with `-m full`. The process that walks through an HDF5 file first
takes a third of a second: by default it is left out here, and in the 10,000 one process walks through all of them.
"""

import resource
import select
import subprocess
import sys
import time
from pathlib import Path

import brainunit as u
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.io.hdf5 import _probe, _safe

EXPECTED = (ValueError, FileNotFoundError, IsADirectoryError, n4.UnknownNameError)
CAP = 1 << 30
"""Bytes by which the process may grow."""


def damaged(data, rng):
    """Bytes of a file after one of the things that happen to files, or that somebody does to them."""
    data = bytearray(data)
    at = int(rng.integers(len(data)))
    match int(rng.integers(6)):
        case 0:
            data[at] ^= 1 << int(rng.integers(8))
        case 1:
            for each in rng.integers(len(data), size=int(rng.integers(1, 30))):
                data[each] = int(rng.integers(256))
        case 2:
            del data[at:]
        case 3:
            n = int(rng.integers(1, 64))
            data[at : at + n] = bytes([int(rng.choice([0, 255]))]) * len(data[at : at + n])
        case 4:
            source = int(rng.integers(len(data)))
            data[at : at + 16] = data[source : source + 16]
        case _:
            data[at : at + 8] = rng.choice([2**63 - 1, 2**62, 2**32, 1 << 40, -1], 1).astype("<i8").tobytes()
    return bytes(data)


def small_network():
    lif = n4.LIF(tau=np.array([10.0, 20, 30]) * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    source = n4.Population("source", 2, n4.Relay(), {"in": n4.Delta()})
    cells = n4.Population("cells", 3, lif, {"exc": n4.ExpCurrent(tau=5 * u.ms)})
    edges = n4.Projection("e", source, cells, "exc", n4.AllToAll(), weight=np.arange(6) * 10 * u.pA, delay=1 * u.ms)
    return n4.Network(source, cells, edges)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A good file for every reader."""
    from neuro4d.io.exchange._sonata_records import write_report, write_spikes
    from neuro4d.recorders import TraceRecord

    base = tmp_path_factory.mktemp("good")
    model = small_network().build(dt=0.5 * u.ms)
    pytest.importorskip("nir")
    n4.io.save_nir(base / "net.nir", model)
    n4.io.save_sonata(base / "sonata", model)
    table = n4.SpikeTable(np.repeat(np.arange(30), 2), np.tile([0, 2], 30), "cells", 0.5, 3, 0, 40)
    write_spikes(base / "spikes.h5", [table])
    write_report(base / "report.h5", TraceRecord("v", "cells", "v", np.arange(3), np.arange(20), np.zeros((20, 3), np.float32), u.mV), 0.5)
    table.to_parquet(base / "spikes.parquet")
    return base


def readers(base):
    """By name: the files to damage, and what reads them."""
    from neuro4d.io.exchange._sonata_records import read_report, read_spikes

    sonata = base / "sonata"
    network = sorted(path for each in ("network", "components") for path in (sonata / each).iterdir())
    configs = [sonata / "circuit_config.json", sonata / "simulation_config.json"]
    return {
        "nir": ([base / "net.nir"], lambda: n4.io.load_nir(base / "net.nir")),
        "sonata": (network + configs, lambda: n4.io.load_sonata(sonata)),
        "spikes": ([base / "spikes.h5"], lambda: read_spikes(base / "spikes.h5", {"cells": 3}, 0.5)),
        "report": ([base / "report.h5"], lambda: read_report(base / "report.h5", "v", "v", 0.5)),
        "parquet": ([base / "spikes.parquet"], lambda: n4.SpikeTable.from_parquet(base / "spikes.parquet")),
    }


NAMES = ("nir", "sonata", "spikes", "report", "parquet")


def attack(base, name, number, seed):
    """Reads so many damaged files. **Returns:** how many were refused."""
    paths, read = readers(base)[name]
    good = {path: path.read_bytes() for path in paths}
    rng, refused = np.random.default_rng(seed), 0
    read()  # what is loaded on first use is not counted
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for i in range(number):
        path = paths[int(rng.integers(len(paths)))]
        path.write_bytes(damaged(good[path], rng))
        begin = time.perf_counter()
        try:
            read()
        except EXPECTED as error:
            refused += 1
            assert str(error), (name, i)
        except Exception as error:
            raise AssertionError(f"{name}, file {i} with seed {seed}: {type(error).__name__}: {error}") from error
        finally:
            path.write_bytes(good[path])
        assert time.perf_counter() - begin < 10, (name, i)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < CAP
    return refused


class Walker:
    """What `check_elsewhere` does, in a process that takes one file after the other: to start one for each takes a third of a second."""

    def __init__(self):
        self.process = None

    def __call__(self, path):
        if self.process is None:
            command = [sys.executable, str(Path(__file__).with_name("walker.py")), _probe.__file__]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], 8)[0]:
            self.close()
            raise n4.CorruptFileError("it did not end")
        if not self.process.stdout.readline():
            self.close()
            raise n4.CorruptFileError("it died")

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture(autouse=True)
def nobody_walks_elsewhere(monkeypatch, request):
    walker = Walker()
    full = request.node.get_closest_marker("full") is not None
    monkeypatch.setattr(_safe, "check_elsewhere", walker if full else lambda path: None)
    yield
    walker.close()


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_refused_or_read(folder, name):
    if name == "parquet":
        pytest.importorskip("pyarrow")
    number = 30 if name in ("nir", "sonata") else 200
    assert attack(folder, name, number, 0) >= number // 4


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_ten_thousand_damaged_files(folder, name):
    assert attack(folder, name, 10_000, 1) >= 2500


def test_cut_files_are_refused_or_complete(folder):
    """At every hundredth of their length."""
    whole = {name: read() for name, (_, read) in readers(folder).items() if name in ("spikes", "parquet")}
    for name, table in (("spikes", whole["spikes"]["cells"]), ("parquet", whole["parquet"])):
        (path,), read = readers(folder)[name]
        good = path.read_bytes()
        for percent in range(100):
            path.write_bytes(good[: len(good) * percent // 100])
            try:
                found = read()
            except EXPECTED:
                continue
            finally:
                path.write_bytes(good)
            found = found["cells"] if name == "spikes" else found
            assert np.array_equal(found.step, table.step) and np.array_equal(found.id, table.id)
