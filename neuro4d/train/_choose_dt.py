"""The time step: the largest one whose statistics are those of shorter steps."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import brainunit as u
import jax
import numpy as np

from neuro4d._base import card, check_count, check_name, html_table, strip, table
from neuro4d.model import Model
from neuro4d.network import Network
from neuro4d.train._statistic import AbstractStatistic, Rate, as_statistic
from neuro4d.train._tune_solver import student_quantile
from neuro4d.train._tune_targets import check_confidence, check_tolerance_names, measure, read_tolerance


class StepRow(NamedTuple):
    """One time step: means and standard errors of the statistics, bare by name, and whether they agree with the shortest step.

    `agrees`: `True` where every difference lies within the tolerance with the confidence asked for, `False` where one lies outside, `None` where
    the noise leaves it open or the network cannot be built (`refused` then says why).
    """

    dt_ms: float
    mean: dict[str, float]
    stderr: dict[str, float]
    agrees: bool | None
    refused: str = ""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TimeStep:
    """The choice of a time step. Prints as a table.

    **Fields:** `dt`: the choice; `table`: a `StepRow` for every candidate, longest first; `tolerance`: bare by name.
    """

    dt: Any
    table: tuple[StepRow, ...]
    tolerance: dict[str, float]

    def _rows(self) -> list[tuple[str, ...]]:
        words = {True: "yes", False: "no", None: "open"}
        return [
            (
                f"{row.dt_ms:g} ms",
                *(f"{row.mean[k]:.4g} ± {row.stderr[k]:.2g}" if row.mean else "-" for k in self.tolerance),
                row.refused or words[row.agrees],
            )
            for row in self.table
        ]

    def _head(self) -> tuple[str, ...]:
        return ("time step", *self.tolerance, "agrees")

    def __repr__(self) -> str:
        head = self._head()
        return f"largest time step that agrees: {self.dt}\n{table(head, self._rows(), left=len(head))}"

    def _repr_html_(self) -> str:
        return card(f"largest time step that agrees: {self.dt}", html_table(self._head(), self._rows()))


def choose_dt(
    network: Network | Callable[[Any], Model],
    tolerance: Any = 0.03,
    *,
    steps: Any = (1.0, 0.5, 0.2, 0.1, 0.05) * u.ms,
    statistics: Mapping[str, Any] | None = None,
    duration: Any = 1 * u.second,
    discard: Any = 200 * u.ms,
    trials: int = 8,
    confidence: float = 0.95,
    key: Any = None,
    seed: int = 0,
) -> TimeStep:
    """The largest time step whose statistics agree with those of the shortest one.

    Every candidate is run in the same number of trials. It agrees if the interval of the difference to the shortest step lies within the tolerance,
    for all statistics together; the choice is the largest one of an unbroken series of steps that agree.

    **Arguments:**

    - `network`: a `Network`, built with `seed` for every step, or a function of the step that gives a model.
    - `tolerance`: a share of each statistic, a quantity, or either by name.
    - `steps`: candidates, two or more. [time]
    - `statistics`: by name; by default the rates of all populations, measured for `duration` after `discard`. [time]
    - `trials`: runs of each candidate, 2 or more. `confidence`: of the intervals. `key`: of all trials.

    **Returns:** a `TimeStep`: `.dt`, and `.table` with every candidate. What a step cannot represent, delays that are no multiples of it, is
    said in its row.

    **Raises:** `TypeError`, `UnitError`, `ValueError` for arguments that do not fit; `ValueError` where not even the second step agrees: shorter
    ones, more trials or a wider tolerance are needed, and the message has the table.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 5, lif)
        >>> net = n4.Network(cells, n4.Clamp("drive", cells, 150*u.pA))
        >>> print(n4.train.choose_dt(net, 0.05, steps=[0.5, 0.1]*u.ms, duration=500*u.ms, trials=2).dt)
        0.5 ms
    """
    # Quantities of several numbers are kept in single precision: 0.05 ms has to be 0.05 ms again, or no duration is a multiple of it.
    sizes = np.array([float(f"{x:.6g}") for x in np.sort(np.atleast_1d(strip(steps, u.ms, "choose_dt: steps")))[::-1]])
    if len(np.unique(sizes)) < 2 or not np.all(sizes > 0):
        raise ValueError(f"choose_dt: give two steps or more, for example `steps=[0.5, 0.2, 0.1]*u.ms`; got {steps}.")
    trials = check_count(trials, "choose_dt: trials", low=2)
    check_confidence(confidence, "choose_dt")
    models = {float(dt): _built(network, float(dt), seed) for dt in sizes}
    reference = models[float(sizes[-1])]
    if not isinstance(reference, Model):
        raise ValueError(f"choose_dt: the shortest step, {sizes[-1]:g} ms, cannot be built: {reference}")
    looked_at = _statistics(reference, statistics, duration, discard)
    check_tolerance_names(tolerance, looked_at, "choose_dt", "statistic")
    keys = jax.random.split(jax.random.key(0) if key is None else key, trials)
    found = {dt: measure(list(looked_at.values()), model, keys) for dt, model in models.items() if isinstance(model, Model)}
    means = zip(looked_at.items(), found[float(sizes[-1])].mean(axis=0).tolist(), strict=True)
    bounds = {name: read_tolerance(tolerance, name, x, statistic, "choose_dt") for (name, statistic), x in means}
    quantile = student_quantile(1 - (1 - confidence) / (2 * len(bounds)), 2 * trials - 2)
    table = tuple(_row(dt, models[dt], found, float(sizes[-1]), bounds, quantile) for dt in map(float, sizes))
    return _chosen(table, bounds)


def _built(network: Any, dt: float, seed: int) -> Model | str:
    """The model at a time step, or why there is none."""
    if not isinstance(network, Network) and not callable(network):
        raise TypeError(f"choose_dt: expected a network, or a function of the time step that gives a model; got {type(network).__name__}.")
    try:
        model = network.build(dt=dt * u.ms, seed=seed, progress=False) if isinstance(network, Network) else network(dt * u.ms)
    except ValueError as refused:
        return str(refused)
    if not isinstance(model, Model):
        raise TypeError(
            f"choose_dt: the function of the time step has to give a model, `net.build(dt=dt, seed=0)`; got {type(model).__name__}."
        )
    return model


def _statistics(model: Model, statistics: Mapping[str, Any] | None, duration: Any, discard: Any) -> dict[str, AbstractStatistic]:
    """The statistics by name."""
    if statistics is None:
        return {name: Rate(name, duration, discard=discard) for name in model.populations}
    if not isinstance(statistics, Mapping) or not statistics:
        raise TypeError(f"choose_dt: statistics have names, `{{'rate': n4.train.Rate('cells', 1*u.second)}}`; got {statistics!r:.80}.")
    return {check_name(name, "statistic"): as_statistic(each) for name, each in statistics.items()}


def _row(dt: float, model: Any, found: Mapping[float, Any], shortest: float, bounds: Mapping[str, float], quantile: float) -> StepRow:
    """The statistics of a step, and whether they agree with those of the shortest."""
    if dt not in found:
        return StepRow(dt, {}, {}, None, str(model))
    values, other = found[dt], found[shortest]
    n, names = len(values), list(bounds)
    mean, stderr = (dict(zip(names, x.tolist(), strict=True)) for x in (values.mean(axis=0), values.std(axis=0, ddof=1) / math.sqrt(n)))
    if dt == shortest:
        return StepRow(dt, mean, stderr, True)
    off = np.abs(values.mean(axis=0) - other.mean(axis=0))
    margin = quantile * np.sqrt((values.var(axis=0, ddof=1) + other.var(axis=0, ddof=1)) / n)
    limit = np.array(list(bounds.values()))
    if np.all(off + margin <= limit):
        return StepRow(dt, mean, stderr, True)
    return StepRow(dt, mean, stderr, False if np.any(off - margin > limit) else None)


def _chosen(table: tuple[StepRow, ...], bounds: dict[str, float]) -> TimeStep:
    """The largest step of the unbroken series that agrees with the shortest."""
    best = table[-1]
    for row in reversed(table[:-1]):
        if row.agrees is not True and not row.refused:
            break
        best = best if row.refused else row
    result = TimeStep(best.dt_ms * u.ms, table, bounds)
    if best is table[-1]:
        raise ValueError(
            "choose_dt: no step agrees with the shortest within the tolerance, so nothing says that it has converged itself. Give shorter steps, "
            f"more `trials`, a longer `duration`, or a wider tolerance.\n{result!r}"
        )
    return result
