"""Spectra of spike trains, by Welch's method."""

import importlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import brainunit as u
import numpy as np
from jaxtyping import Float

from neuro4d._base import check_count
from neuro4d.analysis._numbers import evenly
from neuro4d.analysis._tables import BLOCK, Tables, in_bins, in_rows, together, trials_of, whole_steps
from neuro4d.recorders import SpikeTable


class Spectrum(NamedTuple):
    """A two-sided power density at positive frequencies.

    **Fields:** `frequencies` `(f,)` in Hz, without 0; `power` `(f,)` in Hz (that is, Hz^2 per Hz); `rate`, the mean rate of a neuron in Hz, which is
    the power of Poisson trains; `segments`, how many overlapping pieces were averaged: the relative standard error of the spectrum of a
    population is about `1 / sqrt(segments)`.
    """

    frequencies: Any
    power: Any
    rate: Any
    segments: int


class Coherence(NamedTuple):
    """How much of two activities is one at a frequency.

    **Fields:** `frequencies` `(f,)` in Hz, without 0; `coherence` `(f,)`, 0 to 1; `phase` `(f,)` in radians, negative where `b` follows `a`;
    `segments`: unrelated activities have a coherence of about `1 / segments`.
    """

    frequencies: Any
    coherence: Float[np.ndarray, " f"]
    phase: Float[np.ndarray, " f"]
    segments: int


def power_spectrum(
    tables: Tables, bin: Any = 1 * u.ms, segment: Any = 500 * u.ms, single: bool = False, sample: int | None = None
) -> Spectrum:
    r"""Power spectrum of the activity of a population, or the mean spectrum of its single trains.

    $$S(f) = \frac{1}{n} \lim_{T \to \infty} \frac{1}{T} \big\langle |\tilde X_T(f)|^2 \big\rangle, \qquad X(t) = \sum_k \delta(t - t_k)$$

    of all spikes of $n$ neurons, or with `single` the same of each neuron, averaged. Both are flat at the mean rate for independent Poisson
    neurons. What neurons have in common is in the first alone, and weighs up to $n$ times: the difference of the two is $n - 1$ times the mean
    cross-spectrum of a pair.

    Welch's method: counts in bins, pieces that overlap by half, their means removed, Hann window. Bins of width $\Delta$ damp by
    $\mathrm{sinc}^2(f \Delta)$, at most to 0.41 at the highest frequency, $1 / 2\Delta$.

    **Arguments:**

    - `tables`: the spikes of a population, or a list over the runs of a batch, whose pieces are averaged.
    - `bin`: a whole number of steps. [time]
    - `segment`: length of a piece, a whole number of bins, 4 at least; the resolution is `1 / segment`. [time]
    - `single`: the mean of single trains.
    - `sample`: at most this many neurons, evenly spaced; `None` for all.

    **Returns:** a `Spectrum`.

    **Raises:** `UnitError`, `TypeError`; `ValueError` for a run that is shorter than a piece, or times that are no whole numbers of steps or bins.

    **Reference:** Welch (1967), IEEE Trans. Audio Electroacoust. 15, `scipy.signal.welch`; spectra of trains: Bair, Koch, Newsome and Britten
    (1994), J. Neurosci. 14.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> clock = n4.SpikeTable(np.arange(0, 4000, 25), np.zeros(160, int), "cells", 1.0, 1, 0, 4000)
        >>> result = n4.analysis.power_spectrum(clock, segment=1*u.second)
        >>> print(result.rate, result.frequencies[np.argmax(result.power[:60].to_decimal(u.Hz))])
        40. Hz 40. Hz
    """
    trials = trials_of(tables, "power_spectrum")
    grid = _Grid.of(trials, bin, segment, "power_spectrum")
    neurons = np.arange(trials[0].n) if sample is None else evenly(np.arange(trials[0].n), check_count(sample, "power_spectrum(sample)"))
    sums, weights, segments, spikes = np.zeros(grid.piece // 2), 0, 0, 0
    for table in trials:
        pieces = grid.pieces(table)
        for counts, weight in grid.rows(table, neurons, single):
            sums += pieces * np.sum(grid.density(counts), axis=0) / weight
            spikes += int(counts.sum())
        weights += pieces * (len(neurons) if single else 1)
        segments += pieces
    seconds = sum(grid.bins(table) for table in trials) * grid.seconds
    power = sums / weights if len(neurons) else np.full(grid.piece // 2, np.nan)
    rate = np.float64(spikes / (len(neurons) * seconds) if len(neurons) else np.nan)
    return Spectrum(grid.frequencies * u.Hz, power * u.Hz, rate * u.Hz, segments)


def coherence(a: Tables, b: Tables, bin: Any = 1 * u.ms, segment: Any = 500 * u.ms) -> Coherence:
    r"""Magnitude-squared coherence of the activities of two populations, and the phase of their cross-spectrum.

    $$C(f) = \frac{|S_{ab}(f)|^2}{S_{aa}(f)\,S_{bb}(f)}, \qquad \varphi(f) = \arg S_{ab}(f), \qquad
      S_{ab} = \langle \tilde A^* \tilde B \rangle$$

    An activity and its own copy, however delayed and scaled, have coherence 1 while the delay is short beside a piece; a delay $\tau$ from `a`
    to `b` makes the phase $-2 \pi f \tau$. Pieces as in `power_spectrum`.

    **Arguments:** `a`, `b`: spikes of two populations of one run, or lists of them over the runs of a batch, whose spectra are averaged
    before they are divided; `bin`, `segment` as in `power_spectrum`.

    **Returns:** a `Coherence`; `nan` where an activity has no power.

    **Raises:** as `power_spectrum`; `ValueError` for fewer than two pieces, whose coherence would be 1 whatever they are, and for tables of
    different times.

    **Reference:** Carter, Knapp and Nuttall (1973), IEEE Trans. Audio Electroacoust. 21; `scipy.signal.coherence`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> step = np.flatnonzero(np.random.default_rng(0).random(8000) < 0.02)
        >>> table = n4.SpikeTable(step, np.zeros(len(step), int), "cells", 1.0, 1, 0, 8000)
        >>> result = n4.analysis.coherence(table, table)
        >>> print(result.coherence[:3].round(6), result.segments)
        [1. 1. 1.] 31
    """
    first, second = trials_of(a, "coherence(a)"), trials_of(b, "coherence(b)")
    together(first, second, "coherence")
    grid = _Grid.of(first, bin, segment, "coherence")
    segments = sum(grid.pieces(table) for table in first)
    if segments < 2:
        raise ValueError(
            f"coherence of a single piece is 1 whatever it is: shorten the pieces, for example `segment={grid.piece // 8 * grid.seconds * 1e3:g} * u.ms`, "
            "or give more runs."
        )
    cross, power_a, power_b = np.zeros(grid.piece // 2, complex), np.zeros(grid.piece // 2), np.zeros(grid.piece // 2)
    for x, y in zip(first, second, strict=True):
        pieces, one, two = grid.pieces(x), in_bins(x, grid.width), in_bins(y, grid.width)
        cross += pieces * grid.density(one, two)
        power_a += pieces * grid.density(one)
        power_b += pieces * grid.density(two)
    known = _above_rounding(power_a, first) & _above_rounding(power_b, second)
    value = np.divide(np.abs(cross) ** 2, power_a * power_b, out=np.full(len(cross), np.nan), where=known)
    phase = np.where(known, np.angle(cross), np.nan)
    return Coherence(grid.frequencies * u.Hz, value, phase, segments)


def _above_rounding(power: np.ndarray, trials: tuple[SpikeTable, ...]) -> np.ndarray:
    """Where there is power: an activity that never changes leaves rounding errors of its mean, some 1e-16 of it."""
    many = max(len(table) ** 2 / table.n_steps / table.dt_ms for table in trials)
    return power > 1e-24 * many


class _Grid(NamedTuple):
    """Bins of `width` steps or `seconds`, and pieces of `piece` bins."""

    width: int
    piece: int
    seconds: float

    @classmethod
    def of(cls, trials: tuple[SpikeTable, ...], bin: Any, segment: Any, where: str) -> "_Grid":
        dt = trials[0].dt_ms
        width = whole_steps(bin, dt, f"{where}(bin)")
        length = whole_steps(segment, dt, f"{where}(segment)")
        if length % width or length < 4 * width:
            raise ValueError(
                f"{where}(segment) must be a whole number of bins of {width * dt:g} ms, 4 at least, for example `{500 * width * dt:g} * u.ms`; "
                f"got {segment}."
            )
        for table in trials:
            if table.n_steps < length:
                raise ValueError(
                    f"{where}: {table!r} holds no piece of {length * dt:g} ms. Simulate longer, or take shorter pieces, for example "
                    f"`segment={max(4, table.n_steps // width // 8) * width * dt:g} * u.ms`."
                )
        return cls(width, length // width, width * dt / 1e3)

    @property
    def frequencies(self) -> np.ndarray:
        return np.arange(1, self.piece // 2 + 1) / (self.piece * self.seconds)

    def bins(self, table: SpikeTable) -> int:
        return table.n_steps // self.width

    def pieces(self, table: SpikeTable) -> int:
        overlap = self.piece // 2
        return (self.bins(table) - overlap) // (self.piece - overlap)

    def rows(self, table: SpikeTable, neurons: np.ndarray, single: bool) -> Iterator[tuple[np.ndarray, int]]:
        """The activity of chosen neurons together, and how many they are; or of each of them, a few at a time."""
        if not len(neurons):
            return
        many = max(1, BLOCK // max(1, self.bins(table))) if single else len(neurons)
        for begin in range(0, len(neurons), many):
            part = neurons[begin : begin + many]
            place = np.full(table.n, -1)
            place[part] = np.arange(len(part)) if single else 0
            yield in_rows(table, self.width, place, len(part) if single else 1), 1 if single else len(neurons)

    def density(self, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        """Two-sided density of rates in Hz at positive frequencies, in Hz."""
        # Loaded when the first spectrum is asked for: importing neuro4d would take half as long again with it.
        signal = importlib.import_module("scipy.signal")
        rates, others = x / self.seconds, (x if y is None else y) / self.seconds
        _, power = signal.csd(rates, others, 1 / self.seconds, "hann", self.piece, detrend="constant", return_onesided=False)
        power = power[..., 1 : self.piece // 2 + 1]
        return power.real if y is None else power
