"""Networks, spikes and reports as a folder of SONATA."""

import json
from os import PathLike
from pathlib import Path
from typing import Any

import brainunit as u
import numpy as np

from neuro4d._base import Constant, Given, write_whole
from neuro4d.io.exchange._files import write_hdf5
from neuro4d.io.exchange._recorded import recorded_spikes, recorded_traces
from neuro4d.io.exchange._sonata_parts import PREFIX, numbers_of
from neuro4d.io.exchange._sonata_records import write_report, write_spikes
from neuro4d.model import Model
from neuro4d.neurons import Relay
from neuro4d.results import Run

MAGIC, VERSION = 0x0A7A, (0, 1)
AXES = ("x", "y", "z", "w")


class NotInSONATAError(ValueError):
    """A model with parts that SONATA does not know; the message lists all of them."""


def save_sonata(folder: str | PathLike[str], what: Model | Run, key: Any = None) -> None:
    """Writes a model, or a run with its spikes and traces, as a folder of SONATA that other programs read, `n4.io.load_sonata` among them.

    ```text
    folder/
      circuit_config.json        what there is
      simulation_config.json     time step, duration, inputs, output; node_sets.json names each population
      network/                   nodes_0.h5, node_types_0.csv of each population, edges_0.h5, edge_types_0.csv of each projection
      components/                neurons_0.json: classes and parameters of each population
      inputs/                    spikes of populations that are driven from outside
      output/                    spikes.h5, report_0.h5 of each trace
    ```

    Neurons have the columns `x`, `y`, `z`, `w` of their lattice, parameters that differ between them, and a constant current `I_e` (pA) where a `Clamp` gives one. Edges have `syn_weight`
    in the unit of the receptor and `delay` in ms, and indices by source and by target. `Relay` populations that no projection reaches are `virtual`; their recorded spikes become
    inputs. Times are in ms, stamps of the end of a step. Columns have checksums and are not compressed: libsonata, as it is distributed, cannot unpack.

    **Arguments:**

    - `folder`: made where it does not exist; files of the same names are replaced, each as a whole.
    - `what`: a model, or a run of it.
    - `key`: the random key of `model.init`, for initial values that are drawn: those of this trial are written. The one of `simulate`, for a run.

    **Raises:** `NotInSONATAError`, one list of plasticity, gap junctions, neurons that die, synapses that come and go, delays that are trained, stimuli other than a constant current
    on anything but a virtual population, and initial values that are drawn, without a `key`. `TypeError` for what is neither model nor run.

    **Source:** Dai et al. 2020, PLoS Computational Biology 16, e1007696.

    !!! Example

        >>> import tempfile
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 4, lif, {"exc": n4.ExpCurrent(tau=5*u.ms)})
        >>> ring = n4.Projection("ring", cells, cells, "exc", n4.FixedProb(0.5), weight=1*u.nA, delay=1*u.ms)
        >>> model = n4.Network(cells, ring, n4.Clamp("drive", cells, 300*u.pA)).build(dt=0.1*u.ms, seed=0)
        >>> folder = tempfile.mkdtemp()
        >>> n4.io.save_sonata(folder, model)
        >>> n4.io.load_sonata(folder)
        Imported(1 populations, 1 projections, dt = 0.1 ms)
    """
    run = what if isinstance(what, Run) else None
    model = run.model if run is not None else what
    if not isinstance(model, Model):
        raise TypeError(f"save_sonata takes a model or a run; got {what!r:.80}.")
    content = _content(model, key)
    base = Path(folder)
    for each in ("network", "components", "inputs", "output"):
        (base / each).mkdir(parents=True, exist_ok=True)
    outside = virtual(model)
    circuit = {
        "manifest": {"$NETWORK_DIR": "./network", "$COMPONENT_DIR": "./components"},
        "components": {"point_neuron_models_dir": "$COMPONENT_DIR"},
        "networks": {
            "nodes": [_write_nodes(base, i, model, name, name in outside, *content[name]) for i, name in enumerate(model.populations)],
            "edges": [_write_edges(base, i, model, name) for i, name in enumerate(model.projections)],
        },
    }
    _write_json(base / "simulation_config.json", _simulation(base, model, run))
    _write_json(base / "circuit_config.json", circuit)


def _content(model: Model, key: Any) -> dict[str, tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """Classes and parameters, and columns that differ between neurons, by population; raises for all that cannot be written."""
    currents: dict[str, np.ndarray] = {}
    problems = [*_network_problems(model), *_stimulus_problems(model, currents)]
    columns = _initial_values(model, key, problems)
    tables = {name: _components(model, name, columns[name], problems) for name in model.populations}
    if problems:
        raise NotInSONATAError("save_sonata: SONATA cannot express\n" + "\n".join(f"- {each}" for each in problems))
    return {name: (tables[name], columns[name] | ({"I_e": currents[name]} if name in currents else {})) for name in tables}


def virtual(model: Model) -> list[str]:
    """Populations that are driven from outside only."""
    reached = {span.post.population for span in model.layout.projections}
    return [name for name, neuron in model.neurons.items() if type(neuron) is Relay and name not in reached]


def _write_json(path: Path, data: Any) -> None:
    write_whole(path, lambda file: file.write((json.dumps(data, indent=2, allow_nan=False) + "\n").encode()))


def _network_problems(model: Model) -> list[str]:
    found = [f"gap junctions {gap.name!r}" for gap in model.layout.gaps]
    found += [f"population {span.name!r}: neurons that die and are born" for span in model.populations.values() if span.alive is not None]
    for span in model.layout.projections:
        path = model.pathways[span.pathway]
        if span.pathway in model.structures:
            found.append(f"projection {span.name!r}: synapses that form and vanish; `model.as_in(state)` has those of one moment")
        elif path.plastic:
            found.append(f"projection {span.name!r}: plasticity")
        if path.free is not None:
            found.append(f"projection {span.name!r}: delays that are trained; `model.freeze()` puts them on the grid")
    return found


def _stimulus_problems(model: Model, currents: dict[str, np.ndarray]) -> list[str]:
    """Stimuli that are no constant current and act on more than virtual populations; constant ones are added to `currents`, pA by population."""
    outside, found = virtual(model), []
    for bank in model.layout.banks:
        group = {span.name for span in model.layout.group(bank.group).spans}
        if not group <= set(outside):
            found.append(f"Poisson input at '{bank.group}.{bank.port}': on a population of `Relay` neurons, its spikes become an input")
    for each in model.layout.stimuli:
        ids = np.arange(each.start, each.start + each.n) if isinstance(each.start, int) else np.asarray(each.start)
        source: Any = model.sources[each.name]
        for span in model.layout.group(each.group).spans:
            mine = (ids >= span.start) & (ids < span.start + span.size)
            if not mine.any() or span.name in outside:
                continue
            if not source.steady or each.port is not None:
                found.append(f"stimulus {each.name!r} on {span.name!r}: only constant currents are, and what acts on a population of `Relay` neurons")
                break
            current = np.broadcast_to(np.asarray(source.emit(None).i, np.float64), ids.shape)
            total = currents.setdefault(span.name, np.zeros(span.size))
            total[ids[mine] - span.start] += current[mine]
    return found


def _initial_values(model: Model, key: Any, problems: list[str]) -> dict[str, dict[str, np.ndarray]]:
    """Initial values that are not those of the neuron model, by population and variable, `init.v`."""
    found: dict[str, dict[str, np.ndarray]] = {}
    state = None if key is None else model.init(key)
    for name, values in model.initial.items():
        found[name] = {}
        for variable, value in values.items():
            n = model.populations[name].size
            if isinstance(value, Constant | Given):
                found[name][f"init.{variable}"] = np.broadcast_to(value.draw(np.zeros(n, np.uint32)), (n,)).astype(model.dtype).astype(np.float64)
            elif state is not None:
                found[name][f"init.{variable}"] = np.asarray(state[name, variable], np.float64)
            else:
                problems.append(f"population {name!r}: the initial {variable} is drawn; those of one trial are written with `key=`")
    return found


def _components(model: Model, name: str, arrays: dict[str, np.ndarray], problems: list[str]) -> dict[str, Any]:
    """The classes and parameters of a population for JSON."""
    n, where = model.populations[name].size, f"population {name!r}"
    ports = {
        port: numbers_of(receptor, f"{port}.", n, arrays, problems, f"{where}, port {port!r}") for port, receptor in model.receptors[name].items()
    }
    return {"neuron": numbers_of(model.neurons[name], "", n, arrays, problems, where), "receptors": ports}


def _root(file: Any) -> None:
    file.attrs["magic"] = np.uint32(MAGIC)
    file.attrs["version"] = np.array(VERSION, np.uint32)


def _write_nodes(
    base: Path, i: int, model: Model, name: str, outside: bool, table: dict[str, Any], columns: dict[str, np.ndarray]
) -> dict[str, Any]:
    """The file of a population and of its type. **Returns:** its entry in the configuration."""
    n, sites = model.populations[name].size, model.coordinates(name)

    def fill(file: Any) -> None:
        _root(file)
        group = file.create_group("nodes").create_group(name)
        group["node_id"] = np.arange(n, dtype=np.uint64)
        group["node_type_id"] = np.full(n, i, np.int64)
        group["node_group_id"] = np.zeros(n, np.int32)
        group["node_group_index"] = np.arange(n, dtype=np.uint64)
        inner = group.create_group("0")
        for axis, column in zip(AXES, () if sites is None else np.asarray(sites, np.float64).T):
            inner.create_dataset(axis, data=column)
        dynamics = inner.create_group("dynamics_params")
        for parameter, values in columns.items():
            dynamics.create_dataset(parameter, data=np.asarray(values, np.float64), fletcher32=True)

    write_hdf5(base / "network" / f"nodes_{i}.h5", fill)
    kind, template = ("virtual", "NULL") if outside else ("point_neuron", PREFIX + type(model.neurons[name]).__name__)
    _write_json(base / "components" / f"neurons_{i}.json", table)
    _write_csv(
        base / "network" / f"node_types_{i}.csv",
        {"node_type_id": i, "population": name, "model_type": kind, "model_template": template, "dynamics_params": f"neurons_{i}.json"},
    )
    files = {"nodes_file": f"$NETWORK_DIR/nodes_{i}.h5", "node_types_file": f"$NETWORK_DIR/node_types_{i}.csv"}
    return files | {"populations": {name: {"type": kind}}}


def _write_csv(path: Path, row: dict[str, Any]) -> None:
    cells = [f'"{each}"' if " " in str(each) else str(each) for each in row.values()]
    write_whole(path, lambda file: file.write(f"{' '.join(row)}\n{' '.join(cells)}\n".encode()))


def _write_edges(base: Path, i: int, model: Model, name: str) -> dict[str, Any]:
    """The file of a projection and of its type. **Returns:** its entry in the configuration."""
    span, edges = model.layout.projections_by_name[name], model.edges(name)
    unit = model.receptors[span.post.population][span.port].weight_unit
    ends = {"source": (edges.pre, span.pre.population), "target": (edges.post, span.post.population)}

    def fill(file: Any) -> None:
        _root(file)
        group = file.create_group("edges").create_group(name)
        packed = {"fletcher32": True} if len(edges) else {}
        for end, (ids, population) in ends.items():
            column = group.create_dataset(f"{end}_node_id", data=np.asarray(ids, np.uint64), **packed)
            column.attrs["node_population"] = np.bytes_(population.encode())
        group.create_dataset("edge_type_id", data=np.full(len(edges), i, np.int64), **packed)
        group.create_dataset("edge_group_id", data=np.zeros(len(edges), np.int32), **packed)
        group.create_dataset("edge_group_index", data=np.arange(len(edges), dtype=np.uint64), **packed)
        inner = group.create_group("0")
        for column_name, values, text in (
            ("syn_weight", edges.weight.to_decimal(unit), str(unit)),
            ("delay", edges.delay.to_decimal(u.ms), "ms"),
        ):
            column = inner.create_dataset(column_name, data=np.asarray(values, np.float64), **packed)
            column.attrs["units"] = np.bytes_(text)
        for index, (end, other) in {"source_to_target": ("source", "pre"), "target_to_source": ("target", "post")}.items():
            _write_index(group.require_group("indices").create_group(index), getattr(edges, other), model.populations[ends[end][1]].size)

    write_hdf5(base / "network" / f"edges_{i}.h5", fill)
    _write_csv(
        base / "network" / f"edge_types_{i}.csv",
        {"edge_type_id": i, "population": name, "model_template": "static_synapse", "receptor": span.port, "weight_unit": str(unit).replace(" ", "")},
    )
    files = {"edges_file": f"$NETWORK_DIR/edges_{i}.h5", "edge_types_file": f"$NETWORK_DIR/edge_types_{i}.csv"}
    return files | {"populations": {name: {"type": "chemical"}}}


def _write_index(group: Any, ids: np.ndarray, n: int) -> None:
    """Which edges a neuron has: for each the rows of `range_to_edge_id`, each of them a range of edges."""
    ids = np.asarray(ids, np.int64)
    begin = np.flatnonzero(np.diff(ids, prepend=-1)) if len(ids) else np.zeros(0, np.int64)
    end = np.append(begin[1:], len(ids))[: len(begin)]
    order = np.argsort(ids[begin], kind="stable")
    bounds = np.searchsorted(ids[begin][order], np.arange(n + 1))
    group["node_id_to_ranges"] = np.stack([bounds[:-1], bounds[1:]], axis=1).astype(np.uint64)
    group["range_to_edge_id"] = np.stack([begin[order], end[order]], axis=1).astype(np.uint64)


def _simulation(base: Path, model: Model, run: Run | None) -> dict[str, Any]:
    """Spikes and reports of a run, and the configuration that names them."""
    begin, steps = (0, 1) if run is None else (run.start_step, run.n_steps)
    span = {"delay": 0.0, "duration": (begin + steps) * model.dt_ms}
    config: dict[str, Any] = {
        "network": "./circuit_config.json",
        "node_sets_file": "./node_sets.json",
        "run": {"dt": model.dt_ms, "tstart": begin * model.dt_ms, "tstop": span["duration"], "random_seed": model.build_seed % 2**31},
        "output": {"output_dir": "./output"},
        "inputs": {},
        "reports": {},
    }
    _write_json(base / "node_sets.json", {name: {"population": name} for name in model.populations})
    if run is None:
        return config
    recorded = recorded_spikes(run)
    config["output"]["spikes_file"] = "spikes.h5"  # not named where nothing ran, so that those of an earlier run are not taken for its own
    write_spikes(base / "output" / "spikes.h5", recorded.values())
    for i, name in enumerate(name for name in virtual(model) if name in recorded):
        file = f"./inputs/spikes_{i}.h5"
        write_spikes(base / file, [recorded[name]])
        config["inputs"][name] = {"input_type": "spikes", "module": "synapse_replay", "input_file": file, "spike_file": file, "node_set": name, **span}
    for i, record in enumerate(recorded_traces(run)):
        every = write_report(base / "output" / f"report_{i}.h5", record, model.dt_ms)
        config["reports"][record.name] = {
            **{"type": "compartment", "sections": "soma", "cells": record.population, "variable_name": record.variable, "unit": str(record.unit)},
            **{"file_name": f"report_{i}.h5", "dt": every, "start_time": begin * model.dt_ms, "end_time": span["duration"]},
        }
    return config
