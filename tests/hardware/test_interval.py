"""Arithmetic of numbers with a band: nothing that is added makes it narrower, and all of it works under jit, vmap and grad."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d.hardware._interval import largest, over, total

Interval = n4.hardware.Interval

LEAST = 2.0**-10


def numbers(least=0.0, most=1e6):
    """Numbers that single precision holds, in which maxima are taken."""
    return st.floats(least, most, width=32, allow_subnormal=False)


@st.composite
def intervals(draw, least=0.0):
    """An interval within `least` and 1e6."""
    low, value, high = sorted(draw(st.lists(numbers(least), min_size=3, max_size=3)))
    return Interval(value, low, high)


@st.composite
def wider(draw, least=0.0):
    """An interval, and one with the same value and more uncertainty."""
    x = draw(intervals(least))
    return x, Interval(x.value, least + (x.low - least) * draw(st.floats(0, 1)), x.high * draw(st.floats(1, 10)))


OPERATIONS = {
    "sum": (0.0, lambda x, y: x + y),
    "product": (0.0, lambda x, y: x * y),
    "quotient": (LEAST, lambda x, y: x / y),
    "largest": (0.0, lambda x, y: largest([x, y])),
    "total": (0.0, lambda x, y: total([x, y, x])),
}


def inside(x, y):
    """Whether the band of `x` lies in that of `y`, but for rounding in single precision."""
    return bool(y.low <= x.low * (1 + 1e-6) and x.high <= y.high * (1 + 1e-6))


@pytest.mark.parametrize("name", OPERATIONS)
@given(data=st.data())
def test_more_uncertainty_never_makes_a_band_narrower(name, data):
    least, combine = OPERATIONS[name]
    (x, x_wide), (y, y_wide) = data.draw(wider(least)), data.draw(wider(least))
    assert inside(combine(x, y), combine(x_wide, y))
    assert inside(combine(x, y), combine(x, y_wide))
    assert inside(combine(x_wide, y), combine(x_wide, y_wide))


@pytest.mark.parametrize("name", OPERATIONS)
@given(data=st.data())
def test_a_result_contains_what_numbers_of_the_bands_give(name, data):
    least, combine = OPERATIONS[name]
    x, y = data.draw(intervals(least)), data.draw(intervals(least))
    a, b = (z.low + data.draw(st.floats(0, 1)) * (z.high - z.low) for z in (x, y))
    one = combine(Interval(a), Interval(b))
    assert inside(one, combine(x, y))
    assert combine(x, y).low * (1 - 1e-6) <= combine(x, y).value <= combine(x, y).high * (1 + 1e-6)


@given(x=intervals(), y=intervals(), more=numbers())
def test_more_of_anything_never_gives_less(x, y, more):
    ends = ("low", "value", "high")
    for grown, before in (
        (x + more, x),
        (x * (1 + more), x),
        (largest([x, more]), x),
        (total([x, y]), x),
        (largest([x + more, y]), largest([x, y])),
    ):
        assert all(float(getattr(grown, end)) >= float(getattr(before, end)) * (1 - 1e-6) for end in ends)


@given(x=intervals(), y=intervals())
def test_sums_products_and_maxima_do_not_depend_on_the_order(x, y):
    for one, other in ((x + y, y + x), (x * y, y * x), (largest([x, y]), largest([y, x])), (3.0 + x, x + 3.0), (3.0 * x, x * 3.0)):
        assert (float(one.low), float(one.value), float(one.high)) == (float(other.low), float(other.value), float(other.high))


def test_nothing_is_none_of_it():
    assert (total([]).value, float(largest([]).high)) == (0.0, 0.0)


def test_arrays_are_reduced_end_by_end():
    x = Interval(jnp.array([1.0, 2.0]), jnp.array([0.5, 0.1]), jnp.array([3.0, 4.0]))
    assert [float(z) for z in (lambda y: (y.low, y.value, y.high))(over(x, jnp.max))] == [0.5, 2.0, 4.0]
    assert [round(float(z), 6) for z in (lambda y: (y.low, y.value, y.high))(over(x, jnp.sum))] == [0.6, 3.0, 7.0]


def cost(spikes):
    """A sum, a product, a quotient and a maximum of intervals, from spikes of three neurons."""
    event, time = Interval(2.0, 1.0, 4.0), Interval(0.5, 0.4, 0.8)
    load = event * spikes
    return over(load, jnp.sum) + over(largest([load * time, Interval(1.0) / time]), jnp.max)


def test_slopes_are_those_of_differences(x64):
    spikes, step = jnp.array([0.3, 1.7, 2.9]), 1e-6
    for end in ("low", "value", "high"):
        slope = jax.grad(lambda x, end=end: getattr(cost(x), end))(spikes)
        measured = [
            (getattr(cost(spikes.at[i].add(step)), end) - getattr(cost(spikes.at[i].add(-step)), end)) / (2 * step) for i in range(3)
        ]
        np.testing.assert_allclose(slope, measured, rtol=1e-6)


def test_intervals_are_compiled_and_mapped():
    batch = jnp.array([[0.3, 1.7, 2.9], [0.0, 0.0, 0.0], [5.0, 1.0, 2.0]])
    mapped = jax.jit(jax.vmap(cost))(batch)
    for i, spikes in enumerate(batch):
        alone = cost(spikes)
        np.testing.assert_allclose([mapped.low[i], mapped.value[i], mapped.high[i]], [alone.low, alone.value, alone.high], rtol=1e-6)


@pytest.mark.parametrize("ends", [(2.0, 3.0, 4.0), (2.0, 1.0, 1.5), (1.0, -1.0, 2.0), (float("nan"), 0.0, 1.0)])
def test_a_band_contains_its_value_and_nothing_below_zero(ends):
    with pytest.raises(ValueError, match="0 <= low <= value <= high"):
        Interval(*ends)


def test_arrays_on_the_left_are_arrays_of_intervals():
    found = np.array([2.0, 4.0]) / Interval(2.0, 1.0, 4.0) + np.ones(2) * Interval(1.0)
    assert isinstance(found, Interval)
    assert found.value.tolist() == [2.0, 3.0] and found.low.tolist() == [1.5, 2.0] and found.high.tolist() == [3.0, 5.0]
