"""Names of users as names in an HDF5 file."""

from collections.abc import Sequence
from urllib.parse import quote


def place_of(path: Sequence[str]) -> str:
    """Where an array lies. A name keeps letters, digits, spaces and `_-.+`; all else is written as `%` and two hexadecimal digits per byte, so that no name
    leads anywhere.

    !!! Example

        >>> from neuro4d.io.hdf5._names import place_of
        >>> place_of(("state", "a/b", ".."))
        'state/a%2Fb/%2E%2E'
    """
    return "/".join(_escaped(name) for name in path)


def _escaped(name: str) -> str:
    text = quote(name, safe=" +").replace("~", "%7E")
    return text.replace(".", "%2E") if not text.strip(".") else text
