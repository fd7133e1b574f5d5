"""What events of a life cycle are made of: places, counts, random numbers, parameters that stay valid; against references in NumPy."""

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import neuro4d as n4
from neuro4d._base import address, step_address
from neuro4d.model._change import count_bits
from neuro4d.structure import kept_valid, make_places, normal, quantiles, settle

FALSE_ALARM = 1e-6
"""Of each statistical test below, were the draws new in each run; they are always the same."""

BRAIN = n4.Lattice((5, 5, 3, 2), spacing=50 * u.um, wrap=(True, False, False, False))
SITES = np.asarray(BRAIN.site(np.arange(150)))
PLACES = make_places(BRAIN, SITES, 75.0, "here")
AT = step_address(jnp.array([1, 2], jnp.uint32), address(0, "x"), jnp.uint32(5))
settled = jax.jit(lambda parents, free, near: jax.lax.cond(near, lambda: settle(parents, free, PLACES, AT), lambda: settle(parents, free, None, AT)))


@given(st.integers(0, 2**31 - 1), st.floats(0, 1), st.booleans())
def test_each_parent_gets_one_free_place(seed, share, near):
    rng = np.random.default_rng(seed)
    free = rng.random(150) < share
    parents = ~free & (rng.random(150) < rng.random())
    owner, refused = settled(parents, free, near)
    owner = np.asarray(owner)
    assert (owner[~free] == -1).all()
    served = owner[owner >= 0]
    assert len(np.unique(served)) == len(served) and parents[served].all() and len(served) + int(refused) == parents.sum()
    if not near:
        assert len(served) == min(parents.sum(), free.sum())
        return
    way = BRAIN.distance(SITES[:, None], SITES[None]).to_decimal(u.um)
    left = free & (owner < 0)
    for parent in np.flatnonzero(parents):
        place = np.flatnonzero(owner == parent)
        nearest = way[parent, left].min(initial=np.inf)
        assert nearest >= way[parent, place[0]] - 1e-9 if len(place) else nearest > 75


@pytest.mark.slow
def test_nobody_is_preferred():
    """A parent with free places all around has no favourite among those as near as each other."""
    middle = int(np.flatnonzero((SITES == [2, 2, 1, 0]).all(axis=1))[0])
    parents, free = np.arange(150) == middle, np.arange(150) != middle

    def one(step):
        return settle(jnp.asarray(parents), jnp.asarray(free), PLACES, step_address(jnp.array([1, 2], jnp.uint32), address(0, "x"), step))[0]

    owner = np.asarray(jax.jit(jax.vmap(one))(jnp.arange(2000, dtype=jnp.uint32)))
    chosen = np.bincount((owner == middle).argmax(axis=1), minlength=150)
    near = np.isclose(BRAIN.distance(SITES, SITES[middle]).to_decimal(u.um), 50)
    assert near.sum() == 7 and chosen[~near].sum() == 0 and stats.chisquare(chosen[near]).pvalue > FALSE_ALARM


@given(st.integers(0, 2**31 - 1), st.integers(0, 9))
def test_spikes_are_counted_in_planes(seed, count):
    rows = np.random.default_rng(seed).random((9, 50)) < 0.4
    words = np.packbits(np.pad(rows, ((0, 0), (0, 14))), axis=1, bitorder="little").view(np.uint32)
    np.testing.assert_array_equal(_count(jnp.asarray(words), count), rows[:count].sum(axis=0))


_count = jax.jit(lambda words, count: count_bits(words, count, 50))


def test_numbers_are_normal():
    words = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint32)
    z = np.asarray(normal(jnp.asarray(words), jnp.asarray(quantiles()), jnp.float32))
    assert stats.kstest(z, "norm").pvalue > FALSE_ALARM
    # Against the quantile of each word.
    np.testing.assert_allclose(z[:1000], stats.norm.ppf((words[:1000].astype(float) + 0.5) / 2**32), atol=3e-6)


def test_what_is_not_valid_is_that_of_the_parent():
    parents = {name: jnp.full(4, x) for name, x in {"a": 3.0, "b": 2.0, "c": 1.0, "d": 0.5}.items()}
    drawn = {"a": jnp.array([3.5, 1.9, 3.0, 3.0]), "b": jnp.array([2.5, 2.0, 0.9, 2.0]), "c": jnp.array([1.5, 1.0, 1.0, 1.2]), "d": jnp.array([0.0, 1.0, -1.0, 0.6])}
    ranges = (("a", None, None, False), ("b", None, None, False), ("c", None, 1.4, False), ("d", 0.0, 0.8, True))
    kept = kept_valid(drawn, parents, ranges, (("a", "b"), ("b", "c")))
    expected = {"a": [3.5, 3, 3, 3], "b": [2.5, 2, 2, 2], "c": [1, 1, 1, 1.2], "d": [0.5, 0.5, 0.5, 0.6]}
    for name, values in expected.items():
        np.testing.assert_allclose(kept[name], values, err_msg=name)
