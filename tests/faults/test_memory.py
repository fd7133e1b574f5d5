"""Memory is predicted before it is asked for: at least what is measured, and at most 15 % more."""

import json
import os
import subprocess
import sys

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import lif
from faults.measured import RECORDS
from layer_rules import ROOT

import neuro4d as n4
from neuro4d._base import MemoryRow, MemoryTable, check_fits_memory
from neuro4d.network import _build as network_build
from neuro4d.network import _memory as network_memory
from neuro4d.recorders import SpikeRecord

N = 300
CELLS = n4.Population("cells", N, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms), "inh": n4.ExpCurrent(tau=5 * u.ms)})
REFERENCE = {"backend": n4.Backend.REFERENCE}
STDP = n4.STDP(w_max=10 * u.pA, a_plus=0.01, a_minus=0.0105, tau_plus=20 * u.ms, tau_minus=20 * u.ms)
CHANGES = n4.StructuralPlasticity(every=50 * u.ms, formation=n4.Formation(rate=0.02, full=20 * u.Hz), weight=1 * u.pA)


def net(*more, rule=n4.FixedOutDegree(50), port="exc", name="e", **values):
    return n4.Network(CELLS, n4.Projection(name, CELLS, CELLS, port, rule, **{"weight": 1 * u.pA, "delay": 1 * u.ms} | values), *more)


def two_kinds():
    many = n4.Population("many", 2 * N, lif(v_th=n4.Normal(-48 * u.mV, 1 * u.mV)), {"exc": n4.AlphaCurrent(tau=2 * u.ms)})
    back = n4.Projection("back", many, CELLS[:100], "inh", n4.FixedInDegree(20), weight=-2 * u.pA, delay=0.5 * u.ms)
    forth = n4.Projection("forth", CELLS, many, "exc", n4.FixedTotalNumber(5000), weight=n4.Uniform(1 * u.pA, 2 * u.pA))
    return n4.Network(CELLS, many, back, forth, n4.Poisson("noise", many, "exc", rate=np.full(2 * N, 500.0) * u.Hz, weight=1 * u.pA))


def on_a_sheet():
    cells = n4.Population("p", n4.Lattice((15, 15), spacing=50 * u.um).all(), lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    return n4.Network(cells, n4.Projection("near", cells, cells, "exc", n4.DistanceDecay(p0=0.5, scale=150 * u.um), weight=1 * u.pA))


NETWORKS = {
    "one weight": (net(), {}),
    "a weight per edge": (net(weight=n4.Normal(1 * u.pA, 0.1 * u.pA)), {}),
    "a weight per edge in half precision": (net(weight=n4.Normal(1 * u.pA, 0.1 * u.pA)), {"store_weights": jnp.float16}),
    "a delay per edge": (net(delay=n4.Uniform(0.5 * u.ms, 12 * u.ms)), {}),
    "many delays": (net(rule=n4.FixedProb(0.1), delay=n4.Uniform(0.1 * u.ms, 200 * u.ms)), {}),
    "few blocks": (net(rule=n4.FixedProb(0.2)), REFERENCE),
    "learns natively": (net(plasticity=STDP), {}),
    "learns in plain XLA": (net(plasticity=STDP), REFERENCE),
    "spikes with gradients": (net(), {"surrogate": n4.SuperSpike()}),
    "delays that are trained": (net(delay=n4.TrainableDelays(n4.Uniform(3 * u.ms, 9 * u.ms), low=1 * u.ms, high=20 * u.ms)), {}),
    "projections that overlap": (
        net(n4.Projection("f", CELLS, CELLS, "exc", n4.OneToOne(), weight=n4.Uniform(1 * u.pA, 2 * u.pA), delay=2 * u.ms)),
        {},
    ),
    "two ports, two weights": (net(n4.Projection("f", CELLS[:50], CELLS[50:100], "inh", n4.OneToOne(), weight=-3 * u.pA, delay=2 * u.ms)), {}),
    "two kinds of neurons": (two_kinds(), {}),
    "a rule by distance": (on_a_sheet(), {}),
    "a waveform": (net(n4.Clamp("wave", CELLS, n4.Waveform(np.ones((500, N)) * u.pA))), {}),
    "gap junctions": (net(n4.GapJunctions("gap", CELLS, rule=n4.FixedProb(0.1, autapses=False), conductance=0.1 * u.nS)), {}),
    "synapses that come and go": (net(rule=n4.FixedProb(0.1, autapses=False), structure=CHANGES, plasticity=STDP, slots=100), {}),
}


def array_bytes(tree):
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype"))


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_kept_of_a_network(name):
    network, how = NETWORKS[name]
    memory = network.memory(dt=0.1 * u.ms, **how)
    model = network.build(dt=0.1 * u.ms, **how)
    actual = array_bytes(model) + array_bytes(jax.eval_shape(model.init, jr.key(0)))
    assert 1.0 <= memory.kept / actual <= 1.15, f"{memory}\n{actual}"
    assert memory.peak >= memory.kept and memory.fits


def test_a_network_that_does_not_fit_is_refused_by_what_it_would_take(monkeypatch):
    network = net(plasticity=STDP)
    need = network.memory(dt=0.1 * u.ms).peak
    monkeypatch.setattr(network_memory, "available_bytes", lambda: need - 1)
    with pytest.raises(n4.MemoryBudgetError, match=rf"this network needs at least {need} bytes .*nothing was built; the largest parts: .*fewer neurons"):
        network.build(dt=0.1 * u.ms)
    monkeypatch.setattr(network_memory, "available_bytes", lambda: need)
    assert network.build(dt=0.1 * u.ms).n_synapses == N * 50


def test_edges_that_sizes_do_not_tell_are_weighed_before_they_are_sorted(monkeypatch):
    def nothing(members, spec):
        return network_memory.check_edges(members, spec, 1000)

    monkeypatch.setattr(network_build, "check_edges", nothing)
    with pytest.raises(n4.MemoryBudgetError, match=r"this network needs at least .*synapses of projection 'near'"):
        on_a_sheet().build(dt=0.1 * u.ms)


def test_a_table_says_what_takes_how_much():
    memory = MemoryTable("x", ("a", "b"), (MemoryRow("p", ("a",), 3 << 30), MemoryRow("q", ("a", "b"), 1 << 10)), 1 << 30)
    assert (memory.peak, memory.kept, memory.fits) == ((3 << 30) + 1024, 1024, False)
    lines = str(memory).splitlines()
    assert lines[0] == "x: 3.00 GiB at most, 1.00 GiB available" and lines[3].split() == ["p", "3.00", "GiB"]
    assert lines[-1].split() == ["sum", "3.00", "GiB", "1.0", "KiB"]


RECORDERS = {
    "nothing": lambda: [],
    "spikes": lambda: [n4.Spikes()],
    "a trace": lambda: [n4.Trace("cells", "v", every=0.5 * u.ms)],
    "counts": lambda: [n4.Counts()],
    "binned counts": lambda: [n4.Counts(every=1 * u.ms)],
    "a window": lambda: [n4.Window(length=20 * u.ms)],
    "a function": lambda: [n4.Record(lambda state, spikes: state["cells", "exc.i"] * 2, every=1 * u.ms)],
}


@pytest.fixture(scope="module")
def runs():
    """One run with all recorders: its model, and the arrays of every chunk and record by recorder."""
    model = net(n4.Clamp("push", CELLS, 400 * u.pA)).build(dt=0.1 * u.ms)
    every = [each for make in RECORDERS.values() for each in make()]
    named = {type(each).__name__ + str(getattr(each, "every", "") or ""): each for each in every}
    record = [n4.Counts(every=1 * u.ms, name="binned counts") if isinstance(each, n4.Counts) and each.every else each for each in named.values()]
    return model, n4.simulate(model, jr.key(0), 100 * u.ms, record, chunk=250)


@pytest.mark.parametrize("name", [name for name in RECORDERS if name != "nothing"])
def test_records_take_what_was_predicted(name, runs):
    model, run = runs
    (recorder,) = RECORDERS[name]()
    made = run.records["binned counts" if name == "binned counts" else recorder.name]
    memory = n4.run_memory(model, 100 * u.ms, recorder, chunk=250)
    parts = {row.what.split(": ")[-1]: row.bytes for row in memory.rows if row.what.startswith("record")}
    held = [getattr(made, field) for field in ("values", "packed", "counts") if getattr(made, field, None) is not None]
    actual = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(held))
    predicted = parts.get("joined", parts.get("made"))
    assert 1.0 <= predicted / actual <= 1.15, (parts, actual, type(made))
    assert isinstance(made, SpikeRecord) == (name == "spikes") or name == "a window"


def test_a_run_that_does_not_fit_says_what_to_do():
    model = net().build(dt=0.1 * u.ms)
    memory = n4.run_memory(model, 1e5 * u.second)
    assert memory.peak > 70e9 and "record 'spikes': joined" in str(memory)
    one, lanes = (sum(row.bytes for row in n4.run_memory(model, 1 * u.second, lanes=n).rows if "program" not in row.what) for n in (1, 8))
    assert 7.9 < lanes / one <= 8
    with pytest.raises(n4.MemoryBudgetError, match=r"this run needs about \d+ bytes .*record 'cells\.v' .*GiB.*every=.*Counts.*SpikesToDisk"):
        n4.simulate(model, jr.key(0), 3e6 * u.ms, n4.Trace("cells", "v"))


def test_what_a_file_announces_is_weighed():
    rows = [("a", (1000, 3), "float32", "mV"), ("b", (), "uint8"), ("c", (0, 7), "float64")]
    assert check_fits_memory(rows) == 12_001 and check_fits_memory(rows, copies=2) == 24_002
    with pytest.raises(n4.MemoryBudgetError, match=r"checkpoint x holds arrays of 12001 bytes .*12000|checkpoint x holds arrays of 12001 bytes"):
        check_fits_memory(rows, "checkpoint x", limit=12_000)
    for shape, dtype, says in (((-1,), "f4", "whole numbers"), ((1.0,), "f4", "whole numbers"), ((1,), "O", "plain"), ((1,), None, "plain"), ((1,), "no", "no such")):
        with pytest.raises(ValueError, match=says):
            check_fits_memory([("a", shape, dtype)])
    with pytest.raises(n4.MemoryBudgetError, match="PiB"):
        check_fits_memory([("a", (1 << 40, 1 << 40), "f8")])


CHILD = """
import json, sys, psutil
import brainunit as u, jax, jax.random as jr, neuro4d as n4
from faults.measured import CASES, peak, start
n4.simulate(CASES["warm"]().build(dt=0.1*u.ms), jr.key(0), 1*u.ms)
network = CASES[sys.argv[1]]()
memory = network.memory(dt=0.1*u.ms)
before = start()
model = network.build(dt=0.1*u.ms)
state = jax.block_until_ready(model.init(jr.key(0)))
built = peak() - before
before = start()
run = n4.run_memory(model, 500*u.ms, n4.Trace("cells", "v"))
n4.simulate(model, state, 500*u.ms, n4.Trace("cells", "v"), progress=False)
print(json.dumps([memory.peak, built, run.peak - run.rows[1].bytes, peak() - before]))
"""


RECORDING = """
import json, sys, tempfile
import brainunit as u, jax, jax.random as jr, neuro4d as n4
from faults.measured import CASES, RECORDS, many, peak, start
n4.simulate(CASES["warm"]().build(dt=0.1*u.ms), jr.key(0), 1*u.ms)
model = many().build(dt=0.1*u.ms)
state = jax.block_until_ready(model.init(jr.key(0)))
with tempfile.TemporaryDirectory() as folder:
    record = RECORDS[sys.argv[1]](folder)
    before = start()
    run = n4.run_memory(model, 600*u.ms, record)
    n4.simulate(model, state, 600*u.ms, record, progress=False)
    print(json.dumps([run.peak - run.rows[1].bytes, peak() - before]))
"""


def child(program, *arguments):
    """What a process of its own prints last."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=900, env=os.environ | {"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.full
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="the system does not say how much a process has held at most")
@pytest.mark.parametrize("name", ["one weight", "a weight per edge", "a delay per edge", "learns"])
def test_peak_of_a_process(name):
    """Gigabytes, in a process of its own: how much more it holds at most, beside what a compiled program takes."""
    network, built, run, ran = child(CHILD, name)
    assert 1.0 <= network / built <= 1.15, (network, built)
    assert 1.0 <= run / ran <= 1.15, (run, ran)


@pytest.mark.full
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="the system does not say how much a process has held at most")
@pytest.mark.parametrize("name", RECORDS)
def test_peak_of_a_record(name):
    """400,000 neurons and nothing between them: what is held is the record, and what it is made from. A process differs from the next by some megabytes."""
    run, ran = child(RECORDING, name)
    assert 0.97 <= run / ran <= 1.15, (run, ran)
