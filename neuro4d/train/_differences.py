"""Slopes of statistics of long runs, measured: differences between trials that share their random numbers."""

from collections.abc import Mapping
from numbers import Real
from types import MappingProxyType
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import check_count
from neuro4d.model import Model
from neuro4d.train._estimate import AbstractGradient, Estimate, direction
from neuro4d.train._parameters import Places, bare_at, read, scales, unit_of, write
from neuro4d.train._statistic import AbstractStatistic

FIRST_STEP = 0.01
"""The first step, relative to the size of the number."""

DOUBLINGS = 4
"""How often a step that drowns in noise is doubled: up to 16 %."""

CURVED = 0.15
"""By how much a slope may change when the step is doubled, before the step counts as too long."""


class Move(NamedTuple):
    """One way to move the numbers of a place: by `step` times `along`, which has their shape; `entry` says which alone, or `None`."""

    place: str
    entry: int | None
    along: np.ndarray
    step: float


class Slope(NamedTuple):
    """What pairs of runs gave: one slope each, and the step."""

    each: np.ndarray
    step: float

    @property
    def mean(self) -> float:
        return float(np.mean(self.each))

    @property
    def stderr(self) -> float:
        return float(np.std(self.each, ddof=1) / np.sqrt(len(self.each)))


class Differences(AbstractGradient):
    r"""Central differences with common random numbers, all runs in one batch.

    $$ \frac{\partial r}{\partial p} \approx \frac{1}{m} \sum_{j=1}^{m} \frac{r_j(p + h) - r_j(p - h)}{2h} $$

    Trial $j$ meets the same noise and the same initial values on both sides, so what both share cancels, and the spread of the pairs is
    the standard error. The only bias is that of the step, $h^2 r'''/6$, and of a statistic that is itself biased. Runs are native.

    The step begins at 1 % of the number (of 20 mV for a voltage) and is doubled as long as the standard error is above `tolerance`
    of the slope, up to 16 %; a step at which the slope bends by more than 15 %, and by more than noise explains, is not taken. If the
    noise is still too large then, further pairs are run.

    A place with up to `entries` numbers gets the slope along each. More are moved together, and `Estimate.together` says so.

    **Arguments:**

    - `trials` $m$: pairs of runs, 2 or more.
    - `step` $h$: `None` chooses; a number is relative and stays; a mapping gives each place a step of its own, a quantity or in the
      internal unit.
    - `tolerance`: the standard error that is enough, relative to the slope.
    - `most`: pairs at most for one slope, where the noise asks for more than `trials`.
    - `richardson`: runs half the step as well, $(4\,s(h/2) - s(h))/3$: the bias is then of order $h^4$, and the noise larger.
    - `entries`: how many numbers of a place are moved one by one.
    - `lanes`: runs in one batch at most, 2 or more: both sides of a pair run together.

    **Raises:** `ValueError` for counts and steps out of range, for a number that is 0 and has no size, for a step that rounding swallows, and
    where a moved model gives no finite statistic; `TypeError` for a step that is neither a number nor a mapping.

    **Source:** P. Glasserman, Monte Carlo Methods in Financial Engineering (2003), chapter 7.1.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 20, lif, v0=n4.Uniform(-60*u.mV, -50*u.mV))
        >>> model = n4.Network(cells, n4.Clamp("drive", cells, 200*u.pA)).build(dt=0.1*u.ms, seed=0)
        >>> place = n4.train.places({"threshold": lambda m: m.neurons["cells"].v_th})
        >>> found = n4.train.Differences(trials=4).estimate(model, place, n4.train.Rate("cells", 200*u.ms), jr.key(0))
        >>> round(float(found.gradient["threshold"]))  # Hz/mV
        -10
    """

    trials: int = eqx.field(static=True)
    step: float | Mapping[str, Any] | None = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)
    most: int = eqx.field(static=True)
    richardson: bool = eqx.field(static=True)
    entries: int = eqx.field(static=True)
    lanes: int = eqx.field(static=True)

    def __init__(
        self,
        trials: int = 16,
        step: float | Mapping[str, Any] | None = None,
        *,
        tolerance: float = 0.05,
        most: int = 64,
        richardson: bool = False,
        entries: int = 8,
        lanes: int = 256,
    ):
        self.trials = check_count(trials, "Differences.trials")
        if self.trials < 2:
            raise ValueError("Differences.trials must be 2 or more: a single pair has no spread, so no standard error.")
        _check_kind(step)
        if isinstance(step, Real) and not 0 < step < 1:
            raise ValueError(f"Differences.step is a share of the number, above 0 and below 1, for example `step=0.02`; got {step}.")
        if not tolerance > 0:
            raise ValueError(f"Differences.tolerance is above 0, for example `tolerance=0.05`; got {tolerance}.")
        self.step = MappingProxyType(dict(step)) if isinstance(step, Mapping) else step
        self.most = max(check_count(most, "Differences.most"), self.trials)
        self.lanes, self.entries = check_count(lanes, "Differences.lanes", low=2), check_count(entries, "Differences.entries")
        self.tolerance, self.richardson = float(tolerance), bool(richardson)

    def estimate(self, model, where, statistic, key):
        keys = jax.random.split(key, self.most)
        moves, runs = self._moves(model, where), Runs(model, where, statistic, self.lanes)
        found = dict(enumerate(runs.slopes(moves, keys[: self.trials])))
        value = runs.middle
        if self.step is None:
            found = self._wider(moves, found, runs, keys)
        if self.richardson:
            half = [move._replace(step=found[i].step / 2) for i, move in enumerate(moves)]
            near = runs.slopes(half, keys[: self.trials])
            found = {i: Slope((4 * s.each - found[i].each[: self.trials]) / 3, found[i].step) for i, s in enumerate(near)}
        return _estimate(moves, found, read(model, where), value, runs.done)

    def _moves(self, model: Model, where: Places) -> list[Move]:
        values = read(model, where)
        steps = self._steps(model, where)
        moves = []
        for name, value in values.items():
            if value.size > self.entries:
                moves.append(Move(name, None, direction(value), steps[name]))
                continue
            for entry in range(value.size):
                one = np.zeros(value.size)
                one[entry] = 1
                moves.append(Move(name, entry, one.reshape(value.shape), steps[name]))
        return moves

    def _steps(self, model: Model, where: Places) -> dict[str, float]:
        if not isinstance(self.step, Mapping):
            share = FIRST_STEP if self.step is None else self.step
            return {name: share * size for name, size in scales(model, where).items()}
        missing = [name for name in where if name not in self.step]
        if missing:
            raise ValueError(f"Differences.step has no entry for {missing[0]!r}; it names {', '.join(map(repr, self.step))}.")
        return {name: _absolute(self.step[name], unit_of(model, place), name) for name, place in where.items()}

    def _wider(self, moves: list[Move], found: dict[int, Slope], runs: "Runs", keys: Any) -> dict[int, Slope]:
        """The step doubled where noise is too large and the slope does not bend; then more pairs."""
        open_ = [i for i in found if self._noisy(found[i])]
        for _ in range(DOUBLINGS):
            if not open_:
                return found
            later = runs.slopes([moves[i]._replace(step=2 * found[i].step) for i in open_], keys[: self.trials])
            straight = [i for i, wide in zip(open_, later, strict=True) if not _bends(found[i], wide)]
            found |= {i: wide for i, wide in zip(open_, later, strict=True) if i in straight}
            open_ = [i for i in straight if self._noisy(found[i])]
        done = self.trials
        open_ = [i for i in found if self._noisy(found[i])]
        while open_ and done < self.most:
            more = min(done, self.most - done)
            later = runs.slopes([moves[i]._replace(step=found[i].step) for i in open_], keys[done : done + more])
            found |= {i: Slope(np.concatenate([found[i].each, new.each]), new.step) for i, new in zip(open_, later, strict=True)}
            done += more
            open_ = [i for i in open_ if self._noisy(found[i])]
        return found

    def _noisy(self, slope: Slope) -> bool:
        return slope.stderr > self.tolerance * abs(slope.mean)


def _bends(near: Slope, far: Slope) -> bool:
    """Whether a slope changes with the step, by more than both noise and a share of itself."""
    change = abs(far.mean - near.mean)
    return change > 2 * float(np.hypot(near.stderr, far.stderr)) and change > CURVED * abs(far.mean)


def _check_kind(step: Any) -> None:
    if step is not None and (isinstance(step, bool) or not isinstance(step, Real | Mapping)):
        raise TypeError(
            f"Differences.step is a share of the number, `step=0.02`, or a mapping with a step for each place, `step={{'threshold': 0.2*u.mV}}`; "
            f"got {step!r:.80}."
        )


def _absolute(step: Any, unit: Any, name: str) -> float:
    bare = np.asarray(bare_at(step, unit, f"Differences.step of {name!r}"))
    if bare.ndim or bare.dtype.kind not in "fiu":
        raise TypeError(f"Differences.step of {name!r} has to be one number, for example `{{{name!r}: 0.1}}`; got {step!r:.80}.")
    if not bare > 0:
        raise ValueError(f"Differences.step of {name!r} has to be above 0; got {step}.")
    return float(bare)


class Runs:
    """Pairs of runs, counted; `middle` is the mean of the first."""

    def __init__(self, model: Model, where: Places, statistic: AbstractStatistic, lanes: int):
        self.values = read(model, where)
        # Every place is written once, so that all models have one structure: weights may become one per edge.
        self.model = write(model, where, self.values)
        self.where, self.statistic, self.lanes = where, statistic, lanes
        self.done, self.middle = 0, float("nan")

    def slopes(self, moves: list[Move], keys: Any) -> list[Slope]:
        """The slope of every move, pair by pair. As many moves and trials run in one batch as fit."""
        spans = [self._span(move) for move in moves]
        sides = [self._model(move, sign) for move in moves for sign in (-1, 1)]
        piece = self.lanes // 2
        pairs = np.concatenate([self._pairs(sides, keys[i : i + piece]) for i in range(0, len(keys), piece)], axis=2)
        self._check(moves, pairs)
        self.done += pairs.size
        self.middle = float(pairs.mean()) if np.isnan(self.middle) else self.middle
        return [Slope((high - low) / span, move.step) for move, span, (low, high) in zip(moves, spans, pairs, strict=True)]

    def _pairs(self, sides: list[Model], keys: Any) -> np.ndarray:
        """The statistic of both sides of every move, `(moves, 2, trials)`, for trials of which a pair fits in a batch."""
        trials = len(keys)
        at_once = max(min(self.lanes, trials * len(sides)) // trials // 2 * 2, 2)  # models in one batch, both sides of a move together
        results = []
        for first in range(0, len(sides), at_once):
            some = sides[first : first + at_once]
            lanes = [each for each in some for _ in range(trials)]
            values = self.statistic.measure(lanes, jnp.concatenate([keys] * len(some)))
            results.append(np.asarray(values, np.float64).reshape(len(some), trials))
        return np.concatenate(results).reshape(-1, 2, trials)

    def _model(self, move: Move, sign: int) -> Model:
        return write(self.model, {move.place: self.where[move.place]}, {move.place: self._moved(move, sign)})

    def _moved(self, move: Move, sign: int) -> np.ndarray:
        """The numbers on one side, rounded as the model keeps them."""
        moved = np.asarray(self.values[move.place], np.float64) + sign * move.step * move.along
        return moved.astype(self.model.dtype)

    def _span(self, move: Move) -> float:
        """How far apart both sides really are along the move: rounding moves them a little."""
        low, high = (self._moved(move, sign).astype(np.float64) for sign in (-1, 1))
        span = float(np.sum((high - low) * move.along) / np.sum(np.square(move.along)))
        if not span > 0:
            raise ValueError(
                f"Differences.step: {move.step:.3g} (internal unit) is lost when the numbers at {move.place!r} are rounded to {self.model.dtype}. "
                'Give a longer step, or build with `precision="float64"`.'
            )
        return span

    def _check(self, moves: list[Move], pairs: np.ndarray) -> None:
        for move, pair in zip(moves, pairs, strict=True):
            if not np.isfinite(pair).all():
                raise ValueError(
                    f"the statistic is not finite where {move.place!r} is moved by {move.step:.3g} (internal unit): a shorter step, "
                    f"`n4.train.Differences(step={{{move.place!r}: {move.step / 10:.3g}}})`, or a statistic that exists for every run."
                )


def _estimate(moves: list[Move], found: dict[int, Slope], values: dict, value: float, runs: int) -> Estimate:
    gradient, stderr, together = {}, {}, []
    for name, numbers in values.items():
        mine = [i for i, move in enumerate(moves) if move.place == name]
        if moves[mine[0]].entry is None:
            together.append(name)
        shape = () if moves[mine[0]].entry is None else numbers.shape
        gradient[name] = jnp.asarray(np.reshape([found[i].mean for i in mine], shape))
        stderr[name] = jnp.asarray(np.reshape([found[i].stderr for i in mine], shape))
    return Estimate(value, gradient, stderr, runs, tuple(together))
