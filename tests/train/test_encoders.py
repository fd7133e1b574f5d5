"""Encoders against what they promise."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4

E = n4.train.encoders


@pytest.mark.slow
def test_rates_are_probabilities():
    x = jnp.array([[0.0, 0.2, 0.6, 2.0, -1.0]])
    spikes = E.Rate(10_000, gain=0.5)(x, jr.key(0))
    assert spikes.shape == (10_000, 1, 5) and set(np.unique(spikes)) == {0.0, 1.0}
    p = np.array([0, 0.1, 0.3, 1, 0])
    away = np.abs(np.mean(spikes, axis=(0, 1)) - p)
    assert np.all(away <= 5 * np.sqrt(p * (1 - p) / 10_000))  # false alarms: one in a million
    np.testing.assert_array_equal(spikes, E.Rate(10_000, gain=0.5)(x, jr.key(0)))
    assert not np.array_equal(spikes, E.Rate(10_000, gain=0.5)(x, jr.key(1)))


def test_latency_puts_large_numbers_first():
    x = jnp.linspace(0, 1, 11)[None]
    spikes = E.Latency(11)(x)
    np.testing.assert_array_equal(jnp.argmax(spikes, axis=0), 10 - np.arange(11)[None])
    np.testing.assert_array_equal(jnp.sum(spikes, axis=0), 1)
    assert float(E.Latency(11, threshold=0.45)(x).sum()) == 6


def test_direct_holds():
    x = jr.uniform(jr.key(0), (2, 3, 3))
    np.testing.assert_array_equal(E.Direct(4)(x), np.stack([x] * 4))


@pytest.mark.slow
def test_delta_follows_a_series():
    """The spikes, summed up, stay within one threshold of a series that moves by less than one per step."""
    times = jnp.arange(200) / 20
    x = jnp.stack([3 * jnp.sin(times), 2 * jnp.cos(times)], axis=-1)[None]
    spikes = E.Delta(0.25)(x)
    assert spikes.shape == (200, 1, 2, 2)
    level = x[0, 0] + 0.25 * jnp.cumsum(spikes[:, 0, :, 0] - spikes[:, 0, :, 1], axis=0)
    assert float(jnp.abs(level - x[0]).max()) < 0.25 + 1e-5
    assert float(jnp.max(jnp.sum(spikes, axis=-1))) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: E.Rate(5)(jnp.ones((1, 1))), "needs a key"),
        (lambda: E.Rate(5, gain=0.0), "more than 0"),
        (lambda: E.Delta(-1.0), "more than 0"),
        (lambda: E.Delta(1.0)(jnp.ones(3)), "without time"),
        (lambda: E.Delta(1.0, axis=-1), "axis must be at least 0"),
        (lambda: E.Direct(0), "at least 1"),
    ],
)
def test_errors_teach(call, words):
    with pytest.raises(ValueError, match=words):
        call()
