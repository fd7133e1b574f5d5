"""The numerical part of tuning: a straight line through noisy points, and a bounded step along it.

Everything here is plain NumPy in coordinates without units: natural steps of the parameters, tolerances of the targets.
"""

import dataclasses
import itertools
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

CURVATURE, RANGE = 0.04, 10.0
"""By which share a slope may change over a natural step, and how many steps away a bend is another one."""

CAUTION = 0.3
"""How much of the doubt about slopes damps a step."""

UNKNOWN = 1e3
"""Tolerances: what stands for "nothing is known"."""

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
    """The tangent at the base of what the points show: Gaussian-process regression, of which the prior is a straight line and a bend.

    Points count by their noise. How far a slope may have changed between two places grows with their distance, but points side by side
    share that change: what a difference between them told of the slope stays known when the base moves on. From an active base, silent
    points are left out: between them and it lies a kink or a jump.

    Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning (2006), chapters 2 and 9.4.
    """
    usable = [point for point in points if point.defined and (base.silent or not point.silent)]
    away = np.array([point.c - base.c for point in usable])
    score, noise = np.array([point.score for point in usable]), np.array([point.noise for point in usable])
    q, p = prior.slope.shape
    level, slope, spread, doubt = np.zeros(q), np.zeros((q, p)), np.zeros(q), np.zeros((p, p))
    for j in range(q):
        steepness, mean, covariance = float(np.linalg.norm(prior.slope[j])), np.zeros(1 + p), np.eye(1 + p)
        for _ in range(2):  # the second time with the steepness that the points show
            mean, covariance = _tangent(away, score[:, j], noise[:, j], prior.slope[j], prior.sd[j], max(steepness, 1e-3))
            steepness = float(np.linalg.norm(mean[1:]))
        level[j], slope[j], spread[j] = mean[0], mean[1:], np.sqrt(max(covariance[0, 0], 0))
        doubt += covariance[1:, 1:]
    return Line(level, slope, spread, doubt)


def _tangent(c: np.ndarray, z: np.ndarray, noise: np.ndarray, slope: np.ndarray, sd: np.ndarray, steepness: float) -> tuple:
    """Mean and covariance of value and gradient at 0, given values at `c` `(k, p)`."""
    p = c.shape[1]
    height = (CURVATURE * steepness * RANGE**2) ** 2 / 3  # of the bend, whose second derivative then has the size that is wanted
    anywhere = (UNKNOWN + float(np.max(np.abs(z)))) ** 2  # nothing is known of the level
    inclined = np.diag(np.minimum(sd, UNKNOWN) ** 2)
    alike = height * np.exp(-np.sum((c[:, None] - c[None]) ** 2, axis=-1) / (2 * RANGE**2))
    among = anywhere + c @ inclined @ c.T + alike + np.diag(np.maximum(noise, LEAST_NOISE) ** 2)
    here = height * np.exp(-np.sum(c**2, axis=-1) / (2 * RANGE**2))
    across = np.hstack([(anywhere + here)[:, None], c @ inclined + here[:, None] * c / RANGE**2])
    own = np.zeros((1 + p, 1 + p))
    own[0, 0] = anywhere + height
    own[1:, 1:] = inclined + height / RANGE**2 * np.eye(p)
    gain = np.linalg.solve(among, across).T
    mean = np.concatenate([[0.0], slope]) + gain @ (z - c @ slope)
    covariance = own - gain @ across
    return mean, (covariance + covariance.T) / 2


def bounded_step(line: Line, low: np.ndarray, high: np.ndarray) -> Float[np.ndarray, " p"]:
    """The damped Gauss-Newton step inside a box: the smallest expected sum of squares.

    What is not known of the slopes adds step' doubt step to the expectation: directions that nothing was learnt about are not taken. A part of
    it is enough, since every step teaches.
    """
    p = line.slope.shape[1]
    least = (1e-3 * max(float(np.linalg.norm(line.slope, 2)), 1e-9)) ** 2
    size, along = np.linalg.eigh(line.doubt)
    root = np.sqrt(CAUTION * np.maximum(size, 0) + least)[:, None] * along.T
    matrix = np.vstack([line.slope, root])
    # Where a base lies at a bound, rounding may have put it an ulp outside.
    low, high = np.minimum(low, 0), np.maximum(high, 0)
    return least_squares_in_box(matrix, np.concatenate([-line.level, np.zeros(p)]), low, high)


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
    covariance = np.atleast_2d(np.cov(point.values / tolerance, rowvar=False)) / len(point.values)
    back = np.linalg.pinv(slope)
    return np.sqrt(np.diag(back @ covariance @ back.T))
