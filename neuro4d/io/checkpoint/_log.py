"""Training that is kept while it goes on: trees of arrays by number."""

import logging
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from neuro4d._base import AbstractLog, Kept
from neuro4d.io._leaves import joined
from neuro4d.io.checkpoint._moments import plain
from neuro4d.io.checkpoint._store import Store

logger = logging.getLogger("neuro4d")


class CheckpointWarning(UserWarning):
    """A checkpoint that was not written; the run goes on, and the one before stays whole."""


class Log(AbstractLog):
    """Keeps what `fit` and `tune` have done in a folder; made by `Checkpoints.log`.

    **Arguments:** `store`; `wall_s`: seconds between two checkpoints; `resume`: whether to go on from what is there; `note`: plain data beside it.
    """

    def __init__(self, store: Store, wall_s: float, resume: bool, note: Mapping[str, Any]):
        self._store, self._wall_s, self._resume, self._note = store, wall_s, resume, dict(note)
        self._what: dict[str, Any] = {}
        self._asked, self._last_wall = 0, 0.0
        self._unwritten: list[tuple[int, str]] = []

    def begin(self, what: Mapping[str, Any]) -> Kept | None:
        self._what = plain(dict(what))
        try:
            self._store.open()
            found = self._found() if self._store.steps() else None
        except BaseException:
            self._store.close()
            raise
        self._last_wall = time.monotonic()
        return found

    def _found(self) -> Kept:
        path, kind = self._store.path, self._store.kind
        if not self._resume:
            raise FileExistsError(
                f"{path} holds a {kind} up to number {self._store.steps()[-1]}. To go on with it: `n4.io.Checkpoints({str(path)!r}, resume=True)`. "
                "To begin anew, choose another folder."
            )
        stored = self._store.read()
        before = stored.meta.get("what")
        before = before if isinstance(before, dict) else {}
        other = [f"{key}: {before.get(key)!r:.100} there, {self._what.get(key)!r:.100} here" for key in {**before, **self._what} if before.get(key) != self._what.get(key)]
        if other:
            raise ValueError(f"{path} holds another {kind}:{joined(other)}\nChoose another folder, or do what was done there.")
        self._store.drop_after(stored.step)
        self._asked = stored.step
        logger.info("going on from number %d in %s", stored.step, path)
        return Kept(stored.step, stored.tree, stored.meta)

    def keep(self, number: int, make: Callable[[], tuple[Mapping[str, Any], Mapping[str, Any]]], last: bool) -> None:
        self._store.check()
        if number == self._asked or not (last or time.monotonic() - self._last_wall >= self._wall_s):
            return
        self._asked, self._last_wall = number, time.monotonic()
        tree, meta = make()
        self._store.submit(lambda: self._write(number, tree, {"what": self._what, "note": self._note, **meta}))

    def _write(self, number: int, tree: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        try:
            self._store.write(number, tree, meta)
        except OSError as error:
            self._unwritten.append((number, str(error)))
            logger.warning("the checkpoint of number %d was not written: %s", number, error)

    def close(self) -> None:
        self._store.close()
        if self._unwritten:
            missing, self._unwritten = self._unwritten, []
            warnings.warn(
                f"{len(missing)} checkpoints were not written into {self._store.path}, the last of number {missing[-1][0]}: {missing[-1][1]}.",
                CheckpointWarning,
                stacklevel=4,
            )
