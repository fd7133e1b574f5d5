"""HDF5 files of recorded or spoken spikes, opened for reading."""

import importlib
from os import PathLike
from pathlib import Path
from typing import Any


def open_hdf5(path: str | PathLike[str]) -> Any:
    """An HDF5 file, open for reading: a mapping from names to arrays. Use it in a `with`.

    A file that points to other files is refused: reading it would open what somebody else named.

    **Raises:** `ImportError` where h5py is missing; `FileNotFoundError`; `ValueError` for another format and for links to other files.

    A file such as SHD's becomes a set to learn from:

    ```python
    with n4.io.open_hdf5("shd_train.h5") as file:
        data = n4.train.data.load_shd(file, bins=100, duration=1.4*u.second)
    ```

    !!! Example

        >>> n4.io.open_hdf5("shd_train.h5")
        Traceback (most recent call last):
            ...
        FileNotFoundError: there is no file 'shd_train.h5'. Nothing is downloaded; give the path of a file that you have.
    """
    found = Path(path)
    if not found.is_file():
        raise FileNotFoundError(f"there is no file {str(found)!r}. Nothing is downloaded; give the path of a file that you have.")
    try:
        h5py: Any = importlib.import_module("h5py")
    except ImportError as error:
        raise ImportError(f"{str(found)!r} is read through h5py, which is not installed: `pip install h5py`.") from error
    try:
        file = h5py.File(found, "r")
    except OSError as error:
        raise ValueError(f"{str(found)!r} is no HDF5 file, or a damaged one: {error}") from error
    away = _link_away(h5py, file)
    if away:
        file.close()
        raise ValueError(f"{str(found)!r}: {away!r} is a link to another file, which is not followed. Copy its data into the file.")
    return file


def _link_away(h5py: Any, group: Any) -> str:
    """The name of a link to another file, or of a dataset that is made of other files; empty where there is none."""
    names: list[str] = []

    def look(name: str, found: Any) -> None:
        if isinstance(found, h5py.Dataset) and (found.is_virtual or found.external):
            names.append(name)

    def look_at_link(name: str, link: Any) -> None:
        if isinstance(link, h5py.ExternalLink):
            names.append(name)

    group.visititems_links(look_at_link)
    group.visititems(look)
    return names[0] if names else ""
