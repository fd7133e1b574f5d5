"""Runs as objects of Neo and files of NWB, read by those packages."""

import datetime

import brainunit as u
import jax.numpy as jnp
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.recorders import SpikeRecord, TraceRecord

STEPS, DT, START = 40, 0.5, 6


@pytest.fixture(scope="module")
def run():
    """A run that nobody simulated: two populations, one of them silent, and two traces."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    a, b = (n4.Population(name, n, lif, {"exc": n4.ExpCurrent(tau=5 * u.ms)}) for name, n in (("a", 5), ("b b", 3)))
    model = n4.Network(a, b).build(dt=DT * u.ms)
    words = np.zeros((STEPS, 1), np.uint32)
    fired = np.random.default_rng(0).random((STEPS, 5)) < 0.2
    fired[:, 2] = False
    span = {each.name: each for each in model.populations.values()}
    for i in range(5):
        words[:, 0] |= fired[:, i].astype(np.uint32) << np.uint32(span["a"].start + i)
    spikes = SpikeRecord({span["a"].group: words}, tuple(span.values()))
    values = np.random.default_rng(1).normal(size=(10, 2)).astype(np.float32)
    even = TraceRecord("v", "a", "v", np.array([0, 3]), START + 3 + 4 * np.arange(10), values, u.mV)
    odd = TraceRecord("i", "b b", "exc.i", np.array([1]), np.array([7, 9, 14]), values[:3, :1], u.pA)
    return n4.Run(model, None, DT, START, STEPS, {"spikes": spikes, "v": even, "i": odd})


@pytest.mark.oracle("neo")
def test_neo_has_trains_signals_and_groups_with_units(run):
    block = n4.io.to_neo(run)
    (segment,) = block.segments
    assert [(train.annotations["population"], train.annotations["id"]) for train in segment.spiketrains] == [*(("a", i) for i in range(5)), *(("b b", i) for i in range(3))]
    for i, train in enumerate(run.spikes("a").trains()):
        there = segment.spiketrains[i]
        assert there.units.dimensionality.string == "ms" and np.array_equal(there.magnitude, train.mantissa)
        assert (float(there.t_start), float(there.t_stop)) == (3.0, 23.0)
    signal, other = segment.analogsignals[0], segment.irregularlysampledsignals[0]
    assert signal.units.dimensionality.string == "mV" and np.array_equal(signal.magnitude, run.trace_record("v").values)
    assert np.allclose(signal.times.rescale("ms").magnitude, run.trace("v").times.mantissa)
    assert other.units.dimensionality.string == "pA" and np.allclose(other.times.rescale("ms").magnitude, [4.0, 5.0, 7.5])
    assert [(group.name, len(group.spiketrains)) for group in block.groups] == [("a", 5), ("b b", 3)]
    back = n4.io.from_neo(block)
    for name in ("a", "b b"):
        here, there = run.spikes(name), back[name]
        assert repr(here) == repr(there) and np.array_equal(here.step, there.step) and np.array_equal(here.id, there.id)


@pytest.mark.oracle("neo")
def test_trains_of_anybody_are_one_population_on_the_grid():
    import neo

    trains = [neo.SpikeTrain([0.001, 0.002], units="s", t_stop=1.0), neo.SpikeTrain([1.5], units="ms", t_stop=10.0)]
    found = n4.io.from_neo(trains, dt=0.5 * u.ms)["neurons"]
    assert found.step.tolist() == [1, 2, 3] and found.id.tolist() == [0, 1, 0] and found.n == 2
    with pytest.raises(ValueError, match=r"row 2 has 1\.5 ms"):
        n4.io.from_neo(trains, dt=1 * u.ms)
    with pytest.raises(ValueError, match=r"give it, for example `dt=0\.1"):
        n4.io.from_neo(trains)
    block = neo.Block()
    block.segments += [neo.Segment(), neo.Segment()]
    with pytest.raises(ValueError, match="2 segments"):
        n4.io.from_neo(block, dt=1 * u.ms)
    with pytest.raises(TypeError, match="takes a block"):
        n4.io.from_neo([1, 2])


@pytest.mark.oracle("pynwb")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_nwb_files_are_valid_and_hold_the_numbers_of_the_run(run, tmp_path):
    import pynwb

    path = tmp_path / "run.nwb"
    n4.io.to_nwb(run, path, "a test", datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
    assert not [each for each in pynwb.validate(path=str(path)) if each]
    assert [each.name for each in tmp_path.iterdir()] == ["run.nwb"]
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        rows = file.units.to_dataframe()
        assert rows["population"].tolist() == ["a"] * 5 + ["b b"] * 3 and rows["neuron"].tolist() == [*range(5), *range(3)]
        for i, train in enumerate([*run.spikes("a").trains(), *run.spikes("b b").trains()]):
            assert np.allclose(rows["spike_times"][i], train.mantissa * 1e-3, rtol=1e-15, atol=0) and np.allclose(rows["obs_intervals"][i], [[0.003, 0.023]])
        v, i = file.acquisition["v"], file.acquisition["i"]
        assert np.array_equal(v.data[:], run.trace_record("v").values) and (v.unit, v.conversion, v.starting_time, v.rate) == ("volts", 1e-3, 0.005, 500.0)
        assert (i.unit, i.conversion) == ("amperes", 1e-12) and np.allclose(i.timestamps[:], [0.004, 0.005, 0.0075])
    with pytest.raises(ValueError, match="has a time zone"):
        n4.io.to_nwb(run, path, start=datetime.datetime(2026, 1, 1))


@pytest.mark.oracle("neo")
def test_damaged_spikes_on_disk_are_an_error_and_not_left_out(run):
    class Damaged(n4.recorders.AbstractSpikeSource):
        populations = ("a",)

        def spikes(self, population):
            raise n4.CorruptFileError("a chunk is missing")

    with pytest.raises(n4.CorruptFileError, match="a chunk is missing"):
        n4.io.to_neo(n4.Run(run.model, None, DT, START, STEPS, {"spikes": Damaged(), "v": run.trace_record("v")}))


def test_runs_without_records_and_other_things_are_refused(run, tmp_path):
    empty = n4.Run(run.model, None, DT, 0, STEPS, {})
    for package, write in (("neo", n4.io.to_neo), ("pynwb", lambda x: n4.io.to_nwb(x, tmp_path / "a.nwb"))):
        pytest.importorskip(package)
        with pytest.raises(ValueError, match="neither spikes nor traces"):
            write(empty)
        with pytest.raises(TypeError, match="takes a run"):
            write(jnp.zeros(3))
    assert not list(tmp_path.iterdir())
