"""A recording on disk, of which only what is asked for is read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brainunit as u
import numpy as np

from neuro4d._base import CorruptFileError, check_budget, check_count, lookup, steps_of, strip
from neuro4d.io.recording._arrays import COLUMNS, Columns
from neuro4d.io.recording._manifest import read_manifest
from neuro4d.io.recording._search import first_event
from neuro4d.recorders import AbstractSpikeSource, SpikeTable, stamps


def open_spikes(path: Any) -> "SpikeRecording":
    """A recording of spikes by `SpikesToDisk`; nothing of it is read yet.

    It shows what is there at this moment. A run that goes on appends more, which is seen by opening it again.

    **Raises:** `FileNotFoundError` for what is no recording, `CorruptFileError` for a damaged one.

    !!! Example

        >>> n4.io.open_spikes("none.zarr")
        Traceback (most recent call last):
            ...
        FileNotFoundError: 'none.zarr' is no recording of spikes: it has no manifest.json. `record=n4.io.SpikesToDisk('none.zarr')` makes one.
    """
    return SpikeRecording(Path(path))


class SpikeRecording(AbstractSpikeSource):
    """Spikes on disk, of some steps.

    **Arguments:**

    - `path`: the folder.
    - `begin`, `end`: the steps `begin` to `end - 1` of the model's clock; by default all that are recorded.

    **Raises:** as `open_spikes`; `ValueError` for steps that are not recorded.
    """

    def __init__(self, path: Path, begin: int | None = None, end: int | None = None):
        self._path, self._manifest = path, read_manifest(path)
        found = self._manifest
        self._begin = found.start_step if begin is None else begin
        self._end = found.end if end is None else end
        if not found.start_step <= self._begin <= self._end <= found.end:
            raise ValueError(
                f"the recording {str(path)!r} has the steps {found.start_step} to {found.end - 1}; asked for were {self._begin} to {self._end - 1}."
            )
        self._number = {each.name: k for k, each in enumerate(found.populations)}
        self._bounds: dict[str, tuple[int, int]] = {}

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of the recorded populations."""
        return tuple(self._number)

    @property
    def start_step(self) -> int:
        """The first step."""
        return self._begin

    @property
    def n_steps(self) -> int:
        """How many steps."""
        return self._end - self._begin

    @property
    def dt(self) -> Any:
        """The time step, a quantity in ms."""
        return self._manifest.dt_ms * u.ms

    def n_spikes(self, population: str) -> int:
        """How many spikes a population has in these steps. Reads a few chunks where they are not all."""
        begin, end = self._events(population)
        return end - begin

    def spikes(self, population: str) -> SpikeTable:
        """The spikes of a population as a table of events, read as a whole.

        **Raises:** `UnknownNameError`, `CorruptFileError`; `MemoryBudgetError` if they are too many: cut them, `recording.between(t0, t1)`, or go through
        `recording.pieces(population)`.
        """
        begin, end = self._events(population)
        share = {f"{population} of {str(self._path)!r}": (end - begin) * 24}
        check_budget(share, "these spikes need", "read", 'Read a part: `recording.between(t0, t1)`, or `for table in recording.pieces("cells")`.')
        return self._table(population, begin, end, self._begin, self._end)

    def between(self, t0: Any = None, t1: Any = None) -> "SpikeRecording":
        """The same recording with the steps that begin at `t0` or later and end by `t1`; nothing is read.

        **Arguments:** `t0`, `t1`: times of the model's clock on the grid of steps; `None` means the begin or the end. [time]

        **Raises:** `UnitError` for a bare number, `ValueError` for times off the grid, and for a window that is not recorded or reversed.
        """
        begin, end = (
            default if t is None else int(steps_of(strip(t, u.ms, f"between({name})"), self._manifest.dt_ms, f"between({name})"))
            for name, t, default in (("t0", t0, self._begin), ("t1", t1, self._end))
        )
        if not self._begin <= begin <= end <= self._end:
            a, b, c, d = (step * self._manifest.dt_ms for step in (self._begin, self._end, begin, end))
            raise ValueError(f"between() takes a window inside the {a:g} to {b:g} ms that there are, with t0 <= t1; got {c:g} to {d:g} ms.")
        return SpikeRecording(self._path, begin, end)

    def pieces(self, population: str, spikes: int = 1 << 20) -> Iterator[SpikeTable]:
        """Tables of about `spikes` spikes one after the other, for what is larger than memory. A step is never cut, and every step is in one of them."""
        check_count(spikes, "spikes")
        begin, end = self._events(population)
        columns, step = self._columns(population), self._begin
        while begin < end:
            stop = min(begin + spikes, end)
            last = self._end if stop == end else max(int(columns.read("step", stop - 1, stop)[0]), step + 1)
            after = end if stop == end else first_event(columns, self._listed(population).events, last)
            yield self._table(population, begin, after, step, last)
            begin, step = after, last
        if step < self._end:
            yield self._table(population, end, end, step, self._end)

    def to_xarray(self, population: str) -> Any:
        """An `xarray.Dataset` with `step`, `id` and `time` (ms) along `spike`. A variable is read when its values are asked for, and of a slice no more than
        its chunks.

        **Raises:** `UnknownNameError`; `ImportError` where xarray is not installed.
        """
        from neuro4d.io.recording._lazy import dataset

        begin, end = self._events(population)
        columns = self._columns(population)
        listed = self._listed(population)

        def column(name: str) -> Any:
            return lambda first, stop: columns.read(name, begin + first, begin + stop)

        def time(first: int, stop: int) -> np.ndarray:
            return stamps(columns.read("step", begin + first, begin + stop), self._manifest.dt_ms)

        variables = {name: (column(name), dtype, {}) for name, dtype in COLUMNS} | {"time": (time, "float64", {"units": "ms"})}
        attributes = {"population": population, "neurons": listed.n, "dt_ms": self._manifest.dt_ms, "start_step": self._begin, "n_steps": self.n_steps}
        return dataset(variables, end - begin, attributes)

    def verify(self) -> None:
        """Reads everything once, piece by piece.

        **Raises:** `CorruptFileError` for the first damage.
        """
        for population in self.populations:
            for _ in self.pieces(population):
                pass

    def __repr__(self) -> str:
        span = f"{self._begin * self._manifest.dt_ms:g} to {self._end * self._manifest.dt_ms:g} ms"
        return f"SpikeRecording({str(self._path)!r}: {', '.join(self.populations)}, {span} in steps of {self._manifest.dt_ms:g} ms)"

    def _listed(self, population: str) -> Any:
        return self._manifest.populations[lookup(self._number, population, "recorded population")]

    def _columns(self, population: str) -> Columns:
        return Columns(self._path, lookup(self._number, population, "recorded population"))

    def _events(self, population: str) -> tuple[int, int]:
        """The first event of these steps, and the one after the last."""
        if population not in self._bounds:
            n, columns, found = self._listed(population).events, self._columns(population), self._manifest
            begin = 0 if self._begin == found.start_step else first_event(columns, n, self._begin)
            self._bounds[population] = begin, n if self._end == found.end else first_event(columns, n, self._end)
        return self._bounds[population]

    def _table(self, population: str, first: int, stop: int, begin: int, end: int) -> SpikeTable:
        columns = self._columns(population)
        step, ids = (columns.read(name, first, stop) for name, _ in COLUMNS)
        try:
            return SpikeTable(step, ids, population, self._manifest.dt_ms, self._listed(population).n, begin, end - begin)
        except ValueError as error:
            raise CorruptFileError(f"events {first} to {stop - 1} of {population!r} in {str(self._path)!r} are not as they were written: {error}") from error
