"""The protocol of a gradient: one question, answered by several methods with their uncertainty."""

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neuro4d.model import Model
from neuro4d.train._parameters import Places
from neuro4d.train._statistic import AbstractStatistic


class Estimate(NamedTuple):
    r"""A value and its gradient.

    **Fields:**

    - `value`: of the statistic, bare.
    - `gradient`: by name of the place, in the unit of the statistic per internal unit of the leaf. Its shape is that of the numbers at
      the place (of `n4.Weights`, one per synapse), except for names in `together`: there it is one number, `()`.
    - `stderr`: the standard error of each entry where the method knows it, else `None`.
    - `trials`: how many runs it took.
    - `together`: places whose numbers were moved together, each in proportion to its size: $\sum_i g_i |w_i| / \overline{|w|}$. For
      equal numbers that is the slope along the one number that they are.
    - `stderr_together`: by place, the standard error of that sum where each entry has its own slope: entries of one run are not
      independent.
    """

    value: float
    gradient: dict[str, Array]
    stderr: dict[str, Array] | None
    trials: int
    together: tuple[str, ...] = ()
    stderr_together: dict[str, Array] | None = None


class AbstractGradient(eqx.Module):
    """A way to find the slope of a statistic with respect to numbers of a model."""

    @abc.abstractmethod
    def estimate(self, model: Model, where: Places, statistic: AbstractStatistic, key: Any) -> Estimate:
        """The slope.

        **Arguments:** `where`: places under names (`places(...)`); `statistic`: what is measured; `key`: of all trials together.
        """


def direction(value: Any) -> np.ndarray:
    """How far each of some numbers goes when all are moved together by 1: in proportion to its size, 1 for equal numbers."""
    size = np.abs(np.asarray(value, np.float64))
    mean = size.mean()
    return np.ones_like(size) if mean == 0 else size / mean


def along(gradient: Any, value: Any) -> np.ndarray:
    """The slope along all numbers of a place together, from that of each; axes in front of those of the value stay."""
    weighted = np.asarray(gradient, np.float64) * direction(value)
    return weighted.sum(axis=tuple(range(weighted.ndim - np.ndim(value), weighted.ndim)))


def together(estimate: Estimate, name: str, value: Any) -> tuple[float, float]:
    """The slope along all numbers of a place together, and its standard error, `nan` where it is not known; `value`: the numbers."""
    slope, known = np.asarray(estimate.gradient[name], np.float64), estimate.stderr
    if name in estimate.together or not slope.ndim:
        return float(slope), float("nan") if known is None else float(known[name])
    if estimate.stderr_together is not None:
        return float(along(slope, value)), float(estimate.stderr_together[name])
    error = float("nan") if known is None else float(np.linalg.norm(np.asarray(known[name], np.float64) * direction(value)))
    return float(along(slope, value)), error


def of_trials(values: Any, gradients: dict[str, Array], numbers: dict[str, Array]) -> Estimate:
    """Mean and standard error over independent trials, whose axis is the first; `numbers`: those at the places."""
    trials = int(np.shape(values)[0])
    mean = {name: jnp.mean(each, 0) for name, each in gradients.items()}
    value = float(np.mean(np.asarray(values, np.float64)))
    if trials == 1:
        return Estimate(value, mean, None, trials)
    error = {name: jnp.std(each, 0, ddof=1) / np.sqrt(trials) for name, each in gradients.items()}
    whole = {name: jnp.asarray(np.std(along(each, numbers[name]), ddof=1) / np.sqrt(trials)) for name, each in gradients.items()}
    return Estimate(value, mean, error, trials, (), whole)
