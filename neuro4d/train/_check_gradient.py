"""A gradient next to the slope that is measured: sign, ratio and noise."""

from typing import Any, NamedTuple

import jax
import numpy as np

from neuro4d._base import card, check_count, html_table, lookup, table
from neuro4d.model import Model
from neuro4d.train._differences import Differences
from neuro4d.train._estimate import AbstractGradient, Estimate, together
from neuro4d.train._parameters import Places, Where, places, read, unit_text
from neuro4d.train._recommended import recommended
from neuro4d.train._statistic import as_statistic

KNOWN = 0.1
"""The standard error, relative to the slope, below which a measured slope counts as known."""

CLOSE = 0.25
"""How far a gradient may be from a known slope to agree with it."""

SIGNIFICANT = 2.0
"""Standard errors that a slope has to be away from 0 for its sign to count."""


class Checked(NamedTuple):
    """One place.

    **Fields:** `place`; `unit` of its numbers; `measured`, `measured_error`: the slope and its standard error; `estimated`,
    `estimated_error`: what the gradient says (`nan` where it does not know).
    """

    place: str
    unit: str
    measured: float
    measured_error: float
    estimated: float
    estimated_error: float

    @property
    def ratio(self) -> float:
        """Of the estimate to the measured slope."""
        return self.estimated / self.measured if self.measured else float("nan")

    @property
    def noise(self) -> float:
        """The standard error of the measured slope, relative to it."""
        return self.measured_error / abs(self.measured) if self.measured else float("inf")

    @property
    def known(self) -> bool:
        """Whether the measured slope is known better than 10 %."""
        return self.noise < KNOWN

    @property
    def sign(self) -> bool | None:
        """Whether both have one sign, or `None` where that of the measured slope is not known."""
        if not np.isfinite(self.estimated):
            return False
        return None if abs(self.measured) <= SIGNIFICANT * self.measured_error else self.estimated * self.measured > 0

    @property
    def verdict(self) -> str:
        """In words."""
        if not np.isfinite(self.estimated):
            return "not finite"
        if self.sign is None:
            return "slope not measurable"
        if not self.sign:
            return "wrong sign" if self.estimated else "blind"
        if abs(self.ratio - 1) <= CLOSE:
            return "agrees"
        if not self.known and abs(self.estimated - self.measured) <= SIGNIFICANT * np.hypot(
            self.measured_error, np.nan_to_num(self.estimated_error)
        ):
            return "agrees within noise"
        return f"right sign, {_times(self.ratio)}"


def _times(ratio: float) -> str:
    return f"{ratio:.3g} times too large" if ratio > 1 else f"{1 / ratio:.3g} times too small"


class GradientCheck(NamedTuple):
    """A gradient next to the measured slope, place by place; prints as a table.

    **Fields:** `rows`: one `Checked` per place; `gradient`: that was checked; `because`: why, if nobody chose it; `estimate`,
    `measured`: what both found; `unit` of the statistic.
    """

    rows: tuple[Checked, ...]
    gradient: AbstractGradient
    because: str
    estimate: Estimate
    measured: Estimate
    unit: str

    def __getitem__(self, place):  # type: ignore[override]
        """The row of a place."""
        return lookup({row.place: row for row in self.rows}, place, "place")

    @property
    def agrees(self) -> bool:
        """Whether every sign that is known is right, and every slope that is known better than 10 % is met within 25 %."""
        return all(row.sign is not False and (not row.known or abs(row.ratio - 1) <= CLOSE) for row in self.rows)

    @property
    def title(self) -> str:
        name = type(self.gradient).__name__
        return f"{name} ({self.estimate.trials} runs) next to differences ({self.measured.trials} runs)"

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows as text."""
        head = ["place", "unit", "measured", "gradient", "ratio", "sign", "noise", "verdict"]
        return head, [_line(row, self.unit) for row in self.rows]

    def __str__(self):
        head, rows = self.table()
        return "\n".join([self.title, *([self.because] if self.because else []), table(head, rows, left=len(head))])

    def __repr__(self):
        return str(self)

    def _repr_html_(self) -> str:
        return card(self.title, html_table(*self.table()), *([f"<div>{self.because}</div>"] if self.because else []))


def _line(row: Checked, unit: str) -> list[str]:
    sign = {None: "?", True: "right", False: "wrong"}[row.sign]
    noise = f"{100 * row.noise:.0f} %" if np.isfinite(row.noise) else "-"
    per = f"{unit}/{row.unit}" if unit and row.unit else unit or (f"1/{row.unit}" if row.unit else "")
    return [
        row.place, per, _number(row.measured, row.measured_error), _number(row.estimated, row.estimated_error),
        f"{row.ratio:.3g}", sign, noise, row.verdict,
    ]  # fmt: skip


def _number(value: float, error: float) -> str:
    return f"{value:.4g} ± {error:.2g}" if np.isfinite(error) else f"{value:.4g}"


def check_gradient(
    model: Model,
    where: Where | Places,
    loss: Any,
    *,
    gradient: AbstractGradient | None = None,
    key: Any = None,
    trials: int = 64,
    step: Any = None,
) -> GradientCheck:
    """Compares a gradient with the slope that is measured by differences of independent trials.

    Numbers of one place are compared along the direction in which all grow together, in proportion to their size.

    **Arguments:**

    - `where`: places, as for `n4.train.places`.
    - `loss`: a statistic, or a function `(model, key) -> scalar`; for gradients that make their steps in a way of their own
      `(model, key, loop) -> scalar`, with `loop.total`.
    - `gradient`: by default what `n4.train.recommended` says.
    - `key`: a typed random key, by default `jax.random.key(0)`; the gradient and the measurement get different ones.
    - `trials`: pairs of runs that the slope is measured with; they do not meet the noise of the gradient.
    - `step`: as for `n4.train.Differences`, of the measurement.

    **Returns:** a `GradientCheck`: rows with sign, ratio, noise and a verdict. It prints as a table.

    **Raises:** as the gradient, and `ValueError` for fewer than 2 trials.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 20, lif, v0=n4.Uniform(-60*u.mV, -50*u.mV))
        >>> model = n4.Network(cells, n4.Clamp("drive", cells, 200*u.pA)).build(dt=0.1*u.ms, seed=0)
        >>> place = {"threshold": lambda m: m.neurons["cells"].v_th}
        >>> found = n4.train.check_gradient(model, place, n4.train.Rate("cells", 200*u.ms), key=jr.key(0), trials=16)
        >>> found["threshold"].verdict
        'agrees'
    """
    known, statistic = places(where), as_statistic(loss)
    because = ""
    if gradient is None:
        gradient, because = recommended(model, known)
    own, other = jax.random.split(jax.random.key(0) if key is None else key)
    measure = Differences(check_count(trials, "trials"), step, most=trials, entries=1)
    measured = measure.estimate(model, known, statistic, other)
    return compared(model, known, gradient, gradient.estimate(model, known, statistic, own), measured, statistic.unit, because)


def compared(
    model: Model, where: Places, gradient: AbstractGradient, estimate: Estimate, measured: Estimate, unit: Any, because: str = ""
) -> GradientCheck:
    """An estimate next to a measured one."""
    rows = []
    for name, value in read(model, where).items():
        slope, error = together(estimate, name, value)
        truth, spread = together(measured, name, value)
        rows.append(Checked(name, unit_text(model, where[name]), truth, spread, slope, error))
    return GradientCheck(tuple(rows), gradient, because, estimate, measured, "" if unit is None else str(unit))


def slope_along(model: Model, where: Places, estimate: Estimate, place: str) -> tuple[float, float]:
    """The slope along all numbers of a place together, in proportion to their size, and its standard error, `nan` where it is not known.

    **Arguments:** `where`: places under names; `estimate`: what a gradient found there; `place`: a name.
    """
    return together(estimate, place, read(model, {place: where[place]})[place])
