"""Lattices, areas and placement."""

import brainunit as u
import numpy as np
import pytest

from neuro4d._base import address
from neuro4d.lattice import Box, Lattice, Mask, distance, morton_code

A = address(0, "population", "cells")


def brain(**changes):
    fields = {"shape": (6, 5, 4, 3), "spacing": 50 * u.um, "areas": {"V1": Box(x=(0, 2), w=(1, 1)), "M1": Box(y=(4, 4))}}
    return Lattice(**(fields | changes))


def test_area_sizes_and_members():
    lattice = brain()
    assert lattice.n_sites == 360
    assert lattice["V1"].n_sites == 3 * 5 * 4
    sites = lattice["V1"].all().sites(A)
    assert sites.dtype == np.int32 and sites.shape == (60, 4)
    assert len(np.unique(sites, axis=0)) == 60
    assert (sites[:, 0] <= 2).all() and (sites[:, 3] == 1).all()
    assert lattice["V1"].contains(sites).all()
    assert np.count_nonzero(lattice["V1"].contains(lattice.all().sites(A))) == 60


@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4), (2, 3, 4, 5), (2, 3, 2, 3, 2)])
def test_any_number_of_axes(shape):
    lattice = Lattice(shape)
    sites = lattice.all().sites(A)
    assert len(np.unique(sites, axis=0)) == lattice.n_sites == np.prod(shape)
    assert (lattice.site(lattice.site_number(sites)) == sites).all()
    assert (sites.max(axis=0) == np.array(shape) - 1).all()


def test_sites_are_in_morton_order():
    sites = brain().sample(0.5).sites(A)
    code = morton_code(sites)
    assert (code[1:] > code[:-1]).all()


def test_site_numbers_count_the_first_axis_fastest():
    lattice = brain()
    assert lattice.site_number(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])).tolist() == [1, 6, 30, 120]


def test_density_is_the_probability_of_a_site():
    placement = Lattice((20, 20, 20, 20)).sample(0.1)
    counts = np.array([len(placement.sites(address(seed, "p"))) for seed in range(10)])
    z = (counts.sum() - 10 * placement.expected) / np.sqrt(10 * 160_000 * 0.1 * 0.9)
    assert abs(z) < 4.5  # false alarm 7e-6
    assert counts.std() > 0


def test_draws_belong_to_sites_not_to_areas():
    lattice = brain()
    everywhere = lattice.sample(0.4).sites(A)
    inside = lattice["V1"].sample(0.4).sites(A)
    assert (everywhere[lattice["V1"].contains(everywhere)] == inside).all()


def test_box_and_mask_of_the_same_sites_agree():
    mask = np.zeros((6, 5, 4, 3), bool)
    mask[:3, :, :, 1] = True
    lattice = brain(areas={"box": Box(x=(0, 2), w=(1, 1)), "mask": Mask(mask)})
    assert lattice["mask"].n_sites == lattice["box"].n_sites
    assert (lattice["mask"].sample(0.3).sites(A) == lattice["box"].sample(0.3).sites(A)).all()


def test_golden_sites():
    sites = brain().sample(0.02).sites(A)
    assert sites.tolist() == [[0, 1, 1, 1], [3, 3, 3, 1]]


def test_density_zero_and_one():
    assert brain().sample(0).sites(A).shape == (0, 4)
    assert len(brain().sample(1).sites(A)) == 360


def test_large_boxes_are_drawn_in_pieces():
    lattice = Lattice((700, 3, 700), areas={"slab": Box(y=(1, 1))})
    sites = lattice["slab"].sample(0.01).sites(A)
    assert len(np.unique(lattice.site_number(sites))) == len(sites)
    assert (sites[:, 1] == 1).all()
    assert abs(len(sites) - 4900) < 4.5 * np.sqrt(4900 * 0.99)  # false alarm 7e-6


def test_positions_and_periods():
    lattice = brain(spacing=np.array([10.0, 20.0, 30.0, 40.0]) * u.um, wrap=(True, False, False, True))
    assert lattice.xyz(np.array([[1, 1, 1, 1]])).tolist() == [[10, 20, 30, 40]]
    np.testing.assert_array_equal(lattice.period, [60, np.nan, np.nan, 120])
    assert u.get_unit(lattice.coordinates(np.array([[1, 1, 1, 1]]))) == u.um
    assert float(lattice.distance([0, 0, 0, 0], [5, 0, 0, 2]).to_decimal(u.um)) == pytest.approx(np.hypot(10, 40))


def test_periodic_distance_is_the_smallest_over_images():
    rng = np.random.default_rng(0)
    period = np.array([np.nan, 3.0, np.nan, 7.0])
    a, b = rng.uniform(0, 3, (500, 4)), rng.uniform(0, 3, (500, 4))
    images = [np.array([0, i * 3.0, 0, j * 7.0]) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    nearest = np.min([np.linalg.norm(a - b + image, axis=1) for image in images], axis=0)
    np.testing.assert_allclose(distance(a, b, period), nearest, rtol=1e-12)
    np.testing.assert_allclose(distance(b, a, period), nearest, rtol=1e-12)
    assert (distance(a, b) >= nearest - 1e-12).all()


def test_immutable_hashable_and_equal_by_value():
    mask = np.eye(4, dtype=bool)
    one = Lattice((4, 4), areas={"a": Box(x=(0, 1)), "m": Mask(mask)})
    two = Lattice((4, 4), areas={"a": Box(x=(0, 1)), "m": Mask(mask.copy())})
    assert one == two and hash(one) == hash(two)
    assert one["a"].sample(0.5) == two["a"].sample(0.5)
    assert one != Lattice((4, 4), wrap=True, areas={"a": Box(x=(0, 1)), "m": Mask(mask)})
    mask[:] = True
    assert one["m"].n_sites == 4
    with pytest.raises(AttributeError):
        one.shape = (1,)
    with pytest.raises(AttributeError):
        Box(x=(0, 1)).ranges = ()
    with pytest.raises(ValueError, match="read-only"):
        Mask(mask).sites[0, 0] = False


def test_reading_like_a_dictionary():
    lattice = brain()
    assert list(lattice) == ["V1", "M1"] and len(lattice) == 2
    assert "V1" in lattice and "V2" not in lattice and bool(Lattice((3,)))
    assert repr(lattice) == "Lattice(6 x 5 x 4 x 3, spacing 50.0 um, areas V1 M1)"
    assert repr(lattice["V1"]) == "Area(V1, Box(x=(0, 2), w=(1, 1)), 60 sites)"


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"shape": (0, 2)}, ValueError, "at least 1"),
        ({"shape": (2, -1)}, ValueError, "at least 1"),
        ({"shape": (2.0, 2)}, TypeError, "whole number"),
        ({"shape": (True, 2)}, TypeError, "whole number"),
        ({"shape": "20"}, TypeError, "tuple"),
        ({"shape": ()}, ValueError, "1 to 16 axes"),
        ({"shape": (70_000, 2, 2, 2)}, ValueError, "65536"),
        ({"spacing": 50}, TypeError, "50"),
        ({"spacing": 50 * u.ms}, TypeError, "ms"),
        ({"spacing": 0 * u.um}, ValueError, "more than"),
        ({"spacing": float("nan") * u.um}, ValueError, "nan"),
        ({"spacing": np.array([1.0, 2.0]) * u.um}, ValueError, "4 axes"),
        ({"wrap": (True, False)}, ValueError, "4 axes"),
        ({"wrap": 1}, TypeError, "True"),
        ({"wrap": "yes"}, TypeError, "True"),
        ({"areas": [Box()]}, TypeError, "dictionary"),
        ({"areas": {"V1": (0, 1)}}, TypeError, "Box"),
        ({"areas": {"V1": Box(x=(0, 6))}}, ValueError, "0 to 5"),
        ({"areas": {"V1": Box(q=(0, 1))}}, ValueError, "axis 'q'"),
        ({"areas": {"V1": Box(), "v1": Box()}}, ValueError, "differ only in case"),
        ({"areas": {"a/b": Box()}}, ValueError, "name of an? area"),
        ({"areas": {"": Box()}}, ValueError, "name"),
        ({"areas": {3: Box()}}, TypeError, "name"),
        ({"areas": {"V1": Mask(np.ones((6, 5), bool))}}, ValueError, "shape"),
        ({"axes": ("x", "x", "y", "z")}, ValueError, "once"),
        ({"axes": ("x", "y")}, ValueError, "4 axes"),
        ({"axes": "xyzw"}, TypeError, "tuple"),
    ],
)
def test_refused_lattices(changes, error, text):
    with pytest.raises(error, match=text):
        brain(**changes)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Box(x=(3, 1)), ValueError),
        (lambda: Box(x=(-1, 1)), ValueError),
        (lambda: Box(x=3), TypeError),
        (lambda: Box(x=(0.0, 1)), TypeError),
        (lambda: Mask(np.zeros((3, 3), bool)), ValueError),
        (lambda: Mask(np.ones((3, 3))), TypeError),
    ],
)
def test_refused_regions(make, error):
    with pytest.raises(error):
        make()


@pytest.mark.parametrize("density", [-0.1, 1.1, float("nan"), float("inf")])
def test_refused_densities(density):
    with pytest.raises(ValueError, match="between 0 and 1"):
        brain()["V1"].sample(density)


@pytest.mark.parametrize("density", ["0.1", None, True, [0.1], 0.1 * u.um])
def test_densities_of_the_wrong_kind(density):
    with pytest.raises(TypeError):
        brain()["V1"].sample(density)


def test_unknown_area_names_the_nearest():
    with pytest.raises(KeyError, match="Did you mean 'V1'"):
        brain()["V11"]
