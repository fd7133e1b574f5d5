"""Statistics of spike trains, vectorised over the event table.

A statistic that no spike defines is `nan`, never zero: a silent neuron has no irregularity. Arrays run over all neurons
of the population, so that entry `i` always belongs to neuron `i`.
"""

import math
from typing import Any, NamedTuple

import brainunit as u
import numpy as np
from jaxtyping import Float, Int

from neuro4d._base import check_count, strip
from neuro4d.recorders import SpikeTable


class Irregularity(NamedTuple):
    """Measures of interval irregularity per neuron, each of shape `(n,)`; `intervals` counts the intervals behind them."""

    cv: Float[np.ndarray, " n"]
    cv2: Float[np.ndarray, " n"]
    lv: Float[np.ndarray, " n"]
    intervals: Int[np.ndarray, " n"]


def rate(table: SpikeTable) -> Any:
    """Mean firing rate of the population in Hz: spikes / (neurons * observed time). `nan` where nothing was observed.

    !!! Example

        >>> import numpy as np
        >>> from neuro4d.recorders import SpikeTable
        >>> from neuro4d.simulate._stats import rate
        >>> print(rate(SpikeTable(np.arange(0, 10_000, 100), np.zeros(100, int), "cells", 0.1, 2, 0, 10_000)))
        50. Hz
    """
    return np.float64(per_second(len(table), table.n * table.n_steps * table.dt_ms)) * u.Hz


def rates(table: SpikeTable) -> Any:
    """Mean firing rate of each neuron in Hz, shape `(n,)`: its spikes / observed time."""
    return per_second(table.counts(), table.n_steps * table.dt_ms) * u.Hz


def isi(table: SpikeTable) -> tuple[Any, Int[np.ndarray, " intervals"]]:
    """Every interval between two successive spikes of one neuron.

    **Returns:** `(intervals, neuron)`: a quantity in ms and the neuron of each, ordered by neuron and then by time. Intervals
    are differences of integer steps times `dt`. What lies before the first and after the last spike is no interval.
    """
    steps, owner = _intervals(table)
    return steps * table.dt_ms * u.ms, owner


def irregularity(table: SpikeTable, min_isi: int = 5) -> Irregularity:
    r"""CV, CV2 and LV of the inter-spike intervals $I_1 \dots I_m$ of every neuron.

    $$\mathrm{CV} = \frac{\sqrt{\tfrac1m\sum_i (I_i - \bar I)^2}}{\bar I}, \qquad
      \mathrm{CV2} = \Big\langle \frac{2\,|I_{i+1} - I_i|}{I_{i+1} + I_i} \Big\rangle_i, \qquad
      \mathrm{LV} = 3 \Big\langle \Big(\frac{I_{i+1} - I_i}{I_{i+1} + I_i}\Big)^2 \Big\rangle_i$$

    All three are 0 for a regular train and 1 for a Poisson process; CV2 and LV compare neighbours only, so a slow drift of the
    rate leaves them where they are.

    **Arguments:**

    - `table`: the spikes.
    - `min_isi`: neurons with fewer intervals get `nan`. CV is biased low for few intervals: a Poisson neuron shows 0.50
        on average at 2, 0.77 at 5 and 0.93 at 20, so compare recordings of equal length at equal `min_isi`.

    **Raises:** `ValueError` for `min_isi < 1`.

    **Reference:** CV2: Holt, Softky, Koch and Douglas (1996), J. Neurophysiol. 75. LV: Shinomoto, Shima and Tanji (2003),
    Neural Comput. 15. The standard deviation is that of the sample itself (divisor `m`), as in Elephant.
    """
    min_isi = check_count(min_isi, "min_isi")
    gap, owner = _intervals(table)
    m = np.bincount(owner, minlength=table.n)
    mean = _ratio(np.bincount(owner, gap, table.n), m)
    deviation = gap - mean[owner]
    cv = _ratio(np.sqrt(_ratio(np.bincount(owner, deviation * deviation, table.n), m)), mean)
    pair = owner[1:] == owner[:-1]
    contrast = (np.diff(gap) / (gap[1:] + gap[:-1]))[pair]
    whose = owner[1:][pair]
    cv2 = 2 * _ratio(np.bincount(whose, np.abs(contrast), table.n), m - 1)
    lv = 3 * _ratio(np.bincount(whose, contrast * contrast, table.n), m - 1)
    few = m < min_isi
    return Irregularity(np.where(few, np.nan, cv), np.where(few, np.nan, cv2), np.where(few, np.nan, lv), m)


def cv(table: SpikeTable, min_isi: int = 5) -> float:
    """Mean CV of the intervals over the neurons that have at least `min_isi` of them (see `irregularity`); `nan` if none has."""
    return _mean(irregularity(table, min_isi).cv)


def cv2(table: SpikeTable, min_isi: int = 5) -> float:
    """Mean CV2 over the neurons that have at least `min_isi` intervals (see `irregularity`); `nan` if none has."""
    return _mean(irregularity(table, min_isi).cv2)


def lv(table: SpikeTable, min_isi: int = 5) -> float:
    """Mean LV over the neurons that have at least `min_isi` intervals (see `irregularity`); `nan` if none has."""
    return _mean(irregularity(table, min_isi).lv)


def fano(table: SpikeTable, window: Any = 100 * u.ms) -> float:
    r"""Fano factor: variance / mean of a neuron's spike counts over successive windows, averaged over neurons.

    $$F = \Big\langle \frac{s^2_i}{\bar N_i} \Big\rangle_{i\,:\,\bar N_i > 0}$$

    1 for a Poisson process, 0 for a clock whose period divides the window. The variance has the divisor `windows - 1`, which makes
    the value exactly 1 on average for Poisson trains of any rate and any number of windows.

    **Arguments:**

    - `table`: the spikes.
    - `window`: a whole number of steps; what is left over at the end of the run is not used.

    **Returns:** a float; `nan` where no neuron spiked or fewer than two windows fit.

    **Reference:** Fano (1947), Phys. Rev. 72.
    """
    width = bin_steps(table, window, "fano(window)")
    bins = table.n_steps // width
    if bins < 2:
        return math.nan
    index = (table.step - table.start_step) // width
    inside = index < bins
    key, count = np.unique(table.id[inside].astype(np.int64) * bins + index[inside], return_counts=True)
    owner = key // bins
    mean = np.bincount(owner, count, table.n) / bins
    # Only occupied windows are listed; each empty one adds mean^2 to the sum of squares.
    square = np.bincount(owner, (count - mean[owner]) ** 2, table.n) + (bins - np.bincount(owner, minlength=table.n)) * mean**2
    return _mean(_ratio(square / (bins - 1), mean))


def binned(table: SpikeTable, bin: Any = 1 * u.ms) -> tuple[Any, Int[np.ndarray, " bins"]]:
    """Spikes of the whole population per bin.

    **Arguments:**

    - `table`: the spikes.
    - `bin`: a whole number of steps; an incomplete bin at the end of the run is left out.

    **Returns:** `(centres, counts)`: a quantity in ms and integers, each of shape `(bins,)`.

    **Raises:** `ValueError` if `bin` is not a whole number of steps.
    """
    width = bin_steps(table, bin, "binned(bin)")
    bins = table.n_steps // width
    counts = np.bincount((table.step - table.start_step) // width, minlength=bins)[:bins]
    return (table.start_step + (np.arange(bins) + 0.5) * width) * table.dt_ms * u.ms, counts


def rate_over_time(table: SpikeTable, bin: Any = 5 * u.ms) -> tuple[Any, Any]:
    """Population rate per bin (the peri-stimulus histogram): `(centres in ms, rates in Hz)`, each of shape `(bins,)`."""
    centres, counts = binned(table, bin)
    width = bin_steps(table, bin, "rate_over_time(bin)")
    return centres, per_second(counts, table.n * width * table.dt_ms) * u.Hz


def synchrony(table: SpikeTable, bin: Any = 3 * u.ms, sample: int | None = None) -> float:
    r"""Synchrony: variance / mean of the population's binned spike count, $\mathrm{Var}(N_b) / \langle N_b \rangle$.

    1 for independent Poisson neurons, up to the number of neurons where all fire together. It grows with the number of neurons if
    they are correlated: compare populations at an equal `sample`.

    **Arguments:**

    - `table`: the spikes.
    - `bin`: a whole number of steps.
    - `sample`: count only this many neurons, spread evenly over the population; `None` counts all.

    **Returns:** a float; `nan` where nothing spiked.

    **Reference:** Potjans and Diesmann (2014), Cereb. Cortex 24: bins of 3 ms, 1000 neurons per population.
    """
    _, counts = binned(table if sample is None else _subset(table, sample), bin)
    return float(np.var(counts) / np.mean(counts)) if counts.any() else math.nan


def correlations(table: SpikeTable, bin: Any = 5 * u.ms, sample: int = 100) -> Float[np.ndarray, "m m"]:
    r"""Pearson correlation of the binned counts of neuron pairs.

    $$\rho_{ij} = \frac{\mathrm{Cov}(n_i, n_j)}{\sqrt{\mathrm{Var}(n_i)\,\mathrm{Var}(n_j)}}$$

    **Arguments:**

    - `table`: the spikes.
    - `bin`: a whole number of steps.
    - `sample`: at most this many neurons, spread evenly over those that spiked (a silent neuron has no correlation).

    **Returns:** shape `(m, m)` with `m <= sample`, ones on the diagonal; `nan` for a neuron with the same count in every bin.

    **Reference:** Cohen and Kohn (2011), Nat. Neurosci. 14.
    """
    sample = check_count(sample, "correlations(sample)", low=2)
    width = bin_steps(table, bin, "correlations(bin)")
    bins = table.n_steps // width
    index = (table.step - table.start_step) // width
    inside = index < bins
    chosen = _spread(np.unique(table.id[inside]), sample)
    place = np.full(table.n, -1)
    place[chosen] = np.arange(len(chosen))
    inside &= place[table.id] >= 0
    counts = np.bincount(place[table.id[inside]] * bins + index[inside], minlength=len(chosen) * bins).reshape(len(chosen), bins)
    centred = counts - counts.mean(axis=1, keepdims=True) if bins else counts.astype(float)
    norm = np.sqrt((centred * centred).sum(axis=1))
    unit = centred / np.where(norm > 0, norm, np.nan)[:, None]
    return unit @ unit.T


def correlation(table: SpikeTable, bin: Any = 5 * u.ms, sample: int = 100) -> float:
    """Mean of `correlations` over the pairs of different neurons; `nan` where there is no such pair."""
    matrix = correlations(table, bin, sample)
    return _mean(matrix[np.triu_indices(len(matrix), 1)])


def bin_steps(table: SpikeTable, width: Any, where: str) -> int:
    """A bin as a whole number of steps; any other width is refused, since its bins would hold unequal numbers of steps."""
    value = strip(width, u.ms, where=where)
    steps = float(value) / table.dt_ms if value.ndim == 0 else math.nan
    if not (0.5 < steps < math.inf) or abs(steps - round(steps)) > 1e-6 * steps:
        raise ValueError(
            f"{where} must be a whole number of steps of {table.dt_ms:g} ms, for example `{10 * table.dt_ms:g} * u.ms`; got {width}."
        )
    return round(steps)


def _intervals(table: SpikeTable) -> tuple[np.ndarray, np.ndarray]:
    step, id = table.by_neuron
    same = id[1:] == id[:-1]
    return np.diff(step)[same], id[1:][same]


def _subset(table: SpikeTable, sample: int) -> SpikeTable:
    chosen = _spread(np.arange(table.n), check_count(sample, "synchrony(sample)"))
    keep = np.isin(table.id, chosen)
    id = np.searchsorted(chosen, table.id[keep])
    return SpikeTable(table.step[keep], id, table.population, table.dt_ms, len(chosen), table.start_step, table.n_steps)


def _spread(of: np.ndarray, most: int) -> np.ndarray:
    """At most `most` entries, evenly spaced: no draw, so the same spikes always give the same number."""
    return of if len(of) <= most else of[np.arange(most) * len(of) // most]


def per_second(count: Any, ms: float) -> Any:
    """Events per `ms` of time, as a bare number in Hz; `nan` where no time was observed."""
    return count * (1e3 / ms) if ms > 0 else count * math.nan


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Division that gives `nan` where the divisor is not positive."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan
