"""Losses against closed forms."""

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4

L = n4.train.losses


def record(spikes):
    return n4.train.Record(spikes, spikes - 1)


def test_cross_entropy_and_smoothing():
    output = jnp.array([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    labels = jnp.array([0, 2])
    logs = np.asarray(output) - np.log(np.sum(np.exp(output), axis=1, keepdims=True))
    own = logs[[0, 1], [0, 2]]
    np.testing.assert_allclose(L.CrossEntropy()(output, labels), -own.mean(), rtol=1e-6)
    smooth = -0.9 * own.mean() - 0.1 * logs.mean()
    np.testing.assert_allclose(L.CrossEntropy(0.1)(output, labels), smooth, rtol=1e-6)


@pytest.mark.slow
def test_tet_is_the_mean_of_steps():
    output, labels = jr.normal(jr.key(0), (5, 4, 3)), jnp.array([0, 1, 2, 0])
    steps = np.mean([float(L.CrossEntropy()(o, labels)) for o in output])
    expected = 0.7 * steps + 0.3 * np.mean((np.asarray(output) - 0.5) ** 2)
    np.testing.assert_allclose(L.TET(0.3, 0.5)(output, labels), expected, rtol=1e-5)


@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_van_rossum_distance_of_two_spikes(dt):
    """1 - e^(-d/tau) for two spikes d apart, also where the run ends with the second one, and 1/2 for one that has no partner."""
    loss = L.VanRossum(tau=5 * u.ms, dt=dt * u.ms)
    n, apart = 60, 20
    spikes = jnp.zeros((n, 2, 1)).at[n - 1 - apart, 0].set(1)
    wanted = jnp.zeros((2, n, 1)).at[0, n - 1].set(1)
    expected = (1 - np.exp(-apart * dt / 5)) / 2  # a mean over two samples, the second without spikes
    np.testing.assert_allclose(loss(spikes, wanted), expected, rtol=1e-5)
    np.testing.assert_allclose(loss(spikes, jnp.zeros((2, n, 1))), 0.25, rtol=1e-5)


@pytest.mark.slow
def test_rates_and_energy():
    spikes = jnp.zeros((4, 2, 2)).at[:, :, 0].set(1).at[0, 0, 1].set(1)  # rates of 1 and 1/8
    assert float(L.RateTarget(0.5)(None, None, (record(spikes),))) == (9 / 16 - 0.5) ** 2
    assert float(L.RateLower(0.25)(None, None, (record(spikes),))) == 0.125**2 / 2
    assert float(L.RateUpper(0.5)(None, None, (record(spikes),))) == 0.5**2 / 2
    layers = n4.train.Recurrent(n4.PLIF(), 2, key=jr.key(0)), n4.train.MaxPool2d(2), n4.train.Dense(2, 7, key=jr.key(0))
    net = n4.train.Sequential(*layers)
    assert float(L.Energy(net, scale=4.0)(None, None, (record(spikes),))) == 9 / 2 * (1 + 7) / 4
    cost = L.Energy(net, cost=lambda spikes: 2 * spikes[0] + 1)
    assert float(cost(None, None, (record(spikes),))) == 10.0


def test_losses_add():
    records = (record(jnp.ones((2, 1, 1))),)
    total = 2 * (L.RateTarget(0.5) + 0.5 * L.RateUpper(0.0))
    assert float(total(None, None, records)) == 2 * (0.25 + 0.5)
    slope = jax.grad(lambda spikes: total(None, None, (record(spikes),)))(jnp.ones((2, 1, 1)))
    assert slope.ravel().tolist() == [2.0, 2.0]  # 2 (2 (r - 1/2) + r), a mean over two steps


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: L.CrossEntropy(1.0), ValueError, "smoothing"),
        (lambda: L.CrossEntropy()(jnp.ones((4, 2, 3)), jnp.zeros(2, int)), ValueError, "Readout"),
        (lambda: L.CrossEntropy()(jnp.ones((2, 3)), jnp.zeros(2)), TypeError, "whole numbers"),
        (lambda: L.CrossEntropy()(jnp.ones((2, 3)), jnp.zeros(3, int)), ValueError, "2 samples"),
        (lambda: L.CrossEntropy()(jnp.ones((2, 3)), jnp.array([0, -1])), ValueError, "from 0 to 2.*got -1"),
        (lambda: L.TET()(jnp.ones((4, 2, 3)), jnp.array([0, 3])), ValueError, "from 0 to 2.*got 3"),
        (lambda: n4.train.ExitLoss()(jnp.ones((4, 2, 3)), jnp.array([0, 3])), ValueError, "from 0 to 2.*got 3"),
        (lambda: n4.train.ExitLoss()(jnp.ones((4, 2, 3)), jnp.ones(2)), TypeError, "whole numbers"),
        (lambda: L.TET()(jnp.ones((2, 3)), jnp.zeros(2, int)), ValueError, "time, batch"),
        (lambda: L.VanRossum(tau=5.0), n4.UnitError, "u.ms"),
        (lambda: L.VanRossum(tau=0 * u.ms), ValueError, "VanRossum: tau must be more than 0 ms.*tau=20"),
        (lambda: L.VanRossum(tau=5 * u.ms)(jnp.ones((5, 2, 1)), jnp.ones((5, 2, 1))), ValueError, "batch, time"),
        (lambda: L.RateTarget(20.0), ValueError, "from 0 to 1"),
        (lambda: L.RateTarget(0.2)(None, None), ValueError, "net.trace"),
        (lambda: L.RateTarget(0.2) + 1, TypeError, "adds to a loss"),
        (lambda: L.RateTarget(0.2) * L.RateTarget(0.2), TypeError, "by numbers"),
    ],
)
def test_errors_teach(call, error, words):
    with pytest.raises(error, match=words):
        call()
