"""IDX, the format of MNIST and its relatives."""

import gzip
import zlib
from os import PathLike
from types import MappingProxyType
from typing import IO

import numpy as np

from neuro4d.train.data._dataset import Dataset
from neuro4d.train.data._errors import DataFormatError, checked_file
from neuro4d.train.data._samples import ArraySamples

TYPES = MappingProxyType({0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"})
MOST_BYTES = 2**32
INFLATED = 1032
"""A byte of a gzip file becomes this many at most."""


def read_idx(path: str | PathLike[str]) -> np.ndarray:
    """The array in an IDX file, also a gzipped one, with the shape and type that the file says.

    The file begins with two zeros, a byte for the type and one for the number of dimensions; then come the sizes, 32 bits each, and
    the numbers, everything big-endian.

    **Raises:** `FileNotFoundError`; `DataFormatError` for another format, a file that is cut, or one with more than it says.

    **Source:** Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits (1998).

    !!! Example

        >>> from pathlib import Path
        >>> _ = Path("labels.idx").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        >>> n4.train.data.read_idx("labels.idx")
        array([7, 2, 1], dtype=uint8)
    """
    found = checked_file(path, "read_idx")
    with found.open("rb") as start:
        zipped = start.read(2) == b"\x1f\x8b"
    most = min(found.stat().st_size * (INFLATED if zipped else 1), MOST_BYTES)
    try:
        if zipped:
            with gzip.open(found) as file:
                return _read(file, str(found), most)  # type: ignore[arg-type]
        with found.open("rb") as file:
            return _read(file, str(found), most)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataFormatError(f"{str(found)!r} is a damaged gzip file: {error}. Copy it again.") from error


def _read(file: IO[bytes], name: str, most: int) -> np.ndarray:
    """`most`: the bytes that such a file can hold, checked before any of them is read."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not 1 <= magic[3] <= 8:
        raise DataFormatError(
            f"{name!r} is no IDX file: it begins with {magic.hex(' ') or 'nothing'}, where 00 00, a type ({', '.join(f'{k:02x}' for k in TYPES)}) "
            "and the number of dimensions are due. MNIST images begin with 00 00 08 03, labels with 00 00 08 01."
        )
    dtype, n_axes = np.dtype(TYPES[magic[2]]), magic[3]
    sizes = file.read(4 * n_axes)
    if len(sizes) < 4 * n_axes:
        raise DataFormatError(f"{name!r} ends within its header. Copy it again.")
    shape = tuple(int.from_bytes(sizes[4 * k : 4 * k + 4], "big") for k in range(n_axes))
    due = dtype.itemsize
    for n in shape:
        due *= n
    if due > most:
        raise DataFormatError(f"{name!r} says it holds {shape} of {dtype}, {due} bytes; it is too small for that. Copy it again.")
    data = file.read(due + 1)
    if len(data) != due:
        more = "more follow" if len(data) > due else f"{len(data)} follow"
        raise DataFormatError(f"{name!r} says it holds {shape} of {dtype}, {due} bytes; {more}. Copy it again.")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def load_idx(images: str | PathLike[str], labels: str | PathLike[str], *, shape: tuple[int, ...] | None = None) -> Dataset:
    """Images and labels of two IDX files as a set: MNIST, Fashion-MNIST, EMNIST, KMNIST. Bytes become 0 to 1.

    **Arguments:** `images`, `labels`: paths; `shape`: of one sample, by default that of the file, `(28, 28)`.

    **Raises:** as `read_idx`; `DataFormatError` where the two files do not belong together.

    !!! Example

        >>> from pathlib import Path
        >>> _ = Path("x.idx").write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 255, 0, 0]))
        >>> _ = Path("y.idx").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 4, 9]))
        >>> n4.train.data.load_idx("x.idx", "y.idx", shape=(2,)).x
        array([[0., 1.],
               [0., 0.]], dtype=float32)
    """
    x, y = read_idx(images), read_idx(labels)
    if x.ndim < 2 or y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataFormatError(
            f"images have the shape (samples, ...) and labels are whole numbers (samples,); got {x.shape} and {y.shape} of {y.dtype}. "
            "Are the two files given in the order images, labels?"
        )
    if len(x) != len(y):
        raise DataFormatError(f"{len(x)} images and {len(y)} labels do not belong together: one of training and one of test files?")
    return Dataset(ArraySamples(x, scale=1 / 255 if x.dtype == np.uint8 else None, shape=shape), y)
