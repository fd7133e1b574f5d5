"""Conductance-based potentials converge to NEST's (adaptive Runge-Kutta) with the order of the scheme, which is two."""

import numpy as np
import pytest
from oracle import cases, nest_side, neuro4d_side

pytestmark = [pytest.mark.oracle, pytest.mark.usefixtures("x64")]

EVERY = 0.1
STEPS = (0.1, 0.05, 0.02, 0.01)


@pytest.mark.parametrize("synapse", ["cond_exp", "cond_alpha", "cond_beta"])
def test_potential_converges_with_second_order(synapse):
    case = cases.conductances(synapse)
    reference = nest_side.potential(case, 0.01, EVERY)
    assert np.ptp(reference) > 5  # mV: the conductances do move the neuron
    errors = np.array([np.abs(neuro4d_side.potential(case, dt, EVERY)[: len(reference)] - reference).max() for dt in STEPS])
    orders = np.diff(np.log(errors)) / np.diff(np.log(STEPS))
    assert errors[0] < 2e-4  # mV
    np.testing.assert_allclose(orders, 2.0, atol=0.02)
