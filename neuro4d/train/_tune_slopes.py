"""The first slopes of a search: from a gradient, from theory, or measured."""

import contextlib
from typing import Any

import jax
import numpy as np

from neuro4d.train._estimate import AbstractGradient
from neuro4d.train._mean_field_gradient import MeanField
from neuro4d.train._statistic import Rate
from neuro4d.train._tune_places import PoissonRate
from neuro4d.train._tune_search import Search, Stopped
from neuro4d.train._tune_solver import Point, Prior

REACH = (1.0, -1.0, 4.0, -4.0, 12.0, -12.0, 36.0, -36.0)
"""Natural steps at which an influence is looked for, one after the other."""


MANY = 3
"""Places from which on theory is asked first where there is one: below, a few runs cost less than to compile it."""


def first_slopes(search: Search, gradient: AbstractGradient | None) -> None:
    """Makes the prior of the search: what a gradient or theory says, or differences of runs that share their random numbers."""
    if gradient is not None:
        search.prior = _from_gradient(search, gradient)
        return
    if len(search.levers) >= MANY:
        with contextlib.suppress(TypeError, ValueError):  # what the theory does not know, or a state that it does not find
            search.prior = _from_gradient(search, MeanField())
            return
    start = search.points[0]
    slope = np.zeros((len(search.targets), len(search.levers)))
    for number in range(len(search.levers)):
        slope[:, number] = _measured(search, start, number)
    size = np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-3)
    search.prior = Prior(slope, np.broadcast_to(2 * size, slope.shape))


def _measured(search: Search, start: Point, number: int) -> np.ndarray:
    """The slopes of all targets along one parameter, from the shortest distance at which one of them changes beyond doubt."""
    lever, best = search.levers[number], None
    for reach in REACH:
        if not search.low[number] <= reach <= search.high[number]:
            reach = float(np.clip(reach, search.low[number], search.high[number]) / 2)
        c = start.c.copy()
        c[number] += reach
        if abs(reach) < 1e-3 or not _accepted(search, c):
            continue
        point = search.run(c, "probe", key_of=0)
        change = point.score - start.score
        if not point.defined or not start.defined:
            continue
        sure = np.abs(change) > 3 * np.hypot(point.noise, start.noise) + 0.1
        if best is None or np.any(sure):
            best = change / reach
        if np.any(sure):
            return best
    if best is None or not np.any(best):
        raise Stopped(
            f"{lever.name} has no influence on {', '.join(target.name for target in search.targets)} that the noise does not hide. "
            "Move another parameter, start where the network is active, or give more `trials` or a longer `duration`."
        )
    return best


def _accepted(search: Search, c: np.ndarray) -> bool:
    with contextlib.suppress(ValueError):
        search.written(c)
        return True
    return False


def _from_gradient(search: Search, gradient: AbstractGradient) -> Prior:
    """Slopes along the common movement of each place; half of their size counts as unknown."""
    where = {lever.name: lever.place for lever in search.levers}
    slope = np.zeros((len(search.targets), len(search.levers)))
    if isinstance(gradient, MeanField):
        slope = _from_theory(search, gradient, where)
    else:
        if any(isinstance(lever.place, PoissonRate) for lever in search.levers):
            raise TypeError(
                "tune: this gradient differentiates whole leaves of a model, and `PoissonRate` is a part of one: leave out `gradient`, or use "
                "`gradient=n4.train.MeanField()`."
            )
        for row, target in enumerate(search.targets):
            estimate = gradient.estimate(search.model, where, target.statistic, jax.random.fold_in(search.key, 2**31 + row))
            slope[row] = [_along(estimate.gradient[lever.name], lever) for lever in search.levers]
    measured = search.points[0].values.mean(axis=0)
    slope *= np.array([[target.score_slope(float(x))] for target, x in zip(search.targets, measured, strict=True)])
    size = np.linalg.norm(slope, axis=1, keepdims=True)
    return Prior(slope, np.broadcast_to(np.maximum(0.5 * np.abs(slope), 0.1 * size) + 1e-3, slope.shape))


def _from_theory(search: Search, gradient: MeanField, where: dict[str, Any]) -> np.ndarray:
    """The same from one mean field for all targets, in the unit of the targets.

    The theory is linear in no rate, but nearly so in their logarithms: slopes are taken relative to the rates it predicts itself.
    """
    names = list(search.model.populations)
    for target in search.targets:
        if not isinstance(target.statistic, Rate):
            raise TypeError(f"tune: MeanField is a theory of rates; the target {target.name!r} is a {type(target.statistic).__name__}.")
    rates, slopes = gradient.all_rates(search.model, where)
    out = np.zeros((len(search.targets), len(search.levers)))
    for row, target in enumerate(search.targets):
        place = names.index(target.statistic.population)  # type: ignore[attr-defined]
        relative = float(search.points[0].values[:, row].mean()) / max(float(rates[place]), 1e-3)
        out[row] = [relative * _along(slopes[lever.name][place], lever) for lever in search.levers]
    return out


def _along(gradient: Any, lever: Any) -> float:
    """A gradient of the shape of the leaf, or one number for all entries together, along the movement of the place."""
    given, moved = np.asarray(gradient, np.float64), lever.leaf_slope()
    return float(np.sum(given * moved)) if given.shape == moved.shape else float(given) * float(moved.mean())
