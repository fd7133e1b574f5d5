"""Examples in, examples out."""

import brainunit as u
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import neuro4d as n4
from neuro4d.runs._blob import from_blob, to_blob


@pytest.fixture
def base(tmp_path):
    with n4.KnowledgeBase(tmp_path / "runs.db") as base:
        yield base


def test_arrays_texts_and_values_come_back(base):
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert base.store_all("digits", images, "image", [{"label": 3}, {"label": 4}]) == [1, 2]
    base.store("words", "naïve text")
    base.store("values", {"rate": 5 * u.Hz, "list": [1, 2.5, None], "nan": float("nan")}, metadata={"from": "here"})
    base.store("jax", jnp.ones((2, 2), jnp.float32))
    first, second = base.query("digits")
    assert (first.id, first.category, first.data_type, first.metadata) == (1, "digits", "image", {"label": 3})
    np.testing.assert_array_equal(second.data, images[1], strict=True)
    second.data[0] = 0  # its own copy
    (word,), (value,), (array,) = base.query("words"), base.query("values"), base.query("jax")
    assert (word.data, word.data_type, value.data_type, array.data_type) == ("naïve text", "text", "json", "npy")
    assert value.data["rate"] == {"value": 5, "$unit": "Hz"} and np.isnan(value.data["nan"]) and value.metadata == {"from": "here"}
    np.testing.assert_array_equal(array.data, np.ones((2, 2), np.float32), strict=True)
    assert len(base) == 5 and base.categories() == ("digits", "jax", "values", "words")
    assert [entry.id for entry in base.query(data_type="image", limit=1)] == [1]
    assert base.query("absent") == []


def test_a_random_sample(base):
    base.store_all("numbers", np.arange(50.0))
    base.store_all("others", np.arange(50.0))
    draw = lambda seed, limit=10: [entry.id for entry in base.query("numbers", limit=limit, random_sample=True, seed=seed)]  # noqa: E731
    assert draw(1) == draw(1) != draw(2)
    assert len(set(draw(3))) == 10 and sorted(draw(4, None)) == list(range(1, 51))
    assert draw(5, 20)[:10] == draw(5, 10)
    before = draw(6)
    base.store_all("numbers", np.arange(5.0))
    assert [number for number in draw(6, 15) if number <= 100][: len(before)] == before  # those that came later only join
    # Each of 50 is among 10 of 200 samples about 36 times, standard deviation 5.5; beyond 5 of them with a chance of 3e-5 for 50 numbers.
    base_only = np.bincount(np.concatenate([draw(seed) for seed in range(200)]), minlength=106)[1:51]
    assert np.all(np.abs(base_only - 200 * 10 / 55) < 28)
    with pytest.raises(TypeError, match="needs a seed"):
        base.query("numbers", random_sample=True)


def test_a_dataset(base):
    base.store_all("zero", np.zeros((3, 4)))
    base.store_all("one", np.ones((5, 4)))
    base.store("text", "none")
    examples = base.dataset(["zero", "one"], limit=4)
    assert examples.samples.shape == (7, 4) and examples.labels.tolist() == [0] * 3 + [1] * 4 and examples.classes == ("zero", "one")
    assert examples.labels.dtype == np.int32
    np.testing.assert_array_equal(examples.samples.mean(1), examples.labels)
    data = n4.train.data.Dataset(examples.samples, examples.labels, classes=examples.classes)
    assert len(data) == 7
    with pytest.raises(ValueError, match="one shape and type"):
        base.dataset()
    base.store("zero", np.zeros(5))
    with pytest.raises(ValueError, match=r"float64\[5\]"):
        base.dataset(["zero", "one"])
    with pytest.raises(ValueError, match="no examples of 'two'"):
        base.dataset(["zero", "two"])
    with pytest.raises(TypeError, match="a list of names"):
        base.dataset("zero")


def test_deleting(base):
    base.store_all("numbers", np.arange(3.0))
    base.delete(2)
    assert [entry.id for entry in base.query()] == [1, 3]
    with pytest.raises(n4.UnknownNameError):
        base.delete(2)
    with n4.KnowledgeBase(base.path) as again:  # the sums are those of what is left
        assert len(again) == 2


BAD = (
    (("", 1), ValueError, "category"),
    ((3, 1), TypeError, "category"),
    (("a", np.array([object()])), TypeError, "an array holds numbers"),
    (("a", np.array(["x"])), TypeError, "an array holds numbers"),
    (("a", jnp.zeros(2, jnp.bfloat16)), TypeError, "bfloat16"),
    (("a", jr.key(0)), TypeError, "an array holds numbers"),
    (("a", object()), TypeError, "data has no text"),
    (("a", 1, "x/y"), ValueError, "data_type"),
    (("a", 1, None, [1]), TypeError, "metadata is a dictionary"),
    (("a", 1, None, {"b": object()}), TypeError, "metadata"),
    (("a", np.zeros(2**28 + 1, np.uint8)), ValueError, "at most"),
)


@pytest.mark.parametrize(("given", "error", "text"), BAD)
def test_bad_examples_are_refused_before_anything_is_written(given, error, text, base):
    with pytest.raises(error, match=text):
        base.store(*given)
    assert len(base) == 0


def test_a_query_sees_one_moment(base, monkeypatch):
    base.store_all("numbers", np.arange(3.0))
    choose = base._choose

    def meanwhile(*asked):
        chosen = choose(*asked)
        with n4.KnowledgeBase(base.path) as other:
            other.delete(2)
        return chosen

    monkeypatch.setattr(base, "_choose", meanwhile)
    assert [entry.id for entry in base.query("numbers")] == [1, 2, 3]
    monkeypatch.undo()
    assert [entry.id for entry in base.query("numbers")] == [1, 3]


def test_all_or_none(base):
    for one in ("text", {"a": 1}):
        with pytest.raises(TypeError, match="several examples"):
            base.store_all("mixed", one)
    with pytest.raises(TypeError):
        base.store_all("mixed", [np.zeros(2), object()])
    with pytest.raises(ValueError, match="one dictionary for each of 2"):
        base.store_all("mixed", np.zeros((2, 2)), metadata=[{}])
    assert len(base) == 0


NUMBERS = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.floating_dtypes(endianness="?")
    | hnp.complex_number_dtypes(endianness="?")
)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, min_side=0, max_side=4)), st.booleans())
def test_every_array_of_numbers_comes_back_bit_for_bit(array, turned):
    given = array.T if turned else array
    form, raw = to_blob(given)
    found = from_blob(form.encode(), raw)
    assert (found.dtype, found.shape) == (given.dtype, given.shape)
    assert found.tobytes() == given.tobytes()
