"""Networks as graphs of NIR, and NIR files in and out."""

import importlib
import io
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from neuro4d._base import CorruptFileError, write_whole
from neuro4d.io.exchange._files import reading
from neuro4d.io.exchange._imported import Imported
from neuro4d.io.exchange._nir_flat import DEEPEST, KNOWN
from neuro4d.io.exchange._nir_in import from_nir
from neuro4d.io.hdf5 import open_untrusted, read_array
from neuro4d.model import Model
from neuro4d.network import Network

LIMIT = 1 << 30
"""Bytes that a file of NIR may unpack to: matrices are dense, and all of them are read."""


def to_nir(
    network: Network | Model,
    dt: Any = None,
    seed: int = 0,
    refractory: Literal["refuse", "metadata"] = "refuse",
    initial: Literal["rest", "refuse", "metadata"] = "refuse",
) -> Any:
    """A network or a model as a graph of NIR; needs `pip install "neuro4d[nir]"`. `n4.hardware.to_nir` is the same of a network on a chip, and has the table of what becomes what.

    Stimuli do not belong to a graph: `Relay` neurons become its inputs, and whoever runs it gives their spikes. `n4.io.from_nir` makes a network of the graph that, given the spikes of
    the relays, makes the spikes of this one.

    **Arguments:**

    - `network`: a network, or a model.
    - `dt`, `seed`: of `network.build`, for a network. [time]
    - `refractory`: what becomes of refractory periods, which NIR does not have: `refuse` or `metadata`.
    - `initial`: what becomes of potentials that do not begin at rest: `refuse`, `metadata`, or `rest`, which leaves them out.

    **Returns:** a `nir.NIRGraph`.

    **Raises:** `NotInNIRError`, one list of all that NIR cannot express. `TypeError` for what is no network, and for a network without `dt`. `ImportError` without the package `nir`.

    !!! Example

        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> source = n4.Population("source", 3, n4.Relay(), {"in": n4.Delta()})
        >>> cells = n4.Population("cells", 2, lif, {"exc": n4.ExpCurrent(tau=5*u.ms)})
        >>> net = n4.Network(source, cells, n4.Projection("e", source, cells, "exc", n4.AllToAll(), weight=1*u.nA, delay=1*u.ms))
        >>> n4.io.from_nir(n4.io.to_nir(net, dt=0.1*u.ms))
        Imported(2 populations, 1 projections, dt = 0.1 ms; inputs source; outputs cells)
    """
    if isinstance(network, Network):
        if dt is None:
            raise TypeError("to_nir: a network is built first, for which it takes a time step: `n4.io.to_nir(network, dt=0.1*u.ms)`.")
        network = network.build(dt, seed, progress=False)
    elif not isinstance(network, Model):
        raise TypeError(f"to_nir takes a network or a model; got {network!r:.80}.")
    elif dt is not None:
        raise TypeError("to_nir: a model has a time step already; leave out `dt`.")
    return importlib.import_module("neuro4d.hardware").to_nir(network, refractory, initial)


def save_nir(
    path: str | PathLike[str],
    network: Network | Model,
    dt: Any = None,
    seed: int = 0,
    refractory: Literal["refuse", "metadata"] = "refuse",
    initial: Literal["rest", "refuse", "metadata"] = "refuse",
) -> None:
    """Writes a network or a model as a file of NIR, which appears whole or not at all.

    **Arguments** and **Raises:** as `to_nir`; `OSError` where the folder cannot be written.
    """
    graph = to_nir(network, dt, seed, refractory, initial)
    nir = importlib.import_module("nir")
    held = io.BytesIO()  # nir reads what it writes, and matrices are bounded
    nir.write(held, graph)
    write_whole(Path(path), lambda file: file.write(held.getbuffer()))


def load_nir(path: str | PathLike[str], dt: Any = None, method: Literal["exact", "euler"] = "exact") -> Imported:
    """A network from a file of NIR, which may come from anybody: it is looked through before anything is made of it.

    **Arguments:** `path`; `dt`, `method`: as `from_nir`.

    **Raises:** as `from_nir`; `FileNotFoundError`; `CorruptFileError` for a damaged file and one that is none of NIR; `UnsafeFileError` for links, other types, and more than 1 GiB.
    """
    nir = _package()
    where = f"load_nir: {str(path)!r}"
    with reading(where), open_untrusted(path, strings=True, limit=LIMIT) as file:
        if "node" not in file:
            raise CorruptFileError(f"{where} has no graph of NIR, which would be the group 'node'.")
        tree = _tree(file["node"], where, 0)
    if tree.get("type") != "NIRGraph":
        raise CorruptFileError(f"{where} holds a node of the type {tree.get('type')!r:.60}; expected a graph.")
    try:
        graph = _graph(nir, tree, where)
    except CorruptFileError:
        raise
    except (AssertionError, KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError, NotImplementedError) as error:
        raise CorruptFileError(f"{where}: {type(error).__name__}: {error}") from error
    return from_nir(graph, dt, method)


def _package() -> Any:
    try:
        return importlib.import_module("nir")
    except ImportError as error:
        raise ImportError('load_nir needs the package nir: `pip install "neuro4d[nir]"`.') from error


def _tree(group: Any, where: str, depth: int) -> dict[str, Any]:
    """Groups as dictionaries, datasets as arrays and texts."""
    if depth > 3 * DEEPEST:
        raise CorruptFileError(f"{where}: groups inside groups, more than {3 * DEEPEST}.")
    found: dict[str, Any] = {}
    for name in group:
        item = group[name]
        if callable(getattr(item, "keys", None)):
            found[name] = _tree(item, where, depth + 1)
            continue
        values = read_array(item, kinds="iufbOS")
        found[name] = _texts(values, where) if values.dtype.kind in "OS" else values[()]
    return found


def _texts(values: np.ndarray, where: str) -> Any:
    try:
        texts = [each.decode("utf-8") if isinstance(each, bytes) else str(each) for each in values.reshape(-1)]
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{where}: a text that is none: {error}") from error
    return np.array(texts, object).reshape(values.shape) if values.ndim else texts[0]


def _graph(nir: Any, tree: dict[str, Any], where: str) -> Any:
    """A graph of the nodes of a file. Classes are looked up among those that are known; the package would take any name that it finds in itself."""
    nodes = {}
    for name, node in tree["nodes"].items():
        kind = node.get("type") if isinstance(node, dict) else None
        if not isinstance(kind, str) or kind not in KNOWN:
            raise CorruptFileError(f"{where}: node {name!r:.60} has the type {kind!r:.60}; known are {', '.join(KNOWN)}.")
        nodes[name] = _graph(nir, node, where) if kind == "NIRGraph" else nir.dict2NIRNode(dict(node))
    edges = np.asarray(tree["edges"], object)
    if edges.size and (edges.ndim != 2 or edges.shape[1] != 2):
        raise CorruptFileError(f"{where}: edges of the shape {edges.shape}; expected pairs of names.")
    pairs = [(str(a), str(b)) for a, b in edges.reshape(-1, 2)]
    return nir.NIRGraph(nodes, pairs, metadata=tree.get("metadata", {}), type_check=False)
