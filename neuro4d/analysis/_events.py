"""Bursts of neurons and avalanches of populations: stretches of many spikes between silences."""

from typing import Any, NamedTuple

import brainunit as u
import numpy as np
from jaxtyping import Float, Int
from scipy import special

from neuro4d._base import NUMBER, check_count, check_range, strip
from neuro4d.analysis._numbers import mean_known, ratio
from neuro4d.analysis._tables import whole_steps
from neuro4d.recorders import SpikeTable, stamps


class Bursts(NamedTuple):
    """Bursts, ordered by neuron and then by time.

    **Fields:** `neuron`, `spikes` `(bursts,)`; `start`, `duration` `(bursts,)` in ms, from the first spike to the last; `surprise` `(bursts,)`, in nats;
    `share` `(n,)`: the share of the spikes of each neuron that are in bursts, `nan` for a silent one.
    """

    neuron: Int[np.ndarray, " bursts"]
    start: Any
    duration: Any
    spikes: Int[np.ndarray, " bursts"]
    surprise: Float[np.ndarray, " bursts"]
    share: Float[np.ndarray, " n"]


class Avalanches(NamedTuple):
    """Avalanches in time.

    **Fields:** `size` `(a,)`: spikes; `bins` `(a,)`: length in bins; `start`, `duration` `(a,)` in ms; `bin`: width of the bins in ms; `branching`: spikes in the
    second bin of an avalanche over spikes in its first, averaged, 0 for avalanches of one bin: 1 where activity is handed on undiminished.
    """

    size: Int[np.ndarray, " a"]
    bins: Int[np.ndarray, " a"]
    start: Any
    duration: Any
    bin: Any
    branching: float


def bursts(table: SpikeTable, max_isi: Any = 10 * u.ms, min_spikes: int = 3, min_surprise: float = 0.0) -> Bursts:
    r"""Bursts of single neurons: at least `min_spikes` spikes, none more than `max_isi` after the one before.

    Each comes with its Poisson surprise: minus the logarithm of the probability that a Poisson neuron of the same rate $r$ puts as many
    spikes or more into the time that the burst takes.

    $$S = -\ln \sum_{k=N}^{\infty} \frac{(rT)^k}{k!}\, e^{-rT}$$

    **Arguments:**

    - `table`: the spikes of a population, `run.spikes("cells")`.
    - `max_isi`: longest interval within a burst. [time]
    - `min_spikes`: fewest spikes, 2 or more.
    - `min_surprise`: bursts that surprise less are left out, for instance those that a fast neuron has by chance.

    **Returns:** a `Bursts`.

    **Raises:** `UnitError`, `TypeError`; `ValueError` for a value out of range.

    **Reference:** a threshold on intervals: Cocatre-Zilgien and Delcomyn (1992), J. Neurosci. Methods 41. Surprise: Legendy and Salcman (1985),
    J. Neurophysiol. 53; here it judges bursts, it does not search their borders.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> table = n4.SpikeTable([100, 103, 107, 500, 900, 904], [0]*6, "cells", 1.0, 1, 0, 1000)
        >>> found = n4.analysis.bursts(table, max_isi=5*u.ms)
        >>> print(found.start, found.duration, found.spikes, found.share)
        [101.] ms [7.] ms [3] [0.5]
    """
    longest = strip(max_isi, u.ms, where="bursts(max_isi)")
    check_range(longest, u.ms, "bursts(max_isi)", low=0, open_low=True)
    min_spikes = check_count(min_spikes, "bursts(min_spikes)", low=2)
    least = strip(min_surprise, NUMBER, where="bursts(min_surprise)")
    check_range(least, NUMBER, "bursts(min_surprise)", low=0)
    if longest.ndim or least.ndim:
        raise ValueError("bursts takes one max_isi and one min_surprise, for example `max_isi=10*u.ms, min_surprise=3.0`.")
    step, id = table.by_neuron
    # A hair more than the longest interval, so that one of exactly that length on the grid belongs to the burst.
    joined = (np.diff(id) == 0) & (np.diff(step) * table.dt_ms <= float(longest) * (1 + 1e-9))
    edges = np.diff(np.concatenate([[0], joined.astype(np.int8), [0]]))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    spikes, neuron = last - first + 1, id[first]
    duration = (step[last] - step[first]) * table.dt_ms
    counts = table.counts()
    surprise = _surprise(spikes, counts[neuron] * duration / max(1, table.n_steps) / table.dt_ms)
    keep = (spikes >= min_spikes) & (surprise >= float(least))
    first, neuron, spikes, duration, surprise = first[keep], neuron[keep], spikes[keep], duration[keep], surprise[keep]
    share = ratio(np.bincount(neuron, spikes, table.n), counts)
    start = stamps(step[first], table.dt_ms) * u.ms
    return Bursts(neuron, start, duration * u.ms, spikes, surprise, share)


def avalanches(table: SpikeTable, bin: Any = None) -> Avalanches:
    r"""Neuronal avalanches: stretches of bins with spikes of the population, between bins without.

    Near a critical point sizes have the density $s^{-3/2}$ and durations $d^{-2}$. Exponents depend on the bin.

    **Arguments:**

    - `table`: the spikes of a population, `run.spikes("cells")`.
    - `bin`: a whole number of steps. Left out, the mean interval between successive spikes of the population, to the nearest step and at
      least one, as the field `bin` of the result says. [time]

    **Returns:** an `Avalanches`. What touches the begin or the end of the observed time is cut, and left out.

    **Raises:** `UnitError`, `ValueError` if `bin` is not a whole number of steps.

    **Reference:** Beggs and Plenz (2003), J. Neurosci. 23.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> table = n4.SpikeTable([10, 11, 11, 12, 30, 50, 51], [0, 1, 2, 0, 1, 1, 2], "cells", 1.0, 3, 0, 100)
        >>> found = n4.analysis.avalanches(table, bin=1*u.ms)
        >>> print(found.size, found.duration, round(found.branching, 2))
        [4 1 2] [3. 1. 2.] ms 1.0
    """
    width = _mean_interval(table) if bin is None else whole_steps(bin, table.dt_ms, "avalanches(bin)")
    bins = table.n_steps // width
    index = (table.step - table.start_step) // width
    at, many = np.unique(index[index < bins], return_counts=True)
    # An avalanche begins at an occupied bin whose predecessor is empty.
    opens = np.flatnonzero(np.diff(at, prepend=-2) > 1)
    closes = np.append(opens, len(at))[1:] - 1
    if len(at):
        whole = (at[opens] > 0) & (at[closes] < bins - 1)
        opens, closes = opens[whole], closes[whole]
    total = np.concatenate([[0], np.cumsum(many)])
    size, length = total[closes + 1] - total[opens], closes - opens + 1
    second = np.append(many, 0)[opens + 1]
    branching = mean_known(np.where(length > 1, second, 0) / many[opens])
    start = (table.start_step + at[opens] * width) * table.dt_ms
    wide = width * table.dt_ms
    return Avalanches(size, length, start * u.ms, length * wide * u.ms, np.float64(wide) * u.ms, branching)


def _mean_interval(table: SpikeTable) -> int:
    """In steps; the length of the table where there is no interval."""
    if len(table) < 2:
        return max(1, table.n_steps)
    return max(1, round((int(table.step[-1]) - int(table.step[0])) / (len(table) - 1)))


def _surprise(spikes: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Minus the logarithm of the upper tail of a Poisson distribution: its first term times a series below the mean of the count, where the
    tail itself would underflow, and the incomplete gamma function above."""
    far = expected < spikes
    low = np.where(far, expected, 0.0)
    first = special.xlogy(spikes, low) - low - special.gammaln(spikes + 1)
    tail = first + np.log(special.hyp1f1(1.0, spikes + 1.0, low))
    near = np.log(special.gammainc(spikes, np.where(far, 1.0 * spikes, expected)))
    return -np.where(far, tail, near)
