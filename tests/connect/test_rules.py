"""Every rule: degrees, switches, pieces, bounds."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import brainunit as u
import numpy as np
import pytest
from connect.structures import dense, edges, ends, own_pairs

from neuro4d.connect import (
    AllToAll,
    BallMask,
    DistanceDecay,
    EdgeList,
    FixedInDegree,
    FixedOutDegree,
    FixedProb,
    FixedTotalNumber,
    GaussianKernel,
    Modular,
    Neighbours,
    OneToOne,
    SmallWorld,
)
from neuro4d.lattice import Lattice


def placed(n_pre, n_post, **more):
    lattice = Lattice((8, 8, 8, 8), wrap=(True, False, True, False))
    rng = np.random.default_rng(3)
    pre, post = (lattice.xyz(rng.integers(0, 8, (n, 4))) for n in (n_pre, n_post))
    return ends(n_pre, n_post, pre_xyz=pre, post_xyz=post, wrap=lattice.period, **more)


RULES = [
    FixedProb(0.07),
    FixedProb(0.3),
    FixedProb(0.5, autapses=False),
    FixedProb(0.93, autapses=False),
    FixedInDegree(7),
    FixedInDegree(50, multapses=False, autapses=False),
    FixedOutDegree(7, autapses=False),
    FixedOutDegree(7, multapses=False, autapses=False),
    FixedOutDegree(40, multapses=False),
    FixedTotalNumber(700),
    FixedTotalNumber(700, autapses=False),
    FixedTotalNumber(700, multapses=False, autapses=False),
    FixedTotalNumber(3000, multapses=False),
    AllToAll(),
    AllToAll(autapses=False),
    DistanceDecay(0.6, 100 * u.um),
    DistanceDecay(0.6, 100 * u.um, GaussianKernel(), cutoff=150 * u.um, autapses=False),
    DistanceDecay(0.8, [100, 40, 80, 60] * u.um, mask=BallMask(120 * u.um)),
    Neighbours(BallMask(90 * u.um), 0.5, autapses=False),
    SmallWorld(BallMask(90 * u.um), p=0.3),
    Modular(4, within=0.4, between=0.1, autapses=False),
    Modular(3, within=[0.9, 0, 0.1], between=0.2),
    EdgeList([3, 1, 3, 0, 59], [0, 69, 1, 2, 5]),
]
SHIFTS = [None, 0, 5, -20, 100]


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_rows_in_pieces_equal_the_whole(rule, shift):
    at = placed(60, 70, self_shift=shift)
    rows = rule.rows(at)
    whole = rows.targets(0, 60)
    assert rows.counts.dtype == np.int64 and rows.counts.shape == (60,)
    assert whole.dtype == np.int32 and len(whole) == rows.counts.sum() == rows.n_edges
    assert (whole >= 0).all() and (whole < 70).all()
    for cuts in ([0, 60], [0, 1, 2, 33, 60], range(61)):
        pieces = [rule.rows(at).targets(lo, hi) for lo, hi in itertools.pairwise(cuts)]
        assert (np.concatenate(pieces) == whole).all()
    assert rows.targets(60, 60).size == 0
    bound = rule.capacity(60, 70, shift is not None)
    assert bound is None or rows.n_edges <= bound


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_switches_hold(rule, shift):
    at = placed(60, 70, self_shift=shift)
    matrix = dense(rule, at)
    if not getattr(rule, "autapses", True):
        assert matrix[own_pairs(at)].sum() == 0
    if not getattr(rule, "multapses", True) or isinstance(rule, FixedProb | DistanceDecay | AllToAll | Neighbours | Modular):
        assert matrix.max() <= 1


@pytest.mark.parametrize("rule", RULES[:-1], ids=str)
def test_the_seed_decides(rule):
    at = placed(60, 70)
    first, again = edges(rule, at), edges(rule, at)
    other = edges(rule, at._replace(address=ends(1, 1, seed=1).address))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    if not isinstance(rule, AllToAll):
        assert len(first[1]) != len(other[1]) or (first[1] != other[1]).any()


def test_threads_see_the_same_rows():
    rows = FixedProb(0.2).rows(ends(2000, 500))
    cuts = np.linspace(0, 2000, 41).astype(int)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(rows.targets, cuts[:-1], cuts[1:]))
    assert (np.concatenate(parts) == FixedProb(0.2).rows(ends(2000, 500)).targets(0, 2000)).all()


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("autapses", [True, False])
@pytest.mark.parametrize("multapses", [True, False])
def test_degrees_are_exact(shift, autapses, multapses):
    at = ends(60, 70, self_shift=shift)
    switches = {"autapses": autapses, "multapses": multapses}
    assert (dense(FixedInDegree(9, **switches), at).sum(axis=0) == 9).all()
    assert (dense(FixedOutDegree(9, **switches), at).sum(axis=1) == 9).all()
    assert dense(FixedTotalNumber(911, **switches), at).sum() == 911


def test_degrees_up_to_everybody():
    at = ends(60, 70, self_shift=5)
    assert (dense(FixedOutDegree(70, multapses=False), at) == 1).all()
    assert (dense(FixedInDegree(60, multapses=False), at) == 1).all()
    assert (dense(FixedTotalNumber(4200, multapses=False), at) == 1).all()
    others = ~own_pairs(at)
    square = ends(40, 40, self_shift=0)
    assert (dense(FixedOutDegree(39, multapses=False, autapses=False), square) == 1 - np.eye(40)).all()
    assert (dense(FixedTotalNumber(4140, multapses=False, autapses=False), at) == others).all()
    assert (dense(FixedProb(1.0, autapses=False), at) == others).all()
    assert (dense(AllToAll(autapses=False), at) == others).all()
    assert dense(FixedProb(0.0), at).sum() == 0


def test_one_to_one():
    assert (dense(OneToOne(), ends(9, 9)) == np.eye(9)).all()
    assert OneToOne().rows(ends(9, 9)).targets(4, 7).tolist() == [4, 5, 6]


@pytest.mark.parametrize("rule", [FixedProb(0.1), FixedInDegree(0), FixedOutDegree(0), FixedTotalNumber(0), AllToAll()], ids=str)
@pytest.mark.parametrize("sizes", [(0, 5), (5, 0), (0, 0)])
def test_empty_ends_have_no_edges(rule, sizes):
    rows = rule.rows(ends(*sizes))
    assert rows.counts.shape == (sizes[0],) and rows.targets(0, sizes[0]).size == 0


def test_golden_draws():
    at = ends(4, 1000)
    rules = (*RULES[:2], FixedInDegree(2), FixedOutDegree(3), FixedTotalNumber(9))
    drawn = {str(rule): rule.rows(at).targets(0, 4)[:4].tolist() for rule in rules}
    assert drawn == GOLDEN
    assert FixedProb(0.07).rows(at).counts.tolist() == COUNTS


GOLDEN = {
    "FixedProb(p=0.07)": [0, 8, 13, 31],
    "FixedProb(p=0.3)": [0, 7, 8, 9],
    "FixedInDegree(k=2)": [0, 1, 2, 3],
    "FixedOutDegree(k=3)": [575, 133, 945, 192],
    "FixedTotalNumber(n=9)": [575, 133, 945, 192],
}
COUNTS = [71, 61, 83, 63]


def test_edges_keep_the_order_of_the_user():
    pre, post = np.array([5, 0, 5, 2, 0, 5]), np.array([1, 9, 0, 3, 9, 1])
    rows = EdgeList(pre, post).rows(ends(6, 10))
    assert rows.order.tolist() == [1, 4, 3, 0, 2, 5]
    assert rows.targets(0, 6).tolist() == post[rows.order].tolist()
    assert rows.counts.tolist() == [2, 0, 1, 0, 0, 3]
    assert FixedProb(0.1).rows(ends(6, 10)).order is None


def test_an_empty_list_of_edges_runs():
    rows = EdgeList([], []).rows(ends(3, 3))
    assert rows.counts.tolist() == [0, 0, 0] and rows.targets(0, 3).size == 0 and rows.order.size == 0


def test_large_rows_cross_blocks():
    rows = FixedOutDegree(150_000, multapses=False).rows(ends(2, 1_000_000))
    row = rows.targets(1, 2)
    assert len(np.unique(row)) == 150_000 and (np.diff(row) > 0).all()
    rows = FixedOutDegree(150_000).rows(ends(2, 1_000_000))
    assert (np.concatenate([rows.targets(0, 1), rows.targets(1, 2)]) == rows.targets(0, 2)).all()


def test_rows_beyond_the_end_are_refused():
    rows = AllToAll().rows(ends(3, 3))
    for lo, hi in ((-1, 2), (0, 4), (2, 1)):
        with pytest.raises(IndexError, match="0 to 3"):
            rows.targets(lo, hi)


BAD_VALUES = [
    (lambda: FixedProb(-0.1), ValueError, r"FixedProb\.p must lie between 0 and 1.*-0\.1"),
    (lambda: FixedProb(1.0001), ValueError, "between 0 and 1"),
    (lambda: FixedProb(float("nan")), ValueError, "nan"),
    (lambda: FixedProb("0.1"), TypeError, "FixedProb.p"),
    (lambda: FixedProb(True), TypeError, "FixedProb.p"),
    (lambda: FixedProb(np.array([0.1, 0.2])), TypeError, "one number"),
    (lambda: FixedProb(0.1, autapses=1), TypeError, "True or False"),
    (lambda: FixedInDegree(-1), ValueError, "at least 0"),
    (lambda: FixedInDegree(1.5), TypeError, "whole number"),
    (lambda: FixedOutDegree(True), TypeError, "whole number"),
    (lambda: FixedOutDegree(3, multapses="no"), TypeError, "True or False"),
    (lambda: FixedTotalNumber(-5), ValueError, "at least 0"),
    (lambda: FixedTotalNumber("5"), TypeError, "whole number"),
    (lambda: DistanceDecay(1.5, 100 * u.um), ValueError, "DistanceDecay.p0"),
    (lambda: DistanceDecay(0.5, 100), TypeError, "DistanceDecay.scale"),
    (lambda: DistanceDecay(0.5, 100 * u.ms), TypeError, "DistanceDecay.scale"),
    (lambda: DistanceDecay(0.5, 0 * u.um), ValueError, "DistanceDecay.scale"),
    (lambda: DistanceDecay(0.5, float("nan") * u.um), ValueError, "DistanceDecay.scale"),
    (lambda: DistanceDecay(0.5, np.ones((3, 1)) * u.um), TypeError, "one length"),
    (lambda: DistanceDecay(0.5, 1 * u.um, cutoff=-1 * u.um), ValueError, "DistanceDecay.cutoff"),
    (lambda: DistanceDecay(0.5, 1 * u.um, kernel="gaussian"), TypeError, "GaussianKernel"),
    (lambda: EdgeList([0, 1], [0]), ValueError, "2 and 1"),
    (lambda: EdgeList([[0]], [[0]]), ValueError, "shape"),
    (lambda: EdgeList([0, 1], [0, -1]), IndexError, "edge 1 has -1"),
    (lambda: EdgeList([0, 2**31], [0, 1]), IndexError, "edge 1 has 2147483648"),
    (lambda: EdgeList([0.0, 1.0], [0, 1]), TypeError, "edge 0"),
    (lambda: EdgeList([0, 1], [0, float("nan")]), TypeError, "whole numbers"),
    (lambda: EdgeList([True], [0]), TypeError, "whole numbers"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD_VALUES)
def test_refused_values(make, error, text):
    with pytest.raises(error, match=text):
        make()


BAD_ENDS = [
    (FixedInDegree(61, multapses=False), ends(60, 70), "61 different sources cannot be drawn from 60"),
    (FixedInDegree(60, multapses=False, autapses=False), ends(60, 60, self_shift=0), "from 59"),
    (FixedOutDegree(71, multapses=False), ends(60, 70), "71 different targets"),
    (FixedOutDegree(1), ends(60, 0), "from 0"),
    (FixedOutDegree(1, autapses=False), ends(1, 1, self_shift=0), "from 0"),
    (FixedTotalNumber(4201, multapses=False), ends(60, 70), "4201 different pairs"),
    (FixedTotalNumber(4141, multapses=False, autapses=False), ends(60, 70, self_shift=5), "have 4140 without autapses"),
    (FixedTotalNumber(1), ends(0, 70), "0 pairs"),
    (OneToOne(), ends(3, 4), "3 sources and 4 targets"),
    (DistanceDecay(0.5, 1 * u.um), ends(3, 4), "source population has no place"),
    (DistanceDecay(0.5, 1 * u.um), ends(1, 1, pre_xyz=np.zeros((1, 2)), post_xyz=np.zeros((1, 3))), "2 and 3 axes"),
    (EdgeList([0, 1, 1], [0, 2, 2], multapses=False), ends(3, 3), r"edge 2 \(1 to 2\) repeats"),
    (EdgeList([0, 1], [2, 1], autapses=False), ends(3, 3, self_shift=0), r"edge 1 \(1 to 1\) connects a neuron to itself"),
]


@pytest.mark.parametrize(("rule", "at", "text"), BAD_ENDS)
def test_refused_ends(rule, at, text):
    with pytest.raises(ValueError, match=text):
        rule.rows(at)


def test_edges_beyond_a_population_are_refused_with_their_number():
    with pytest.raises(IndexError, match="3 sources, numbered from 0 to 2; edge 1 has 3"):
        EdgeList([0, 3], [0, 0]).rows(ends(3, 3))
    with pytest.raises(IndexError, match=r"EdgeList\.post.*edge 0 has 7"):
        EdgeList([0, 1], [7, 0]).rows(ends(3, 3))
