"""Images in folders: PGM and PPM by ourselves, other formats through Pillow."""

import importlib
import re
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from neuro4d.train.data._dataset import Dataset
from neuro4d.train.data._errors import DataFormatError, checked_file
from neuro4d.train.data._files import FileSamples, files_by_class

NATIVE = (".pgm", ".ppm")
THROUGH_PILLOW = (".png", ".bmp", ".jpg", ".jpeg")
FORMATS = ("PNG", "BMP", "JPEG")
"""What Pillow may take a file for; it would open many more, whatever the name says."""
MOST_PIXELS = 2**26
_HEADER = re.compile(rb"\A(P[2356])" + rb"(?:\s|#[^\n]*\n)+(\d{1,9})" * 3 + rb"(?:#[^\n]*\n)?\s")


def read_image(path: str | PathLike[str]) -> np.ndarray:
    """An image as floats from 0 to 1, `(height, width, channels)`; one channel for grey, three for colour.

    PGM and PPM, plain and raw, with 8 or 16 bits, need no other library; PNG, BMP and JPEG need Pillow.

    **Raises:** `FileNotFoundError`; `ImportError` where Pillow is needed and missing; `DataFormatError` for a damaged file, for more
    than 67 million pixels, and for transparency, which has no value of its own.

    **Source:** the formats as in the manual pages of Netpbm, `pgm(5)` and `ppm(5)`.

    !!! Example

        >>> from pathlib import Path
        >>> _ = Path("dot.pgm").write_text("P2 # plain\\n3 1\\n4\\n0 4 1\\n")
        >>> n4.train.data.read_image("dot.pgm")[..., 0]
        array([[0.  , 1.  , 0.25]], dtype=float32)
    """
    found = checked_file(path, "read_image")
    kind = found.suffix.lower()
    if kind in NATIVE:
        return _read_netpbm(found)
    if kind in THROUGH_PILLOW:
        return _read_through_pillow(found)
    raise DataFormatError(f"{str(found)!r}: an image ends with one of {', '.join(NATIVE + THROUGH_PILLOW)}.")


def _read_netpbm(path: Path) -> np.ndarray:
    content = path.read_bytes()
    header = _HEADER.match(content)
    if not header:
        raise DataFormatError(
            f"{str(path)!r} is no PGM or PPM image: it begins with {content[:8]!r}, where `P5 width height maximum` is due."
        )
    kind = header[1]
    width, height, most = (int(header[k]) for k in (2, 3, 4))
    channels = 3 if kind in (b"P3", b"P6") else 1
    _check_pixels(path, width, height)
    if not 0 < most < 65536:
        raise DataFormatError(f"{str(path)!r}: the largest value lies between 1 and 65535; got {most}.")
    body, n = content[header.end() :], width * height * channels
    if kind in (b"P2", b"P3"):
        values = _plain(path, body)
    else:
        dtype = np.dtype("u1" if most < 256 else ">u2")
        if len(body) != n * dtype.itemsize:
            raise DataFormatError(f"{str(path)!r} says it holds {n * dtype.itemsize} bytes of pixels; {len(body)} follow. Copy it again.")
        values = np.frombuffer(body, dtype)
    if len(values) != n or (n and int(values.max()) > most):
        raise DataFormatError(
            f"{str(path)!r} says it holds {n} values up to {most}; there are {len(values)}, up to {values.max(initial=0)}."
        )
    return (values.reshape(height, width, channels) / np.float32(most)).astype(np.float32)


def _plain(path: Path, body: bytes) -> np.ndarray:
    words = body.split()
    if not all(word.isdigit() and len(word) < 6 for word in words):
        raise DataFormatError(f"{str(path)!r} is a plain image, and what follows its header are not only numbers.")
    return np.array([int(word) for word in words], np.int64)


def _read_through_pillow(path: Path) -> np.ndarray:
    image: Any = pillow(path).open(path)
    with image:
        _check_pixels(path, *image.size)
        if image.mode not in ("L", "RGB", "1", "P", "I;16") or "transparency" in image.info:
            raise DataFormatError(
                f"{str(path)!r} is of the kind {image.mode!r}; grey and colour without transparency are read. "
                "Convert it first, with Pillow: `Image.open(path).convert('RGB').save(path)`."
            )
        deep = image.mode == "I;16"
        try:
            values = np.asarray(image.convert("RGB") if image.mode == "P" else image).astype(np.float32)
        except (OSError, ValueError, SyntaxError) as error:
            raise DataFormatError(f"{str(path)!r} is a damaged image: {error}. Copy it again.") from error
    values = values if image.mode == "1" else values / np.float32(65535 if deep else 255)
    return values.reshape(*values.shape[:2], -1)


def pillow(path: Path) -> Any:
    """Pillow's opener, which turns its own errors into ours."""
    try:
        return _Opener(importlib.import_module("PIL.Image"))
    except ImportError as error:
        raise ImportError(
            f"{str(path)!r} is read through Pillow, which is not installed: `pip install pillow`. PGM and PPM images need no other library."
        ) from error


class _Opener:
    __slots__ = ("_library",)

    def __init__(self, library: Any):
        self._library = library

    def open(self, path: Path) -> Any:
        library = self._library
        try:
            return library.open(path, formats=FORMATS)
        except (OSError, ValueError, SyntaxError, library.DecompressionBombError, library.DecompressionBombWarning) as error:
            raise DataFormatError(f"{str(path)!r} is no image that Pillow reads: {error}.") from error


def _check_pixels(path: Path, width: int, height: int) -> None:
    if not 0 < width * height <= MOST_PIXELS:
        raise DataFormatError(f"{str(path)!r} says it has {width} by {height} pixels; between 1 and {MOST_PIXELS} are read.")


def load_image_folder(folder: str | PathLike[str]) -> Dataset:
    """A folder with one folder of images per class, read when a batch asks for them. Samples are `(height, width, channels)`.

    **Raises:** as `read_image`; `DataFormatError` for a file that is no image, an empty class, and images of several sizes.

    !!! Example

        >>> from pathlib import Path
        >>> for name in ("cat", "dog"): Path("pets", name).mkdir(parents=True)
        >>> _ = Path("pets/cat/1.pgm").write_text("P2 2 1 1 0 1"), Path("pets/dog/1.pgm").write_text("P2 2 1 1 1 0")
        >>> n4.train.data.load_image_folder("pets").classes
        ('cat', 'dog')
    """
    paths, labels, classes = files_by_class(folder, NATIVE + THROUGH_PILLOW, "load_image_folder")
    return Dataset(FileSamples(paths, read_image), labels, classes=classes)
