"""Chunks of an HDF5 dataset, whose stored sizes are looked at before the library unpacks them.

It takes four bytes for a checksum off every chunk, also off one that has none, and then reads on through all memory (seen with 2.0).
"""

import math
import zlib
from typing import Any

from neuro4d._base import CorruptFileError

SUM = 4
"""Bytes of the checksum of a chunk."""

PIECE = 1 << 20
"""Bytes that are unpacked at once."""

REFERENCE = 16
"""Bytes of an entry whose length differs, which lies elsewhere."""


def check_chunks(h5py: Any, dataset: Any, filters: list[int], where: str) -> None:
    """Looks at what each stored chunk says of itself: what is not packed has the size of a chunk, and what has a checksum has room for it.

    **Arguments:** `dataset`, a chunked one; `filters`, the numbers of its filters; `where`, for the message.

    **Raises:** `CorruptFileError`.
    """
    identity, h5z = dataset.id, h5py.h5z
    whole = math.prod(dataset.chunks) * (REFERENCE if dataset.dtype.kind == "O" else dataset.dtype.itemsize)
    packing = (h5z.FILTER_DEFLATE, h5z.FILTER_LZF)
    size_of_file, inside = dataset.file.id.get_filesize(), []

    def look(chunk: Any) -> None:
        used = [number for i, number in enumerate(filters) if not chunk.filter_mask >> i & 1]
        at = used.index(h5z.FILTER_FLETCHER32) if h5z.FILTER_FLETCHER32 in used else None
        packed = any(number in packing for number in used)
        good = chunk.size >= (SUM if at is not None else 1) if packed else chunk.size == whole + SUM * (at is not None)
        if not good or chunk.size > size_of_file:
            raise CorruptFileError(f"{where} is damaged: the chunk at {tuple(chunk.chunk_offset)} has {chunk.size} bytes.")
        behind = [] if at is None else [number for number in used[at + 1 :] if number in packing]
        if behind:
            inside.append((tuple(chunk.chunk_offset), behind))

    identity.chunk_iter(look)
    for offset, behind in inside:  # the checksum was packed too, as older versions of h5py do
        if behind != [h5z.FILTER_DEFLATE] or not _has_sum(identity.read_direct_chunk(offset)[1]):
            raise CorruptFileError(f"{where} is damaged, or has checksums inside of what is packed by lzf: the chunk at {offset}. Pack it anew, with h5repack.")


def _has_sum(data: bytes) -> bool:
    try:
        return len(zlib.decompressobj().decompress(data, SUM)) == SUM
    except zlib.error:
        return False


def check_unpacked(h5py: Any, dataset: Any, where: Any = ()) -> None:
    """Looks whether chunks that gzip has packed have the size of a chunk when unpacked: the library reads what lies behind one that is shorter.

    **Arguments:** `where`: what will be read; with `(..., slice)` the chunks of that slice of the last axis are looked at, else all.

    **Raises:** `CorruptFileError`.
    """
    plist, h5z, identity = dataset.id.get_create_plist(), h5py.h5z, dataset.id
    filters = [] if dataset.chunks is None else [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if h5z.FILTER_DEFLATE not in filters:
        return
    packed = filters.index(h5z.FILTER_DEFLATE)
    summed = filters.index(h5z.FILTER_FLETCHER32) if h5z.FILTER_FLETCHER32 in filters else None
    whole = math.prod(dataset.chunks) * (REFERENCE if dataset.dtype.kind == "O" else dataset.dtype.itemsize)
    low, high = _span(where, dataset.shape)
    found: list[Any] = []
    identity.chunk_iter(lambda chunk: found.append(chunk) if low - dataset.chunks[-1] < chunk.chunk_offset[-1] < high else None)
    for chunk in found:
        with_sum = summed is not None and summed < packed and not chunk.filter_mask >> summed & 1
        if not chunk.filter_mask >> packed & 1:
            expected = whole + SUM * with_sum
            data = identity.read_direct_chunk(tuple(chunk.chunk_offset))[1]
            if _length(data, expected) != expected:
                raise CorruptFileError(f"{dataset.file.filename!r}: {dataset.name!r} is damaged: the chunk at {tuple(chunk.chunk_offset)} is no whole one.")


def _span(where: Any, shape: tuple[int, ...]) -> tuple[int, int]:
    """The first and behind the last index along the last axis."""
    last = where[-1] if isinstance(where, tuple) and len(where) == 2 and where[0] is Ellipsis else None
    if isinstance(last, slice) and last.step in (None, 1):
        return last.indices(shape[-1])[:2]
    return 0, shape[-1]


def _length(data: bytes, most: int) -> int:
    """The bytes of a packed text, counted up to somewhat more than `most`; -1 for one that is damaged."""
    engine, total = zlib.decompressobj(), 0
    try:
        while data and total <= most and not engine.eof:
            total += len(engine.decompress(data, PIECE))
            data = engine.unconsumed_tail
    except zlib.error:
        return -1
    return total
