"""Heaps of HDF5 files: whole ones pass, and one that makes the library walk for ever is refused before it is read."""

import zlib

import h5py
import numpy as np
import pytest

from neuro4d._base import CorruptFileError
from neuro4d.io.hdf5 import open_untrusted, read_array, read_attribute


@pytest.mark.parametrize("n", [1, 3, 50, 4000])
def test_whole_heaps_pass(tmp_path, n):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = np.array(["x" * (i % 37 * i) for i in range(n)], object)
        for i in range(n % 60):
            file["a"].attrs[f"k{i}"] = "some text " * i
        if n > 2:
            del file["a"].attrs["k1"]
    with open_untrusted(tmp_path / "a.h5", strings=True) as file:
        assert len(file["a"]) == n


def test_a_heap_without_an_end_is_refused(tmp_path):
    """The free room of the heap is made shorter: behind it lies an entry of no length."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.zeros(3)
        file["a"].attrs["units"] = "ms"
    data = bytearray(path.read_bytes())
    at = data.index(b"GCOL") + 16 + 24 + 8
    assert int.from_bytes(data[at : at + 8], "little") == 4096 - 16 - 24
    data[at : at + 8] = (0x0F3B).to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises(CorruptFileError, match="the heap at byte"):
        open_untrusted(path)


def test_an_entry_that_refers_to_nothing_is_refused(tmp_path):
    """The library would look for it for ever."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        at = file.create_dataset("a", data="some text", dtype=h5py.string_dtype()).id
        file.flush()
        begin = at.get_offset()
    good = path.read_bytes()
    for damage in (b"\xff" * 16, good[begin : begin + 4] + (123).to_bytes(8, "little") + good[begin + 12 : begin + 16]):
        path.write_bytes(good[:begin] + damage + good[begin + 16 :])
        with pytest.raises(CorruptFileError, match="refers to bytes that are no heap"):
            open_untrusted(path, strings=True)
    path.write_bytes(good)
    open_untrusted(path, strings=True).close()


@pytest.mark.parametrize("more", [0, 30], ids=["few", "many"])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_attributes_of_variable_length(tmp_path, libver, more):
    """The library keeps few and many attributes, and those of old and new files, in four ways. For a damaged one it would set aside 4 GiB."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=libver) as file:
        for holder in (file, file.create_group("g"), file.create_dataset("units", data=np.arange(3))):
            for i in range(more):
                holder.attrs[f"k{i}"] = "another text"
            holder.attrs["gone"] = "x"
            del holder.attrs["gone"]
            holder.attrs["units"], holder.attrs["é"] = "ms and a tail", "µm"
    with open_untrusted(path) as file:
        for holder in (file, file["g"], file["units"]):
            assert (read_attribute(holder, "units", str), read_attribute(holder, "é", str)) == ("ms and a tail", "µm")
    if libver == "latest":  # there a checksum of the library finds the damage
        return
    data = path.read_bytes()
    assert data.count((13).to_bytes(4, "little")) >= 3
    path.write_bytes(data.replace((13).to_bytes(4, "little"), (2**31).to_bytes(4, "little")))
    with h5py.File(path) as file, pytest.raises(CorruptFileError, match="is damaged: it has 2147483648 bytes"):
        read_attribute(file["g"], "units", str)


@pytest.mark.parametrize("packing", [{}, {"compression": "gzip"}])
@pytest.mark.parametrize("size", [1, 3])
def test_a_chunk_without_room_for_its_checksum(tmp_path, size, packing):
    """The library would read through all memory, and the process would die."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("a", shape=(60,), dtype="i8", chunks=(60,), fletcher32=True, **packing)
        data.id.write_direct_chunk((0,), bytes(size))
    with pytest.raises(CorruptFileError, match=f"'/a' is damaged: the chunk at .0,. has {size} bytes"):
        open_untrusted(path)


@pytest.mark.parametrize("size", [0, 3, 484])
def test_a_checksum_inside_of_what_is_packed(tmp_path, size):
    """As older versions of h5py write it."""
    path, values = tmp_path / "a.h5", np.arange(60)
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((60,))
    plan.set_fletcher32()
    plan.set_deflate(3)
    with h5py.File(path, "w") as file:
        made = h5py.h5d.create(file.id, b"a", h5py.h5t.NATIVE_INT64, h5py.h5s.create_simple((60,)), plan)
        if size < 484:
            made.write_direct_chunk((0,), zlib.compress(bytes(size)))
        else:
            file["a"][...] = values
    if size < 4:
        with pytest.raises(CorruptFileError, match="checksums inside of what is packed"):
            open_untrusted(path)
    else:
        with open_untrusted(path) as file:
            assert np.array_equal(read_array(file["a"]), values)
