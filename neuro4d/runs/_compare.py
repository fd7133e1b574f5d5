"""Two runs side by side."""

import dataclasses
from typing import Any

from neuro4d._base import card, html_table, table
from neuro4d.runs._plain import shown
from neuro4d.runs._row import RunRow

_OF_EVERY_RUN = ("id", "uid", "started", "ended", "sweep", "machine.load_1_minute", "spikes.sha256")
"""What differs between any two runs, and says nothing about them."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What two runs have apart. Prints as a table.

    **Fields:** `a`, `b`: the rows.

    !!! Example

        >>> with n4.RunDB("two.db") as db:
        ...     found = db.compare(db.add(parameters={"g": 5.0}), db.add(parameters={"g": 4.5}))
        >>> print(found)
        runs 1 and 2: spikes not noted in both, 1 differences
        field         1    2
        ------------  -  ---
        parameters.g  5  4.5
    """

    a: RunRow
    b: RunRow

    @property
    def differences(self) -> dict[str, tuple[Any, Any]]:
        """The values that differ, by their names in `row.flat()`; `None` for one that a row does not have."""
        a, b = self.a.flat(), self.b.flat()
        names = [name for name in dict.fromkeys((*a, *b)) if name not in _OF_EVERY_RUN]
        return {name: (a.get(name), b.get(name)) for name in names if not _same(a.get(name), b.get(name))}

    @property
    def same_spikes(self) -> bool | None:
        """Whether both runs gave the same spikes, every one at the same step from the same neuron; `None` where one of them noted none."""
        if self.a.spikes is None or self.b.spikes is None or self.a.spikes.of != self.b.spikes.of:
            return None
        return self.a.spikes.sha256 == self.b.spikes.sha256

    def _title(self) -> str:
        said = {None: "spikes not noted in both", True: "the same spikes", False: "other spikes"}[self.same_spikes]
        return f"runs {self.a.id} and {self.b.id}: {said}, {len(self.differences)} differences"

    def _lines(self) -> tuple[tuple[str, str, str], list[tuple[str, str, str]]]:
        return ("field", str(self.a.id), str(self.b.id)), [(shown(name), shown(a), shown(b)) for name, (a, b) in self.differences.items()]

    def __repr__(self) -> str:
        return "\n".join([self._title(), *([table(*self._lines())] if self.differences else [])])

    def _repr_html_(self) -> str:
        return card(self._title(), html_table(*self._lines()))


def _same(a: Any, b: Any) -> bool:
    return a == b or (a != a and b != b)  # NaN is what NaN is
