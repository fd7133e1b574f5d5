"""Metrics of NeuroBench next to loops over every weight, and next to numbers worked out by hand."""

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from train.networks import KEYS, PLIF, convolutional

from neuro4d import train as t


def dense_net():
    net = t.Sequential(t.Dense(6, 4, key=KEYS[0]), t.Spiking(PLIF), t.Dense(4, 3, key=KEYS[1]), t.Spiking(PLIF))
    weight = net.layers[0].weight.at[0, :2].set(0)
    return net.with_layer("0", eqx.tree_at(lambda layer: layer.weight, net.layers[0], weight))


@pytest.fixture(scope="module")
def samples():
    return (np.asarray(jr.bernoulli(jr.key(1), 0.4, (8, 5, 6)), np.float32), np.arange(8) % 3)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_dense_layers_count_as_in_loops(samples, scale):
    x, y = scale * samples[0], samples[1]
    net = dense_net()
    found = t.neurobench(net, (x, y), encoder=lambda x, key: jnp.swapaxes(x, 0, 1))
    records = net.trace(jnp.swapaxes(jnp.asarray(x), 0, 1))[1]
    first = sum(int(np.count_nonzero(net.layers[0].weight[i])) for sample in x for step in sample for i in np.flatnonzero(step))
    second = 3 * int(records[0].spikes.sum())
    assert (found.effective_macs * 8, found.effective_acs * 8) == pytest.approx((0, first + second) if scale == 1 else (first, second))
    assert found.dense == 5 * (24 + 12)
    assert found.connection_sparsity == 2 / 36
    assert found.activation_sparsity == pytest.approx(1 - sum(float(r.spikes.sum()) for r in records) / (8 * 5 * 7))
    assert found.footprint == 4 * (24 + 4 + 12 + 3) + sum(
        4 * np.size(x) for layer in (1, 3) for x in jax.tree.leaves(eqx.filter(net.layers[layer], eqx.is_array))
    )
    assert "effective acs" in repr(found) and "NeuroBench" in found._repr_html_()


@pytest.mark.slow
def test_convolution_recurrence_and_residual_count():
    net = convolutional()
    x = np.asarray(jr.bernoulli(jr.key(2), 0.5, (3, 4, 8, 8, 1)), np.float32)
    found = t.neurobench(net, (x, np.zeros(3, int)), encoder=lambda x, key: jnp.swapaxes(x, 0, 1))
    records = net.trace(jnp.swapaxes(jnp.asarray(x), 0, 1))[1]
    # Every pixel of the inside reaches 9 places of 2 channels; those at the edge fewer: counted by shifting a window of ones.
    reach = np.zeros((8, 8))
    for i in range(6):
        for j in range(6):
            reach[i : i + 3, j : j + 3] += 2
    total = float((x[..., 0] * reach).sum())
    spikes = np.asarray(records[0].spikes)
    pooled = spikes.reshape(4, 3, 3, 2, 3, 2, 2).max(axis=(3, 5))
    inside = np.pad(np.ones((3, 3)), 1)
    near = sum(inside[i : i + 3, j : j + 3] for i in range(3) for j in range(3)) * 2
    total += float((pooled * near[None, None, :, :, None]).sum())
    block = pooled + np.asarray(records[1].spikes)
    total += 5 * float((block.reshape(4, 3, 18) != 0).sum())
    own = np.asarray(records[2].spikes)
    total += 4 * float(own[:-1].sum()) + 3 * float(own.sum())
    assert (found.effective_acs + found.effective_macs) * 3 == pytest.approx(total)
    assert found.dense == 4 * (36 * 18 + 9 * 4 * (4 * 4 + 4 * 6 + 9) / 9 + 18 * 5 + 15) + 3 * 20
    assert found.activation_sparsity == pytest.approx(1 - sum(float(r.spikes.sum()) for r in records) / (3 * 4 * (72 + 18 + 5)))


def test_a_network_inside_a_network_keeps_its_time_step():
    """What spikes there is counted as the network runs it: with half of the time step fewer steps reach the threshold."""
    inside = t.Sequential(t.Spiking(PLIF), t.Dense(4, 3, key=KEYS[1]), dt=0.25 * u.ms)
    net = t.Sequential(t.Dense(6, 4, key=KEYS[0]), inside)
    x = np.ones((2, 5, 6), np.float32)
    spikes = net.trace(jnp.swapaxes(jnp.asarray(x), 0, 1))[1][0].spikes
    found = t.neurobench(net, (x, np.zeros(2, int)), encoder=lambda x, key: jnp.swapaxes(x, 0, 1))
    assert 0 < spikes.sum() < spikes.size and found.effective_acs * 2 == pytest.approx(5 * 24 * 2 + 3 * float(spikes.sum()))


def test_a_network_without_neurons_has_operations_alone():
    found = t.neurobench(t.Sequential(t.Dense(6, 3, key=KEYS[0])), (0.5 * np.ones((4, 6), np.float32), np.zeros(4, int)))
    assert (found.effective_macs, found.effective_acs, found.dense) == (18, 0, 18) and np.isnan(found.activation_sparsity)


def test_ways_of_unlike_shape_are_refused():
    with pytest.raises(ValueError, match="Residual adds an input of shape"):
        t.neurobench(t.Sequential(t.Residual(t.Dense(6, 1, key=KEYS[0]))), (np.ones((4, 6), np.float32), np.zeros(4, int)))
