"""Arrays on huge pages: random reads of many gigabytes of synapses otherwise miss the table of pages at every row."""

import math
import mmap
import sys

import numpy as np

_HUGE = 2 << 20
_ALIGN = 64


def huge_empty(shape: int | tuple[int, ...], dtype) -> np.ndarray:
    """An uninitialised array that JAX can use on the CPU without a copy, on huge pages where the system grants them.

    The memory starts on a 64-byte boundary (2 MiB for large arrays) and is zero on first use.

    !!! Example

        >>> import numpy as np
        >>> from neuro4d.kernels import huge_empty
        >>> x = huge_empty((3, 4), np.float32)
        >>> x.shape, x.ctypes.data % 64
        ((3, 4), 0)
    """
    dtype = np.dtype(dtype)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes < _HUGE:
        raw = np.empty(nbytes + _ALIGN, np.uint8)
        begin = -raw.ctypes.data % _ALIGN
    else:
        pages = _map(nbytes + _HUGE)
        raw = np.frombuffer(pages, np.uint8)
        begin = -raw.ctypes.data % _HUGE
    return raw[begin : begin + nbytes].view(dtype).reshape(shape)


def _map(nbytes: int) -> mmap.mmap:
    """Fresh pages of this process alone: shared ones, Python's default, are never huge on an ordinary Linux."""
    if not sys.platform.startswith("linux"):
        return mmap.mmap(-1, nbytes)
    pages = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        pages.madvise(mmap.MADV_HUGEPAGE)
    except OSError:  # a kernel without transparent huge pages: ordinary pages serve
        return pages
    return pages
