"""What recorders keep equals what the spikes and the state say; a recorder of a user works wherever ours do."""

from typing import ClassVar

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import ring
from hypothesis import given
from hypothesis import strategies as st
from synthetic_run import Span, pack

import neuro4d as n4
from neuro4d.recorders import AbstractProbe, AbstractRecorder, Chunk, CountRecord, EventRecord, SpikeRecord, WindowRecord
from neuro4d.recorders._spikes import add_64, from_64

RING = ring()
DURATION = 20 * u.ms
KEY = jr.key(0)


def two_groups():
    """Two neuron models, of which one has two populations that share words; every projection has its own out-degrees."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    port = {"exc": n4.ExpCurrent(tau=5 * u.ms)}
    a, b = n4.Population("a", 37, lif, port, v0=n4.Uniform(-60 * u.mV, -50 * u.mV)), n4.Population("b", 20, lif, port)
    relay = n4.Population("relay", 5, n4.Relay(), {"in": n4.Delta()})
    return n4.Network(
        a,
        b,
        relay,
        n4.Projection("ab", a, b, "exc", n4.FixedProb(0.3), weight=200 * u.pA),
        n4.Projection("ba", b, a, "exc", n4.FixedTotalNumber(111), weight=100 * u.pA),
        n4.Projection("ra", relay, a[3:9], "exc", n4.FixedInDegree(2), weight=100 * u.pA),
        n4.Poisson("noise", relay, "in", rate=400 * u.Hz, weight=1 * u.mV),
        n4.Clamp("drive", a, 300 * u.pA),
    ).build(dt=0.1 * u.ms, seed=0)


@pytest.fixture(scope="module")
def two():
    return two_groups()


class SumProbe(AbstractProbe):
    """As a user would write it: the sum of the steps of all spikes, counted from 1."""

    population: str = eqx.field(static=True)
    carried: ClassVar = True

    def buffer(self, length, carry):
        return jnp.float32(0) if carry is None else carry

    def update(self, buffer, index, elapsed, state, spikes):
        return buffer + jnp.sum(jnp.where(spikes[self.population], elapsed + 1, 0).astype(jnp.float32))

    def record(self, chunks, start_step, n_steps):
        return float(chunks[-1].buffer), start_step, n_steps


class Sum(AbstractRecorder):
    population: str = eqx.field(static=True)
    name: str = eqx.field(static=True, default="sum")

    def fit(self, model):
        return SumProbe(model.populations[self.population].name)


@pytest.mark.slow
def test_a_recorder_of_a_user_works_everywhere():
    expected = float((n4.simulate(RING, KEY, DURATION, chunk=200).spikes("cells").step + 1).sum())
    for chunk in (200, 7):
        run = n4.simulate(RING, KEY, DURATION, [Sum("cells"), n4.Spikes()], chunk=chunk)
        assert run.records["sum"] == (expected, 0, 200)
    keys = jr.split(KEY, 3)
    lanes = n4.batch(RING, keys, DURATION, [Sum("cells"), n4.Spikes()], chunk=64)
    for lane in lanes:
        assert lane.records["sum"][0] == (lane.spikes("cells").step + 1).sum()
    assert len({lane.records["sum"] for lane in lanes}) == 3
    where, values = lambda m: m.neurons["cells"].v_th, np.array([-50.0, -47.0]) * u.mV
    swept = n4.sweep(RING, where, values, DURATION, Sum("cells"), start=KEY, chunk=200)
    assert swept[0].records["sum"][0] == expected != swept[1].records["sum"][0]


def sampled(state, spikes):
    return {"v": state["cells", "v"][:3], "fired": jnp.sum(spikes["cells"])}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("every", "chunk"), [(None, 200), (0.7 * u.ms, 5), (15 * u.ms, 100), pytest.param(0.7 * u.ms, 200, marks=pytest.mark.full)]
)
def test_a_function_is_sampled(every, chunk):
    """Each step, and at intervals longer than a chunk; several in a chunk are left to `pytest -m full tests/recorders`."""
    step = 1 if every is None else round(float(every.to_decimal(u.ms)) / 0.1)
    recorders = [n4.Record(sampled, every=every), n4.Trace("cells", "v", ids=[0, 1, 2]), n4.Spikes()]
    for run in (n4.simulate(RING, KEY, DURATION, recorders, chunk=chunk), n4.batch(RING, KEY[None], DURATION, recorders, chunk=chunk)[0]):
        kept, v = run.records["record"], run.records["cells.v"]
        assert (kept.steps == np.arange(step - 1, 200 // step * step, step)).all()
        assert (kept.values["v"] == v.values[kept.steps]).all()
        assert (kept.values["fired"] == run.spikes("cells").dense()[kept.steps].sum(axis=1)).all()


def test_a_function_says_early_what_is_wrong():
    with pytest.raises(TypeError, match="function of"):
        n4.Record("v")
    with pytest.raises(KeyError, match="no population named 'cell'"):
        n4.simulate(RING, KEY, DURATION, n4.Record(lambda state, spikes: state["cell", "v"]))
    with pytest.raises(ValueError, match=r"every = 30.*longer than the run of 20"):
        n4.simulate(RING, KEY, DURATION, n4.Record(sampled, every=30 * u.ms))


LOOKS = [(3 * u.ms, 2 * u.ms), (15 * u.ms, 0.7 * u.ms), (15 * u.ms, None)]


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [100, 200, 64])
@pytest.mark.parametrize("looks", LOOKS)
def test_native_calls_end_where_somebody_looks(looks, chunk):
    # Intervals that do not divide each other, and one longer than a chunk.
    model = native()
    whole = n4.simulate(model, KEY, DURATION, [n4.Trace("cells", "v"), n4.Spikes()], chunk=200)
    traces = [n4.Trace("cells", "v", every=every, name=f"{number}") for number, every in enumerate(looks) if every is not None]
    run = n4.simulate(model, KEY, DURATION, [*traces, n4.Spikes()], chunk=chunk)
    assert (run.records["spikes"].words["cells"] == whole.records["spikes"].words["cells"]).all()
    for trace in traces:
        kept = run.records[trace.name]
        assert len(kept.steps) == int(20 / trace.every) and (kept.values == whole.records["cells.v"].values[kept.steps]).all()


def native():
    """A network whose steps are one native call."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    cells = n4.Population("cells", 40, lif, {"exc": n4.ExpCurrent(tau=5 * u.ms)}, v0=n4.Uniform(-60 * u.mV, -50 * u.mV))
    loop = n4.Projection("loop", cells, cells, "exc", n4.FixedProb(0.2), weight=100 * u.pA, delay=1 * u.ms)
    return n4.Network(cells, loop, n4.Clamp("drive", cells, 300 * u.pA)).build(dt=0.1 * u.ms, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [pytest.param(200, marks=pytest.mark.full), 7, pytest.param(33, marks=pytest.mark.full)])
def test_counts_in_bins(two, chunk):
    """Bins longer than a chunk; chunks that hold several bins are left to `pytest -m full tests/recorders`."""
    recorders = [n4.Spikes(), n4.Counts(every=1.5 * u.ms), n4.Counts("b", name="total")]
    for run in (n4.simulate(two, KEY, DURATION, recorders, chunk=chunk), n4.batch(two, KEY[None], DURATION, recorders, chunk=chunk)[0]):
        bins = 200 // 15
        for name in ("a", "b", "relay"):
            dense = run.spikes(name).dense()
            kept = run.counts_over_time(name)
            assert (kept.values == dense[: bins * 15].reshape(bins, 15, -1).sum(axis=1)).all()
            np.testing.assert_allclose(kept.times.to_decimal(u.ms), (np.arange(bins) + 1) * 1.5)
        assert list(run.records["total"].counts) == ["b"]
        assert (run.records["total"].totals("b") == run.spikes("b").counts()).all()
        assert run.spikes("a").counts().sum() > 50


def test_counts_in_bins_give_rates_of_whole_bins(two):
    run = n4.simulate(two, KEY, DURATION, n4.Counts(every=1.5 * u.ms))
    spikes = n4.simulate(two, KEY, DURATION).spikes("a").between(0 * u.ms, 19.5 * u.ms)
    assert run.rate("a") == n4.analysis.rate(spikes)
    assert (run.counts("a") == spikes.counts()).all()


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [200, 9])
def test_events_are_spikes_times_synapses(two, chunk):
    recorders = [n4.Spikes(), n4.Events(every=1.5 * u.ms), n4.Events("ba", name="total")]
    for run in (n4.simulate(two, KEY, DURATION, recorders, chunk=chunk), n4.batch(two, KEY[None], DURATION, recorders, chunk=chunk)[0]):
        for name, source in (("ab", "a"), ("ba", "b"), ("ra", "relay")):
            degree = np.bincount(two.edges(name).pre, minlength=two.populations[source].size)
            each = run.spikes(source).dense() @ degree
            times, values = run.events(name)
            assert values.dtype == np.int64 and (values == each[:195].reshape(13, 15).sum(axis=1)).all()
            assert times[0] == 1.5 * u.ms
        assert list(run.events()) == ["ab", "ba", "ra"]
        total = run.records["total"]
        assert total.events["ba"].tolist() == [int(run.spikes("b").counts() @ two.fan_out("ba"))]
        assert run.events("ab").values.sum() > 100


@pytest.mark.slow
def test_events_of_lanes_with_other_synapses():
    models = [ring(seed=seed) for seed in range(2)]
    runs = n4.batch(models, jr.split(KEY, 2), DURATION, [n4.Spikes(), n4.Events()])
    for model, run in zip(models, runs, strict=True):
        expected = sum(run.spikes("cells").counts() @ model.fan_out(name) for name in model.projections)
        assert sum(int(each.values.sum()) for each in run.events().values()) == expected > 0


def test_sums_beyond_32_bits_are_exact():
    total = jnp.zeros((2, 2), jnp.uint32)
    for _ in range(5):
        total = add_64(total, jnp.array([2**32 - 1, 3], jnp.uint32))
    assert from_64(np.asarray(total)).tolist() == [5 * (2**32 - 1), 15]


@given(st.integers(0, 70), st.integers(0, 100), st.integers(0, 70), st.integers(0, 2**32 - 1))
def test_words_of_a_population(before, n, after, seed):
    dense = np.random.default_rng(seed).random((7, before + n + after)) < 0.5
    whole = pack(dense)
    kept = whole.copy()
    record = SpikeRecord({"g": whole}, (Span("p", "g", before, n),))
    assert (record.words["p"] == pack(dense[:, before : before + n])).all()
    assert record.words["p"].shape == (7, -(-n // 32)) and (whole == kept).all()
    with pytest.raises(KeyError, match="no recorded population named 'q'"):
        record.words["q"]


def test_records_know_populations_and_no_groups(two):
    run = n4.simulate(two, KEY, DURATION, [n4.Spikes("b"), n4.Window("a", length=2 * u.ms), n4.Counts("relay")])
    spikes, window, counts = (run.records[name] for name in ("spikes", "window", "counts"))
    assert list(spikes.words) == ["b"] and list(window.words) == ["a"] and list(counts.counts) == ["relay"]
    assert window.words["a"].shape == (20, 2) and spikes.words["b"].shape == (200, 1)
    assert len(run.spikes("b")) and run.spikes("a").n_steps == 20
    with pytest.raises(ValueError, match=r"spikes of 'relay' were not recorded. Recorded populations: a, b"):
        run.spikes("relay")
    assert run.summary().populations[2].cv_neurons == 0 and run.rate("relay") > 0 * u.Hz
    with pytest.raises(KeyError, match="Did you mean 'relay'"):
        n4.simulate(two, KEY, DURATION, n4.Counts("rely"))


def test_a_window_has_a_length_in_time():
    run = n4.simulate(RING, KEY, DURATION, [n4.Spikes(), n4.Window(length=3 * u.ms)], chunk=64)
    assert (run.records["window"].words["cells"] == run.records["spikes"].words["cells"][-30:]).all()
    with pytest.warns(DeprecationWarning, match=r"n4.Window\(length=30\*model.dt\)") as heard:
        old = n4.Window(steps=30)
    assert heard[0].filename == __file__
    again = n4.simulate(RING, KEY, DURATION, old).records["window"]
    assert (again.words["cells"] == run.records["window"].words["cells"]).all() and again.dropped == run.records["window"].dropped
    for bad, kind, message in (
        ({"length": 0 * u.ms}, ValueError, "more than 0 ms"),
        ({"length": 3}, n4.UnitError, r"Window\.length"),
        ({"length": 3 * u.ms, "steps": 3}, ValueError, "not both"),
    ):
        with pytest.raises(kind, match=message):
            n4.Window(**bad)
    with pytest.raises(ValueError, match=r"Window\.length must be a multiple of dt"):
        n4.simulate(RING, KEY, DURATION, n4.Window(length=0.25 * u.ms))


def test_memory_of_bins_is_predicted():
    counts, events = n4.Counts(every=1 * u.ms).fit(RING), n4.Events(every=1 * u.ms).fit(RING)
    n = RING.populations["cells"].size
    device, host = counts.bytes(1000, 100)
    assert device == 11 * n and host >= 100 * 4 * n  # a bin of 10 steps holds 10 spikes at most: a byte
    assert n4.Counts(every=100 * u.ms).fit(RING).bytes(10_000, 1000)[0] == 2 * 2 * n  # one of 1,000 steps needs two
    assert events.bytes(1000, 100) == (device, host)
    assert n4.Counts().fit(RING).bytes(10**6, 100) == (4 * n, 4 * n)


def test_records_print_what_they_hold():
    assert repr(CountRecord({"a": np.ones((2, 3), int)}, 20, 10)) == "CountRecord(6 spikes in bins of 10 steps)"
    assert repr(EventRecord({"e": np.array([4])}, 20)) == "EventRecord(4 synaptic events)"
    assert "last 3 steps" in repr(WindowRecord({"g": np.zeros((3, 1), np.uint32)}, (), 1))
    run = n4.simulate(RING, KEY, DURATION, n4.Record(sampled))
    assert "SampleRecord('record', 200 samples)" in repr(run.records["record"])
    assert jax.tree.structure(run.records["record"].values).num_leaves == 2


def test_events_beyond_32_bits_are_exact():
    probe = n4.Events().fit(RING)
    buffer = {name: np.full(n, 2**31, np.uint32) for name, n in probe.groups}
    record = probe.record([Chunk(0, 5, buffer)], 0, 5)
    assert record.events["e"].tolist() == [2**31 * RING.n_synapses] and RING.n_synapses > 2
