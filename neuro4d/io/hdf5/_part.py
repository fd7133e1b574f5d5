"""Some neurons of a model in a file: their numbers and their edges."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Int

from neuro4d._base import attach, check_budget, lookup
from neuro4d.describe import DescriptionError
from neuro4d.describe._units import unit_from
from neuro4d.io.hdf5._file import EdgePiece, ModelFile, joined
from neuro4d.io.hdf5._writer import CHUNK

Ids = Mapping[str, Int[np.ndarray, " n"]]

_NEAR = CHUNK // 2
"""What is closer together than this is read in one piece: a chunk is unpacked as a whole anyway."""

_AT_ONCE = 1 << 20


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PartEdges:
    """Edges as host arrays: `pre` and `post` are indices into the whole populations, `weight` and `delay` quantities. Sorted by source."""

    pre: np.ndarray
    post: np.ndarray
    weight: Any
    delay: Any

    def __len__(self) -> int:
        return len(self.pre)

    def __repr__(self) -> str:
        return f"PartEdges({len(self)})"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ModelPart:
    """Some neurons of a model and a state.

    **Fields:**

    - `neurons`: by population, which ones, `(n,)`, ascending.
    - `parameters`: by population and parameter, one entry per chosen neuron, or one for all.
    - `variables`: by population and variable of the state, `(n,)`; empty where the file has no state.
    - `sites`: coordinates on the lattice `(n, axes)`, by population that has some.
    - `edges`: by projection, those that begin at a chosen neuron.
    - `incoming`: by projection, those that begin elsewhere and end at one; empty where they were not asked for.
    - `units`: what bare numbers are measured in, by path, where a unit has no short name.
    """

    dt: Any
    neurons: Ids
    parameters: Mapping[str, Mapping[str, Any]]
    variables: Mapping[str, Mapping[str, Any]]
    sites: Mapping[str, np.ndarray]
    edges: Mapping[str, PartEdges]
    incoming: Mapping[str, PartEdges]
    ends: Mapping[str, tuple[str, str]]
    units: Mapping[str, str]

    def among(self, projection: str) -> PartEdges:
        """The edges of a projection that begin and end at chosen neurons.

        **Raises:** `UnknownNameError`.
        """
        found = lookup(self.edges, projection, "projection in this part")
        mine = np.isin(found.post, self.neurons.get(self.ends[projection][1], np.zeros(0, np.int64)))
        return PartEdges(found.pre[mine], found.post[mine], found.weight[mine], found.delay[mine])

    def __repr__(self) -> str:
        neurons = ", ".join(f"{len(ids)} of '{name}'" for name, ids in self.neurons.items())
        return f"ModelPart({neurons}; {sum(map(len, self.edges.values()))} edges from them, {sum(map(len, self.incoming.values()))} to them)"


def chosen(file: ModelFile, neurons: Any, areas: Any) -> dict[str, np.ndarray]:
    """The neurons that are asked for, by population.

    **Raises:** `UnknownNameError`, `TypeError`, `ValueError`.
    """
    found: dict[str, np.ndarray] = {}
    if isinstance(neurons, Mapping):
        found = {name: _ids(name, which, lookup(file.populations, name, "population")) for name, which in neurons.items()}
    elif neurons is not None:
        found = {name: np.arange(lookup(file.populations, name, "population")) for name in _names(neurons, "neurons", '["e", "i"]')}
    for area in _names(() if areas is None else areas, "areas", '["V1"]'):
        lookup(dict.fromkeys(file.areas), area, "area")
        for name in file.names("areas", area):
            ids = file.array("areas", area, name).astype(np.int64)
            found[name] = np.union1d(found[name], ids) if name in found else ids
    return found


def _names(names: Any, what: str, example: str) -> tuple[str, ...]:
    given = (names,) if isinstance(names, str) else tuple(names) if isinstance(names, tuple | list) else None
    if given is None or not all(isinstance(name, str) for name in given):
        raise TypeError(f"{what} are names, for example `{what}={example}`; got {names!r:.80}.")
    return given


def _ids(name: str, which: Any, size: int) -> np.ndarray:
    ids = np.arange(size)[which] if isinstance(which, slice) else np.asarray(which)
    if ids.ndim != 1 or (ids.dtype.kind not in "iu" and ids.size):
        raise TypeError(f"neurons of {name!r} are whole numbers or a slice, for example `{{{name!r}: [3, 7]}}`; got {which!r:.80}.")
    ids = ids.astype(np.int64)
    if ids.size and not (0 <= ids.min() and ids.max() < size):
        raise ValueError(f"neurons of {name!r} lie between 0 and {size - 1}; got {ids.min()} to {ids.max()}.")
    return np.unique(ids)


def part_of(file: ModelFile, neurons: Ids, incoming: bool) -> ModelPart:
    """What a file says of some neurons."""
    units: dict[str, str] = {}

    def read(above: tuple[str, ...], name: str) -> dict[str, Any]:
        found = {}
        for leaf in file.names(*above, name):
            path = (*above, name, leaf)
            found[leaf] = _quantity(_taken(file, path, neurons[name], file.populations[name]), file.rows[path].unit, path, units)
        return found

    sites = {}
    for name, ids in neurons.items():
        if ("sites", name) in file.rows:
            sites[name] = _sites(file, name, ids)
    edges, into = {}, {}
    for name, listed in file.projections.items():
        unit, path = file.rows[file.weight_path(name)].unit, file.weight_path(name)
        if listed.source in neurons:
            edges[name] = _edges(joined(list(_outgoing(file, name, neurons[listed.source])), unit), path, units)
        if incoming and listed.target in neurons:
            among = neurons.get(listed.source, np.zeros(0, np.int64))
            into[name] = _edges(joined(list(_incoming(file, name, neurons[listed.target], among)), unit), path, units)
    return ModelPart(
        dt=attach(file.dt_ms, unit_from("ms")),
        neurons=neurons,
        parameters={name: read(("model", "parameters"), name) for name in neurons},
        variables={name: read(("state", "variables"), name) for name in neurons},
        sites=sites,
        edges=edges,
        incoming=into,
        ends={name: (each.source, each.target) for name, each in file.projections.items()},
        units=units,
    )


def _edges(found: EdgePiece, path: tuple[str, ...], units: dict[str, str]) -> PartEdges:
    return PartEdges(found.pre, found.post, _quantity(found.weight, found.unit, path, units), attach(found.delay, unit_from("ms")))


def _quantity(values: np.ndarray, unit: str, path: tuple[str, ...], units: dict[str, str]) -> Any:
    """Values with their unit, or bare where the unit has no short name; then it is noted."""
    try:
        return attach(values, unit_from(unit)) if unit else values
    except DescriptionError:
        units["/".join(path)] = unit
        return values


def _runs(begins: np.ndarray, ends: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ascending pieces, those close together joined."""
    if len(begins) == 0:
        return
    far = np.flatnonzero(begins[1:] - ends[:-1] > _NEAR) + 1
    for first, last in zip(np.concatenate([[0], far]), np.concatenate([far, [len(begins)]]) - 1, strict=True):
        yield int(begins[first]), int(ends[last])


def _taken(file: ModelFile, path: tuple[str, ...], ids: np.ndarray, size: int) -> np.ndarray:
    """The entries of some neurons along the last axis; all of an array that has none per neuron."""
    shape = file.rows[path].shape
    if shape[-1:] != (size,) or len(ids) == 0:
        return file.array(*path) if shape[-1:] != (size,) else np.zeros((*shape[:-1], 0), file.rows[path].dtype)
    pieces = [file.slice(path, low, high)[..., ids[(ids >= low) & (ids < high)] - low] for low, high in _runs(ids, ids + 1)]
    return np.concatenate(pieces, axis=-1)


def _sites(file: ModelFile, name: str, ids: np.ndarray) -> np.ndarray:
    """Coordinates, of which the first axis counts neurons."""
    return file.array("sites", name)[ids]


def _outgoing(file: ModelFile, projection: str, ids: np.ndarray) -> Iterator[EdgePiece]:
    """The edges of some sources. They lie beside each other, source by source."""
    for low, high in _runs(ids, ids + 1):
        start = file.starts(projection, low, high + 1)
        mine = ids[(ids >= low) & (ids < high)] - low
        begins, stops = start[mine], start[mine + 1]
        full = stops > begins
        wanted = {f"{projection} of {str(file.path)!r}": int((stops - begins).sum()) * 24}
        check_budget(wanted, "the edges of these neurons take", "read", "Read them in pieces: `for edges in file.edges(projection, rows=...)`.")
        for begin, end in _runs(begins[full], stops[full]):
            for first in range(begin, end, _AT_ONCE):
                found = file.piece(projection, first, min(first + _AT_ONCE, end), start, low)
                yield _some(found, np.isin(found.pre, ids))


def _incoming(file: ModelFile, projection: str, ids: np.ndarray, among: np.ndarray) -> Iterator[EdgePiece]:
    """The edges of all other sources that lead to some targets. All targets are read, the rest where there is one."""
    listed = file.projections[projection]
    wanted = np.zeros(file.populations[listed.target], bool)
    wanted[ids] = True
    start = file.starts(projection, 0, file.populations[listed.source] + 1)
    for begin in range(0, listed.n, CHUNK):
        end = min(begin + CHUNK, listed.n)
        post = file.slice(("edges", projection, "post"), begin, end)
        if len(post) and post.min() >= 0 and post.max() < len(wanted) and not wanted[post].any():
            continue
        found = file.piece(projection, begin, end, start, 0)
        yield _some(found, wanted[found.post] & ~np.isin(found.pre, among))


def _some(piece: EdgePiece, mine: np.ndarray) -> EdgePiece:
    return EdgePiece(piece.pre[mine], piece.post[mine], piece.weight[mine], piece.delay[mine], piece.unit)
