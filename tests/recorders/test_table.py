"""Packed bits become exact events; times come from integers."""

import itertools
import time

import brainunit as u
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_run import pack

from neuro4d._base import UnitError
from neuro4d.kernels import native_available
from neuro4d.recorders import SpikeTable, spikes_of_words, stamps, unpack_words
from neuro4d.recorders import _table as _events


@given(st.integers(0, 40), st.integers(1, 130), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_unpacking_inverts_packing(steps, n, p, number):
    dense = np.random.default_rng(number).random((steps, n)) < p
    row, neuron = unpack_words(pack(dense), n)
    assert (row.dtype, neuron.dtype) == (np.int64, np.int32)
    expected = np.argwhere(dense)  # ordered by step, then by neuron
    np.testing.assert_array_equal(np.column_stack([row, neuron]), expected.reshape(-1, 2))


@pytest.mark.skipif(not native_available(), reason="the extension is not installed")
@given(st.integers(0, 40), st.integers(1, 700), st.sampled_from([0, 0.001, 0.1, 1]), st.integers(0, 2**32 - 1), st.booleans())
def test_native_and_numpy_find_the_same_spikes(steps, n, p, number, turned):
    rng = np.random.default_rng(number)
    words = pack(rng.random((steps, n)) < p)
    words = np.asfortranarray(words) if turned else words[:: 1 + number % 2]
    start = int(rng.integers(0, n))
    size = int(rng.integers(0, n - start + 1))
    native = spikes_of_words(words, start, size, 2**31 - 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_events, "native_available", lambda: False)
        plain = spikes_of_words(words, start, size, 2**31 - 3)
    for a, b in zip(native, plain, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_unpacking_is_the_same_across_blocks(monkeypatch):
    dense = np.random.default_rng(1).random((50, 70)) < 0.2
    whole = unpack_words(pack(dense), 70)
    monkeypatch.setattr(_events, "native_available", lambda: False)
    monkeypatch.setattr(_events, "_BLOCK", 7)
    monkeypatch.setattr(_events, "_EXPAND", 3)
    for a, b in zip(whole, unpack_words(pack(dense), 70), strict=True):
        np.testing.assert_array_equal(a, b)


def test_unpacking_a_long_record_takes_under_half_a_second():
    words = np.zeros((10_000, 2412), np.uint32)
    rng = np.random.default_rng(0)
    words[rng.integers(0, 10_000, 250_000), rng.integers(0, 2412, 250_000)] = 1 << 7
    best = min(_seconds(lambda: unpack_words(words, 2412 * 32)) for _ in range(3))
    assert best < 0.5


def _seconds(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def test_bad_words_are_refused():
    with pytest.raises(TypeError, match="uint32"):
        unpack_words(np.zeros((3, 1), np.int64), 5)
    with pytest.raises(ValueError, match=r"\(steps, 2 or more\)"):
        unpack_words(np.zeros((3, 1), np.uint32), 33)
    with pytest.raises(ValueError, match="set bit for neuron 6"):
        unpack_words(np.array([[1 << 6]], np.uint32), 5)


def test_a_population_is_cut_out_of_its_group():
    dense = np.random.default_rng(2).random((200, 150)) < 0.1
    for start, n in [(0, 150), (31, 2), (40, 70), (64, 32), (149, 1), (60, 0)]:
        table = SpikeTable.from_words(pack(dense), start=start, n=n, population="p", dt_ms=0.1, start_step=7)
        np.testing.assert_array_equal(table.dense(), dense[:, start : start + n])
        assert table.start_step == 7 and table.n_steps == 200


@pytest.mark.parametrize("start_step", [0, 10**7, 2**31 - 5])
def test_stamps_are_the_nearest_double_at_any_start(start_step):
    steps = start_step + np.arange(10)
    # The decimal that a person writes, parsed by Python, is correctly rounded.
    expected = [float(f"{(k + 1) // 10}.{(k + 1) % 10}") for k in steps.tolist()]
    assert stamps(steps, 0.1).tolist() == expected


def test_stamps_of_an_odd_step_are_one_product():
    assert stamps(np.array([0, 1, 9]), 0.3).tolist() == [0.3, 2 * 0.3, 10 * 0.3]


@pytest.fixture
def table():
    rng = np.random.default_rng(3)
    dense = rng.random((1000, 20)) < 0.05
    step, id = np.nonzero(dense)
    return SpikeTable(step + 500, id, "cells", 0.1, 20, 500, 1000)


def test_views_agree(table):
    dense = table.dense()
    np.testing.assert_array_equal(table.counts(), dense.sum(axis=0))
    trains = table.trains()
    assert len(trains) == 20
    for neuron, train in enumerate(trains):
        np.testing.assert_array_equal(train.to_decimal(u.ms), stamps(500 + np.flatnonzero(dense[:, neuron]), 0.1))
    array = table.to_numpy()
    np.testing.assert_array_equal(array["time_ms"], table.times.to_decimal(u.ms))
    np.testing.assert_array_equal(array["id"], table.ids)
    assert len(table) == dense.sum() == len(array)
    assert "20 neurons, 50 to 150 ms" in repr(table)


def test_neighbouring_windows_partition_the_spikes(table):
    edges = [50, 61.3, 61.34, 75, 99.9, 150]
    parts = [table.between(a * u.ms, b * u.ms) for a, b in itertools.pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate([part.step for part in parts]), table.step)
    assert sum(part.n_steps for part in parts) == 1000
    assert [part.start_step for part in parts] == [500, 613, 613, 750, 999]
    assert len(table.between()) == len(table)


def test_a_window_contains_the_stamp_at_its_end_and_not_the_one_at_its_begin():
    table = SpikeTable([2, 3], [0, 0], "p", 0.1, 1, 0, 10)  # stamped 0.3 and 0.4 ms
    assert table.between(0.3 * u.ms, 0.4 * u.ms).step.tolist() == [3]
    assert table.between(0.0003 * u.second, 1 * u.ms).step.tolist() == [3]


def test_bad_windows_are_refused(table):
    with pytest.raises(UnitError, match="t0"):
        table.between(3)
    with pytest.raises(ValueError, match="50 ms to 150 ms"):
        table.between(0 * u.ms, 100 * u.ms)
    with pytest.raises(ValueError, match="t0 <= t1"):
        table.between(100 * u.ms, 90 * u.ms)
    with pytest.raises(ValueError, match="finite"):
        table.between(np.nan * u.ms)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": [3, 1]}, "not in order"),
        ({"step": [1, 12]}, "0 to 9"),
        ({"step": [1.0, 2.0]}, "integers"),
        ({"id": [0, 5]}, "0 to 1"),
        ({"id": [0]}, "one id per step"),
        ({"dt_ms": float("nan")}, "positive number of ms"),
        ({"n": -1}, "at least 0"),
    ],
)
def test_inconsistent_columns_are_refused(change, message):
    good = {"step": [1, 3], "id": [0, 1], "population": "p", "dt_ms": 0.1, "n": 2, "start_step": 0, "n_steps": 10}
    assert len(SpikeTable(**good)) == 2
    with pytest.raises(ValueError, match=message):
        SpikeTable(**{**good, **change})


def test_a_table_cannot_be_changed_and_does_not_freeze_its_source():
    steps = np.array([1, 3])
    table = SpikeTable(steps, np.array([0, 1], np.int32), "p", 0.1, 2, 0, 10)
    with pytest.raises(ValueError, match="read-only"):
        table.step[0] = 5
    steps[0] = 0  # the caller's array stays writeable
    with pytest.raises(AttributeError):
        table.n = 3


def test_empty_tables_work():
    for n, n_steps in [(0, 10), (5, 0), (0, 0), (5, 10)]:
        table = SpikeTable([], [], "p", 0.1, n, 0, n_steps)
        assert len(table.trains()) == n and table.dense().shape == (n_steps, n) and len(table.times) == 0
        assert table.counts().tolist() == [0] * n
        assert "svg" in table._repr_html_() or "nothing" in table._repr_html_()


def test_a_dense_array_that_cannot_fit_is_refused():
    with pytest.raises(ValueError, match="GiB"):
        SpikeTable([], [], "p", 0.1, 10**6, 0, 10**6).dense()


def test_html_is_static_and_escapes_names(table):
    html = SpikeTable(table.step, table.id, "a<b>", 0.1, 20, 500, 1000)._repr_html_()
    assert "<svg" in html and "<script" not in html and "a&lt;b&gt;" in html and "a<b>" not in html
