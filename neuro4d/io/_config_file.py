"""From a JSON or TOML file to a checked `BrainConfig`."""

import collections
import json
import math
import os
import re
import tomllib
import types
import typing
from pathlib import Path
from typing import Any

import msgspec

from neuro4d._base import did_you_mean
from neuro4d.io._config_ranges import value_problems
from neuro4d.io._config_schema import AreaBlock, Block, BrainConfig

LARGEST_FILE = 2**20
"""Bytes. A configuration is a page of text; whatever is larger is something else, and is not read."""

LARGEST_TOML = 2**18
"""The same for TOML, which takes longer to read."""

DEEPEST_KEY = 64
"""Parts of a key in TOML. What takes time to read grows with the square of this number."""

SHOWN = 20
"""Keys of a block that a message lists."""

AXES = ("x", "y", "z", "w")


class ConfigError(ValueError):
    """A configuration that cannot be used: says which file, which key, what is wrong and what would be right."""


def read_config(path: str | os.PathLike[str]) -> BrainConfig:
    """Reads and checks a configuration without building anything.

    **Arguments:** `path`: a file whose name ends in `.json` or `.toml`.

    **Returns:** the configuration as immutable blocks, defaults filled in.

    **Raises:** `FileNotFoundError` with the resolved path; `ConfigError` for a key that is unknown, missing, written twice or of
    the wrong type, and for values that contradict each other.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.io.read_config("no-such-brain.json")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        FileNotFoundError: no configuration at /home/me/no-such-brain.json
    """
    file = Path(path).expanduser().resolve()
    data = _parse(file, _text(file))
    if not isinstance(data, dict):
        raise ConfigError(f"{file.name}: expected an object with the keys `lattice_shape`, `areas`, ...; got {type(data).__name__}.")
    unknown = _unknown_key(BrainConfig, data, "")
    if unknown:
        raise ConfigError(f"{file.name}: {unknown}")
    try:
        config = msgspec.convert(data, BrainConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file.name}: {_type_message(str(error))}") from None
    for problem in _contradictions(config):
        raise ConfigError(f"{file.name}: {problem}")
    return config


def _text(file: Path) -> str:
    if file.suffix.lower() not in (".json", ".toml"):
        raise ConfigError(f"a configuration is a file whose name ends in .json or .toml; got '{file.name}'.")
    if not file.exists():
        raise FileNotFoundError(f"no configuration at {file}")
    if not file.is_file():
        raise ConfigError(f"{file} is not a regular file.")
    most = LARGEST_TOML if file.suffix.lower() == ".toml" else LARGEST_FILE
    with file.open("rb") as source:
        data = source.read(most + 1)
    if len(data) > most:
        raise ConfigError(f"{file} has more than {most} bytes, which is the most that a configuration in {file.suffix} has.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file.name}: expected UTF-8 text; byte {error.start} is something else.") from None


def _parse(file: Path, text: str) -> Any:
    try:
        if file.suffix.lower() == ".toml":
            return tomllib.loads(_without_deep_keys(text))
        return json.loads(text, object_pairs_hook=_without_twins, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{file.name}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file.name}: not TOML: {error}.") from None
    except RecursionError:
        raise ConfigError(f"{file.name}: nested too deeply.") from None
    except ValueError as error:  # a key that is written twice; a number of too many digits
        raise ConfigError(f"{file.name}: {error}") from None


def _without_deep_keys(text: str) -> str:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.count(".") > DEEPEST_KEY and any(piece.count(".") > DEEPEST_KEY for piece in re.split(r"[,=\[\]{}#]", line)):
            raise ConfigError(f"line {number}: a key has at most {DEEPEST_KEY} parts; nested too deeply.")
    return text


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    block = dict(pairs)
    if len(block) < len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name, count in collections.Counter(names).items() if count > 1)
        listed = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        raise ConfigError(f"the key '{twin}' is written twice in one block ({listed}); keep one.")
    return block


def _no_constant(name: str) -> None:
    raise ConfigError(f"expected finite numbers; got {name}.")


def _unknown_key(kind: Any, data: Any, path: str) -> str:
    """The first key that no block knows, as a sentence, or an empty text. Types are checked later."""
    kind = _without_none(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and issubclass(kind, Block) and isinstance(data, dict):
        fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
        for key in data:
            if key not in fields:
                where = f" in `{path}`" if path else ""
                return f"unknown key `{_join(path, key)}`{where}.{did_you_mean(key, fields)}"
        inner = [_unknown_key(fields[key], value, _join(path, key)) for key, value in data.items()]
    elif origin is dict and isinstance(data, dict):
        inner = [_unknown_key(arguments[1], value, _join(path, key)) for key, value in data.items()]
    elif origin is tuple and isinstance(data, list):
        inner = [_unknown_key(arguments[0], value, f"{path}[{i}]") for i, value in enumerate(data)]
    else:
        return ""
    return next((text for text in inner if text), "")


def _without_none(kind: Any) -> Any:
    """`X` from `X | None`."""
    if isinstance(kind, types.UnionType):
        return next(part for part in typing.get_args(kind) if part is not type(None))
    return kind


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _type_message(text: str) -> str:
    """`Expected 'int', got 'float' - at '$.lattice_shape[0]'` with the path first and without the dollar."""
    reason, _, where = text.partition(" - at ")
    path = re.sub(r"^`?\$\.?|`$", "", where)
    reason = reason[0].lower() + reason[1:]
    return f"`{path}`: {reason}." if path else f"{reason}."


def _contradictions(config: BrainConfig) -> typing.Iterator[str]:
    """What is well-formed and still cannot be."""
    shape = config.lattice_shape
    if not 2 <= config.dimensions <= len(AXES):
        yield f"`dimensions` lies between 2 and {len(AXES)}; got {config.dimensions}."
    if len(shape) != config.dimensions:
        yield f"`lattice_shape` has one entry for each of the {config.dimensions} `dimensions`; got {list(shape)}."
    for axis, size in enumerate(shape):
        if size < 1:
            yield f"`lattice_shape[{axis}]` is at least 1; got {size}."
    yield from _not_finite(config, "")
    names: set[str] = set()
    for i, area in enumerate(config.areas):
        if area.name in names:
            yield f"`areas[{i}].name`: the area '{area.name}' is defined twice."
        names.add(area.name)
        yield from _area_problems(area, f"areas[{i}]", config)
    yield from value_problems(config)
    for name, sense in config.senses.items():
        yield from _sense_problems(name, sense, config)


def _not_finite(block: Block, path: str) -> typing.Iterator[str]:
    for name in block.__struct_fields__:
        value = getattr(block, name)
        if isinstance(value, Block):
            yield from _not_finite(value, _join(path, name))
        elif isinstance(value, float) and not math.isfinite(value):
            yield f"`{_join(path, name)}` is a finite number; got {value}."


def _area_problems(area: AreaBlock, path: str, config: BrainConfig) -> typing.Iterator[str]:
    axes = AXES[: config.dimensions]
    for axis in area.coord_ranges:
        if axis not in axes:
            yield f"unknown axis `{path}.coord_ranges.{axis}`.{did_you_mean(axis, axes)}"
    for axis, size in zip(axes, config.lattice_shape, strict=True):
        if axis not in area.coord_ranges:
            yield f'`{path}.coord_ranges` lacks the axis `{axis}`, for example `"{axis}": [0, {size - 1}]`.'
            continue
        low, high = area.coord_ranges[axis]
        if not 0 <= low <= high < size:
            yield (
                f"`{path}.coord_ranges.{axis}`: first and last coordinate (both included) lie in 0 to {size - 1}, "
                f"in this order; got [{low}, {high}]."
            )
    if area.sense is not None and area.sense not in config.senses:
        yield f"`{path}.sense`: no sense named '{area.sense}'.{did_you_mean(area.sense, config.senses)}"


def _sense_problems(name: str, sense: Any, config: BrainConfig) -> typing.Iterator[str]:
    path = f"senses.{name}"
    areas = {area.name: area for area in config.areas}
    if sense.areal not in areas:
        yield f"`{path}.areal`: no area named '{sense.areal}'.{did_you_mean(sense.areal, areas)}"
        return
    ranges = areas[sense.areal].coord_ranges
    if config.dimensions == len(AXES):
        low, high = ranges["w"]
        if not low <= sense.w_index <= high:
            yield f"`{path}.w_index`: the area '{sense.areal}' has w from {low} to {high}; got {sense.w_index}."
    for axis, size in zip(AXES, sense.input_size):
        low, high = ranges.get(axis, (0, 0))
        if not 1 <= size <= high - low + 1:
            yield (f"`{path}.input_size`: the area '{sense.areal}' has {high - low + 1} sites along {axis}; got {list(sense.input_size)}.")
