"""Packed spike bits, and the event table they become on the host."""

import dataclasses
import functools
import math
from pathlib import Path
from typing import Any

import brainunit as u
import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from neuro4d._base import card, check_count, mini_raster, strip
from neuro4d.kernels import events_native, native_available
from neuro4d.recorders import _table_frames as frames

# Words examined per pass: 16 MB, so that the temporary copies stay small beside the record.
_BLOCK = 1 << 22

# Non-zero words expanded per pass: each becomes 32 bytes.
_EXPAND = 1 << 19

_DENSE_LIMIT = 4 << 30


def unpack_words(words: UInt32[np.ndarray, "steps words"], n: int) -> tuple[Int[np.ndarray, " spikes"], Int[np.ndarray, " spikes"]]:
    """The spikes in packed bits, ordered by step and then by neuron.

    Bit `i` of word `w` (least significant first) is neuron `32 * w + i`. Only words that are not zero are expanded, so the
    cost follows the spikes.

    **Arguments:**

    - `words`: shape `(steps, words)`, unsigned 32-bit, with `words >= n / 32`.
    - `n`: number of neurons; bits at or above `n` must be clear.

    **Returns:** `(row, neuron)`: the row of each spike (int64) and its neuron (int32).

    **Raises:** `TypeError` for another dtype, `ValueError` for a wrong shape or a set bit beyond `n`.

    !!! Example

        >>> import numpy as np
        >>> from neuro4d.recorders import unpack_words
        >>> row, neuron = unpack_words(np.array([[0b101, 0], [0, 1]], np.uint32), 40)
        >>> row.tolist(), neuron.tolist()
        ([0, 0, 1], [0, 2, 32])
    """
    words = np.asarray(words)
    if words.dtype != np.uint32:
        raise TypeError(f"expected words of dtype uint32, for example `np.zeros((steps, 4), np.uint32)`; got {words.dtype}.")
    n = check_count(n, "n", low=0)
    if words.ndim != 2 or words.shape[1] * 32 < n:
        raise ValueError(f"expected words of shape (steps, {-(-n // 32)} or more) for {n} neurons; got shape {words.shape}.")
    rows, neurons = spikes_of_words(words, 0, words.shape[1] * 32, 0)
    if neurons.size and int(neurons.max()) >= n:
        raise ValueError(f"expected bits of neurons 0 to {n - 1} only; got a set bit for neuron {int(neurons.max())}.")
    return rows, neurons


def spikes_of_words(words: UInt32[np.ndarray, "steps words"], start: int, n: int, begin: int) -> tuple[Int[np.ndarray, " spikes"], Int[np.ndarray, " spikes"]]:
    """Steps and ids of neurons `start` to `start + n - 1` of a group, ordered by step and then by neuron; the first row is step `begin`."""
    if native_available():
        return events_native(words, start, n, begin)
    first, last = start // 32, -(-(start + n) // 32)
    row, neuron = _expand(words[:, first:last])
    neuron = neuron - np.int32(start - 32 * first)
    # The first and the last word may hold bits of the neighbouring populations.
    mine = (neuron >= 0) & (neuron < n)
    return row[mine] + begin, neuron[mine]


def _expand(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    steps, width = words.shape
    rows, neurons = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
    stride = max(1, _BLOCK // max(1, width))
    for first in range(0, steps, stride):
        block = np.ascontiguousarray(words[first : first + stride]).reshape(-1)
        hot = np.flatnonzero(block != 0)
        for begin in range(0, len(hot), _EXPAND):
            place = hot[begin : begin + _EXPAND]
            # An explicit little-endian word, so that the byte order below holds on every machine.
            octets = block[place].astype("<u4").view(np.uint8)
            bit = np.flatnonzero(np.unpackbits(octets, bitorder="little"))
            row, column = np.divmod(place[bit >> 5], width)
            rows.append(row + first)
            neurons.append((column * 32 + (bit & 31)).astype(np.int32))
    return np.concatenate(rows), np.concatenate(neurons)


def stamps(steps: Int[np.ndarray, " t"], dt_ms: float) -> Float[np.ndarray, " t"]:
    """The stamp of each integer step, `(k + 1) * dt` in ms: one product per stamp, nothing accumulated.

    Where `1/dt` is a whole number the stamp is divided by it, which rounds to the decimal a person would write: the third
    step of 0.1 ms ends at 0.3, not at 0.30000000000000004.
    """
    ends = np.asarray(steps, np.int64) + 1
    inverse = round(1 / dt_ms)
    if inverse > 0 and inverse * dt_ms == 1.0:
        return ends / inverse
    return ends * dt_ms


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SpikeTable:
    """The spikes of one population as an immutable table of events.

    A spike is an integer step `k` and a neuron; its time is the stamp `t_k = (k + 1) * dt`, the end of that step. Times are
    computed from the steps when they are asked for, so that no rounding can accumulate.

    **Arguments:**

    - `step`: shape `(spikes,)`, integer steps, ascending, counted from the start of the model's clock.
    - `id`: shape `(spikes,)`, neuron within the population, ascending within a step.
    - `population`: its name.
    - `dt_ms`: the time step in ms.
    - `n`: neurons in the population.
    - `start_step`, `n_steps`: the observed steps are `start_step` to `start_step + n_steps - 1`.

    **Raises:** `ValueError` if a column disagrees with the others or leaves the observed range.

    !!! Example

        >>> import brainunit as u
        >>> import numpy as np
        >>> from neuro4d.recorders import SpikeTable
        >>> table = SpikeTable(np.array([0, 2, 9]), np.array([1, 0, 1]), "cells", 0.1, 2, 0, 10)
        >>> print(table.times)
        [0.1 0.3 1. ] ms
        >>> len(table.between(0.2 * u.ms, 1 * u.ms))
        2
        >>> table.counts().tolist()
        [1, 2]
    """

    step: Int[np.ndarray, " spikes"]
    id: Int[np.ndarray, " spikes"]
    population: str
    dt_ms: float
    n: int
    start_step: int
    n_steps: int

    def __post_init__(self) -> None:
        own = functools.partial(object.__setattr__, self)
        own("step", _column(self.step, np.int64, "step"))
        own("id", _column(self.id, np.int32, "id"))
        own("dt_ms", float(self.dt_ms))
        own("n", check_count(self.n, "SpikeTable.n", low=0))
        own("start_step", check_count(self.start_step, "SpikeTable.start_step", low=0))
        own("n_steps", check_count(self.n_steps, "SpikeTable.n_steps", low=0))
        if not (0 < self.dt_ms < math.inf):
            raise ValueError(f"SpikeTable.dt_ms must be a positive number of ms, for example 0.1; got {self.dt_ms}.")
        if self.step.shape != self.id.shape:
            raise ValueError(f"SpikeTable needs one id per step; got {len(self.step)} steps and {len(self.id)} ids.")
        if len(self.step) == 0:
            return
        end = self.start_step + self.n_steps
        if self.step[0] < self.start_step or self.step[-1] >= end or np.any(np.diff(self.step) < 0):
            raise ValueError(
                f"SpikeTable.step must ascend from {self.start_step} to {end - 1}; got {self.step[0]} to {self.step[-1]}"
                f"{'' if np.all(np.diff(self.step) >= 0) else ', not in order'}."
            )
        if self.id.min() < 0 or self.id.max() >= self.n:
            raise ValueError(f"SpikeTable.id must lie in 0 to {self.n - 1}; got {self.id.min()} to {self.id.max()}.")

    @classmethod
    def from_words(
        cls, words: UInt32[np.ndarray, "steps words"], *, start: int, n: int, population: str, dt_ms: float, start_step: int
    ) -> "SpikeTable":
        """The events of neurons `start` to `start + n - 1` of a group, from its packed bits (see `unpack_words`)."""
        words = np.asarray(words)
        last = -(-(start + n) // 32)
        if words.ndim != 2 or words.shape[1] < last:
            raise ValueError(f"population '{population}' needs words of shape (steps, {last} or more); got shape {words.shape}.")
        return cls(*spikes_of_words(words, start, n, start_step), population, dt_ms, n, start_step, len(words))

    def __len__(self) -> int:
        return len(self.step)

    @property
    def times(self) -> Any:
        """Spike times as a quantity in ms, shape `(spikes,)`, float64: the stamps `(step + 1) * dt`."""
        return stamps(self.step, self.dt_ms) * u.ms

    @property
    def ids(self) -> Int[np.ndarray, " spikes"]:
        """The neuron of each spike within the population, shape `(spikes,)`."""
        return self.id

    @property
    def duration(self) -> Any:
        """The observed span, a quantity in ms."""
        return float(stamps(np.array(self.n_steps - 1), self.dt_ms)) * u.ms

    @functools.cached_property
    def by_neuron(self) -> tuple[Int[np.ndarray, " spikes"], Int[np.ndarray, " spikes"]]:
        """`(step, id)` ordered by neuron and then by step."""
        # One integer key sorts several times faster than an indirect stable sort of two columns.
        span = max(1, self.n_steps)
        id, step = np.divmod(np.sort(self.id.astype(np.int64) * span + (self.step - self.start_step)), span)
        return step + self.start_step, id

    def counts(self) -> Int[np.ndarray, " n"]:
        """Spikes of each neuron, shape `(n,)`."""
        return np.bincount(self.id, minlength=self.n)

    def trains(self) -> list[Any]:
        """Spike times neuron by neuron: a list of `n` quantities in ms."""
        step, _ = self.by_neuron
        return [train * u.ms for train in np.split(stamps(step, self.dt_ms), np.cumsum(self.counts())[:-1])] if self.n else []

    def dense(self) -> Bool[np.ndarray, "steps n"]:
        """Every step and neuron as a boolean array, shape `(n_steps, n)`.

        **Raises:** `ValueError` above 4 GiB; `between` cuts a window first.
        """
        if self.n_steps * self.n > _DENSE_LIMIT:
            raise ValueError(
                f"a dense array of {self.n_steps} steps and {self.n} neurons takes {self.n_steps * self.n / 2**30:.1f} GiB, more than 4: "
                "cut a window first, for example `table.between(0 * u.ms, 100 * u.ms).dense()`."
            )
        out = np.zeros((self.n_steps, self.n), bool)
        out[self.step - self.start_step, self.id] = True
        return out

    def between(self, t0: Any = None, t1: Any = None) -> "SpikeTable":
        """The spikes stamped in `(t0, t1]`: the steps that begin at `t0` or later and end by `t1`.

        Windows that follow each other share no spike and miss none; `between()` is the whole table.

        **Arguments:**

        - `t0`, `t1`: quantities of time within the observed span; `None` means its begin or its end. Times are those of the
            model's clock, so a run that starts at 1 s is cut with times from 1 s on.

        **Raises:** `UnitError` for a bare number, `ValueError` for a window that leaves the observed span or is reversed.
        """
        begin, end = self.start_step, self.start_step + self.n_steps
        k0 = begin if t0 is None else _edge(t0, self.dt_ms, "between(t0)")
        k1 = end if t1 is None else _edge(t1, self.dt_ms, "between(t1)")
        if not (begin <= k0 <= k1 <= end):
            raise ValueError(
                f"between() takes a window inside the observed span of '{self.population}', {begin * self.dt_ms:g} ms to "
                f"{end * self.dt_ms:g} ms, with t0 <= t1; got {k0 * self.dt_ms:g} ms to {k1 * self.dt_ms:g} ms. "
                "Leave out t1 to reach its end."
            )
        cut = slice(*np.searchsorted(self.step, [k0, k1]))
        return dataclasses.replace(self, step=self.step[cut], id=self.id[cut], start_step=k0, n_steps=k1 - k0)

    def to_numpy(self) -> np.ndarray:
        """One structured array with the fields `step`, `id` and `time_ms` (`pandas.DataFrame` takes it as it is)."""
        out = np.empty(len(self), [("step", np.int64), ("id", np.int32), ("time_ms", np.float64)])
        out["step"], out["id"], out["time_ms"] = self.step, self.id, stamps(self.step, self.dt_ms)
        return out

    @classmethod
    def from_numpy(
        cls, columns: Any, *, population: str, dt: Any, n: int, start_step: int | None = None, n_steps: int | None = None
    ) -> "SpikeTable":
        """A table from a structured array, a dictionary of arrays or a data frame with the columns `step` and `id`, or `time_ms` and `id`, in any order.

        **Arguments:**

        - `columns`: such an array; other columns are left alone.
        - `population`, `n`: name and size of the population; `dt`: the time step, of which times are multiples. [time]
        - `start_step`, `n_steps`: the steps that were observed; by default from 0 to the last spike.

        **Raises:** `ValueError` for a column that is missing and times off the grid, and as `SpikeTable`.

        !!! Example

            >>> found = n4.SpikeTable.from_numpy({"id": [2, 0], "time_ms": [1.5, 0.5]}, population="cells", dt=0.5*u.ms, n=3)
            >>> found.step, found.id
            (array([0, 2]), array([0, 2], dtype=int32))
        """
        names = columns.dtype.names if isinstance(columns, np.ndarray) else tuple(columns)
        picked = {name: np.asarray(columns[name]) for name in ("step", "id", "time_ms") if name in (names or ())}
        given = {"population": population, "dt": dt, "n": n, "start_step": start_step, "n_steps": n_steps}
        return cls(**frames.arguments(picked, {}, given, "SpikeTable.from_numpy"))

    def to_pandas(self) -> Any:
        """A data frame with the columns `step`, `id` and `time_ms`; `frame.attrs` has what else the table knows. Needs pandas.

        !!! Example

            >>> table = n4.SpikeTable([0, 2], [0, 2], "cells", 0.5, 3, 0, 10)
            >>> n4.SpikeTable.from_pandas(table.to_pandas())
            SpikeTable('cells': 2 spikes of 3 neurons, 0 to 5 ms in steps of 0.5 ms)
        """
        frame = frames.package("to_pandas", "pandas", "pandas").DataFrame(self.to_numpy())
        frame.attrs[frames.KEY] = frames.notes(self)
        return frame

    @classmethod
    def from_pandas(
        cls, frame: Any, *, population: str | None = None, dt: Any = None, n: int | None = None, start_step: int | None = None, n_steps: int | None = None
    ) -> "SpikeTable":
        """A table from a data frame, of `to_pandas` or of anybody. **Arguments** and **Raises:** as `from_numpy`; what `to_pandas` noted need not be given."""
        picked = {name: frame[name].to_numpy() for name in ("step", "id", "time_ms") if name in frame.columns}
        given = {"population": population, "dt": dt, "n": n, "start_step": start_step, "n_steps": n_steps}
        return cls(**frames.arguments(picked, frame.attrs.get(frames.KEY, {}), given, "SpikeTable.from_pandas"))

    def to_arrow(self) -> Any:
        """A `pyarrow.Table` with the columns `step`, `id` and `time_ms`; its metadata have what else the table knows. Needs `pip install "neuro4d[parquet]"`."""
        return frames.arrow_table(self)

    @classmethod
    def from_arrow(
        cls, table: Any, *, population: str | None = None, dt: Any = None, n: int | None = None, start_step: int | None = None, n_steps: int | None = None
    ) -> "SpikeTable":
        """A table from one of Arrow, of `to_arrow` or of anybody. **Arguments** and **Raises:** as `from_numpy`; what `to_arrow` noted need not be given."""
        where = "SpikeTable.from_arrow"
        picked = {name: frames.arrow_column(table, name, where) for name in ("step", "id", "time_ms")}
        given = {"population": population, "dt": dt, "n": n, "start_step": start_step, "n_steps": n_steps}
        return cls(**frames.arguments(picked, frames.arrow_notes(table.schema, where), given, where))

    def to_parquet(self, path: str | Path) -> None:
        """Writes a Parquet file, which appears whole or not at all and has a checksum for each page. Needs `pip install "neuro4d[parquet]"`."""
        frames.write_parquet(self, Path(path))

    @classmethod
    def from_parquet(
        cls,
        path: str | Path,
        *,
        population: str | None = None,
        dt: Any = None,
        n: int | None = None,
        start_step: int | None = None,
        n_steps: int | None = None,
        most: int = frames.MOST,
    ) -> "SpikeTable":
        """A table from a Parquet file, of `to_parquet` or of anybody.

        **Arguments:** as `from_numpy`, where `to_parquet` did not note them; `most`: spikes that are read, a file that declares more is refused.

        **Raises:** as `from_numpy`; `FileNotFoundError`; `CorruptFileError` for a damaged file; `UnsafeFileError` for too many spikes.
        """
        table = frames.read_parquet(Path(path), check_count(most, "SpikeTable.from_parquet: most"))
        return cls.from_arrow(table, population=population, dt=dt, n=n, start_step=start_step, n_steps=n_steps)

    def __repr__(self) -> str:
        span = f"{self.start_step * self.dt_ms:g} to {(self.start_step + self.n_steps) * self.dt_ms:g} ms"
        return f"SpikeTable('{self.population}': {len(self)} spikes of {self.n} neurons, {span} in steps of {self.dt_ms:g} ms)"

    def _repr_html_(self) -> str:
        return card(repr(self), mini_raster([self]))


def _column(values: Any, dtype: Any, name: str) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise ValueError(f"SpikeTable.{name} must be a one-dimensional array of integers; got shape {array.shape} of {array.dtype}.")
    # A copy where the dtype differs, a view otherwise: the caller's own array keeps its flags.
    array = array.astype(dtype, copy=False).view()
    array.flags.writeable = False
    return array


def _edge(t: Any, dt_ms: float, where: str) -> int:
    """How many steps have ended by time `t`; a time within a millionth of a step of the grid counts as on it."""
    value = strip(t, u.ms, where=where)
    if value.ndim or not math.isfinite(value):
        raise ValueError(f"{where} takes one finite time, for example `100 * u.ms`; got {t}.")
    steps = float(value) / dt_ms
    nearest = round(steps)
    return nearest if abs(steps - nearest) < 1e-6 else math.floor(steps)
