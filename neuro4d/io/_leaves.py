"""A nested dictionary of arrays as rows of text and numbered arrays, and back: what every file of neuro4d is made of.

A name of the user is part of a row, never of a file name. A row carries a checksum, so that damage is seen whatever the storage below does.
"""

import concurrent.futures
import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from neuro4d._base import array_bytes, n_cores

EMPTY = "{}"
"""Stands for the type of a dictionary without entries, which is kept as a row."""

WORTH_THREADS = 1 << 26
"""Bytes from which on checksums are computed by several threads."""

DEEPEST, LONGEST_NAME, MOST_ROWS = 32, 1000, 1_000_000

Arrays = Mapping[int, np.ndarray]


class Leaf(NamedTuple):
    """One array: where it stands in the tree, what it is, and the checksum of its bytes in C order, little-endian. `unit` is empty for
    plain numbers."""

    path: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    unit: str
    sha256: str

    @property
    def size(self) -> int:
        """Elements; none for a dictionary without entries."""
        size = 0 if self.dtype == EMPTY else 1
        for n in self.shape:
            size *= n
        return size

    @property
    def label(self) -> str:
        """The path for people."""
        return "/".join(self.path)

    def as_json(self) -> list[Any]:
        """Plain data for JSON."""
        return [list(self.path), list(self.shape), self.dtype, self.unit, self.sha256]


def flatten(
    tree: Mapping[str, Any], unit_of: Callable[[tuple[str, ...]], str] | None = None, *, checksums: bool = True
) -> tuple[list[Leaf], dict[int, np.ndarray]]:
    """The rows of a tree, and its arrays by the number of their row. Arrays without elements, and dictionaries without entries, are rows only.

    **Arguments:**

    - `tree`: dictionaries of dictionaries of arrays, with text as keys.
    - `unit_of`: the unit of the array at a path, for the row; by default none.
    - `checksums`: whether rows have them; to compare shapes they are not needed.

    **Raises:** `TypeError` for a key that is no text and for a leaf that is not an array of plain numbers: nothing is converted.

    !!! Example

        >>> from neuro4d.io._leaves import flatten, unflatten
        >>> rows, arrays = flatten({"cells": {"v": np.array([-60.0])}})
        >>> rows[0].label, rows[0].dtype, sorted(arrays)
        ('cells/v', 'float64', [0])
        >>> unflatten(rows, arrays)
        {'cells': {'v': array([-60.])}}
    """
    rows: list[Leaf] = []
    arrays: dict[int, np.ndarray] = {}
    for path, leaf in _walk(tree, ()):
        if leaf is None:
            rows.append(Leaf(path, (), EMPTY, "", ""))
            continue
        array = plain_array(leaf, path) if checksums else _numbers(leaf, path)
        if array.size:
            arrays[len(rows)] = array
        rows.append(Leaf(path, array.shape, array.dtype.name, unit_of(path) if unit_of else "", digest(array) if checksums and not array.size else ""))
    if checksums:
        for number, found in zip(arrays, digests(list(arrays.values())), strict=True):
            rows[number] = rows[number]._replace(sha256=found)
    return rows, arrays


def unflatten(rows: Sequence[Leaf], arrays: Arrays) -> dict[str, Any]:
    """The tree of some rows, after every array was held against its row.

    **Raises:** `ValueError` that names the first array that is missing, or has another shape, type or checksum.
    """
    found = [_fitting(row, arrays.get(number)) for number, row in enumerate(rows)]
    for row, sha in zip((row for row in rows if row.dtype != EMPTY), digests([array for array in found if array is not None]), strict=True):
        if sha != row.sha256:
            raise ValueError(f"array {row.label!r} is damaged: its checksum is not that of the manifest.")
    tree: dict[str, Any] = {}
    for row, array in zip(rows, found, strict=True):
        *above, last = row.path
        place = tree
        for name in above:
            place = place.setdefault(name, {})
        place[last] = {} if array is None else array
    return tree


def _fitting(row: Leaf, array: np.ndarray | None) -> np.ndarray | None:
    """The array of a row as the row says it, but for its checksum; nothing for a dictionary without entries."""
    if row.dtype == EMPTY:
        return None
    if array is None and not row.size:
        array = np.zeros(row.shape, row.dtype)
    if array is None:
        raise ValueError(f"array {row.label!r} is missing.")
    if array.shape != row.shape or array.dtype.name != row.dtype:
        raise ValueError(f"array {row.label!r} is {array.dtype.name} of shape {array.shape}; the manifest says {row.dtype} of {row.shape}.")
    return array


def _walk(tree: Mapping[str, Any], above: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Any]]:
    if not isinstance(tree, Mapping):
        raise TypeError(f"expected a dictionary of arrays at {'/'.join(above) or 'the top'!r}; got {type(tree).__name__}.")
    for name, value in tree.items():
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or len(above) >= DEEPEST:
            raise TypeError(f"names in a tree are text of 1 to {LONGEST_NAME} letters, at most {DEEPEST} deep; got {name!r:.60} in {'/'.join(above)!r}.")
        path = (*above, name)
        if isinstance(value, Mapping) and not value:
            yield path, None
        elif isinstance(value, Mapping):
            yield from _walk(value, path)
        else:
            yield path, value


def plain_array(leaf: Any, path: tuple[str, ...]) -> np.ndarray:
    """A leaf as a NumPy array of plain numbers, in C order and little-endian."""
    array = _numbers(leaf, path)
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


def _numbers(leaf: Any, path: tuple[str, ...]) -> np.ndarray:
    label = "/".join(path)
    if not is_array(leaf):
        raise TypeError(f"{label!r} is not an array but {type(leaf).__name__}; what is no array goes beside the tree.")
    array = np.asarray(leaf)
    try:
        array_bytes(label, array.shape, array.dtype)
    except ValueError as error:
        raise TypeError(str(error)) from error
    return array


def is_array(leaf: Any) -> bool:
    """Whether it is an array of NumPy or JAX; keys and quantities are not: their data and their magnitude are."""
    kind = type(leaf)
    return isinstance(leaf, np.ndarray | np.generic) or (kind.__module__.startswith("jax") and callable(getattr(kind, "__array__", None)))


def digest(array: np.ndarray) -> str:
    """SHA-256 of the bytes of an array in C order."""
    whole = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
    return hashlib.sha256(whole.reshape(-1).view(np.uint8).data).hexdigest()


def digests(arrays: Sequence[np.ndarray]) -> list[str]:
    """The `digest` of each, at the same time where they are large: hashing lets other threads go on."""
    if sum(array.nbytes for array in arrays) < WORTH_THREADS:
        return [digest(array) for array in arrays]
    with concurrent.futures.ThreadPoolExecutor(n_cores()) as pool:
        return list(pool.map(digest, arrays))


def rows_from(data: Any) -> list[Leaf]:
    """Rows as they stand in a file, checked one by one.

    **Raises:** `ValueError` for anything that `Leaf.as_json` does not write: two rows of one path, an array inside an array, odd types.
    """
    if not isinstance(data, list) or len(data) > MOST_ROWS:
        raise ValueError(f"the rows of a manifest are a list of at most {MOST_ROWS:,} entries; got {data!r:.60}.")
    rows = [_row(each) for each in data]
    paths = {row.path for row in rows}
    if len(paths) != len(rows):
        raise ValueError("two rows of a manifest have one path.")
    inner = {path[:n] for path in paths for n in range(1, len(path))}
    if paths & inner:
        raise ValueError(f"{'/'.join(sorted(paths & inner)[0])!r:.80} is an array and a dictionary at the same time.")
    return rows


def _row(data: Any) -> Leaf:
    if not (isinstance(data, list) and len(data) == 5):
        raise ValueError(f"a row of a manifest has a path, a shape, a type, a unit and a checksum; got {data!r:.60}.")
    path, shape, dtype, unit, checksum = data
    if not (isinstance(path, list) and 0 < len(path) <= DEEPEST and all(isinstance(name, str) and 0 < len(name) <= LONGEST_NAME for name in path)):
        raise ValueError(f"the path of a row is a list of names; got {path!r:.60}.")
    if not (isinstance(dtype, str) and isinstance(unit, str) and len(unit) <= 100 and isinstance(checksum, str) and isinstance(shape, list)):
        raise ValueError(f"row {'/'.join(path)!r:.80}: a shape is a list, type, unit and checksum are text; got {data[1:]!r:.80}.")
    row = Leaf(tuple(path), tuple(shape), dtype, unit, checksum)
    if dtype == EMPTY:
        if shape or checksum:
            raise ValueError(f"row {row.label!r:.80} is a dictionary without entries and has neither shape nor checksum; got {data[1:]!r:.80}.")
        return row
    array_bytes(row.label, row.shape, dtype)
    if np.dtype(dtype).name != dtype:
        raise ValueError(f"row {row.label!r:.80}: types are written like 'float32'; got {dtype!r:.40}.")
    if len(checksum) != 64 or set(checksum) - set("0123456789abcdef"):
        raise ValueError(f"row {row.label!r:.80}: a checksum is 64 hexadecimal digits; got {checksum!r:.80}.")
    return row


def differences(stored: Sequence[Leaf], wanted: Sequence[Leaf], *, rows_free: Callable[[Leaf], bool] = lambda row: False) -> list[str]:
    """In what two sets of rows differ, one sentence each, checksums apart. `rows_free` says where only the last axis has to agree."""
    have, want = ({row.path: row for row in rows if row.dtype != EMPTY} for rows in (stored, wanted))
    found = [f"{want[path].label!r} is not in the file" for path in want if path not in have]
    found += [f"{have[path].label!r} is in the file and not in the model" for path in have if path not in want]
    for path, old in have.items():
        new = want.get(path)
        if new is None:
            continue
        shapes = [row.shape[-1:] if rows_free(row) else row.shape for row in (old, new)]
        pairs = (("shape", *shapes), ("type", old.dtype, new.dtype), ("unit", old.unit, new.unit))
        found += [f"{old.label!r} has {what} {a or 'none'} in the file and {b or 'none'} in the model" for what, a, b in pairs if a != b]
    return found


def joined(found: Sequence[str], most: int = 20) -> str:
    """Sentences as a list for an error, the first `most` of them."""
    rest = f"\n- and {len(found) - most} more" if len(found) > most else ""
    return "".join(f"\n- {text}" for text in itertools.islice(found, most)) + rest
