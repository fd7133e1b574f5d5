"""How many links messages pass, by kind of link."""

import numpy as np
from jaxtyping import Int

from neuro4d.hardware._entries import apart, summed
from neuro4d.hardware._groups import ranges
from neuro4d.hardware._mesh import Mesh, mesh_of
from neuro4d.hardware._placement import Placement


def hop_sums(placement: Placement) -> Int[np.ndarray, "3 n"]:
    """Links that the messages of one spike of each neuron pass: within rows of tiles, from row to row, and between chips, `(3, n)`.

    On square meshes the tiles of all chips make one mesh, and links that cross the border of a chip count as links between chips. On hexagonal
    ones a chip is one router.
    """
    mesh, node = mesh_of(placement)
    if mesh.kind == "hexagonal":
        between = _around(placement, mesh, node) if mesh.wrap else _along(placement, mesh, node)
        return np.stack([np.zeros_like(between), np.zeros_like(between), between])
    tiles = mesh.place[node].T
    chips = tiles // np.array([[placement.chip.columns], [placement.chip.rows]])
    x, y, over_x, over_y = _apart(placement, np.concatenate([tiles, chips]))
    return np.stack([x - over_x, y - over_y, over_x + over_y])


def _along(placement: Placement, mesh: Mesh, node: Int[np.ndarray, " cores"]) -> Int[np.ndarray, " n"]:
    return (_apart(placement, np.stack(mesh.axes)[:, node]).sum(axis=0) * mesh.share).astype(np.int64)


def _around(placement: Placement, mesh: Mesh, node: Int[np.ndarray, " cores"]) -> Int[np.ndarray, " n"]:
    """On a mesh with links around its edges no coordinate counts by itself."""
    table, home = placement.fan_out, placement.core
    found = np.zeros(len(home), np.int64)
    for low, high in ranges(table.start):
        some = slice(int(table.start[low]), int(table.start[high]))
        far = mesh.hops(node[home[table.source[some]]], node[table.core[some]])
        found[low:high] = summed(far, table.start[low : high + 1] - some.start)
    return found


def _apart(placement: Placement, axes: Int[np.ndarray, "a cores"]) -> Int[np.ndarray, "a n"]:
    """Along coordinates that are all the same, such as the chip of a network on a single one, nothing is looked up."""
    found = np.zeros((len(axes), len(placement.core)), np.int64)
    differ = (axes != axes[:, :1]).any(axis=1)
    if differ.any():
        found[differ] = apart(placement.fan_out, placement.core, axes[differ].astype(np.int16))
    return found
