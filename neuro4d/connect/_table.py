"""Tables of edges, with their weights and delays."""

import dataclasses
from pathlib import Path
from typing import Any

import brainunit as u
import numpy as np
import scipy.sparse
from jaxtyping import Int

from neuro4d._base import check_quantity, internal_unit
from neuro4d.connect import _table_files as files
from neuro4d.connect._edges import EdgeList
from neuro4d.connect._table_files import Column


@dataclasses.dataclass(frozen=True, eq=False, init=False)
class EdgeTable:
    """Edges with their weights and delays, as they come from a file, a matrix or another program.

    A table is checked as a whole when it is made: what is wrong is refused with the row, the column and the value. A network takes it in three
    pieces: `rule`, `weight` and `delay`, which have one entry for each edge, in the order of the table.

    **Arguments:**

    - `pre`, `post`: the source and the target of each edge, whole numbers from 0, counted from the first neuron of each end.
    - `weight`: one for each edge, or `None`. A quantity in the unit of the receptor that will receive.
    - `delay`: one for each edge, 0 or more, or `None`. [time]

    **Raises:** `TypeError`, `UnitError`, `IndexError` or `ValueError`, naming the first row that is wrong.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> table = n4.EdgeTable(pre=[0, 0, 2], post=[1, 2, 0], weight=np.array([20.0, 35.0, 10.0])*u.pA, delay=np.array([1.0, 1.5, 1.0])*u.ms)
        >>> table
        EdgeTable(3 edges, weight in pA, delay in ms)
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 3, lif, {"exc": n4.ExpCurrent(tau=5*u.ms)})
        >>> edges = n4.Projection("e", cells, cells, "exc", table.rule, weight=table.weight, delay=table.delay)
    """

    pre: Int[np.ndarray, " edges"]
    post: Int[np.ndarray, " edges"]
    weight: Any
    delay: Any

    def __init__(self, pre, post, *, weight=None, delay=None):
        edges = EdgeList(pre, post)
        put = object.__setattr__
        put(self, "pre", edges.pre)
        put(self, "post", edges.post)
        put(self, "weight", None if weight is None else _per_edge(weight, None, "weight", len(edges.pre)))
        put(self, "delay", None if delay is None else _per_edge(delay, u.ms, "delay", len(edges.pre)))

    def __len__(self) -> int:
        return len(self.pre)

    def __repr__(self):
        parts = [f"{len(self)} edges"]
        parts += [f"{name} in {u.get_unit(x)}" for name, x in (("weight", self.weight), ("delay", self.delay)) if x is not None]
        return f"EdgeTable({', '.join(parts)})"

    @property
    def rule(self) -> EdgeList:
        """Who connects to whom, for a `Projection`."""
        return EdgeList(self.pre, self.post)

    @classmethod
    def from_csv(
        cls,
        path: str | Path,
        *,
        pre: str = "pre",
        post: str = "post",
        weight: Column | None = None,
        delay: Column | None = None,
        first: int = 0,
        delimiter: str = ",",
    ) -> "EdgeTable":
        """Edges from a text file with one line for each and the names of the columns in its first line.

        **Arguments:**

        - `path`: of the file, in UTF-8.
        - `pre`, `post`: the names of the columns with sources and targets.
        - `weight`, `delay`: name and unit of a column, for example `weight=("w", u.pA)`; `None` where the file has none, or none that is wanted.
          Columns that are not named are left alone.
        - `first`: the number of the first neuron in the file: 1 for tables that count from 1.
        - `delimiter`: what stands between two cells.

        **Raises:** `FileNotFoundError`; `UnknownNameError` for a column that the file does not have; `ValueError` with row, line, column and value
        for a cell that is no number of its kind, and for rows of another length.

        !!! Example

            >>> import brainunit as u, neuro4d as n4, pathlib, tempfile
            >>> file = pathlib.Path(tempfile.mkdtemp())/"edges.csv"
            >>> _ = file.write_text("from,to,w\\n1,2,20.5\\n2,1,-3\\n")
            >>> n4.EdgeTable.from_csv(file, pre="from", post="to", weight=("w", u.pA), first=1)
            EdgeTable(2 edges, weight in pA)
        """
        return _of(files.read_csv(Path(path), files.Wanted(pre, post, weight, delay, first), delimiter))

    @classmethod
    def from_parquet(
        cls,
        path: str | Path,
        *,
        pre: str = "pre",
        post: str = "post",
        weight: Column | None = None,
        delay: Column | None = None,
        first: int = 0,
    ) -> "EdgeTable":
        """Edges from a Parquet file, the form for millions of them. Needs pyarrow: `pip install "neuro4d[parquet]"`.

        **Arguments:** as for `from_csv`.

        **Raises:** as `from_csv`; `ImportError` without pyarrow.
        """
        return _of(files.read_parquet(Path(path), files.Wanted(pre, post, weight, delay, first)))

    @classmethod
    def from_scipy(cls, matrix: Any, weight: Any = None, *, delay: tuple[Any, Any] | None = None) -> "EdgeTable":
        """Edges from a sparse matrix or array of SciPy: the entry in row `i` and column `j` is the edge from neuron `i` to neuron `j`.

        Stored zeros are edges of weight 0, entries that are stored twice are two edges.

        **Arguments:**

        - `matrix`: of shape (sources, targets), in any format; real numbers.
        - `weight`: the unit of its entries, for example `u.pA`; `None` where they only say that there is an edge.
        - `delay`: a matrix with the same stored entries, and its unit, for example `(delays, u.ms)`.

        **Raises:** `TypeError` for what is no sparse matrix of real numbers; `ValueError` with row, column and value for an entry that is not finite,
        an edge of 0 without unit, or where the entries of both matrices differ.

        !!! Example

            >>> import brainunit as u, neuro4d as n4, scipy.sparse
            >>> matrix = scipy.sparse.random_array((100, 50), density=0.1, rng=0)
            >>> n4.EdgeTable.from_scipy(matrix, u.pA)
            EdgeTable(500 edges, weight in pA)
        """
        entries = _entries(matrix, "matrix", weight is None)
        if delay is None:
            return cls(entries.row, entries.col, weight=None if weight is None else entries.data * _unit(weight, "weight"))
        if not isinstance(delay, tuple) or len(delay) != 2:
            raise TypeError(f"EdgeTable.from_scipy: delay is a matrix and its unit, for example `delay=(delays, u.ms)`; got {delay!r:.80}.")
        other = _entries(delay[0], "delay", False)
        same, order = _aligned(entries, other)
        values = other.data[order] * _unit(delay[1], "delay")
        return cls(
            entries.row[same],
            entries.col[same],
            weight=None if weight is None else entries.data[same] * _unit(weight, "weight"),
            delay=values,
        )

    def to_csv(
        self,
        path: str | Path,
        *,
        pre: str = "pre",
        post: str = "post",
        weight: Column | None = None,
        delay: Column | None = None,
        first: int = 0,
        delimiter: str = ",",
    ) -> None:
        """Writes the table so that `from_csv` with the same arguments gives it back, bit for bit where units are the same.

        **Raises:** `ValueError` where weights or delays would be lost because their column has no name and unit.
        """
        columns = files.columns_of(self.pre, self.post, self.weight, self.delay, files.Wanted(pre, post, weight, delay, first))
        files.write_csv(Path(path), columns, delimiter)

    def to_parquet(
        self,
        path: str | Path,
        *,
        pre: str = "pre",
        post: str = "post",
        weight: Column | None = None,
        delay: Column | None = None,
        first: int = 0,
    ) -> None:
        """Writes the table as a Parquet file. Needs pyarrow: `pip install "neuro4d[parquet]"`.

        **Raises:** as `to_csv`; `ImportError` without pyarrow.
        """
        files.write_parquet(
            Path(path), files.columns_of(self.pre, self.post, self.weight, self.delay, files.Wanted(pre, post, weight, delay, first))
        )

    def to_scipy(self, shape: tuple[int, int], weight: Any = None) -> Any:
        """The edges as a sparse array of SciPy in coordinates, one stored entry for each edge: their weights in the unit `weight`, or 1.

        **Raises:** `ValueError` for neurons beyond the shape, or a unit without weights.
        """
        if weight is not None and self.weight is None:
            raise ValueError("EdgeTable.to_scipy: the table has no weights; leave out `weight` for entries of 1.")
        data = np.ones(len(self)) if weight is None else np.asarray(self.weight.to_decimal(_unit(weight, "weight")))
        return scipy.sparse.coo_array((data, (self.pre, self.post)), shape=shape)


def _of(found: files.Found) -> EdgeTable:
    return EdgeTable(found.pre, found.post, weight=found.weight, delay=found.delay)


def _per_edge(x: Any, unit: Any, name: str, n: int) -> Any:
    """One quantity for each edge, in the unit in which it was given."""
    where = f"EdgeTable.{name}"
    low = 0 if name == "delay" else None
    values = check_quantity(x, internal_unit(x, where) if unit is None and isinstance(x, u.Quantity) else unit or u.pA, where, low=low)
    if not isinstance(values, np.ndarray) or values.shape != (n,):
        got = f"the shape {values.shape}" if isinstance(values, np.ndarray) else "a distribution"
        raise ValueError(f"{where} has one entry for each of the {n} edges; got {got}.")
    return np.asarray(x.mantissa, np.float64) * u.get_unit(x)


def _unit(unit: Any, name: str) -> Any:
    files.check_unit(unit, f"EdgeTable: {name}")
    return unit


def _entries(matrix: Any, name: str, only_edges: bool) -> Any:
    """The stored entries of a sparse matrix."""
    where = f"EdgeTable.from_scipy: {name}"
    if not scipy.sparse.issparse(matrix):
        raise TypeError(f"{where} is a sparse matrix, for example `scipy.sparse.csr_array(dense)`; got {type(matrix).__name__}.")
    entries = matrix.tocoo()
    if len(entries.shape) != 2 or entries.data.dtype.kind not in "fiub":
        raise TypeError(f"{where} has two axes and real numbers; got the shape {entries.shape} of {entries.data.dtype}.")
    if not only_edges and entries.data.dtype.kind == "b":
        raise TypeError(
            f"{where} holds numbers of a unit; got {entries.data.dtype}. Leave out the unit if entries only say that there is an edge."
        )
    bad = (entries.data == 0) if only_edges else ~np.isfinite(entries.data)
    if bad.any():
        at = int(np.argmax(bad))
        what = "an entry that only says that there is an edge is not 0" if only_edges else "entries are finite"
        raise ValueError(f"{where}: {what}; got {entries.data[at]} in row {entries.row[at]}, column {entries.col[at]}.")
    return entries


def _aligned(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """The orders in which the entries of two matrices are at the same places."""
    first, second = np.lexsort((a.col, a.row)), np.lexsort((b.col, b.row))
    where = "EdgeTable.from_scipy: both matrices have the same stored entries"
    if a.shape != b.shape or a.nnz != b.nnz:
        raise ValueError(f"{where}; got the shapes {a.shape} and {b.shape} with {a.nnz} and {b.nnz} entries.")
    differ = (a.row[first] != b.row[second]) | (a.col[first] != b.col[second])
    if differ.any():
        at = int(np.argmax(differ))
        raise ValueError(f"{where}; row {a.row[first][at]}, column {a.col[first][at]} of the matrix has no partner in the delays.")
    return first, second
