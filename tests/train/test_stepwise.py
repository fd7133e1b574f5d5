"""Layers and their order in time: what a single step sees, and with which time step."""

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.train.tuners._stepwise import stepwise

T = n4.train
LIF = n4.LIF(tau=5 * u.ms, c=5 * u.pF, v_rest=0 * u.mV, v_th=1 * u.mV, v_reset=0 * u.mV)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: T.Sequential(T.Spiking(LIF), T.Flatten(), T.Hold(4)), r"in front: .*Hold\(4\), Spiking"),
        (lambda: T.Sequential(T.Residual(T.Integrate(LIF)), T.Sequential(T.Hold(4))), "Integrate, which acts over time"),
        (lambda: T.Sequential(T.Flatten(), T.Hold(4)).with_layer("0", T.Spiking(LIF)), "see a single step"),
    ],
)
def test_neurons_before_a_hold_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_two_ways_may_hold_what_they_share():
    net = T.Sequential(T.Residual(T.Hold(4), T.Spiking(LIF), shortcut=T.Hold(4)))
    assert net.trace(jnp.full((1, 2, 3), 9.0))[0].tolist() == [[[10.0] * 3] * 2] * 4


@pytest.fixture(scope="module")
def inner():
    """Delays of half a millisecond inside a network with steps of one."""
    layer = T.Delayed(1, 1, longest=3 * u.ms, key=jr.key(0)).with_delays(1.5 * u.ms).with_width(0.5 * u.ms)
    layer = eqx.tree_at(lambda delayed: delayed.weight, layer, jnp.full((1, 1), 30.0))
    return T.Sequential(T.Sequential(layer, T.Spiking(LIF), dt=0.5 * u.ms), T.Spiking(LIF), T.Dense(1, 2, key=jr.key(1)))


@pytest.mark.slow
def test_a_network_inside_is_stepped_with_its_own_time_step(inner):
    x = jnp.zeros((9, 1, 1)).at[0].set(1)
    output, records = inner.trace(x)
    seen = T.EarlyExit(inner, threshold=1.0)(x)
    np.testing.assert_allclose(seen.output, jnp.mean(output, axis=0), atol=1e-6)
    assert seen.spikes.tolist() == [[float(record.spikes.sum()) for record in records]] and seen.spikes[0, 0] > 0


def test_a_step_computes_nothing_that_stays_the_same(inner):
    """Taps are exponentials of delays, and the leak of a neuron is one of its time constant: none is left in a step."""
    run = stepwise(inner).begin(jnp.zeros((9, 1, 1)))
    assert " exp " not in str(jax.make_jaxpr(run.step)(run.states, 0))
