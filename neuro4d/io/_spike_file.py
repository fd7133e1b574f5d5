"""HDF5 files of recorded or spoken spikes, opened for reading."""

from os import PathLike
from pathlib import Path
from typing import Any

from neuro4d.io.hdf5._safe import open_untrusted


def open_hdf5(path: str | PathLike[str]) -> Any:
    """An HDF5 file, open for reading: a mapping from names to arrays. Use it in a `with`.

    A file that points to other files is refused: reading it would open what somebody else named. Links inside a file are hard ones;
    arrays hold numbers or strings, also rows of different lengths.

    **Raises:** `FileNotFoundError`; `CorruptFileError` for another format and for damage; `UnsafeFileError` for links, types and sizes that are not read. Both are `ValueError`.

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
    if not found.exists():
        raise FileNotFoundError(f"there is no file {str(found)!r}. Nothing is downloaded; give the path of a file that you have.")
    return open_untrusted(found, strings=True, ragged=True)
