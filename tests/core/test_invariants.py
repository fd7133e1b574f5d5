"""What has to hold for any network, tried on many: equalities are bit by bit unless a line says otherwise.

Sizes come from a small fixed set, so that few programs are compiled; everything else is drawn.
"""

import functools
import hashlib
import os
import subprocess
import sys

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core import plain
from core.networks import KEY, lif, ring, same, same_spikes, words
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro4d as n4


def some_potentials(state, spikes):
    return state["cells", "v"][:3] + spikes["cells"][:3]


ALL = (
    n4.Spikes(),
    n4.Trace("cells", "v"),
    n4.Trace("cells", "exc.i", every=0.7 * u.ms, ids=[3, 1]),
    n4.Counts(),
    n4.Window(length=0.9 * u.ms),
    n4.Counts(every=0.7 * u.ms, name="bins"),
    n4.Events(every=1.1 * u.ms),
    n4.Record(some_potentials, every=1.3 * u.ms),
)
SEEDS = st.integers(0, 2**64 - 1)
RING = ring()
DURATION = 20 * u.ms


def state(model=RING, seed=0, **start):
    return model.init(jr.key(seed), **start)


COMPILED: list[str] = []


def _hear(event, duration, **details):
    if event.endswith("backend_compile_duration"):
        COMPILED.append(event)


jax.monitoring.register_event_duration_secs_listener(_hear)


@functools.cache
def ran():
    """The run that others have to equal. Not made while tests are collected, which every process does."""
    return n4.simulate(RING, state(), DURATION, chunk=200)


def test_the_network_is_worth_testing():
    assert words(ran())["cells"].shape == (200, 2)
    assert 40 < ran().counts("cells").sum() < 2000
    assert (ran().counts("cells") > 0).mean() > 0.5


@pytest.fixture(scope="module")
def whole():
    """All recorders in one chunk."""
    return n4.simulate(RING, state(), DURATION, ALL, chunk=200)


@pytest.mark.parametrize("chunk", [1, 7, pytest.param(100, marks=pytest.mark.full)])
def test_chunks(chunk, whole):
    # I01
    run = n4.simulate(RING, state(), DURATION, ALL, chunk=chunk)
    assert same_spikes(run, ran()) and same(run.state, ran().state)
    for name in ("cells.v", "cells.exc.i"):
        a, b = run.records[name], whole.records[name]
        assert (a.values == b.values).all() and (a.steps == b.steps).all()
    assert (run.counts("cells") == ran().counts("cells")).all()
    assert (run.records["bins"].counts["cells"] == whole.records["bins"].counts["cells"]).all()
    assert (run.events("e").values == whole.events("e").values).all() and whole.events("e").values.sum() > 100
    assert (run.records["record"].values == whole.records["record"].values).all()
    assert (run.records["window"].words["cells"] == words(ran())["cells"][-9:]).all()
    assert run.records["window"].dropped == ran().counts("cells").sum() - np.bitwise_count(words(ran())["cells"][-9:]).sum()


@given(st.lists(st.integers(0, 90), min_size=1, max_size=6))
def test_any_split(pieces):
    # I01, with runs that continue each other; a length of 0 changes nothing.
    left, at, rows, traces = 200, state(), [], []
    for piece in [*pieces, 200]:
        n = min(piece, left)
        left -= n
        run = n4.simulate(RING, at, n * 0.1 * u.ms, ALL[:2], chunk=200)
        rows.append(words(run)["cells"]), traces.append(run.records["cells.v"])
        at = run.state
    assert (np.concatenate(rows) == words(ran())["cells"]).all() and same(at, ran().state)
    whole = n4.simulate(RING, state(), DURATION, ALL[:2], chunk=200).records["cells.v"]
    assert (np.concatenate([t.values for t in traces]) == whole.values).all()
    assert (np.concatenate([t.steps for t in traces]) == whole.steps).all()


@given(st.integers(0, 500), st.integers(1, 60))
def test_traces_count_from_the_start_of_their_run(before, steps):
    # A run that continues another samples its own intervals, and its window holds its own last steps.
    first = n4.simulate(RING, state(), before * 0.1 * u.ms, chunk=512)
    recorders = (n4.Spikes(), n4.Trace("cells", "v"), n4.Trace("cells", "v", every=0.4 * u.ms, name="some"), n4.Window(length=0.9 * u.ms))
    run = n4.simulate(RING, first.state, (steps + 4) * 0.1 * u.ms, recorders, chunk=64)
    every, some = run.records["cells.v"], run.records["some"]
    assert (some.values == every.values[3::4]).all() and (some.steps == every.steps[3::4]).all()
    assert some.steps[0] == before + 3
    kept = run.records["window"].words["cells"]
    assert (kept == words(run)["cells"][-9:]).all()


@pytest.mark.parametrize("lanes", [1, pytest.param(2, marks=pytest.mark.full), 7])
def test_lanes(lanes):
    """I02: a lane is the single run with its key; lanes differ from each other. Two are left to `pytest -m full tests/core`."""
    keys = jr.split(jr.key(5), 7)[:lanes]
    runs = n4.batch(RING, keys, DURATION, chunk=200)
    for key, lane in zip(keys, runs, strict=True):
        single = n4.simulate(RING, RING.init(key), DURATION, chunk=200)
        assert same_spikes(lane, single) and same(lane.state, single.state)
    assert len({words(run)["cells"].tobytes() for run in runs}) == lanes


def test_lanes_of_different_models():
    # I02 for a sweep, for weights and for connectivity.
    runs = n4.sweep(RING, lambda m: m.neurons["cells"].v_th, np.array([-50.0, -48.0, -46.0]) * u.mV, DURATION, start=KEY, chunk=200)
    for run, threshold in zip(runs, (-50, -48, -46), strict=True):
        changed = n4.set(RING, lambda m: m.neurons["cells"].v_th, threshold * u.mV)
        assert same_spikes(run, n4.simulate(changed, state(changed), DURATION, chunk=200))
    models = [ring(seed=seed) for seed in range(3)]
    for run, model in zip(n4.batch(models, jr.split(KEY, 3), DURATION, chunk=200), models, strict=True):
        lane = [m is model for m in models].index(True)
        assert same_spikes(run, n4.simulate(model, model.init(jr.split(KEY, 3)[lane]), DURATION, chunk=200))


@pytest.mark.parametrize("record", [(), ALL[1:3], ALL, (n4.Window(length=100 * u.ms), *ALL[:1])], ids=["none", "traces", "all", "window"])
def test_recorders_change_nothing(record, whole):
    # I03
    run = whole if record is ALL else n4.simulate(RING, state(), DURATION, record, chunk=200)
    assert same(run.state, ran().state)
    if any(isinstance(r, n4.Spikes) for r in record):
        assert same_spikes(run, ran())


@pytest.mark.parametrize("start", [10**7, 2**31 - 5, 2**32 - 300])
def test_start_changes_stamps_only(start):
    # I08
    run = n4.simulate(RING, state(start=start), DURATION, chunk=200)
    assert same_spikes(run, ran())
    a, b = run.spikes("cells"), ran().spikes("cells")
    assert (a.step == b.step + start).all() and (a.id == b.id).all()
    assert int(run.state.step) == start + 200


def test_repeated_and_in_another_process():
    # I19: the same call again, and in another process; what goes in is unchanged.
    before = jax.tree.map(np.array, (RING, state()))
    given_state = state()
    again = n4.simulate(RING, given_state, DURATION, chunk=200)
    assert same_spikes(again, ran()) and same(again.state, ran().state)
    assert same(before, jax.tree.map(np.asarray, (RING, given_state)))
    script = (
        "import hashlib, brainunit as u, jax.random as jr, neuro4d as n4\nfrom core.networks import ring, words\n"
        "model = ring()\nrun = n4.simulate(model, model.init(jr.key(0)), 20 * u.ms, chunk=7)\n"
        "print(hashlib.sha256(words(run)['cells'].tobytes()).hexdigest())"
    )
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.pathsep.join([folder, os.path.dirname(folder), os.environ.get("PYTHONPATH", "")])
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": path})
    assert out.stdout.split()[-1] == hashlib.sha256(words(ran())["cells"].tobytes()).hexdigest()


def test_one_compilation():
    # I20: new build seeds, weights, currents, keys, starts and a last chunk that is shorter trace nothing again.
    first = ring(seed=1)
    n4.simulate(first, state(first), DURATION, ALL, chunk=150)
    others = [ring(seed=seed, weight=(300 + seed) * u.pA, drive=(250 + seed) * u.pA) for seed in (2, 2**63)]
    starts = [state(model, seed=9, start=77) for model in others]
    shapes = [jax.tree.map(jnp.shape, model) for model in (first, *others)]
    assert all(jax.tree.structure(model) == jax.tree.structure(first) for model in others) and shapes.count(shapes[0]) == 3
    assert COMPILED  # the listener hears the compilations of this process
    COMPILED.clear()
    for model, start in zip(others, starts, strict=True):
        n4.simulate(model, start, 37 * u.ms, ALL, chunk=150)
    assert COMPILED == []


def test_one_trace_of_step():
    traces = []

    @jax.jit
    def step(model, state):
        traces.append(1)
        return model.step(state)

    for seed in range(4):
        model = ring(seed=seed, weight=(300 + seed) * u.pA)
        at = model.init(jr.key(seed), start=seed)
        for _ in range(5):
            at, _ = step(model, at)
    assert len(traces) == 1


def counted(n, rule, seed, delay):
    """A network whose currents count the spikes that arrive."""
    cells = n4.Population("cells", n, lif(t_ref=0.5 * u.ms), {"exc": n4.ExpCurrent(tau=1 * u.ms), "count": n4.PulseCurrent()})
    edges = n4.Projection("e", cells, cells, "count", rule, weight=1 * u.pA, delay=delay)
    noise = n4.Poisson("noise", cells, "exc", rate=2000 * u.Hz, weight=400 * u.pA)
    return n4.Network(cells, edges, noise).build(dt=0.1 * u.ms, seed=seed)


@settings(max_examples=8)
@given(seed=SEEDS, rule=st.sampled_from([n4.FixedProb(0.3), n4.FixedInDegree(4), n4.FixedTotalNumber(90), n4.AllToAll(autapses=False)]))
def test_every_event_is_delivered_once(seed, rule):
    # I14, entry by entry: arrivals are spikes x edges, shifted by the delays; what is in flight at the end has not arrived.
    model = counted(33, rule, seed, n4.Uniform(0.1 * u.ms, 2 * u.ms))
    run = n4.simulate(model, state(model, seed % 1000), 12 * u.ms, (n4.Spikes(), n4.Trace("cells", "count.i")), chunk=120)
    table, edges = run.spikes("cells"), model.edges("e")
    raster = np.zeros((120, 33))
    raster[table.step, table.id] = 1
    delay = np.rint(np.asarray(edges.delay.to_decimal(u.ms)) / 0.1).astype(int)
    expected, flying = np.zeros((120, 33)), 0
    for pre, post, d in zip(edges.pre, edges.post, delay, strict=True):
        expected[d:, post] += raster[: 120 - d, pre]
        flying += raster[120 - d :, pre].sum()
    assert (run.records["cells.count.i"].values == expected).all()
    degree = np.bincount(edges.pre, minlength=33)
    assert expected.sum() == raster.sum(axis=0) @ degree - flying > 100


# I09: against the simulator in plain.py -----------------------------------------------------------------------------------


EDGES = {"exp": 20, "jump": 15, "g": 15}
LONGEST = 8


@st.composite
def circuits(draw, n):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cells = {
        "tau": random.uniform(2, 30, n),
        "c": random.uniform(50, 400, n),
        "rest": random.uniform(-70, -60, n),
        "th": random.uniform(-58, -50, n),
        "reset": random.uniform(-75, -60, n),
        "t_ref": 0.1 * random.integers(0, 30, n),
        "v0": random.uniform(-75, -50, n),
        "clamp": random.uniform(-50, 400, n),
    }
    scales = {"exp": 600.0, "jump": 6.0, "g": 20.0}
    synapses = []
    for kind, edges in EDGES.items():
        delay = random.integers(1, LONGEST + 1, edges)
        delay[:2] = 1, LONGEST  # the whole range, so that shapes are equal
        weight = random.uniform(0 if kind == "g" else -0.4, 1, edges) * scales[kind]
        # Spiked with edges of equal ends, which have to add up.
        pre, post = random.integers(0, n, edges), random.integers(0, n, edges)
        pre[-2:], post[-2:] = pre[0], post[0]
        tau = draw(st.sampled_from([0.3, 2.0, 5.0]))
        synapses.append({"kind": kind, "tau": tau, "e_rev": 0.0, "pre": pre, "post": post, "weight": weight, "delay": delay})
    times = np.sort(random.choice(np.arange(1, 300), 12, replace=False))
    return cells, synapses, (times, random.integers(0, n, 12), random.uniform(100, 2000, 12))


def built(circuit, n, **how):
    cells, synapses, (times, ids, weights) = circuit
    tau = {port["kind"]: np.full(n, port["tau"]) * u.ms for port in synapses}
    neuron = n4.LIF(
        tau=cells["tau"] * u.ms,
        c=cells["c"] * u.pF,
        v_rest=cells["rest"] * u.mV,
        v_th=cells["th"] * u.mV,
        v_reset=cells["reset"] * u.mV,
        t_ref=cells["t_ref"] * u.ms,
    )
    ports = {"exp": n4.ExpCurrent(tau=tau["exp"]), "jump": n4.Delta(), "g": n4.ExpConductance(tau=tau["g"], e_rev=0 * u.mV)}
    population = n4.Population("cells", n, neuron, ports, v0=cells["v0"] * u.mV)
    units = {"exp": u.pA, "jump": u.mV, "g": u.nS}
    edges = [
        n4.Projection(
            port["kind"],
            population,
            population,
            port["kind"],
            n4.EdgeList(port["pre"], port["post"]),
            weight=port["weight"] * units[port["kind"]],
            delay=port["delay"] * 0.1 * u.ms,
        )
        for port in synapses
    ]
    clamp = n4.Clamp("drive", population, cells["clamp"] * u.pA)
    spikes = n4.SpikeTimes("given", population, "exp", times=times * 0.1 * u.ms, ids=ids, weight=weights * u.pA)
    return n4.Network(population, *edges, clamp, spikes).build(dt=0.1 * u.ms, seed=0, **how)


@pytest.mark.parametrize("n, backend", [(1, "AUTO"), pytest.param(7, "REFERENCE", marks=pytest.mark.full), (33, "REFERENCE"), (33, "AUTO")])
@given(data=st.data())
@settings(max_examples=10)
def test_equal_to_the_plain_simulator(n, backend, data):
    circuit = data.draw(circuits(n))
    cells, synapses, (times, ids, weights) = circuit
    arrivals = np.zeros((300, n))
    arrivals[times - 1, ids] += weights
    spikes, potentials = plain.simulate(cells, synapses, arrivals, 300, 0.1)
    with jax.enable_x64(True):
        model = built(circuit, n, precision=jnp.float64, backend=getattr(n4.Backend, backend))
        run = n4.simulate(model, state(model), 30 * u.ms, (n4.Spikes(), n4.Trace("cells", "v")), chunk=300)
    table = run.spikes("cells")
    raster = np.zeros((300, n), bool)
    raster[table.step, table.id] = True
    assert (raster == spikes).all()
    np.testing.assert_allclose(run.records["cells.v"].values, potentials, rtol=0, atol=1e-8)
    # I24: below threshold after every step, and never two spikes within the refractory period.
    assert (potentials < cells["th"]).all() and (np.asarray(run.records["cells.v"].values) < cells["th"]).all()
    for neuron in range(n):
        gaps = np.diff(table.step[table.id == neuron])
        assert (gaps > np.rint(cells["t_ref"][neuron] / 0.1)).all()


def test_reference_backend_agrees_on_spikes():
    # Other kernels may round potentials differently; over 20 ms no spike moves.
    model = ring(backend=n4.Backend.REFERENCE)
    assert same_spikes(n4.simulate(model, state(model), DURATION, chunk=200), ran())
