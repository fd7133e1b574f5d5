"""Distances of spike trains against their definitions, their limits, and what a distance has to be."""

import functools

import brainunit as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro4d import analysis
from neuro4d._base import UnitError
from neuro4d.recorders import SpikeTable


def table_of(trains, dt=1.0, start=0, n_steps=100):
    step = np.concatenate([np.asarray(train, int) for train in trains])
    id = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
    order = np.lexsort((id, step))
    return SpikeTable(step[order] + start, id[order], "cells", dt, len(trains), start, n_steps)


def edit_cost(a, b, q):
    """The least cost by recursion over the last spikes."""

    @functools.cache
    def cost(i, j):
        if i == 0 or j == 0:
            return float(i + j)
        return min(cost(i - 1, j) + 1, cost(i, j - 1) + 1, cost(i - 1, j - 1) + q * abs(a[i - 1] - b[j - 1]))

    return cost(len(a), len(b))


def filtered(a, b, tau):
    """The integral of the squared difference of two sums of exponentials, on a fine grid."""
    t = np.arange(0, 100 + 20 * tau, tau / 400) + tau / 800
    f = sum((np.where(t > s, np.exp(-np.maximum(t - s, 0) / tau), 0) for s in a), np.zeros_like(t))
    g = sum((np.where(t > s, np.exp(-np.maximum(t - s, 0) / tau), 0) for s in b), np.zeros_like(t))
    return np.sqrt(2 / tau * np.sum((f - g) ** 2) * (t[1] - t[0]))


trains = st.lists(st.integers(0, 99), max_size=8, unique=True).map(sorted)
several = st.lists(trains, min_size=2, max_size=4)


@settings(max_examples=25, deadline=None)
@given(several, st.sampled_from([0.0, 0.02, 0.1, 0.7, 5.0]))
def test_victor_purpura_is_the_least_cost(given, q):
    matrix = analysis.victor_purpura(table_of(given), cost=1e3 * q * u.Hz)
    expected = [[edit_cost(tuple(a), tuple(b), q) for b in given] for a in given]
    np.testing.assert_allclose(matrix, expected, atol=1e-12)
    paired = analysis.victor_purpura(table_of(given), table_of(given[::-1], start=50), cost=q / u.ms)
    np.testing.assert_allclose(paired, [edit_cost(tuple(a), tuple(b), q) for a, b in zip(given, given[::-1], strict=True)], atol=1e-12)


@settings(max_examples=8, deadline=None)
@given(several, st.sampled_from([2.0, 10.0]))
def test_van_rossum_is_the_distance_of_filtered_trains(given, tau):
    matrix = analysis.van_rossum(table_of(given), tau=tau * u.ms)
    expected = [[filtered(a, b, tau) for b in given] for a in given]
    np.testing.assert_allclose(matrix, expected, atol=0.02)


def test_known_distances():
    none, one, late = [], [50], [53]
    cost = analysis.victor_purpura(table_of([none, one, late]), cost=100 * u.Hz)
    np.testing.assert_allclose(cost[np.triu_indices(3, 1)], [1, 1, 0.3])
    far = analysis.victor_purpura(table_of([[10], [90]]), cost=100 * u.Hz)
    assert far[0, 1] == 2
    distance = analysis.van_rossum(table_of([none, one, late]), tau=10 * u.ms)
    np.testing.assert_allclose(distance[np.triu_indices(3, 1)], [1, 1, np.sqrt(2 * (1 - np.exp(-0.3)))])


@settings(max_examples=20, deadline=None)
@given(several)
def test_limits_count_spikes(given):
    counts = np.array([len(train) for train in given])
    alone = np.array([[len(set(a) ^ set(b)) for b in given] for a in given])
    table = table_of(given)
    np.testing.assert_allclose(analysis.victor_purpura(table, cost=0 * u.Hz), np.abs(counts[:, None] - counts))
    np.testing.assert_allclose(analysis.victor_purpura(table, cost=np.inf * u.Hz), alone)
    np.testing.assert_allclose(analysis.van_rossum(table, tau=1e-3 * u.ms), np.sqrt(alone), atol=1e-9)
    np.testing.assert_allclose(analysis.van_rossum(table, tau=np.inf * u.ms), np.abs(counts[:, None] - counts), atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.lists(trains, min_size=3, max_size=3))
def test_they_are_distances(given):
    for matrix in (analysis.victor_purpura(table_of(given), cost=50 * u.Hz), analysis.van_rossum(table_of(given), tau=7 * u.ms)):
        assert (np.diag(matrix) == 0).all() and (matrix == matrix.T).all()
        assert matrix[0, 2] <= matrix[0, 1] + matrix[1, 2] + 1e-9
        for i, j in ((0, 1), (0, 2), (1, 2)):
            assert (matrix[i, j] < 1e-9) == (given[i] == given[j])


def test_trains_compare_across_clocks_steps_and_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    given = [np.flatnonzero(rng.random(100) < rng.uniform(0, 0.4)) for _ in range(12)]
    coarse, fine = table_of(given, dt=0.5), table_of([2 * train + 1 for train in given], dt=0.25, n_steps=200, start=800)
    for distance in (functools.partial(analysis.victor_purpura, cost=200 * u.Hz), functools.partial(analysis.van_rossum, tau=5 * u.ms)):
        assert (distance(coarse, fine) < 1e-9).all()
        whole = distance(coarse)
        with monkeypatch.context() as patch:
            patch.setattr("neuro4d.analysis._distances.BLOCK", 200)
            np.testing.assert_allclose(distance(coarse), whole, atol=1e-12)
        np.testing.assert_allclose(distance(coarse, sample=4), whole[::3, ::3], atol=1e-12)


def test_a_neuron_that_fires_for_long_keeps_its_digits():
    # A train and itself with one spike a step later: 2 (1 - e^(-1/tau)), whatever the thousands of other spikes.
    steps = np.arange(0, 20_000, 4)
    moved = steps.copy()
    moved[2500] += 1
    table = table_of([steps, moved], n_steps=20_000)
    assert analysis.van_rossum(table, tau=50 * u.ms)[0, 1] == pytest.approx(np.sqrt(2 * (1 - np.exp(-1 / 50))), rel=1e-9)


def test_empty_populations_and_silence():
    silent = SpikeTable([], [], "cells", 1.0, 3, 0, 10)
    assert not analysis.victor_purpura(silent, cost=1 * u.Hz).any() and not analysis.van_rossum(silent, silent, tau=1 * u.ms).any()
    assert analysis.van_rossum(SpikeTable([], [], "cells", 1.0, 0, 0, 10), tau=1 * u.ms).shape == (0, 0)


def test_what_cannot_be_compared_is_refused():
    table = table_of([[1], [2]])
    with pytest.raises(ValueError, match="cost"):
        analysis.victor_purpura(table, cost=-1 * u.Hz)
    with pytest.raises(ValueError, match="tau"):
        analysis.van_rossum(table, tau=0 * u.ms)
    with pytest.raises(ValueError, match="equal numbers of neurons"):
        analysis.van_rossum(table, table_of([[1]]), tau=1 * u.ms)
    with pytest.raises(UnitError, match="cost"):
        analysis.victor_purpura(table, cost=10 * u.ms)
    with pytest.raises(TypeError, match="takes the spikes"):
        analysis.van_rossum([table], tau=1 * u.ms)
