"""Masks, scales for each axis and areas put onto each other, against the definition pair by pair. False-alarm rates as stated; seeds are fixed."""

import time

import brainunit as u
import numpy as np
import pytest
from connect.structures import dense, edges, ends
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import neuro4d as n4
from neuro4d.connect import (
    BallMask,
    BoxMask,
    DistanceDecay,
    EllipsoidMask,
    ExponentialKernel,
    FixedProb,
    GaussianKernel,
    Neighbours,
    RingMask,
    SmallWorld,
    Topographic,
)
from neuro4d.lattice import Box, Lattice

FALSE_ALARM = 1e-5
UM = u.um


def everywhere(lattice, seed=0):
    xyz = lattice.xyz(lattice.site(np.arange(lattice.n_sites)))
    return ends(len(xyz), len(xyz), seed, self_shift=0, pre_xyz=xyz, post_xyz=xyz, wrap=lattice.period)


def shortest(lattice):
    """Displacements between all sites, the shorter way round, found by trying all ways."""
    xyz = lattice.xyz(lattice.site(np.arange(lattice.n_sites)))
    delta = xyz[None] - xyz[:, None]
    for axis in np.flatnonzero(lattice.wrap):
        ways = delta[..., axis, None] + lattice.period[axis] * np.array([0, -1, 1])
        delta[..., axis] = np.take_along_axis(ways, np.abs(ways).argmin(-1)[..., None], -1)[..., 0]
    return delta


def inside(mask, d):
    """The definitions, as a reader writes them down."""
    length = np.sqrt((d**2).sum(-1))
    match mask:
        case BallMask():
            return length <= mask.radius + 1e-6
        case RingMask():
            return (length >= mask.inner - 1e-6) & (length <= mask.outer + 1e-6)
        case BoxMask():
            return (np.abs(d) <= mask.half + 1e-6).all(-1)
        case EllipsoidMask():
            return ((d / mask.radii) ** 2).sum(-1) <= 1 + 1e-6
    raise AssertionError(mask)


MASKS = [
    BallMask(75 * UM),
    BallMask(100 * UM),
    RingMask(inner=50 * UM, outer=100 * UM),
    RingMask(inner=0 * UM, outer=60 * UM),
    BoxMask(50 * UM),
    BoxMask(np.array([100.0, 50.0, 20.0]) * UM),
    EllipsoidMask(np.array([150.0, 50.0, 100.0]) * UM),
    BallMask(10_000 * UM),
]


@pytest.mark.parametrize("wrap", [False, True, (True, False, True)])
@pytest.mark.parametrize("mask", MASKS, ids=str)
def test_a_mask_holds_exactly_the_pairs_of_its_definition(mask, wrap):
    lattice = Lattice((6, 7, 4), spacing=50 * UM, wrap=wrap)
    at, expected = everywhere(lattice), inside(mask, shortest(lattice))
    counts = dense(Neighbours(mask), at)
    assert (counts == expected).all()
    assert (counts == counts.T).all()  # all of them are symmetric
    without = dense(Neighbours(mask, autapses=False), at)
    assert (without == expected & ~np.eye(len(expected), dtype=bool)).all()


@pytest.mark.parametrize(
    "mask, sites",
    [
        (BoxMask(50 * UM), 81),
        (BoxMask(100 * UM), 625),
        (BallMask(50 * UM), 9),
        (BallMask(75 * UM), 33),
        (RingMask(inner=60 * UM, outer=80 * UM), 24),
    ],
)
def test_on_a_torus_every_neuron_has_the_same_number_of_neighbours(mask, sites):
    """Lattice points: 3^4, 5^4, 1 + 8, 1 + 8 + 24 (two steps along different axes), 24."""
    at = everywhere(Lattice((6, 6, 6, 6), spacing=50 * UM, wrap=True))
    rows = Neighbours(mask).rows(at)
    assert (rows.counts == sites).all()
    assert (np.bincount(rows.targets(0, 1296), minlength=1296) == sites).all()


@settings(max_examples=20)
@given(p=st.floats(0.1, 0.9), seed=st.integers(0, 3))
def test_a_smaller_mask_removes_edges_and_changes_none(p, seed):
    at = everywhere(Lattice((6, 6, 5), spacing=50 * UM, wrap=(True, False, True)), seed)
    whole, ball = dense(Neighbours(BallMask(120 * UM), p), at), dense(Neighbours(BallMask(60 * UM), p), at)
    ring = dense(Neighbours(RingMask(inner=61 * UM, outer=120 * UM), p), at)
    assert (whole == ball + ring).all()


def test_the_share_of_pairs_inside_is_p():
    at = everywhere(Lattice((8, 8, 8), spacing=50 * UM, wrap=True))
    seen = Neighbours(BoxMask(100 * UM), p=0.3).rows(at).counts
    chi = ((seen - 125 * 0.3) ** 2 / (125 * 0.21)).sum()
    assert FALSE_ALARM / 2 < stats.chi2.cdf(chi, 512) < 1 - FALSE_ALARM / 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "kernel, profile", [(ExponentialKernel(), lambda x: np.exp(-x)), (GaussianKernel(), lambda x: np.exp(-(x**2) / 2))]
)
@pytest.mark.parametrize("mask", [None, BoxMask(150 * UM)])
def test_probability_with_a_scale_for_each_axis(kernel, profile, mask):
    lattice = Lattice((9, 8, 7), spacing=50 * UM, wrap=(True, False, True))
    scale = np.array([200.0, 60.0, 90.0])
    d = shortest(lattice)
    p = 0.9 * profile(np.sqrt(((d / scale) ** 2).sum(-1))) * (1 if mask is None else inside(mask, d))
    counts = sum(dense(DistanceDecay(0.9, scale * UM, kernel, mask=mask), everywhere(lattice, seed)) for seed in range(3))
    assert counts[p == 0].sum() == 0
    shells = np.unique(np.round(np.abs(d)).reshape(-1, 3), axis=0, return_inverse=True)[1].ravel()  # every displacement on its own
    observed, expected, variance = (np.bincount(shells, x.ravel()) for x in (counts, 3 * p, 3 * p * (1 - p)))
    used = expected > 10
    chi = ((observed - expected)[used] ** 2 / variance[used]).sum()
    assert used.sum() > 15 and FALSE_ALARM / 2 < stats.chi2.cdf(chi, used.sum()) < 1 - FALSE_ALARM / 2


def test_equal_scales_are_one_scale_and_a_mask_cuts_off():
    at = everywhere(Lattice((6, 6, 6), spacing=50 * UM))
    one = dense(DistanceDecay(0.9, 80 * UM), at)
    assert (one == dense(DistanceDecay(0.9, np.full(3, 80.0) * UM), at)).all()
    for radius in (60.0, 100.0):
        assert (
            dense(DistanceDecay(0.9, 80 * UM, cutoff=radius * UM), at) == dense(DistanceDecay(0.9, 80 * UM, mask=BallMask(radius * UM)), at)
        ).all()


# Areas -----------------------------------------------------------------------------------------------------------------------

BRAIN = Lattice(
    (20, 12, 3), spacing=50 * UM, areas={"V1": Box(x=(0, 11)), "V2": Box(x=(12, 17), y=(2, 7), z=(1, 1)), "V3": Box(x=(18, 19))}
)


def between(source, target, seed=0):
    sites = [BRAIN.site(np.concatenate([*area.region.pieces(BRAIN.shape, BRAIN.axes)])) for area in (source, target)]
    pre, post = (BRAIN.xyz(s) for s in sites)
    return ends(len(pre), len(post), seed, pre_xyz=pre, post_xyz=post, wrap=BRAIN.period), *sites


def test_an_area_of_twice_the_size_sends_four_sources_to_one_target():
    at, pre, post = between(BRAIN["V1"], BRAIN["V2"])
    counts = dense(Topographic(Neighbours(BoxMask(25 * UM)), BRAIN["V1"], BRAIN["V2"]), at)
    expected = (pre[:, None, 0] // 2 == post[None, :, 0] - 12) & (pre[:, None, 1] // 2 == post[None, :, 1] - 2)
    assert (counts == expected).all() and (counts.sum(axis=0) == 2 * 2 * 3).all() and (counts.sum(axis=1) == 1).all()


def test_there_and_back_is_the_same_map():
    forth, _, _ = between(BRAIN["V1"], BRAIN["V3"])
    counts = dense(Topographic(Neighbours(BoxMask(np.array([25.0, 0.1, 0.1]) * UM)), BRAIN["V1"], BRAIN["V3"]), forth)
    assert (counts.sum(axis=1) == 1).all() and (counts.sum(axis=0) == 6).all()
    back, _, _ = between(BRAIN["V3"], BRAIN["V1"])
    wide = dense(Topographic(Neighbours(BoxMask(np.array([125.0, 0.1, 0.1]) * UM)), BRAIN["V3"], BRAIN["V1"]), back)
    assert (wide == counts.T).all()


def test_an_area_onto_itself_changes_nothing():
    at, _, _ = between(BRAIN["V1"], BRAIN["V1"])
    at = at._replace(self_shift=0)
    for rule in (DistanceDecay(0.8, 90 * UM, autapses=False), Neighbours(BallMask(70 * UM), 0.4), SmallWorld(BallMask(50 * UM), p=0.2)):
        assert (dense(Topographic(rule, BRAIN["V1"], BRAIN["V1"]), at) == dense(rule, at)).all()


def test_areas_of_two_lattices_and_distances_in_the_target():
    fine, coarse = Lattice((30, 4), spacing=10 * UM), Lattice((10, 4), spacing=100 * UM, wrap=True)
    pre, post = (lattice.xyz(lattice.site(np.arange(lattice.n_sites))) for lattice in (fine, coarse))
    at = ends(120, 40, pre_xyz=pre, post_xyz=post, wrap=fine.period)
    counts = dense(Topographic(Neighbours(BallMask(101 * UM)), fine.whole, coarse.whole), at)
    x = (fine.site(np.arange(120))[:, 0] + 0.5) / 3 - 0.5
    dx = np.abs(x[:, None] - coarse.site(np.arange(40))[None, :, 0])
    dy = np.abs(fine.site(np.arange(120))[:, None, 1] - coarse.site(np.arange(40))[None, :, 1])
    expected = np.minimum(dx, 10 - dx) ** 2 + np.minimum(dy, 4 - dy) ** 2 <= 1.01**2
    assert (counts == expected).all()


def test_in_a_network():
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    v1, v2 = (n4.Population(name, BRAIN[name].all(), lif, {"exc": n4.ExpCurrent(tau=5 * u.ms)}) for name in ("V1", "V2"))
    rule = Topographic(Neighbours(BoxMask(25 * UM)), BRAIN["V1"], BRAIN["V2"])
    model = n4.Network(v1, v2, n4.Projection("up", v1, v2, "exc", rule, weight=1 * u.pA)).build(dt=1 * u.ms)
    found = model.edges("up")
    pre, post = np.asarray(model.sites["V1"])[found.pre], np.asarray(model.sites["V2"])[found.post]
    assert len(found) == 12 * 12 * 3 and (pre[:, 0] // 2 + 12 == post[:, 0]).all() and (pre[:, 1] // 2 + 2 == post[:, 1]).all()
    wrong = n4.Projection("up", v1, v2, "exc", Topographic(Neighbours(BoxMask(25 * UM)), BRAIN["V2"], BRAIN["V2"]), weight=1 * u.pA)
    with pytest.raises(
        ValueError, match=r"projection 'up': Topographic\.source: all neurons lie in the area 'V2'; neuron 0 is at site \(0, 0, 0\)"
    ):
        n4.Network(v1, v2, wrong).build(dt=1 * u.ms)


@pytest.mark.full
def test_a_hundred_thousand_neurons_find_their_neighbours_in_seconds():
    at = everywhere(Lattice((18, 18, 18, 18), spacing=50 * UM, wrap=True))
    begin = time.perf_counter()
    rows = Neighbours(BallMask(110 * UM)).rows(at)
    assert at.n_pre == 104_976 and (rows.counts == rows.counts[0]).all() and 80 < rows.counts[0] < 200 and time.perf_counter() - begin < 60
    pre, _ = edges(DistanceDecay(0.9, np.array([60.0, 60.0, 30.0, 30.0]) * UM, mask=BoxMask(100 * UM)), at)
    assert len(pre) > 10**6 and time.perf_counter() - begin < 120


BAD_VALUES = [
    (lambda: BallMask(100), TypeError, r"BallMask\.radius"),
    (lambda: BallMask(0 * UM), ValueError, "must be more than 0"),
    (lambda: BallMask(np.ones(2) * UM), TypeError, "one length, for example `radius=150"),
    (lambda: RingMask(inner=5 * UM, outer=5 * UM), ValueError, "inner lies below outer.*got 5.0 um and 5.0 um"),
    (lambda: BoxMask(np.ones((2, 2)) * UM), TypeError, "one for each axis"),
    (lambda: EllipsoidMask(5 * UM), ValueError, "one length for each axis"),
    (lambda: Neighbours(50 * UM), TypeError, r"Neighbours\.mask is a shape such as `BallMask"),
    (lambda: Neighbours(BallMask(1 * UM), p=2), ValueError, r"Neighbours\.p must lie between 0 and 1"),
    (lambda: Neighbours(BallMask(1 * UM), autapses=1), TypeError, "True or False"),
    (lambda: DistanceDecay(0.5, 1 * UM, mask=3), TypeError, r"DistanceDecay\.mask is a shape"),
    (lambda: DistanceDecay(0.5, np.ones((2, 2)) * UM), TypeError, "one for each axis"),
    (lambda: Topographic(3, BRAIN["V1"], BRAIN["V2"]), TypeError, "Topographic.rule is a rule"),
    (lambda: Topographic(FixedProb(0.1), BRAIN, BRAIN["V2"]), TypeError, r"Topographic\.source is an area such as `brain\['V1'\]`"),
    (lambda: Topographic(FixedProb(0.1), BRAIN["V1"], Lattice((3, 3)).whole), ValueError, "same axes; got 3 and 2"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD_VALUES)
def test_refused_values(make, error, text):
    with pytest.raises(error, match=text):
        make()


FLAT = everywhere(Lattice((3, 3)))
BAD_ENDS = [
    (Neighbours(BoxMask(np.ones(3) * UM)), FLAT, "BoxMask.half has one length for each of the 2 axes; got 3"),
    (Neighbours(EllipsoidMask(np.ones(3) * UM)), FLAT, "EllipsoidMask.radii has one length for each of the 2 axes"),
    (DistanceDecay(0.5, np.ones(3) * UM), FLAT, "DistanceDecay.scale has one length for each of the 2 axes; got 3"),
    (Neighbours(BallMask(1 * UM)), ends(3, 3), "Neighbours: the source population has no place"),
    (SmallWorld(BallMask(1 * UM), p=0.1), ends(3, 3), "the source population has no place"),
    (Topographic(FixedProb(0.1), BRAIN["V1"], BRAIN["V2"]), ends(3, 3), "Topographic: the source population has no place"),
]


@pytest.mark.parametrize(("rule", "at", "text"), BAD_ENDS)
def test_refused_ends(rule, at, text):
    with pytest.raises(ValueError, match=text):
        rule.rows(at)
