"""HDF5 files of other formats, which appear whole or not at all."""

import importlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_hdf5(path: Path, fill: Callable[[Any], Any]) -> None:
    """Writes an HDF5 file under a temporary name beside it, and renames it when it is complete.

    **Arguments:** `fill`: is given the open `h5py.File`.
    """
    h5py: Any = importlib.import_module("h5py")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".neuro4d.tmp")
    os.close(handle)
    try:
        with h5py.File(temporary, "w") as file:
            fill(file)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
