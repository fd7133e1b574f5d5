"""Spoken digits and commands as spikes of a cochlea: SHD and SSC."""

from collections.abc import Mapping
from os import PathLike
from typing import Any

import brainunit as u
import numpy as np

from neuro4d._base import check_count, check_quantity
from neuro4d.train.data._dataset import Dataset
from neuro4d.train.data._errors import DataFormatError
from neuro4d.train.data._events import check_late, summed
from neuro4d.train.data._samples import AbstractSamples


class RaggedSamples(AbstractSamples):
    """Samples of different numbers of events, already in bins: two small integers per event, and where each sample begins."""

    __slots__ = ("_begin", "_counts", "_place", "_shape", "_when")

    def __init__(self, begin: np.ndarray, when: np.ndarray, place: np.ndarray, shape: tuple[int, int], counts: bool):
        self._begin, self._when, self._place, self._shape, self._counts = begin, when, place, shape, counts

    @property
    def shape(self):
        return self._shape

    @property
    def dtype(self):
        return np.dtype(np.float32)

    def __len__(self):
        return len(self._begin) - 1

    def take(self, index):
        out = np.empty((len(index), *self._shape), np.float32)
        for row, number in enumerate(index):
            piece = slice(self._begin[number], self._begin[number + 1])
            out[row] = summed(self._when[piece].astype(np.int64), self._place[piece], self._shape, self._counts)
        return out


def load_shd(
    file: Mapping[str, Any], *, bins: int, duration: Any, channels: int = 700, merge: int = 1, late: str = "refuse", counts: bool = True
) -> Dataset:
    """The Heidelberg digits (SHD) or the Spiking Speech Commands (SSC), as bins of time and channels.

    A batch is `(time, batch, channels / merge)`. Bin $k$ covers $k d / b \\le t < (k + 1) d / b$.

    **Arguments:**

    - `file`: an open file, `n4.io.open_hdf5("shd_train.h5")`, or a mapping with `"spikes/times"` and `"spikes/units"`, one array per
      recording, times in seconds, and `"labels"`.
    - `bins` $b$, `duration` $d$: how many, and how long all of them together. [time]
    - `channels`: of the cochlea.
    - `merge`: how many neighbouring channels are summed into one; divides `channels`.
    - `late`: what becomes of events at or after `duration`: `"refuse"` or `"drop"`.
    - `counts`: numbers of events; otherwise 1 where there is any.

    Who speaks is in `file["extra/speaker"]`. SHD has no validation set: hold out speakers, `data[np.isin(speaker, (4, 5))]`, instead of
    deciding by the test set.

    **Raises:** `TypeError` for a path; `ValueError` for arguments outside their ranges, before anything is read; `DataFormatError` for another format, other lengths and channels that do not exist.

    **Source:** B. Cramer, Y. Stradmann, J. Schemmel, F. Zenke (2022), IEEE Transactions on Neural Networks and Learning Systems 33, 2744.

    !!! Example

        >>> file = {"spikes/times": [np.array([0.0, 0.6])], "spikes/units": [np.array([3, 699])], "labels": np.array([4])}
        >>> data = n4.train.data.load_shd(file, bins=2, duration=1*u.second, merge=350)
        >>> data.x
        array([[[1., 0.],
                [0., 1.]]], dtype=float32)
    """
    if isinstance(file, str | PathLike):
        raise TypeError(f'load_shd takes an open file: `with n4.io.open_hdf5("{file}") as file: data = n4.train.data.load_shd(file, ...)`.')
    check_count(channels, "channels")
    if check_count(merge, "merge") > channels or channels % merge:
        raise ValueError(f"merge divides the {channels} channels; got {merge}.")
    check_count(bins, "the number of bins")
    seconds = float(check_quantity(duration, u.second, "duration", low=0, open_low=True))
    check_late(late)
    times, units, labels = (_column(file, name) for name in ("spikes/times", "spikes/units", "labels"))
    if not len(times) == len(units) == len(labels):
        raise DataFormatError(f"recordings have times, units and a label each; got {len(times)}, {len(units)}, {len(labels)}.")
    pieces = [_recording(k, times[k], units[k], channels, bins, seconds, late) for k in range(len(labels))]
    begin = np.concatenate([[0], np.cumsum([len(when) for when, _ in pieces])])
    when = np.concatenate([when for when, _ in pieces] or [np.empty(0, np.int32)])
    place = np.concatenate([unit // merge for _, unit in pieces] or [np.empty(0, np.int32)])
    return Dataset(RaggedSamples(begin, when, place, (bins, channels // merge), counts), np.asarray(labels), timed=True)


def _column(file: Mapping[str, Any], name: str) -> Any:
    try:
        column = file[name]
        return column[:]
    except (KeyError, TypeError, ValueError) as error:
        raise DataFormatError(f"there is no {name!r}; SHD and SSC files have spikes/times, spikes/units and labels.") from error


def _recording(number: int, t: Any, unit: Any, channels: int, bins: int, seconds: float, late: str) -> tuple[np.ndarray, np.ndarray]:
    """The bins and channels of the events of one recording that are kept."""
    t, unit = np.asarray(t, np.float64), np.asarray(unit)
    if t.ndim != 1 or t.shape != unit.shape or (unit.dtype.kind not in "iu" and unit.size):
        raise DataFormatError(f"recording {number}: times and channels go in pairs; got {t.shape} and {unit.shape} of {unit.dtype}.")
    if not np.all(np.isfinite(t) & (t >= 0)):
        raise DataFormatError(f"recording {number}: times are seconds from 0 on; got {t[~(np.isfinite(t) & (t >= 0))][0]}.")
    if unit.size and not (0 <= unit.min() and unit.max() < channels):
        raise DataFormatError(f"recording {number}: channels lie between 0 and {channels - 1}; got {unit.min()} to {unit.max()}.")
    kept = t < seconds
    if late == "refuse" and not np.all(kept):
        raise ValueError(
            f"recording {number}: {int(np.sum(~kept))} events come at {seconds:g} s or later, up to {t.max():g} s. "
            f'Take a longer duration, or leave them out, late="drop".'
        )
    when = np.minimum(np.floor(t[kept] * (bins / seconds)), bins - 1)  # the product of a time just below the end may round up to `bins`
    return when.astype(np.int32), unit[kept].astype(np.int32)
