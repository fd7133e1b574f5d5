"""The mesh between cores: where its nodes lie, how far they are apart, and by which links a packet goes."""

import dataclasses
import functools
import math
from types import MappingProxyType
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int

from neuro4d.hardware._placement import Placement

STEPS = MappingProxyType(
    {
        "square": ((1, 0), (-1, 0), (0, 1), (0, -1)),
        "hexagonal": ((1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1)),
    }
)
"""Links of a node by kind of mesh, as columns and rows to the next node, in the order in which a route takes them."""


@dataclasses.dataclass(frozen=True)
class Mesh:
    r"""Nodes on a rectangle of `columns` x `rows`, numbered row by row.

    A square mesh has links to 4 neighbours, and a hexagonal one, SpiNNaker's triangular mesh, two more along the diagonal $(1, 1)$. Routes follow
    dimension order: columns, then rows; on hexagonal meshes the diagonal first. So the distance for a displacement $(x, y)$ is

    $$|x| + |y| \quad\text{(square)},\qquad \max(x, y, 0) - \min(x, y, 0) = \tfrac12 (|x| + |y| + |x - y|) \quad\text{(hexagonal)}.$$

    There are no links around the edges.

    **Source:** hexagonal distances as in Heathcote's Rig (`shortest_mesh_path_length`) and Navaridas et al. 2015, Parallel Computing 45.
    """

    kind: Literal["square", "hexagonal"]
    columns: int
    rows: int

    @property
    def n(self) -> int:
        """Nodes."""
        return self.columns * self.rows

    @property
    def middle(self) -> int:
        """The node in the middle."""
        return self.rows // 2 * self.columns + self.columns // 2

    @property
    def steps(self) -> Int[np.ndarray, "links 2"]:
        """Columns and rows of each link of a node."""
        return np.array(STEPS[self.kind])

    @functools.cached_property
    def place(self) -> Int[np.ndarray, "n 2"]:
        """Column and row of every node."""
        rows, columns = np.divmod(np.arange(self.n), self.columns)
        return np.stack([columns, rows], axis=1)

    @functools.cached_property
    def axes(self) -> tuple[Int[np.ndarray, " n"], ...]:
        """Coordinates of every node, from 0, whose absolute differences add up to its distance from others, or to twice that on a hexagonal mesh."""
        x, y = self.place.T
        return (x, y) if self.kind == "square" else (x, y, x - y + self.rows - 1)

    @property
    def share(self) -> float:
        """What a step along one of `axes` counts."""
        return 1.0 if self.kind == "square" else 0.5

    def hops(self, begin: Int[np.ndarray, "*k"], end: Int[np.ndarray, "*k"]) -> Int[np.ndarray, "*k"]:
        """Links from node to node on the shortest way."""
        return sum(np.abs(axis[begin] - axis[end]) for axis in self.axes) // (1 if self.kind == "square" else 2)

    def back(self, begin: int) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """For packets from a node: the node before every node on the way to it, and by which of `steps` they come; -1 for the first node."""
        x, y = (self.place - self.place[begin]).T
        last = self._last(x, y)
        moved = np.where((last >= 0)[:, None], self.steps[last], 0)
        before = np.arange(self.n) - moved[:, 0] - moved[:, 1] * self.columns
        return np.where(last >= 0, before, -1), last

    def _last(self, x: Int[np.ndarray, " n"], y: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """The last step of the way to a displacement: of a row, then of a column, then of the diagonal."""
        together = np.where((x * y > 0) & (self.kind == "hexagonal"), np.sign(x) * np.minimum(np.abs(x), np.abs(y)), 0)
        along, across, first = x - together, y - together, 2 * (self.kind == "hexagonal")
        return np.select(
            [across > 0, across < 0, along > 0, along < 0, together > 0, together < 0],
            [first + 2, first + 3, first, first + 1, 0, 1], -1,
        )  # fmt: skip

    def path(self, begin: int, end: int) -> list[int]:
        """The nodes on the way, both ends included.

        !!! Example

            >>> from neuro4d.hardware._mesh import Mesh
            >>> Mesh("square", 4, 4).path(0, 6), Mesh("hexagonal", 4, 4).path(0, 6)
            ([0, 1, 2, 6], [0, 5, 6])
        """
        before, way = self.back(begin)[0], [end]
        while way[-1] != begin:
            way.append(int(before[way[-1]]))
        return way[::-1]

    @functools.cached_property
    def curve(self) -> Int[np.ndarray, " n"]:
        """All nodes along a Hilbert curve of the smallest square that holds the mesh: neighbours on the curve are near each other on the mesh."""
        side = 1 << max(int(max(self.columns, self.rows) - 1).bit_length(), 0)
        return np.argsort(_hilbert(self.place, side), kind="stable")


def mesh_of(placement: Placement) -> tuple[Mesh, Int[np.ndarray, " cores"]]:
    """The mesh of a placement, and the node of every core on it.

    Chips lie in an array that is as square as their number allows, one row behind the other. On square meshes the tiles of all chips make one mesh; on
    hexagonal ones a chip is one node. Chips that complete the rectangle hold no cores and pass packets on.
    """
    chip, column, row = placement.tile.T
    n_chips = int(chip.max()) + 1 if len(chip) else 1
    width = math.isqrt(n_chips - 1) + 1
    depth = -(-n_chips // width)
    down, across = np.divmod(chip, width)
    if placement.chip.mesh == "hexagonal":
        return Mesh("hexagonal", width, depth), down * width + across
    columns, rows = placement.chip.columns, placement.chip.rows
    mesh = Mesh("square", width * columns, depth * rows)
    return mesh, (down * rows + row) * mesh.columns + across * columns + column


def _hilbert(place: Int[np.ndarray, "n 2"], side: int) -> Int[np.ndarray, " n"]:
    """How far along a Hilbert curve of a square of `side` each place lies."""
    x, y = place[:, 0].copy(), place[:, 1].copy()
    far = np.zeros(len(x), np.int64)
    half = side // 2
    while half:
        right, up = (x & half) > 0, (y & half) > 0
        far += half * half * ((3 * right) ^ up)
        x, y = _turned(x, y, right, up, side)
        half //= 2
    return far


def _turned(
    x: np.ndarray, y: np.ndarray, right: Bool[np.ndarray, " n"], up: Bool[np.ndarray, " n"], side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Quarters of the curve are turned so that they meet at their ends."""
    flip = right & ~up
    x, y = np.where(flip, side - 1 - x, x), np.where(flip, side - 1 - y, y)
    return np.where(up, x, y), np.where(up, y, x)
