"""The protocol of a gradient: one question, answered by several methods with their uncertainty."""

import abc
from typing import Any, NamedTuple

import equinox as eqx
from jaxtyping import Array

from neuro4d.model import Model
from neuro4d.train._parameters import Places
from neuro4d.train._statistic import AbstractStatistic


class Estimate(NamedTuple):
    """A value and its gradient.

    **Fields:** `value`: of the statistic, bare; `gradient`: by name of the place, with the shape of the leaf, in the unit of the
    statistic per internal unit of the leaf; `stderr`: the standard error of each entry where the method knows it, else `None`;
    `trials`: how many runs it took.
    """

    value: float
    gradient: dict[str, Array]
    stderr: dict[str, Array] | None
    trials: int


class AbstractGradient(eqx.Module):
    """A way to find the slope of a statistic with respect to numbers of a model."""

    @abc.abstractmethod
    def estimate(self, model: Model, where: Places, statistic: AbstractStatistic, key: Any) -> Estimate:
        """The slope.

        **Arguments:** `where`: places under names (`places(...)`); `statistic`: what is measured; `key`: of all trials together.
        """
