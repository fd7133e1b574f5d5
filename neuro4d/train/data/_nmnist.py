"""N-MNIST and its relatives: events of 40 bits."""

from os import PathLike
from typing import Any

import numpy as np

from neuro4d.train.data._dataset import Dataset
from neuro4d.train.data._errors import DataFormatError, checked_file
from neuro4d.train.data._events import as_events, load_event_folder

OVERFLOW_ROW = 240
OVERFLOW = 2**13


def read_nmnist(path: str | PathLike[str]) -> np.ndarray:
    """The events of a `.bin` file of N-MNIST or N-Caltech101, as of `as_events`.

    An event has 40 bits, most significant first: `x` (8), `y` (8), polarity (1), microseconds (23). A row of 240 is no place: it says
    that the clock has run over, and that all later times are larger by 2^13 microseconds.

    **Raises:** `FileNotFoundError`; `DataFormatError` for a size that is no multiple of 5 bytes and for times that go back.

    **Source:** G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor (2015), Frontiers in Neuroscience 9, 437.

    !!! Example

        >>> from pathlib import Path
        >>> _ = Path("one.bin").write_bytes(bytes([3, 7, 0x80, 0x01, 0x00]))
        >>> n4.train.data.read_nmnist("one.bin")[0]
        np.void((256, 3, 7, 1), dtype=[('t', '<i8'), ('x', '<i4'), ('y', '<i4'), ('p', 'i1')])
    """
    found = checked_file(path, "read_nmnist")
    raw = np.fromfile(found, np.uint8)
    if len(raw) % 5:
        raise DataFormatError(f"{str(found)!r} has {len(raw)} bytes, no multiple of the 5 of an event. It is cut, or of another format.")
    x, y, high, middle, low = raw.reshape(-1, 5).astype(np.int64).T
    over = y == OVERFLOW_ROW
    t = ((high & 0x7F) << 16 | middle << 8 | low) + OVERFLOW * np.cumsum(over)
    columns = {"t": t, "x": x, "y": y, "p": high >> 7}
    return as_events({name: column[~over] for name, column in columns.items()}, repr(str(found)))


def load_nmnist(
    folder: str | PathLike[str],
    *,
    bins: int,
    duration: Any,
    size: tuple[int, int] = (34, 34),
    late: str = "refuse",
    counts: bool = True,
) -> Dataset:
    """The folder `Train` or `Test` of N-MNIST, one folder per digit, as frames. A batch is `(time, batch, 2, height, width)`.

    **Arguments:** as of `frames`. Recordings last a little more than 300 ms; with `duration=300*u.ms` say `late="drop"`.
    """
    return load_event_folder(folder, size=size, bins=bins, duration=duration, late=late, counts=counts, read=read_nmnist, suffix=".bin")
