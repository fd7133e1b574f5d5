"""Distances between spike trains, many pairs at a time.

Times count from the begin of each table, so that trials which began at different times of the clock compare. Pairs are rows of padded
arrays: the loops below run over spikes, never over pairs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import brainunit as u
import numpy as np
from jaxtyping import Float

from neuro4d._base import check_count, strip
from neuro4d.analysis._numbers import evenly
from neuro4d.analysis._tables import BLOCK
from neuro4d.recorders import SpikeTable, stamps


def victor_purpura(a: SpikeTable, b: SpikeTable | None = None, *, cost: Any, sample: int = 100) -> Float[np.ndarray, "..."]:
    r"""Victor-Purpura distance: the least cost of turning one train into another. To add or to remove a spike costs 1, to move it by $\Delta t$
    costs $q\,|\Delta t|$.

    $$G_{ij} = \min\big(G_{i-1,j} + 1,\; G_{i,j-1} + 1,\; G_{i-1,j-1} + q\,|t_i - s_j|\big), \qquad G_{i0} = i, \quad G_{0j} = j$$

    It counts spikes at $q = 0$, and those without a partner at the same time at $q = \infty$. Spikes further apart than $2/q$ are never
    matched. The work is the product of the numbers of spikes.

    **Arguments:**

    - `a`: the spikes of a population, `run.spikes("cells")`.
    - `b`: those of as many neurons, for example of another run. Without it, the neurons of `a` are compared with each other.
    - `cost`: $q$, 0 or more, for example `1 / (10*u.ms)`. [1/time]
    - `sample`: without `b`, at most this many neurons, evenly spaced.

    **Returns:** shape `(n,)`: neuron `i` of `a` and neuron `i` of `b`. Without `b` shape `(m, m)`, symmetric, with `m <= sample`.

    **Raises:** `UnitError`, `TypeError`; `ValueError` for a negative cost or tables of different numbers of neurons.

    **Reference:** Victor and Purpura (1996), J. Neurophysiol. 76.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> table = n4.SpikeTable([10, 13], [0, 1], "cells", 1.0, 3, 0, 100)
        >>> n4.analysis.victor_purpura(table, cost=100*u.Hz)
        array([[0. , 0.3, 1. ],
               [0.3, 0. , 1. ],
               [1. , 1. , 0. ]])
    """
    per_ms = _one(strip(cost, u.Hz, where="victor_purpura(cost)"), cost, "victor_purpura(cost)", "1 / (10 * u.ms)", zero=True) / 1e3
    return _compare(a, b, sample, "victor_purpura", lambda x, y: _edit_cost(x, y, per_ms))


def van_rossum(a: SpikeTable, b: SpikeTable | None = None, *, tau: Any, sample: int = 100) -> Float[np.ndarray, "..."]:
    r"""Van Rossum distance: that of two trains after each spike became an exponential $e^{-t/\tau}$.

    $$D^2 = \frac{2}{\tau} \int_0^\infty \big(f_a(t) - f_b(t)\big)^2\,dt = \sum_{k,l} w_k w_l\, e^{-|t_k - t_l| / \tau}$$

    over the spikes of both, $w = 1$ for those of the first and $-1$ for those of the second. One spike and none are at distance 1; the
    publication has a factor $1/\sqrt 2$ on this. $D \to \sqrt{N}$, with $N$ spikes without a partner at the same time, for $\tau \to 0$, and
    to the difference of the counts for $\tau \to \infty$. The sum is taken in one pass over the spikes in time, each with the sum of the
    decayed ones before it.

    **Arguments:**

    - `a`: the spikes of a population, `run.spikes("cells")`.
    - `b`: those of as many neurons, for example of another run. Without it, the neurons of `a` are compared with each other.
    - `tau`: time constant, above 0. [time]
    - `sample`: without `b`, at most this many neurons, evenly spaced.

    **Returns:** shape `(n,)`: neuron `i` of `a` and neuron `i` of `b`. Without `b` shape `(m, m)`, symmetric, with `m <= sample`.

    **Raises:** `UnitError`, `TypeError`; `ValueError` for a `tau` that is not positive, or tables of different numbers of neurons.

    **Reference:** van Rossum (2001), Neural Comput. 13; one pass: Houghton and Kreuz (2012), Network 23.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> table = n4.SpikeTable([10, 13], [0, 1], "cells", 1.0, 3, 0, 100)
        >>> n4.analysis.van_rossum(table, tau=10*u.ms).round(3)
        array([[0.  , 0.72, 1.  ],
               [0.72, 0.  , 1.  ],
               [1.  , 1.  , 0.  ]])
    """
    ms = _one(strip(tau, u.ms, where="van_rossum(tau)"), tau, "van_rossum(tau)", "10 * u.ms", zero=False)
    return _compare(a, b, sample, "van_rossum", lambda x, y: _filtered_distance(x, y, ms))


class _Trains(NamedTuple):
    """Spike times `(trains, most)` in ms in ascending order, padded behind the last with `end`, and how many there are."""

    times: np.ndarray
    counts: np.ndarray

    def rows(self, index: np.ndarray) -> "_Trains":
        counts = self.counts[index]
        return _Trains(self.times[index, : counts.max(initial=0)], counts)


def _one(value: np.ndarray, given: Any, where: str, line: str, zero: bool) -> float:
    """One number from 0, or above it, to infinity."""
    if value.ndim or not (value > 0 or (zero and value == 0)):
        raise ValueError(f"{where} must be one number {'at least' if zero else 'above'} 0, for example `{line}`; got {given}.")
    return float(value)


def _compare(
    a: SpikeTable, b: SpikeTable | None, sample: int, where: str, distance: Callable[[_Trains, _Trains], np.ndarray]
) -> np.ndarray:
    for table in (a,) if b is None else (a, b):
        if not isinstance(table, SpikeTable):
            raise TypeError(f'{where} takes the spikes of a population, `run.spikes("cells")`; got {type(table).__name__}.')
    if b is not None:
        if a.n != b.n:
            raise ValueError(f"{where} compares neuron by neuron: a and b need equal numbers of neurons; got {a.n} and {b.n}.")
        return _in_blocks(_padded(a), _padded(b), np.arange(a.n), np.arange(a.n), distance)
    chosen = evenly(np.arange(a.n), check_count(sample, f"{where}(sample)", low=2))
    trains = _padded(a).rows(chosen)
    out = np.zeros((len(chosen), len(chosen)))
    one, two = np.triu_indices(len(chosen), 1)
    out[one, two] = _in_blocks(trains, trains, one, two, distance)
    return out + out.T


def _padded(table: SpikeTable) -> _Trains:
    step, id = table.by_neuron
    counts = table.counts()
    times = np.full((table.n, counts.max(initial=0)), table.n_steps * table.dt_ms)
    times[id, np.arange(len(step)) - (np.cumsum(counts) - counts)[id]] = stamps(step - table.start_step, table.dt_ms)
    return _Trains(times, counts)


def _in_blocks(a: _Trains, b: _Trains, one: np.ndarray, two: np.ndarray, distance: Callable[[_Trains, _Trains], np.ndarray]) -> np.ndarray:
    """Distances of pairs of rows, as many at a time as fit. Pairs of like length go together: a block takes as long as its longest."""
    out = np.empty(len(one))
    order = np.lexsort((b.counts[two], a.counts[one]))
    many = max(1, BLOCK // max(1, a.times.shape[1] + b.times.shape[1]))
    for begin in range(0, len(order), many):
        part = order[begin : begin + many]
        out[part] = distance(a.rows(one[part]), b.rows(two[part]))
    return out


def _edit_cost(a: _Trains, b: _Trains, per_ms: float) -> np.ndarray:
    """One row of the table per spike of `a`. What a row costs to extend by insertions, `G[j-1] + 1`, is a running minimum of `G[j] - j`."""
    column = np.arange(b.times.shape[1] + 1.0)
    row = np.tile(column, (len(a.counts), 1))
    ends = np.arange(len(a.counts)), b.counts
    out = row[ends]
    for i in range(a.times.shape[1]):
        apart = np.abs(b.times - a.times[:, i : i + 1])
        # To remove a spike and to add one costs 2, so nothing moves for more; an infinite cost times no distance is none.
        move = np.minimum(apart * per_ms, 2.0) if per_ms < np.inf else np.where(apart > 0, 2.0, 0.0)
        best = row + 1
        np.minimum(best[:, 1:], row[:, :-1] + move, out=best[:, 1:])
        row = np.minimum.accumulate(best - column, axis=1) + column
        out = np.where(a.counts == i + 1, row[ends], out)
    return out


def _filtered_distance(a: _Trains, b: _Trains, tau: float) -> np.ndarray:
    """Both trains in time, `before` the sum of what earlier spikes have decayed to."""
    rows, most = len(a.counts), a.times.shape[1]
    times = np.concatenate([a.times, b.times], axis=1)
    weights = np.concatenate(
        [1.0 * (np.arange(most) < a.counts[:, None]), -1.0 * (np.arange(b.times.shape[1]) < b.counts[:, None])], axis=1
    )
    order = np.argsort(times, axis=1, kind="stable")
    times, weights = np.take_along_axis(times, order, 1), np.take_along_axis(weights, order, 1)
    decay = np.exp(-np.diff(times, axis=1, prepend=times[:, :1]) / tau)
    square, before = np.zeros(rows), np.zeros(rows)
    for k in range(times.shape[1]):
        before *= decay[:, k]
        square += weights[:, k] * (weights[:, k] + 2 * before)
        before += weights[:, k]
    return np.sqrt(np.maximum(square, 0))
