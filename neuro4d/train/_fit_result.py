"""What `fit` gives back."""

import dataclasses
import math
from typing import Any, NamedTuple

from neuro4d._base import card, html_table, table
from neuro4d.train._fit_update import Carry


class Epoch(NamedTuple):
    """One row of the history; `nan` where there is nothing to say.

    **Fields:** `epoch`: from 1; `loss`, `accuracy`, `spikes` (per sample, of all spiking layers): of the training samples while they were learnt from; `held_out_loss`,
    `held_out_accuracy`, `held_out_spikes`: of the validation samples after it; `seconds`.
    """

    epoch: int
    loss: float
    accuracy: float
    spikes: float
    held_out_loss: float
    held_out_accuracy: float
    held_out_spikes: float
    seconds: float


class Resume(NamedTuple):
    """Where training stands: after the last epoch, and at the best one."""

    carry: Carry
    best: Carry
    key: Any


@dataclasses.dataclass(frozen=True, repr=False)
class FitResult:
    """A trained network, and how it came about. Prints as a table.

    **Fields:** `model`: with the parameters of the best epoch; `last`: with those of the last one; `history`: a row for each epoch; `best_epoch`; `stopped`:
    why training ended, `"epochs"`, `"patience"`, `"interrupted"` or `"diverged"`; `state`: what `fit(..., resume=result)` goes on from.
    """

    model: Any
    last: Any
    history: tuple[Epoch, ...]
    best_epoch: int
    stopped: str
    state: Resume

    def best(self) -> Epoch:
        """The row of the best epoch."""
        return self.history[self.best_epoch - 1]

    def _lines(self) -> tuple[list[str], list[list[str]]]:
        names = [name for name in _HEADS if name == "epoch" or any(not math.isnan(getattr(row, name)) for row in self.history)]
        rows = [[_cell(name, getattr(row, name)) for name in names] for row in self.history]
        for row in rows:
            row[0] += " *" if row[0] == str(self.best_epoch) else ""
        return [_HEADS_TEXT[_HEADS.index(name)] for name in names], rows

    def _title(self) -> str:
        return f"fit: {len(self.history)} epochs, ended by {self.stopped}; * the best is {self.best_epoch}, whose parameters `.model` has"

    def __repr__(self) -> str:
        head, rows = self._lines()
        shown = rows if len(rows) <= SHOWN else [*rows[: SHOWN // 2], ["..."] + [""] * (len(head) - 1), *rows[-SHOWN // 2 :]]
        return f"{self._title()}\n{table(head, shown, left=0)}"

    def _repr_html_(self) -> str:
        head, rows = self._lines()
        return card(self._title(), html_table(head, rows))


SHOWN = 20
_HEADS = Epoch._fields
_HEADS_TEXT = ("epoch", "loss", "accuracy", "spikes", "held-out loss", "held-out accuracy", "held-out spikes", "s")


def _cell(name: str, value: float) -> str:
    if name == "epoch":
        return str(value)
    if math.isnan(value):
        return ""
    if "accuracy" in name:
        return f"{100 * value:.2f} %"
    return f"{value:.1f}" if "spikes" in name or name == "seconds" else f"{value:.4g}"
