"""What is wrong with a file, said with its name."""

from os import PathLike
from pathlib import Path


class DataFormatError(ValueError):
    """A file is damaged, truncated, or of another format than it was read as."""


def checked_file(path: str | PathLike[str], what: str) -> Path:
    """The path of a file that exists.

    **Raises:** `TypeError` for anything but a path, `FileNotFoundError` where there is no file.
    """
    if not isinstance(path, str | PathLike):
        raise TypeError(f"{what} is the path of a file, for example `'data/file'`; got {path!r:.80}.")
    found = Path(path)
    if not found.is_file():
        raise FileNotFoundError(f"{what}: there is no file {str(found)!r}. Nothing is downloaded; give the path of a file that you have.")
    return found


def checked_folder(path: str | PathLike[str], what: str) -> Path:
    """The path of a folder that exists.

    **Raises:** `TypeError` for anything but a path, `NotADirectoryError` where there is no folder.
    """
    if not isinstance(path, str | PathLike):
        raise TypeError(f"{what} is the path of a folder, for example `'data/train'`; got {path!r:.80}.")
    found = Path(path)
    if not found.is_dir():
        raise NotADirectoryError(
            f"{what}: there is no folder {str(found)!r}. Nothing is downloaded; give the path of a folder that you have."
        )
    return found
