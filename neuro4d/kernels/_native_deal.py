"""Which edges of some rows belong to which projection, and sums over them, by plain calls of the extension, on the host. Ask `native_available()` first."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int32, Shaped, UInt, UInt8, UInt64

from neuro4d.kernels._native_load import module

MOST_KINDS = 255


class NativeRows(NamedTuple):
    """The rows of some sources. **Fields:** `target`: local ids; `length`: how many edges each piece has, pieces leading to one of `n_blocks` after the other."""

    target: UInt[np.ndarray, " k"]
    length: Int[np.ndarray, " pieces"]
    n_blocks: int
    block_size: int


def deal_native(rows: NativeRows, table: UInt8[np.ndarray, " slots"], kinds: int) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " kinds"]]:
    """Edges by the kind that `table` names for the sum to which they add; `kinds`: up to 255, later ones are left out. Other threads go on meanwhile.

    **Returns:** the numbers of the edges, those of kind 0 first and ascending in each kind; and where each kind ends.

    **Raises:** `ValueError` for pieces that do not hold the edges, and for edges or tables that do not fit the blocks.
    """
    return module().deal(*_plain(rows), np.ascontiguousarray(table), kinds)


def tally_native(rows: NativeRows, table: UInt8[np.ndarray, " slots"], kinds: int) -> Int[np.ndarray, " kinds"]:
    """How many edges there are of each kind. Raises as `deal_native`."""
    return module().tally(*_plain(rows), np.ascontiguousarray(table), kinds)


def gather_native(
    rows: NativeRows, table: UInt8[np.ndarray, " slots"], values: Shaped[np.ndarray, " k"], next_place: Int[np.ndarray, " kinds"], out: Shaped[np.ndarray, " n"]
) -> None:
    """Copies values of edges, numbers of 4 or 8 bytes, to where the edges of their kind lie in `out`. Raises as `deal_native`, and where there is no room.

    **Arguments:** `next_place`: where the next edge of each kind goes, which is brought up to date.
    """
    kind = f"u{out.dtype.itemsize}"
    module().gather(*_plain(rows), np.ascontiguousarray(table), np.ascontiguousarray(values).view(kind), next_place, out.view(kind))


def wire_native(
    rows: NativeRows,
    table: UInt8[np.ndarray, " slots"],
    post: Int32[np.ndarray, " slots"],
    delay: Int32[np.ndarray, " delays"],
    pre: Int32[np.ndarray, " kinds"],
    edge: Int[np.ndarray, " kinds"],
) -> UInt64[np.ndarray, " kinds"]:
    """Sums, modulo 2^64, of a mixture of number, source, target and delay of the edges of each kind. Raises as `deal_native`.

    **Arguments:** `post`: the target at each slot; `delay`: of each delay, in steps; `pre`: what each kind calls the first source; `edge`: how many edges each kind had
    before, which is brought up to date.
    """
    return module().wire(*_plain(rows), np.ascontiguousarray(table), *(np.ascontiguousarray(x, np.int32) for x in (post, delay, pre)), edge)


def _plain(rows: NativeRows) -> NativeRows:
    return rows._replace(target=np.ascontiguousarray(rows.target), length=np.ascontiguousarray(rows.length, np.int64))
