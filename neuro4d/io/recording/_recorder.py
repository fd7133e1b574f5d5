"""Spikes of a run on disk while it goes on."""

import concurrent.futures
import threading
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import numpy as np

from neuro4d._base import check_name
from neuro4d.io.recording._recording import SpikeRecording
from neuro4d.io.recording._writer import SpikeWriter, is_recording
from neuro4d.recorders import AbstractProbe, AbstractRecorder, Chunk, Spikes, SpikeTable

Events = dict[str, tuple[np.ndarray, np.ndarray]]
"""Steps and ids by population."""

_BLOCK = 1 << 20
"""Words of bits, of all groups, that become events at once: what is asked for each costs as much as a hundred thousand words."""

PAUSE_S = 1.0
"""Between two writes: each syncs a file for every column of every population, which takes as long for one event as for ten thousand."""

QUEUED = 16 << 20
"""Bytes of chunks that may wait for a write."""

TOGETHER = 1 << 20
"""Events from which on they are written before more are taken out of their bits: 12 bytes each."""

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
        self.thread.put(chunk, self._write)

    def _write(self, chunks: list[Chunk]) -> None:
        """Appends what has come since the last write, and counts it once."""
        for begin, n_steps, words in _stretches(chunks):
            first = self.writer.first + begin
            self.writer.cut(first)
            gathered, n = [], 0
            for events in self._events(words, n_steps, first):
                gathered.append(events)
                n += sum(len(step) for step, _ in events.values())
                if n >= TOGETHER:
                    self.writer.append(_joined(gathered))
                    gathered, n = [], 0
            if gathered:
                self.writer.append(_joined(gathered))
            self.writer.done(first + n_steps)
        self.writer.commit()

    def _events(self, words: dict[str, np.ndarray], n_steps: int, begin: int) -> Iterator[Events]:
        """Steps and ids by population, some steps at a time."""
        stride = max(1, _BLOCK // max(1, sum(each.shape[1] for each in words.values())))
        for row in range(0, n_steps, stride):
            events = {}
            for span in self.inner.spans:
                where = {"start": span.start, "n": span.size, "population": span.name, "dt_ms": self.writer.dt_ms}
                table = SpikeTable.from_words(words[span.group][row : row + stride], start_step=begin + row, **where)
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
        return chunk, 2 * chunk + QUEUED + HELD


def _stretches(chunks: list[Chunk]) -> Iterator[tuple[int, int, dict[str, np.ndarray]]]:
    """Chunks that follow each other as one: the first step, how many, and the bits by group. A run that was taken back begins another one."""
    while chunks:
        n = next((k for k in range(1, len(chunks)) if chunks[k].first != chunks[k - 1].first + chunks[k - 1].n_steps), len(chunks))
        mine, chunks = chunks[:n], chunks[n:]
        words = {group: np.concatenate([chunk.buffer[group][: chunk.n_steps] for chunk in mine]) for group in mine[0].buffer}
        yield mine[0].first, sum(chunk.n_steps for chunk in mine), words


def _joined(gathered: list[Events]) -> Events:
    return {name: (np.concatenate([each[name][0] for each in gathered]), np.concatenate([each[name][1] for each in gathered])) for name in gathered[0]}


class Thread:
    """Writes beside the run: what comes within a pause, or while a write is under way, is written together, and where that becomes much, the run waits. It is no
    part of what is compiled: all are equal."""

    def __init__(self) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="neuro4d-spikes")
        self._lock, self._hurry = threading.Lock(), threading.Event()
        self._waiting: list[Chunk] = []
        self._running = False
        self._task: concurrent.futures.Future[None] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thread)

    def __hash__(self) -> int:
        return hash(Thread)

    def put(self, chunk: Chunk, write: Callable[[list[Chunk]], None]) -> None:
        """Hands a chunk over. Raises what an earlier write has raised."""
        bytes_waiting = self._bytes()
        if bytes_waiting > QUEUED // 2:
            self._hurry.set()
        if self._task is not None and (self._task.done() or bytes_waiting > QUEUED):
            self.wait()
        with self._lock:
            self._waiting.append(chunk)
            if not self._running:
                self._running = True
                self._hurry.clear()
                self._task = self._pool.submit(self._drain, write)

    def _bytes(self) -> int:
        with self._lock:
            return sum(words.nbytes for chunk in self._waiting for words in chunk.buffer.values())

    def _drain(self, write: Callable[[list[Chunk]], None]) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = False  # not after an error: then nothing more is written, and the next `put` raises it
                    return
            self._hurry.wait(PAUSE_S)
            with self._lock:
                chunks, self._waiting = self._waiting, []
                self._hurry.clear()
            write(chunks)

    def settle(self) -> None:
        """Returns when all is written, or raises what a write has raised; so will `wait`."""
        task = self._task
        if task is not None:
            self._hurry.set()
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
    group (version 3) with the arrays `step` and `id` for each population. A thread writes the events of each chunk of the run and then counts them in
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
