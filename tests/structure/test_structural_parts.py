"""The parts of synapses that form and vanish: growth curves, choices, rows made anew, requests that find no slot."""

import itertools
import math

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

import neuro4d as n4
from neuro4d._base import words_jax
from neuro4d.ops import neurons_in_rows, rows_of_neurons
from neuro4d.structure import admitted, remade
from neuro4d.structure._draws import lowest, shuffled

FALSE_ALARM = 1e-6
"""Of each statistical test below, were the draws new in each run; they are always the same."""


# Curves -------------------------------------------------------------------------------------------------------------------

CURVES = [
    (n4.GaussianGrowth(rate=0.3 * u.Hz, eps=0.6, eta=0.1), lambda ca: 3e-4 * (2 * 2 ** -(((ca - 0.35) / 0.25) ** 2) - 1)),
    (n4.LinearGrowth(rate=0.3 * u.Hz, eps=0.6), lambda ca: 3e-4 * (1 - ca / 0.6)),
    (n4.SigmoidGrowth(rate=0.3 * u.Hz, eps=0.6, psi=0.2), lambda ca: 3e-4 * np.tanh((0.6 - ca) / 0.4)),
]


@pytest.mark.slow
@pytest.mark.parametrize("curve, speed", CURVES, ids=["gaussian", "linear", "sigmoid"])
def test_elements_follow_the_curve(curve, speed):
    growth = n4.Growth(curve, curve, tau=8 * u.second, beta=0.01)
    calcium, spikes, first = np.array([0.0, 0.2, 0.9, 2.0]), np.array([0, 90, 31, 400], np.uint32), np.array([1.0, 2.0, 3.0, 1e-4])
    span = 2000.0

    def course(t, i):
        return calcium[i] * math.exp(-t / 8000) + 0.01 * spikes[i] / span * 8000 * -math.expm1(-t / 8000)

    given_ = [jnp.asarray(x, jnp.float32) for x in (first, calcium)]
    grown = growth.elements_after(curve, *given_, jnp.asarray(spikes), span)
    expected = [max(first[i] + integrate.quad(lambda t, i=i: speed(course(t, i)), 0, span)[0], 0) for i in range(4)]
    np.testing.assert_allclose(grown, expected, rtol=3e-6)
    assert expected[3] == 0
    np.testing.assert_allclose(growth.calcium_after(given_[1], jnp.asarray(spikes), span), [course(span, i) for i in range(4)], rtol=2e-6)
    ends = (curve.eta, curve.eps) if isinstance(curve, n4.GaussianGrowth) else (curve.eps,)
    np.testing.assert_allclose(curve.speed(np.array(ends)), 0, atol=1e-10)


# Choices ------------------------------------------------------------------------------------------------------------------


@jax.jit
def chosen(a, chosen, group, number):
    return lowest(words_jax(a, jnp.uint32(7), jnp.arange(chosen.shape[0], dtype=jnp.uint32)), chosen, group, number)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**31))
def test_the_lowest_of_each_group(a, seed):
    rng = np.random.default_rng(seed)
    group, some, number = rng.integers(0, 6, 60).astype(np.int32), rng.random(60) < 0.7, rng.integers(0, 14, 5).astype(np.int32)
    word = np.asarray(words_jax(jnp.uint32(a), jnp.uint32(7), jnp.arange(60, dtype=jnp.uint32)))
    expected = np.zeros(60, bool)
    for g in range(5):  # those of group 5 belong to none
        mine = np.flatnonzero(some & (group == g))
        expected[mine[np.argsort(word[mine])[: number[g]]]] = True
    np.testing.assert_array_equal(chosen(jnp.uint32(a), some, group, number), expected)


orders = jax.jit(jax.vmap(lambda n, a, b: shuffled(jnp.arange(40, dtype=jnp.uint32), n, a, b), (None, 0, 0)))


@given(st.integers(1, 40), st.integers(0, 2**31))
def test_an_order_puts_each_thing_in_one_place(n, seed):
    a, b = np.random.default_rng(seed).integers(0, 2**32, (2, 1), dtype=np.uint32)
    assert sorted(np.asarray(orders(jnp.uint32(n), a, b))[0, :n].tolist()) == list(range(n))


def test_all_orders_are_as_likely():
    a, b = np.random.default_rng(0).integers(0, 2**32, (2, 24_000), dtype=np.uint32)
    few = jax.jit(jax.vmap(lambda a, b: shuffled(jnp.arange(4, dtype=jnp.uint32), jnp.uint32(4), a, b)))
    found = np.asarray(few(a, b)) @ 4 ** np.arange(4)
    counts = [int((found == np.array(p) @ 4 ** np.arange(4)).sum()) for p in itertools.permutations(range(4))]
    assert sum(counts) == 24_000 and stats.chisquare(counts).pvalue > FALSE_ALARM


# Rows ---------------------------------------------------------------------------------------------------------------------

ROOM, NOBODY = 6, 25
remake = jax.jit(lambda neurons, gone, more: remade(neurons, gone, more, NOBODY))


def random_rows(rng, n=8):
    rows = np.full((n, ROOM), NOBODY, np.int32)
    for row in rows:
        k = rng.integers(0, ROOM + 1)
        row[:k] = np.sort(rng.choice(NOBODY, k, replace=False))
    return rows


@given(st.integers(0, 2**31))
def test_rows_made_anew_are_sets_in_order(seed):
    rng = np.random.default_rng(seed)
    rows = random_rows(rng)
    gone = (rng.random(rows.shape) < 0.4) & (rows < NOBODY)
    more = np.full((8, 4), NOBODY, np.int32)
    for row, out, new in zip(rows, gone, more, strict=True):
        k = rng.integers(0, min(ROOM - (row < NOBODY).sum() + out.sum(), 4) + 1)
        new[rng.permutation(4)[:k]] = rng.integers(0, NOBODY, k)  # may be there already, or twice
    after = jax.tree.map(np.asarray, remake(rows, gone, more))
    for i in range(8):
        old = {int(x): k for k, x in enumerate(rows[i]) if x < NOBODY and not gone[i, k]}
        wanted = sorted(set(old) | {int(x) for x in more[i] if x < NOBODY})
        assert after.neurons[i].tolist() == wanted + [NOBODY] * (ROOM - len(wanted)) and after.number[i] == len(wanted)
        for k, x in enumerate(wanted):
            assert after.origin[i, k] == old[x] if x in old else more[i, after.origin[i, k] - ROOM] == x


to_local = jax.jit(lambda rows, width, blocks: rows_of_neurons(rows, 1, width, blocks, NOBODY, jnp.uint16), static_argnums=(1, 2))
to_neurons = jax.jit(lambda local, bounds, width: neurons_in_rows(local, bounds, width, NOBODY), static_argnums=2)


@given(st.integers(0, 2**31), st.sampled_from([4, 9, NOBODY]))
def test_local_ids_are_turned_into_neurons_and_back(seed, width):
    rows = random_rows(np.random.default_rng(seed))
    blocks = -(-NOBODY // width)
    local, bounds = to_local(rows, width, blocks)
    np.testing.assert_array_equal(to_neurons(local, bounds, width), rows)
    counted = [[(row < block * width).sum() for block in range(blocks)] + [(row < NOBODY).sum()] for row in rows]
    np.testing.assert_array_equal(bounds, counted)


admit = jax.jit(lambda wanted, free, open_at, a: admitted(wanted, free, open_at, True, (a, jnp.uint32(3))))


@given(st.integers(0, 2**31))
def test_requests_are_refused_where_a_row_or_a_target_is_full(seed):
    rng = np.random.default_rng(seed)
    wanted = np.where(rng.random((12, 3)) < 0.7, rng.integers(0, 5, (12, 3)), 5).astype(np.int32)
    free, open_at = rng.integers(0, 4, 12).astype(np.int32), rng.integers(-1, 6, 5).astype(np.int32)
    found, refused = admit(wanted, free, open_at, jnp.uint32(seed))
    got, asked = np.asarray(found) < 5, wanted < 5
    assert (np.asarray(found)[got] == wanted[got]).all() and int(refused) == (asked & ~got).sum()
    into, fits = np.bincount(np.asarray(found)[got], minlength=5), asked & (np.cumsum(asked, axis=1) <= free[:, None])
    np.testing.assert_array_equal(into, np.minimum(np.bincount(wanted[fits], minlength=5), np.maximum(open_at, 0)))
    assert (got <= fits).all()
