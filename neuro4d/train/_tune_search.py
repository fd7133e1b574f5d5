"""The search for the values: measure, draw a line through what was measured, step, and confirm in fresh trials."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import brainunit as u
import jax
import numpy as np

from neuro4d._base import NoLog, progress_bar, watched
from neuro4d.model import Model
from neuro4d.train._kept import Tape
from neuro4d.train._tune_places import Lever
from neuro4d.train._tune_result import Update
from neuro4d.train._tune_solver import Line, Point, Prior, bounded_step, bracket, fit_line, student_quantile
from neuro4d.train._tune_targets import Target, measure

FIRST_RADIUS, LAST_RADIUS, LARGEST_RADIUS = 3.0, 0.02, 50.0
"""Natural steps: how far the first step may go, where the search gives up, how far any step may go."""

NEAR, READY = 1.0, 0.5
"""Tolerances: how near all targets have to be at the best setting, and by the line at the next one, before fresh trials are spent on it."""

TOO_FAR, MOST_CHECKS = 0.75, 12
"""Tolerances: where the mean of fresh trials ends a check; batches that a check may take."""

PATIENCE = 8
"""Steps without a nearer setting after which the search ends."""


class Stopped(Exception):
    """Why a search ends, a sentence for the report; `at`: the coordinates that fresh trials have confirmed, if they have."""

    def __init__(self, reason: str, at: np.ndarray | None = None):
        super().__init__(reason)
        self.at = at


class Effort(NamedTuple):
    """Trials of a batch, batches at most, and the confidence of the final check."""

    trials: int
    most: int
    confidence: float


class Search:
    """All that was measured, and what to measure next. Lives on the host."""

    def __init__(self, model: Model, levers: list[Lever], targets: list[Target], key: Any, effort: Effort):
        self.model, self.levers, self.targets, self.key = model, levers, targets, key
        self.trials, self.most, self.confidence = effort
        self.bar: Any = None
        self.tape = Tape(NoLog(), {})
        self.points: list[Point] = []
        self.history: list[Update] = []
        self.checked: dict[int, np.ndarray] = {}
        self.radius, self.width, self.idle, self.probed = FIRST_RADIUS, math.inf, 0, False
        self.prior = Prior(np.zeros((len(targets), len(levers))), np.full((len(targets), len(levers)), np.inf))
        ranges = np.array([lever.range() for lever in levers])
        self.low, self.high = ranges[:, 0], ranges[:, 1]
        self.low, self.high = np.minimum(self.low, 0), np.maximum(self.high, 0)

    @contextlib.contextmanager
    def watched(self, progress: bool | None) -> Iterator[None]:
        """Shows a bar while it goes on; `None`: where a person can see it."""
        self.bar = progress_bar(self.most, "updates") if (watched() if progress is None else progress) else None
        try:
            yield
        finally:
            if self.bar is not None:
                self.bar.close()

    def written(self, c: np.ndarray) -> Model:
        """The model at some coordinates."""
        model = self.model
        for lever, x in zip(self.levers, c, strict=True):
            model = lever.written(model, float(x))
        return model

    def run(self, c: np.ndarray, kind: str, key_of: int | None = None) -> Point:
        """A batch of trials at some coordinates; they join those that were made there before.

        `key_of`: the number of a batch whose random numbers are used again, so that differences lose the noise that both share.
        """
        if len(self.history) >= self.most:
            raise Stopped(f"the {self.most} updates are used up (max_updates).")
        number = len(self.history)
        keys = jax.random.split(jax.random.fold_in(self.key, number if key_of is None else key_of), self.trials)
        values, wall = self.tape.take(c, lambda: measure([target.statistic for target in self.targets], self.written(c), keys))
        self._note(kind, c, values, wall)
        if kind == "check":
            before = self.checked.get(self.place_of(c))
            self.checked[self.place_of(c)] = values if before is None else np.vstack([before, values])
        return self._joined(c, values)

    def place_of(self, c: np.ndarray) -> int:
        """The number of the point at some coordinates, or of the next one."""
        return next((i for i, point in enumerate(self.points) if np.array_equal(point.c, c)), len(self.points))

    def _joined(self, c: np.ndarray, values: np.ndarray) -> Point:
        place = self.place_of(c)
        if place < len(self.points):
            values = np.vstack([self.points[place].values, values])
        point = self._point(c, values)
        self.points[place : place + 1] = [point]
        return point

    def _point(self, c: np.ndarray, values: np.ndarray) -> Point:
        rates = [column for column, target in enumerate(self.targets) if target.unit == u.Hz and target.value > 0]
        fires = values[:, rates] > 0.1 * np.array([self.targets[column].value for column in rates])
        torn = bool(np.any(fires.any(axis=0) & ~fires.all(axis=0) & (values[:, rates].min(axis=0) < 0.2 * values[:, rates].max(axis=0))))
        mean = values.min(axis=0) if torn else values.mean(axis=0)
        spread = values.std(axis=0, ddof=1) / math.sqrt(len(values))
        score = np.array([target.score(x) for target, x in zip(self.targets, mean, strict=True)])
        slope = np.array([target.score_slope(x) for target, x in zip(self.targets, mean, strict=True)])
        return Point(np.array(c, float), values, score, spread * slope, bool(np.any(values[:, rates].max(axis=0) == 0)), torn)

    def _note(self, kind: str, c: np.ndarray, values: np.ndarray, wall: float) -> None:
        names, n = [target.name for target in self.targets], len(values)
        mean = dict(zip(names, values.mean(axis=0).tolist(), strict=True))
        stderr = dict(zip(names, (values.std(axis=0, ddof=1) / math.sqrt(n)).tolist(), strict=True))
        at = {lever.name: lever.value(float(x)) for lever, x in zip(self.levers, c, strict=True)}
        self.history.append(Update(len(self.history), kind, at, mean, stderr, n, wall))
        if self.bar is not None:
            self.bar.set_postfix_str(", ".join(f"{name} {x:.3g}" for name, x in mean.items()), refresh=False)
            self.bar.update(1)

    @property
    def best(self) -> Point:
        """The setting nearest to the targets."""
        return min(self.points, key=lambda point: point.cost)

    def line(self) -> Line:
        """The line through what was measured, at the best setting."""
        return fit_line(self.points, self.best, self.prior)

    def search(self) -> NoReturn:
        """Steps and checks until `Stopped`."""
        while True:
            base, line = self.best, self.line()
            step = self._proposal(base, line)
            if base.defined and np.all(np.abs(line.level) <= NEAR) and np.all(np.abs(line.level + line.slope @ step) <= READY):
                if self._confirm(base.c + step):
                    raise Stopped(
                        f"fresh trials met all targets within their tolerances (confidence {100 * self.confidence:g} %).", base.c + step
                    )
            else:
                self._trust(base, line, step, self.run(base.c + step, "step"))
                self._progress(base)

    def _confirm(self, c: np.ndarray) -> bool:
        """Whether fresh trials meet the targets: the interval of every mean lies within the tolerance. Ends as soon as it hardly can."""
        wanted, tolerance = np.array([[target.value, target.tolerance] for target in self.targets]).T
        while True:
            self.run(c, "check")
            mean, margin, n = self.interval(c)
            off = np.abs(mean - wanted)
            if np.all(off + margin <= tolerance):
                return True
            if not np.all(off <= TOO_FAR * tolerance):
                return False
            needed = n * float(np.max(margin / tolerance)) ** 2
            if needed > MOST_CHECKS * self.trials:
                raise Stopped(
                    f"the noise hides whether the targets are met: it would take {needed:.0f} trials of this length. "
                    f"Give `trials={max(self.trials, math.ceil(needed / 4))}`, a longer `duration`, or a wider `tolerance`."
                )
            if n * float(np.max(margin / (tolerance - off))) ** 2 > MOST_CHECKS * self.trials:
                return False  # a setting nearer to the targets takes fewer trials than certainty about this one

    def interval(self, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Mean of the fresh trials at a setting, half the width of its interval, for all targets and all looks together, and their number.

        Look k may err with a share 1/(k (k + 1)) of what the confidence leaves: over any number of looks these add to 1 (Bonferroni).
        """
        values = self.checked[self.place_of(c)]
        n, q = values.shape
        look = n // self.trials
        quantile = student_quantile(1 - (1 - self.confidence) / (2 * q * look * (look + 1)), n - 1)
        return values.mean(axis=0), quantile * values.std(axis=0, ddof=1) / math.sqrt(n), n

    def _proposal(self, base: Point, line: Line) -> np.ndarray:
        """The next step: of the line, inside of the trust region, the bounds and, for one parameter, the bracket."""
        low, high = np.maximum(self.low - base.c, -self.radius), np.minimum(self.high - base.c, self.radius)
        step = bounded_step(line, low, high)
        if len(self.levers) == len(self.targets) == 1:
            step = self._inside(base, step)
        if np.max(np.abs(step)) < 1e-6:
            self._at_bounds(base)
            step = np.zeros_like(step)
        return self._allowed(base, step)

    def _inside(self, base: Point, step: np.ndarray) -> np.ndarray:
        """A step that stays between two settings of which one is above and one below the target: halved where the line leads out."""
        pair = bracket(self.points)
        if pair is None:
            return step
        left, right = (point.c[0] for point in pair)
        width = right - left
        if width < LAST_RADIUS:
            low, high = (f"{point.values.min() if point.torn else point.values.mean():.3g}" for point in pair)
            name, lever = self.targets[0].name, self.levers[0]
            raise Stopped(
                f"{name} jumps between {low} and {high} where {lever.name} is {lever.value((left + right) / 2):.5g}: "
                "there is no state in between. Choose another target, or another parameter."
            )
        at = base.c[0] + step[0]
        slow = width > 0.5 * self.width and abs(base.score[0]) > 3
        if not left + 0.05 * width <= at <= right - 0.05 * width or slow:
            at = (left + right) / 2 if slow else float(np.clip(at, left + 0.05 * width, right - 0.05 * width))
        self.width = width
        return np.array([at - base.c[0]])

    def _at_bounds(self, base: Point) -> None:
        """Says which limits keep the targets out of reach, if it is they."""
        ends = zip(self.levers, base.c.tolist(), self.low, self.high, strict=True)
        stuck = [(lever, x) for lever, x, low, high in ends if x - low < 1e-6 or high - x < 1e-6]
        if stuck and np.any(np.abs(base.score) > 1):
            where = ", ".join(f"{lever.name} at {lever.value(x):.5g} {lever.unit}" for lever, x in stuck)
            raise Stopped(f"the targets lie beyond the bounds: {where}. Widen `bounds`, or move another parameter as well.")

    def _allowed(self, base: Point, step: np.ndarray) -> np.ndarray:
        """The step, shortened until the model accepts the values."""
        for _ in range(20):
            try:
                self.written(base.c + step)
            except ValueError as refused:
                step, reason = step / 2, refused
            else:
                return step
        raise Stopped(f"the model refuses the values that the targets need: {reason}")

    def _trust(self, base: Point, line: Line, step: np.ndarray, new: Point) -> None:
        """The trust region grows where the line foretold what came, and shrinks where it did not."""
        length = float(np.max(np.abs(step)))
        before = float(np.linalg.norm(line.level))
        foretold = before - float(np.linalg.norm(line.level + line.slope @ step))
        noise = float(np.linalg.norm(new.noise)) + float(np.linalg.norm(line.spread))
        came = before - float(np.linalg.norm(new.score)) if new.defined else -math.inf
        if came < 0.1 * foretold - noise:
            self.radius = max(length / 2.5, LAST_RADIUS / 2)
        elif came > 0.5 * foretold - noise and length > 0.8 * self.radius:
            self.radius = min(2 * self.radius, LARGEST_RADIUS)
        if self.radius < LAST_RADIUS and foretold > 1:
            raise Stopped(f"no step from the best setting comes nearer to the targets.{self._silence()}")

    def _progress(self, base: Point) -> None:
        """Ends a search that comes no nearer."""
        self.idle = self.idle + 1 if self.best.cost > 0.8 * base.cost else 0
        if self.idle >= PATIENCE // 4:
            self._at_bounds(self.best)
        if self.idle == PATIENCE // 2 and base.cost > 1 and not self.probed:
            self._probe()
        if self.idle >= PATIENCE and base.cost > 1:
            raise Stopped(f"{PATIENCE} steps came no nearer to the targets: they may lie beyond what these places can do.{self._silence()}")

    def _probe(self) -> None:
        """Measures the slopes at the best setting, once: what theory or few steps have told was not enough."""
        self.probed, self.idle, base = True, 0, self.best
        for number in range(len(self.levers)):
            c = base.c.copy()
            up, down = min(self.high[number] - c[number], 1.0), min(c[number] - self.low[number], 1.0)
            c[number] += up if up >= down else -down
            with contextlib.suppress(ValueError):
                self.run(c, "probe")
        self.radius = max(self.radius, 1.0)

    def _silence(self) -> str:
        """What silent or torn settings near the best one mean."""
        near = [p for p in self.points if np.max(np.abs(p.c - self.best.c)) < FIRST_RADIUS]
        if any(point.torn for point in near):
            return " Close to the best setting the network falls silent in a part of the trials: no lasting state lies between."
        return " Close to the best setting the network is silent." if any(point.silent for point in near) else ""
