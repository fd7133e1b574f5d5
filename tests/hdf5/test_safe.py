"""HDF5 files from anybody: what points elsewhere, runs something or asks for too much is refused, and the message has the place."""

import os
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.io.hdf5 import _safe, open_untrusted, read_array, read_attribute

WALK = _safe.check_elsewhere


@pytest.fixture(autouse=True)
def nobody_walks_elsewhere(monkeypatch):
    """A third of a second for each file."""
    monkeypatch.setattr(_safe, "check_elsewhere", lambda path: None)


def test_a_file_that_never_ends_is_damaged(monkeypatch, tmp_path):
    """Bytes of its groups were changed so that listing them goes round in a circle inside of the library."""
    monkeypatch.setattr(_safe, "check_elsewhere", WALK)
    monkeypatch.setattr(_safe, "PROBE_S", 2.0)
    with pytest.raises(n4.CorruptFileError, match=r"did not end in [23] s of a processor"):
        open_untrusted(Path(__file__).with_name("never_ends.h5"))
    open_untrusted(make(tmp_path / "good.h5", lambda file: file.update({"g/a": np.arange(3)}))).close()


@pytest.mark.parametrize("length", [0, 100, 4 * 64 - 1, 4 * 64 + 4])
def test_a_chunk_that_unpacks_to_another_length_is_damaged(tmp_path, length):
    """HDF5 reads what lies behind a shorter one in memory."""

    def fill(file):
        x = file.create_dataset("x", (128,), "i4", chunks=(64,), compression="gzip")
        x[...] = 7
        x.id.write_direct_chunk((64,), zlib.compress(bytes(length)))

    with open_untrusted(make(tmp_path / "x.h5", fill)) as file:
        with pytest.raises(n4.CorruptFileError, match=r"'/x' is damaged: the chunk at \(64,\) is no whole one"):
            read_array(file["x"])
        np.testing.assert_array_equal(read_array(file["x"], (..., slice(0, 64))), 7)


def make(path, fill):
    with h5py.File(path, "w") as file:
        fill(file)
    return path


def virtual(file):
    layout = h5py.VirtualLayout((3,), "i4")
    layout[:] = h5py.VirtualSource("other.h5", "a", (3,))
    file.create_virtual_dataset("g/bad", layout)



HOSTILE = {
    "soft link": (lambda f: f.update({"g/bad": h5py.SoftLink("/etc")}), "'/g/bad' is a soft link"),
    "soft link inside": (lambda f: (f.update({"a": [1]}), f.update({"g/bad": h5py.SoftLink("/a")})), "'/g/bad' is a soft link"),
    "external link": (lambda f: f.update({"g/bad": h5py.ExternalLink("other.h5", "/a")}), "'/g/bad' is a link to another file"),
    "external storage": (lambda f: f.create_dataset("g/bad", (32,), "u1", external=[("/etc/passwd", 0, 32)]), "'/g/bad' lies in external storage"),
    "virtual": (virtual, "'/g/bad' is a virtual dataset"),
    "8 TiB": (lambda f: f.create_dataset("g/bad", (2**43,), "u1", chunks=(2**16,), compression="gzip"), "8.00 TiB are declared"),
    "8 TiB without chunks": (lambda f: f.create_dataset("g/bad", (2**40,), "f8"), "8.00 TiB are declared"),
    "a chunk of 2 GiB": (lambda f: f.create_dataset("g/bad", (4,), "f8", chunks=(2**28,), maxshape=(None,)), "chunks of 2.00 GiB"),
    "objects": (lambda f: f.create_dataset("g/bad", (4,), h5py.ref_dtype), "holds references"),
    "records": (lambda f: f.update({"g/bad": np.zeros(3, [("a", "i4"), ("b", "f8")])}), "holds records"),
    "complex": (lambda f: f.update({"g/bad": np.zeros(3, complex)}), "read are plain numbers"),
    "long double": (lambda f: f.update({"g/bad": np.zeros(3, np.longdouble)}), "unusual kind"),
    "opaque": (lambda f: f.update({"g/bad": np.zeros(3, "V5")}), "opaque bytes"),
    "rows of different length": (lambda f: f.create_dataset("g/bad", (4,), h5py.vlen_dtype("f8")), "different lengths"),
    "text": (lambda f: f.update({"g/bad": "text"}), "strings of different lengths"),
    "another filter": (lambda f: f.create_dataset("g/bad", data=np.arange(10), scaleoffset=2, chunks=(5,)), "packed by filter 6"),
    "a type as an object": (lambda f: f.update({"g/bad": np.dtype("i4")}), "neither a group nor a dataset"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files(tmp_path, case):
    fill, says = HOSTILE[case]
    path = make(tmp_path / "x.h5", fill)
    with pytest.raises(n4.UnsafeFileError, match=says) as error:
        open_untrusted(path)
    assert str(path) in str(error.value) and "/g/bad" in str(error.value)


def test_what_is_read(tmp_path):
    def fill(file):
        file["big"] = np.arange(5, dtype=">i4")
        file["half"] = np.array([1.5, np.nan], np.float16)
        file["truth"] = np.array([True, False])
        file["fixed"] = np.array([b"abc"])
        group = file.create_group("g")
        group["again"] = file["big"]
        group["loop"] = group  # a hard link upwards: walked once
        for compression in ("gzip", "lzf"):
            file.create_dataset(f"g/{compression}", data=np.arange(100.0), compression=compression, shuffle=True, fletcher32=True)
        file.attrs["n"], file.attrs["name"], file.attrs["many"], file.attrs["flag"] = 3, "cells", [1, 2], True

    with open_untrusted(make(tmp_path / "x.h5", fill)) as file:
        big = read_array(file["big"])
        assert big.dtype == np.int32 and big.dtype.isnative and big.tolist() == [0, 1, 2, 3, 4]
        assert read_array(file["truth"], kinds="b").tolist() == [True, False]
        assert np.array_equal(read_array(file["g/lzf"], slice(3, 7)), np.arange(3.0, 7.0))
        assert read_attribute(file, "n", int) == 3 and read_attribute(file, "name", str) == "cells" and read_attribute(file, "n", float) == 3.0
        for bad in (lambda: read_array(file["fixed"]), lambda: read_array(file["g"]), lambda: read_array(file["big"], ndim=2)):
            with pytest.raises(n4.CorruptFileError, match=r"x\.h5"):
                bad()
        for name, kind in (("many", int), ("name", int), ("none", str), ("flag", int)):
            with pytest.raises(n4.CorruptFileError, match=name):
                read_attribute(file, name, kind)


def test_lengths_that_differ_are_counted(tmp_path):
    def fill(file):
        rows = file.create_dataset("rows", (3,), h5py.vlen_dtype("f4"))
        rows[0], rows[2] = np.arange(4, dtype="f4"), np.arange(9, dtype="f4")
        file["text"] = "x" * 1000

    path = make(tmp_path / "x.h5", fill)
    with open_untrusted(path, strings=True, ragged=True) as file:
        assert [len(row) for row in file["rows"][:]] == [4, 0, 9] and file["text"].asstr()[()] == "x" * 1000
    with pytest.raises(n4.UnsafeFileError, match=r"/text.*entries of more than"):
        open_untrusted(path, strings=True, ragged=True, limit=800)


def test_what_is_no_hdf5_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_bytes(b"none" * 1000)
    for name, kind in (("pipe", n4.UnsafeFileError), ("empty", n4.CorruptFileError), ("text", n4.CorruptFileError), ("none", FileNotFoundError)):
        with pytest.raises(kind, match=name):
            open_untrusted(tmp_path / name)
    with pytest.raises(IsADirectoryError):
        open_untrusted(tmp_path)
    with pytest.raises(OSError, match="loop"):
        open_untrusted(tmp_path / "loop")


def test_chunks_that_are_damaged_or_missing(tmp_path):
    path = make(tmp_path / "x.h5", lambda f: f.create_dataset("a", data=np.arange(100_000), chunks=(1000,), fletcher32=True))
    with h5py.File(path) as file:
        place = file["a"].id.get_chunk_info(50).byte_offset
    data = bytearray(path.read_bytes())
    data[place + 17] ^= 8
    path.write_bytes(data)
    with open_untrusted(path) as file:
        assert read_array(file["a"], slice(0, 1000))[-1] == 999
        with pytest.raises(n4.CorruptFileError, match="'/a' is damaged"):
            read_array(file["a"])
