"""A tree of arrays with plain data beside it, as one folder that is complete or not there.

Order of writing: the arrays, sync, the manifest under a temporary name, sync, rename of the manifest, rename of the folder, sync of the folder above.
So a folder under its final name is whole; one that was cut down later does not verify.
"""

import contextlib
import hashlib
import importlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from neuro4d._base import CorruptFileError, check_fits_memory
from neuro4d.io._leaves import EMPTY, Leaf, flatten, rows_from, unflatten
from neuro4d.io.checkpoint._arrays import read_arrays, sync, write_arrays

FORMAT = 1
"""Of manifests that this version writes; it reads all up to this one."""

MANIFEST, ARRAYS = "manifest.json", "arrays"
TEMPORARY, OLD, GONE = ".neuro4d.tmp", ".neuro4d.old", ".neuro4d.gone"
LARGEST_MANIFEST = 256 << 20

LEFTOVERS = (TEMPORARY, OLD, GONE)
"""Ends of names that a kill may leave behind; such folders are never read."""


class Snapshot(NamedTuple):
    """What a folder holds: the tree of arrays, the plain data, and the rows of the arrays."""

    tree: dict[str, Any]
    meta: dict[str, Any]
    rows: list[Leaf]


def versions() -> dict[str, str]:
    """What writes: neuro4d, JAX, NumPy and orbax."""
    named = {"neuro4d": "neuro4d", "jax": "jax", "numpy": "numpy", "orbax": "orbax.checkpoint"}
    return {name: str(importlib.import_module(module).__version__) for name, module in named.items()}


def write_snapshot(
    folder: Path,
    tree: Mapping[str, Any],
    meta: Mapping[str, Any] | None = None,
    unit_of: Callable[[tuple[str, ...]], str] | None = None,
    compress: bool = False,
) -> list[Leaf]:
    """Writes a folder, and returns its rows when it is on the disk. A folder of that name is replaced; it stays where writing fails.

    **Raises:** `OSError` where it cannot be written, `TypeError` for what is no array or no plain data; nothing is left behind then.
    """
    rows, arrays = flatten(tree, unit_of)
    body = {"format": FORMAT, "versions": versions(), "meta": dict(meta or {}), "rows": [row.as_json() for row in rows]}
    fresh = folder.with_name(folder.name + TEMPORARY)
    remove(fresh)
    try:
        fresh.mkdir(parents=True)
        text = as_text(body)
        write_arrays(fresh / ARRAYS, arrays, compress)
        write_text(fresh / MANIFEST, text)
        swap(fresh, folder)
    except BaseException:
        with contextlib.suppress(OSError):
            remove(fresh)
        raise
    return rows


def as_text(body: Mapping[str, Any]) -> str:
    """Plain data as JSON with its own checksum in front.

    **Raises:** `TypeError` or `ValueError` for what JSON cannot hold.
    """
    text = json.dumps(body, allow_nan=False, separators=(",", ":"))
    return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest()})[:-1] + ', "content": ' + text + "}\n"


def write_text(path: Path, text: str) -> None:
    """Writes a file under a temporary name, syncs it, and renames it."""
    fresh = path.with_name(path.name + TEMPORARY)
    with open(fresh, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
    sync(path.parent)


def swap(fresh: Path, folder: Path) -> None:
    """Gives a complete folder its final name; one that had it is moved aside first and removed afterwards."""
    old = folder.with_name(folder.name + OLD)
    remove(old)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    sync(folder.parent)
    remove(old)


def remove(folder: Path) -> None:
    """Removes a folder if it is there."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def read_body(path: Path) -> dict[str, Any]:
    """The plain data of a file of `as_text`.

    **Raises:** `FileNotFoundError`, `CorruptFileError` for damage.
    """
    if not path.is_file() or path.stat().st_size > LARGEST_MANIFEST:
        if path.is_file():
            raise CorruptFileError(f"{path} is larger than any manifest ({path.stat().st_size} bytes).")
        raise FileNotFoundError(f"there is no file {path}.")
    try:
        text = path.read_bytes().decode()
        whole = json.loads(text, parse_constant=_refuse)
        content, checksum = whole["content"], whole["sha256"]
        same = isinstance(content, dict) and as_text(content) == text and hashlib.sha256(_dumped(content)).hexdigest() == checksum  # 1e999 raises
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptFileError(f"{path} is damaged: {str(error)[:200]}") from error
    if not same:
        raise CorruptFileError(f"{path} is damaged: its checksum is not that of its content.")
    return content


def _dumped(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def read_manifest(folder: Path) -> tuple[dict[str, Any], list[Leaf]]:
    """The plain data and the rows of a folder; its arrays are not read.

    **Raises:** `FileNotFoundError`, `CorruptFileError`, `ValueError` for a format that a later version has written.
    """
    path = folder / MANIFEST
    body = read_body(path)
    number = body.get("format")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise CorruptFileError(f"{path} does not say its format.")
    if number > FORMAT:
        written = body.get("versions", {})
        raise ValueError(
            f"{path} has format {number}, written by neuro4d {written.get('neuro4d', '?')}; this is {versions()['neuro4d']}, which reads formats up to "
            f"{FORMAT}. Update: `pip install -U neuro4d`."
        )
    try:
        meta, rows = body["meta"], rows_from(body["rows"])
        if not isinstance(meta, dict):
            raise ValueError("its plain data are no dictionary")
    except (KeyError, ValueError) as error:
        raise CorruptFileError(f"{path} is damaged: {error}") from error
    return meta | {"versions": body.get("versions", {}), "format": number}, rows


def read_snapshot(folder: Path) -> Snapshot:
    """What a folder holds, every array held against its checksum.

    **Raises:** as `read_manifest`; `CorruptFileError` naming the first array that is not as it was written, `MemoryBudgetError` before anything is read
    that cannot fit.
    """
    meta, rows = read_manifest(folder)
    check_fits_memory([row[:3] for row in rows if row.dtype != EMPTY], str(folder), copies=2.0)
    try:
        return Snapshot(unflatten(rows, read_arrays(folder / ARRAYS, rows)), meta, rows)
    except ValueError as error:
        raise CorruptFileError(f"{folder} is damaged: {error}") from error
