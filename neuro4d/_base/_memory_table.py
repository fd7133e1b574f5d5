"""Memory by part, as a table for people."""

import dataclasses
from typing import NamedTuple

from neuro4d._base._memory import available_bytes, bytes_text
from neuro4d._base._table import table


class MemoryRow(NamedTuple):
    """The memory of one part: `what` it is, `phases` in which it is held, `bytes`."""

    what: str
    phases: tuple[str, ...]
    bytes: int


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MemoryTable:
    """Predicted memory, part by part, before anything is allocated. Prints as a table.

    **Arguments:** `title`; `phases`: what happens one after the other; `rows`: parts, each with the phases in which it is held.

    `peak` is the largest sum of a phase, `kept` that of the last one: what is there in the end.

    !!! Example

        >>> from neuro4d._base import MemoryRow, MemoryTable
        >>> print(MemoryTable("a file", ("read",), (MemoryRow("weights", ("read",), 3 << 20),), available=1 << 30))
        a file: 3.0 MiB at most, 1.00 GiB available
        part        read
        -------  -------
        weights  3.0 MiB
        sum      3.0 MiB
    """

    title: str
    phases: tuple[str, ...]
    rows: tuple[MemoryRow, ...]
    available: int = dataclasses.field(default_factory=available_bytes)

    def in_phase(self, phase: str) -> int:
        """Bytes that are held in a phase."""
        return sum(row.bytes for row in self.rows if phase in row.phases)

    @property
    def peak(self) -> int:
        """Bytes that are held at most."""
        return max(self.in_phase(phase) for phase in self.phases)

    @property
    def kept(self) -> int:
        """Bytes that are held in the end."""
        return self.in_phase(self.phases[-1])

    @property
    def fits(self) -> bool:
        """Whether the machine can still give that much."""
        return self.peak <= self.available

    def largest_phase(self) -> tuple[MemoryRow, ...]:
        """The parts that are held when most is held."""
        phase = max(self.phases, key=self.in_phase)
        return tuple(row for row in self.rows if phase in row.phases)

    def __str__(self) -> str:
        rows = [(row.what, *(_text(row.bytes) if phase in row.phases else "" for phase in self.phases)) for row in self.rows if row.bytes]
        rows.append(("sum", *(_text(self.in_phase(phase)) for phase in self.phases)))
        head = f"{self.title}: {_text(self.peak)} at most, {bytes_text(self.available)} available"
        return f"{head}\n{table(('part', *self.phases), rows)}"

    def __repr__(self) -> str:
        return f"MemoryTable({self.title!r}, peak={self.peak}, kept={self.kept})"


def _text(n: int) -> str:
    """A number of bytes, also where there are few."""
    return f"{n / 1024:.1f} KiB" if n < 1 << 20 else bytes_text(n)
