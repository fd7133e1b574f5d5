"""Files that appear complete or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO


@contextlib.contextmanager
def fresh_file(path: Path, suffix: str = "") -> Iterator[Path]:
    """A file under a temporary name beside `path`, to be written by whoever takes a path. It gets its name when the block ends, and goes away if that fails.

    `suffix`: how the temporary name ends, for writers that look at it.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=f".neuro4d.tmp{suffix}")
    os.close(handle)
    try:
        yield Path(name)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_whole(path: Path, fill: Callable[[BinaryIO], Any]) -> None:
    """Writes a file under a temporary name beside it, and renames it when it is complete."""
    with fresh_file(path) as temporary, temporary.open("wb") as file:
        fill(file)
