"""Spike tables as columns of other programs, and back."""

import brainunit as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d._base import CorruptFileError, UnsafeFileError


def equal(a, b):
    names = ("population", "dt_ms", "n", "start_step", "n_steps")
    return np.array_equal(a.step, b.step) and np.array_equal(a.id, b.id) and all(getattr(a, name) == getattr(b, name) for name in names)


@st.composite
def tables(draw):
    n, start, steps = draw(st.integers(0, 40)), draw(st.integers(0, 2**33)), draw(st.integers(0, 50))
    fired = draw(st.sets(st.integers(0, max(n * steps - 1, 0)), max_size=30)) if n * steps else set()
    at = np.array(sorted(fired), np.int64)
    name = draw(st.text("abc äö_-.", min_size=1, max_size=10))
    return n4.SpikeTable(at // max(n, 1) + start, at % max(n, 1), name, draw(st.sampled_from([0.1, 0.05, 0.3, 1.0, 1 / 3])), n, start, steps)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(tables())
def test_tables_come_back_whole(tmp_path_factory, table):
    pytest.importorskip("pyarrow")
    path = tmp_path_factory.getbasetemp() / "spikes.parquet"
    table.to_parquet(path)
    assert equal(n4.SpikeTable.from_parquet(path), table)
    assert equal(n4.SpikeTable.from_arrow(table.to_arrow()), table)
    given = {"population": table.population, "dt": table.dt_ms * u.ms, "n": table.n, "start_step": table.start_step, "n_steps": table.n_steps}
    assert equal(n4.SpikeTable.from_numpy(table.to_numpy(), **given), table)
    times = {name: table.to_numpy()[name] for name in ("id", "time_ms")}
    assert equal(n4.SpikeTable.from_numpy({name: x[::-1] for name, x in times.items()}, **given), table)


def test_data_frames_keep_what_a_table_knows():
    pandas = pytest.importorskip("pandas")
    table = n4.SpikeTable([3, 3, 8], [0, 4, 1], "cells", 0.1, 5, 2, 20)
    frame = table.to_pandas()
    assert list(frame.columns) == ["step", "id", "time_ms"] and np.allclose(frame.time_ms, [0.4, 0.4, 0.9])
    assert equal(n4.SpikeTable.from_pandas(frame), table)
    assert n4.SpikeTable.from_pandas(frame[frame.id > 0]).id.tolist() == [4, 1]
    bare = pandas.DataFrame({"id": [1, 0], "time_ms": [0.9, 0.4]})
    found = n4.SpikeTable.from_pandas(bare, population="x", dt=0.1 * u.ms, n=2)
    assert found.step.tolist() == [3, 8] and found.n_steps == 9


@pytest.mark.parametrize(
    ("columns", "more", "error", "text"),
    [
        ({"id": [0], "step": [0]}, {"n": None}, ValueError, "nothing says what n is; give it, for example `n=100`"),
        ({"id": [0]}, {}, ValueError, "expected the columns `id` and `step`, or `id` and `time_ms`; got id"),
        ({"id": [0], "time_ms": [0.25]}, {}, ValueError, "row 0 has 0.25 ms"),
        ({"id": [0], "time_ms": [np.nan]}, {}, ValueError, "row 0 has nan ms"),
        ({"id": [7], "step": [0]}, {}, ValueError, "id must lie in 0 to 2"),
        ({"id": [0], "step": [0.0]}, {}, ValueError, "integers"),
        ({"id": [0], "step": [0]}, {"dt": 0.1}, TypeError, "expected a quantity"),
    ],
)
def test_columns_that_say_too_little_or_something_wrong(columns, more, error, text):
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    with pytest.raises(error, match=text):
        n4.SpikeTable.from_numpy(arrays, **({"population": "x", "dt": 0.1 * u.ms, "n": 3} | more))


def test_files_that_declare_too_much_or_something_else(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = n4.SpikeTable(np.arange(100), np.zeros(100, int), "cells", 0.1, 5, 0, 100)
    path = tmp_path / "a.parquet"
    table.to_parquet(path)
    with pytest.raises(UnsafeFileError, match="declares 100 spikes; at most 99"):
        n4.SpikeTable.from_parquet(path, most=99)
    parquet.write_table(arrow.table({"step": ["a"], "id": [0]}), path)
    with pytest.raises(CorruptFileError, match="column 'step' holds string"):
        n4.SpikeTable.from_parquet(path)
    parquet.write_table(table.to_arrow().replace_schema_metadata({"neuro4d.spikes": '{"n": 3, "__class__": "x"}'}), path)
    with pytest.raises(CorruptFileError, match=r"metadata 'neuro4d\.spikes' hold"):
        n4.SpikeTable.from_parquet(path)
    parquet.write_table(arrow.table({"step": [0, None], "id": [0, 1]}), path)
    with pytest.raises(ValueError, match="column 'step' has 1 empty cells"):
        n4.SpikeTable.from_parquet(path, population="x", dt=0.1 * u.ms, n=3)
    with pytest.raises(FileNotFoundError, match="no such file"):
        n4.SpikeTable.from_parquet(tmp_path / "none.parquet")
