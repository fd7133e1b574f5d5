"""Heaps of HDF5 files: whole ones pass, and one that makes the library walk for ever is refused before it is read."""

import h5py
import numpy as np
import pytest

from neuro4d._base import CorruptFileError
from neuro4d.io.hdf5 import open_untrusted


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
