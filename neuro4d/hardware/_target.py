"""Targets by name, or from a file of the user's."""

import os
import re
import tomllib
from importlib import resources
from pathlib import Path

import msgspec

from neuro4d._base import did_you_mean
from neuro4d.hardware._schema import Chip, ChipTarget, Coefficient, Packing, ProcessorTarget, Target

LARGEST_FILE = 2**20
"""Bytes. A target is a page of text."""


class TargetError(ValueError):
    """A target that cannot be used: says which file, which key, what is wrong and what would be right."""


def targets() -> tuple[str, ...]:
    """The names of the targets that come with neuro4d.

    !!! Example

        >>> n4.hardware.targets()
        ('cpu', 'edge', 'gpu', 'loihi1', 'loihi2', 'spinnaker1', 'spinnaker2', 'tpu', 'truenorth')
    """
    return tuple(sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml")))


def target(name: str | os.PathLike[str] | Target) -> Target:
    """A chip or a processor as data: limits, coefficients with bands, flags and sources.

    **Arguments:** `name`: one of `targets()`; or the path of a file of yours whose name ends in `.toml`, of the same form.

    **Raises:** `TargetError` for an unknown name, and for a file that is not of that form: which key, and what belongs there.

    !!! Example

        >>> event = n4.hardware.target("loihi1").energy.event
        >>> event.value, event.flag
        (2.36e-11, 'simulated')
    """
    if isinstance(name, ChipTarget | ProcessorTarget):
        return name
    text = os.fspath(name)
    if text.endswith(".toml"):
        return _from_user(Path(text).expanduser())
    if text not in targets():
        near = did_you_mean(text, targets())  # all of them, where none is near
        known = near if "Known" in near else f"{near} Known: {', '.join(targets())}."
        raise TargetError(f"no target named {text!r}.{known} A file of yours ends in .toml.")
    return parse((_folder() / f"{text}.toml").read_text(encoding="utf-8"), f"{text}.toml")


def parse(text: str, where: str) -> Target:
    """A target from the text of its file; `where` is the name for messages."""
    try:
        data = tomllib.loads(text)
        if ("processor" in data) == ("chip" in data):
            raise TargetError(f"{where}: a target is a chip, with the table [chip], or a processor, with [processor]; exactly one of them.")
        found: Target = msgspec.convert(data, ChipTarget) if "chip" in data else msgspec.convert(data, ProcessorTarget)
    except tomllib.TOMLDecodeError as error:
        raise TargetError(f"{where}: not TOML: {error}.") from None
    except RecursionError:
        raise TargetError(f"{where}: nested too deeply.") from None
    except msgspec.ValidationError as error:
        raise TargetError(f"{where}: {_plain(str(error))}.") from None
    _check(found, where)
    return found


def _folder():
    return resources.files("neuro4d.hardware") / "targets"


def _from_user(file: Path) -> Target:
    if not file.is_file():
        raise TargetError(f"no target file at {file.resolve()}. One that comes with neuro4d: `n4.hardware.target('loihi2')`.")
    size = file.stat().st_size
    if size > LARGEST_FILE:
        raise TargetError(f"{file.name} has {size} bytes; a target has at most {LARGEST_FILE}.")
    try:
        text = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise TargetError(f"{file.name}: expected UTF-8 text; byte {error.start} is something else.") from None
    return parse(text, file.name)


def _plain(message: str) -> str:
    """What the reader of files says, with the place first: 'energy.event.flag: ...'."""
    place = re.search(r" - at `\$\.?(.*?)`$", message)
    said = message if place is None else message[: place.start()]
    return said if place is None or not place[1] else f"{place[1]}: {said}"


def _check(found: Target, where: str) -> None:
    if isinstance(found, ChipTarget):
        _check_chip(found.chip, found.packing, where)
    for place, value in coefficients(found):
        try:
            _ = value.interval
        except ValueError:
            raise TargetError(
                f"{where}: {place} has the band {value.low} to {value.high} around {value.value}; low <= value <= high."
            ) from None


def _check_chip(chip: Chip, packing: Packing, where: str) -> None:
    if packing.index > packing.synapse:
        raise TargetError(
            f"{where}: packing.index is {packing.index} bits of the {packing.synapse} of packing.synapse; it is a part of them."
        )
    if chip.step == "clock" and chip.tick is None:
        raise TargetError(f"{where}: chip.tick is the length of a step of a chip that follows a clock, in s, for example 1e-3.")
    if chip.columns * chip.rows * chip.per_tile < chip.cores:
        raise TargetError(
            f"{where}: {chip.columns} x {chip.rows} tiles of {chip.per_tile} cores hold {chip.columns * chip.rows * chip.per_tile}; chip.cores is {chip.cores}."
        )


def coefficients(found: Target) -> list[tuple[str, Coefficient]]:
    """All numbers of a target that have a band, by their place in the file."""
    numbers: list[tuple[str, Coefficient]] = []
    for table in ("limits", "energy", "time", "power", "processor"):
        block = getattr(found, table, None)
        for name in () if block is None else block.__struct_fields__:
            value = getattr(block, name)
            entries = (
                [(f"{table}.{name}", value)]
                if not isinstance(value, tuple)
                else [(f"{table}.{name}[{i}]", x.time) for i, x in enumerate(value)]
            )
            numbers += [(place, each) for place, each in entries if isinstance(each, Coefficient)]
    return numbers
