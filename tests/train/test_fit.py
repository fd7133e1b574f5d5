"""Training: exact updates, resuming bit for bit, bounds, early stopping, interruption, and digits that are read."""

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import neuro4d as n4
from neuro4d.train.tuners._feed import feed

T = n4.train
ENTROPY = T.losses.CrossEntropy()


def network(*more, learn=None):
    k1, k2 = jr.split(jr.key(0))
    layers = T.Hold(6), T.Dense(4, 16, key=k1), T.BatchNorm(16), T.Spiking(n4.PLIF(), learn=learn), T.Dropout(0.1)
    return T.Sequential(*layers, T.Dense(16, 2, key=k2), T.Readout("mean"))


@pytest.fixture(scope="module")
def data():
    x = np.asarray(jr.uniform(jr.key(1), (100, 4)))
    return x, (x[:, 0] + x[:, 1] > x[:, 2] + x[:, 3]).astype(np.int32)


ADAM = optax.adam(1e-2)


def run(data, epochs, **more):
    return T.fit(
        network(), data, loss=ENTROPY, validation=(data[0][:30], data[1][:30]), epochs=epochs, batch_size=25, optimizer=ADAM, **more
    )


@pytest.fixture(scope="module")
def whole(data):
    return run(data, 6)


def same(a, b):
    return all(
        np.array_equal(x, y)
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
        if not jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    )


def test_training_lowers_the_loss(whole, data):
    rows = whole.history
    assert [row.epoch for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[-1].loss < 0.8 * rows[0].loss
    assert rows[-1].accuracy > 0.7 and rows[-1].spikes > 0
    best = max(rows, key=lambda row: (row.held_out_accuracy, -row.held_out_loss))
    assert whole.best() is best
    output = whole.model(jnp.asarray(data[0][:30])[None])
    assert float(jnp.mean(jnp.argmax(output, axis=-1) == data[1][:30])) == pytest.approx(best.held_out_accuracy)
    text = repr(whole)
    assert "held-out accuracy" in text and f"{whole.best_epoch} *" in text and "<table>" in whole._repr_html_()
    assert f"the best is {whole.best_epoch}," in text


def test_a_resumed_run_is_the_same_bit_for_bit(whole, data):
    half = run(data, 3)
    resumed = run(data, 6, resume=half)
    assert same(resumed.last, whole.last) and same(resumed.model, whole.model)
    assert [row[:-1] for row in resumed.history] == [row[:-1] for row in whole.history]
    assert not same(half.last, whole.last)
    with pytest.raises(ValueError, match="another network"):
        run(data, 6, resume=half, where=lambda net: net.layers[1])
    with pytest.raises(ValueError, match="leave `key` out"):
        run(data, 6, resume=half, key=jr.key(5))


def test_interruption_returns_whole_epochs(whole, data, monkeypatch):
    calls = []
    real = T._fit.evaluate

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) > 2 * 2:  # two batches of validation per epoch: in the third epoch
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr("neuro4d.train._fit.evaluate", interrupted)
    cut = run(data, 6)
    monkeypatch.undo()
    assert cut.stopped == "interrupted" and len(cut.history) == 2
    assert same(run(data, 6, resume=cut).last, whole.last)


def test_one_update_is_gradient_descent(capsys):
    """A linear network, one batch, one update: the step of gradient descent, also for a batch completed from its beginning."""
    net = T.Sequential(T.Dense(3, 2, key=jr.key(0), bias=False), T.Readout("mean"))
    x, y = np.asarray(jr.normal(jr.key(1), (8, 3))), np.asarray(jr.normal(jr.key(2), (8, 2)))
    loss = lambda output, labels, records: jnp.mean((output - labels) ** 2)  # noqa: E731
    result = T.fit(net, (x, y), loss=loss, epochs=1, batch_size=8, optimizer=optax.sgd(0.1), progress=True)
    assert "1.00/1.00" in capsys.readouterr().err  # the bar
    weight = np.asarray(net.layers[0].weight)
    expected = weight - 0.1 * 2 * x.T @ (x @ weight - y) / y.size
    np.testing.assert_allclose(result.last.layers[0].weight, expected, atol=1e-6)
    assert result.history[0].loss == pytest.approx(np.mean((x @ weight - y) ** 2), rel=1e-5)
    assert np.isnan(result.history[0].accuracy)
    twice = T.fit(net, (x[:4], y[:4]), loss=loss, epochs=1, batch_size=8, optimizer=optax.sgd(0.1))
    expected = weight - 0.1 * 2 * x[:4].T @ (x[:4] @ weight - y[:4]) / 8
    np.testing.assert_allclose(twice.last.layers[0].weight, expected, atol=1e-6)


def test_every_sample_is_seen_once_per_epoch():
    feed = T._fit_feed.Feed((np.arange(10.0)[:, None], np.arange(10)), "data")
    order = T._fit_feed.epoch_order(10, jr.key(0), 3)
    seen = np.concatenate([x.ravel() for x, _ in feed.chunks(order, 5)])
    assert sorted(seen) == list(range(10)) and list(seen) != list(range(10))
    completed = np.concatenate([x.ravel() for x, _ in feed.chunks(order, 4)])
    np.testing.assert_array_equal(completed, [*order, *order[:2]])


def test_an_order_has_nothing_to_do_with_what_updates_draw():
    """The key of update k and the order of epoch k come from different places: no permutation of JAX with that key is the order."""
    key, n = jr.key(0), 100
    for number in range(3):
        order = T._fit_feed.epoch_order(n, key, number)
        assert sorted(order) == list(range(n))
        for other in (jr.fold_in(key, number), *jr.split(jr.fold_in(key, number), 3)):
            assert not np.array_equal(order, jr.permutation(other, n))
    assert not np.array_equal(order, T._fit_feed.epoch_order(n, key, 0))


def test_a_sample_is_read_once_for_its_shape():
    class Counted(T.data.ArraySamples):
        __slots__ = ("reads",)

        def take(self, index):
            self.reads = [*getattr(self, "reads", []), len(index)]
            return super().take(index)

    samples = Counted(np.ones((40, 3)))
    net = T.Sequential(T.Dense(3, 2, key=jr.key(0)), T.Readout("mean"))
    T.fit(net, T.data.Dataset(samples, np.arange(40) % 2), loss=ENTROPY, epochs=3, batch_size=20)
    assert samples.reads == [1, 40, 40, 40]


def test_tuners_take_what_fit_takes(data):
    """A list as well as a tuple, in the precision that it has; answers are compared with labels, so that these are classes."""
    net = network()
    with jax.enable_x64(True):
        shown = list(feed(net, [data[0].astype(np.float64), data[1]], None, 64, "here"))
    assert [(batch.x.dtype, len(batch.y), batch.n) for batch in shown] == [(jnp.float64, 64, 64), (jnp.float64, 64, 36)]
    with pytest.raises(TypeError, match="whole numbers"):
        feed(net, (data[0], data[1] * 0.5), None, 64, "here")
    with pytest.raises(ValueError, match="here: data has no samples"):
        feed(net, (data[0][:0], data[1][:0]), None, 64, "here")


def test_a_held_out_loss_that_is_not_finite_is_never_the_best(data):
    """The training loss falls in every epoch, and says nothing where there is validation."""
    net = T.Sequential(T.Dense(4, 2, key=jr.key(0)), T.Readout("mean"))
    loss = lambda output, labels, records: jnp.mean(output**2) + (jnp.nan if len(labels) == 30 else 0)  # noqa: E731
    result = T.fit(net, data, loss=loss, validation=(data[0][:30], data[1][:30]), epochs=3, batch_size=50, optimizer=optax.sgd(0.1))
    assert all(np.isnan(row.held_out_loss) for row in result.history) and result.best_epoch == 1
    assert result.history[2].loss < result.history[0].loss


def test_what_fit_makes_by_itself_is_made_once(data):
    """The optimizer is part of what is compiled: a second `fit` goes through the loss without tracing it again."""
    net = T.Sequential(T.Dense(4, 2, key=jr.key(0)), T.Readout("mean"))
    traced = []

    def loss(output, labels, records):
        traced.append(1)
        return jnp.mean(output**2)

    for _ in range(2):
        T.fit(net, data, loss=loss, epochs=1)
        assert len(traced) == 1


def test_parameters_stay_in_their_ranges(data):
    lif = n4.LIF(tau=4 * u.ms, c=4 * u.pF, v_rest=0 * u.mV, v_th=1 * u.mV, v_reset=0 * u.mV)
    delayed = T.Delayed(4, 8, longest=3 * u.ms, key=jr.key(0))
    layers = delayed, T.Spiking(lif, learn=("tau", "v_th")), T.Dense(8, 2, key=jr.key(1)), T.Readout("mean")
    net = T.Sequential(*layers)
    # Labels are the direction, 1 down and 0 up: both ways are one program.
    timed = [T.data.Dataset(np.repeat(data[0][:, None], 6, axis=1), np.full(100, label), timed=True) for label in (1, 0)]
    loss = lambda out, y, records: jnp.mean(2.0 * y - 1) * sum(jnp.mean(r.excess) for r in records)  # noqa: E731
    bounds = T.Bounds((lambda net: net.layers[1].neuron.tau, 3 * u.ms, 6 * u.ms))
    where = lambda net: [net.layers[0].delay, net.layers[1].neuron.tau, net.layers[1].neuron.v_th]  # noqa: E731
    descent = optax.sgd(1e4)
    down, up = (T.fit(net, each, loss=loss, where=where, epochs=1, optimizer=descent, bounds=bounds).last for each in timed)
    ends = sorted([float(down.layers[1].neuron.tau), float(up.layers[1].neuron.tau)])
    assert ends == [3.0, 6.0]
    assert float(up.layers[1].neuron.v_th) == pytest.approx(1e-3)  # above the reset of 0
    for end in (down, up):
        assert 0 <= float(end.layers[0].delay.min()) and float(end.layers[0].delay.max()) <= 3
    free = T.Bounds().limits(net, T.trainable(net))
    assert float(free.low.layers[1].neuron.tau) == pytest.approx(4e-3)


def test_delays_are_found():
    """A layer learns the delays of another from its output, and `freeze` puts them on their steps exactly."""
    wanted = np.array([[1.0], [4.0], [7.0]])
    make = lambda key: T.Delayed(3, 1, longest=8 * u.ms, width=1.5 * u.ms, key=key)  # noqa: E731
    ones = lambda layer: eqx.tree_at(lambda d: d.weight, layer, jnp.ones((3, 1)))  # noqa: E731
    teacher = T.Sequential(ones(make(jr.key(0)).with_delays(wanted * u.ms)))
    x = np.asarray(jr.bernoulli(jr.key(1), 0.2, (32, 25, 3)), np.float32)
    y = np.moveaxis(np.asarray(teacher(np.moveaxis(x, 1, 0))), 1, 0)
    net = T.Sequential(ones(make(jr.key(0)).with_delays(4 * u.ms)))
    loss = lambda out, labels, records: jnp.mean((jnp.moveaxis(out, 1, 0) - labels) ** 2)  # noqa: E731
    found = T.fit(
        net, (x, y), loss=loss, encoder=T.encoders.Timed(), where=lambda net: net.layers[0].delay, epochs=60, optimizer=optax.adam(0.2)
    )
    np.testing.assert_allclose(found.model.layers[0].delay, wanted, atol=0.05)
    np.testing.assert_array_equal(found.model.freeze().layers[0].delay, wanted)


def test_patience_and_divergence_end_training(data):
    net = T.Sequential(T.Dense(4, 2, key=jr.key(0)), T.Readout("mean"))
    more = {"loss": ENTROPY, "validation": data, "epochs": 9, "where": lambda net: net.layers[0].bias, "batch_size": 100}
    still = T.fit(net, data, optimizer=optax.sgd(0.0), patience=2, **more)
    assert still.stopped == "patience" and len(still.history) == 3 and still.best_epoch == 1
    with pytest.raises(ValueError, match="not finite"):
        T.fit(net, (data[0] * np.nan, data[1]), optimizer=optax.sgd(0.0), **more)
    moved = T.fit(net, data, optimizer=optax.sgd(-2e38), **more)  # uphill until it overflows
    assert moved.stopped == "diverged" and np.isfinite(moved.last.layers[0].bias).all()
    np.testing.assert_array_equal(moved.last.layers[0].weight, net.layers[0].weight)


def test_what_is_trained():
    net = network(learn=("v_th",))
    chosen = T.trainable(net)
    assert chosen.count(net) == 4 * 16 + 16 + 16 + 16 + 1 + 32 + 2
    taken = chosen.take(net)
    assert taken.layers[3].neuron.v_th is net.layers[3].neuron.v_th
    assert taken.layers[3].neuron.w is None and taken.layers[2].moments.mean is None
    moved = chosen.put(net, jax.tree.map(lambda x: x + 1, taken))
    np.testing.assert_allclose(moved.layers[1].weight, net.layers[1].weight + 1)
    few, rest = eqx.partition(net, T.trainable(net, lambda net: [net.layers[1], net.layers[3].neuron.w]).marks(net))
    assert sum(leaf.size for leaf in jax.tree.leaves(few)) == 4 * 16 + 16 + 1 and rest.layers[1].weight is None


@pytest.fixture(scope="module")
def biological():
    lif = n4.LIF(tau=10 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    cells = n4.Population("cells", 5, lif)
    return n4.Network(cells, n4.Clamp("drive", cells, 100 * u.pA)).build(dt=1 * u.ms, seed=0)


def test_a_model_is_trained_by_a_loss_of_its_own(biological):
    """The time constant that brings the potential after 10 steps to -57 mV under 100 pA: C/tau (v_rest - v) + i, in closed form."""

    def loss(model, key):
        state, _ = n4.scan(model, model.init(key), 10)
        return jnp.mean((state["cells", "v"] + 57.0) ** 2)

    where = {"c": lambda m: m.neurons["cells"].c}
    result = T.fit(biological, loss=loss, where=where, epochs=60, optimizer=optax.adam(5.0))
    c = float(result.model.neurons["cells"].c)
    # With tau = 10 ms, v - v_rest = 100 pA tau/c (1 - e^-1) = 3 mV.
    assert c == pytest.approx(100 * 10 / 3 * (1 - np.exp(-1)), rel=2e-3)
    assert result.best().loss < 1e-3
    assert float(jax.jit(loss)(result.model, jr.key(0))) == pytest.approx(result.best().loss, rel=1e-5, abs=1e-9)


def test_digits_are_read():
    """A short training; `benchmarks/digits.py` is the full one. Nothing is chosen by the test set."""
    digits = T.data.digits()
    k1, k2 = jr.split(jr.key(0))
    layers = T.Dense(64, 128, key=k1, bias=False), T.BatchNorm(128), T.Hold(6), T.Spiking(n4.PLIF()), T.Dense(128, 10, key=k2)
    net = T.Sequential(*layers, T.Readout("mean"))
    result = T.fit(net, digits.train, loss=ENTROPY, validation=digits.validation, epochs=12, optimizer=optax.adam(5e-3))
    output = result.model(jnp.asarray(digits.test.x)[None])
    assert float(np.mean(np.argmax(output, axis=-1) == digits.test.y)) > 0.93


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda data: T.fit(network(), loss=ENTROPY), TypeError, "trained on data"),
        (lambda data: T.fit(network(), data[0], loss=ENTROPY), TypeError, "pair of arrays"),
        (lambda data: T.fit(network(), (data[0], data[1][:5]), loss=ENTROPY), ValueError, "shapes"),
        (lambda data: T.fit(network(), data, loss=ENTROPY, epochs=0), ValueError, "at least 1"),
        (lambda data: T.fit(network(), data, loss=ENTROPY, optimizer=0.1), TypeError, "optax"),
        (lambda data: T.fit(network(), data, loss=ENTROPY, where=lambda net: net.layers[0].steps), TypeError, "float arrays"),
        (lambda data: T.trainable(3), TypeError, "Sequential"),
        (lambda data: T.fit(network(), data, loss=ENTROPY, key=0), TypeError, r"key=jax.random.key\(0\)"),
        (lambda data: T.Bounds((lambda net: net.layers[3].neuron.w, 2.0, 1.0)), ValueError, "below"),
        (lambda data: T.Bounds(3), TypeError, "triples"),
        (
            lambda data: T.fit(network(), data, loss=ENTROPY, bounds=T.Bounds((lambda net: net.layers[3].neuron.v_th, 1 * u.mV, None))),
            ValueError,
            "not trained",
        ),
        (
            lambda data: T.fit(
                network(learn=("v_th",)), data, loss=ENTROPY, bounds=T.Bounds((lambda net: net.layers[3].neuron.v_th, 2 * u.ms, None))
            ),
            n4.UnitError,
            "Bounds",
        ),
    ],
)
def test_errors_teach(data, call, error, words):
    with pytest.raises(error, match=words):
        call(data)


@pytest.mark.parametrize("label", [-1, 2])
def test_labels_outside_the_classes_are_refused(data, label):
    x, y = data[0], np.concatenate([data[1][:-1], [label]])
    loss = ENTROPY + 0.1 * T.losses.RateTarget(0.05)
    with pytest.raises(ValueError, match=f"fit: data: labels .* from 0 to 1.*got {label}"):
        T.fit(network(), (x, y), loss=loss)
    with pytest.raises(ValueError, match=f"fit: validation: labels .*got {label}"):
        T.fit(network(), data, validation=(x, y), loss=loss)
