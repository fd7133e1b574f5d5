"""Rules that keep weights between 0 and a bound."""

from typing import Any, Literal

import equinox as eqx

from neuro4d._base import UnitError, internal_unit
from neuro4d.plasticity._base import AbstractPlasticity
from neuro4d.plasticity._numbers import number


class AbstractBounded(AbstractPlasticity):
    """A rule with a bound `w_max`, in the unit of the receptor's weights; where it is negative, weights lie between it and 0."""

    w_max: eqx.AbstractVar[float]
    unit: eqx.AbstractVar[Any]

    def check(self, weight_unit, where):
        if weight_unit != self.unit:
            raise UnitError(f"{where}: the receptor takes weights in {weight_unit}; got {type(self).__name__} in {self.unit}.")

    def limits(self):
        return min(self.w_max, 0.0), max(self.w_max, 0.0)


def bound(w_max: Any, rule: str) -> tuple[float, Any]:
    """The bound of a rule in an internal unit, and the unit.

    **Raises:** `UnitError` for another unit than those of weights, `ValueError` for 0 and for what is no finite number.
    """
    unit = internal_unit(w_max, f"{rule}.w_max")
    value = number(w_max, unit, f"{rule}.w_max")
    if not value:
        raise ValueError(f"{rule}.w_max is the bound of the weights and not 0, for example `w_max=1*u.nS`; got {w_max}.")
    return value, unit


def check_pairing(pairing: Any, rule: str) -> Literal["all", "nearest"]:
    """Which earlier spikes count.

    **Raises:** `ValueError` for anything but the two names.
    """
    if pairing not in ("all", "nearest"):
        raise ValueError(f'{rule}.pairing is "all" or "nearest"; got {pairing!r}.')
    return pairing


def least(w_min: Any, w_max: float, unit: Any, rule: str) -> float:
    """The other bound: 0 where none is given.

    **Raises:** `UnitError` for another unit, `ValueError` where it does not lie below a bound above 0.
    """
    if w_min is None:
        return 0.0
    value = number(w_min, unit, f"{rule}.w_min")
    if not value < w_max or w_max < 0:
        raise ValueError(f"{rule}.w_min lies below w_max, which is above 0, for example `w_min=-1*u.nS, w_max=1*u.nS`; got {w_min} and {w_max:g}.")
    return value
