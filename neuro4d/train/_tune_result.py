"""What tuning leaves: the new model, every run as a row, and how sure it is."""

import dataclasses
import importlib
from typing import Any, NamedTuple

from neuro4d._base import NUMBER, card, html_table, table
from neuro4d.model import Model


class Update(NamedTuple):
    """One batch of runs at one setting.

    **Fields:** `number` from 0; `kind`: `"start"`, `"probe"` (for slopes), `"step"` or `"check"`; `values` of the places, `measured` means of the
    targets and their `stderr`, all bare by name; `trials` of this batch; `wall_s`.
    """

    number: int
    kind: str
    values: dict[str, float]
    measured: dict[str, float]
    stderr: dict[str, float]
    trials: int
    wall_s: float


class Reached(NamedTuple):
    """A target and what trials that had no part in the choice of the values gave: bare numbers in `unit`."""

    target: float
    tolerance: float
    mean: float
    stderr: float
    trials: int
    unit: Any


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Tuned:
    """The result of `tune`. Prints as a report.

    **Fields:**

    - `model`: with the values found; the best so far where `converged` is false.
    - `values`, `uncertainty`: by name of the place: the number found and its standard error, from the noise of what was measured and the
      slopes. [the unit of the place]
    - `reached`: by name of the target.
    - `slopes`: change of each target with each place, `slopes["cells"]["threshold"]`, bare.
    - `history`: every batch of runs, a tuple of `Update`.
    - `converged`: whether fresh trials met all targets within their tolerances, with the stated `confidence` for this setting, all targets and all
      looks at its growing number of trials together; `reason`: why it ended.
    - `wall_s`: seconds; `units` of the places by name.
    """

    model: Model
    values: dict[str, Any]
    uncertainty: dict[str, Any]
    reached: dict[str, Reached]
    slopes: dict[str, dict[str, float]]
    history: tuple[Update, ...]
    converged: bool
    confidence: float
    reason: str
    wall_s: float
    units: dict[str, Any]

    @property
    def updates(self) -> int:
        """Batches of runs."""
        return len(self.history)

    @property
    def report(self) -> str:
        """The report that is printed."""
        return "\n".join([self._title(), "", table(*self._places()), "", table(*self._targets())])

    def plot(self) -> Any:
        """Targets and places over the updates. Returns matplotlib axes; needs `pip install "neuro4d[plot]"`."""
        # Opened when a picture is asked for, as by `run.plot`: importing neuro4d never imports a plotting library.
        return importlib.import_module("neuro4d.plot").tuning(self)

    def _title(self) -> str:
        state = "Tuned" if self.converged else "Not tuned"
        return f"{state} in {self.updates} updates, {self.wall_s:.1f} s: {self.reason}"

    def _places(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        rows: list[tuple[str, ...]] = []
        for name, value in self.values.items():
            unit = self.units[name]
            first = self.history[0].values[name]
            rows.append((name, _shown(first, unit), _shown(_bare(value, unit), unit), _shown(_bare(self.uncertainty[name], unit), unit)))
        return ("place", "from", "to", "standard error"), rows

    def _targets(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        rows: list[tuple[str, ...]] = []
        for name, each in self.reached.items():
            first = self.history[0].measured[name]
            rows.append(
                (
                    name,
                    f"{_shown(each.target, each.unit)} ± {each.tolerance:.2g}",
                    _shown(first, each.unit),
                    f"{each.mean:.4g} ± {each.stderr:.2g}",
                    str(each.trials),
                )
            )
        return ("target", "wanted", "before", "now", "trials"), rows

    def __repr__(self) -> str:
        return self.report

    def _repr_html_(self) -> str:
        return card(self._title(), html_table(*self._places()), html_table(*self._targets()))


def _bare(value: Any, unit: Any) -> float:
    return float(value if unit == NUMBER else value.to_decimal(unit))


def _shown(value: float, unit: Any) -> str:
    return f"{value:.5g}" + ("" if unit == NUMBER else f" {unit}")
