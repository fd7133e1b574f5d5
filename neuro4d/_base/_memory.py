"""Memory that may be asked for, before anything is allocated."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import psutil


class MemoryBudgetError(MemoryError):
    """Something that can not fit, refused before it is allocated."""


def available_bytes() -> int:
    """Memory that this machine can still give."""
    return psutil.virtual_memory().available


def bytes_text(n: float) -> str:
    """A number of bytes for people."""
    for power, name in ((50, "PiB"), (40, "TiB"), (30, "GiB")):
        if n >= 2 ** (power - 2):
            return f"{n / 2**power:.2f} {name}"
    return f"{n / 2**20:.1f} MiB"


def tree_bytes(tree: Any) -> int:
    """Bytes of all arrays, or shapes of arrays, of a pytree."""
    leaves = (leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array | np.ndarray | jax.ShapeDtypeStruct))
    return sum(int(np.prod(leaf.shape, dtype=object)) * leaf.dtype.itemsize for leaf in leaves)


def array_bytes(path: object, shape: Sequence[int], dtype: Any) -> int:
    """Bytes of an array that a file announces. Whole numbers of Python, so that no size wraps.

    **Raises:** `ValueError` for a shape that is none, and for anything but plain numbers.
    """
    if any(isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0 for n in shape):
        raise ValueError(f"array {path!s:.200}: a shape is made of whole numbers from 0 on, for example (1000, 3); got {tuple(shape)!r:.100}.")
    try:
        kind = np.dtype("object" if dtype is None else dtype)  # None would mean float64
    except (TypeError, ValueError, SyntaxError) as error:
        raise ValueError(f"array {path!s:.200}: no such type of numbers: {dtype!r:.60}. For example 'float32'.") from error
    if kind.kind not in "biufc" and kind.name != "bfloat16":
        raise ValueError(f"array {path!s:.200}: only plain numbers are read, for example 'float32'; got type {dtype!r:.60}.")
    size = kind.itemsize
    for n in shape:
        size *= int(n)
    return size


def check_fits_memory(
    rows: Iterable[Sequence[Any]], what: str = "this file", *, copies: float = 1.0, limit: int | None = None, advice: str = ""
) -> int:
    """The bytes of arrays that a file announces, or a refusal: to be called before the first of them is read.

    **Arguments:**

    - `rows`: one per array, each `(path, shape, dtype, ...)`; what follows the first three is not looked at.
    - `what`: names the file in the message, for example `"checkpoint runs/a/checkpoints/12000"`.
    - `copies`: how often each byte is held at the same time while it is read.
    - `limit`: bytes that may be used, by default what the machine can still give.
    - `advice`: a sentence that says what to do about it.

    **Returns:** the bytes that reading takes.

    **Raises:** `ValueError` for a shape or a type that is none, `MemoryBudgetError` with the largest arrays.

    !!! Example

        >>> from neuro4d._base import check_fits_memory
        >>> check_fits_memory([("populations/cells/v", (1000,), "float32", "mV")])
        4000
    """
    shares: dict[str, int] = {}
    for path, shape, dtype, *_ in rows:
        shares[str(path)] = shares.get(str(path), 0) + int(array_bytes(path, shape, dtype) * copies)
    return check_budget(shares, f"{what} holds arrays of", "read", advice or READ_LESS, limit)


READ_LESS = "Read a part of it, or read it on a machine with more memory."


def check_budget(shares: Mapping[str, int], says: str, verb: str, advice: str, limit: int | None = None) -> int:
    """The sum of some shares of memory, or a refusal that names the three largest.

    `says` begins the message, before the number; `verb` is what would be done with it; `advice` ends it.

    **Raises:** `MemoryBudgetError`.
    """
    needed, budget = sum(shares.values()), available_bytes() if limit is None else limit
    if needed > budget:
        largest = heapq.nlargest(3, shares, key=shares.__getitem__)
        listed = ", ".join(f"{name} {bytes_text(shares[name])}" for name in largest)
        raise MemoryBudgetError(
            f"{says} {needed} bytes ({bytes_text(needed)}), but {bytes_text(budget)} are available, so nothing was {verb}; "
            f"the largest parts: {listed}. {advice}"
        )
    return needed
