"""HDF5 files from anybody, opened so that reading them reads nothing else.

HDF5 can by design point elsewhere: links to other files, datasets that lie in other files, filters that are loaded as native code. A
file of a few kilobytes can declare terabytes. So all of it is walked before anything is read, link by link.
"""

import importlib
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neuro4d._base import CorruptFileError, UnsafeFileError, bytes_text
from neuro4d.io.hdf5._chunks import check_chunks, check_unpacked
from neuro4d.io.hdf5._heaps import check_attribute, check_heaps, check_references

LIMIT = 1 << 40
"""Bytes that a file may declare; what is read at once is bounded by whoever reads."""

RATIO = 1000
"""Bytes that each byte of a file may declare: what gzip reaches for zeros is 1032."""

OBJECTS = 1_000_000
CHUNK_BYTES = 1 << 30
"""Of one chunk: it is unpacked as a whole, however little of it is read."""

PROBE_S, PROBE_BYTES_PER_S = 10.0, 10e6
"""Seconds of a processor that walking through a file may take: so many, and more for a large one."""

_RAGGED_BYTES = 1 << 28
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, EOFError, OverflowError)


class _Allowed(NamedTuple):
    strings: bool
    ragged: bool
    limit: int


def open_untrusted(path: str | PathLike[str], *, strings: bool = False, ragged: bool = False, limit: int = LIMIT, elsewhere: bool = True) -> Any:
    """An HDF5 file that may come from anybody, open for reading: an `h5py.File`. Use it in a `with`.

    Hard links, and datasets of whole numbers, floats, booleans, enumerations and strings of fixed length, packed by gzip, lzf, shuffle and
    fletcher32 only. So every path in the file leads to numbers in the file.

    **Arguments:**

    - `path`: of the file.
    - `strings`, `ragged`: whether datasets of strings, or of rows of numbers, may have entries of different lengths.
    - `limit`: bytes that all datasets together may have when unpacked. They may never have more than 1000 times the size of the file.
    - `elsewhere`: whether another process walks through the file first, for a third of a second: in some damaged files the library never comes back.

    **Raises:** `FileNotFoundError`; `CorruptFileError` for what is no HDF5 file or a damaged one; `UnsafeFileError` for links other than hard ones,
    datasets that lie in other files, other types and filters, and for declared sizes beyond the limits. The message has the place in the file.

    !!! Example

        >>> from neuro4d.io.hdf5 import open_untrusted
        >>> open_untrusted("none.h5")
        Traceback (most recent call last):
            ...
        FileNotFoundError: there is no file 'none.h5'.
    """
    found = check_file(path)
    check_heaps(found)
    if elsewhere:
        check_elsewhere(found)
    h5py = importlib.import_module("h5py")
    try:
        file = h5py.File(found, "r")
    except PermissionError:
        raise
    except _DAMAGE as error:
        raise CorruptFileError(f"{str(found)!r} is no HDF5 file, or a damaged one: {error}") from error
    try:
        check_content(h5py, file, found, _Allowed(strings, ragged, limit))
    except BaseException:
        file.close()
        raise
    return file


def check_elsewhere(path: Path) -> None:
    """Has another process walk through the file, with a limit on its time.

    **Raises:** `CorruptFileError` where that process does not end, or dies.
    """
    seconds = math.ceil(PROBE_S + path.stat().st_size / PROBE_BYTES_PER_S)
    command = [sys.executable, "-I", str(Path(__file__).with_name("_probe.py")), os.fspath(path.absolute()), str(seconds)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20 * seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise CorruptFileError(f"{str(path)!r} is damaged: walking through it did not end in {20 * seconds} s.") from error
    if -done.returncode in [getattr(signal, name, None) for name in ("SIGXCPU", "SIGKILL")]:
        raise CorruptFileError(f"{str(path)!r} is damaged: walking through it did not end in {seconds} s of a processor.")
    if done.returncode < 0:
        raise CorruptFileError(f"{str(path)!r} is damaged: walking through it ended a process by signal {-done.returncode}.")


def check_file(path: str | PathLike[str]) -> Path:
    """A path of a regular file. A pipe or a device would be read without an end.

    **Raises:** `FileNotFoundError`, `IsADirectoryError`, `UnsafeFileError` for anything else that is no regular file.
    """
    found = Path(path)
    if found.is_file():
        return found
    if found.is_dir():
        raise IsADirectoryError(f"{str(found)!r} is a folder; give the path of a file.")
    if found.exists():
        raise UnsafeFileError(f"{str(found)!r} is no regular file, but a pipe or a device.")
    raise FileNotFoundError(f"there is no file {str(found)!r}.")


def check_content(h5py: Any, file: Any, path: Path, allowed: _Allowed) -> None:
    """Raises for the first object that may not be there, and for too much of what may."""
    size, total = path.stat().st_size, 0
    most = min(allowed.limit, RATIO * size)
    for name, dataset in _datasets(h5py, file, path):
        where = f"{str(path)!r}: {name!r}"
        try:
            total += _check_dataset(h5py, dataset, where, allowed)
        except (UnsafeFileError, CorruptFileError):
            raise
        except _DAMAGE as error:
            raise CorruptFileError(f"{where} is damaged: {error}") from error
        if total > most:
            raise UnsafeFileError(
                f"{where}: datasets of {bytes_text(total)} are declared up to here, in a file of {bytes_text(size)}; at most {bytes_text(most)} are read."
            )
        if dataset.dtype.kind == "O":
            total += _ragged_bytes(dataset, where, size, most - total)


def _datasets(h5py: Any, file: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """Every dataset once, with its path; each component of the path is a hard link."""
    try:
        root = _address(h5py, file)
    except _DAMAGE as error:
        raise CorruptFileError(f"{str(path)!r} is damaged: {error}") from error
    waiting, seen, count = [("", file)], {root}, 0
    while waiting:
        above, group = waiting.pop()
        for name in _names(group, above, path):
            count += 1
            place = f"{above}/{name}"
            where = f"{str(path)!r}: {place!r}"
            if count > OBJECTS:
                raise UnsafeFileError(f"{where}: more than {OBJECTS} objects.")
            try:
                kind = group.id.links.get_info(name.encode("utf-8", "surrogateescape")).type
                if kind != h5py.h5l.TYPE_HARD:
                    text = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "a link to another file"}.get(kind, "a link of an unknown kind")
                    raise UnsafeFileError(f"{where} is {text}, which is not followed. Copy its data into the file.")
                found = group[name]
                address = _address(h5py, found)
            except UnsafeFileError:
                raise
            except _DAMAGE as error:
                raise CorruptFileError(f"{where} is damaged: {error}") from error
            if address in seen:
                continue
            seen.add(address)
            if isinstance(found, h5py.Group):
                waiting.append((place, found))
            elif isinstance(found, h5py.Dataset):
                yield place, found
            else:
                raise UnsafeFileError(f"{where} is neither a group nor a dataset.")


def _names(group: Any, above: str, path: Path) -> list[str]:
    try:
        if len(group) > OBJECTS:
            raise UnsafeFileError(f"{str(path)!r}: {above or '/'!r} declares {len(group)} objects, more than {OBJECTS}.")
        names = list(group)
        if not all(isinstance(name, str) for name in names):
            raise CorruptFileError(f"{str(path)!r}: {above or '/'!r} holds a name that is no text.")
        return names
    except (UnsafeFileError, CorruptFileError):
        raise
    except _DAMAGE as error:
        raise CorruptFileError(f"{str(path)!r}: {above or '/'!r} is damaged: {error}") from error


def _address(h5py: Any, found: Any) -> tuple[int, int]:
    info = h5py.h5o.get_info(found.id)
    return info.fileno, info.addr


def _check_dataset(h5py: Any, dataset: Any, where: str, allowed: _Allowed) -> int:
    """The bytes that it declares."""
    plist, h5d = dataset.id.get_create_plist(), h5py.h5d
    if plist.get_layout() not in (h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED):
        raise UnsafeFileError(f"{where} is a virtual dataset: a link to another file or dataset, which is not followed.")
    if plist.get_layout() != h5d.CHUNKED and plist.get_external_count():
        raise UnsafeFileError(f"{where} lies in external storage: a link to another file, which is not followed.")
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    known = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF)
    for number in filters:
        if number not in known:
            raise UnsafeFileError(f"{where} is packed by filter {number}; read are gzip, lzf, shuffle and fletcher32. Pack it anew, for example with h5repack.")
    _check_type(h5py.h5t, dataset.id.get_type(), where, allowed)
    if dataset.shape is None:
        return 0
    item = dataset.dtype.itemsize
    if plist.get_layout() == h5d.CHUNKED and math.prod(dataset.chunks) * item > CHUNK_BYTES:
        raise UnsafeFileError(f"{where} has chunks of {bytes_text(math.prod(dataset.chunks) * item)}; at most {bytes_text(CHUNK_BYTES)} are unpacked at once.")
    if plist.get_layout() == h5d.CHUNKED:
        check_chunks(h5py, dataset, filters, where)
    return math.prod(dataset.shape) * item


def _check_type(h5t: Any, kind: Any, where: str, allowed: _Allowed) -> None:
    what = kind.get_class()
    if what in (h5t.INTEGER, h5t.FLOAT):
        good = kind.dtype.itemsize in (1, 2, 4, 8)
    elif what == h5t.ENUM:
        good = kind.get_super().get_class() == h5t.INTEGER
    elif what == h5t.STRING:
        good = allowed.strings or not kind.is_variable_str()
    elif what == h5t.VLEN:
        good = allowed.ragged and kind.get_super().get_class() in (h5t.INTEGER, h5t.FLOAT)
    else:
        good = False
    if not good:
        names = {h5t.COMPOUND: "records", h5t.REFERENCE: "references", h5t.OPAQUE: "opaque bytes", h5t.ARRAY: "arrays in arrays", h5t.BITFIELD: "bit fields"}
        names |= {h5t.VLEN: "entries of different lengths", h5t.STRING: "strings of different lengths"}
        raise UnsafeFileError(f"{where} holds {names.get(what, 'numbers of an unusual kind')}; read are plain numbers and strings of fixed length.")


def _ragged_bytes(dataset: Any, where: str, size: int, most: int) -> int:
    """The bytes of all entries. Many may share one piece of the file, so they are counted in blocks that stay small even then."""
    try:
        check_references(dataset)
    except CorruptFileError:
        raise
    except _DAMAGE as error:
        raise CorruptFileError(f"{where} is damaged: {error}") from error
    total, rows = 0, max(1, _RAGGED_BYTES // max(size, 1))
    flat = (dataset.shape and dataset.shape[0]) or 0
    pieces = [()] if dataset.shape == () else [slice(i, i + rows) for i in range(0, flat, rows)]
    for piece in pieces:
        try:
            block = np.asarray(dataset[piece], object)
        except _DAMAGE as error:
            raise CorruptFileError(f"{where} is damaged: {error}") from error
        total += sum(each.nbytes if isinstance(each, np.ndarray) else len(each) for each in block.reshape(-1))
        if total > most:
            raise UnsafeFileError(f"{where}: entries of more than {bytes_text(most)}, in a file of {bytes_text(size)}.")
    return total


def read_array(dataset: Any, where: Any = (), *, kinds: str = "iufb", ndim: int | None = None, held: bool = False) -> np.ndarray:
    """The numbers of a dataset, or of a part of it, in the byte order of this machine.

    **Arguments:**

    - `dataset`: of a file from `open_untrusted`.
    - `where`: an index, by default all.
    - `kinds`: allowed letters of `dtype.kind`; `ndim`: the number of axes of the whole dataset, if it has to have one.
    - `held`: whether the numbers are held against a checksum afterwards. Otherwise packed chunks are unpacked twice: HDF5 takes one that is too short for
      a whole one, and gives what lies behind it in memory.

    **Raises:** `CorruptFileError` for what is no dataset, of another kind or number of axes, or can not be read.
    """
    name = f"{dataset.file.filename!r}: {dataset.name!r}"
    if not isinstance(dataset, importlib.import_module("h5py").Dataset) or dataset.shape is None:
        raise CorruptFileError(f"{name} is not an array.")
    if dataset.dtype.kind not in kinds:
        raise CorruptFileError(f"{name} has numbers of type {dataset.dtype}; expected one of the kinds {', '.join(kinds)}.")
    if ndim is not None and dataset.ndim != ndim:
        raise CorruptFileError(f"{name} has {dataset.ndim} axes, shape {dataset.shape}; expected {ndim}.")
    try:
        if not held:
            check_unpacked(importlib.import_module("h5py"), dataset, where)
        values = np.asarray(dataset[where])
    except (MemoryError, CorruptFileError):
        raise
    except _DAMAGE as error:
        raise CorruptFileError(f"{name} is damaged: {error}") from error
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def read_attribute(holder: Any, name: str, kind: type) -> Any:
    """An attribute that has to be one `int`, `float`, `bool` or `str`.

    **Raises:** `CorruptFileError` where it is missing or something else.
    """
    place = f"{holder.file.filename!r}: attribute {name!r} of {holder.name!r}"
    try:
        space = holder.attrs.get_id(name) if name in holder.attrs else None
        if space is None:
            raise CorruptFileError(f"{place} is missing.")
        if space.shape not in ((), (1,)) or space.dtype.kind not in "iufbSO":
            raise CorruptFileError(f"{place} is one {kind.__name__}; got {space.dtype} of shape {space.shape}.")
        if space.dtype.kind == "O":
            check_attribute(Path(holder.file.filename), space.get_type(), name, place)
        value = np.asarray(holder.attrs[name]).reshape(-1)[0]
        value = value.item() if isinstance(value, np.generic) else value
        value = value.decode("utf-8") if isinstance(value, bytes) else value
    except CorruptFileError:
        raise
    except (*_DAMAGE, UnicodeDecodeError) as error:
        raise CorruptFileError(f"{place} is damaged: {error}") from error
    good = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not good and kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not good:
        raise CorruptFileError(f"{place} is one {kind.__name__}; got {value!r:.80}.")
    return value
