"""Heaps of an HDF5 file, where strings of different lengths lie, looked through before the library walks them.

A damaged one can make the library walk for ever: an entry of no length is followed by itself (seen with 1.14.6). So every heap is walked here first. A damaged reference
to one can too, and makes it set aside gigabytes, so they are looked at as they lie in the file.
"""

import mmap
import struct
from pathlib import Path
from typing import Any

import numpy as np

from neuro4d._base import CorruptFileError

_SIGNATURE = b"GCOL\x01"
_REFERENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])
_ATTRIBUTE = struct.Struct("<BBHHH")
_VARIABLE = 9
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


def check_attribute(path: Path, kind: Any, name: str, place: str) -> None:
    """Looks at the reference of an attribute of variable length: the library sets aside what it says, 4 GiB where it is damaged, before it looks for it.

    Attributes of that name are looked for in the whole file, wherever the library may keep them: a head (version, flags, and how long name, type and shape
    are), then these three, then the reference.

    **Raises:** `CorruptFileError` for more bytes than the file has, and where no such attribute is found.
    """
    text, found = name.encode("utf-8", "surrogateescape") + b"\0", False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = -1 if kind.committed() else data.find(text, _ATTRIBUTE.size)
        while at >= 0:
            for reference in _references_behind(data, at, len(text)):
                found = True
                if reference > len(data):
                    raise CorruptFileError(f"{place} is damaged: it has {reference} bytes, and the file {len(data)}.")
            at = data.find(text, at + 1)
    if not found:
        raise CorruptFileError(f"{place} is damaged, or of a type that stands elsewhere.")


def _references_behind(data: mmap.mmap, at: int, size: int) -> list[int]:
    """The bytes that are declared behind the name of an attribute of variable length; none where another thing has that name."""
    found = []
    for versions, between in ((1, 2), 0), ((3,), 1):  # version 3 has one more byte in its head, the encoding of the name
        version, _, *sizes = _ATTRIBUTE.unpack_from(data, at - between - _ATTRIBUTE.size) if at >= between + _ATTRIBUTE.size else (0, 0, 0, 0, 0)
        if version not in versions or sizes[0] != size:
            continue
        name, kind, shape = (-(-each // 8) * 8 for each in sizes) if version == 1 else sizes
        begin = at + name + kind + shape
        if begin + _REFERENCE.itemsize <= len(data) and data[at + name] & 15 == _VARIABLE:
            found.append(int.from_bytes(data[begin : begin + 4], "little"))
    return found


def _number(data: mmap.mmap, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")
