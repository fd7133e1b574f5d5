"""What is wrong with a file, said with its name."""

from os import PathLike
from pathlib import Path


class DataFormatError(ValueError):
    """A file is damaged, truncated, or of another format than it was read as."""


def checked_file(path: str | PathLike[str], what: str) -> Path:
    """The path of a file that exists.

    **Raises:** `TypeError` for anything but a path, `FileNotFoundError` where there is no file.
    """
    found = _checked_path(path, what, "file")
    if not found.is_file():
        raise FileNotFoundError(f"{what}: there is no file {str(found)!r}. Nothing is downloaded; give the path of a file that you have.")
    return found


def checked_folder(path: str | PathLike[str], what: str) -> Path:
    """The path of a folder that exists.

    **Raises:** `TypeError` for anything but a path, `NotADirectoryError` where there is no folder.
    """
    found = _checked_path(path, what, "folder")
    if not found.is_dir():
        raise NotADirectoryError(
            f"{what}: there is no folder {str(found)!r}. Nothing is downloaded; give the path of a folder that you have."
        )
    return found


def _checked_path(path: str | PathLike[str], what: str, kind: str) -> Path:
    if not isinstance(path, str | PathLike):
        raise TypeError(f"{what} takes the path of a {kind}, for example `{what}('data/{kind}')`; got {path!r:.80}.")
    return Path(path)
