"""Who writes a recording: events first, then the manifest that counts them."""

from pathlib import Path
from typing import Any

import brainunit as u
import numpy as np

from neuro4d._base import attach
from neuro4d.io.checkpoint._folder import Folder, absolute, card
from neuro4d.io.recording._arrays import Columns, context, write_group
from neuro4d.io.recording._manifest import KIND, NAME, Listed, Manifest, read_manifest, write_manifest
from neuro4d.io.recording._search import first_event


class SpikeWriter:
    """Appends spikes to a recording. A kill at any time leaves what was appended before.

    **Arguments:**

    - `path`: a folder; new, or with `append` a recording of the same populations and time step.
    - `populations`: names and numbers of neurons.
    - `dt_ms`: the time step.
    - `append`: whether to go on with a recording.

    **Raises:** `NotADirectoryError`, `CorruptFileError`; `ValueError` for a recording of other populations or another time step, with all differences.
    Nothing is written until `begin`. `goes_on` says that the run to come goes on with an interrupted one: then the recording is cut to where it begins.
    """

    def __init__(self, path: Any, populations: tuple[tuple[str, int], ...], dt_ms: float, append: bool):
        self.path, self.populations, self.dt_ms = absolute(path), populations, float(dt_ms)
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"a recording is a folder; {str(self.path)!r} is a file.")
        there = (self.path / NAME).exists()
        if there:
            self._check(read_manifest(self.path))
        self.append_asked, self.goes_on = append, False
        self.manifest: Manifest | None = None
        self.first = 0
        self._folder: Folder | None = None
        self._columns: list[Columns] = []

    # Which file spikes go to changes no program: probes that differ in it only are compiled once.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, SpikeWriter)

    def __hash__(self) -> int:
        return hash(SpikeWriter)

    def _check(self, found: Manifest) -> None:
        """Raises where a recording is of something else."""
        wrong = [] if found.dt_ms == self.dt_ms else [f"its time step is {found.dt_ms} ms, that of the model {self.dt_ms} ms"]
        held, asked = {each.name: each.n for each in found.populations}, dict(self.populations)
        wrong += [f"it has a population {name!r}, which is not recorded now" for name in held if name not in asked]
        wrong += [f"it has no population {name!r}" for name in asked if name not in held]
        wrong += [f"population {name!r} has {held[name]} neurons in it, and {n} now" for name, n in asked.items() if held.get(name, n) != n]
        if wrong:
            raise ValueError(f"the recording {str(self.path)!r} is one of another network: {'; '.join(wrong)}. Choose another path.")

    def begin(self, start_step: int) -> None:
        """A run begins.

        **Raises:** `FileExistsError` for a recording that is there and shall not be gone on with; `ValueError` if it begins at another step than the
        recording ends; `OSError` where nothing can be written, `BlockingIOError` where somebody else writes.
        """
        self.check()
        self._folder = Folder(self.path, KIND)
        try:
            self.first = start_step
            self.manifest = self._begun(start_step)
            self._open()
            self.cut(start_step)
        except BaseException:
            self.close()
            raise

    def check(self) -> None:
        """Raises for a recording that is there and shall not be gone on with."""
        if (self.path / NAME).exists() and not (self.append_asked or self.goes_on):
            path = str(self.path)
            raise FileExistsError(f"{path!r} holds a recording already. Choose another path, or go on with it: `n4.io.SpikesToDisk({path!r}, append=True)`.")

    def _begun(self, start_step: int) -> Manifest:
        if not (self.path / NAME).exists():
            empty = Manifest(self.dt_ms, start_step, 0, tuple(Listed(name, n, 0) for name, n in self.populations))
            write_manifest(self.path, empty)
            return empty
        found = read_manifest(self.path)
        self._check(found)
        if found.n_steps == 0:
            return Manifest(found.dt_ms, start_step, 0, found.populations)
        if found.end == start_step or (self.goes_on and found.end > start_step):
            return found
        ends, begins = (attach(step * self.dt_ms, u.ms) for step in (found.end, start_step))
        if found.end < start_step:
            raise ValueError(f"the recording {str(self.path)!r} ends at {ends} and the run begins at {begins}: what lies between would be missing.")
        raise ValueError(
            f"the recording {str(self.path)!r} ends at {ends}, after the {begins} at which the run begins. To record that time anew, cut it first: "
            f"`n4.io.cut_spikes({str(self.path)!r}, {start_step})`."
        )

    def _open(self) -> None:
        if self.manifest is None:
            raise RuntimeError("a recording is opened by `begin`.")
        shared = context()
        write_group(self.path, {"zarr_format": 3, "node_type": "group", "attributes": {"dt_ms": self.dt_ms}})
        self._columns = [Columns(self.path, number, shared) for number, _ in enumerate(self.manifest.populations)]
        for columns, each in zip(self._columns, self.manifest.populations, strict=True):
            columns.create({"population": each.name, "neurons": each.n, "dt_ms": self.dt_ms}, each.events)

    def cut(self, step: int) -> None:
        """Forgets the step and all that follow. The manifest says so before anything is written over."""
        if self.manifest is None:
            raise RuntimeError("a recording is opened by `begin`.")
        if step >= self.manifest.end:
            return
        kept = [each._replace(events=first_event(columns, each.events, step)) for columns, each in zip(self._columns, self.manifest.populations)]
        start = min(self.manifest.start_step, step)
        self.manifest = Manifest(self.dt_ms, start, max(0, step - start), tuple(kept))
        write_manifest(self.path, self.manifest)

    def append(self, events: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """Writes steps and ids by population, after those that are there. They count from the next `commit` on."""
        if self.manifest is None:
            raise RuntimeError("a recording is opened by `begin`.")
        waiting, listed = [], []
        for columns, each in zip(self._columns, self.manifest.populations, strict=True):
            step, ids = events[each.name]
            waiting += columns.append(each.events, {"step": step, "id": ids})
            listed.append(each._replace(events=each.events + len(step)))
        try:
            for future in waiting:
                future.result()
        except (ValueError, RuntimeError) as error:  # what the storage below raises for a full disk
            raise OSError(f"spikes could not be written into {str(self.path)!r}: {str(error)[:200]}. What was recorded before is whole.") from error
        self.manifest = Manifest(self.manifest.dt_ms, self.manifest.start_step, self.manifest.n_steps, tuple(listed))

    def done(self, end: int) -> None:
        """All steps before `end` have been appended."""
        if self.manifest is None:
            raise RuntimeError("a recording is opened by `begin`.")
        self.manifest = Manifest(self.dt_ms, self.manifest.start_step, end - self.manifest.start_step, self.manifest.populations)

    def commit(self) -> None:
        """Counts what has been appended: from now on a kill leaves it."""
        if self.manifest is None:
            raise RuntimeError("a recording is opened by `begin`.")
        write_manifest(self.path, self.manifest)

    def close(self) -> None:
        """Gives back the room that is not used, and lets the next writer in; harmless if called twice."""
        if self._folder is None:
            return
        try:
            if self.manifest is not None and self._columns:
                for columns, each in zip(self._columns, self.manifest.populations, strict=True):
                    columns.resize(each.events)
        finally:
            self._columns = []
            self._folder.close()
            self._folder = None


def cut_spikes(path: Any, step: int) -> None:
    """Takes out of a recording all spikes of step `step` of the model's clock and later, for a run that does that time again.

    **Raises:** `FileNotFoundError` for what is no recording, `CorruptFileError`, `BlockingIOError` where somebody writes; `ValueError` for a step before the
    beginning of the recording.

    !!! Example

        >>> n4.io.cut_spikes("none.zarr", 1000)
        Traceback (most recent call last):
            ...
        FileNotFoundError: 'none.zarr' is no recording of spikes: it has no manifest.json. `record=n4.io.SpikesToDisk('none.zarr')` makes one.
    """
    found = read_manifest(Path(path))
    if step < found.start_step:
        raise ValueError(f"the recording {str(path)!r} begins with step {found.start_step}; step {step} is before it.")
    writer = SpikeWriter(path, tuple((each.name, each.n) for each in found.populations), found.dt_ms, append=True)
    writer.begin(found.end)
    try:
        writer.cut(step)
    finally:
        writer.close()


def is_recording(path: Path) -> bool:
    """Whether a folder says that it is a recording."""
    return path.is_dir() and (card(path) or {}).get("kind") == KIND
