"""Events `(t, x, y, p)` of cameras and channels, and the frames that they fall into."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import brainunit as u
import numpy as np

from neuro4d._base import check_count, strip
from neuro4d.train.data._dataset import Dataset
from neuro4d.train.data._errors import DataFormatError, checked_file
from neuro4d.train.data._files import FileSamples, files_by_class

EVENT = np.dtype([("t", "<i8"), ("x", "<i4"), ("y", "<i4"), ("p", "<i1")])


def as_events(events: Any, name: str = "events") -> np.ndarray:
    """Events as a structured array of `t` (microseconds), `x`, `y` and `p` (1 brighter, 0 darker), checked.

    **Arguments:** `events`: a structured array or a mapping with these four names, whole numbers, `t` in order.

    **Raises:** `DataFormatError` for a missing name, fractions, times that go back, negative numbers, or a `p` that is neither 0 nor 1.

    !!! Example

        >>> n4.train.data.as_events({"t": [0, 5], "x": [1, 2], "y": [0, 0], "p": [1, 0]})["t"]
        array([0, 5])
    """
    try:
        columns = {key: np.asarray(events[key]) for key in EVENT.names or ()}
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise DataFormatError(
            f"{name}: events have the fields t, x, y and p, for example `np.zeros(5, n4.train.data.EVENT)`; {error}."
        ) from error
    lengths = {len(column) if column.ndim == 1 else -1 for column in columns.values()}
    if len(lengths) != 1 or -1 in lengths:
        raise DataFormatError(f"{name}: t, x, y and p have one entry per event; got {[c.shape for c in columns.values()]}.")
    for key, column in columns.items():
        if column.dtype.kind not in "biu" and column.size:
            raise DataFormatError(f"{name}: {key} are whole numbers, t in microseconds; got {column.dtype}.")
        if column.size and (column.min() < 0 or column.max() > np.iinfo(EVENT[key]).max):
            raise DataFormatError(f"{name}: {key} lies between 0 and {np.iinfo(EVENT[key]).max}; got {column.min()} to {column.max()}.")
    if columns["p"].size and columns["p"].max() > 1:
        raise DataFormatError(f"{name}: p is 1 (brighter) or 0 (darker); got {columns['p'].max()}.")
    out = np.empty(lengths.pop(), EVENT)
    for key, column in columns.items():
        out[key] = column
    if np.any(np.diff(out["t"]) < 0):
        raise DataFormatError(
            f"{name}: times go back, first at event {int(np.argmax(np.diff(out['t']) < 0)) + 1}. Sort: `events[events['t'].argsort()]`."
        )
    return out


def read_events(path: str | PathLike[str]) -> np.ndarray:
    """Events of an `.npz` file with the arrays `t`, `x`, `y`, `p`, or of an `.npy` file with a structured array. Nothing is unpickled.

    !!! Example

        >>> np.savez("one.npz", t=[0, 1500], x=[3, 3], y=[1, 2], p=[1, 0])
        >>> n4.train.data.read_events("one.npz")["y"]
        array([1, 2], dtype=int32)
    """
    found = checked_file(path, "read_events")
    try:
        with found.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            return as_events(loaded, str(found))
    except DataFormatError:
        raise
    except Exception as error:  # NumPy raises whatever its parsers do, down to zipfile.BadZipFile
        raise DataFormatError(f"{str(found)!r} is no .npz or .npy file of plain numbers: {error}") from error


def frames(events: np.ndarray, *, size: tuple[int, int], bins: int, duration: Any, late: str = "refuse", counts: bool = True) -> np.ndarray:
    """How many events of each polarity fall on each pixel in each bin of time, `(bins, 2, height, width)`.

    The first of the two channels holds `p = 0`. Bin $k$ covers $k d / b \\le t < (k + 1) d / b$.

    **Arguments:**

    - `events`: as of `as_events`.
    - `size`: width and height of the sensor.
    - `bins` $b$: how many.
    - `duration` $d$: of all bins together, whole microseconds. [time]
    - `late`: what becomes of events at or after `duration`: `"refuse"` or `"drop"`.
    - `counts`: numbers of events; otherwise 1 where there is any.

    **Raises:** `ValueError` for events beside the sensor or after the duration.

    !!! Example

        >>> events = n4.train.data.as_events({"t": [0, 5, 9], "x": [1, 1, 0], "y": [0, 0, 0], "p": [1, 1, 0]})
        >>> n4.train.data.frames(events, size=(2, 1), bins=2, duration=10*u.us)[:, 1]
        array([[[0., 1.]],
        <BLANKLINE>
               [[0., 1.]]], dtype=float32)
    """
    width, height = (check_count(n, "a size of the sensor") for n in size)
    if events.size and (events["x"].max() >= width or events["y"].max() >= height):
        raise ValueError(
            f"events lie at up to x = {events['x'].max()}, y = {events['y'].max()}, beside a sensor of {width} by {height} pixels. "
            "`size` is (width, height)."
        )
    when, kept = bin_of(events["t"], bins, duration, late)
    place = ((events["p"].astype(np.int64)) * height + events["y"]) * width + events["x"]
    return summed(when, place[kept], (bins, 2, height, width), counts)


def bin_of(t: np.ndarray, bins: int, duration: Any, late: str) -> tuple[np.ndarray, np.ndarray]:
    """The bin of each time in microseconds, and which events are kept."""
    check_count(bins, "the number of bins")
    exact = float(strip(duration, u.us, "duration"))
    last = round(exact) if np.isfinite(exact) else 0
    if last < 1 or abs(exact - last) > max(1e-3, 1e-6 * exact):  # quantities have the digits of float32
        raise ValueError(f"duration is a whole number of microseconds, at least 1, for example `300*u.ms`; got {exact:g} us.")
    check_late(late)
    kept = t < last
    if late == "refuse" and not np.all(kept):
        raise ValueError(
            f"{int(np.sum(~kept))} of {len(t)} events come at {last} us or later, up to {int(t.max())} us. "
            f'Take a longer duration, `{int(t.max()) + 1}*u.us`, or leave them out, late="drop".'
        )
    return t[kept] * bins // last, kept


def check_late(late: str) -> None:
    """Refuses what says nothing about events after the duration."""
    if late not in ("refuse", "drop"):
        raise ValueError(f'late says what becomes of events after the duration: "refuse" or "drop"; got {late!r}.')


def summed(when: np.ndarray, place: np.ndarray, shape: tuple[int, ...], counts: bool) -> np.ndarray:
    """Events per bin and place; `shape` is that of the result, bins first."""
    each = int(np.prod(shape[1:]))
    total = np.bincount(when * each + place, minlength=shape[0] * each).reshape(shape)
    return (total if counts else total > 0).astype(np.float32)


def load_event_folder(
    folder: str | PathLike[str],
    *,
    size: tuple[int, int],
    bins: int,
    duration: Any,
    late: str = "refuse",
    counts: bool = True,
    read: Callable[[Path], np.ndarray] = read_events,
    suffix: str = ".npz",
) -> Dataset:
    """A folder with one folder of event files per class, as frames. A file is read when a batch asks for it.

    **Arguments:** as of `frames`; `read`: what gives the events of a path; `suffix`: of the files.

    A batch is `(time, batch, 2, height, width)`.
    """
    paths, labels, classes = files_by_class(folder, (suffix,), "load_event_folder")

    def as_frames(path: Path) -> np.ndarray:
        try:
            return frames(read(path), size=size, bins=bins, duration=duration, late=late, counts=counts)
        except DataFormatError:
            raise
        except ValueError as error:
            raise ValueError(f"{str(path)!r}: {error}") from error

    shape = (check_count(bins, "the number of bins"), 2, size[1], size[0])
    return Dataset(FileSamples(paths, as_frames, shape=shape), labels, classes=classes, timed=True)
