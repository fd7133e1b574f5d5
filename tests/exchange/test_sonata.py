"""Folders of SONATA: a network that went out comes back number by number, spikes and traces too, and libsonata reads what is written."""

import json

import brainunit as u
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d._base import CorruptFileError, UnsafeFileError


def small(seed=0):
    """A lattice, inputs, three kinds of neurons with numbers of their own, distributions, per-edge delays and an empty projection."""
    rng = np.random.default_rng(seed)
    lif = n4.LIF(tau=n4.Normal(20 * u.ms, 2 * u.ms, low=5 * u.ms), c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)
    source = n4.Population("the source", 6, n4.Relay(), {"in": n4.Delta()})
    cells = n4.Population("cells", 8, lif, {"exc": n4.ExpCurrent(tau=5 * u.ms), "inh": n4.ExpConductance(tau=8 * u.ms, e_rev=-80 * u.mV)}, v0=np.linspace(-60, -52, 8) * u.mV)
    fast = n4.Population("fast", n4.Lattice((2, 1, 1, 2)).sample(density=1.0), n4.Izhikevich.preset("FS"), {"in": n4.PulseCurrent()})
    return n4.Network(
        source,
        cells,
        fast,
        n4.Projection("drive", source, cells, "exc", n4.FixedProb(0.7), weight=n4.Uniform(100 * u.pA, 300 * u.pA), delay=n4.Uniform(0.5 * u.ms, 2 * u.ms)),
        n4.Projection("loop", cells[2:], cells[:5], "inh", n4.FixedProb(0.5), weight=rng.uniform(1, 3) * u.nS, delay=1 * u.ms),
        n4.Projection("up", cells, fast, "in", n4.AllToAll(), weight=8 * u.pA),
        n4.Projection("none", cells, fast, "in", n4.EdgeList([], []), weight=1 * u.pA, delay=1 * u.ms),
        n4.Clamp("hold", cells[1:7:2], 150 * u.pA),
        n4.Poisson("noise", source, "in", rate=200 * u.Hz, weight=1 * u.mV),
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run of that network, and its folder."""
    model = small().build(dt=0.5 * u.ms, seed=4)
    run = n4.simulate(model, jr.key(2), 100 * u.ms, (n4.Spikes(), n4.Trace("cells", "v", every=1 * u.ms, name="v")), progress=False)
    folder = tmp_path_factory.mktemp("sonata")
    n4.io.save_sonata(folder, run)
    return run, folder


def same(a, b):
    """Every number of two models that spikes depend on."""
    assert list(a.populations) == list(b.populations) and a.projections == b.projections
    for name in a.projections:
        x, y = a.edges(name), b.edges(name)
        assert np.array_equal(x.pre, y.pre) and np.array_equal(x.post, y.post), name
        assert np.array_equal(x.weight.mantissa, y.weight.mantissa) and np.array_equal(x.delay.mantissa, y.delay.mantissa), name
    for name in a.populations:
        parts = [(a.neurons[name], b.neurons[name]), *((each, b.receptors[name][port]) for port, each in a.receptors[name].items())]
        for x, y in parts:
            assert type(x) is type(y)
            for field in x.__dataclass_fields__:
                assert np.array_equal(getattr(x, field), getattr(y, field)), (name, field)


def test_what_went_out_comes_back_and_makes_the_same_spikes(saved):
    run, folder = saved
    back = n4.io.load_sonata(folder)
    assert back.inputs == ("the source",)
    model = back.network.build(dt=back.dt, seed=9)
    same(run.model, model)
    again = n4.simulate(model, jr.key(5), 100 * u.ms, n4.Spikes(), progress=False)
    for name in run.populations:
        there, here = again.spikes(name), run.spikes(name)
        assert len(here) > 20 and np.array_equal(here.step, there.step) and np.array_equal(here.id, there.id), name
        found = back.spikes[name]
        assert np.array_equal(found.step, here.step) and np.array_equal(found.id, here.id) and found.n_steps == 200
    trace, found = run.trace_record("v"), back.traces["v"]
    assert np.array_equal(found.values, trace.values) and np.array_equal(found.steps, trace.steps) and found.unit == u.mV


@pytest.mark.oracle("libsonata")
def test_libsonata_reads_what_is_written(saved):
    libsonata = pytest.importorskip("libsonata", reason="the reader of SONATA files, LGPL: tests only")
    run, folder = saved
    circuit = libsonata.CircuitConfig.from_file(str(folder / "circuit_config.json"))
    assert circuit.node_populations == {"the source", "cells", "fast"} and circuit.edge_populations == {"drive", "loop", "up", "none"}
    nodes = circuit.node_population("cells")
    assert nodes.size == 8 and nodes.dynamics_attribute_names >= {"tau", "I_e", "init.v"}
    everyone = libsonata.Selection([(0, 8)])
    assert np.array_equal(nodes.get_dynamics_attribute("tau", everyone), np.asarray(run.model.neurons["cells"].tau, np.float64))
    assert nodes.get_dynamics_attribute("I_e", everyone).tolist() == [0, 150, 0, 150, 0, 150, 0, 0]
    sites = np.stack([circuit.node_population("fast").get_attribute(axis, libsonata.Selection([(0, 4)])) for axis in "xyzw"], axis=1)
    assert np.array_equal(sites, run.model.coordinates("fast"))
    for name in ("drive", "loop", "up"):
        there, here = circuit.edge_population(name), run.model.edges(name)
        span = run.model.layout.projections_by_name[name]
        assert (there.source, there.target, there.size) == (span.pre.population, span.post.population, len(here))
        every = libsonata.Selection([(0, len(here))])
        assert np.array_equal(there.source_nodes(every), here.pre) and np.array_equal(there.target_nodes(every), here.post)
        assert np.array_equal(there.get_attribute("syn_weight", every), np.asarray(here.weight.mantissa, np.float64))
        for node in range(8):  # the two indices
            assert sorted(there.efferent_edges([node]).flatten().tolist() if node < run.model.populations[span.pre.population].size else []) == np.flatnonzero(here.pre == node).tolist()
            if node < run.model.populations[span.post.population].size:
                assert sorted(there.afferent_edges([node]).flatten().tolist()) == np.flatnonzero(here.post == node).tolist()
    spikes = libsonata.SpikeReader(str(folder / "output" / "spikes.h5"))
    for name in run.populations:
        found, table = np.array(spikes[name].get(), float).reshape(-1, 2), run.spikes(name)
        assert spikes[name].sorting == "by_time"
        assert np.array_equal(found[:, 0], table.ids) and np.array_equal(found[:, 1], table.times.mantissa)
    report = libsonata.ElementReportReader(str(folder / "output" / "report_0.h5"))["cells"]
    frame, trace = report.get(), run.trace("v")
    assert report.times == (1.0, 101.0, 1.0) or np.allclose(report.times, (float(trace.times.mantissa[0]), float(trace.times.mantissa[0]) + len(trace.times), 1.0))
    assert report.data_units == "mV" and np.array_equal(frame.data, np.asarray(trace.values.mantissa, np.float32)) and np.allclose(frame.times, trace.times.mantissa)
    simulation = libsonata.SimulationConfig.from_file(str(folder / "simulation_config.json"))
    assert simulation.run.dt == 0.5 and simulation.run.tstop == 100


def nest_folder(folder, weights=(40.0, -60.0, 30.0), template="nest:iaf_psc_exp"):
    """A folder as other programs write it: one file for all nodes, types with rows, weights of types, several synapses of an edge."""
    h5py = pytest.importorskip("h5py")
    (folder / "net").mkdir()
    with h5py.File(folder / "net" / "nodes.h5", "w") as file:
        for name, kinds in (("ext", [7, 7]), ("net", [1, 2, 1])):
            group = file.create_group(f"nodes/{name}")
            group["node_type_id"], group["node_id"] = np.array(kinds), np.arange(len(kinds))
            group["node_group_id"], group["node_group_index"] = np.zeros(len(kinds), int), np.arange(len(kinds))
            group.create_group("0")
    with h5py.File(folder / "net" / "edges.h5", "w") as file:
        group = file.create_group("edges/e")
        for end, ids, population in (("source", [0, 1, 1], "ext"), ("target", [0, 1, 2], "net")):
            group[f"{end}_node_id"] = np.array(ids, np.uint64)
            group[f"{end}_node_id"].attrs["node_population"] = population
        group["edge_type_id"], group["edge_group_index"] = np.array([5, 5, 6]), np.arange(3)
        group["0/syn_weight"], group["0/nsyns"] = np.array(weights), np.array([1, 2, 1])
    rows = f"node_type_id model_type model_template dynamics_params\n7 virtual NULL NULL\n1 point_neuron {template} a.json\n2 point_neuron {template} b.json\n"
    (folder / "net" / "types.csv").write_text(rows)
    (folder / "net" / "edge_types.csv").write_text("edge_type_id delay\n5 1.5\n6 2.0\n")
    (folder / "net" / "a.json").write_text(json.dumps({"tau_m": 12.0, "I_e": 10.0}))
    (folder / "net" / "b.json").write_text(json.dumps({"tau_m": 15.0, "tau_syn_in": 4.0}))
    entries = {"nodes": [{"nodes_file": "$N/nodes.h5", "node_types_file": "$N/types.csv"}], "edges": [{"edges_file": "$N/edges.h5", "edge_types_file": "$N/edge_types.csv"}]}
    config = {"manifest": {"$BASE": ".", "$N": "$BASE/net"}, "components": {"point_neuron_models_dir": "$N"}, "networks": entries}
    (folder / "circuit_config.json").write_text(json.dumps(config))


def test_folders_of_other_programs(tmp_path):
    nest_folder(tmp_path)
    found = n4.io.load_sonata(tmp_path, dt=0.5 * u.ms)
    model = found.network.build(found.dt)
    assert found.inputs == ("ext",) and list(model.populations) == ["ext", "net"]
    assert np.allclose(model.neurons["net"].tau, [12, 15, 12]) and np.allclose(model.neurons["net"].t_ref, 2) and np.allclose(model.receptors["net"]["in"].tau, [2, 4, 2])
    excitatory, inhibitory = (model.edges(name) for name in model.projections)
    assert excitatory.post.tolist() == [0, 2] and excitatory.weight.mantissa.tolist() == [40, 30] and excitatory.delay.mantissa.tolist() == [1.5, 2.0]
    assert inhibitory.post.tolist() == [1] and inhibitory.weight.mantissa.tolist() == [-120]
    assert [type(each).__name__ for each in found.network.stimuli] == ["Clamp"]


def test_what_a_folder_leaves_open_or_says_to_no_avail_is_listed(tmp_path):
    """Nothing is chosen, and nothing left out, in silence."""
    nest_folder(tmp_path)
    (tmp_path / "net" / "b.json").write_text(json.dumps({"tau_m": 15.0, "rho": 0.1}))
    with pytest.raises(n4.io.NotFromSONATAError, match="'nest:iaf_psc_exp' that are not read: rho"):
        n4.io.load_sonata(tmp_path, dt=0.5 * u.ms)
    two = {"exc": n4.ExpCurrent(tau=5 * u.ms), "inh": n4.ExpCurrent(tau=5 * u.ms)}
    cells = n4.Population("cells", 2, n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV), two)
    loop = n4.Projection("loop", cells, cells, "inh", n4.AllToAll(), weight=1 * u.pA, delay=1 * u.ms)
    folder = tmp_path / "ours"
    n4.io.save_sonata(folder, n4.Network(cells, loop).build(dt=0.5 * u.ms))
    types = folder / "network" / "edge_types_0.csv"
    good = types.read_text()
    types.write_text(good.replace("inh", "NULL"))
    with pytest.raises(n4.io.NotFromSONATAError, match="names no receptor, of exc, inh"):
        n4.io.load_sonata(folder)
    types.write_text(good)
    rows = folder / "network" / "node_types_0.csv"
    rows.write_text(rows.read_text() + rows.read_text().splitlines()[1].replace("0", "7", 1) + "\n")
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "network" / "nodes_0.h5", "r+") as file:
        file["nodes/cells/node_type_id"][1] = 7
    with pytest.raises(n4.io.NotFromSONATAError, match="2 types of the model 'neuro4d:LIF'"):
        n4.io.load_sonata(folder)


def test_a_report_of_several_populations_gives_a_trace_for_each(tmp_path):
    from neuro4d.io.exchange._sonata_records import read_report, write_report
    from neuro4d.recorders import TraceRecord

    h5py = pytest.importorskip("h5py")
    for name in "ab":
        write_report(tmp_path / f"{name}.h5", TraceRecord("v", name, "v", np.arange(2), np.arange(4), np.full((4, 2), ord(name), np.float32), u.mV), 0.5)
    with h5py.File(tmp_path / "a.h5", "r+") as file, h5py.File(tmp_path / "b.h5") as other:
        other.copy("report/b", file["report"])
        del file["report/b"].attrs["neuro4d.variable"]
    found = read_report(tmp_path / "a.h5", "v", "w", 0.5)
    assert [(each.name, each.population, each.variable, each.values[0, 0]) for each in found] == [("v a", "a", "v", 97), ("v b", "b", "w", 98)]


def test_all_that_sonata_does_not_have_is_listed(tmp_path):
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    a = n4.Population("a", 4, lif, {"in": n4.Delta()}, v0=n4.Normal(-60 * u.mV, 1 * u.mV))
    b = n4.Population("b", 4, lif, {"in": n4.Delta()}, alive=2)
    rule = n4.Hebbian(rate=0.1 * u.mV, low=0 * u.mV, high=1 * u.mV)
    net = n4.Network(
        *(a, b, n4.Clamp("wave", a, n4.AC(amplitude=10 * u.pA, frequency=10 * u.Hz)), n4.Poisson("noise", a, "in", rate=1 * u.Hz, weight=1 * u.mV)),
        n4.Projection("learns", a, a, "in", n4.AllToAll(), weight=0.5 * u.mV, delay=1 * u.ms, plasticity=rule),
        n4.GapJunctions("gap", a, a, n4.FixedProb(0.9, autapses=False), conductance=1 * u.nS),
    )
    model = net.build(dt=0.5 * u.ms, seed=0)
    with pytest.raises(n4.io.NotInSONATAError) as error:
        n4.io.save_sonata(tmp_path / "a", model)
    said = str(error.value)
    for text in ("gap junctions 'gap'", "'b': neurons that die", "'learns': plasticity", "'wave'", "Poisson input at 'a.in'", "the initial v is drawn"):
        assert text in said, text
    assert len(said.splitlines()) == 7 and not (tmp_path / "a").exists()
    plain = n4.Network(a).build(dt=0.5 * u.ms)
    n4.io.save_sonata(tmp_path / "b", plain, key=jr.key(3))
    back = n4.io.load_sonata(tmp_path / "b")
    assert np.array_equal(back.network.populations[0].initial["v"].values, np.asarray(plain.init(jr.key(3))["a", "v"], np.float64))
    with pytest.raises(TypeError, match="takes a model or a run"):
        n4.io.save_sonata(tmp_path, net)


def test_folders_that_lead_elsewhere_or_hold_something_else(tmp_path):
    nest_folder(tmp_path)
    with pytest.raises(ValueError, match=r"give it, for example `dt=0\.1"):
        n4.io.load_sonata(tmp_path)
    good = json.loads((tmp_path / "circuit_config.json").read_text())

    def refused(error, text, dt=0.5 * u.ms, **changes):
        (tmp_path / "circuit_config.json").write_text(json.dumps(good | changes))
        with pytest.raises(error, match=text):
            n4.io.load_sonata(tmp_path, dt=dt)

    for path in ("../x.h5", "/etc/passwd", "$N/../../x"):
        refused(UnsafeFileError, "leads out of the folder", networks={"nodes": [{"nodes_file": path}]})
    (tmp_path / "out").symlink_to("/etc")
    refused(UnsafeFileError, "leads out of the folder", networks={"nodes": [{"nodes_file": "out/passwd"}]})
    refused(CorruptFileError, "is a list of tables", networks={"nodes": 3})
    refused(CorruptFileError, "has no nodes", networks={})
    refused(CorruptFileError, "no HDF5 file", networks={"nodes": [{"nodes_file": "net/types.csv"}]})
    refused(CorruptFileError, "characters", manifest={"$N": "$N$N$N$N$N$N$N$N$N$N"})
    refused(FileNotFoundError, "no file", components={"point_neuron_models_dir": "none"})
    with pytest.raises(FileNotFoundError, match="circuit_config"):
        n4.io.load_sonata(tmp_path / "net")
    types = tmp_path / "net" / "types.csv"
    types.write_text(types.read_text().replace("nest:iaf_psc_exp", "nest:iaf_cond_exp"))
    refused(n4.io.NotFromSONATAError, "'nest:iaf_cond_exp'; read are")


@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_random_networks_come_back(tmp_path_factory, seed):
    folder = tmp_path_factory.mktemp("random")
    model = small(seed).build(dt=0.5 * u.ms, seed=seed)
    n4.io.save_sonata(folder, model)
    back = n4.io.load_sonata(folder, inputs=False)
    same(model, back.network.build(dt=back.dt))
