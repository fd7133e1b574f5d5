"""The same deterministic network gives the same spikes as in NEST, one by one, on the grid of 0.1 ms in double precision."""

import numpy as np
import pytest
from oracle import cases, nest_side, neuro4d_side

pytestmark = [pytest.mark.oracle, pytest.mark.usefixtures("x64")]

# What NEST 3.10 gives, so that no case can become empty.
EXPECTED_SPIKES = {
    "single neurons": 2976,
    "chain": 120,
    "heterogeneous delays": 4377,
    "exponential synapses": 733,
    "alpha synapses": 840,
    "delta synapses": 2978,
    "equal time constants, exponential": 1851,
    "equal time constants, alpha": 1693,
    "arrivals lost in refractoriness": 74,
    "stepped current": 78,
    "a thousand neurons": 16785,
}


@pytest.mark.parametrize("name", cases.SPIKING)
def test_spikes_equal_those_of_nest(name):
    case = cases.SPIKING[name]()
    expected = nest_side.spikes(case)
    assert len(expected) == EXPECTED_SPIKES[name]
    assert_same(neuro4d_side.spikes(case), expected)


def test_cutting_the_network_into_populations_changes_nothing():
    case = cases.heterogeneous_delays()
    assert_same(neuro4d_side.spikes(case, pieces=3), nest_side.spikes(case))


def assert_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Equal as whole tables; the message shows the earliest spike that only one side has."""
    if np.array_equal(ours, theirs):
        return
    mine, other = set(map(tuple, ours.tolist())), set(map(tuple, theirs.tolist()))
    extra, missing = sorted(mine - other)[:5], sorted(other - mine)[:5]
    pytest.fail(f"{len(ours)} spikes instead of {len(theirs)}; only here (step, neuron): {extra}; only in NEST: {missing}")
