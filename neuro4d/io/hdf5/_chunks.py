"""Chunks of an HDF5 dataset, whose stored sizes are looked at before the library unpacks them.

It takes four bytes for a checksum off every chunk, also off one that has none, and then reads on through all memory (seen with 2.0).
"""

import math
import zlib
from typing import Any

from neuro4d._base import CorruptFileError

SUM = 4
"""Bytes of the checksum of a chunk."""

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
