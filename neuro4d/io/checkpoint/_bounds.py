"""Where a run that goes on may write. Its folder may come from somebody else, so what the folder says writes within it, unless the user allows more."""

import os
from collections.abc import Sequence
from pathlib import Path

from neuro4d._base import UnsafeFileError
from neuro4d.io.checkpoint._folder import absolute
from neuro4d.recorders import AbstractRecorder

ALLOW = "If the folder is yours, allow it: `n4.io.resume(..., outside=True)`, `neuro4d resume --outside DIR`."


def lies_in(folder: Path, path: str | os.PathLike[str]) -> bool:
    """Whether a path, all symbolic links followed, lies in a folder."""
    return absolute(path).resolve().is_relative_to(folder.resolve())


def check_links(folder: Path) -> None:
    """Refuses symbolic links in a folder, at any depth: what is written to them lands elsewhere.

    **Raises:** `UnsafeFileError` for the first one.
    """
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    raise UnsafeFileError(f"{entry.path} is a symbolic link, and a run that goes on would write to where it leads. {ALLOW}")
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


def check_recorders(folder: Path, recorders: Sequence[AbstractRecorder]) -> None:
    """Refuses recorders, made anew from a description, that write elsewhere.

    **Raises:** `UnsafeFileError`, with all of them.
    """
    written = [(each.name, each.writes()) for each in recorders]
    found = [(name, path) for name, path in written if path is not None and not lies_in(folder, path)]
    if found:
        listed = ", ".join(f"{name!r} to {path!r}" for name, path in found)
        raise UnsafeFileError(
            f"the run in {folder} has recorders that write outside of it ({listed}), and a folder does not choose where. Give the recorders, "
            f"`n4.io.resume({str(folder)!r}, record=[...])`, or go on with the script that began it, `n4.io.Checkpoints({str(folder)!r}, resume=True)`. {ALLOW}"
        )
