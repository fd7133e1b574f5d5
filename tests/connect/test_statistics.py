"""The laws that the rules promise. Every threshold states its rate of false alarms; seeds are fixed, so a pass stays a pass."""

import brainunit as u
import numpy as np
import pytest
from connect.structures import dense, ends
from scipy import stats

from neuro4d.connect import DistanceDecay, ExponentialKernel, FixedInDegree, FixedOutDegree, FixedProb, FixedTotalNumber, GaussianKernel
from neuro4d.lattice import Lattice, distance

FALSE_ALARM = 1e-5


def pooled(rule, n_pre, n_post, seeds, **places):
    return sum(dense(rule, ends(n_pre, n_post, seed, **places)) for seed in range(seeds))


@pytest.mark.parametrize(("n", "p"), [(50, 0.1), (50, 0.5), (40, 0.85), (3000, 0.02), (100, 0.001)])
def test_row_counts_are_binomial(n, p):
    counts = FixedProb(p).rows(ends(20_000, n)).counts
    values, seen = np.unique(counts, return_counts=True)
    expected = np.zeros(n + 1)
    expected[:] = 20_000 * stats.binom.pmf(np.arange(n + 1), n, p)
    observed = np.zeros(n + 1)
    observed[values] = seen
    groups = np.cumsum(expected) // 20  # cells of about 20 expected counts
    observed, expected = np.bincount(groups.astype(int), observed), np.bincount(groups.astype(int), expected)
    used = expected > 0
    chi = ((observed - expected)[used] ** 2 / expected[used]).sum()
    assert stats.chi2.sf(chi, used.sum() - 1) > FALSE_ALARM


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.1, 0.45, 0.8])
def test_all_pairs_are_equally_likely_in_fixed_prob(p):
    counts = pooled(FixedProb(p), 30, 20, 2000)
    chi = ((counts - 2000 * p) ** 2 / (2000 * p * (1 - p))).sum()
    assert FALSE_ALARM / 2 < stats.chi2.cdf(chi, counts.size) < 1 - FALSE_ALARM / 2


@pytest.mark.parametrize("k", [2, 3])
def test_all_subsets_are_equally_likely(k):
    rows = FixedOutDegree(k, multapses=False).rows(ends(30_000, 5))
    sets = rows.targets(0, 30_000).reshape(-1, k)
    seen = np.bincount((1 << sets).sum(axis=1), minlength=32)
    seen = seen[seen > 0]
    assert len(seen) == 10
    assert stats.chisquare(seen).pvalue > FALSE_ALARM


RULES_OF_PAIRS = [
    FixedTotalNumber(400),
    FixedTotalNumber(400, autapses=False),
    FixedTotalNumber(400, multapses=False, autapses=False),
    FixedTotalNumber(150, multapses=False),
    FixedInDegree(8),
    FixedOutDegree(8),
    FixedInDegree(4, multapses=False),
]


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES_OF_PAIRS, ids=str)
def test_allowed_pairs_are_equally_likely(rule):
    n_pre, n_post, shift, seeds = 20, 30, 5, 1000
    counts = pooled(rule, n_pre, n_post, seeds, self_shift=shift).astype(float)
    allowed = np.ones((n_pre, n_post), bool)
    if not rule.autapses:
        allowed[np.arange(n_pre), np.arange(n_pre) + shift] = False
    assert counts[~allowed].sum() == 0
    mean = counts.sum() / allowed.sum()
    chi = ((counts[allowed] - mean) ** 2).sum() / mean
    assert stats.chi2.sf(chi, allowed.sum() - 1) > FALSE_ALARM  # conservative without multapses, whose variance is smaller


def test_uneven_sources_share_edges_by_their_number_of_targets():
    # 3 targets, of which sources 0 and 1 may only use 2: pairs are equally likely, so they have 2/3 of the others' edges.
    at = ends(4, 3, self_shift=1)
    counts = FixedTotalNumber(100_000, autapses=False).rows(at).counts
    assert stats.chisquare(counts, 100_000 * np.array([2, 2, 3, 3]) / 10).pvalue > FALSE_ALARM


def test_totals_are_multinomial_over_sources():
    counts = FixedTotalNumber(200_000).rows(ends(1000, 7)).counts
    assert FALSE_ALARM / 2 < stats.chi2.cdf(((counts - 200) ** 2 / 200).sum(), 999) < 1 - FALSE_ALARM / 2


def test_rows_are_uncorrelated():
    matrix = dense(FixedProb(0.3), ends(400, 400))
    correlation = np.corrcoef(matrix)[np.triu_indices(400, 1)] * np.sqrt(400)
    assert abs(correlation.std() - 1) < 0.05
    assert abs(correlation).max() < 6.5  # 80,000 of them: false alarm 6e-6


@pytest.mark.parametrize("wrap", [None, (True, False, True, True)])
@pytest.mark.parametrize(
    ("kernel", "profile"),
    [(ExponentialKernel(), lambda x: np.exp(-x)), (GaussianKernel(), lambda x: np.exp(-(x**2) / 2))],
)
@pytest.mark.parametrize("cutoff", [None, 200.0])
def test_probability_follows_the_formula_in_4d(wrap, kernel, profile, cutoff):
    lattice = Lattice((9, 9, 9, 9), spacing=50 * u.um, wrap=wrap or False)
    rng = np.random.default_rng(5)
    pre, post = (lattice.xyz(rng.integers(0, 9, (700, 4))) for _ in range(2))
    rule = DistanceDecay(0.8, 120 * u.um, kernel, cutoff=None if cutoff is None else cutoff * u.um)
    matrix = dense(rule, ends(700, 700, pre_xyz=pre, post_xyz=post, wrap=lattice.period if wrap else None))
    d = distance(pre[:, None], post[None], lattice.period)
    p = 0.8 * profile(d / 120) * (1.0 if cutoff is None else d <= cutoff)
    assert matrix[p == 0].sum() == 0
    shells = np.round(d**2 / 2500).astype(int).ravel()
    observed, expected = np.bincount(shells, matrix.ravel()), np.bincount(shells, p.ravel())
    variance = np.bincount(shells, (p * (1 - p)).ravel())
    used = expected > 10
    chi = ((observed - expected)[used] ** 2 / variance[used]).sum()
    assert used.sum() >= 6
    assert FALSE_ALARM / 2 < stats.chi2.cdf(chi, used.sum()) < 1 - FALSE_ALARM / 2


@pytest.mark.parametrize("wrap", [False, True, (True, False, True, False)])
@pytest.mark.parametrize("cutoff", [50.0, 120.0, 250.0, 10_000.0])
def test_a_cutoff_removes_edges_and_changes_none(wrap, cutoff):
    lattice = Lattice((12, 3, 12, 10), spacing=50 * u.um, wrap=wrap)
    rng = np.random.default_rng(6)
    sizes = np.array(lattice.shape)
    pre, post = (lattice.xyz(rng.integers(0, sizes, (n, 4))) for n in (300, 900))
    at = ends(300, 900, pre_xyz=pre, post_xyz=post, wrap=lattice.period)
    free = dense(DistanceDecay(1.0, 150 * u.um), at)
    cut = dense(DistanceDecay(1.0, 150 * u.um, cutoff=cutoff * u.um), at)
    inside = distance(pre[:, None], post[None], lattice.period) <= cutoff * (1 + 1e-9)
    assert free.sum() > 1000
    assert (cut == free * inside).all()


@pytest.mark.parametrize("n_axes", [1, 2, 3, 5])
def test_cells_in_any_number_of_axes_and_off_the_lattice(n_axes):
    rng = np.random.default_rng(7)
    period = np.where(np.arange(n_axes) % 2, np.nan, 1000.0)
    pre, post = rng.uniform(-1500, 2500, (200, n_axes)), rng.uniform(0, 1000, (2000, n_axes))
    at = ends(200, 2000, pre_xyz=pre, post_xyz=post, wrap=period)
    cut = dense(DistanceDecay(1.0, 1e9 * u.um, cutoff=130 * u.um), at)
    d = distance(pre[:, None], post[None], period)
    certain = (d > 130) | (d < 129.9)
    assert (cut == (d <= 130))[certain].mean() > 0.999999


def test_spatial_order_does_not_decide():
    rng = np.random.default_rng(8)
    post = rng.uniform(0, 500, (700, 4))
    pre = rng.uniform(0, 500, (50, 4))
    at = ends(50, 700, pre_xyz=pre, post_xyz=post)
    rule = DistanceDecay(1.0, 100 * u.um)
    expected = np.exp(-distance(pre[:, None], post[None]) / 100)
    matrix = dense(rule, at)
    z = (matrix - expected).sum() / np.sqrt((expected * (1 - expected)).sum())
    assert abs(z) < 4.5  # false alarm 7e-6
