"""Rates around events, over trials."""

from typing import Any, NamedTuple

import brainunit as u
import numpy as np
from jaxtyping import Int

from neuro4d._base import per_second
from neuro4d.analysis._tables import Tables, steps_at, trials_of, whole_steps
from neuro4d.recorders import SpikeTable


class PSTH(NamedTuple):
    """A peri-stimulus time histogram: `times` `(bins,)`, centres of the bins from the event on, in ms; `rate` and `stderr` `(bins,)` in Hz;
    `counts` `(trials, bins)`, the spikes of the population."""

    times: Any
    rate: Any
    stderr: Any
    counts: Int[np.ndarray, "trials bins"]


def psth(tables: Tables, events: Any = None, before: Any = 0 * u.ms, after: Any = None, bin: Any = 5 * u.ms) -> PSTH:
    r"""Peri-stimulus time histogram: the rate of the population around events, averaged over trials, with its standard error.

    $$r_b = \frac{1}{K} \sum_{k=1}^{K} r_{kb}, \qquad r_{kb} = \frac{N_{kb}}{n\,\Delta}, \qquad
      \mathrm{se}_b = \sqrt{\frac{1}{K (K - 1)} \sum_k (r_{kb} - r_b)^2}$$

    with $N_{kb}$ spikes of $n$ neurons in bin $b$ of trial $k$, bins of width $\Delta$.

    **Arguments:**

    - `tables`: the spikes of a population, or of every run of a batch, `[run.spikes("cells") for run in runs]`.
    - `events`: times on the model's clock, shape `(events,)`, the same in every table; each is a trial. Without them every table is a
      trial, and its event is its begin. [time]
    - `before`, `after`: the window around an event. `after=None` reaches to the end of the tables, which takes tables of one length and no
      `events`. [time]
    - `bin`: a whole number of steps, as are all other times; the window is a whole number of bins.

    **Returns:** a `PSTH`; its standard error is `nan` for a single trial.

    **Raises:** `UnitError`, `TypeError`; `ValueError` for times off the grid of steps, or a window that leaves what was observed.

    **Reference:** Gerstein and Kiang (1960), Biophys. J. 1.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> table = n4.SpikeTable([12, 15, 31, 38], [0, 1, 0, 1], "cells", 1.0, 2, 0, 60)
        >>> result = n4.analysis.psth(table, np.array([10.0, 30.0])*u.ms, before=10*u.ms, after=20*u.ms, bin=10*u.ms)
        >>> print(result.times, result.rate)
        [-5.  5. 15.] ms [  0. 100.   0.] Hz
    """
    trials = trials_of(tables, "psth")
    dt, n = trials[0].dt_ms, trials[0].n
    width = whole_steps(bin, dt, "psth(bin)")
    back = whole_steps(before, dt, "psth(before)", low=0)
    ahead = _ahead(trials, events, after)
    bins, left = divmod(back + ahead, width)
    if left or not bins:
        raise ValueError(
            f"psth: before + after must be a whole number of bins, for example `after={(width * max(bins, 1) * dt):g} * u.ms` with `before=0*u.ms`; "
            f"got {(back + ahead) * dt:g} ms with bins of {width * dt:g} ms."
        )
    at = None if events is None else steps_at(events, dt, "psth(events)")
    if at is not None and not len(at):
        raise ValueError("psth(events) holds no event; give at least one, for example `np.array([100.0, 300.0]) * u.ms`.")
    rows = [_counts(table, begin, width, bins) for table in trials for begin in _begins(table, at, back, back + ahead)]
    counts = np.stack(rows)
    rates = per_second(counts, n * width * dt)
    k = len(rates)
    stderr = rates.std(axis=0, ddof=1) / np.sqrt(k) if k > 1 else np.full(bins, np.nan)
    times = ((np.arange(bins) + 0.5) * width - back) * dt
    return PSTH(times * u.ms, rates.mean(axis=0) * u.Hz, stderr * u.Hz, counts)


def _ahead(trials: tuple[SpikeTable, ...], events: Any, after: Any) -> int:
    if after is not None:
        return whole_steps(after, trials[0].dt_ms, "psth(after)")
    lengths = sorted({table.n_steps for table in trials})
    if events is not None or len(lengths) > 1:
        why = "with events" if events is not None else f"for tables of {lengths[0]} to {lengths[-1]} steps"
        raise ValueError(f"psth needs `after` {why}, for example `after=100*u.ms`.")
    return lengths[0]


def _begins(table: SpikeTable, at: np.ndarray | None, back: int, length: int) -> np.ndarray:
    """First steps of the windows of one table."""
    begins = (np.array([table.start_step]) if at is None else at) - back
    outside = (begins < table.start_step) | (begins + length > table.start_step + table.n_steps)
    if outside.any():
        dt, first = table.dt_ms, begins[outside][0]
        raise ValueError(
            f"psth: the window of an event leaves what was observed, {table.start_step * dt:g} ms to {(table.start_step + table.n_steps) * dt:g} ms: "
            f"{first * dt:g} ms to {(first + length) * dt:g} ms around {(first + back) * dt:g} ms. Leave out that event, or shorten `before` and `after`."
        )
    return begins


def _counts(table: SpikeTable, begin: int, width: int, bins: int) -> np.ndarray:
    cut = slice(*np.searchsorted(table.step, [begin, begin + width * bins]))
    return np.bincount((table.step[cut] - begin) // width, minlength=bins)
