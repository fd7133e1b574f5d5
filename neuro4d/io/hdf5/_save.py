"""`save_hdf5`: a model and a state as one file."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neuro4d.describe import Description, describe
from neuro4d.io.checkpoint._content import basics, model_arrays
from neuro4d.io.checkpoint._snapshot import versions
from neuro4d.io.hdf5._wiring import Wires, ends, wires
from neuro4d.io.hdf5._writer import Writer, new_file, packing
from neuro4d.model import Model, State, state_tree, unit_finder


def save_hdf5(
    path: str | os.PathLike[str], model: Model, state: State | None = None, *, compression: str | None = "gzip", compression_opts: int | None = None
) -> None:
    """Saves a model and a state of it as one HDF5 file, which can be read in part, and by any reader of HDF5.

    Numbers are by population, projection and canonical edge; who is connected to whom is there too, so that a part can be read without building
    the network. Every chunk has a checksum, every array another, and the structure of the file has its own. The file gets its name when it is complete
    and on the disk: a kill leaves the older one.

    **Arguments:**

    - `path`: of the file, for example `"brain.h5"`; a file that is there is replaced.
    - `model`, `state`: from `Network.build` and a run.
    - `compression`: `"gzip"`, `"lzf"` (quicker and larger), or `None`. Bytes are shuffled before. `compression_opts`: the level of gzip, 0 to 9, by
      default 4.

    **Raises:** `TypeError`, `ValueError` for arguments; `OSError` where the file cannot be written.

    !!! Example

        >>> import tempfile
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
        >>> chain = n4.Projection("chain", cells[:2], cells[1:], "in", n4.OneToOne(), weight=[1, 2]*u.mV)
        >>> model = n4.Network(cells, chain).build(dt=0.1*u.ms, seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     n4.io.save_hdf5(f"{folder}/brain.h5", model, model.init(jr.key(0)))
        ...     again, state = n4.io.load_hdf5(f"{folder}/brain.h5")
        >>> print(again.weights("chain"))
        [1. 2.] mV
    """
    if not isinstance(model, Model) or not (state is None or isinstance(state, State)):
        raise TypeError(f"save_hdf5 takes a path, a model and a state, `n4.io.save_hdf5('brain.h5', model, run.state)`; got {type(model).__name__}.")
    packed, where = packing(compression, compression_opts), Path(path)
    if where.is_dir():
        raise IsADirectoryError(f"{str(where)!r} is a folder; give the path of a file, for example 'brain.h5'.")
    if not where.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(where.parent)!r} for {where.name!r}.")
    description, why = _described(model)
    with new_file(where) as file:
        writer = Writer(file, packed)
        units = unit_finder(model)
        tree = model_arrays(model)
        held = {} if state is None else state_tree(model, state)
        writer.tree(("model",), tree, units)
        if state is not None:
            writer.tree(("state",), held, lambda path: units(("state", *path)))
        counts = {name: len(held.get("edges", {}).get(name, {}).get("weight", weights)) for name, weights in tree["weights"].items()}
        for name, n in counts.items():
            _write_edges(writer, model, state, name, n)
        _write_places(writer, model)
        if description is not None:
            for name, values in description.arrays.items():
                writer.array(("description", name), values)
        about = {"description": None if description is None else description.to_json(), "why": why}
        writer.finish({"versions": versions(), **about, "network": _network(model, counts), "has_state": state is not None})


def _described(model: Model) -> tuple[Description | None, str]:
    """The description of a model, or why it has none."""
    try:
        return describe(model), ""
    except ValueError as error:
        return None, " ".join(str(error).split())


def _network(model: Model, counts: Mapping[str, int]) -> dict[str, Any]:
    """What is where, and what identifies the model."""
    return basics(model) | {"projections": {name: [*ends(model, name), n] for name, n in counts.items()}, "areas": list(_areas(model))}


def _write_edges(writer: Writer, model: Model, state: State | None, name: str, n: int) -> None:
    """`start`: the first edge of each source, and one more; `post`; `delay` in steps. The edges are computed three times: that is quicker than to hold them."""
    counts = np.zeros(model.populations[ends(model, name)[0]].size + 1, np.int64)
    for piece in wires(model, state, name):
        first = int(piece.pre[0]) if len(piece.pre) else 0
        found = np.bincount(piece.pre - first)
        counts[1 + first : 1 + first + len(found)] += found
    writer.array(("edges", name, "start"), np.cumsum(counts))

    def column(field: str) -> Iterator[np.ndarray]:
        for piece in wires(model, state, name):
            values = getattr(piece, field)
            yield values.astype(np.int32)

    for field in Wires._fields[1:]:
        writer.column(("edges", name, field), np.int32, n, column(field), "steps" if field == "delay" else "")


def _write_places(writer: Writer, model: Model) -> None:
    """Coordinates of those who live on a lattice, and who lives in which of its areas."""
    for name in model.populations:
        sites = model.coordinates(name)
        if sites is not None:
            writer.array(("sites", name), np.asarray(sites))
    for area, members in _areas(model).items():
        for name, ids in members.items():
            writer.array(("areas", area, name), ids)


def _areas(model: Model) -> dict[str, dict[str, np.ndarray]]:
    """By area of the lattice and population, the neurons that live there; known where it is known what a model was built from."""
    network = model.origin.network
    found: dict[str, dict[str, np.ndarray]] = {}
    for population in () if network is None else network.populations:
        name, sites = population.name, model.coordinates(population.name) if population.name in model.populations else None
        if sites is None:
            continue
        for area in population.size.lattice.areas.values():
            ids = np.flatnonzero(area.contains(np.asarray(sites))).astype(np.int32)
            found.setdefault(area.name, {})[name] = ids
    return found
