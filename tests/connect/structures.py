"""What the tests of rules share: building whole structures in whole and in pieces."""

import numpy as np

from neuro4d._base import address
from neuro4d.connect import Ends


def ends(n_pre, n_post, seed=0, **places):
    """Two ends with the randomness of a seed."""
    return Ends(address(seed, "projection", "e"), n_pre, n_post, **places)


def edges(rule, at):
    """Sources and targets of all edges."""
    rows = rule.rows(at)
    return np.repeat(np.arange(at.n_pre), rows.counts), rows.targets(0, at.n_pre)


def dense(rule, at):
    """Number of edges for each pair."""
    matrix = np.zeros((at.n_pre, at.n_post), int)
    np.add.at(matrix, edges(rule, at), 1)
    return matrix


def own_pairs(at):
    """Mask of the pairs of a neuron with itself."""
    pre, post = np.indices((at.n_pre, at.n_post))
    return np.zeros((at.n_pre, at.n_post), bool) if at.self_shift is None else pre + at.self_shift == post
