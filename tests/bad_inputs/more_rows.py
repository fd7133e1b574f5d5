"""Bad input to what learns, to configurations, and in files."""

import atexit
import functools
import json
import os
import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import brainunit as u
import h5py
import jax.random as jr
import numpy as np
from bad_inputs.model_rows import CELLS, MODEL, STATE, edge, run
from bad_inputs.table import Table
from core.networks import lif

import neuro4d as n4

row = Table()
INF, NAN = float("inf"), float("nan")


def stdp(**changes):
    return n4.STDP(**{"w_max": 10 * u.pA, "a_plus": 0.01, "a_minus": 0.01} | changes)


for bad in (0 * u.ms, -1 * u.ms, NAN * u.ms):
    row(f"B51 tau_plus {bad}", lambda bad=bad: stdp(tau_plus=bad), ValueError, r"STDP\.tau_plus is one number, more than 0, for example `20 \* u\.ms`; got")
    row(f"B51 tau_rec {bad}", lambda bad=bad: short_term(tau_rec=bad), ValueError, r"TsodyksMarkram\.tau_rec is one number, more than 0, for example `20 \* u\.ms`; got")
for bad in (-0.1, 1.5, NAN):
    row(f"B51 use {bad}", lambda bad=bad: short_term(use=bad), ValueError, r"TsodyksMarkram\.use .*")
row("B33 w_max", lambda: stdp(w_max=NAN * u.pA), ValueError, r"STDP.*w_max.*nan")
row("B33 weight above w_max", lambda: edge(weight=20 * u.pA, plasticity=stdp()), ValueError, r"'e'.*20.*")
row("B33 weight below 0", lambda: edge(weight=-1 * u.pA, plasticity=stdp()), ValueError, r"'e'.*-1")
row("B51 unit", lambda: edge(port="exc", weight=1 * u.nS, plasticity=stdp()), n4.UnitError, r"pA.*nS|nS.*pA")
row("B16 alive", lambda: n4.Population("p", 10, lif(), alive=11), ValueError, r"'p'.*alive.*11")


def short_term(**changes):
    return n4.TsodyksMarkram(**{"use": 0.5, "tau_rec": 100 * u.ms} | changes)


@functools.cache
def folder() -> Path:
    """A folder of files that are made once and removed in the end."""
    path = Path(tempfile.mkdtemp(prefix="neuro4d-bad-inputs-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def config(text, name="brain.json"):
    path = folder() / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return n4.io.read_config(path)


GOOD = {
    "lattice_shape": [4, 4, 4, 4],
    "neuron_model": {"type": "LIF"},
    "cell_lifecycle": {"enable_death": False},
    "plasticity": {"enabled": False},
    "senses": {},
    "areas": [{"name": "V1", "coord_ranges": {"x": [0, 3], "y": [0, 3], "z": [0, 3], "w": [0, 3]}}],
}


def changed(**blocks):
    return config(json.dumps(GOOD | blocks))


row("B48 unknown key", lambda: changed(plasticty={}), n4.io.ConfigError, r"brain\.json: unknown key `plasticty`\. Did you mean 'plasticity'\?")
row("B48 nesting", lambda: changed(plasticity={"tau_m": 20.0}), n4.io.ConfigError, r"unknown key `plasticity\.tau_m`")
row("B48 twice", lambda: config('{"areas": [], "areas": []}'), n4.io.ConfigError, r"'areas' is written twice in one block.*keep one")
row("B48 twice in TOML", lambda: config("a = 1\na = 2", "a.toml"), n4.io.ConfigError, r"a\.toml: not TOML")
row("B49 text for a number", lambda: changed(lattice_shape="4"), n4.io.ConfigError, r"`lattice_shape`: expected.*got `?str")
row("B49 fraction", lambda: changed(lattice_shape=[4.5, 4, 4, 4]), n4.io.ConfigError, r"`lattice_shape\[0\]`: expected `int`, got `float`")
row("B49 yes", lambda: changed(plasticity={"enabled": "yes"}), n4.io.ConfigError, r"`plasticity\.enabled`: expected `bool`, got `str`")
row("B49 NaN", lambda: config('{"areas": [NaN]}'), n4.io.ConfigError, r"expected finite numbers; got NaN")
row("B49 overflow", lambda: config('{"dimensions": 1e999}'), n4.io.ConfigError, r"`dimensions`: expected `int`, got `float`")
row("B50 missing file", lambda: n4.io.read_config(folder() / "absent.json"), FileNotFoundError, r"no configuration at .*absent\.json")
row("B50 folder", lambda: n4.io.read_config(made(folder() / "d.json")), n4.io.ConfigError, r"not a regular file")
row("B50 no such sense", lambda: changed(areas=[GOOD["areas"][0] | {"sense": "sight"}]), n4.io.ConfigError, r"no sense named 'sight'")
row("B71 not UTF-8", lambda: config(b"\xff\xfe\x00"), n4.io.ConfigError, r"expected UTF-8 text; byte 0")
row("B78 nested", lambda: config("[" * 100_000), n4.io.ConfigError, r"nested too deeply")
row("B78 nested in TOML", lambda: config("a = " + "[" * 100_000, "a.toml"), n4.io.ConfigError, r"nested too deeply")
row("B78 dotted", lambda: config(".".join("a" * 5000) + " = 1", "a.toml"), n4.io.ConfigError, r"a\.toml: line 1: a key has at most 64 parts; nested too deeply")
row("B78 large", lambda: config(b" " * (2 << 20)), n4.io.ConfigError, r"has more than 1048576 bytes, which is the most that a configuration in \.json has")
row("B78 digits", lambda: config('{"dimensions": ' + "9" * 10_000 + "}"), n4.io.ConfigError, r"brain\.json: .*digits")
row("B78 huge lattice", lambda: load(changed(lattice_shape=[10**6] * 4)), (ValueError, MemoryError), r"lattice|at least \d+ bytes|coord_ranges")


def load(config):
    return n4.load_config(config)


def made(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


@functools.cache
def saved() -> Path:
    """A model in HDF5."""
    path = folder() / "model.h5"
    n4.io.save_hdf5(path, MODEL, STATE)
    return path


def hdf5(change: Callable[[bytes], bytes] | None = None, edit: Callable[[h5py.File], None] | None = None):
    """The file, changed byte by byte or object by object, and read."""
    path = folder() / "changed.h5"
    data = saved().read_bytes()
    path.write_bytes(data if change is None else change(data))
    if edit is not None:
        with h5py.File(path, "r+") as file:
            edit(file)
    return n4.io.load_hdf5(path)


def flipped(data: bytes) -> bytes:
    """One bit in the middle of the largest dataset as it lies in the file."""
    found: list[tuple[int, int]] = []

    def look(name, item):
        if isinstance(item, h5py.Dataset) and item.size:
            chunk = item.id.get_chunk_info(0) if item.chunks else None
            found.append((chunk.size, chunk.byte_offset) if chunk else (item.nbytes, item.id.get_offset()))

    with h5py.File(saved(), "r") as file:
        file.visititems(look)
    size, start = max(found)
    place = start + size // 2
    return data[:place] + bytes([data[place] ^ 64]) + data[place + 1 :]


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(4,))
    file.create_virtual_dataset("stolen", layout)


def write(name: str, data: bytes) -> Path:
    path = folder() / name
    path.write_bytes(data)
    return path


def fifo() -> Path:
    path = folder() / "pipe.h5"
    if not path.exists():
        os.mkfifo(path)
    return path


Corrupt, Unsafe = n4.CorruptFileError, n4.UnsafeFileError
row("B62 truncated", lambda: hdf5(lambda data: data[: len(data) // 2]), Corrupt, r"changed\.h5")
row("B63 one bit", lambda: hdf5(flipped), (Corrupt, Unsafe), r"changed\.h5")
row("B64 not HDF5", lambda: n4.io.load_hdf5(write("text.h5", b"hello")), Corrupt, r"text\.h5' is no HDF5 file, or a damaged one")
row("B64 empty", lambda: n4.io.load_hdf5(write("empty.h5", b"")), Corrupt, r"empty\.h5")
row("B64 folder", lambda: n4.io.load_hdf5(made(folder() / "folder.h5")), IsADirectoryError, r"is a folder; give the path of a file")
row("B64 pipe", lambda: n4.io.load_hdf5(fifo()), Unsafe, r"no regular file, but a pipe or a device")
row("B64 absent", lambda: n4.io.load_hdf5(folder() / "absent.h5"), FileNotFoundError, r"absent\.h5")
row("B65 external link", lambda: hdf5(edit=lambda f: f.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/"))), Unsafe, r"'/?x'.*link")
row("B65 soft link", lambda: hdf5(edit=lambda f: f.__setitem__("x", h5py.SoftLink("/nowhere"))), Unsafe, r"'/?x'.*link")
row(
    "B65 external storage",
    lambda: hdf5(edit=lambda f: f.create_dataset("x", (32,), "u1", external=[("/etc/passwd", 0, 32)])),
    Unsafe,
    r"'/?x'.*(outside|other file|external)",
)
row("B65 virtual", lambda: hdf5(edit=virtual), Unsafe, r"stolen.*(virtual|other file)")
row("B66 8 TiB", lambda: hdf5(edit=lambda f: f.create_dataset("x", (1 << 40,), "f8", chunks=(1 << 10,))), Unsafe, r"TiB.*at most")
row("B67 text", lambda: hdf5(edit=lambda f: f.create_dataset("x", (3,), h5py.string_dtype())), Unsafe, r"'/?x'")
row("B67 record", lambda: hdf5(edit=lambda f: f.create_dataset("x", (3,), [("a", "f4"), ("b", "i4")])), Unsafe, r"'/?x'")
row("B68 nothing in it", lambda: n4.io.load_hdf5(bare()), (Corrupt, Unsafe), r"bare\.h5")
row("B71 pickle as HDF5", lambda: n4.io.load_hdf5(write("pickle.h5", pickle.dumps([1]))), Corrupt, r"pickle\.h5' is no HDF5")
row("B71 pickle as JSON", lambda: n4.io.load_json(write("pickle.json", pickle.dumps([1]))), (Corrupt, ValueError), r"pickle\.json")
row("B71 zip as JSON", lambda: n4.io.load_json(bomb()), (Corrupt, ValueError), r"bomb\.json")


def bare() -> Path:
    path = folder() / "bare.h5"
    h5py.File(path, "w").close()
    return path


def bomb() -> Path:
    """A megabyte of zeros, as an archive of a kilobyte."""
    path = folder() / "bomb.json"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("../../x", (2000, 1, 1, 0, 0, 0)), b"0" * (1 << 20), zipfile.ZIP_DEFLATED)
    return path


@functools.cache
def kept() -> Path:
    """A model and a state in a folder."""
    path = folder() / "kept"
    n4.save(path, MODEL, STATE)
    return path


def other(dt=0.1, weight=1.0):
    e = n4.Projection("e", CELLS, CELLS, "cur", n4.FixedProb(0.5), weight=weight * u.pA, delay=1 * u.ms)
    return n4.Network(CELLS, e, n4.Input("port", CELLS)).build(dt=dt * u.ms, seed=1)


def restored(edit: Callable[[Path], None]):
    """The folder, changed, and read."""
    path = folder() / "again"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(kept(), path)
    edit(path)
    return n4.restore(path)


def emptied(path: Path) -> None:
    for file in path.rglob("*"):
        if file.is_file() and file.name not in ("neuro4d.json",):
            file.write_bytes(b"")


row("B69 another network", lambda: n4.restore(kept(), n4.Network(CELLS).build(dt=0.1 * u.ms)), ValueError, r"(?i)differ|another|lacks|projection")
row("B69 another dt", lambda: n4.restore(kept(), other(dt=0.2)), ValueError, r"0\.1.*0\.2|0\.2.*0\.1")
row("B70 zero bytes", lambda: restored(emptied), Corrupt, r"again")
row("B70 no description", lambda: restored(lambda path: (path / "neuro4d.json").unlink()), (Corrupt, FileNotFoundError, ValueError), r"again")
row("B70 no folder", lambda: n4.restore(folder() / "none"), FileNotFoundError, r"there is no folder '.*none'")
row("B73 folder is a file", lambda: n4.save(write("file", b"x"), MODEL, STATE), OSError, r"file")
row("B73 no such parent", lambda: n4.io.save_hdf5(folder() / "none" / "a.h5", MODEL), OSError, r"none")
row(
    "B73 recording in a folder of other things",
    lambda: run(record=n4.io.SpikesToDisk(others())),
    OSError,
    r"others",
)
row("B69 not a model", lambda: n4.save(folder() / "x", STATE), TypeError, r"model")
row("B59 state of another", lambda: n4.save(folder() / "x", MODEL, n4.Network(CELLS).build(dt=0.1 * u.ms).init(jr.key(0))), (ValueError, TypeError), r"state")


def others() -> Path:
    path = made(folder() / "others")
    (path / "thesis.txt").write_text("important")
    return path


row("B56 nothing recorded", lambda: run(record=n4.Record(lambda state, spikes: state["cells", "u"])), n4.UnknownNameError, r"no variable named 'u'")
row("B47 fit of a function", lambda: n4.Record(3), TypeError, r"Record takes a function of \(state, spikes\)")
row("B44 given to run", lambda: run(inputs={"port": np.array(["a"] * 10)}), TypeError, r"input 'port' is made of real numbers")
