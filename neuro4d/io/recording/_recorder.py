"""Spikes of a run on disk while it goes on."""

import concurrent.futures
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import numpy as np

from neuro4d._base import check_name
from neuro4d.io.recording._recording import SpikeRecording
from neuro4d.io.recording._writer import SpikeWriter, is_recording
from neuro4d.recorders import AbstractProbe, AbstractRecorder, Chunk, Spikes, SpikeTable

_BLOCK = 1 << 17
"""Words of bits that become events at once."""

HELD = 32 << 20
"""Bytes for events of a block, and for what is packed, at common rates."""


class SpillProbe(AbstractProbe):
    """The bits of a chunk, and who writes them."""

    inner: Any
    writer: SpikeWriter = eqx.field(static=True)
    thread: "Thread" = eqx.field(static=True)

    @property
    def streams(self):
        return True

    def buffer(self, length, carry):
        return self.inner.buffer(length, None)

    def update(self, buffer, index, elapsed, state, spikes):
        return self.inner.update(buffer, index, elapsed, state, spikes)

    def extend(self, buffer, index, elapsed, block):
        return self.inner.extend(buffer, index, elapsed, block)

    def period(self):
        return 0

    def begin(self, start_step, lanes, done=None):
        if lanes is not None:
            raise ValueError(
                "SpikesToDisk records one simulation, and these are several side by side. Record `n4.Spikes()`, or run them one by one with `n4.simulate`."
            )
        self.thread.wait()
        if done and not is_recording(self.writer.path):
            raise FileNotFoundError(f"the run goes on, and the first {done} steps of its spikes are gone: {str(self.writer.path)!r} is no recording.")
        self.writer.goes_on = done is not None
        self.writer.begin(start_step + (done or 0))
        self.writer.first = start_step

    def settle(self):
        self.thread.settle()

    def take(self, chunk):
        # The write of the chunk before has to be over: so at most one is under way, and its error ends the run.
        self.thread.wait()
        self.thread.submit(self._write, chunk)

    def _write(self, chunk: Chunk) -> None:
        begin = self.writer.first + chunk.first
        self.writer.cut(begin)
        for events in self._events(chunk, begin):
            self.writer.append(events)
        self.writer.commit(begin + chunk.n_steps)

    def _events(self, chunk: Chunk, begin: int) -> Iterator[dict[str, tuple[np.ndarray, np.ndarray]]]:
        """Steps and ids by population, some steps at a time."""
        widest = max((words.shape[1] for words in chunk.buffer.values()), default=1)
        stride = max(1, _BLOCK // max(1, widest))
        for row in range(0, chunk.n_steps, stride):
            events = {}
            for span in self.inner.spans:
                words = chunk.buffer[span.group][row : min(row + stride, chunk.n_steps)]
                where = {"start": span.start, "n": span.size, "population": span.name, "dt_ms": self.writer.dt_ms}
                table = SpikeTable.from_words(words, start_step=begin + row, **where)
                events[span.name] = table.step, table.id
            yield events

    def end(self):
        try:
            self.thread.wait()
        finally:
            self.writer.close()

    def record(self, chunks, start_step, n_steps):
        return SpikeRecording(self.writer.path, start_step, start_step + n_steps)

    def bytes(self, n_steps, length):
        chunk, _ = self.inner.bytes(0, length)
        return chunk, chunk + HELD


class Thread:
    """One task beside the run. It is no part of what is compiled: all are equal."""

    def __init__(self) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="neuro4d-spikes")
        self._task: concurrent.futures.Future[None] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thread)

    def __hash__(self) -> int:
        return hash(Thread)

    def submit(self, task: Any, *arguments: Any) -> None:
        """Begins a task."""
        self._task = self._pool.submit(task, *arguments)

    def settle(self) -> None:
        """Returns when the task is done, or raises what it raised; so will `wait`."""
        task = self._task
        if task is not None:
            task.result()

    def wait(self) -> None:
        """Returns when the task is done, or raises what it raised."""
        task, self._task = self._task, None
        if task is not None:
            task.result()


class SpikesToDisk(AbstractRecorder):
    """Every spike, losslessly, written to disk while the run goes on: the memory of a run is that of a chunk, however long it is.

    **Arguments:**

    - `path`: a folder, which is made, for example `"spikes.zarr"`.
    - `populations`: names, by default all.
    - `append`: go on with a recording that ends where the run begins.
    - `name`: the key in `run.records`.

    The record is a `SpikeRecording`, which reads what is asked for; `run.spikes("cells")` reads all spikes of a population. The folder is a zarr
    group (version 3) with the arrays `step` and `id` for each population. After each chunk of the run its events are written and then counted in a
    manifest, so that a kill loses at most the last chunk that was done. `n4.io.open_spikes` opens the recording later, also while the run goes on.

    **Raises:** `FileExistsError` for a path that is there without `append`; `ValueError` for a recording of other populations, another time step, or one
    that ends elsewhere; both before the run. `OSError` where the disk is full: what was written until then stays.

    !!! Example

        >>> import tempfile
        >>> cells = n4.Population("cells", 10, n4.PoissonNeuron(rate=100*u.Hz))
        >>> model = n4.Network(cells).build(dt=0.1*u.ms, seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = n4.simulate(model, jr.key(0), 100*u.ms, record=n4.io.SpikesToDisk(f"{folder}/spikes.zarr"))
        ...     found = n4.io.open_spikes(f"{folder}/spikes.zarr")
        ...     print(len(found.spikes("cells")) == len(run.spikes("cells")))
        True
    """

    path: str = eqx.field(static=True)
    populations: tuple[str, ...] | None = eqx.field(static=True)
    append: bool = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, path: Any, *populations: str, append: bool = False, name: str = "spikes_on_disk"):
        self.path = str(path)
        self.populations = tuple(populations) or None
        if not isinstance(append, bool):
            raise TypeError(f"append is True or False; got {append!r}.")
        self.append = append
        self.name = check_name(name, "recorder")

    def fit(self, model):
        inner = Spikes(*(self.populations or ())).fit(model)
        populations = tuple((span.name, span.size) for span in inner.spans)
        return SpillProbe(inner, SpikeWriter(self.path, populations, model.dt_ms, self.append), Thread())
