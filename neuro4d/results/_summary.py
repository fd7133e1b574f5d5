"""The table at the end of a run."""

import dataclasses
import math
from typing import Any, NamedTuple

from neuro4d._base import card, html_table, table


class PopulationSummary(NamedTuple):
    """One row of a `Summary`; `nan` where nothing was recorded or no neuron fired often enough."""

    name: str
    neurons: int
    rate_hz: float
    cv: float
    cv_neurons: int
    synchrony: float


_HEAD = ("population", "neurons", "rate (Hz)", "CV ISI", "of neurons", "synchrony")


@dataclasses.dataclass(frozen=True, repr=False)
class Summary:
    """Numbers of a run in one small object: prints as a table, `as_dict` gives plain values for JSON.

    The column after the CV says how many neurons fired often enough to stand behind it. `synchrony` is variance / mean of the
    population count in bins of 3 ms. The real-time factor is wall time / biological time: below 1 the simulation is faster
    than the tissue.
    """

    populations: tuple[PopulationSummary, ...]
    neurons: int
    synapses: int
    dt_ms: float
    duration_ms: float
    compile_s: float
    wall_s: float
    completed: bool

    @property
    def real_time_factor(self) -> float:
        """Seconds of wall time per second of biological time."""
        return self.wall_s / (self.duration_ms / 1e3) if self.duration_ms > 0 else math.nan

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and dictionaries; `None` stands for a number that is not defined."""
        return {
            "neurons": self.neurons,
            "synapses": self.synapses,
            "dt_ms": self.dt_ms,
            "duration_ms": self.duration_ms,
            "completed": self.completed,
            "neurons_by_population": {row.name: row.neurons for row in self.populations},
            "rates_hz": {row.name: _known(row.rate_hz) for row in self.populations},
            "cv": {row.name: _known(row.cv) for row in self.populations},
            "cv_neurons": {row.name: row.cv_neurons for row in self.populations},
            "synchrony": {row.name: _known(row.synchrony) for row in self.populations},
            "compile_s": self.compile_s,
            "wall_s": self.wall_s,
            "real_time_factor": _known(self.real_time_factor),
        }

    def html(self) -> str:
        """The same as static HTML."""
        return html_table(_HEAD, self._cells()) + f"<div>{self._footer()}</div>"

    def _repr_html_(self) -> str:
        return card(self._title(), self.html())

    def __repr__(self) -> str:
        return f"{table(_HEAD, self._cells())}\n{self._footer()}"

    def _cells(self) -> list[tuple[str, ...]]:
        return [
            (row.name, f"{row.neurons}", _number(row.rate_hz), _number(row.cv), f"{row.cv_neurons}", _number(row.synchrony, 1))
            for row in self.populations
        ]

    def _title(self) -> str:
        return f"{self.neurons} neurons, {self.synapses} synapses"

    def _footer(self) -> str:
        state = "completed" if self.completed else "interrupted"
        return (
            f"{self._title()}; {self.duration_ms:g} ms in {self.wall_s:.2f} s "
            f"(real-time factor {self.real_time_factor:.2f}), compiled in {self.compile_s:.2f} s, {state}"
        )


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _number(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"
