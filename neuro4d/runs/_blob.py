"""Data as bytes and back: arrays as NPY, text as UTF-8, everything else as JSON."""

import io
from typing import Any

import jax
import numpy as np

from neuro4d._base import bytes_text
from neuro4d.runs._plain import from_text, plain, to_text

ARRAY, TEXT, JSON = "npy", "text", "json"
LARGEST = 2**28
"""Bytes of one entry."""

KINDS = frozenset("biufc")
"""Kinds of NumPy's types that are numbers, and hold no objects."""

_LONGEST_HEAD = 1000


def to_blob(data: Any) -> tuple[str, bytes]:
    """The form of data and its bytes.

    **Raises:** `TypeError` for what has no form, `ValueError` for what is too large.
    """
    match data:
        case np.ndarray() | np.generic() | jax.Array():
            form, raw = ARRAY, _npy(data)
        case str():
            form, raw = TEXT, data.encode()
        case _:
            form, raw = JSON, to_text({"": plain(data, "data")}, "data").encode()
    _check_size(len(raw))
    return form, raw


def from_blob(form: bytes, raw: bytes) -> Any:
    """What `to_blob` was given. An array is a copy that may be changed.

    **Raises:** `ValueError` for anything else.
    """
    match form.decode():
        case "npy":
            return _array(raw)
        case "text":
            return raw.decode()
        case "json":
            held = from_text(raw)
            if not isinstance(held, dict) or set(held) != {""}:
                raise ValueError("JSON of another shape")
            return held[""]
        case other:
            raise ValueError(f"an unknown form {other[:20]!r}")


def _npy(data: Any) -> bytes:
    if getattr(data.dtype, "kind", "") not in KINDS:
        raise TypeError(f"data: an array holds numbers; got one of {data.dtype}.")
    array = np.asarray(data)
    _check_size(array.nbytes)
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _check_size(n: int) -> None:
    if n > LARGEST:
        raise ValueError(f"data takes {bytes_text(n)}, an entry at most {bytes_text(LARGEST)}. Write it to a file and store its path.")


def _array(raw: bytes) -> np.ndarray:
    """An array, of which nothing is allocated before its head fits the number of bytes that are there."""
    file = io.BytesIO(raw)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"NPY of version {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=_LONGEST_HEAD)
    count = 1
    for n in shape:
        count *= n
    if dtype.kind not in KINDS or any(n < 0 for n in shape) or count * dtype.itemsize != len(raw) - file.tell():
        raise ValueError(f"an array of {dtype} and shape {shape} that is not there")
    flat = np.frombuffer(raw, dtype, count, file.tell())
    return flat.reshape(shape, order="F" if fortran else "C").copy(order="K")
