"""Costs side by side."""

import dataclasses
import importlib
from typing import Any

from neuro4d._base import card, html_table, table
from neuro4d.hardware._cost import Cost, si, texts

HEAD = ("target", "energy per step", "between", "per event", "time of a step", "power", "cores")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Costs by target; a sentence where a network does not fit."""

    costs: dict[str, Cost | str]

    def rows(self) -> list[tuple[str, ...]]:
        """What is printed."""
        return [_row(name, cost) for name, cost in self.costs.items()]

    def to_dict(self) -> dict[str, object]:
        """Everything as plain numbers."""
        return {name: cost if isinstance(cost, str) else cost.to_dict() for name, cost in self.costs.items()}

    def __getitem__(self, name: str) -> Cost | str:
        return self.costs[name]

    def __repr__(self) -> str:
        refused = [f"{name}: {cost}" for name, cost in self.costs.items() if isinstance(cost, str)]
        return "\n".join([table(HEAD, self.rows()), *refused])

    def _repr_html_(self) -> str:
        return card("Cost", html_table(HEAD, self.rows()))

    def plot(self, what: str = "energy_per_second", ax: Any = None) -> Any:
        """The targets with their bands, the lowest value on top; `what`: as in `n4.plot.cost_bands`; needs `pip install "neuro4d[plot]"`.

        **Returns:** matplotlib axes: `ax`, or new ones.
        """
        return importlib.import_module("neuro4d.plot").cost_bands(self, what, ax)


def _row(name: str, cost: Cost | str) -> tuple[str, ...]:
    if isinstance(cost, str):
        return (name, "does not fit", *[""] * (len(HEAD) - 2))
    return (
        name,
        *texts(cost.energy_per_step, "J"),
        si(float(cost.energy_per_event.value), "J"),
        si(float(cost.step_time.value), "s"),
        si(float(cost.power.value), "W"),
        f"{cost.cores:,}" if cost.cores else "",
    )
