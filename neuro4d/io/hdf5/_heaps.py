"""Heaps of an HDF5 file, where strings of different lengths lie, looked through before the library walks them.

A damaged one can make the library walk for ever: an entry of no length is followed by itself (seen with 1.14.6). So every heap is walked here first. A damaged reference
to one can too, so those of datasets are looked at as they lie in the file.
"""

import mmap
from pathlib import Path
from typing import Any

import numpy as np

from neuro4d._base import CorruptFileError

_SIGNATURE = b"GCOL\x01"
_REFERENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])
_HEAD = 16
"""Bytes before the first entry, and before the bytes of each entry."""


def check_heaps(path: Path) -> None:
    """Walks every global heap of a file.

    **Raises:** `CorruptFileError` for one whose entries do not fill it.
    """
    if path.stat().st_size < 8:  # an empty file cannot be mapped, and none so short has a heap
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(_SIGNATURE)
        while at >= 0:
            if not _is_whole(data, at):
                raise CorruptFileError(f"{str(path)!r} is damaged: the heap at byte {at} is not made of whole entries.")
            at = data.find(_SIGNATURE, at + 1)


def _is_whole(data: mmap.mmap, begin: int) -> bool:
    """Whether the entries of a heap lie one behind the other up to its end. The last one, number 0, is the free room; a rest too small for one may stay."""
    end = begin + _number(data, begin + 8)
    if not begin + _HEAD <= end <= len(data):
        return False
    at = begin + _HEAD
    while at + _HEAD <= end:
        size = _number(data, at + 8)
        if not int.from_bytes(data[at : at + 2], "little"):
            return size == end - at
        at += _HEAD + -(-size // 8) * 8
    return at <= end


def check_references(dataset: Any) -> None:
    """Looks at the references of a dataset whose entries have different lengths: each has to lead to a heap, and to no more bytes than the file has.

    Those that are packed, or lie in the head of the dataset, are left to the library.

    **Raises:** `CorruptFileError`.
    """
    path, identity = Path(dataset.file.filename), dataset.id
    if dataset.chunks is None:
        begin = identity.get_offset()
        places = [] if begin is None else [(begin, dataset.size)]
    elif identity.get_create_plist().get_nfilters():
        return
    else:
        found = [identity.get_chunk_info(i) for i in range(identity.get_num_chunks())]
        places = [(each.byte_offset, each.size // _REFERENCE.itemsize) for each in found]
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for begin, number in places:
            if begin + number * _REFERENCE.itemsize > len(data):
                raise CorruptFileError(f"{str(path)!r}: {dataset.name!r} is damaged: it ends behind the file.")
            references = np.frombuffer(data[begin : begin + number * _REFERENCE.itemsize], _REFERENCE)
            heaps = {int(address) for address in np.unique(references["address"])} - {0}
            if (references["length"] > len(data)).any() or any(data[address : address + 4] != _SIGNATURE[:4] for address in heaps):
                raise CorruptFileError(f"{str(path)!r}: {dataset.name!r} is damaged: an entry refers to bytes that are no heap.")


def _number(data: mmap.mmap, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")
