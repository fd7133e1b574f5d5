"""Layers for learning: what they compute, against plain loops, networks and closed forms; derivatives against differences."""

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core import exported

import neuro4d as n4
from neuro4d.train.layers import _stepping as stepping

T = n4.train
STEPS, BATCH, N = 12, 3, 4


@eqx.filter_jit
def out(layer, x):
    """One program per layer, instead of one per operation."""
    return layer(x)


@eqx.filter_jit
def run(net, x, training=False):
    return net.run(x, training=training)


def lif(tau=5.0, **more):
    return n4.LIF(tau=tau * u.ms, c=tau * u.pF, v_rest=0 * u.mV, v_th=1 * u.mV, v_reset=0 * u.mV, **more)


NEURONS = {
    "LIF": lif(t_ref=2 * u.ms),
    "PLIF": n4.PLIF(),
    "ALIF": n4.ALIF(tau=5 * u.ms, tau_b=50 * u.ms, beta=1.8 * u.mV),
    "AdLIF": n4.AdLIF(tau=5 * u.ms, tau_w=60 * u.ms, a=0.5 * u.nS, b=1 * u.pA, order="se"),
}


@pytest.fixture(scope="module")
def x():
    return 3 * jr.uniform(jr.key(7), (STEPS, BATCH, N))


def test_spiking_is_the_published_loop(x):
    layer = T.Spiking(n4.PLIF())
    spikes, excess = layer.apply(x, T.layers.Context(1.0, None, False)).records[0]
    v = np.zeros((BATCH, N), np.float32)
    for t in range(STEPS):
        v = v + np.float32(0.5) * (np.asarray(x[t]) - v)
        np.testing.assert_allclose(excess[t], v - 1, atol=1e-6)
        np.testing.assert_array_equal(spikes[t], v >= 1)
        v = np.where(v >= 1, 0, v)
    assert 0.1 < float(spikes.mean()) < 0.9


def test_a_layer_fires_as_a_network_does():
    """The same neuron under the same constant currents, one in a `Network`, one in a layer: the same spikes, bit for bit."""
    currents = np.linspace(0.5, 3, 5)
    neuron = lif(t_ref=2 * u.ms)
    cells = n4.Population("cells", 5, neuron)
    model = n4.Network(cells, n4.Clamp("in", cells, currents * u.pA)).build(dt=1 * u.ms, seed=0)
    _, fired = n4.scan(model, model.init(jr.key(0)), 40, lambda _, spikes: spikes["cells"])
    layer = out(T.Spiking(neuron), jnp.broadcast_to(jnp.asarray(currents, jnp.float32), (40, 1, 5)))
    np.testing.assert_array_equal(np.asarray(fired), np.asarray(layer[:, 0]) > 0)
    assert int(np.sum(np.asarray(fired))) > 20


def test_recurrent_neurons_hear_each_other_a_step_later(x):
    layer = T.Recurrent(n4.PLIF(), N, key=jr.key(1))
    matrix = np.asarray(layer.weight)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(N), atol=1e-5)
    matrix = matrix * (1 - np.eye(N))
    v, z, expected = np.zeros((BATCH, N)), np.zeros((BATCH, N)), []
    for t in range(STEPS):
        v = v + 0.5 * (np.asarray(x[t], np.float64) + z @ matrix - v)
        z = (v >= 1) * 1.0
        v = np.where(z > 0, 0, v)
        expected.append(z)
    np.testing.assert_array_equal(out(layer, x), np.array(expected))


def test_dense_and_convolution_are_their_sums(x):
    dense = T.Dense(N, 2, key=jr.key(0))
    dense = eqx.tree_at(lambda d: d.bias, dense, jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(out(dense, x), np.einsum("tbi,io->tbo", x, dense.weight) + [1, 2], rtol=1e-5)
    image = jr.normal(jr.key(1), (2, 1, 4, 4, 2))
    conv = T.Conv2d(2, 3, 3, key=jr.key(2), padding="valid")
    expected = np.zeros((2, 1, 2, 2, 3))
    for row in range(2):
        for column in range(2):
            patch = np.asarray(image)[:, :, row : row + 3, column : column + 3]
            expected[:, :, row, column] = np.einsum("tbhwi,hwio->tbo", patch, conv.weight)
    np.testing.assert_allclose(out(conv, image), expected, atol=1e-5)
    assert eqx.filter_eval_shape(T.Conv2d(2, 3, 3, key=jr.key(2), stride=2), image).shape == (2, 1, 2, 2, 3)


def test_pooling_sees_squares():
    image = jnp.arange(16.0).reshape(1, 1, 4, 4, 1)
    assert out(T.MaxPool2d(2), image).ravel().tolist() == [5, 7, 13, 15]
    assert out(T.AvgPool2d(2), image).ravel().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert out(T.MaxPool2d(3, stride=1), image).ravel().tolist() == [10, 11, 14, 15]


def test_dropout_keeps_one_mask_and_the_mean():
    y = T.Dropout(0.25)(jnp.ones((5, 100, 100)), key=jr.key(0), training=True)
    np.testing.assert_array_equal(y[0], y[4])
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert abs(float(jnp.mean(y[0] > 0)) - 0.75) < 0.022  # five standard errors: one false alarm in 1.7 million
    np.testing.assert_array_equal(T.Dropout(0.25)(jnp.ones((5, 2, 2))), 1)


def test_batch_norm_over_time_batch_and_space():
    x = 3 + 2 * jr.normal(jr.key(3), (4, 5, 2, 2, 3))
    net = T.Sequential(T.BatchNorm(3, scale=2.0, momentum=0.5))
    output, _, statistics = run(net, x, training=True)
    np.testing.assert_allclose(np.mean(output, (0, 1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(np.std(output, (0, 1, 2, 3)), 2, rtol=1e-4)
    mean, variance = net.with_statistics(statistics).layers[0].moments
    np.testing.assert_allclose(mean, 0.5 * np.mean(x, (0, 1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(variance, 0.5 + 0.5 * np.var(x, (0, 1, 2, 3)), rtol=1e-5)
    np.testing.assert_array_equal(net.layers[0].moments.mean, 0)  # nothing was changed in place
    np.testing.assert_allclose(out(net, x), 2 * np.asarray(x) / np.sqrt(1 + 1e-5), rtol=1e-5)


def test_delays_interpolate_and_freeze():
    layer = T.Delayed(2, 1, longest=4 * u.ms, kernel="triangular", key=jr.key(0)).with_delays([[0.5], [3.0]] * u.ms)
    layer = eqx.tree_at(lambda d: d.weight, layer, jnp.array([[1.0], [10.0]]))
    x = jnp.zeros((6, 1, 2)).at[0].set(1)
    np.testing.assert_allclose(out(layer, x).ravel(), [0.5, 0.5, 0, 10, 0, 0], atol=1e-6)
    np.testing.assert_allclose(out(T.Sequential(layer).freeze(), x).ravel(), [1, 0, 0, 10, 0, 0], atol=1e-6)
    wide = T.Delayed(2, 1, longest=4 * u.ms, width=2 * u.ms, key=jr.key(0))
    np.testing.assert_allclose(jnp.sum(wide.taps(1.0), axis=0), wide.weight, rtol=1e-5)
    narrow = wide.with_width(1e-3 * u.ms)  # no sum of underflows
    assert bool(jnp.isfinite(eqx.filter_jit(eqx.filter_grad(lambda d: jnp.sum(d(x) ** 2)))(narrow).delay).all())


def test_readouts():
    x = jnp.array([[[1.0, 5.0]], [[3.0, 1.0]]])
    for kind, expected in {"mean": [2, 3], "rate": [2, 3], "sum": [4, 6], "max": [3, 5], "last": [3, 1]}.items():
        assert T.Readout(kind)(x).tolist() == [expected]


def test_first_spikes_are_linear_in_every_spike():
    """The derivative by one spike is the difference that this spike makes."""
    spikes = (jr.uniform(jr.key(5), (8, 1, 3)) < 0.3).astype(jnp.float32)
    total = jax.jit(lambda z: jnp.sum(T.layers.first_spike(z, 0.5)))
    slope = jax.grad(total)(spikes)
    for index in np.ndindex(spikes.shape):
        difference = total(spikes.at[index].set(1)) - total(spikes.at[index].set(0))
        np.testing.assert_allclose(slope[index], difference, atol=1e-5)


def test_residual_adds(x):
    dense = T.Dense(N, N, key=jr.key(0))
    np.testing.assert_allclose(out(T.Residual(dense), x), x + out(dense, x), rtol=1e-6)
    short = T.Dense(N, 2, key=jr.key(1))
    block = T.Residual(T.Dense(N, 2, key=jr.key(2)), T.BatchNorm(2), shortcut=short)
    _, _, statistics = run(T.Sequential(block), x, training=True)
    assert statistics[0][0] is None and statistics[0][1].mean.shape == (2,) and statistics[0][2] is None


@pytest.fixture(scope="module")
def net():
    k1, k2, k3 = jr.split(jr.key(0), 3)
    inner = T.Residual(T.Dense(8, 8, key=k2), T.Spiking(n4.PLIF()))
    return T.Sequential(T.Dense(N, 8, key=k1), T.Spiking(lif()), inner, T.Recurrent(n4.PLIF(), 8, key=k3), T.Readout("rate"))


def test_a_network_shows_its_spiking_layers(net, x):
    assert net.spiking_layers == ("1", "2.1", "3")
    output, records, _ = run(net, x)
    assert output.shape == (BATCH, 8)
    assert [record.spikes.shape for record in records] == [(STEPS, BATCH, 8)] * 3
    np.testing.assert_array_equal(records[0].spikes, records[0].excess >= 0)
    np.testing.assert_array_equal(output, jnp.mean(records[2].spikes, axis=0))
    assert net.fan_outs() == (8.0, 0.0, 7.0)
    assert net.layer("2.1").neuron is net.layers[2].layers[1].neuron


def test_a_spike_goes_both_ways_around_a_residual():
    """The first layer reaches 8 synapses on the way through, and on the way past 8 of the shortcut or the 3 that come after."""
    dense = T.Dense(8, 8, key=jr.key(0))
    for more, expected in (({"shortcut": dense}, (16.0, 3.0)), ({}, (11.0, 3.0))):
        block = T.Residual(dense, T.Spiking(n4.PLIF()), **more)
        net = T.Sequential(T.Spiking(n4.PLIF()), T.Sequential(block), T.Dense(8, 3, key=jr.key(1)))
        assert net.fan_outs() == expected


def test_a_network_inside_keeps_its_own_time_step():
    delayed = T.Delayed(1, 1, longest=3 * u.ms, key=jr.key(0)).with_delays(1.5 * u.ms)
    fine = lif(t_ref=0.5 * u.ms)
    net = T.Sequential(T.Sequential(delayed, T.Spiking(lif()), dt=0.5 * u.ms), T.Spiking(lif()))
    assert float(net.freeze().layer("0.0").delay.item()) == 1.5
    assert float(net.with_layer("0.1", T.Spiking(fine)).layer("0.1").neuron.t_ref) == 0.5
    inner = T.Sequential(T.Sequential(T.Spiking(lif()), dt=0.5 * u.ms))
    assert float(inner.with_neurons(fine).layer("0.0").neuron.t_ref) == 0.5
    for changed in (lambda: net.with_layer("1", T.Spiking(fine)), lambda: net.with_neurons(fine)):
        with pytest.raises(ValueError, match="multiple of dt"):
            changed()


def test_other_neurons_in_the_same_network(net, x):
    other = net.with_neurons(NEURONS["AdLIF"])
    assert [type(other.layer(name).neuron).__name__ for name in other.spiking_layers] == ["AdLIF"] * 3
    assert other.layers[0].weight is net.layers[0].weight
    raised = eqx.tree_at(lambda n: n.layers[1].neuron.v_th, net, jnp.asarray(1e3))
    assert float(run(raised, x).records[0].spikes.sum()) == 0


def test_distributions_are_drawn_over_the_shape():
    layer = T.Spiking(n4.PLIF(v_th=n4.Uniform(1 * u.mV, 2 * u.mV)), shape=(2, 3), seed=4)
    assert layer.neuron.v_th.shape == (2, 3) and layer.neuron.w.shape == ()
    assert 1 <= float(layer.neuron.v_th.min()) < float(layer.neuron.v_th.max()) < 2
    assert layer(jnp.full((2, 1, 2, 3), 5.0)).shape == (2, 1, 2, 3)


@pytest.mark.parametrize("name", ["LIF", "AdLIF", *(pytest.param(name, marks=pytest.mark.full) for name in ("PLIF", "ALIF"))])
def test_training_gradients_are_finite(name, x):
    k1, k2, k3 = jr.split(jr.key(1), 3)
    net = T.Sequential(T.Dense(N, 8, key=k1), T.Recurrent(NEURONS[name], 8, key=k2), T.Dense(8, 2, key=k3), T.Readout("mean"))

    @eqx.filter_jit
    @eqx.filter_grad
    def slope(net):
        return jnp.sum(net(x, training=True) ** 2)

    gradient = slope(net)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradient))
    assert float(jnp.abs(gradient.layers[0].weight).max()) > 0
    assert float(jnp.abs(gradient.layers[1].weight).max()) > 0


NETWORK_NEURONS = [name for name in exported.NEURONS if name not in ("Relay", "PoissonNeuron")]
OPTIONS = {
    "plain": n4.SuperSpike(width=1 * u.mV),
    "attached": n4.Scaled(n4.Triangle(width=5 * u.mV), reset="attached"),
    "crossings": n4.Scaled(n4.Boxcar(width=5 * u.mV), count="crossings"),
}


@pytest.mark.full
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", NETWORK_NEURONS)
def test_every_neuron_is_a_layer_with_finite_derivatives(name, option):
    """Run by `pytest -m full tests/train/test_layers.py`: 39 programs."""
    layer = T.Spiking(exported.NEURONS[name](), 5, surrogate=OPTIONS[option])
    x = 1000 * jr.uniform(jr.key(0), (60, 2, 5))

    @eqx.filter_jit
    def slopes(x, neuron):
        def total(x, neuron):
            net = T.Sequential(eqx.tree_at(lambda layer: layer.neuron, layer, neuron), dt=0.1 * u.ms)
            spikes, records = net.trace(x)
            return jnp.sum(spikes * jnp.cos(jnp.arange(5.0))) + jnp.mean(records[0].excess), jnp.sum(spikes)

        return jax.grad(total, argnums=(0, 1), has_aux=True)(x, neuron)

    gradient, spikes = slopes(x, layer.neuron)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradient))
    assert (float(spikes) > 0) == (name != "LI")


LEAKY = [("LIF", False), ("PLIF", True), *(pytest.param(*case, marks=pytest.mark.full) for case in (("LIF", True), ("PLIF", False)))]


@pytest.mark.parametrize(("name", "coupled"), LEAKY)
def test_the_backward_pass_of_leaky_neurons_is_automatic_differentiation(name, coupled):
    """By currents, recurrent weights and every constant, in float64, of spikes and of potentials, with and without a hold."""
    with jax.enable_x64(True):
        given = {"LIF": lif(t_ref=2 * u.ms), "PLIF": n4.PLIF(w=np.array([0.0, 0.5, -0.5, 0.1]), v_reset=-0.1 * u.mV)}[name]
        layer = T.Spiking(given)
        x = 3 * jr.uniform(jr.key(1), (20, BATCH, N))
        matrix = 0.5 * jr.normal(jr.key(2), (N, N)) if coupled else jnp.zeros(())
        on_spikes, on_excess = jr.normal(jr.key(3), (2, *x.shape))

        def loss(run, neuron, x, matrix):
            whole = eqx.tree_at(lambda layer: layer.neuron, layer, neuron)
            weights = matrix if coupled else None
            spikes, excess = run(neuron, layer.surrogate, neuron.constants(1.0), whole.initial(x), x, weights)
            return jnp.sum(spikes * on_spikes) + jnp.sum(jnp.sin(excess) * on_excess)

        given = layer.neuron, x, matrix
        along = jax.tree.map(jnp.cos, given)

        def slopes_of(run, *given):
            gradient = jax.grad(lambda *a: loss(run, *a), argnums=(0, 1, 2))
            # Second derivatives, forward over reverse. In a loop with recurrence JAX forgets there that a spike has a derivative.
            return gradient(*given) if coupled else jax.jvp(gradient, given, along)

        slopes = [jax.jit(lambda *a, run=run: slopes_of(run, *a))(*given) for run in (stepping._run, stepping.run_neurons)]
        for automatic, own in zip(*map(jax.tree.leaves, slopes)):
            np.testing.assert_allclose(own, automatic, rtol=1e-12, atol=1e-12)


def test_a_reset_can_carry_a_derivative(x):
    """Two spikes of a perfect memory: with the reset attached, the first takes from the second what it takes from the potential."""
    slopes = []
    for reset in ("detached", "attached"):
        layer = T.Spiking(n4.PLIF(), surrogate=n4.Scaled(n4.Triangle(width=1 * u.mV), reset=reset))
        slopes.append(jax.jit(jax.grad(lambda i, layer=layer: layer(i)[1].sum()))(jnp.full((2, 1, 1), 2.2))[:, 0, 0])
    # u = i/2 = 1.1, slope 0.9; after the spike v = 0: nothing detached, 0.9 x (1/2 the leak) x 0.9 x (0 - 1.1) x 1/2 attached.
    np.testing.assert_allclose(slopes[0], [0, 0.45], atol=1e-6)
    np.testing.assert_allclose(slopes[1], [0.9 * 0.5 * 0.9 * -1.1 * 0.5, 0.45], atol=1e-6)


SMOOTH = {
    "convolution": (lambda net: net.layers[0].weight, 18),
    "gain": (lambda net: net.layers[3].gain, 8),
    "tau": (lambda net: net.layers[4].neuron.tau, 1),
    "delay of Gaussians": (lambda net: net.layers[5].delay, 16),
    "delay of triangles": (lambda net: net.layers[6].delay, 4),
}


@pytest.fixture(scope="module")
def smooth():
    """A network, and one program for its loss and the derivative of that by every leaf."""
    with jax.enable_x64(True):
        k1, k2, k3, k4 = jr.split(jr.key(1), 4)
        net = T.Sequential(
            *(T.Conv2d(1, 2, 3, key=k1), T.AvgPool2d(2), T.Flatten(), T.BatchNorm(8), T.Integrate(n4.LI(tau=3 * u.ms), learn=("tau",))),
            *(T.Delayed(8, 2, longest=4 * u.ms, key=k2), T.Delayed(2, 2, longest=4 * u.ms, kernel="triangular", key=k3)),
            T.Readout("mean"),
        )
        images = jr.normal(k4, (6, 2, 4, 4, 1))
        return net, eqx.filter_jit(eqx.filter_value_and_grad(lambda net: jnp.sum(jnp.sin(net(images, training=True)))))


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_paths_equal_differences(smooth, name):
    (net, loss), (where, size) = smooth, SMOOTH[name]
    with jax.enable_x64(True):
        leaf = where(net)
        assert leaf.dtype == jnp.float64 and leaf.size == size
        direction, step = np.cos(np.arange(size)).reshape(leaf.shape), 1e-5
        slope = np.vdot(where(loss(net)[1]), direction)
        high, low = (loss(eqx.tree_at(where, net, leaf + sign * step * direction))[0] for sign in (1, -1))
        measured = float(high - low) / (2 * step)
        assert abs(float(slope) - measured) < 1e-6 * max(1, abs(measured))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: T.Dense(4, 2, key=None), ValueError, "needs a key"),
        (lambda: T.Dense(4, 2, key=jr.key(0))(jnp.ones((1, 1, 3))), ValueError, "4 inputs got 3"),
        (lambda: T.Conv2d(1, 2, 3, key=jr.key(0))(jnp.ones((1, 1, 8, 8))), ValueError, "x\\[..., None\\]"),
        (lambda: T.Spiking(n4.Relay()), ValueError, "takes no current"),
        (lambda: T.Spiking(3.0), TypeError, "n4.PLIF"),
        (lambda: T.Spiking(n4.PLIF(v_th=n4.Uniform(1 * u.mV, 2 * u.mV))), ValueError, "shape=128"),
        (lambda: T.Spiking(n4.PLIF(), learn=("tau",)), ValueError, "Known: w"),
        (lambda: T.Spiking(n4.PLIF(w=np.zeros(3)))(jnp.ones((1, 1, 4))), ValueError, "does not fit"),
        (lambda: T.Sequential(T.Spiking(lif(t_ref=0.5 * u.ms))), ValueError, "multiple of dt"),
        (lambda: T.Sequential(n4.PLIF()), TypeError, "Wrap neurons"),
        (lambda: T.Sequential([T.Flatten()]), TypeError, "one by one"),
        (lambda: T.Sequential(T.Flatten(), dt=1.0), n4.UnitError, "u.ms"),
        (lambda: T.Dropout(1.0), ValueError, "between 0 and 1"),
        (lambda: T.Hold(4)(jnp.ones((2, 1, 1))), ValueError, "Direct\\(1\\)"),
        (lambda: T.Readout("median"), ValueError, "one of mean"),
        (lambda: T.Readout("first"), ValueError, "temperature"),
        (lambda: T.Residual(T.Dense(4, 3, key=jr.key(0)))(jnp.ones((1, 1, 4))), ValueError, "shortcut"),
        (lambda: T.Delayed(1, 1, longest=2.5 * u.ms, key=jr.key(0))(jnp.ones((2, 1, 1))), ValueError, "multiple of dt"),
        (lambda: T.Delayed(1, 1, longest=3 * u.ms, key=jr.key(0)).with_delays(4 * u.ms), ValueError, "between 0 and 3"),
        (lambda: T.MaxPool2d(3)(jnp.ones((1, 1, 2, 2, 1))), ValueError, "does not fit"),
    ],
)
def test_errors_teach(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kind", ["spiking", "recurrent", "integrate"])
def test_input_of_a_lower_precision_is_computed_in_that_of_the_layer(kind):
    neuron = n4.ALIF(tau=5 * u.ms, tau_b=50 * u.ms, beta=1.8 * u.mV)
    layer = {"spiking": T.Spiking(neuron), "recurrent": T.Recurrent(lif(), N, key=jr.key(0)), "integrate": T.Integrate(lif())}[kind]
    x = jnp.ones((STEPS, BATCH, N), bool)
    expected = out(layer, 4 * x.astype(jnp.float64))
    for dtype in (jnp.float32, jnp.int32):
        seen = out(layer, 4 * x.astype(dtype))
        assert seen.dtype == jnp.float64
        np.testing.assert_array_equal(seen, expected)
    assert out(layer, x).dtype == jnp.float64


def test_a_triangle_below_a_time_step_is_refused():
    layer = T.Delayed(1, 1, longest=3 * u.ms, kernel="triangular", width=0.5 * u.ms, key=jr.key(0)).with_delays(1.5 * u.ms)
    with pytest.raises(ValueError, match=r"at least one time step wide.*got 0.5 ms"):
        T.Sequential(T.Residual(layer))
    net = T.Sequential(T.Delayed(1, 1, longest=3 * u.ms, key=jr.key(0)))
    with pytest.raises(ValueError, match="at least one time step wide"):
        net.with_layer("0", layer)
    with pytest.raises(ValueError, match="at least one time step wide"):
        layer(jnp.ones((4, 1, 1)))
    T.Sequential(T.Sequential(layer, dt=0.5 * u.ms))  # it has a time step of its own
    taps = jax.jit(lambda width: eqx.tree_at(lambda d: d.width, layer, width).taps(1.0))(0.5)  # a traced width is held at one step
    np.testing.assert_allclose((taps / layer.weight).ravel(), [0, 0.5, 0.5, 0], atol=1e-6)
