"""Boards of chips: where each chip lies on the hexagonal mesh, and whether links lead around its edges."""

import dataclasses
from types import MappingProxyType

import msgspec

from neuro4d._base import did_you_mean
from neuro4d.hardware._schema import ChipTarget
from neuro4d.hardware._target import TargetError

Place = tuple[int, int]

SIDE = 8
"""Columns and rows of the smallest square that holds a board of 48 chips."""

TRIAD: tuple[Place, ...] = ((0, 0), (8, 4), (4, 8))
"""Where the boards of a triad begin."""


@dataclasses.dataclass(frozen=True)
class Board:
    """One or more boards of chips with six links each.

    **Fields:** `name`; `columns` x `rows`: the rectangle in which they lie; `wrap`: links lead around its edges, both ways; `places`: column and row of
    every chip, in the order of their numbers; `about`.
    """

    name: str
    columns: int
    rows: int
    wrap: bool
    places: tuple[Place, ...]
    about: str

    @property
    def n(self) -> int:
        """Chips."""
        return len(self.places)


def boards() -> tuple[str, ...]:
    """The names of the boards that are known.

    !!! Example

        >>> n4.hardware.boards()[:3]
        ('spin1-144chip', 'spin1-144chip-open', 'spin1-48chip')
    """
    return tuple(sorted(BOARDS))


def board(name: str | Board) -> Board:
    """A board by its name: `spin1-...` of SpiNNaker, `spin2-...` of SpiNNaker 2.

    - `4chip`: 2 x 2 chips with links around both edges (SpiNN-3).
    - `48chip`: a hexagon in a square of 8 x 8, without links around (SpiNN-5, and the board of SpiNNaker 2).
    - `144chip`: three such boards, which make a torus of 12 x 12; `144chip-open`: the same without links around, in a square of 16 x 16.

    **Raises:** `ValueError` for an unknown name.

    **Source:** SpiNNMachine, classes of versions 3, 5 and 248 and `FullWrapMachine`.

    !!! Example

        >>> n4.hardware.board("spin2-48chip").n, n4.hardware.board("spin2-144chip").wrap
        (48, True)
    """
    if isinstance(name, Board):
        return name
    if name not in BOARDS:
        raise ValueError(f"no board named {name!r}.{did_you_mean(str(name), boards())}")
    return BOARDS[name]


def on_board(target: ChipTarget, name: str | Board) -> ChipTarget:
    """The same chip on a board: `partition`, `place`, `route`, `routing_tables` and `packets` then know which chips there are and which links.

    A chip is one node of the mesh, whatever network lies inside of it. `place` looks for short ways without links around edges, and is judged with them.

    **Raises:** `ValueError` for an unknown board; `TargetError` for a chip that has no router for one.

    !!! Example

        >>> target = n4.hardware.on_board(n4.hardware.target("spinnaker2"), "spin2-48chip")
        >>> target.chip.chips, target.chip.board
        (48, 'spin2-48chip')
    """
    found = board(name)
    check_chip(target, found)
    return msgspec.structs.replace(target, chip=msgspec.structs.replace(target.chip, board=found.name, chips=found.n))


def check_chip(target: ChipTarget, on: Board) -> None:
    """Chips of a board have routers that copy packets."""
    if not isinstance(target, ChipTarget) or not target.chip.multicast:
        raise TargetError(
            f"board {on.name} is of chips whose routers copy packets (chip.multicast = true); {target.name} is none. "
            f"For example `n4.hardware.on_board(n4.hardware.target('spinnaker2'), {on.name!r})`."
        )


def _hexagon(first: Place) -> tuple[Place, ...]:
    """A board of 48 chips, row by row: bounded along the two axes and the diagonal."""
    return tuple((first[0] + x, first[1] + y) for y in range(SIDE) for x in range(SIDE) if -3 <= x - y <= 4)


def _known() -> dict[str, Board]:
    one = _hexagon((0, 0))
    triad = tuple(place for first in TRIAD for place in _hexagon(first))
    torus = tuple((x % 12, y % 12) for x, y in triad)
    small = tuple((x, y) for y in range(2) for x in range(2))
    found = [Board("spin1-4chip", 2, 2, True, small, "SpiNN-3: four chips, links around both edges")]
    for family in ("spin1", "spin2"):
        found += [
            Board(f"{family}-48chip", SIDE, SIDE, False, one, "48 chips in a hexagon"),
            Board(f"{family}-144chip", 12, 12, True, torus, "three boards of 48 chips that make a torus"),
            Board(f"{family}-144chip-open", 16, 16, False, triad, "three boards of 48 chips without links around"),
        ]
    return {each.name: each for each in found}


BOARDS: MappingProxyType[str, Board] = MappingProxyType(_known())
