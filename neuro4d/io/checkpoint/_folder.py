"""A folder that belongs to one writer: what it is, and the lock on it."""

import importlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, Self

from neuro4d.io.checkpoint._snapshot import FORMAT, LEFTOVERS, as_text, read_body, versions, write_text

CARD, LOCK = "neuro4d.json", "writer.lock"


class Folder:
    """A folder of neuro4d, opened for writing: made if it is not there, and locked until `close`.

    **Arguments:**

    - `path`: the folder. It is new, empty, or of the same `kind`.
    - `kind`: what is kept there, for example `"run"`.

    **Raises:** `NotADirectoryError`, `FileExistsError` for a folder of other things, `PermissionError` and other `OSError` where nothing can be
    written, `BlockingIOError` where somebody else writes.
    """

    def __init__(self, path: str | os.PathLike[str], kind: str):
        self.path, self.kind, self._lock = absolute(path), kind, None
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"checkpoints go into a folder; {self.path} is a file.")
        self.path.mkdir(parents=True, exist_ok=True)
        check_kind(self.path, kind)
        check_writable(self.path)
        self._lock = _locked(self.path / LOCK)
        if not (self.path / CARD).exists():
            self.describe({})

    def describe(self, more: dict[str, Any]) -> None:
        """Writes what the folder is, with some plain data."""
        write_text(self.path / CARD, as_text({"format": FORMAT, "kind": self.kind, "versions": versions(), **more}))

    def close(self) -> None:
        """Lets the next writer in; harmless if called twice."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def absolute(path: str | os.PathLike[str]) -> Path:
    """A path that means the same whatever the working folder is later."""
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError(f"a folder is named by text, for example `'runs/a'`; got {path!r}.")
    return Path(text).expanduser().absolute()


def card(path: Path) -> dict[str, Any] | None:
    """What a folder says that it is; `None` where it says nothing.

    **Raises:** `CorruptFileError` for a damaged card.
    """
    return read_body(path / CARD) if (path / CARD).is_file() else None


def check_kind(path: Path, kind: str) -> None:
    """Raises for a folder that holds other things, or another kind of ours."""
    said = card(path)
    if said is None:
        others = [name for name in os.listdir(path) if name != LOCK and not name.endswith(LEFTOVERS)]
        if others:
            raise FileExistsError(f"{path} holds other things ({', '.join(sorted(others)[:3])}); choose a folder that is empty or not there.")
    elif said.get("kind") != kind:
        raise FileExistsError(f"{path} holds a {said.get('kind')!s:.40}, not a {kind}; choose another folder.")


def check_writable(path: Path) -> None:
    """Raises where no file can be made, before anything is computed."""
    try:
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"neuro4d")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise type(error)(error.errno, f"cannot write into {path} ({error.strerror}); choose another folder") from None


def _locked(path: Path) -> BinaryIO:
    """An open file that nobody else holds. The system lets go of it when the process ends, however it ends."""
    file = open(path, "a+b")
    try:
        _lock(file)
    except BlockingIOError:
        file.seek(0)
        holder = file.read(200).decode("utf-8", "replace").strip()
        file.close()
        raise BlockingIOError(
            f"somebody else writes into {path.parent}{f' ({holder})' if holder else ''}. Wait until it has ended, or choose another folder."
        ) from None
    except OSError:
        pass  # a file system without locks
    file.truncate(0)
    file.write(f"process {os.getpid()}\n".encode())
    file.flush()
    return file


def _lock(file: BinaryIO) -> None:
    if sys.platform == "win32":
        msvcrt: Any = importlib.import_module("msvcrt")
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(str(error)) from error
        return
    fcntl: Any = importlib.import_module("fcntl")
    fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
