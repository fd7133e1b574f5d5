"""Files that appear complete or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def write_whole(path: Path, fill: Callable[[BinaryIO], Any]) -> None:
    """Writes a file under a temporary name beside it, and renames it when it is complete."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".neuro4d.tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            fill(file)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
