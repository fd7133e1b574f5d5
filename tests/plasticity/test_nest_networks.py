"""Networks that learn are those of NEST: the same spikes one by one, and the same weight whenever a source fires."""

import numpy as np
import pytest
from plasticity import nest_clopath, nest_networks
from plasticity.nest_networks import LEARNING

pytestmark = [pytest.mark.oracle, pytest.mark.usefixtures("x64")]


@pytest.mark.parametrize("name", LEARNING)
def test_spikes_and_weights_are_those_of_nest(name):
    """Weights to 1e-10, after each of some thousand spikes."""
    learning = LEARNING[name]
    spikes, weights = nest_networks.ours(learning)
    expected, rows = nest_networks.theirs(learning)
    assert len(expected) > 300 and np.array_equal(spikes, expected)
    step, pre, post = np.rint(rows[:, :3]).astype(int).T
    np.testing.assert_allclose(weights[step - 1, pre, post], rows[:, 3], rtol=1e-10, atol=1e-9)
    assert len(rows) > 3000 and np.abs(weights[-1] - weights[0]).sum() > 5 * (weights[0] != 0).sum()


@pytest.mark.parametrize("slow", [False, True])
def test_voltage_based_weights_are_those_of_nest(slow):
    """With the potential of NEST's neuron and its averages played to the rule, to 1e-9; with homeostasis as well."""
    played, rows = nest_clopath.theirs(slow)
    weights = nest_clopath.ours(slow, played)
    step, source = np.rint(rows[:, :2]).astype(int).T
    inside = step + 1 < nest_clopath.STEPS
    np.testing.assert_allclose(weights[step[inside] + 1, source[inside]], rows[inside, 2], rtol=1e-9)
    assert inside.sum() > 100 and rows[:, 2].max() > 1.05 and rows[:, 2].min() < 0.97
