"""Numbered arrays in a folder, written by orbax.

Small arrays share one array of bytes: a network has a hundred of them, and each would cost orbax a millisecond and a file its blocks.
"""

import contextlib
import importlib
import logging
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neuro4d.io._leaves import Arrays, Leaf

SMALL = 1 << 16
"""Bytes up to which an array is packed together with others."""

PACK = "small"


def orbax() -> Any:
    """The library, loaded when the first checkpoint is made: it takes a second."""
    return importlib.import_module("orbax.checkpoint")


def write_arrays(folder: Path, arrays: Arrays, compress: bool = False) -> None:
    """Writes arrays into a folder that is not there yet, and returns when they are on the disk.

    **Raises:** `OSError` where they could not be written.
    """
    ocp = orbax()
    packed = [np.asarray(array).reshape(-1).view(np.uint8) for array in arrays.values() if array.nbytes <= SMALL]
    tree: dict[str, np.ndarray] = {str(number): array for number, array in arrays.items() if array.nbytes > SMALL}
    if packed:
        tree[PACK] = np.concatenate(packed)
    if not tree:
        folder.mkdir()
        return
    with _quiet(), ocp.Checkpointer(ocp.PyTreeCheckpointHandler(use_ocdbt=False, use_compression=compress)) as writer:
        try:
            writer.save(folder.absolute(), args=ocp.args.PyTreeSave(tree))
        except (ValueError, RuntimeError) as error:  # what the storage below raises for a full disk
            raise OSError(f"the arrays could not be written into {folder}: {error}") from error
    (folder / "commit_success.txt").unlink(missing_ok=True)  # says where on this machine the folder lay; only object stores need it
    sync_tree(folder)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Twenty lines of orbax about each save are not what somebody who asked for `log_every` wants to read; warnings are, but for the one that the
    database which was not asked for is not there."""
    log, keep = logging.getLogger("absl"), lambda record: record.levelno >= logging.WARNING and "merge of OCDBT" not in record.msg
    log.addFilter(keep)
    try:
        yield
    finally:
        log.removeFilter(keep)


def read_arrays(folder: Path, rows: Sequence[Leaf]) -> dict[int, np.ndarray]:
    """The arrays of some rows. Shapes and types are those of the rows, or nothing is read.

    **Raises:** `ValueError` for what is missing, of another shape, or cannot be read.
    """
    wanted = {number: row for number, row in enumerate(rows) if row.size}
    sizes = {number: row.size * np.dtype(row.dtype).itemsize for number, row in wanted.items()}
    large = {str(number): (row.shape, row.dtype) for number, row in wanted.items() if sizes[number] > SMALL}
    small = [number for number in wanted if sizes[number] <= SMALL]
    if small:
        large[PACK] = ((sum(sizes[number] for number in small),), "uint8")
    if not large:
        return {}
    tree = _read(folder, large)
    arrays = {number: tree[str(number)] for number in wanted if str(number) in tree}
    begin = 0
    for number in small:
        piece = tree[PACK][begin : begin + sizes[number]]
        arrays[number] = piece.copy().view(wanted[number].dtype).reshape(wanted[number].shape)
        begin += sizes[number]
    return arrays


def _read(folder: Path, wanted: dict[str, tuple[tuple[int, ...], str]]) -> dict[str, np.ndarray]:
    """Reads what orbax wrote with the library below it, which is told where each array lies: what the folder says of itself is not asked."""
    tensorstore = importlib.import_module("tensorstore")
    try:
        base: dict[str, Any] = {"driver": "file", "path": f"{folder.absolute()}{os.sep}"}
        if (folder / "manifest.ocdbt").exists():  # the first files kept all arrays in one database, which takes a quarter longer to write
            stores = {name: {"driver": "ocdbt", "base": base, "path": f"{name}/"} for name in wanted}
        else:
            stores = {name: base | {"path": f"{folder.absolute()}{os.sep}{name}{os.sep}"} for name in wanted}
        specs = {name: {"driver": "zarr", "kvstore": store} for name, store in stores.items()}
        opened = {name: tensorstore.open(spec, open=True, read=True) for name, spec in specs.items()}
        found = {name: future.result() for name, future in opened.items()}
        for name, array in found.items():
            kind = (tuple(array.shape), np.dtype(array.dtype.numpy_dtype).name)
            if kind != wanted[name] or math.prod(array.chunk_layout.read_chunk.shape) > math.prod(array.shape):
                raise ValueError(f"the arrays in {folder} are not those that its manifest names.")
        reading = {name: array.read() for name, array in found.items()}
        return {name: future.result() for name, future in reading.items()}
    except (ValueError, OSError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"the arrays in {folder} cannot be read: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0][:300]


def sync_tree(folder: Path) -> None:
    """Returns when every file below a folder, and the folders themselves, are on the disk."""
    for where, _, files in os.walk(folder):
        for name in files:
            sync(Path(where) / name)
        sync(Path(where))


def sync(path: Path) -> None:
    """Returns when a file or a folder is on the disk. Where folders cannot be synced, nothing is done for them."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
