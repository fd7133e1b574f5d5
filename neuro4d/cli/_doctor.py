"""`neuro4d doctor`: what lies in a folder, and what of it is damaged."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from neuro4d._base import CorruptFileError
from neuro4d.cli._keep_arguments import Doctor
from neuro4d.cli._quantity import UserError
from neuro4d.io import Finding, examine, open_spikes, open_untrusted
from neuro4d.io.hdf5 import ModelFile
from neuro4d.runs import RunDB

DAMAGED = 1
DEEPEST = 4
"""Folders within folders that are looked into."""


def run(command: Doctor) -> int:
    """Prints a line for each thing that neuro4d wrote. Returns 0 if all of it is whole, 1 if something is damaged."""
    where = Path(command.folder).expanduser().absolute()
    if not where.exists():
        raise UserError(f"there is nothing at {where}.")
    found = list(look(where))
    if not found:
        raise UserError(f"{where} holds nothing that neuro4d wrote.")
    for each in found:
        name = each.where.relative_to(where) if each.where.is_relative_to(where) else each.where
        print(f"{'DAMAGED' if each.damage else 'whole  '}  {name}: {each.what}{f' - {each.damage}' if each.damage else ''}")
    damaged = sum(bool(each.damage) for each in found)
    print(f"\n{len(found)} looked at, {damaged or 'none'} damaged")
    return DAMAGED if damaged else 0


def look(where: Path, depth: int = 0) -> Iterator[Finding]:
    """Everything below a path that is ours."""
    if where.is_file():
        kinds: dict[str, tuple[str, Callable[[Path], Any]]] = {".h5": ("HDF5", _hdf5), ".hdf5": ("HDF5", _hdf5), ".db": ("database of runs", _database)}
        if where.suffix.lower() in kinds:
            what, check = kinds[where.suffix.lower()]
            yield _checked(where, what, check)
        return
    if (where / "neuro4d.json").is_file():
        yield from _ours(where)
    elif depth < DEEPEST:
        for each in sorted(where.iterdir()):
            if not each.is_symlink():
                yield from look(each, depth + 1)


def _ours(where: Path) -> Iterator[Finding]:
    try:
        found = examine(where)
    except (CorruptFileError, OSError) as error:
        yield Finding(where / "neuro4d.json", "what the folder is", str(error))
        return
    if found:
        yield from found
    elif (where / "manifest.json").is_file():
        yield _checked(where, "recording of spikes", lambda path: open_spikes(path).verify())
    else:
        yield Finding(where, "nothing was completed")


def _hdf5(path: Path) -> None:
    try:
        with ModelFile(path) as file:
            file.verify()
    except CorruptFileError:
        raise
    except ValueError:  # HDF5 of others
        open_untrusted(path).close()


def _database(path: Path) -> None:
    RunDB(path, readonly=True).close()


def _checked(where: Path, what: str, check: Callable[[Path], Any]) -> Finding:
    try:
        check(where)
    except (OSError, ValueError) as error:
        return Finding(where, what, str(error))
    return Finding(where, what)
