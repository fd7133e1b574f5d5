"""Counts of the extension are those of NumPy, to the last bit."""

import brainunit as u
import chip_cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d.hardware import _entries, _fill, _incoming
from neuro4d.hardware._connections import ListedConnections, ModelConnections
from neuro4d.hardware._loads import load_model
from neuro4d.hardware._packing import CapacityError
from neuro4d.hardware._partition import partition, used
from neuro4d.kernels import CoreLimits, FillTable, fill_native, native_available, runs_native

pytestmark = pytest.mark.skipif(not native_available(), reason="there are no native kernels here: both would be the same")


def plainly(call):
    with pytest.MonkeyPatch.context() as patch:
        for module in (_entries, _fill, _incoming):
            patch.setattr(module, "native_available", lambda: False)
        return call()


def numbers(work, chip, method, windows):
    try:
        placement = partition(work, chip, method)
    except CapacityError as error:
        return str(error)
    loads = load_model(placement)
    return [placement.core, *placement.fan_out, *used(placement), *vars(loads).values(), *vars(loads(windows)).values()]


@pytest.mark.slow
@given(chip_cases.networks, chip_cases.chips, st.sampled_from(["sequential", "graph"]), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_placements_and_loads_are_the_same(work, chip, method, seed):
    windows = np.random.default_rng(seed).exponential(0.1, (3, work.n))
    native, plain = numbers(work, chip, method, windows), plainly(lambda: numbers(work, chip, method, windows))
    if isinstance(native, str):
        assert native == plain
    else:
        assert all(np.array_equal(a, b) for a, b in zip(native, plain, strict=True))


@given(chip_cases.networks, st.sampled_from(["loihi1", "spinnaker1", "truenorth"]))
@settings(max_examples=15)
def test_chips_of_the_files_too(work, name):
    chip = chip_cases.target(name)
    windows = np.ones((2, work.n))
    native, plain = numbers(work, chip, "sequential", windows), plainly(lambda: numbers(work, chip, "sequential", windows))
    assert (native == plain) if isinstance(native, str) else all(np.array_equal(a, b) for a, b in zip(native, plain, strict=True))


def test_threads_change_nothing():
    """Tables that are large enough for several threads, with places in order and in none."""
    rng = np.random.default_rng(0)
    n, k = 4000, 1_200_000
    start = np.concatenate([[0], np.sort(rng.integers(0, k, n - 1)), [k]])
    core, home, spikes = np.sort(rng.integers(0, 300, n)).astype(np.int32), rng.integers(0, 300, n).astype(np.int32), rng.exponential(1, (7, n))
    jumbled = rng.integers(0, n, k).astype(np.int32)
    place = jumbled[np.lexsort((jumbled, np.repeat(np.arange(n), np.diff(start))))]
    axes = rng.integers(0, 50, (3, 300)).astype(np.int16)

    def counted():
        table = _entries.table_of(start, place, core)
        sums = _entries.arriving(table.start, table.core, table.synapses.astype(np.float32), spikes, 300)
        turned = [*_incoming._turned(start, place), *_incoming._turned(start, jumbled)]
        stored = _entries.stored(table, np.arange(10_000), 300)
        return [*table, _entries.reached(start, place, core, home), _entries.staying(table, home), _entries.apart(table, home, axes), *sums, *turned, *stored]

    assert all(np.array_equal(a, b) for a, b in zip(counted(), plainly(counted), strict=True))


def test_tables_that_do_not_fit_together_are_refused():
    start = np.array([0, 2, 3])
    with pytest.raises(ValueError, match="start ascends"):
        runs_native(np.array([0, 2, 4]), np.zeros(3, int), np.zeros(1, int))
    with pytest.raises(ValueError, match="places have a core"):
        runs_native(start, np.array([0, 1, -1]), np.zeros(2, int))
    limits = CoreLimits(10, 10, 1000, 1, 10.0)
    scratch = np.zeros(2, np.int32), np.zeros(2, np.int32)
    with pytest.raises(ValueError, match="sources are neurons"):
        fill_native(FillTable(start, np.array([0, 5, 1], np.int32), np.ones(4, np.int64), np.zeros(3), *scratch), 0, 0, 2, 2, limits)
    with pytest.raises(ValueError, match="more synapses than there are prices"):
        fill_native(FillTable(start, np.array([0, 0, 0], np.int32), np.ones(1, np.int64), np.zeros(3), *scratch), 0, 0, 2, 2, limits)


def test_rows_of_a_model_are_those_of_its_synapses():
    """Several groups, delays and blocks: read row by row, and sorted from a list of pairs."""
    model = n4.zoo.microcircuit(scale=0.01).build(dt=0.1 * u.ms, seed=0)
    connections = ModelConnections(model)
    pieces = list(connections.pieces())
    listed = ListedConnections(np.concatenate([piece.pre for piece in pieces]), np.concatenate([piece.post for piece in pieces]))
    place = np.random.default_rng(0).permutation(model.n_neurons).astype(np.int32)
    found, expected = _incoming.Incoming(connections, place), _incoming.Incoming(listed, place)
    assert len(found.place) == model.n_synapses > 1000
    assert all(np.array_equal(getattr(found, name), getattr(expected, name)) for name in ("first", "place", "start", "source"))
