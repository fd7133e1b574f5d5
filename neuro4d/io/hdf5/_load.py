"""`load_hdf5`: all of a file as a model and a state, or some neurons of it."""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from neuro4d.io.checkpoint._content import check_model, check_state, other_settings, refuse, with_tree
from neuro4d.io.hdf5._file import ModelFile
from neuro4d.io.hdf5._part import chosen, part_of
from neuro4d.io.hdf5._wiring import ends, wires
from neuro4d.model import Model, State, state_from
from neuro4d.ops import Backend


def load_hdf5(
    path: str | os.PathLike[str],
    neurons: Any = None,
    areas: Any = None,
    *,
    incoming: bool = False,
    model: Model | None = None,
    parts: Iterable[type] = (),
    backend: Backend | None = None,
) -> Any:
    """A model and a state from a file of `save_hdf5`, or only some of their neurons, without building anything.

    **Arguments:**

    - `path`: of the file.
    - `neurons`: names of populations, or a dictionary of populations and the neurons in them: `["e"]`, `{"e": [3, 7], "i": slice(0, 100)}`.
    - `areas`: names of areas of the lattice. With `neurons` too, those of both.
    - `incoming`: whether to look for edges that lead to the chosen neurons from others. Reads the targets of all edges of these projections.
    - `model`: of the same network, for a file without a description of it. `parts`, `backend`: as `n4.restore`.

    **Returns:** `(model, state)`, the state `None` where none was saved; with `neurons` or `areas` a `ModelPart`.

    **Raises:** `FileNotFoundError`; `CorruptFileError` for damage and `UnsafeFileError` for what is not read from anybody, with the place; `UnknownNameError`,
    `ValueError` for neurons that there are not; `ValueError`, which lists the differences, for a model of another network; `MemoryBudgetError` before
    anything is read that cannot fit.

    !!! Example

        >>> import tempfile
        >>> cells = n4.Population("cells", 4, n4.Relay(), {"in": n4.Delta()})
        >>> ring = n4.Projection("ring", cells, cells, "in", n4.EdgeList([0, 1, 2, 3], [1, 2, 3, 0]), weight=2*u.mV)
        >>> model = n4.Network(cells, ring).build(dt=0.1*u.ms, seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     n4.io.save_hdf5(f"{folder}/brain.h5", model)
        ...     part = n4.io.load_hdf5(f"{folder}/brain.h5", neurons={"cells": [1, 2]}, incoming=True)
        >>> part.edges["ring"].post, part.incoming["ring"].pre
        (array([2, 3], dtype=int32), array([0], dtype=int32))
    """
    with ModelFile(path) as file:
        if neurons is None and areas is None:
            if incoming:
                raise TypeError("incoming=True asks for edges to some neurons: say to which, `neurons=` or `areas=`.")
            return _whole(file, model, parts, backend)
        if model is not None or backend is not None or tuple(parts):
            raise TypeError("model, parts and backend are for a whole file; some neurons are read without building anything.")
        return part_of(file, chosen(file, neurons, areas), incoming)


def _whole(file: ModelFile, model: Model | None, parts: Iterable[type], backend: Backend | None) -> tuple[Model, State | None]:
    if model is not None and backend is not None:
        raise TypeError("give `model` or `backend`: a model has a backend already.")
    built = _built(file, parts, backend) if model is None else model
    if not isinstance(built, Model):
        raise TypeError(f"model is one from `Network.build`; got {type(built).__name__}.")
    refuse(_differences(file, built), str(file.path))
    rows = list(file.rows.values())
    synapses = {name: projection.n for name, projection in file.projections.items()}
    check_model([row._replace(path=row.path[1:]) for row in rows if row.path[0] == "model"], built, synapses, str(file.path))
    built = with_tree(built, file.tree("model"))
    if not file.has_state:
        return built, None
    check_state([row for row in rows if row.path[0] == "state"], built, str(file.path))
    return built, state_from(built, file.tree("state"))


def _built(file: ModelFile, parts: Iterable[type], backend: Backend | None) -> Model:
    description = file.description()
    if description is None:
        raise ValueError(f"{str(file.path)!r} holds no description of its network ({file.why}). Build it with your script, and give it: `model=model`.")
    return description.build(parts, backend=backend)


def _differences(file: ModelFile, model: Model) -> list[str]:
    """In what a model differs from that of the file, one sentence each."""
    found = other_settings(file.network, model)
    sizes = {name: span.size for name, span in model.populations.items()}
    for name in sizes | file.populations:
        old, new = file.populations.get(name), sizes.get(name)
        if old != new:
            found.append(f"population {name!r} has {old or 'no'} neurons in the file and {new or 'no'} in the model")
    between = {name: ends(model, name) for name in model.layout.projections_by_name}
    for name in between | file.projections:
        listed = file.projections.get(name)
        if listed is None or name not in between:
            found.append(f"projection {name!r} is not in the {'file' if listed is None else 'model'}")
        elif not found and ("state", "edges", name, "pre") not in file.rows and not _same_wires(file, model, name):
            found.append(f"projection {name!r} connects other neurons, or with other delays")
    return found


def _same_wires(file: ModelFile, model: Model, name: str) -> bool:
    """Whether the edges of a projection are those of the file: compared piece by piece, so that neither is held as a whole."""
    begin, n = 0, file.projections[name].n
    start = file.array("edges", name, "start")
    trained = model.pathways[model.layout.projections_by_name[name].pathway].free is not None  # then delays are numbers of the model
    for piece in wires(model, None, name):
        end = begin + len(piece.pre)
        if end > n:
            return False
        post, delay = (file.slice(("edges", name, field), begin, end) for field in ("post", "delay"))
        if not (np.array_equal(piece.post, post) and (trained or np.array_equal(piece.delay, delay))):
            return False
        if not np.array_equal(np.searchsorted(start, np.arange(begin, end), side="right") - 1, piece.pre):
            return False
        begin = end
    return begin == n
