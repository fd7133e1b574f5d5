"""HDF5 files of other formats, which appear whole or not at all."""

import contextlib
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from neuro4d._base import CorruptFileError, UnknownNameError, fresh_file


@contextlib.contextmanager
def reading(where: str) -> Iterator[None]:
    """What the library finds damaged while a file is read, as `CorruptFileError`: it may show at any attribute."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, PermissionError, UnknownNameError):
        raise
    except (OSError, RuntimeError, KeyError, EOFError, OverflowError) as error:
        raise CorruptFileError(f"{where} is damaged: {error}") from error


def write_hdf5(path: Path, fill: Callable[[Any], Any]) -> None:
    """Writes an HDF5 file under a temporary name beside it, and renames it when it is complete.

    **Arguments:** `fill`: is given the open `h5py.File`.
    """
    h5py: Any = importlib.import_module("h5py")
    with fresh_file(path) as temporary, h5py.File(temporary, "w") as file:
        fill(file)
