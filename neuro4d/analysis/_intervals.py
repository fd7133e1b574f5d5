"""Statistics of the intervals between spikes, vectorised over the event table.

A statistic that no spike defines is `nan`, never zero: a silent neuron has no irregularity. Arrays run over all neurons
of the population, so that entry `i` always belongs to neuron `i`.
"""

from typing import Any, NamedTuple

import brainunit as u
import numpy as np
from jaxtyping import Float, Int

from neuro4d._base import check_count
from neuro4d.analysis._numbers import mean_known, ratio
from neuro4d.recorders import SpikeTable


class Irregularity(NamedTuple):
    """Measures of interval irregularity per neuron, each of shape `(n,)`; `intervals` counts the intervals behind them."""

    cv: Float[np.ndarray, " n"]
    cv2: Float[np.ndarray, " n"]
    lv: Float[np.ndarray, " n"]
    intervals: Int[np.ndarray, " n"]


def isi(table: SpikeTable) -> tuple[Any, Int[np.ndarray, " intervals"]]:
    r"""Every interval $I = t_{k+1} - t_k$ between two successive spikes of one neuron.

    What lies before the first and after the last spike is no interval. Intervals are differences of integer steps times `dt`.

    **Arguments:** `table`: the spikes of a population, `run.spikes("cells")`.

    **Returns:** `(intervals, neuron)`: a quantity in ms and the neuron of each, both of shape `(intervals,)`, ordered by neuron and then
    by time.

    !!! Example

        >>> import neuro4d as n4
        >>> table = n4.SpikeTable([0, 4, 10], [0, 0, 0], "cells", 0.5, 1, 0, 20)
        >>> intervals, neuron = n4.analysis.isi(table)
        >>> print(intervals)
        [2. 3.] ms
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

    - `table`: the spikes of a population, `run.spikes("cells")`.
    - `min_isi`: neurons with fewer intervals get `nan`. CV is biased low for few intervals: a Poisson neuron shows 0.50
        on average at 2, 0.77 at 5 and 0.93 at 20, so compare recordings of equal length at equal `min_isi`.

    **Returns:** an `Irregularity`: four arrays of shape `(n,)`.

    **Raises:** `ValueError` for `min_isi < 1`.

    **Reference:** CV2: Holt, Softky, Koch and Douglas (1996), J. Neurophysiol. 75. LV: Shinomoto, Shima and Tanji (2003),
    Neural Comput. 15. The standard deviation is that of the sample itself (divisor `m`), as in Elephant.

    !!! Example

        >>> import neuro4d as n4
        >>> table = n4.SpikeTable([0, 10, 40], [0, 0, 0], "cells", 0.1, 1, 0, 100)
        >>> n4.analysis.irregularity(table, min_isi=2).intervals
        array([2])
    """
    min_isi = check_count(min_isi, "min_isi")
    gap, owner = _intervals(table)
    m = np.bincount(owner, minlength=table.n)
    mean = ratio(np.bincount(owner, gap, table.n), m)
    deviation = gap - mean[owner]
    cv = ratio(np.sqrt(ratio(np.bincount(owner, deviation * deviation, table.n), m)), mean)
    pair = owner[1:] == owner[:-1]
    contrast = (np.diff(gap) / (gap[1:] + gap[:-1]))[pair]
    whose = owner[1:][pair]
    cv2 = 2 * ratio(np.bincount(whose, np.abs(contrast), table.n), m - 1)
    lv = 3 * ratio(np.bincount(whose, contrast * contrast, table.n), m - 1)
    few = m < min_isi
    return Irregularity(np.where(few, np.nan, cv), np.where(few, np.nan, cv2), np.where(few, np.nan, lv), m)


def cv(table: SpikeTable, min_isi: int = 5) -> float:
    r"""Mean CV of the inter-spike intervals over the neurons that have at least `min_isi` of them: 0 for a regular train, 1 for a Poisson process.

    The equation is that of `irregularity`, which gives the values neuron by neuron.

    **Arguments:**

    - `table`: the spikes of a population, `run.spikes("cells")`.
    - `min_isi`: fewest intervals of a neuron that counts.

    **Returns:** a float; `nan` if no neuron has enough intervals.

    **Raises:** `ValueError` for `min_isi < 1`.

    !!! Example

        >>> import neuro4d as n4
        >>> table = n4.SpikeTable([0, 10, 40], [0, 0, 0], "cells", 0.1, 1, 0, 100)
        >>> n4.analysis.cv(table, min_isi=2)
        0.5
    """
    return mean_known(irregularity(table, min_isi).cv)


def cv2(table: SpikeTable, min_isi: int = 5) -> float:
    r"""Mean CV2 of the inter-spike intervals over the neurons that have at least `min_isi` of them: the same for neighbours, untouched by slow changes of the rate.

    The equation is that of `irregularity`, which gives the values neuron by neuron.

    **Arguments:**

    - `table`: the spikes of a population, `run.spikes("cells")`.
    - `min_isi`: fewest intervals of a neuron that counts.

    **Returns:** a float; `nan` if no neuron has enough intervals.

    **Raises:** `ValueError` for `min_isi < 1`.

    !!! Example

        >>> import neuro4d as n4
        >>> table = n4.SpikeTable([0, 10, 40], [0, 0, 0], "cells", 0.1, 1, 0, 100)
        >>> n4.analysis.cv2(table, min_isi=2)
        1.0
    """
    return mean_known(irregularity(table, min_isi).cv2)


def lv(table: SpikeTable, min_isi: int = 5) -> float:
    r"""Mean LV of the inter-spike intervals over the neurons that have at least `min_isi` of them: local variation.

    The equation is that of `irregularity`, which gives the values neuron by neuron.

    **Arguments:**

    - `table`: the spikes of a population, `run.spikes("cells")`.
    - `min_isi`: fewest intervals of a neuron that counts.

    **Returns:** a float; `nan` if no neuron has enough intervals.

    **Raises:** `ValueError` for `min_isi < 1`.

    !!! Example

        >>> import neuro4d as n4
        >>> table = n4.SpikeTable([0, 10, 40], [0, 0, 0], "cells", 0.1, 1, 0, 100)
        >>> n4.analysis.lv(table, min_isi=2)
        0.75
    """
    return mean_known(irregularity(table, min_isi).lv)


def _intervals(table: SpikeTable) -> tuple[np.ndarray, np.ndarray]:
    step, id = table.by_neuron
    same = id[1:] == id[:-1]
    return np.diff(step)[same], id[1:][same]
