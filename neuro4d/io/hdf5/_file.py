"""A model in an HDF5 file, of which only what is asked for is read."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from neuro4d._base import CorruptFileError, check_count, check_fits_memory, lookup
from neuro4d.describe import Description
from neuro4d.io._leaves import EMPTY, Leaf, digest
from neuro4d.io.hdf5._manifest import parsed
from neuro4d.io.hdf5._names import place_of
from neuro4d.io.hdf5._safe import open_untrusted, read_array
from neuro4d.io.hdf5._writer import MANIFEST, stored_type


class Listed(NamedTuple):
    """A projection in a file: its populations, and its number of edges."""

    source: str
    target: str
    n: int


class ModelFile:
    """A model and a state in an HDF5 file, open for reading. Use it in a `with`.

    **Arguments:** `path`: of a file by `save_hdf5`.

    **Raises:** `FileNotFoundError`; `CorruptFileError` for damage and for a file that is no model; `UnsafeFileError` as `open_untrusted`;
    `ValueError` for a file of a later version.

    **Fields:** `populations`: sizes by name; `projections`: source, target and number of edges by name; `areas`: names; `dt_ms`; `has_state`.

    !!! Example

        >>> import tempfile
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
        >>> chain = n4.Projection("chain", cells[:2], cells[1:], "in", n4.OneToOne(), weight=[1, 2]*u.mV)
        >>> model = n4.Network(cells, chain).build(dt=0.1*u.ms, seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     n4.io.save_hdf5(f"{folder}/brain.h5", model)
        ...     with n4.io.ModelFile(f"{folder}/brain.h5") as file:
        ...         for edges in file.edges("chain"):
        ...             print(edges.pre, edges.post, edges.weight)
        [0 1] [1 2] [1. 2.]
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._file = open_untrusted(path, elsewhere=False)
        try:
            content, rows = parsed(self._bytes(), self.path)
            network = content["network"]
            self.description_text: str | None = content["description"]
            self.why, self.has_state, self.versions = content["why"], content["has_state"], content["versions"]
            self.network: dict[str, Any] = network
            self.dt_ms: float = network["dt_ms"]
            self.populations: dict[str, int] = dict(network["populations"])
            self.projections = {name: Listed(*each) for name, each in network["projections"].items()}
            self.areas: tuple[str, ...] = tuple(network["areas"])
            self.rows = {row.path: row for row in rows}
        except BaseException:
            self._file.close()
            raise

    def _bytes(self) -> bytes:
        if MANIFEST not in self._file:
            raise CorruptFileError(f"{str(self.path)!r} has no {MANIFEST!r}: it is no model by `n4.io.save_hdf5`, or a damaged one.")
        return read_array(self._file[MANIFEST], kinds="u", ndim=1).tobytes()

    def close(self) -> None:
        """Closes the file; harmless if called twice."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        edges = sum(each.n for each in self.projections.values())
        return f"ModelFile({str(self.path)!r}: {sum(self.populations.values())} neurons, {edges} synapses)"

    def names(self, *above: str) -> list[str]:
        """Names one level below a place, in order."""
        n = len(above)
        return list(dict.fromkeys(path[n] for path in self.rows if path[:n] == above and len(path) > n))

    def array(self, *path: str) -> np.ndarray:
        """An array as a whole, held against its checksum.

        **Raises:** `CorruptFileError`.
        """
        row = self._row(path)
        values = np.zeros(row.shape, row.dtype) if not row.size else self._native(row, read_array(self._dataset(row), held=True)).reshape(row.shape)
        if digest(values) != row.sha256:
            raise CorruptFileError(f"{str(self.path)!r}: {place_of(path)!r} is damaged: its checksum is not that of the manifest.")
        return values

    def slice(self, path: tuple[str, ...], begin: int, end: int) -> np.ndarray:
        """Elements of an array along its last axis. Each chunk is held against its checksum, the array is not.

        **Raises:** `CorruptFileError`.
        """
        row = self._row(path)
        if not row.shape:
            return self.array(*path)
        if begin >= end or not row.size:
            return np.zeros((*row.shape[:-1], max(0, end - begin)), row.dtype)
        return self._native(row, read_array(self._dataset(row), (..., slice(begin, end)), held=True))

    def tree(self, above: str) -> dict[str, Any]:
        """All arrays below `model` or `state` as nested dictionaries.

        **Raises:** `MemoryBudgetError` before anything is read that cannot fit; `CorruptFileError`.
        """
        found: dict[str, Any] = {}
        mine = [row for path, row in self.rows.items() if path[0] == above]
        check_fits_memory([row[:3] for row in mine if row.dtype != EMPTY], str(self.path), copies=2.0)
        for row in mine:
            _, *between, last = row.path
            place = found
            for name in between:
                place = place.setdefault(name, {})
            place[last] = {} if row.dtype == EMPTY else self.array(*row.path)
        return found

    def description(self) -> Description | None:
        """What the model was built from, `None` where it could not be described."""
        if self.description_text is None:
            return None
        arrays = {name: self.array("description", name) for name in self.names("description")}
        return Description.from_json(self.description_text, arrays)

    def edges(self, projection: str, rows: tuple[int, int] | None = None, most: int = 1 << 20) -> Iterator["EdgePiece"]:
        """The edges of some sources, in pieces that follow each other, so that a projection may be larger than memory.

        **Arguments:**

        - `projection`: its name.
        - `rows`: the sources `rows[0]` to `rows[1] - 1` of the source population, by default all.
        - `most`: edges in a piece.

        **Raises:** `UnknownNameError`, `CorruptFileError`; `ValueError` for rows that there are not.
        """
        size = self.populations[lookup(self.projections, projection, "projection").source]
        low, high = (0, size) if rows is None else rows
        check_count(most, "most")
        if not 0 <= low <= high <= size:
            raise ValueError(f"rows lie between 0 and {size}, the sources of {projection!r}; got {low} to {high}.")
        start = self.starts(projection, low, high + 1)
        for begin in range(int(start[0]), int(start[-1]), most):
            end = min(begin + most, int(start[-1]))
            yield self.piece(projection, begin, end, start, low)

    def starts(self, projection: str, low: int, high: int) -> np.ndarray:
        """The numbers of the first edges of sources, checked."""
        start = self.slice(("edges", projection, "start"), low, high)
        if np.any(np.diff(start) < 0) or start[0] < 0 or start[-1] > self.projections[projection].n:
            raise CorruptFileError(f"{str(self.path)!r}: the edges of {projection!r} do not follow each other.")
        return start

    def piece(self, projection: str, begin: int, end: int, start: np.ndarray, low: int) -> "EdgePiece":
        """Edges `begin` to `end - 1`; `start`: as `starts`, of the sources from `low` on."""
        pre = (low + np.searchsorted(start, np.arange(begin, end), side="right") - 1).astype(np.int32)
        post, delay = (self.slice(("edges", projection, field), begin, end) for field in ("post", "delay"))
        weight = self.slice(self.weight_path(projection), begin, end)
        if len(post) and not (post.min() >= 0 and post.max() < self.populations[self.projections[projection].target]):
            raise CorruptFileError(f"{str(self.path)!r}: edges of {projection!r} lead to neurons that there are not.")
        return EdgePiece(pre, post, weight, delay * self.dt_ms, self.rows[self.weight_path(projection)].unit)

    def weight_path(self, projection: str) -> tuple[str, ...]:
        """Where the weights in force lie: in the state, if there is one that holds them."""
        held = ("state", "edges", projection, "weight")
        return held if held in self.rows else ("model", "weights", projection)

    def verify(self) -> None:
        """Reads every array once and holds it against its checksum.

        **Raises:** `CorruptFileError` for the first damage.
        """
        for row in self.rows.values():
            if row.dtype != EMPTY:
                self.array(*row.path)

    def _row(self, path: tuple[str, ...]) -> Leaf:
        if path not in self.rows:
            raise CorruptFileError(f"{str(self.path)!r} has no array {place_of(path)!r}.")
        return self.rows[path]

    def _dataset(self, row: Leaf) -> Any:
        place = place_of(row.path)
        try:
            dataset = self._file[place]
        except (KeyError, OSError, RuntimeError, ValueError) as error:
            raise CorruptFileError(f"{str(self.path)!r}: {place!r} is missing, or damaged: {error}") from error
        shape = getattr(dataset, "shape", None)
        if shape != (row.shape or (1,)) or dataset.dtype.newbyteorder("<") != stored_type(np.dtype(row.dtype)).newbyteorder("<"):
            raise CorruptFileError(
                f"{str(self.path)!r}: {place!r} is {getattr(dataset, 'dtype', 'a group')} of shape {shape}; the manifest says {row.dtype} of {row.shape}."
            )
        return dataset

    def _native(self, row: Leaf, values: np.ndarray) -> np.ndarray:
        kind = np.dtype(row.dtype)
        return values if values.dtype == kind else values.view(kind)


class EdgePiece(NamedTuple):
    """Some edges: `pre` and `post` in their populations, `weight` in `unit`, `delay` in ms."""

    pre: np.ndarray
    post: np.ndarray
    weight: np.ndarray
    delay: np.ndarray
    unit: str


def joined(pieces: Sequence[EdgePiece], unit: str) -> EdgePiece:
    """Pieces as one."""
    if not pieces:
        return EdgePiece(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0), unit)
    pre, post, weight, delay = (np.concatenate(columns) for columns in list(zip(*pieces, strict=True))[:4])
    return EdgePiece(pre, post, weight, delay, unit)
