"""Which chips of an array make the shortest ways: as many as are needed, in a rectangle of tiles that is nearly a square."""

import numpy as np
from jaxtyping import Int

from neuro4d.hardware._placement import Placement


def squared(placement: Placement) -> Int[np.ndarray, " cores"]:
    """The sites of the same cores, in their order, on chips in such a rectangle; those of the placement where its chips lie on a board or on a hexagonal mesh.

    A site names its chip by number, and the width of the array follows from the largest number (see `mesh_of`). So the rectangle stands at the end of an
    array that is as wide as the longer of its sides.
    """
    chip = placement.chip
    if chip.board is not None or chip.mesh == "hexagonal":
        return placement.site
    number, inside = np.divmod(placement.site, chip.cores)
    used, which = np.unique(number, return_inverse=True)
    columns, rows = _sides(len(used), chip.columns, chip.rows)
    side = max(columns, rows)
    row, column = np.divmod(np.arange(len(used)), columns)
    chips = (side - rows + row) * side + column
    if int(chips.max()) >= chip.chips or int(chips.max()) < (side - 1) ** 2:
        return placement.site
    return chips[which] * chip.cores + inside


def _sides(chips: int, columns: int, rows: int) -> tuple[int, int]:
    """Columns and rows of chips in the rectangle with the shortest sum of sides, in tiles; a last row that is not full counts by its share."""
    wide = np.arange(1, chips + 1)
    best = int(wide[np.argmin(wide * columns + chips / wide * rows)])
    return best, -(-chips // best)
