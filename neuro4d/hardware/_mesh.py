"""The mesh between cores: where its nodes lie, how far they are apart, and by which links a packet goes."""

import dataclasses
import functools
import itertools
import math
from types import MappingProxyType
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int

from neuro4d.hardware._boards import Board, board, boards, check_chip
from neuro4d.hardware._packing import CapacityError
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

    **Arguments:** `wrap`: whether links lead around the edges; a distance is then the smallest over all ways around. `absent`: nodes of the rectangle that are
    not there, and have no links. `axes`, which `place` works with, knows neither of both.

    **Source:** hexagonal distances as in Heathcote's Rig (`shortest_mesh_path_length`) and Navaridas et al. 2015, Parallel Computing 45.
    """

    kind: Literal["square", "hexagonal"]
    columns: int
    rows: int
    wrap: bool = False
    absent: tuple[int, ...] = ()

    @property
    def n(self) -> int:
        """Nodes of the rectangle."""
        return self.columns * self.rows

    @property
    def flat(self) -> "Mesh":
        """The same without links around its edges."""
        return dataclasses.replace(self, wrap=False)

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

    @functools.cached_property
    def origin(self) -> Int[np.ndarray, "n links"]:
        """The node from which each of `steps` leads to a node; -1 where there is no such link."""
        x, y = (self.place[:, None] - self.steps).transpose(2, 0, 1)
        inside = (x >= 0) & (x < self.columns) & (y >= 0) & (y < self.rows)
        node = y % self.rows * self.columns + x % self.columns
        there = np.isin(np.arange(self.n), self.there)
        return np.where((inside | self.wrap) & there[node] & there[:, None], node, -1)

    @functools.cached_property
    def around(self) -> Bool[np.ndarray, "n links"]:
        """Whether a link that leads to a node goes around an edge."""
        x, y = (self.place[:, None] - self.steps).transpose(2, 0, 1)
        return (self.origin >= 0) & ((x < 0) | (x >= self.columns) | (y < 0) | (y >= self.rows))

    @functools.cached_property
    def there(self) -> Int[np.ndarray, " k"]:
        """The nodes that are there."""
        return np.setdiff1d(np.arange(self.n), self.absent)

    @functools.cached_property
    def convex(self) -> bool:
        """Whether packets in dimension order only pass nodes that are there."""
        ways = map(self.back, self.there.tolist()) if self.absent else ()
        return all((self.origin[self.there, last[self.there]] == before[self.there])[last[self.there] >= 0].all() for before, last in ways)

    def displacement(self, begin: Int[np.ndarray, "*k"], end: Int[np.ndarray, "*k"]) -> tuple[Int[np.ndarray, "*k"], Int[np.ndarray, "*k"]]:
        """Columns and rows from node to node, by the shortest way; where several are as short, one that goes around no edge."""
        x, y = self.place[end, 0] - self.place[begin, 0], self.place[end, 1] - self.place[begin, 1]
        if not self.wrap:
            return x, y
        turns = sorted(itertools.product((0, -1, 1), repeat=2), key=lambda turn: (abs(turn[0]) + abs(turn[1]), turn))
        all_x, all_y = (
            np.stack([part + turn[i] * size for turn in turns]) for i, (part, size) in enumerate(((x, self.columns), (y, self.rows)))
        )
        best = np.argmin(self._length(all_x, all_y), axis=0)[None]
        return np.take_along_axis(all_x, best, 0)[0], np.take_along_axis(all_y, best, 0)[0]

    def hops(self, begin: Int[np.ndarray, "*k"], end: Int[np.ndarray, "*k"]) -> Int[np.ndarray, "*k"]:
        """Links from node to node on the shortest way, nodes that are not there included."""
        return self._length(*self.displacement(begin, end))

    def _length(self, x: Int[np.ndarray, "*k"], y: Int[np.ndarray, "*k"]) -> Int[np.ndarray, "*k"]:
        return np.abs(x) + np.abs(y) if self.kind == "square" else np.maximum(np.maximum(x, y), 0) - np.minimum(np.minimum(x, y), 0)

    def back(self, begin: int) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """For packets from a node: the node before every node on the way to it, and by which of `steps` they come; -1 for the first node."""
        last = self._last(*self.displacement(np.full(self.n, begin), np.arange(self.n)))
        moved = np.where((last >= 0)[:, None], self.steps[last], 0)
        x, y = (self.place - moved).T
        return np.where(last >= 0, y % self.rows * self.columns + x % self.columns, -1), last

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


def mesh_of(placement: Placement, on: Board | None = None) -> tuple[Mesh, Int[np.ndarray, " cores"]]:
    """The mesh of a placement, and the node of every core on it.

    On a board, `on` or that of the target, a chip is one node. Otherwise chips lie in an array that is as square as their number allows, one row behind the
    other. On square meshes the tiles of all chips make one mesh; on hexagonal ones a chip is one node. Chips that complete the rectangle hold no
    cores and pass packets on.

    **Raises:** `CapacityError` for more chips than the board has; `ValueError` for chips without the routers of a board.
    """
    if on is None and placement.chip.board is not None:
        on = board(placement.chip.board)
    chip, column, row = placement.tile.T
    if on is not None:
        return _on_board(placement, on, chip)
    n_chips = int(chip.max()) + 1 if len(chip) else 1
    width = math.isqrt(n_chips - 1) + 1
    depth = -(-n_chips // width)
    down, across = np.divmod(chip, width)
    if placement.chip.mesh == "hexagonal":
        return Mesh("hexagonal", width, depth), down * width + across
    columns, rows = placement.chip.columns, placement.chip.rows
    mesh = Mesh("square", width * columns, depth * rows)
    return mesh, (down * rows + row) * mesh.columns + across * columns + column


def _on_board(placement: Placement, on: Board, chip: Int[np.ndarray, " cores"]) -> tuple[Mesh, Int[np.ndarray, " cores"]]:
    check_chip(placement.target, on)
    if len(chip) and int(chip.max()) >= on.n:
        raise CapacityError(
            f"board {on.name} has {on.n} chips; this placement uses chip {int(chip.max())} of {placement.target.name}. "
            f"What would fit: `partition(workload, n4.hardware.on_board(target, {on.name!r}))` says how much of the network does, or a larger one of {', '.join(boards())}."
        )
    x, y = np.array(on.places).T
    node = y * on.columns + x
    absent = np.setdiff1d(np.arange(on.columns * on.rows), node)
    return Mesh("hexagonal", on.columns, on.rows, on.wrap, tuple(absent.tolist())), node[chip]


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
