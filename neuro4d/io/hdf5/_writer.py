"""Arrays into an HDF5 file: in chunks with checksums, and rows that say what they are."""

import contextlib
import hashlib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neuro4d._base import fresh_file
from neuro4d.io._leaves import Leaf, flatten
from neuro4d.io.checkpoint._arrays import sync
from neuro4d.io.checkpoint._snapshot import as_text
from neuro4d.io.hdf5._names import place_of

CHUNK = 1 << 16
"""Elements of a chunk."""

MANIFEST = "manifest"
FORMAT = 1
KIND = "neuro4d model"


class Packing(NamedTuple):
    """How arrays are packed. Bytes are shuffled first: those of one place beside each other."""

    compression: str | None
    level: int | None

    def options(self) -> dict[str, Any]:
        """Arguments of h5py."""
        return {"compression": self.compression, "compression_opts": self.level, "shuffle": self.compression is not None, "fletcher32": True}


def packing(compression: Any, compression_opts: Any) -> Packing:
    """How arrays are packed, from what a user has asked for.

    **Raises:** `ValueError` for another compression or level.
    """
    if compression not in ("gzip", "lzf", None):
        raise ValueError(f'compression is "gzip", "lzf" or None; got {compression!r}. All read without plugins.')
    if compression != "gzip":
        if compression_opts is not None:
            raise ValueError(f'compression_opts is the level of "gzip", 0 to 9; {compression!r} has none; got {compression_opts!r}.')
        return Packing(compression, None)
    level = 4 if compression_opts is None else compression_opts
    if isinstance(level, bool) or not isinstance(level, int) or not 0 <= level <= 9:
        raise ValueError(f'compression_opts is the level of "gzip", 0 to 9; got {compression_opts!r}.')
    return Packing("gzip", level)


class Writer:
    """An HDF5 file that is being written. Each array becomes a row of the manifest, which is the last dataset."""

    def __init__(self, file: Any, packing: Packing):
        self._file, self._packing = file, packing
        self.rows: list[Leaf] = []

    def tree(self, above: tuple[str, ...], tree: Mapping[str, Any], unit_of: Any = None) -> None:
        """Writes a tree of arrays below a place; `unit_of` knows paths in the tree."""
        rows, arrays = flatten(tree, unit_of)
        for number, row in enumerate(rows):
            if number in arrays:
                self._put(place_of(above + row.path), arrays[number])
            self.rows.append(row._replace(path=above + row.path))

    def array(self, path: tuple[str, ...], values: Any, unit: str = "") -> None:
        """Writes one array."""
        self.tree(path[:-1], {path[-1]: values}, lambda _: unit)

    def column(self, path: tuple[str, ...], dtype: Any, n: int, pieces: Iterable[np.ndarray], unit: str = "") -> None:
        """Writes `n` elements that come in pieces, of which no more than one is held, and a chunk."""
        kind, found, done = np.dtype(dtype), hashlib.sha256(), 0
        dataset = self._empty(place_of(path), kind, (n,)) if n else None
        for piece in _whole_chunks(pieces, kind):
            found.update(piece.view(np.uint8).data)
            if dataset is not None:
                dataset[done : done + len(piece)] = stored(piece)
            done += len(piece)
        if done != n:
            raise RuntimeError(f"{'/'.join(path)!r} has {done} elements instead of {n}.")
        self.rows.append(Leaf(path, (n,), kind.name, unit, found.hexdigest()))

    def _put(self, place: str, values: np.ndarray) -> None:
        raw = stored(values)
        self._empty(place, values.dtype, values.shape)[...] = raw.reshape(raw.shape or (1,))

    def _empty(self, place: str, kind: np.dtype, shape: tuple[int, ...]) -> Any:
        shape = shape or (1,)  # what has no axis has no chunks, and no checksum
        return self._file.create_dataset(place, shape, stored_type(kind), chunks=_chunks(shape), **self._packing.options())

    def finish(self, content: Mapping[str, Any]) -> None:
        """Writes the manifest, and attributes for people."""
        text = as_text({"format": FORMAT, "kind": KIND, **content, "rows": [row.as_json() for row in self.rows]})
        self._put(MANIFEST, np.frombuffer(text.encode(), np.uint8))
        self._file.attrs["format"], self._file.attrs["kind"] = FORMAT, KIND
        for row in self.rows:
            if row.unit and row.size:
                self._file[place_of(row.path)].attrs["unit"] = row.unit


def _whole_chunks(pieces: Iterable[np.ndarray], kind: np.dtype) -> Iterator[np.ndarray]:
    """The same elements, in pieces that end with a chunk, except the last: a chunk that is written twice is packed twice."""
    rest = np.zeros(0, kind.newbyteorder("<"))
    for piece in pieces:
        rest = np.concatenate([rest, np.asarray(piece, rest.dtype)])
        whole = len(rest) // CHUNK * CHUNK
        if whole:
            yield rest[:whole]
            rest = rest[whole:].copy()
    if len(rest):
        yield rest


def stored_type(kind: np.dtype) -> np.dtype:
    """The type in the file: little-endian; what HDF5 does not know as whole numbers of the same size."""
    return np.dtype(f"<u{kind.itemsize}") if kind.kind not in "biufc" else kind.newbyteorder("<")


def stored(values: np.ndarray) -> np.ndarray:
    """Values as they lie in the file."""
    return values.view(stored_type(values.dtype)) if values.dtype.kind not in "biufc" else values


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    left, chunks = CHUNK, []
    for n in reversed(shape):
        chunks.append(max(1, min(n, left)))
        left //= chunks[-1]
    return tuple(reversed(chunks))


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Any]:
    """An HDF5 file that gets its name when it is complete and on the disk. All of its structure has checksums (format of HDF5 1.10).

    **Raises:** `OSError` where it cannot be written; nothing is left behind, and an older file of that name stays.
    """
    h5py = importlib.import_module("h5py")
    try:
        with fresh_file(path) as temporary:
            with h5py.File(temporary, "w", libver=("v110", "v110"), rdcc_nbytes=16 << 20) as file:
                yield file
            sync(temporary)
        sync(path.parent)
    except RuntimeError as error:
        if "write" in str(error):  # a full disk, met while the file is closed
            raise OSError(f"{str(path)!r} could not be written: {error}") from error
        raise
