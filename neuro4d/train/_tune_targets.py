"""What a tuned network has to reach: statistics, the values wanted, how near is near enough, and their common measurement."""

from collections.abc import Collection, Mapping, Sequence
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


def check_confidence(confidence: float, caller: str) -> float:
    """A probability that an interval can have."""
    if not 0.5 <= confidence < 1:
        raise ValueError(f"{caller}: confidence lies between 0.5 and 1, for example `confidence=0.95`; got {confidence}.")
    return confidence


def read_targets(model: Model, given: Any, tolerance: Any, duration: Any, discard: Any, caller: str) -> list[Target]:
    """What a user wrote for `targets` and `tolerance`, checked. `caller`: the function whose arguments these are.

    **Raises:** `TypeError`, `UnitError`, `ValueError`, `UnknownNameError`, each with a line that works.
    """
    example = "`{'cells': 8*u.Hz}`, or `{'irregularity': (n4.train.CV('cells', 1*u.second), 0.8)}`"
    if not isinstance(given, Mapping) or not given:
        raise TypeError(f"{caller}: targets are a mapping from names to values, for example {example}; got {given!r:.80}.")
    check_span(caller, duration, discard)
    check_tolerance_names(tolerance, given, caller)
    out = []
    for name, wanted in given.items():
        check_name(name, "target")
        if isinstance(wanted, tuple | list):
            if len(wanted) != 2:
                raise TypeError(
                    f"{caller}: the target {name!r} is a pair of a statistic and a value, for example {example}; got {wanted!r:.80}."
                )
            statistic, value = as_statistic(wanted[0]), wanted[1]
        else:
            lookup(model.populations, name, "population")
            statistic, value = Rate(name, duration, discard=discard), wanted
        bare = _bare(value, statistic, f"{caller}: target {name!r}")
        if statistic.unit == u.Hz and bare < 0:
            raise ValueError(f"{caller}: the target {name!r} is a rate and cannot be below 0 Hz; got {value}.")
        out.append(Target(name, statistic, bare, read_tolerance(tolerance, name, bare, statistic, caller)))
    return out


def check_tolerance_names(tolerance: Any, names: Collection[str], caller: str, what: str = "target") -> None:
    """Tolerances by name belong to all targets, and to nothing else."""
    if not isinstance(tolerance, Mapping):
        return
    for name in tolerance:
        if name not in names:
            raise ValueError(f"{caller}: a tolerance for {name!r}, which is no {what}.{did_you_mean(name, names)}")
    missing = [name for name in names if name not in tolerance]
    if missing:
        raise ValueError(
            f"{caller}: there is no tolerance for the {what} {missing[0]!r}; give one for each, for example `tolerance={{{missing[0]!r}: 0.03, ...}}`, "
            "or one for all, `tolerance=0.03`."
        )


def _bare(value: Any, statistic: AbstractStatistic, where: str) -> float:
    unit = NUMBER if statistic.unit is None else statistic.unit
    bare = strip(value, unit, where)
    if bare.ndim or not np.isfinite(bare):
        raise ValueError(f"{where} is one finite number; got {value}.")
    return float(bare)


def read_tolerance(given: Any, name: str, target: float, statistic: AbstractStatistic, caller: str) -> float:
    """The tolerance of a target, bare in the unit of its statistic."""
    where = f"{caller}: tolerance of {name!r}"
    mine = given[name] if isinstance(given, Mapping) else given
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


def measure(statistics: Sequence[AbstractStatistic], model: Model, keys: Any) -> Float[np.ndarray, "trials statistics"]:
    """All statistics of a number of trials of one model, bare. Those that look at the same time share their runs.

    **Raises:** `KeyboardInterrupt` for runs that Ctrl-C has cut short.
    """
    values = np.full((len(keys), len(statistics)), np.nan)
    shared: dict[tuple[float, float], dict[int, AbstractRunStatistic]] = {}
    for number, statistic in enumerate(statistics):
        if isinstance(statistic, AbstractRunStatistic):
            span = (float(statistic.duration.to_decimal(u.ms)), float(statistic.discard.to_decimal(u.ms)))
            shared.setdefault(span, {})[number] = statistic
        else:
            values[:, number] = statistic.measure([model], keys)
    for together in shared.values():
        runs = record([model], keys, list(together.values()))
        values[:, list(together)] = [[statistic.of(run) for statistic in together.values()] for run in runs]
    return values
