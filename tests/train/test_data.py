"""Sets, splits and batches; the digits; IDX. Every file that a test reads is written by it."""

import gzip
import importlib.util

import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro4d.train.data import ArraySamples, DataFormatError, Dataset, digits, load_idx, read_idx


@pytest.fixture(scope="module")
def ten():
    """Ten samples that say their own number, of two classes."""
    return Dataset(np.arange(30).reshape(10, 3), np.arange(10) % 2)


# --- sets ---------------------------------------------------------------------------------------------------------------------


def test_a_part_of_a_part_holds_the_right_samples(ten):
    part = ten[4:][[1, 0]]
    assert part.x[:, 0].tolist() == [15, 12]
    assert part.y.tolist() == [1, 0]
    assert ten[ten.y == 1].y.tolist() == [1] * 5


@pytest.mark.parametrize(
    ("labels", "classes", "error", "says"),
    [
        (np.zeros(9, int), None, ValueError, "one label per sample"),
        (np.zeros(10), None, TypeError, "whole numbers"),
        (np.full(10, -1), None, ValueError, "between 0"),
        (np.full(10, 2), ("a", "b"), ValueError, "between 0 and 1"),
    ],
)
def test_labels_that_do_not_fit(labels, classes, error, says):
    with pytest.raises(error, match=says):
        Dataset(np.zeros((10, 3)), labels, classes=classes)


def test_samples_that_are_none():
    with pytest.raises(TypeError, match="real numbers"):
        Dataset(np.array([["a", "b"]]), [0])
    with pytest.raises(ValueError, match="at least two dimensions"):
        Dataset(np.zeros(3), [0, 0, 0])
    with pytest.raises(ValueError, match="needs 5"):
        ArraySamples(np.zeros((3, 4)), shape=(5,))


def test_a_split_is_disjoint_complete_and_fair():
    parts = Dataset(np.arange(1000)[:, None], np.repeat([0, 1, 2], [700, 290, 10])).split(0.7, 0.1, 0.2, seed=3)
    assert sorted(np.concatenate([part.x[:, 0] for part in parts]).astype(int).tolist()) == list(range(1000))
    assert [part.counts.tolist() for part in parts] == [[490, 203, 7], [70, 29, 1], [140, 58, 2]]
    with pytest.raises(ValueError, match="add to 1"):
        parts[0].split(0.5, 0.4)


# --- batches ------------------------------------------------------------------------------------------------------------------


@given(n=st.integers(1, 60), size=st.integers(1, 70), seed=st.integers(0, 2**31), shuffle=st.booleans())
def test_an_epoch_sees_every_sample_once(n, size, seed, shuffle):
    data = Dataset(np.arange(n)[:, None], np.zeros(n, int))
    batches = data.batches(size, key=jr.key(seed) if shuffle else None, drop_last=False)
    seen = [x[:, 0].astype(int).tolist() for x, y in batches]
    assert len(seen) == len(batches) == -(-n // size)
    assert sorted(k for batch in seen for k in batch) == list(range(n))
    assert [x[:, 0].astype(int).tolist() for x, y in batches] == seen


def test_the_order_is_that_of_the_key(ten):
    orders = [ten.batches(10, key=jr.key(k), drop_last=True).order.tolist() for k in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert ten.batches(10, drop_last=True).order.tolist() == list(range(10))


def test_a_small_last_batch_is_kept_or_left_as_told(ten):
    assert [len(y) for _, y in ten.batches(4, drop_last=False)] == [4, 4, 2]
    assert [len(y) for _, y in ten.batches(4, drop_last=True)] == [4, 4]
    with pytest.raises(ValueError, match="leaves nothing"):
        ten.batches(11, drop_last=True)
    with pytest.raises(TypeError, match=r"jax\.random\.key"):
        ten.batches(4, key=jr.PRNGKey(0), drop_last=True)
    with pytest.raises(TypeError, match="drop_last"):
        ten.batches(4, drop_last=None)


def test_time_comes_first_in_a_batch():
    data = Dataset(np.arange(2 * 5 * 3).reshape(2, 5, 3), [0, 1], timed=True)
    (batch,) = data.batches(2, drop_last=True)
    assert batch.x.shape == (5, 2, 3)
    assert batch.x[4, 1].tolist() == [27, 28, 29]


def test_only_a_batch_is_read(tmp_path):
    """A set of 2 GB in a file of zeros that takes no room: reading all of it as floats would take 8 GB."""
    images = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.uint8, shape=(2**21, 1024))
    data = Dataset(ArraySamples(images), np.zeros(2**21, int))
    x, _ = next(iter(data.batches(8, key=jr.key(0), drop_last=True)))
    assert x.shape == (8, 1024) and x.dtype == np.float32


# --- digits -------------------------------------------------------------------------------------------------------------------


def test_digits_are_split_by_seed():
    first, again, other = digits(), digits(), digits(seed=1)
    assert np.array_equal(first.test.x, again.test.x) and not np.array_equal(first.test.x, other.test.x)
    assert sum(len(part) for part in first) == 1797
    assert set(np.unique(first.train.x * 16)) == set(range(17))
    assert np.abs(first.test.counts - 0.2 * sum(part.counts for part in first)).max() < 1


def test_digits_as_images():
    assert digits(shape=(8, 8, 1)).train.shape == (8, 8, 1)
    with pytest.raises(ValueError, match="needs 49"):
        digits(shape=(7, 7))
    with pytest.raises(ValueError, match="shares above 0"):
        digits(validation=0.6, test=0.5)


@pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed")
def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    theirs = load_digits()
    mine = np.concatenate([np.column_stack([part.x * 16, part.y]) for part in digits()])
    both = [np.unique(rows, axis=0) for rows in (mine, np.column_stack([theirs.data, theirs.target]))]
    assert np.array_equal(*both)


# --- IDX ----------------------------------------------------------------------------------------------------------------------


def idx_bytes(array, code):
    sizes = b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


@given(st.data(), st.sampled_from([(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")]), st.booleans())
def test_idx_gives_back_what_was_written(tmp_path_factory, data, kind, zipped):
    shape = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple))
    array = np.frombuffer(np.random.default_rng(int(np.prod(shape))).bytes(int(np.prod(shape)) * 8), np.uint8)[: int(np.prod(shape))]
    array = array.astype(kind[1]).reshape(shape)
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(idx_bytes(array, kind[0])) if zipped else idx_bytes(array, kind[0]))
    read = read_idx(path)
    assert read.dtype == array.dtype and np.array_equal(read, array)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "begins with nothing"),
        (b"\x89PNG", "no IDX file"),
        (bytes([0, 0, 8, 2, 0, 0, 0, 1]), "within its header"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 3, 1, 2]), "2 follow"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 1, 1, 2]), "more follow"),
        (bytes([0, 0, 14, 4]) + b"\xff" * 16, "too small"),
        (gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 200]) + bytes(200), mtime=0)[:-9], "damaged gzip"),
        (gzip.compress(bytes([0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255]), mtime=0), "too small"),
    ],
)
def test_idx_that_is_damaged(tmp_path, content, says):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DataFormatError, match=says):
        read_idx(tmp_path / "file")


def test_idx_of_images_and_labels(tmp_path):
    for name, array in (
        ("x", np.arange(12, dtype=np.uint8).reshape(3, 2, 2)),
        ("y", np.array([1, 0, 1], np.uint8)),
        ("z", np.zeros(2, np.uint8)),
    ):
        (tmp_path / name).write_bytes(idx_bytes(array, 8))
    data = load_idx(tmp_path / "x", tmp_path / "y")
    assert data.shape == (2, 2) and data.y.tolist() == [1, 0, 1]
    assert np.allclose(data.x.ravel() * 255, np.arange(12))
    with pytest.raises(DataFormatError, match="in the order images, labels"):
        load_idx(tmp_path / "y", tmp_path / "x")
    with pytest.raises(DataFormatError, match="belong together"):
        load_idx(tmp_path / "x", tmp_path / "z")
    with pytest.raises(FileNotFoundError, match="Nothing is downloaded"):
        load_idx(tmp_path / "no", tmp_path / "y")
