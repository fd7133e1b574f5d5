"""Numbered snapshots in one folder: written by a thread, kept some, read only what verifies. It knows no model."""

import concurrent.futures
import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from neuro4d._base import CorruptFileError, check_count
from neuro4d.io._leaves import Leaf
from neuro4d.io.checkpoint._arrays import orbax
from neuro4d.io.checkpoint._folder import Folder, absolute, card
from neuro4d.io.checkpoint._snapshot import GONE, LEFTOVERS, MANIFEST, OLD, read_snapshot, remove, write_snapshot

logger = logging.getLogger("neuro4d")

STEPS = "checkpoints"


class Stored(NamedTuple):
    """What was kept at a step: a tree of arrays, plain data, and the rows of the arrays with units and checksums."""

    step: int
    tree: dict[str, Any]
    meta: dict[str, Any]
    rows: list[Leaf]


class Store:
    """Trees of arrays by step, in one folder.

    **Arguments:**

    - `path`: the folder.
    - `kind`: what is kept there; a folder of another kind is refused.
    - `keep`: how many of the newest steps stay.
    - `keep_every`: steps that are multiples of it stay for ever; by default none.

    Reading needs no lock. The first `save` makes the folder, and locks it until `close`: use it in a `with`. A save is done by a thread; what went wrong
    there is raised by the next `save`, by `wait` or by `close`.

    !!! Example

        >>> import tempfile
        >>> from neuro4d.io.checkpoint import Store
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Store(folder, "example") as store:
        ...         store.save(7, {"w": np.arange(3.0)}, {"loss": 0.5})
        ...     found = Store(folder, "example").read()
        >>> found.step, found.tree["w"], found.meta["loss"]
        (7, array([0., 1., 2.]), 0.5)
    """

    def __init__(self, path: str | os.PathLike[str], kind: str, *, keep: int = 3, keep_every: int | None = None):
        self.path, self.kind = absolute(path), kind
        self.keep = check_count(keep, "keep")
        self.keep_every = None if keep_every is None else check_count(keep_every, "keep_every")
        self.folder: Folder | None = None
        self._thread: concurrent.futures.ThreadPoolExecutor | None = None
        self._pending: concurrent.futures.Future | None = None

    def open(self) -> Folder:
        """Makes the folder if it is not there, locks it, and removes what a kill has left behind.

        **Raises:** as `Folder`.
        """
        if self.folder is None:
            self.folder = Folder(self.path, self.kind)
            orbax()
            for folder in (self.path, *(each for each in self.path.iterdir() if each.is_dir())):
                clean(folder)
        return self.folder

    def at(self, step: int) -> Path:
        """The folder of a step."""
        return self.path / STEPS / str(check_count(step, "step", low=0))

    def save(
        self,
        step: int,
        tree: Mapping[str, Any],
        meta: Mapping[str, Any] | None = None,
        *,
        unit_of: Callable[[tuple[str, ...]], str] | None = None,
        wait: bool = False,
    ) -> None:
        """Keeps a tree. Its arrays must not be written into afterwards; it is on the disk after `wait`.

        **Raises:** what an earlier save met, and as `open`; `TypeError` for what is no array or no plain data.
        """
        self.open()
        self.submit(lambda: self.write(step, tree, meta, unit_of=unit_of))
        if wait:
            self.wait()

    def submit(self, job: Callable[[], Any]) -> None:
        """Has the thread do something after what it is doing, for which this waits.

        **Raises:** what the job before has met.
        """
        self.wait()
        if self._thread is None:
            self._thread = concurrent.futures.ThreadPoolExecutor(1, "neuro4d-checkpoint")
        self._pending = self._thread.submit(job)

    def write(self, step: int, tree: Mapping[str, Any], meta: Any = None, *, unit_of: Any = None) -> None:
        """Writes a step in this thread, and lets go of older ones."""
        self.open()
        write_snapshot(self.at(step), tree, {"step": step, **(meta or {})}, unit_of)
        self.retain(step)

    def retain(self, newest: int) -> None:
        """Removes steps that are neither among the newest nor multiples of `keep_every`, and none beyond `newest`."""
        before = [step for step in self.steps() if step <= newest]
        for step in before[: -self.keep]:
            if self.keep_every is None or step % self.keep_every:
                with contextlib.suppress(OSError):
                    aside = self.at(step).with_name(f"{step}{GONE}")
                    self.at(step).rename(aside)  # first, so that a step is whole as long as it has its name
                    remove(aside)

    def drop_after(self, step: int) -> None:
        """Removes what lies beyond a step: a run that goes on from it writes these steps anew."""
        for later in self.steps():
            if later > step:
                remove(self.at(later))

    def wait(self) -> None:
        """Returns when the last save is on the disk.

        **Raises:** what it has met.
        """
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def check(self) -> None:
        """Raises what the last save has met, if it has ended."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def close(self) -> None:
        """Waits, and lets the next writer in.

        **Raises:** as `wait`.
        """
        try:
            self.wait()
        finally:
            if self._thread is not None:
                self._thread.shutdown()
                self._thread = None
            if self.folder is not None:
                self.folder.close()
                self.folder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            self.close()
            return
        try:  # what went wrong first is what the user has to see
            self.close()
        except Exception as second:
            error.add_note(f"and the last checkpoint was not written: {second}")

    def steps(self) -> list[int]:
        """The steps that are there, in their order; whether they are whole is not looked at."""
        folder = self.path / STEPS
        return sorted(int(name) for name in os.listdir(folder) if name.isascii() and name.isdigit()) if folder.is_dir() else []

    def latest(self) -> int | None:
        """The newest step that verifies, or `None`. It reads what it verifies: `read` gives it as well."""
        found = self._newest()
        return None if found is None else found.step

    def read(self, step: int | None = None) -> Stored:
        """What was kept at a step; by default at the newest that verifies, with a warning in the log for those that do not.

        **Raises:** `FileNotFoundError` where there is none, `CorruptFileError`, `ValueError` for another kind of folder.
        """
        if not self.path.is_dir():
            raise FileNotFoundError(f"there is no folder {self.path}.")
        said = card(self.path)
        if said is None:
            raise FileNotFoundError(f"{self.path} holds nothing that neuro4d wrote.")
        if said.get("kind") != self.kind:
            raise ValueError(f"{self.path} holds a {said.get('kind')!s:.40}, not a {self.kind}.")
        if step is not None:
            if not self.at(step).is_dir():
                known = ", ".join(map(str, self.steps())) or "none"
                raise FileNotFoundError(f"no checkpoint of step {step} in {self.path}; there are {known}.")
            return self._stored(step)
        found = self._newest()
        if found is None:
            what = "none of them verifies" if self.steps() else "none was completed"
            raise FileNotFoundError(f"no checkpoint in {self.path}: {what}. `neuro4d doctor {self.path}` says what it holds.")
        return found

    def _newest(self) -> Stored | None:
        for step in reversed(self.steps()):
            try:
                return self._stored(step)
            except (ValueError, OSError) as error:
                logger.warning("the checkpoint of step %d is passed over: %s", step, error)
        return None

    def _stored(self, step: int) -> Stored:
        tree, meta, rows = read_snapshot(self.at(step))
        if meta.get("step") != step:
            raise CorruptFileError(f"the checkpoint in {self.at(step)} says that it is of step {meta.get('step')!r:.40}.")
        return Stored(step, tree, meta, rows)


def clean(folder: Path) -> None:
    """Removes what a kill has left half-written. An old folder that was moved aside comes back where the new one never got its name."""
    for each in folder.iterdir():
        if each.name.endswith(OLD):
            whole = each.with_name(each.name.removesuffix(OLD))
            if whole.exists() or not (each / MANIFEST).is_file():
                remove(each)
            else:
                each.rename(whole)
        elif each.name.endswith(LEFTOVERS):
            remove(each)
