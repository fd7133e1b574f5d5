"""Tuning: a handful of numbers of a network, until it does what is wanted."""

import time
from collections.abc import Mapping
from typing import Any

import brainunit as u
import jax
import numpy as np

from neuro4d._base import AbstractLogs, check_count, heard, log_of
from neuro4d.model import Model
from neuro4d.train._estimate import AbstractGradient
from neuro4d.train._kept import Tape, digest, key_text, said
from neuro4d.train._parameters import Where
from neuro4d.train._tune_places import PoissonRate, levers
from neuro4d.train._tune_result import Reached, Tuned
from neuro4d.train._tune_search import Effort, Search, Stopped
from neuro4d.train._tune_slopes import first_slopes
from neuro4d.train._tune_solver import deviation, fit_line
from neuro4d.train._tune_targets import Target, check_confidence, read_targets


def tune(
    model: Model,
    where: Where | PoissonRate | Mapping[str, Where | PoissonRate],
    targets: Mapping[str, Any],
    *,
    bounds: Any = None,
    key: Any = None,
    max_updates: int = 40,
    tolerance: Any = 0.03,
    duration: Any = 1 * u.second,
    discard: Any = 200 * u.ms,
    trials: int = 8,
    confidence: float = 0.95,
    gradient: AbstractGradient | None = None,
    progress: bool | None = None,
    checkpoint: AbstractLogs | None = None,
) -> Tuned:
    """Moves some numbers of a network until it has the rates, the irregularity, the synchrony wanted, and confirms it in fresh trials.

    Each update is a batch of trials at one setting. A line through all settings so far, weighted by noise and distance, says where to go,
    as far as a trust region allows. When all targets are near, trials with fresh seeds that had no part in the search decide.

    **Arguments:**

    - `model`: from `Network.build`.
    - `where`: what may move: a function of the model, `n4.Weights("i")`, `n4.train.PoissonRate("noise")`, or several under names. Each moves as
      one number, its mean: potentials by a distance, all others by a factor, so that the spread stays; `n4.train.Shift`, `Scale` say otherwise.
    - `targets`: by name: the rate of a population, or a pair of any statistic and its value.
    - `bounds`: a pair (low, high) of the mean in the unit of the place, or pairs by name; `None` for an open end.
    - `key`: of all trials; by default `jax.random.key(0)`. `max_updates`: batches of trials at most.
    - `tolerance`: a share of each target, a quantity, or either by name.
    - `duration`, `discard`: of the runs that rates are measured in [time]; `trials`: runs in a batch, 2 or more.
    - `confidence`: of the check at a setting, all targets and looks together. `progress`: a bar; by default where a person can see it.
    - `gradient`: gives the first slopes; by default the mean field, for three places and more, or measurements.
    - `checkpoint`: `n4.io.Checkpoints("runs/tune", resume=True)` keeps what is measured; after a kill the same call goes on, bit for bit.

    **Returns:** a `Tuned`, also after Ctrl-C or where the targets cannot be reached: `converged` and `reason` say what happened.

    **Raises:** `TypeError`, `UnitError`, `ValueError`, `UnknownNameError` for arguments that do not fit, before anything is compiled.

    **Source:** C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning (2006); J. Nocedal, S. J. Wright, Numerical Optimization (2006), chapter 4.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 20, lif, v0=n4.Normal(-55*u.mV, 2*u.mV))
        >>> noise = n4.WhiteNoise("noise", cells, mean=110*u.pA, std=400*u.pA)
        >>> model = n4.Network(cells, noise).build(dt=0.1*u.ms, seed=0)
        >>> place = lambda m: m.neurons["cells"].v_th
        >>> result = n4.train.tune(model, place, {"cells": 20*u.Hz}, tolerance=0.1, duration=500*u.ms)
        >>> result.converged
        True
    """
    check_settings(model, confidence, gradient)
    wanted = read_targets(model, targets, tolerance, duration, discard, "tune")
    effort = Effort(check_count(trials, "tune: trials", low=2), check_count(max_updates, "tune: max_updates"), confidence)
    search = Search(model, levers(model, where, bounds), wanted, jax.random.key(0) if key is None else key, effort)
    return heard("tune", lambda: _kept(search, gradient, progress, checkpoint))


def _kept(search: Search, gradient: AbstractGradient | None, progress: bool | None, checkpoint: AbstractLogs | None) -> Tuned:
    search.tape = Tape(log_of(checkpoint, "tune"), {} if checkpoint is None else _what(search))
    began = time.perf_counter() - search.tape.before_s
    try:
        with search.watched(progress):
            reason, at = _searched(search, gradient)
    finally:
        search.tape.close()
    return _result(search, reason, at, time.perf_counter() - began)


def _what(search: Search) -> dict[str, Any]:
    """What tells one search from another: plain data."""
    return {
        "model": [search.model.fingerprint(), digest(search.model)],
        "places": [lever.name for lever in search.levers],
        "bounds": [str(x) for x in (*search.low.tolist(), *search.high.tolist())],
        "targets": [[target.name, target.value, target.tolerance, str(target.unit), said(target.statistic)] for target in search.targets],
        "key": key_text(search.key),
        "trials": search.trials,
        "confidence": search.confidence,
    }


def check_settings(model: Any, confidence: float, gradient: Any) -> None:
    """Refuses what is no model, no probability, no gradient."""
    if not isinstance(model, Model):
        raise TypeError(f"tune: expected a model from `net.build(...)`; got {type(model).__name__}.")
    check_confidence(confidence, "tune")
    if gradient is not None and not isinstance(gradient, AbstractGradient):
        raise TypeError(f"tune: gradient is one of neuro4d, for example `n4.train.Differences()`; got {gradient!r:.80}.")


def _searched(search: Search, gradient: AbstractGradient | None) -> tuple[str, np.ndarray | None]:
    """Searches, and says why it ended and what fresh trials have confirmed. What was measured until then stays, whatever happens."""
    try:
        search.run(np.zeros(len(search.levers)), "start")
        first_slopes(search, gradient)
        search.search()
    except Stopped as stopped:
        return str(stopped), stopped.at
    except KeyboardInterrupt:
        return "interrupted; the best so far is kept.", None


def _result(search: Search, reason: str, at: np.ndarray | None, wall: float) -> Tuned:
    if not search.points:
        raise KeyboardInterrupt("tune was interrupted before the first run was over; nothing is measured yet.")
    point = search.best if at is None else search.points[search.place_of(at)]
    slope = fit_line(search.points, point, search.prior).slope
    errors = deviation(point, slope, np.array([target.tolerance for target in search.targets]))
    moves = list(zip(search.levers, point.c.tolist(), strict=True))
    fresh = search.checked.get(search.place_of(point.c), point.values)
    return Tuned(
        model=search.written(point.c),
        values={lever.name: lever.quantity(lever.value(c)) for lever, c in moves},
        uncertainty={lever.name: lever.quantity(float(e) * abs(lever.slope(c))) for (lever, c), e in zip(moves, errors, strict=True)},
        reached={target.name: _reached(target, x) for target, x in zip(search.targets, fresh.T, strict=True)},
        slopes={
            target.name: {
                lever.name: float(slope[row, column] / target.score_slope(target.value) / lever.slope(c))
                for column, (lever, c) in enumerate(moves)
            }
            for row, target in enumerate(search.targets)
        },
        history=tuple(search.history),
        converged=at is not None,
        confidence=search.confidence,
        reason=reason,
        wall_s=wall,
        units={lever.name: lever.unit for lever in search.levers},
    )


def _reached(target: Target, values: np.ndarray) -> Reached:
    stderr = float(values.std(ddof=1) / np.sqrt(len(values)))
    return Reached(target.value, target.tolerance, float(values.mean()), stderr, len(values), target.unit)
