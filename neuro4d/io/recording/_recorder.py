"""Spikes of a run on disk while it goes on."""

import concurrent.futures
import threading
import time
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import numpy as np

from neuro4d._base import check_name
from neuro4d.io.recording._recording import SpikeRecording
from neuro4d.io.recording._writer import SpikeWriter, is_recording
from neuro4d.recorders import AbstractProbe, AbstractRecorder, Chunk, Spikes, spikes_of_words

Events = dict[str, tuple[np.ndarray, np.ndarray]]
"""Steps and ids by population."""

_BLOCK = 1 << 20
"""Words of bits, of all groups, that become events at once."""

PAUSE_S = 1.0
"""Between two writes: each syncs a file for every column of every population, which takes as long for one event as for ten thousand."""

QUEUED = 16 << 20
"""Bytes of chunks that may wait while a write is under way."""

TOGETHER = 1 << 20
"""Events from which on they are written before the pause is over: 12 bytes each."""

HELD = 44 << 20
"""Bytes for events, twice while they are joined, and for what is packed, as measured."""


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
        self.thread.put(chunk, self)

    def events(self, chunk: Chunk) -> Iterator[tuple[int, Events]]:
        """Steps and ids by population, some steps at a time, each with the step after the last."""
        stride = max(1, _BLOCK // max(1, sum(words.shape[1] for words in chunk.buffer.values())))
        begin = self.writer.first + chunk.first
        for row in range(0, chunk.n_steps, stride):
            end = min(row + stride, chunk.n_steps)
            yield (
                begin + end,
                {span.name: spikes_of_words(np.asarray(chunk.buffer[span.group])[row:end], span.start, span.size, begin + row) for span in self.inner.spans},
            )

    def end(self):
        try:
            self.thread.wait()
        finally:
            self.writer.close()

    def record(self, chunks, start_step, n_steps):
        return SpikeRecording(self.writer.path, start_step, start_step + n_steps)

    def bytes(self, n_steps, length):
        chunk, _ = self.inner.bytes(0, length)
        return chunk, max(chunk + chunk // 2, QUEUED) + HELD  # one that waits while events are taken out of another, or many small ones


class Batch:
    """Events that wait to be written, of steps that follow each other."""

    def __init__(self, probe: SpillProbe):
        self._probe, self._writer = probe, probe.writer
        self._held: list[Events] = []
        self._n = 0
        self._end: int | None = None

    def add(self, chunk: Chunk) -> None:
        """Takes the events out of their bits. A chunk that does not follow belongs to a run that was taken back."""
        first = self._writer.first + chunk.first
        if self._end != first:
            self.write()
            self._writer.cut(first)
        for end, events in self._probe.events(chunk):
            self._end = end
            self._held.append(events)
            self._n += sum(len(step) for step, _ in events.values())
            if self._n >= TOGETHER:
                self.write()

    def write(self) -> None:
        """Appends what is held, and counts it."""
        if self._held and self._end is not None:
            self._writer.append({name: (_joined(self._held, name, 0), _joined(self._held, name, 1)) for name in self._held[0]})
            self._writer.done(self._end)
            self._writer.commit()
        self._held, self._n = [], 0


def _joined(held: list[Events], name: str, column: int) -> np.ndarray:
    return np.concatenate([events[name][column] for events in held])


class Thread:
    """Writes beside the run: bits become events as they come, and what comes within a pause, or while a write is under way, is written together. Where more bits
    wait than are allowed, the run does. It is no part of what is compiled: all are equal."""

    def __init__(self) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="neuro4d-spikes")
        self._wake = threading.Condition()
        self._waiting: list[Chunk] = []
        self._running, self._hurry = False, False
        self._task: concurrent.futures.Future[None] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thread)

    def __hash__(self) -> int:
        return hash(Thread)

    def put(self, chunk: Chunk, probe: SpillProbe) -> None:
        """Hands a chunk over. Raises what an earlier write has raised."""
        if self._task is not None and (self._task.done() or self._bytes() > QUEUED):
            self.wait()
        with self._wake:
            self._waiting.append(chunk)
            if self._running:
                self._wake.notify()
            else:
                self._running, self._hurry = True, False
                self._task = self._pool.submit(self._drain, Batch(probe))

    def _bytes(self) -> int:
        with self._wake:
            return sum(words.nbytes for chunk in self._waiting for words in chunk.buffer.values())

    def _drain(self, batch: Batch) -> None:
        until = time.monotonic() + PAUSE_S
        while True:
            with self._wake:
                self._wake.wait_for(lambda: bool(self._waiting) or self._hurry, max(0.0, until - time.monotonic()))
                chunks, self._waiting = self._waiting, []
            for chunk in chunks:
                batch.add(chunk)
            if time.monotonic() < until and not self._hurry:
                continue
            batch.write()
            until = time.monotonic() + PAUSE_S
            with self._wake:
                if not self._waiting:
                    self._running = False  # not after an error: then nothing more is written, and the next `put` raises it
                    return

    def settle(self) -> None:
        """Returns when all is written, or raises what a write has raised; so will `wait`."""
        task = self._task
        if task is not None:
            with self._wake:
                self._hurry = True
                self._wake.notify()
            task.result()

    def wait(self) -> None:
        """As `settle`, once."""
        try:
            self.settle()
        finally:
            self._task = None


class SpikesToDisk(AbstractRecorder):
    """Every spike, losslessly, written to disk while the run goes on: the memory of a run is that of a chunk, however long it is.

    **Arguments:**

    - `path`: a folder, which is made, for example `"spikes.zarr"`.
    - `populations`: names, by default all.
    - `append`: go on with a recording that ends where the run begins.
    - `name`: the key in `run.records`.

    The record is a `SpikeRecording`, which reads what is asked for; `run.spikes("cells")` reads all spikes of a population. The folder is a zarr
    group (version 3) with the arrays `step` and `id` for each population. A thread writes the events of the run and then counts them in
    a manifest, once a second, so that a kill loses the last second and what came while a write was under way; a checkpoint waits for all that came before it. `n4.io.open_spikes` opens the recording later, also while the run goes on.

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

    def __new__(cls, path, *populations, append=False, name="spikes_on_disk"):
        return super().__new__(cls, str(path), *populations, append=append, name=name)  # a description of the run holds text

    def __init__(self, path: Any, *populations: str, append: bool = False, name: str = "spikes_on_disk"):
        self.path = str(path)
        self.populations = tuple(populations) or None
        if not isinstance(append, bool):
            raise TypeError(f"append is True or False; got {append!r}.")
        self.append = append
        self.name = check_name(name, "recorder")

    def writes(self):
        return self.path

    def fit(self, model):
        inner = Spikes(*(self.populations or ())).fit(model)
        populations = tuple((span.name, span.size) for span in inner.spans)
        return SpillProbe(inner, SpikeWriter(self.path, populations, model.dt_ms, self.append), Thread())
