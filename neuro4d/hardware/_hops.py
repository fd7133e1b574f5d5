"""How many links lie between two cores, by kind of link."""

import numpy as np
from jaxtyping import Int

from neuro4d.hardware._mesh import mesh_of
from neuro4d.hardware._placement import Placement

Hops = tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"], Int[np.ndarray, " k"]]


def distances(placement: Placement, begin: Int[np.ndarray, " k"], end: Int[np.ndarray, " k"]) -> Hops:
    """Links from core `begin[i]` to core `end[i]`: within a row of tiles, from row to row, and between chips, each `(k,)`.

    On square meshes the tiles of all chips make one mesh, and links that cross the border of a chip count as links between chips. On hexagonal
    ones a chip is one router.
    """
    mesh, node = mesh_of(placement)
    if mesh.kind == "hexagonal":
        nothing = np.zeros(len(begin), np.int64)
        return nothing, nothing, mesh.hops(node[begin], node[end])
    tiles = mesh.place[node].T
    chips = tiles // np.array([[placement.chip.columns], [placement.chip.rows]])
    # There may be hundreds of millions of pairs: 16 bits are enough for any mesh, and rows of one coordinate are read in one go.
    far, borders = ([_apart(x, begin, end) for x in where.astype(np.int16)] for where in (tiles, chips))
    return far[0] - borders[0], far[1] - borders[1], borders[0] + borders[1]


def _apart(x: Int[np.ndarray, " cores"], begin: Int[np.ndarray, " k"], end: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
    """How far apart the coordinates of two cores are; of all the same, such as the chips of a single one, nothing is looked up."""
    return np.abs(x[end] - x[begin]) if (x != x[:1]).any() else np.zeros(len(begin), np.int16)
