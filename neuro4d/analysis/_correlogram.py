"""Correlograms: how often spikes follow spikes at each lag, counted from the spikes, without dense matrices."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import brainunit as u
import numpy as np
from jaxtyping import Float

from neuro4d.analysis._numbers import ratio
from neuro4d.analysis._tables import BLOCK, Tables, together, trials_of, whole_steps
from neuro4d.recorders import SpikeTable


class Correlogram(NamedTuple):
    """Pairs of spikes by lag, each field of shape `(lags,)`.

    **Fields:**

    - `lags`: centres of the bins in ms; positive where the second spike comes later.
    - `counts`: pairs of spikes, a number of halves.
    - `expected`: the mean of `counts` for stationary trains that know nothing of each other.
    - `rate`: rate of a second neuron at this lag from a spike of a first one, in Hz.
    - `covariance`: of the rates of a pair of neurons, in Hz^2; 0 for independent trains.
    """

    lags: Any
    counts: Float[np.ndarray, " lags"]
    expected: Float[np.ndarray, " lags"]
    rate: Any
    covariance: Any


def cross_correlogram(a: Tables, b: Tables | None = None, window: Any = 50 * u.ms, bin: Any = 1 * u.ms) -> Correlogram:
    r"""Cross-correlogram: pairs of a spike of `a` and a spike of `b` by their lag $t_b - t_a$, over all pairs of neurons.

    With $C_\ell$ pairs of spikes in the bin at lag $\ell$, $P$ pairs of neurons with $N_i$ and $N_j$ spikes in $T$ steps of $\delta$,

    $$E_\ell = \frac{X_\ell}{T^2} \sum_{ij} N_i N_j, \qquad
      \mathrm{rate}_\ell = \frac{C_\ell}{X_\ell\,\delta\;\bar N_a / T}\,\frac{1}{P}, \qquad
      \mathrm{cov}_\ell = \frac{C_\ell - E_\ell}{P\,X_\ell\,\delta^2}, \qquad X_\ell = \sum_{d \in \ell} (T - |d|)$$

    $X_\ell$ counts the pairs of steps at this lag, so nothing falls off towards long lags only because the run ends. Lags are differences of
    integer steps $d$; one that lies on the edge of two bins counts half in each, which makes `cross_correlogram(b, a)` the mirror image.

    The work is a multiple of the pairs of occupied steps within the window: at most occupied steps of `a` times steps of the window.

    **Arguments:**

    - `a`, `b`: spikes of two populations of one run, or lists of them over the runs of a batch, which are added up. Without `b`, or with
      the same object, pairs of *different* neurons of `a`.
    - `window`: the largest lag, a whole number of bins. [time]
    - `bin`: a whole number of steps. [time]

    **Returns:** a `Correlogram` with `2 * window / bin + 1` lags; `nan` where there is no pair of steps or no spike.

    **Raises:** `UnitError`, `TypeError`; `ValueError` for tables of different times, or times that are no whole numbers of steps or bins.

    **Reference:** Perkel, Gerstein and Moore (1967), Biophys. J. 7.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> a = n4.SpikeTable([10, 50], [0, 0], "a", 1.0, 1, 0, 100)
        >>> b = n4.SpikeTable([12, 52, 70], [0, 0, 0], "b", 1.0, 1, 0, 100)
        >>> result = n4.analysis.cross_correlogram(a, b, window=3*u.ms)
        >>> print(result.lags, result.counts)
        [-3. -2. -1.  0.  1.  2.  3.] ms [0. 0. 0. 0. 0. 2. 0.]
    """
    first = trials_of(a, "cross_correlogram(a)")
    second = first if b is None or b is a else trials_of(b, "cross_correlogram(b)")
    together(first, second, "cross_correlogram")
    grid = _Grid.of(window, bin, first[0].dt_ms, "cross_correlogram")
    same = all(x is y for x, y in zip(first, second, strict=True))
    pairs = first[0].n * (second[0].n - same)
    total = _Sums(grid)
    for x, y in zip(first, second, strict=True):
        fine = _lag_counts(*_by_step(x), *_by_step(y), grid.reach)
        products = float(len(x)) * len(y)
        if same:
            fine -= _lag_counts(*_by_neuron(x, grid.reach), *_by_neuron(x, grid.reach), grid.reach)
            products -= float(np.sum(x.counts().astype(float) ** 2))
        total.add(fine, _steps_at_lag(x.n_steps, grid.reach), products, x.n_steps, len(x))
    return total.result(pairs, first[0].n)


def auto_correlogram(table: Tables, window: Any = 50 * u.ms, bin: Any = 1 * u.ms) -> Correlogram:
    r"""Autocorrelogram: pairs of two spikes of the *same* neuron by their lag, over all neurons. A spike is no pair with itself.

    The equations are those of `cross_correlogram`, over $i = j$, without the step $d = 0$: the bin at lag 0 counts the other steps of its
    width, and is `nan` where it is one step wide. `rate` is the rate after a spike, 0 in the refractory period; the expected counts take $N_i^2$
    as if the neuron had no memory.

    **Arguments:** `table`: the spikes of a population, or a list over the runs of a batch; `window`, `bin` as in `cross_correlogram`.

    **Returns:** a `Correlogram`, symmetric in the lag.

    **Raises:** as `cross_correlogram`.

    **Reference:** Perkel, Gerstein and Moore (1967), Biophys. J. 7.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> clock = n4.SpikeTable([10, 13, 16, 19], [0, 0, 0, 0], "a", 1.0, 1, 0, 100)
        >>> print(n4.analysis.auto_correlogram(clock, window=4*u.ms).counts)
        [0. 3. 0. 0. 0. 0. 0. 3. 0.]
    """
    trials = trials_of(table, "auto_correlogram")
    grid = _Grid.of(window, bin, trials[0].dt_ms, "auto_correlogram")
    total = _Sums(grid)
    for x in trials:
        key = _by_neuron(x, grid.reach)
        fine, room = _lag_counts(*key, *key, grid.reach), _steps_at_lag(x.n_steps, grid.reach)
        fine[grid.reach] = room[grid.reach] = 0
        total.add(fine, room, float(np.sum(x.counts().astype(float) ** 2)), x.n_steps, len(x))
    return total.result(trials[0].n, trials[0].n)


class _Grid(NamedTuple):
    """Bins of `width` steps around multiples of it, `most` on each side; `reach`: the largest difference in steps that counts."""

    width: int
    most: int
    dt_ms: float

    @classmethod
    def of(cls, window: Any, bin: Any, dt_ms: float, where: str) -> "_Grid":
        width = whole_steps(bin, dt_ms, f"{where}(bin)")
        reach = whole_steps(window, dt_ms, f"{where}(window)")
        if reach % width:
            raise ValueError(
                f"{where}(window) must be a whole number of bins of {width * dt_ms:g} ms, for example `{20 * width * dt_ms:g} * u.ms`; got {window}."
            )
        return cls(width, reach // width, dt_ms)

    @property
    def reach(self) -> int:
        return self.most * self.width + self.width // 2

    def binned(self, fine: np.ndarray) -> np.ndarray:
        """Sums of a value per step of lag, one on an edge half in both bins. Counted in half steps, where edges are whole."""
        double = 2 * np.arange(-self.reach, self.reach + 1) + (2 * self.most + 1) * self.width
        index, rest = np.divmod(double, 2 * self.width)
        share = np.where(rest == 0, 0.5, 1.0) * fine
        # Shifted by one, so that what lies beyond the outermost edges has places to be dropped from.
        sums = np.bincount(index + 1, share, 2 * self.most + 3)
        sums += np.bincount(index, np.where(rest == 0, share, 0), 2 * self.most + 3)
        return sums[1:-1]


class _Sums:
    """Counts over trials, and what they are compared with."""

    def __init__(self, grid: _Grid) -> None:
        self.grid = grid
        lags = 2 * grid.most + 1
        self.counts, self.expected, self.room = np.zeros(lags), np.zeros(lags), np.zeros(lags)
        self.spikes = self.steps = 0

    def add(self, fine: np.ndarray, room: np.ndarray, products: float, steps: int, spikes: int) -> None:
        width = self.grid.binned(room)
        self.counts += self.grid.binned(fine)
        self.room += width
        self.expected += width * products / max(1, steps) ** 2
        self.spikes += spikes
        self.steps += steps

    def result(self, pairs: int, senders: int) -> Correlogram:
        dt = self.grid.dt_ms / 1e3
        room = pairs * self.room
        per_step = self.spikes / max(1, senders * self.steps)
        lags = np.arange(-self.grid.most, self.grid.most + 1) * self.grid.width * self.grid.dt_ms
        rate = ratio(self.counts, room * per_step * dt)
        covariance = ratio(self.counts - self.expected, room * dt**2)
        return Correlogram(lags * u.ms, self.counts, self.expected, rate * u.Hz, covariance * u.Hz**2)


def _steps_at_lag(steps: int, reach: int) -> np.ndarray:
    return np.maximum(0.0, steps - np.abs(np.arange(-reach, reach + 1)))


def _by_step(table: SpikeTable) -> tuple[np.ndarray, np.ndarray]:
    """Occupied steps, and the spikes in each."""
    return np.unique(table.step, return_counts=True)


def _by_neuron(table: SpikeTable, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """One clock for all neurons, each so far behind the other that no lag leads from one to the next."""
    step, id = table.by_neuron
    return (step - table.start_step) + id * np.int64(table.n_steps + reach + 1), np.ones(len(step), np.int64)


def _lag_counts(a: np.ndarray, at_a: np.ndarray, b: np.ndarray, at_b: np.ndarray, reach: int) -> np.ndarray:
    """Pairs by the difference `b - a`, from `-reach` to `reach`; `a` and `b` ascend, `at_a` and `at_b` count spikes there."""
    low, high = np.searchsorted(b, a - reach), np.searchsorted(b, a + reach, side="right")
    partners = high - low
    out = np.zeros(2 * reach + 1)
    for begin, end in _blocks(np.cumsum(partners)):
        many = partners[begin:end]
        source = np.repeat(np.arange(begin, end), many)
        place = np.arange(len(source)) - np.repeat(np.cumsum(many) - many, many) + low[source]
        out += np.bincount(b[place] - a[source] + reach, at_a[source] * at_b[place], 2 * reach + 1)
    return out


def _blocks(ends: np.ndarray) -> Sequence[tuple[int, int]]:
    """Ranges of spikes with about `BLOCK` partners each."""
    if not len(ends):
        return []
    cuts = np.unique(np.searchsorted(ends, np.arange(BLOCK, int(ends[-1]) + BLOCK, BLOCK), side="left") + 1)
    cuts = np.unique(np.minimum([0, *cuts, len(ends)], len(ends)))
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
