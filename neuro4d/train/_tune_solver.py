"""The numerical part of tuning: a straight line through noisy points near the best one, and a bounded step along it.

Everything here is plain NumPy in coordinates without units: natural steps of the parameters, tolerances of the targets.
"""

import dataclasses
import itertools
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

CURVATURE = 0.06
"""By which share a slope may change over a natural step: how much less a point counts with its distance."""

LEAST_NOISE = 1e-3
"""Tolerances. Keeps the weight of a point finite where trials agree exactly."""


@dataclasses.dataclass(eq=False)
class Point:
    """All trials at one setting: coordinates `(p,)`, values `(trials, q)` as measured, and their distances from the targets.

    **Fields:** `score` and `noise` `(q,)`: the mean distance from the target in tolerances, and its standard error; `silent`: whether a
    population fires in no trial; `torn`: whether one fires in some trials and in others not, so that no mean describes it, and the score is
    that of the silent ones.
    """

    c: Float[np.ndarray, " p"]
    values: Float[np.ndarray, "trials q"]
    score: Float[np.ndarray, " q"]
    noise: Float[np.ndarray, " q"]
    silent: bool = False
    torn: bool = False

    @property
    def defined(self) -> bool:
        """Whether every statistic has a mean."""
        return bool(np.isfinite(self.score).all()) and not self.torn

    @property
    def cost(self) -> float:
        """Squared distance from the targets without what noise adds to it; infinite where a statistic has no value."""
        return float(np.sum(np.maximum(self.score**2 - self.noise**2, 0))) if self.defined else np.inf


class Line(NamedTuple):
    """A local linear model: score = `level` + `slope` (c - c_base).

    **Fields:** `spread`: the standard error of the level; `doubt`: the covariance of the slopes, summed over targets.
    """

    level: Float[np.ndarray, " q"]
    slope: Float[np.ndarray, "q p"]
    spread: Float[np.ndarray, " q"]
    doubt: Float[np.ndarray, "p p"]


class Prior(NamedTuple):
    """What was known of the slopes before the points: mean and standard deviation, `(q, p)`."""

    slope: Float[np.ndarray, "q p"]
    sd: Float[np.ndarray, "q p"]


def fit_line(points: list[Point], base: Point, prior: Prior) -> Line:
    """Weighted regression through all points: each counts by its noise and by how far from the base a line can hold.

    From an active base, silent points are left out: between them and it lies a kink or a jump.
    """
    usable = [point for point in points if point.defined and (base.silent or not point.silent)]
    away = np.array([point.c - base.c for point in usable])
    score, noise = np.array([point.score for point in usable]), np.array([point.noise for point in usable])
    distance = np.linalg.norm(away, axis=1)
    q, p = prior.slope.shape
    level, slope, spread, doubt = np.zeros(q), np.zeros((q, p)), np.zeros(q), np.zeros((p, p))
    design = np.hstack([np.ones((len(usable), 1)), away])
    for j in range(q):
        steepness = np.linalg.norm(prior.slope[j])
        for _ in range(2):  # the second time with the steepness that the points show
            bend = CURVATURE / 2 * steepness * distance**2
            weight = 1 / np.maximum(noise[:, j] ** 2 + bend**2, LEAST_NOISE**2)
            inverse = np.concatenate([[0.0], 1 / np.maximum(prior.sd[j], 1e-12) ** 2])
            normal = design.T @ (weight[:, None] * design) + np.diag(inverse)
            right = design.T @ (weight * score[:, j]) + inverse * np.concatenate([[0.0], prior.slope[j]])
            found = np.linalg.solve(normal, right)
            steepness = np.linalg.norm(found[1:])
        level[j], slope[j] = found[0], found[1:]
        covariance = np.linalg.inv(normal)
        spread[j] = np.sqrt(covariance[0, 0])
        doubt += covariance[1:, 1:]
    return Line(level, slope, spread, doubt)


def bounded_step(line: Line, low: np.ndarray, high: np.ndarray) -> Float[np.ndarray, " p"]:
    """The damped Gauss-Newton step inside a box: the smallest expected sum of squares.

    What is not known of the slopes adds step' doubt step to the expectation: directions that nothing was learnt about are not taken.
    """
    p = line.slope.shape[1]
    least = (1e-3 * max(float(np.linalg.norm(line.slope, 2)), 1e-12)) ** 2
    matrix = np.vstack([line.slope, np.linalg.cholesky(line.doubt + least * np.eye(p)).T])
    return least_squares_in_box(matrix, np.concatenate([-line.level, np.zeros(p)]), np.minimum(low, 0), np.maximum(high, 0))


def least_squares_in_box(matrix: np.ndarray, right: np.ndarray, low: np.ndarray, high: np.ndarray) -> Float[np.ndarray, " p"]:
    """The x between two bounds around 0 with the smallest |matrix x - right|, for a matrix of full column rank.

    Active sets: unknowns at a bound are held there, and let go where the residual pulls them inward (Stark and Parker, Comput. Stat. 10,
    129, 1995).
    """
    x = np.zeros(len(low))
    free = high > low
    for _ in range(10 * len(x) + 10):
        while np.any(free):
            wanted = x.copy()
            wanted[free] = np.linalg.lstsq(matrix[:, free], right - matrix[:, ~free] @ x[~free], rcond=None)[0]
            beyond = free & ((wanted < low) | (wanted > high))
            if not np.any(beyond):
                x = wanted
                break
            bound = np.where(wanted > x, high, low)
            share = np.where(beyond, (bound - x) / np.where(wanted == x, 1, wanted - x), np.inf)
            first = int(np.argmin(share))
            x = x + share[first] * (wanted - x) * free
            x[first] = bound[first]
            free[first] = False
        pull = matrix.T @ (right - matrix @ x)
        inward = np.where(x <= low, pull, -pull) * ~free * (high > low)
        if np.max(inward, initial=0) <= 1e-9 * max(float(np.linalg.norm(right)), 1e-12):
            return x
        free[int(np.argmax(inward))] = True
    return x


def student_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t above 0, by halving an interval."""
    low, high = 0.0, 1e4
    for _ in range(60):
        middle = (low + high) / 2
        below = 1 - float(jax.scipy.special.betainc(degrees / 2, 0.5, degrees / (degrees + middle * middle))) / 2
        low, high = (middle, high) if below < probability else (low, middle)
    return high


def bracket(points: list[Point]) -> tuple[Point, Point] | None:
    """For one parameter and one target: the nearest two points between which the target lies beyond doubt."""
    sure = [point for point in points if np.isfinite(point.score[0]) and (point.torn or abs(point.score[0]) > 2 * point.noise[0])]
    sure.sort(key=lambda point: point.c[0])
    pairs = [(a, b) for a, b in itertools.pairwise(sure) if a.score[0] * b.score[0] < 0]
    return min(pairs, key=lambda pair: pair[1].c[0] - pair[0].c[0]) if pairs else None


def deviation(point: Point, slope: np.ndarray, tolerance: np.ndarray) -> Float[np.ndarray, " p"]:
    """Standard errors of the coordinates, from the noise of the statistics there and the slopes."""
    n = len(point.values)
    if n < 2:
        return np.full(slope.shape[1], np.nan)
    covariance = np.atleast_2d(np.cov(point.values / tolerance, rowvar=False)) / n
    back = np.linalg.pinv(slope)
    return np.sqrt(np.diag(back @ covariance @ back.T))
