"""Events on disk: two arrays per population, zarr version 3 with a checksum in every chunk, written and read by tensorstore."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from neuro4d._base import CorruptFileError

CHUNK = 1 << 15
"""Events in one file of a column: the end of a column is packed anew with each append, so they are few."""

COLUMNS = (("step", "int64"), ("id", "int32"))

MISSING = -1
"""Read where a chunk is not there. Steps and ids begin with 0, so that it is never taken for an event."""


class Columns:
    """The columns `step` and `id` of population `number`.

    What a file says of itself is not asked: shapes come from the manifest, all else is always the same. So damage there changes nothing.
    """

    def __init__(self, folder: Path, number: int, context: Any = None):
        self._folder, self._number, self._context = folder, number, context
        self._held: dict[str, Any] = {}
        self._room = 0

    def create(self, attributes: dict[str, Any], room: int) -> None:
        """Makes the arrays, or finds them, with room for so many events. What lies beyond the events that count stays, unseen."""
        for name, dtype in COLUMNS:
            place = self._folder / str(self._number) / name
            for left in place.rglob("*.__lock"):  # what a writer that was killed had not given its name yet
                left.unlink()
            spec = _spec(place, dtype, room)
            self._held[name] = _opened(spec | {"create": True, "open": True, "delete_existing": False}, self._context, room)
        group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        write_group(self._folder / str(self._number), group)
        self._room = room

    def append(self, first: int, columns: dict[str, np.ndarray]) -> list[Any]:
        """Begins to write events from number `first` on; returns what to wait for."""
        n = len(columns["step"])
        if first + n > self._room:
            self.resize(-(-(first + n) // CHUNK) * CHUNK)  # in whole chunks, so that it is rarely done
        return [self._held[name][first : first + n].write(columns[name].astype(dtype, copy=False)) for name, dtype in COLUMNS] if n else []

    def resize(self, room: int) -> None:
        """Makes room, or gives it back."""
        for name, _ in COLUMNS:
            self._held[name] = self._held[name].resize(exclusive_max=[room]).result()
        self._room = room

    def read(self, name: str, first: int, end: int) -> Int[np.ndarray, " events"]:
        """Events `first` to `end - 1` of a column.

        **Raises:** `CorruptFileError` for chunks that are missing or whose checksum is wrong.
        """
        dtype = dict(COLUMNS)[name]
        if first >= end:
            return np.zeros(0, dtype)
        place = self._folder / str(self._number) / name
        try:
            column = importlib.import_module("tensorstore").open(_spec(place, dtype, end) | {"open": True, "assume_metadata": True}).result()
            values = column[first:end].read().result()
        except (ValueError, OSError, RuntimeError) as error:
            raise CorruptFileError(f"events {first} to {end - 1} of {str(place)!r} cannot be read: {_short(error)}") from error
        if values.min() < 0:
            raise CorruptFileError(f"event {first + int(np.argmin(values))} of {str(place)!r} is missing.")
        return values


def _spec(path: Path, dtype: str, n: int) -> dict[str, Any]:
    shuffled = {"cname": "zstd", "clevel": 3, "shuffle": "shuffle", "typesize": np.dtype(dtype).itemsize, "blocksize": 0}
    metadata = {
        "shape": [n],
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [CHUNK]}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": MISSING,
        "dimension_names": ["spike"],
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "blosc", "configuration": shuffled}, {"name": "crc32c"}],
    }
    return {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path.absolute())}, "metadata": metadata}


def _opened(spec: dict[str, Any], context: Any, room: int) -> Any:
    """An array open for writing. One that is there with another room is found by leaving the shape out."""
    tensorstore = importlib.import_module("tensorstore")
    free = {key: value for key, value in spec["metadata"].items() if key != "shape"}
    try:
        return tensorstore.open(spec, context=context).result()
    except ValueError:
        found = tensorstore.open(spec | {"metadata": free, "create": False}, context=context).result()
        return found.resize(exclusive_max=[room]).result()


def context() -> Any:
    """How tensorstore works for a recording: nothing is cached, what is written is on the disk, and the cores are left to the simulation. The folder is locked as a
    whole; a lock for each file would take as much of a core as all else."""
    cores = {"data_copy_concurrency": {"limit": 1}, "file_io_concurrency": {"limit": 8}, "file_io_locking": {"mode": "none"}}
    return importlib.import_module("tensorstore").Context({"cache_pool": {"total_bytes_limit": 0}, "file_io_sync": True, **cores})


def write_group(folder: Path, content: dict[str, Any]) -> None:
    """The file by which other readers of zarr find the arrays below a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "zarr.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def _short(error: Exception) -> str:
    return str(error).split("[tensorstore_spec")[0].strip()[:300]
