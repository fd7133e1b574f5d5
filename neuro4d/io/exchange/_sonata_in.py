"""Networks from a folder of SONATA."""

import csv
import dataclasses
import json
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import brainunit as u
import numpy as np

from neuro4d._base import CorruptFileError, UnknownNameError, UnsafeFileError, strip
from neuro4d.connect import EdgeList
from neuro4d.io.exchange._files import reading
from neuro4d.io.exchange._imported import Imported
from neuro4d.io.exchange._sonata_cells import Cells, ours, theirs
from neuro4d.io.exchange._sonata_parts import PREFIX, known_parts
from neuro4d.io.exchange._sonata_records import array_in, group_in, read_report, read_spikes
from neuro4d.io.hdf5 import open_untrusted, read_array, read_attribute
from neuro4d.network import Network, Population, Projection
from neuro4d.recorders import SpikeTable, TraceRecord
from neuro4d.stimuli import Clamp, SpikeTimes

TEXT = 1 << 24
"""Bytes of a configuration or a table of types."""

LIMIT = 1 << 36
"""Bytes that a file of nodes or edges may unpack to."""


class NotFromSONATAError(ValueError):
    """A circuit of SONATA with parts that a network cannot express; the message lists all of them."""


def load_sonata(folder: str | PathLike[str], dt: Any = None, inputs: bool = True, parts: Iterable[type] = ()) -> Imported:
    """A network from a folder of SONATA, of `n4.io.save_sonata` or of another program.

    | SONATA | neuro4d |
    |---|---|
    | nodes of the type `virtual` | `Relay` neurons with a port `in`; their input spikes a `SpikeTimes` |
    | `neuro4d:NAME` | that neuron, with its receptors |
    | `nest:iaf_psc_exp`, `nest:iaf_psc_delta` | `LIF` with `ExpCurrent` ports `ex` and `in`, chosen by the sign of the weight, or with a `Delta` port |
    | `I_e` of a node | a `Clamp` |
    | a population of edges | a projection with an `EdgeList`, one for each port |
    | `nsyns` | so many times the weight |

    The folder may come from anybody: paths that lead out of it are refused, and files are looked through before they are read.

    **Arguments:**

    - `folder`: with `circuit_config.json`, and `simulation_config.json` where there was a run.
    - `dt`: the time step; by default that of `simulation_config.json`. [time]
    - `inputs`: whether input spikes become stimuli.
    - `parts`: classes of neurons and receptors of yours that a folder may name.

    **Returns:** `n4.io.Imported`: `network`, `dt`, `inputs`, recorded `spikes` by population and `traces` by name.

    **Raises:** `NotFromSONATAError` with all that cannot be read, in one list; `FileNotFoundError`; `CorruptFileError` for damaged files, `UnsafeFileError` for paths out of the folder,
    links and sizes; `ValueError` where nobody says the time step.
    """
    base = Path(folder)
    circuit, simulation = _json(base, "circuit_config.json"), {}
    if (base / "simulation_config.json").is_file():
        simulation = _json(base, "simulation_config.json")
    reader = _Reader(base, circuit, known_parts(parts))
    step = _time_step(simulation, dt)
    network = reader.network(step)
    sizes = reader.sizes
    spikes, traces = _results(base, simulation, sizes, step)
    outside = tuple(name for name, cells in reader.cells.items() if cells.virtual)
    if inputs:
        network = network.add(*_stimuli(base, simulation, reader, sizes, step))
    return Imported(network, step * u.ms, outside, (), spikes, traces)


def _time_step(simulation: Mapping[str, Any], dt: Any) -> float:
    """The time step in ms."""
    if dt is not None:
        return float(strip(dt, u.ms, "load_sonata: dt"))
    run = simulation.get("run")
    value = run.get("dt") if isinstance(run, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
        raise ValueError("load_sonata: nothing says the time step; give it, for example `dt=0.1*u.ms`.")
    return float(value)


def _results(base: Path, simulation: Mapping[str, Any], sizes: dict[str, int], dt: float) -> tuple[dict[str, SpikeTable], dict[str, TraceRecord]]:
    """Recorded spikes by population, and traces by name."""
    output = _table(simulation, "output")
    where = _text(output, "output_dir", "output")
    spikes: dict[str, SpikeTable] = {}
    if "spikes_file" in output and (spikes_file := inside(base, where, _text(output, "spikes_file", ""))).is_file():
        spikes = read_spikes(spikes_file, sizes, dt)
    traces: dict[str, TraceRecord] = {}
    for name, report in _table(simulation, "reports").items():
        file = inside(base, where, _text(report, "file_name", f"{name}.h5"))
        if file.is_file():
            traces |= {record.name: record for record in read_report(file, name, _text(report, "variable_name", "v"), dt)}
    return spikes, traces


def _stimuli(base: Path, simulation: Mapping[str, Any], reader: "_Reader", sizes: dict[str, int], dt: float) -> list[SpikeTimes]:
    """Input spikes of virtual populations."""
    found = []
    for name, entry in _table(simulation, "inputs").items():
        if _text(entry, "input_type", "") != "spikes":
            raise NotFromSONATAError(f"load_sonata: the input {name!r:.60} is of the type {_text(entry, 'input_type', '')!r:.60}; read are spikes. Leave inputs out: `inputs=False`.")
        for population, table in read_spikes(inside(base, _text(entry, "input_file" if "input_file" in entry else "spike_file", "")), sizes, dt).items():
            if not reader.cells[population].virtual:
                raise CorruptFileError(f"load_sonata: the input {name!r:.60} drives {population!r}, which is not virtual.")
            found.append(SpikeTimes(f"{name} {population}"[:100], reader.populations[population], next(iter(reader.cells[population].ports)), times=table.times, ids=table.ids, weight=1 * u.mV))
    return found


def _json(base: Path, name: str) -> dict[str, Any]:
    """A small file of JSON that holds a table."""
    found = _small(base / name)
    try:
        data = json.loads(found)
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"load_sonata: {str(base / name)!r} is no JSON, or damaged: {error}") from error
    if not isinstance(data, dict):
        raise CorruptFileError(f"load_sonata: {str(base / name)!r} holds {type(data).__name__}; expected a table.")
    return data


def _small(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"load_sonata: there is no file {str(path)!r}.")
    if path.stat().st_size > TEXT:
        raise UnsafeFileError(f"load_sonata: {str(path)!r} has {path.stat().st_size:,} bytes; at most {TEXT:,} are read.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"load_sonata: {str(path)!r} is no text: {error}") from error


def inside(base: Path, *names: str) -> Path:
    """A path below a folder.

    **Raises:** `UnsafeFileError` for one that leads out of it, also through a symbolic link.
    """
    path = base.joinpath(*names)
    if any(Path(name).is_absolute() or "\0" in name for name in names) or not path.resolve().is_relative_to(base.resolve()):
        raise UnsafeFileError(f"load_sonata: {'/'.join(names)!r:.120} leads out of the folder {str(base)!r}, which is not followed.")
    return path


def _table(data: Any, name: str) -> dict[str, Any]:
    found = data.get(name, {}) if isinstance(data, dict) else None
    if not isinstance(found, dict):
        raise CorruptFileError(f"load_sonata: {name!r} is a table; got {found!r:.60}.")
    return found


def _text(data: Any, name: str, default: str) -> str:
    found = data.get(name, default) if isinstance(data, dict) else None
    if not isinstance(found, str):
        raise CorruptFileError(f"load_sonata: {name!r} is a text; got {found!r:.60}.")
    return found


class Edges(NamedTuple):
    """Columns of edges: ids, weights in the unit of their receptor, delays in ms."""

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    delay: np.ndarray


@dataclasses.dataclass
class _Reader:
    """A circuit on its way to a network."""

    base: Path
    circuit: dict[str, Any]
    known: dict[str, type]

    def __post_init__(self) -> None:
        self.problems: list[str] = []
        self.cells: dict[str, Cells] = {}
        self.populations: dict[str, Population] = {}
        self.sizes: dict[str, int] = {}
        self.parts: list[Any] = []

    def network(self, dt: float) -> Network:
        """All populations and projections."""
        networks = _table(self.circuit, "networks")
        for entry in self._entries(networks, "nodes"):
            types = self._types(entry, "node")
            path = self._path(entry, "nodes_file")
            with reading(f"load_sonata: {str(path)!r}"), open_untrusted(path, strings=True, limit=LIMIT) as file:
                for name in group_in(file, "nodes", path.name):
                    self._guarded(f"population {name!r:.60}", lambda name=name, file=file, types=types: self._population(file["nodes"], name, types))
        for entry in self._entries(networks, "edges") if not self.problems else ():
            types = self._types(entry, "edge")
            path = self._path(entry, "edges_file")
            with reading(f"load_sonata: {str(path)!r}"), open_untrusted(path, strings=True, limit=LIMIT) as file:
                for name in group_in(file, "edges", path.name):
                    self._guarded(f"edges {name!r:.60}", lambda name=name, file=file, types=types: self._projections(file["edges"], name, types, dt))
        if self.problems:
            raise NotFromSONATAError("load_sonata: a network cannot express\n" + "\n".join(f"- {each}" for each in self.problems))
        if not self.populations:
            raise CorruptFileError("load_sonata: the circuit has no nodes.")
        return Network(*self.populations.values(), *self.parts)

    def _guarded(self, what: str, make: Any) -> None:
        try:
            make()
        except (CorruptFileError, UnsafeFileError, FileNotFoundError):
            raise
        except (ValueError, TypeError, IndexError, UnknownNameError) as error:
            self.problems.append(f"{what}: {error}")

    def _entries(self, networks: dict[str, Any], name: str) -> list[dict[str, Any]]:
        found = networks.get(name, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise CorruptFileError(f"load_sonata: networks.{name} is a list of tables; got {found!r:.80}.")
        return found

    def _path(self, entry: dict[str, Any], name: str) -> Path:
        """A path of the configuration, its variables replaced."""
        text = _text(entry, name, "")
        for _ in range(4):
            for variable, value in sorted(_table(self.circuit, "manifest").items(), key=lambda each: -len(each[0])):
                text = text.replace(variable, str(value))
        if len(text) > 4096:
            raise CorruptFileError(f"load_sonata: a path of {len(text)} characters.")
        return inside(self.base, text)

    def _types(self, entry: dict[str, Any], what: str) -> dict[int, dict[str, str]]:
        """Rows of a table of types by their number; NULL and empty cells are left out."""
        if not entry.get(f"{what}_types_file"):
            return {}
        path = self._path(entry, f"{what}_types_file")
        rows = list(csv.DictReader(_small(path).splitlines(), delimiter=" "))
        found: dict[int, dict[str, str]] = {}
        for row in rows:
            number = row.get(f"{what}_type_id") or ""
            if None in row or not number.isdecimal() or len(number) > 18:
                raise CorruptFileError(f"load_sonata: {str(path)!r}: a row of {what}_type_id {number!r:.40}; expected whole numbers, and as many cells as names.")
            found[int(number)] = {name: cell for name, cell in row.items() if cell not in (None, "", "NULL")}
        return found

    def _population(self, nodes: Any, name: str, types: dict[int, dict[str, str]]) -> None:
        group = group_in(nodes, name, "nodes")
        kinds = read_array(array_in(group, "node_type_id", "nodes"), kinds="iu", ndim=1)
        columns = _columns(group, len(kinds))
        rows = {int(kind): types.get(int(kind), {}) for kind in np.unique(kinds)}
        templates = {(row.get("model_type", ""), row.get("model_template", "")) for row in rows.values()}
        if len(templates) != 1 or not len(kinds):
            raise ValueError(f"{len(kinds)} neurons of {len(templates)} models, {sorted(templates)!r:.120}; one population has one")
        ((kind, template),) = templates
        tables = {number: self._dynamics(row) for number, row in rows.items()}
        if template.startswith(PREFIX):
            if len(tables) > 1:
                raise ValueError(f"{len(tables)} types of the model {template!r:.60}; one population has one, whose parameters may differ between neurons")
            cells = ours(next(iter(tables.values())), columns, self.known, kind == "virtual", f"population {name!r}")
        else:
            cells = theirs(kind, template, kinds, tables, rows, columns)
        self.cells[name], self.sizes[name] = cells, len(kinds)
        self.populations[name] = Population(name, len(kinds), cells.neuron, cells.ports, init=cells.init)
        if cells.current is not None and np.any(cells.current):
            self.parts.append(Clamp(f"{name[:90]} I_e", self.populations[name], cells.current * u.pA))

    def _dynamics(self, row: dict[str, str]) -> dict[str, Any]:
        """The table of parameters that a type names."""
        if "dynamics_params" not in row:
            return {}
        folder = _text(_table(self.circuit, "components"), "point_neuron_models_dir", ".")
        path = self._path({"at": f"{folder}/{row['dynamics_params']}"}, "at")
        return _json(path.parent, path.name)

    def _projections(self, edges: Any, name: str, types: dict[int, dict[str, str]], dt: float) -> None:
        group = group_in(edges, name, "edges")
        ends, ids = [], []
        for end in ("source", "target"):
            column = array_in(group, f"{end}_node_id", "edges")
            population = read_attribute(column, "node_population", str) if "node_population" in column.attrs else ""
            if population not in self.populations:
                raise ValueError(f"its {end} population {population!r:.60}, which the circuit does not have")
            ends.append(population)
            ids.append(read_array(column, kinds="iu", ndim=1))
        kinds = read_array(array_in(group, "edge_type_id", "edges"), kinds="iu", ndim=1)
        columns = _columns(group, len(kinds))
        if not len(ids[0]) == len(ids[1]) == len(kinds):
            raise CorruptFileError(f"load_sonata: edges {name!r}: {len(ids[0])} sources, {len(ids[1])} targets and {len(kinds)} types.")
        delay = self._edge_column("delay", columns, kinds, types, 0.0)
        weight = self._edge_column("syn_weight", columns, kinds, types, None) * self._edge_column("nsyns", columns, kinds, types, 1.0)
        cells = self.cells[ends[1]]
        first = cells.port_of(next(iter(types.values()), {}))
        ports = np.full(len(kinds), first, object)
        for kind in np.unique(kinds).tolist():
            ports[kinds == kind] = cells.port_of(types.get(kind, {}))
        if cells.by_sign:
            ports = np.where(weight < 0, "in", "ex")
        used = [port for port in cells.ports if np.any(ports == port)] + sorted(set(np.unique(ports).tolist()) - set(cells.ports)) or [first]
        for port in used:
            self._projection(name, ends, port, Edges(ids[0], ids[1], weight, delay), ports == port)

    def _projection(self, name: str, ends: list[str], port: str, edges: "Edges", mine: np.ndarray) -> None:
        """One projection, or two where some edges have no delay: a delay of 0 holds for a whole projection or for none of it."""
        receptors = self.cells[ends[1]].ports
        if port not in receptors:
            raise ValueError(f"the receptor {port!r:.60} that {ends[1]!r} does not have; it has {', '.join(receptors) or 'none'}")
        for chosen in [each for each in (mine & (edges.delay > 0), mine & (edges.delay == 0)) if each.any()] or [mine]:
            used = {part.name for part in self.parts if isinstance(part, Projection)}
            rule = EdgeList(edges.source[chosen].astype(np.int64), edges.target[chosen].astype(np.int64))
            weight, delay = edges.weight[chosen] * receptors[port].weight_unit, edges.delay[chosen] * u.ms
            label = name if name not in used else f"{name[:80]} {port[:10]} {len(used)}"
            self.parts.append(Projection(label, self.populations[ends[0]], self.populations[ends[1]], port, rule, weight=weight, delay=delay))

    def _edge_column(self, name: str, columns: dict[str, np.ndarray], kinds: np.ndarray, types: dict[int, dict[str, str]], default: float | None) -> np.ndarray:
        """Numbers of edges: each its own, or that of its type."""
        if name in columns:
            return columns[name]
        values = np.empty(len(kinds))
        for kind in np.unique(kinds):
            text = types.get(int(kind), {}).get(name)
            if text is None and default is None:
                raise ValueError(f"no {name}")
            try:
                values[kinds == kind] = float(text) if text is not None else default
            except ValueError as error:
                raise ValueError(f"a {name} of {text!r:.40}") from error
        return values


def _columns(group: Any, n: int) -> dict[str, np.ndarray]:
    """The columns of the one group of attributes, those below `dynamics_params` under their own names, in the order of nodes or edges."""
    inner = [name for name in group if name.isdecimal()]
    if len(inner) > 1:
        raise ValueError(f"{len(inner)} groups of attributes; one is read")
    found: dict[str, np.ndarray] = {}
    if not inner:
        return found
    index = np.arange(n)
    for end in ("node", "edge"):
        if f"{end}_group_index" in group:
            index = read_array(array_in(group, f"{end}_group_index", "attributes"), kinds="iu", ndim=1)
    for holder in [group[inner[0]], *([group[inner[0]]["dynamics_params"]] if "dynamics_params" in group[inner[0]] else [])]:
        for name in holder:
            if callable(getattr(holder[name], "keys", None)) or holder[name].dtype.kind not in "fiu":
                continue
            values = read_array(holder[name], kinds="fiu", ndim=1).astype(np.float64)
            if len(index) != n or (n and int(index.max()) >= len(values)):
                raise CorruptFileError(f"load_sonata: column {name!r:.60} has {len(values)} entries for {n} rows.")
            found[name] = values[index.astype(np.int64)]
    return found
