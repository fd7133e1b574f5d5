"""Statistics of spike counts: rates, and how counts in bins vary together."""

import math
from typing import Any

import brainunit as u
import numpy as np
from jaxtyping import Float, Int

from neuro4d._base import check_count, per_second
from neuro4d.analysis._numbers import evenly, mean_known, ratio
from neuro4d.analysis._tables import in_bins, in_rows, whole_steps
from neuro4d.recorders import SpikeTable


def rate(table: SpikeTable) -> Any:
    r"""Mean firing rate of the population in Hz: spikes / (neurons x observed time).

    $$r = \frac{1}{n T} \sum_i N_i$$

    **Arguments:** `table`: the spikes of a population, `run.spikes("cells")`.

    **Returns:** a quantity in Hz; `nan` where nothing was observed.

    !!! Example

        >>> import neuro4d as n4, numpy as np
        >>> table = n4.SpikeTable(np.arange(0, 10_000, 100), np.zeros(100, int), "cells", 0.1, 2, 0, 10_000)
        >>> print(n4.analysis.rate(table))
        50. Hz
    """
    return np.float64(per_second(len(table), table.n * table.n_steps * table.dt_ms)) * u.Hz


def rates(table: SpikeTable) -> Any:
    r"""Mean firing rate of each neuron: $r_i = N_i / T$, its spikes / observed time.

    **Arguments:** `table`: the spikes of a population, `run.spikes("cells")`.

    **Returns:** a quantity in Hz, shape `(n,)`; `nan` where nothing was observed.

    !!! Example

        >>> import neuro4d as n4, numpy as np
        >>> table = n4.SpikeTable(np.arange(0, 10_000, 100), np.zeros(100, int), "cells", 0.1, 2, 0, 10_000)
        >>> print(n4.analysis.rates(table))
        [100.   0.] Hz
    """
    return per_second(table.counts(), table.n_steps * table.dt_ms) * u.Hz


def rate_over_time(table: SpikeTable, bin: Any = 5 * u.ms) -> tuple[Any, Any]:
    r"""Population rate per bin (the peri-stimulus histogram): $r_b = N_b / (n\,\Delta)$ with bins of width $\Delta$.

    **Arguments:**

    - `table`: the spikes of a population, `run.spikes("cells")`.
    - `bin`: a whole number of steps; an incomplete bin at the end of the run is left out.

    **Returns:** `(centres, rates)`: quantities in ms and Hz, each of shape `(bins,)`.

    **Raises:** `UnitError`, `ValueError` if `bin` is not a whole number of steps.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> table = n4.SpikeTable(np.arange(0, 10_000, 100), np.zeros(100, int), "cells", 0.1, 2, 0, 10_000)
        >>> centres, rates = n4.analysis.rate_over_time(table, 500*u.ms)
        >>> print(rates)
        [50. 50.] Hz
    """
    width = whole_steps(bin, table.dt_ms, "rate_over_time(bin)")
    centres, counts = binned(table, bin)
    return centres, per_second(counts, table.n * width * table.dt_ms) * u.Hz


def binned(table: SpikeTable, bin: Any = 1 * u.ms) -> tuple[Any, Int[np.ndarray, " bins"]]:
    r"""Spikes of the whole population per bin, $N_b$.

    **Arguments:**

    - `table`: the spikes of a population, `run.spikes("cells")`.
    - `bin`: a whole number of steps; an incomplete bin at the end of the run is left out.

    **Returns:** `(centres, counts)`: a quantity in ms and integers, each of shape `(bins,)`.

    **Raises:** `UnitError`, `ValueError` if `bin` is not a whole number of steps.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> table = n4.SpikeTable(np.arange(0, 10_000, 100), np.zeros(100, int), "cells", 0.1, 2, 0, 10_000)
        >>> centres, counts = n4.analysis.binned(table, 200*u.ms)
        >>> print(centres, counts)
        [100. 300. 500. 700. 900.] ms [20 20 20 20 20]
    """
    width = whole_steps(bin, table.dt_ms, "binned(bin)")
    counts = in_bins(table, width)
    return (table.start_step + (np.arange(len(counts)) + 0.5) * width) * table.dt_ms * u.ms, counts


def fano(table: SpikeTable, window: Any = 100 * u.ms) -> float:
    r"""Fano factor: variance / mean of a neuron's spike counts over successive windows, averaged over neurons.

    $$F = \Big\langle \frac{s^2_i}{\bar N_i} \Big\rangle_{i\,:\,\bar N_i > 0}$$

    1 for a Poisson process, 0 for a clock whose period divides the window. The variance has the divisor `windows - 1`, which makes
    the value exactly 1 on average for Poisson trains of any rate and any number of windows.

    **Arguments:**

    - `table`: the spikes of a population, `run.spikes("cells")`.
    - `window`: a whole number of steps; what is left over at the end of the run is not used.

    **Returns:** a float; `nan` where no neuron spiked or fewer than two windows fit.

    **Raises:** `UnitError`, `ValueError` if `window` is not a whole number of steps.

    **Reference:** Fano (1947), Phys. Rev. 72.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> table = n4.SpikeTable(np.arange(0, 10_000, 100), np.zeros(100, int), "cells", 0.1, 2, 0, 10_000)
        >>> n4.analysis.fano(table, 100*u.ms)
        0.0
    """
    width = whole_steps(window, table.dt_ms, "fano(window)")
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
    return mean_known(ratio(square / (bins - 1), mean))


def synchrony(table: SpikeTable, bin: Any = 3 * u.ms, sample: int | None = None) -> float:
    r"""Synchrony: variance / mean of the population's binned spike count, $\mathrm{Var}(N_b) / \langle N_b \rangle$.

    1 for independent Poisson neurons, up to the number of neurons where all fire together. It grows with the number of neurons if
    they are correlated: compare populations at an equal `sample`.

    **Arguments:**

    - `table`: the spikes of a population, `run.spikes("cells")`.
    - `bin`: a whole number of steps.
    - `sample`: count only this many neurons, spread evenly over the population; `None` counts all.

    **Returns:** a float; `nan` where nothing spiked.

    **Raises:** `UnitError`, `ValueError` if `bin` is not a whole number of steps or `sample` is less than 1.

    **Reference:** Potjans and Diesmann (2014), Cereb. Cortex 24: bins of 3 ms, 1000 neurons per population.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> table = n4.SpikeTable(np.arange(0, 10_000, 100), np.zeros(100, int), "cells", 0.1, 2, 0, 10_000)
        >>> n4.analysis.synchrony(table, 10*u.ms)
        0.0
    """
    _, counts = binned(table if sample is None else _subset(table, sample), bin)
    return float(np.var(counts) / np.mean(counts)) if counts.any() else math.nan


def correlations(table: SpikeTable, bin: Any = 5 * u.ms, sample: int = 100) -> Float[np.ndarray, "m m"]:
    r"""Pearson correlation of the binned counts of neuron pairs.

    $$\rho_{ij} = \frac{\mathrm{Cov}(n_i, n_j)}{\sqrt{\mathrm{Var}(n_i)\,\mathrm{Var}(n_j)}}$$

    **Arguments:**

    - `table`: the spikes of a population, `run.spikes("cells")`.
    - `bin`: a whole number of steps.
    - `sample`: at most this many neurons, spread evenly over those that spiked (a silent neuron has no correlation).

    **Returns:** shape `(m, m)` with `m <= sample`, ones on the diagonal; `nan` for a neuron with the same count in every bin.

    **Raises:** `UnitError`, `ValueError` if `bin` is not a whole number of steps or `sample` is less than 2.

    **Reference:** Cohen and Kohn (2011), Nat. Neurosci. 14.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> table = n4.SpikeTable([0, 0, 12, 12], [0, 1, 0, 1], "cells", 0.1, 2, 0, 40)
        >>> n4.analysis.correlations(table, 1*u.ms).round(3)
        array([[1., 1.],
               [1., 1.]])
    """
    sample = check_count(sample, "correlations(sample)", low=2)
    width = whole_steps(bin, table.dt_ms, "correlations(bin)")
    bins = table.n_steps // width
    chosen = evenly(np.unique(table.id[: np.searchsorted(table.step, table.start_step + bins * width)]), sample)
    place = np.full(table.n, -1)
    place[chosen] = np.arange(len(chosen))
    counts = in_rows(table, width, place, len(chosen))
    centred = counts - counts.mean(axis=1, keepdims=True) if bins else counts.astype(float)
    norm = np.sqrt((centred * centred).sum(axis=1))
    unit = centred / np.where(norm > 0, norm, np.nan)[:, None]
    return unit @ unit.T


def correlation(table: SpikeTable, bin: Any = 5 * u.ms, sample: int = 100) -> float:
    r"""Mean of `correlations` over the pairs of different neurons, $\langle \rho_{ij} \rangle_{i<j}$.

    **Arguments:** as `correlations`.

    **Returns:** a float; `nan` where there is no such pair.

    **Raises:** as `correlations`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> table = n4.SpikeTable([0, 0, 12, 12], [0, 1, 0, 1], "cells", 0.1, 2, 0, 40)
        >>> round(n4.analysis.correlation(table, 1*u.ms), 3)
        1.0
    """
    matrix = correlations(table, bin, sample)
    return mean_known(matrix[np.triu_indices(len(matrix), 1)])


def _subset(table: SpikeTable, sample: int) -> SpikeTable:
    chosen = evenly(np.arange(table.n), check_count(sample, "synchrony(sample)"))
    keep = np.isin(table.id, chosen)
    id = np.searchsorted(chosen, table.id[keep])
    return SpikeTable(table.step[keep], id, table.population, table.dt_ms, len(chosen), table.start_step, table.n_steps)
