"""What a tuned network has to reach: statistics, the values wanted, how near is near enough, and their common measurement."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import brainunit as u
import numpy as np
from jaxtyping import Float

from neuro4d._base import NUMBER, UnitError, check_name, did_you_mean, lookup, strip
from neuro4d.model import Model
from neuro4d.train._statistic import AbstractRunStatistic, AbstractStatistic, Rate, as_statistic, check_span, record

FLOOR = 0.1
"""Of a target rate, added before the logarithm."""


class Target(NamedTuple):
    """A statistic under a name, the value wanted and the tolerance, both bare in the unit of the statistic."""

    name: str
    statistic: AbstractStatistic
    value: float
    tolerance: float

    @property
    def unit(self) -> Any:
        return NUMBER if self.statistic.unit is None else self.statistic.unit

    def score(self, measured: Any) -> Any:
        """How far from the target, in tolerances. Rates count by their logarithm, which bends less: silence is far away, not next to 1 Hz."""
        if self.unit != u.Hz or self.value <= 0:
            return (measured - self.value) / self.tolerance
        scale = (1 + FLOOR) * self.value
        return scale / self.tolerance * np.log((np.maximum(measured, 0) + FLOOR * self.value) / scale)

    def score_slope(self, measured: float) -> float:
        """The derivative of `score`."""
        if self.unit != u.Hz or self.value <= 0:
            return 1 / self.tolerance
        return (1 + FLOOR) * self.value / self.tolerance / (max(measured, 0) + FLOOR * self.value)


def read_targets(model: Model, given: Any, tolerance: Any, duration: Any, discard: Any) -> list[Target]:
    """What a user wrote for `targets` and `tolerance`, checked.

    **Raises:** `TypeError`, `UnitError`, `ValueError`, `UnknownNameError`, each with a line that works.
    """
    example = "`{'cells': 8*u.Hz}`, or `{'irregularity': (n4.train.CV('cells', 1*u.second), 0.8)}`"
    if not isinstance(given, Mapping) or not given:
        raise TypeError(f"tune: targets are a mapping from names to values, for example {example}; got {given!r:.80}.")
    check_span("tune", duration, discard)
    out = []
    for name, wanted in given.items():
        check_name(name, "target")
        if isinstance(wanted, tuple | list):
            if len(wanted) != 2:
                raise TypeError(
                    f"tune: the target {name!r} is a pair of a statistic and a value, for example {example}; got {wanted!r:.80}."
                )
            statistic, value = as_statistic(wanted[0]), wanted[1]
        else:
            lookup(model.populations, name, "population")
            statistic, value = Rate(name, duration, discard=discard), wanted
        bare = _bare(value, statistic, f"tune: target {name!r}")
        if statistic.unit == u.Hz and bare < 0:
            raise ValueError(f"tune: the target {name!r} is a rate and cannot be below 0 Hz; got {value}.")
        out.append(Target(name, statistic, bare, _tolerance(tolerance, name, bare, statistic)))
    if isinstance(tolerance, Mapping):
        for name in tolerance:
            if name not in given:
                raise ValueError(f"tune: a tolerance for {name!r}, which is no target.{did_you_mean(name, given)}")
    return out


def _bare(value: Any, statistic: AbstractStatistic, where: str) -> float:
    unit = NUMBER if statistic.unit is None else statistic.unit
    bare = strip(value, unit, where)
    if bare.ndim or not np.isfinite(bare):
        raise ValueError(f"{where} is one finite number; got {value}.")
    return float(bare)


def _tolerance(given: Any, name: str, target: float, statistic: AbstractStatistic) -> float:
    where = f"tune: tolerance of {name!r}"
    mine = given.get(name, 0.03) if isinstance(given, Mapping) else given
    try:
        relative = float(strip(mine, NUMBER, where))
    except UnitError:
        bare = _bare(mine, statistic, where)
    else:
        if relative and target == 0:
            raise ValueError(
                f"{where} is a share of the target, which is 0: give it in the unit of the target, for example `tolerance=0.1*u.Hz`."
            )
        bare = relative * abs(target)
    if not bare > 0:
        raise ValueError(f"{where} has to be more than 0, for example `tolerance=0.03` (3 %) or `tolerance=0.3*u.Hz`; got {mine}.")
    return bare


class Measured(NamedTuple):
    """What a batch of trials gave, `(trials, targets)`, bare; `completed` is false after Ctrl-C."""

    values: Float[np.ndarray, "trials targets"]
    completed: bool


def measure(targets: Sequence[Target], model: Model, keys: Any) -> Measured:
    """All targets of a number of trials of one model. Statistics that look at the same time share their runs."""
    values, completed = np.full((len(keys), len(targets)), np.nan), True
    shared: dict[tuple[float, float], list[int]] = {}
    for number, target in enumerate(targets):
        statistic = target.statistic
        if isinstance(statistic, AbstractRunStatistic):
            span = (float(statistic.duration.to_decimal(u.ms)), float(statistic.discard.to_decimal(u.ms)))
            shared.setdefault(span, []).append(number)
        else:
            values[:, number] = statistic.measure([model], keys)
    for numbers in shared.values():
        statistics = [target.statistic for target in (targets[i] for i in numbers) if isinstance(target.statistic, AbstractRunStatistic)]
        runs = record([model], keys, statistics)
        completed = completed and all(run.completed for run in runs)
        if completed:
            values[:, numbers] = [[statistic.of(run) for statistic in statistics] for run in runs]
    return Measured(values, completed)
