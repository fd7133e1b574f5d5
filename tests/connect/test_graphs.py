"""Small worlds, hubs, modules: their counts exactly, their laws against published formulas. Every threshold states its rate of false alarms; seeds
are fixed, so a pass stays a pass."""

import itertools
import time

import brainunit as u
import numpy as np
import pytest
from connect.structures import dense, edges, ends, own_pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from neuro4d._base import words
from neuro4d.connect import BallMask, FixedProb, Modular, Neighbours, ScaleFree, SmallWorld
from neuro4d.lattice import Lattice

FALSE_ALARM = 1e-5


def ring(n, seed=0):
    return ends(n, n, seed, self_shift=0)


def matrix(rule, at):
    pre, post = edges(rule, at)
    return csr_array((np.ones(len(pre)), (pre, post)), shape=(at.n_pre, at.n_post))


def closed(a):
    """The share of ways i -> j -> k, k not i, that an edge i -> k closes."""
    two = (a @ a).toarray()
    np.fill_diagonal(two, 0)
    return (two * a.toarray()).sum() / two.sum()


def mean_length(a):
    d = shortest_path(a, unweighted=True)
    n = a.shape[0]
    return d.sum() / (n * (n - 1))


# Small worlds --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n, k", [(9, 0), (9, 8), (10, 2), (30, 6)])
def test_a_ring_without_moves_is_the_lattice(n, k):
    distance = np.abs(np.arange(n)[:, None] - np.arange(n))
    distance = np.minimum(distance, n - distance)
    assert (dense(SmallWorld(k, p=0), ring(n)) == ((distance > 0) & (distance <= k // 2))).all()


@settings(max_examples=40)
@given(n=st.integers(5, 60), half=st.integers(1, 20), p=st.floats(0, 1), seed=st.integers(0, 5), shared=st.booleans())
def test_every_neuron_keeps_its_number_of_different_targets(n, half, p, seed, shared):
    k = min(2 * half, (n - 1) // 2 * 2)
    at = ring(n, seed) if shared else ends(n, n, seed)
    counts = dense(SmallWorld(k, p=p), at)
    assert (counts.sum(axis=1) == k).all() and counts.max() <= 1
    assert counts[own_pairs(at)].sum() == 0


def test_the_share_of_moved_edges_is_p_and_their_targets_are_uniform():
    n, k, p = 3000, 10, 0.2
    pre, post = edges(SmallWorld(k, p=p), ring(n))
    away = (post - pre) % n
    far = (away > k // 2) & (away < n - k // 2)
    # A moved edge may come back to a neighbour that moved away too: k p of n places, on average.
    moved = n * k * p * (1 - (k * p) / n)
    assert abs(far.sum() - moved) < 4.5 * np.sqrt(n * k * p * (1 - p)) + 2  # false alarm 7e-6
    seen = np.bincount(away[far] * 30 // n, minlength=30)[1:-1]  # 28 of 30 equal parts of the ring, without that of the neighbours
    assert stats.chisquare(seen).pvalue > FALSE_ALARM
    received = np.bincount(post[far], minlength=n)
    chi = ((received - received.mean()) ** 2).sum() / received.mean()
    assert stats.chi2.sf(chi, n - 1) > FALSE_ALARM


def test_moved_to_everywhere_all_sets_are_equally_likely():
    """p = 1: each of the 6 pairs of the 4 others; 800 rings of 5 neurons."""
    sets = [tuple(np.flatnonzero(row)) for seed in range(800) for row in [dense(SmallWorld(2, p=1), ring(5, seed))[0]]]
    seen = [sets.count(pair) for pair in itertools.combinations(range(1, 5), 2)]
    assert sum(seen) == 800 and stats.chisquare(seen).pvalue > FALSE_ALARM


@pytest.mark.parametrize("k", [4, 10])
def test_clustering_of_the_lattice_is_that_of_the_formula(k):
    a = matrix(SmallWorld(k, p=0), ring(200))
    assert closed(a) == pytest.approx(3 * (k - 2) / (4 * (k - 1)), rel=1e-12)


@pytest.mark.parametrize("p", [0.05, 0.2, 0.5])
def test_clustering_falls_with_the_third_power(p):
    """Barrat and Weigt: a triangle stays if all its edges do. Ways i -> j -> i are no ways to close: k (1 - p)^2 of k^2 are."""
    n, k = 3000, 12
    found = closed(matrix(SmallWorld(k, p=p), ring(n)))
    stay = (1 - p) ** 3
    formula = 3 * (k - 2) / (4 * (k - 1)) * stay * k * (k - 1) / (k**2 - k * (1 - p) ** 2)
    triangles = n * k * (k - 1) * 0.68 * stay
    # Triangles share edges: their number scatters like that of n k / 3 independent ones at most. Chance closes k/n of all ways.
    assert abs(found / formula - 1) < 4.5 / np.sqrt(n * k / 3) * 3 + (k / n) / formula
    assert triangles > 1000


def test_the_lengths_of_ways_are_those_of_lattice_and_random_graph():
    n, k = 1000, 10
    lattice = mean_length(matrix(SmallWorld(k, p=0), ring(n)))
    exact = np.ceil(np.minimum(np.arange(1, n), n - np.arange(1, n)) / (k / 2)).mean()
    assert lattice == pytest.approx(exact, rel=1e-12)
    small, random = (mean_length(matrix(SmallWorld(k, p=p), ring(n))) for p in (0.1, 1.0))
    # Fronczak, Fronczak, Holyst, Phys. Rev. E 70, 056110 (2004), eq. 15; a few percent from a finite graph, as in its figure 1.
    assert random == pytest.approx((np.log(n) - np.euler_gamma) / np.log(k) + 0.5, rel=0.03)
    assert random < small < 0.1 * lattice and closed(matrix(SmallWorld(k, p=0.1), ring(n))) > 20 * closed(
        matrix(SmallWorld(k, p=1.0), ring(n))
    )


def test_a_lattice_of_four_dimensions_can_be_a_small_world():
    lattice = Lattice((5, 5, 5, 5), wrap=True)
    xyz = lattice.xyz(lattice.site(np.arange(625)))
    at = ends(625, 625, self_shift=0, pre_xyz=xyz, post_xyz=xyz, wrap=lattice.period)
    mask = BallMask(50 * u.um)
    local = dense(Neighbours(mask, autapses=False), at)
    assert (local.sum(axis=1) == 8).all()
    assert (dense(SmallWorld(mask, p=0), at) == local).all()
    world = dense(SmallWorld(mask, p=0.3), at)
    assert (world.sum(axis=1) == 8).all() and world.max() == 1 and np.trace(world) == 0
    kept = (world * local).sum()
    expected = 5000 * (0.7 + 0.3 * 0.3 * 8 / 624)
    assert abs(kept - expected) < 4.5 * np.sqrt(5000 * 0.21) + 5


# Hubs ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k, n", [(1, 2), (1, 50), (3, 4), (4, 200)])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_neuron_makes_k_edges_and_the_first_ones_know_each_other(k, n, seed):
    counts = dense(ScaleFree(k), ring(n, seed))
    assert (counts.sum(axis=1) == k).all() and np.trace(counts) == 0
    assert (dense(ScaleFree(k, reverse=True), ring(n, seed)) == counts.T).all()
    assert (dense(ScaleFree(k, symmetric=True), ring(n, seed)) == counts + counts.T).all()
    if n == k + 1:
        assert (counts == 1 - np.eye(n)).all()


def test_degrees_follow_the_law_of_bollobas():
    """P(d) = 2k(k+1) / (d(d+1)(d+2)); counts of this graph scatter less than independent ones, so the test is conservative."""
    n, k = 200_000, 4
    pre, post = edges(ScaleFree(k), ring(n))
    degree = np.bincount(pre, minlength=n) + np.bincount(post, minlength=n)
    d = np.arange(k, 60)
    chance = 2 * k * (k + 1) / (d * (d + 1) * (d + 2))
    seen = np.bincount(np.minimum(degree, 60), minlength=61)[k:]
    expected = n * np.append(chance, k * (k + 1) / (60 * 61))
    assert stats.chisquare(seen, expected).pvalue > FALSE_ALARM
    assert degree.max() > 500  # a hub: about k sqrt(n / k) for the largest


def test_attachment_is_proportional_to_the_edges_so_far():
    """The last of four neurons with k = 1 and an open end: exact chances. 0-1 know each other (2 edges each), 2 chose one of them; the ends
    before neuron 3 are 6, of which its target has 3, 2 or 1."""
    shares = {1: 0, 2: 0, 3: 0}
    for seed in range(3000):
        at = ring(4, seed)
        pre, post = edges(ScaleFree(1), at)
        order = np.argsort(_ages(at), kind="stable")
        target = dict(zip(pre.tolist(), post.tolist(), strict=True))
        before = [order[0], target[order[0]], order[1], target[order[1]], order[2], target[order[2]]]
        shares[before.count(target[order[3]])] += 1
    assert stats.chisquare([shares[1], shares[2], shares[3]], 3000 * np.array([1, 2, 3]) / 6).pvalue > FALSE_ALARM


def _ages(at):
    return words(at.address, np.arange(at.n_pre), 2)


def test_hubs_lie_anywhere():
    hubs = [int(np.argmax(dense(ScaleFree(3), ring(60, seed)).sum(axis=0))) for seed in range(600)]
    assert stats.chisquare(np.bincount(np.array(hubs) // 10, minlength=6)).pvalue > FALSE_ALARM


SEEDS = 100


# Modules -------------------------------------------------------------------------------------------------------------------


def pooled(rule, n_pre, n_post, seeds, **places):
    return sum(dense(rule, ends(n_pre, n_post, seed, **places)) for seed in range(seeds))


@pytest.mark.slow
@pytest.mark.parametrize("shift, autapses", [(None, True), (0, False), (4, False), (-7, False)])
def test_every_pair_has_the_probability_of_its_modules(shift, autapses):
    within, between = np.array([0.6, 0.1, 0.9]), np.array([[0, 0.3, 0.02], [0.5, 0, 0.1], [0.0, 1.0, 0]])
    rule = Modular([8, 5, 11], within=within, between=between, autapses=autapses)
    counts = pooled(rule, 24, 24, SEEDS, self_shift=shift)
    p = (between + np.diag(within))[np.ix_(*[np.repeat(np.arange(3), [8, 5, 11])] * 2)]
    if not autapses:
        p = np.where(own_pairs(ends(24, 24, self_shift=shift)), 0, p)
    sure = (p == 0) | (p == 1)
    assert (counts[sure] == SEEDS * p[sure]).all()
    chi = ((counts - SEEDS * p)[~sure] ** 2 / (SEEDS * p * (1 - p))[~sure]).sum()
    assert FALSE_ALARM / 2 < stats.chi2.cdf(chi, (~sure).sum()) < 1 - FALSE_ALARM / 2


def test_equal_modules_at_ends_of_different_size():
    counts = dense(Modular(3, within=1, between=0), ends(10, 7))
    pre, post = np.repeat([0, 1, 2], [3, 3, 4]), np.repeat([0, 1, 2], [2, 2, 3])
    assert (counts == (pre[:, None] == post)).all()


def test_one_module_is_a_rule_of_one_probability():
    counts = FixedProb(0.2).rows(ends(4000, 50)).counts
    module = Modular(1, within=0.2, between=0).rows(ends(4000, 50)).counts
    assert abs(counts.mean() - module.mean()) < 4.5 * np.sqrt(2 * 50 * 0.16 / 4000)
    assert Modular(4, within=0.2, between=0.05).capacity(4000, 50, False) <= 4000 * 50


# All of them ---------------------------------------------------------------------------------------------------------------

LARGE = [SmallWorld(100, p=0.1), ScaleFree(100), Modular(20, within=0.015, between=0.00026)]


@pytest.mark.parametrize("rule", LARGE, ids=lambda rule: type(rule).__name__)
@pytest.mark.full
def test_ten_million_edges_in_seconds(rule):
    begin = time.perf_counter()
    rows = rule.rows(ring(100_000))
    total = sum(len(rows.targets(lo, lo + 10_000)) for lo in range(0, 100_000, 10_000))
    assert 9.8e6 < total < 1.02e7 and time.perf_counter() - begin < 60


BAD_VALUES = [
    (lambda: SmallWorld(5, p=0.1), ValueError, r"is even.*for example `SmallWorld\(6, p=0.1\)`; got 5"),
    (lambda: SmallWorld(4, p=1.1), ValueError, r"SmallWorld\.p must lie between 0 and 1"),
    (lambda: SmallWorld(4.0, p=0.1), TypeError, "SmallWorld.neighbours is a whole number"),
    (lambda: ScaleFree(0), ValueError, "ScaleFree.k must be at least 1"),
    (lambda: ScaleFree(2, reverse=1), TypeError, "True or False"),
    (lambda: ScaleFree(2, reverse=True, symmetric=True), ValueError, "leave out `reverse=True`"),
    (lambda: Modular(0, within=0.1, between=0), ValueError, "Modular.modules must be at least 1"),
    (lambda: Modular([], within=0.1, between=0), ValueError, "got none"),
    (lambda: Modular([3, 2.5], within=0.1, between=0), TypeError, r"Modular\.modules\[1\] is a whole number"),
    (
        lambda: Modular(2, within=[0.1, 1.2], between=0),
        ValueError,
        r"Modular\.within: probabilities lie between 0 and 1; got 1.2 \(first at index 1\)",
    ),
    (lambda: Modular(2, within=[0.1] * 3, between=0), ValueError, r"one for each of the 2 modules; got the shape \(3,\)"),
    (lambda: Modular(2, within=0.1, between=[0, 0.1]), ValueError, r"array of shape \(2, 2\)"),
    (lambda: Modular(2, within=0.1, between=[[0, 0.1], [0, 0.2]]), ValueError, "diagonal of 0.*got 0.2 for module 1"),
    (lambda: Modular(2, within=float("nan"), between=0), ValueError, "got nan"),
    (lambda: Modular(2, within=0.1, between=0, autapses=1), TypeError, "True or False"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD_VALUES)
def test_refused_values(make, error, text):
    with pytest.raises(error, match=text):
        make()


BAD_ENDS = [
    (
        SmallWorld(10, p=0.1),
        ring(10),
        r"10 neighbours cannot be found among 10 neurons without the neuron itself; write `SmallWorld\(8, \.\.\.\)`",
    ),
    (SmallWorld(2, p=0.1), ends(5, 6), "got 5 sources and 6 targets"),
    (SmallWorld(2, p=0.1), ends(5, 5, self_shift=1), "same neurons"),
    (ScaleFree(2), ends(5, 5), "both ends are the same"),
    (ScaleFree(5), ring(5), r"need 6 neurons at least; got 5. Write `ScaleFree\(4\)`"),
    (Modular([3, 4], within=0.1, between=0), ends(7, 8), "add up to 7, but there are 8 targets"),
]


@pytest.mark.parametrize(("rule", "at", "text"), BAD_ENDS)
def test_refused_ends(rule, at, text):
    with pytest.raises(ValueError, match=text):
        rule.rows(at)
