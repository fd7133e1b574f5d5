"""Morton codes and locality."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro4d.lattice import access_pattern, locality, morton_code, morton_order


@given(st.integers(1, 16), st.data())
@settings(max_examples=60, deadline=None)
def test_code_equals_bit_by_bit_interleaving(n_axes, data):
    top = 2 ** min(64 // n_axes, 62) - 1
    site = data.draw(st.lists(st.integers(0, top), min_size=n_axes, max_size=n_axes))
    expected = sum((c >> b & 1) << (b * n_axes + a) for a, c in enumerate(site) for b in range(c.bit_length()))
    assert int(morton_code(np.array([site]))[0]) == expected


def test_order_is_a_permutation_and_keeps_equal_sites():
    sites = np.random.default_rng(1).integers(0, 4, (1000, 4))
    order = morton_order(sites)
    assert (np.sort(order) == np.arange(1000)).all()
    code = morton_code(sites)[order]
    assert (code[1:] >= code[:-1]).all()
    equal = code[1:] == code[:-1]
    assert equal.any() and (np.diff(order)[equal] > 0).all()


def test_aligned_blocks_are_contiguous():
    grid = np.stack(np.meshgrid(*[np.arange(8)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    sites = grid[morton_order(grid)]
    for first in range(0, 512, 64):
        block = sites[first : first + 64]
        assert (block.max(axis=0) - block.min(axis=0) == 3).all()


def test_locality_score_and_statistics():
    sites = np.array([[0, 0], [3, 4], [3, 4]])
    pattern = access_pattern(sites)
    assert (pattern.n_accesses, pattern.unique_sites, pattern.mean_jump, pattern.max_jump) == (3, 2, 2.5, 5.0)
    assert locality(sites) == pytest.approx(1 / 3.5)
    assert locality(sites, np.array([1, 2])) == 1.0
    assert locality(sites[:0]) == 1.0


def test_morton_order_beats_a_random_order_several_times():
    sites = np.random.default_rng(0).integers(0, 20, (5000, 4))
    assert access_pattern(sites, morton_order(sites)).mean_jump < 0.35 * access_pattern(sites).mean_jump


@pytest.mark.parametrize(
    ("sites", "error"),
    [
        (np.zeros((3, 4)), TypeError),
        (np.zeros(4, int), ValueError),
        (np.array([[0, 0, 0, 65536]]), ValueError),
        (np.array([[0, -1]]), ValueError),
        (np.zeros((2, 17), int), ValueError),
    ],
)
def test_refused_sites(sites, error):
    with pytest.raises(error):
        morton_code(sites)
