"""Small models as JSON: text that people and other programs can read."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import brainunit as u
import numpy as np

from neuro4d._base import CorruptFileError, write_whole
from neuro4d.describe import Description, DescriptionError, describe, from_text, to_text
from neuro4d.io._leaves import Leaf, flatten, rows_from, unflatten
from neuro4d.model import Model, State, from_user, to_user, unit_finder

FORMAT = 1
MOST_NUMBERS = 1_000_000
"""Numbers in a file, unless more are allowed: some 10 MB of text."""

_PER_NUMBER, _BESIDE = 32, 16 << 20
_KEYS = frozenset({"neuro4d", "format", "description", "arrays", "seed", "rows", "values"})


def save_json(path: str | os.PathLike[str], model: Model, state: State | None = None, *, limit: int = MOST_NUMBERS) -> None:
    """Saves a small model, and a state if one is given, as one JSON file: the description of the network, then every array as a row (path, shape,
    type, unit, checksum) with its numbers. Every number comes back bit for bit.

    Text is several times larger and slower than the same in HDF5 (`n4.io.save_hdf5`); a figure is on the page of benchmarks.

    **Arguments:**

    - `path`: the file. It appears whole or not at all.
    - `model`, `state`: from `Network.build` and a run.
    - `limit`: how many numbers may be written.

    **Raises:** `ValueError` for more numbers than `limit`; `NotDescribableError` for a network with functions of yours; `OSError`.

    !!! Example

        >>> import tempfile
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
        >>> model = n4.Network(cells).build(dt=0.1*u.ms, seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     n4.io.save_json(folder + "/small.json", model, model.init(jr.key(0)))
        ...     again, state = n4.io.load_json(folder + "/small.json")
        >>> again.fingerprint() == model.fingerprint(), int(state.step)
        (True, 0)
    """
    description = describe(model)
    rows, arrays = flatten(_arrays_of(to_user(model, state)), unit_finder(model))
    _check_count(sum(x.size for x in arrays.values()) + sum(x.size for x in description.arrays.values()), limit, "the model has")
    given_rows, given = flatten({"description": dict(description.arrays)}) if description.arrays else ([], {})
    data = {
        "neuro4d": "model",
        "format": FORMAT,
        "description": description.data,
        "arrays": {"rows": [row.as_json() for row in given_rows], "values": _texts(given_rows, given)},
        "seed": model.build_seed,
        "rows": [row.as_json() for row in rows],
        "values": _texts(rows, arrays),
    }
    text = ("{\n" + ",\n".join(f"{to_text(key)}: {_lines(part)}" for key, part in data.items()) + "\n}\n").encode()
    write_whole(Path(path), lambda file: _synced(file, text))


def load_json(path: str | os.PathLike[str], parts: Iterable[type] = (), *, limit: int = MOST_NUMBERS) -> tuple[Model, State | None]:
    """A model and a state from a file of `save_json`. The model is built from its description, then given the numbers of the file.

    **Arguments:** `path`: the file; `parts`: classes of yours that the network uses, where they are not imported; `limit`: how many numbers are read.

    **Returns:** the model, and the state, `None` where none was saved.

    **Raises:** `FileNotFoundError`; `CorruptFileError` for a file that is damaged, cut off or something else; `ValueError` for more numbers than `limit`.

    !!! Example

        >>> n4.io.load_json("no-such-model.json")
        Traceback (most recent call last):
            ...
        FileNotFoundError: there is no file 'no-such-model.json'.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {os.fspath(path)!r}.")
    most, size = limit * _PER_NUMBER + _BESIDE, file.stat().st_size
    if size > most:
        raise ValueError(f"{file} has {size:,} bytes; of {limit:,} numbers it has at most {most:,}. For larger models use `n4.io.save_hdf5`.")
    try:
        data = from_text(file.read_bytes().decode(), most)
        if not isinstance(data, dict) or data.get("neuro4d") != "model" or set(data) != _KEYS or data["format"] != FORMAT:
            raise DescriptionError(f"it is no model of format {FORMAT}")
        given = _tree(data["arrays"].get("rows"), data["arrays"].get("values"), limit).get("description", {})
        tree = _tree(data["rows"], data["values"], limit)
        description = Description(data["description"], given)
        _check_size(description, parts, limit)
        model = description.build(parts)
        return from_user(model, {**tree, "seed": data["seed"]})
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise CorruptFileError(f"{file} cannot be read: {' '.join(str(error).split())}") from error


def _arrays_of(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in tree.items() if isinstance(part, Mapping)}


def _check_count(count: int, limit: int, what: str) -> None:
    if count > limit:
        raise ValueError(
            f"{what} {count:,} numbers; JSON is for at most {limit:,}. Use `n4.io.save_hdf5(path, model, state)`, which is several times smaller and "
            "faster, or allow more with `limit=`."
        )


def _lines(part: Any) -> str:
    """An array a line, so that the file can be looked at, and is not larger than it has to be."""
    if not isinstance(part, list):
        return to_text(part, lines=False)
    return "[\n" + ",\n".join(to_text(each, lines=False) for each in part) + "\n]"


def _check_size(description: Description, parts: Iterable[type], limit: int) -> None:
    """Refuses a text of few letters that describes very much, before anything is drawn."""
    network, build = description.network(parts), description.data["build"]
    sites = sum(p.size if isinstance(p.size, int) else p.size.area.n_sites for p in network.populations)
    _check_count(sites, 100 * limit, "the network has neurons or sites, in all")
    if build is not None:
        memory = network.memory(build["dt"] * u.ms, build["seed"], precision=np.dtype(build["precision"]))
        _check_count(memory.peak // 1000, limit + 1_000_000, "to build the model takes a thousand bytes for")


def _synced(file: Any, text: bytes) -> None:
    file.write(text)
    file.flush()
    os.fsync(file.fileno())


def _texts(rows: list[Leaf], arrays: Mapping[int, np.ndarray]) -> list[Any]:
    return [_numbers(arrays[number]) if number in arrays else [] for number in range(len(rows))]


def _numbers(x: np.ndarray) -> list[Any]:
    """Numbers as JSON has them; what is not finite as its bits, in hexadecimal, since JSON has no word for it."""
    flat = x.reshape(-1)
    if x.dtype.kind != "f" and x.dtype.name != "bfloat16":
        return flat.tolist()
    found = [float(text) for text in flat.astype(str)] if x.dtype == np.float32 else flat.astype(np.float64).tolist()
    for i in np.flatnonzero(~np.isfinite(flat)):
        found[i] = flat[i].tobytes().hex()
    return found


def _tree(rows: Any, values: Any, limit: int) -> dict[str, Any]:
    leaves = rows_from(rows)
    _check_count(sum(row.size for row in leaves), limit, "the file announces")
    if not isinstance(values, list) or len(values) != len(leaves):
        raise DescriptionError(f"it has {len(leaves)} rows and other values")
    return unflatten(leaves, {number: _array(row, given) for number, (row, given) in enumerate(zip(leaves, values)) if row.size})


def _array(row: Leaf, given: Any) -> np.ndarray:
    if not isinstance(given, list) or len(given) != row.size:
        raise DescriptionError(f"array {row.label!r} has another number of entries than its shape {row.shape}")
    dtype = np.dtype(row.dtype)
    if dtype.kind == "f" or dtype.name == "bfloat16":
        bits = [i for i, x in enumerate(given) if isinstance(x, str)]
        if any(type(x) is not float for i, x in enumerate(given) if not isinstance(x, str)):
            raise DescriptionError(f"array {row.label!r} holds something that is no float")
        with np.errstate(over="ignore"):  # the checksum tells
            found = np.array([0.0 if isinstance(x, str) else x for x in given], np.float64).astype(dtype)
        for i in bits:
            found[i] = np.frombuffer(bytes.fromhex(given[i]), dtype)[0]
    else:
        kind = bool if dtype.kind == "b" else int
        if any(type(x) is not kind for x in given):
            raise DescriptionError(f"array {row.label!r} holds something that is no {kind.__name__}")
        found = np.array(given, dtype)
    return found.reshape(row.shape)
