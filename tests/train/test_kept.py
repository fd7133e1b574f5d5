"""Training that is kept: cut anywhere, and gone on with by the same call, it is what it would have been, bit for bit."""

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import neuro4d as n4

T = n4.train
ADAM = optax.adam(1e-2)
SOON = 1e-9 * u.second
X = np.asarray(jr.uniform(jr.key(1), (40, 3)))
DATA = (X, (X[:, 0] > X[:, 1]).astype(np.int32))


def same(a, b):
    def bits(x):
        return np.asarray(jr.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x).tobytes()

    leaves = [jax.tree.leaves(tree) for tree in (a, b)]
    return len(leaves[0]) == len(leaves[1]) and all(bits(jnp.asarray(x)) == bits(jnp.asarray(y)) for x, y in zip(*leaves, strict=True))


def fit(epochs=4, checkpoint=None, **more):
    """Running statistics, random masks and an optimizer with a memory: all that has to be kept."""
    k1, k2 = jr.split(jr.key(0))
    net = T.Sequential(T.Hold(2), T.Dense(3, 8, key=k1), T.BatchNorm(8), T.Dropout(0.1), T.Dense(8, 2, key=k2), T.Readout("mean"))
    options = {"loss": T.losses.CrossEntropy(), "validation": (X[:10], DATA[1][:10]), "batch_size": 20, "optimizer": ADAM} | more
    return T.fit(net, DATA, epochs=epochs, checkpoint=checkpoint, **options)


def rows(result):
    return [row[:-1] for row in result.history]  # without the seconds


class Killed(Exception):
    pass


class Cut(n4.io.Checkpoints):
    """Ends the call after so many times something was kept, as a kill would: nothing is said at the end."""

    def __init__(self, *given, after, **options):
        super().__init__(*given, **options)
        self.after = after

    def log(self, kind):
        log, keep = super().log(kind), None
        keep = log.keep

        def cut(number, make, last):
            if not last:
                keep(number, make, last)
                if number == self.after:
                    raise Killed

        log.keep = cut
        return log


@pytest.fixture(scope="module")
def whole():
    return fit()


@pytest.mark.parametrize("after", [2, pytest.param(1, marks=pytest.mark.full), pytest.param(3, marks=pytest.mark.full)])
def test_fit_cut_after_any_epoch_is_the_same(whole, tmp_path, after):
    with pytest.raises(Killed):
        fit(checkpoint=Cut(tmp_path / "a", wall=SOON, after=after))
    again = fit(checkpoint=n4.io.Checkpoints(tmp_path / "a", wall=SOON, resume=True))
    assert rows(again) == rows(whole) and again.best_epoch == whole.best_epoch and again.stopped == whole.stopped
    assert same(again.model, whole.model) and same(again.last, whole.last) and same(again.state, whole.state)
    twice = fit(checkpoint=n4.io.Checkpoints(tmp_path / "a", wall=SOON, resume=True))  # nothing is left to be done
    assert same(twice.last, whole.last) and [row.seconds for row in twice.history] == [row.seconds for row in again.history]


def test_fit_goes_on_to_more_epochs(whole, tmp_path):
    fit(epochs=2, checkpoint=n4.io.Checkpoints(tmp_path / "a", wall=1 * u.hour))  # the last is kept whatever the clock says
    again = fit(checkpoint=n4.io.Checkpoints(tmp_path / "a", wall=1 * u.hour, resume=True))
    assert rows(again) == rows(whole) and same(again.last, whole.last)


def test_another_fit_is_refused(whole, tmp_path):
    fit(epochs=1, checkpoint=n4.io.Checkpoints(tmp_path / "a"))
    with pytest.raises(FileExistsError, match=r"holds a fit up to number 1\. To go on with it"):
        fit(checkpoint=n4.io.Checkpoints(tmp_path / "a"))
    with pytest.raises(ValueError, match=r"another fit:\n- batch_size: 20 there, 10 here\n- key: .*\nChoose"):
        fit(checkpoint=n4.io.Checkpoints(tmp_path / "a", resume=True), batch_size=10, key=jr.key(9))
    with pytest.raises(ValueError, match=r"another fit:\n- loss: .*smoothing=0.0.* there, .*smoothing=0.1"):
        fit(checkpoint=n4.io.Checkpoints(tmp_path / "a", resume=True), loss=T.losses.CrossEntropy(0.1))
    with pytest.raises(ValueError, match="numbers at the beginning"):
        fit(checkpoint=n4.io.Checkpoints(tmp_path / "a", resume=True), optimizer=optax.sgd(0.1))
    with pytest.raises(FileExistsError, match="holds a fit, not a tune"):
        n4.io.Checkpoints(tmp_path / "a", resume=True).log("tune").begin({})
    with pytest.raises(TypeError, match="give `checkpoint` or `resume`"):
        fit(checkpoint=n4.io.Checkpoints(tmp_path / "b"), resume=whole)
    with pytest.raises(TypeError, match="fit: checkpoint is None or"):
        fit(checkpoint=str(tmp_path))
    with pytest.raises(ValueError, match="due by time on the wall"):
        fit(checkpoint=n4.io.Checkpoints(tmp_path / "b", every=1 * u.second))


@pytest.mark.full
def test_fit_of_a_model(tmp_path):
    cells = n4.Population("cells", 3, n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV))
    model = n4.Network(cells, n4.Clamp("drive", cells, 100 * u.pA)).build(dt=0.5 * u.ms, seed=0)

    def loss(model, key):
        return (n4.scan(model, model.init(key), 20)[0]["cells", "v"].mean() + 57 + 0.1 * jr.normal(key)) ** 2

    def one(epochs, **more):
        place = lambda m: m.sources["drive"].amplitude  # noqa: E731
        return T.fit(model, loss=loss, where=place, epochs=epochs, optimizer=ADAM, **more)

    whole = one(6)
    with pytest.raises(Killed):
        one(6, checkpoint=Cut(tmp_path / "a", wall=SOON, after=4))
    again = one(6, checkpoint=n4.io.Checkpoints(tmp_path / "a", wall=SOON, resume=True))
    assert same(again.last, whole.last) and same(again.state, whole.state)
    assert [row.loss for row in again.history] == [row.loss for row in whole.history]


# Tuning -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def noisy():
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)
    cells = n4.Population("cells", 30, lif, v0=n4.Normal(-55 * u.mV, 2 * u.mV))
    noise = n4.WhiteNoise("noise", cells, mean=110 * u.pA, std=400 * u.pA)
    return n4.Network(cells, noise).build(dt=0.5 * u.ms, seed=0)


def tune(model, **more):
    options = {"tolerance": 0.1, "duration": 400 * u.ms, "discard": 100 * u.ms, "trials": 4} | more
    return T.tune(model, lambda m: m.neurons["cells"].v_th, {"cells": 20 * u.Hz}, **options)


@pytest.fixture(scope="module")
def tuned(noisy):
    return tune(noisy)


def updates(result):
    return [update[:-1] for update in result.history]


@pytest.mark.parametrize("after", [2, pytest.param(1, marks=pytest.mark.full), pytest.param(3, marks=pytest.mark.full)])
def test_tune_cut_after_any_batch_is_the_same(noisy, tuned, tmp_path, after):
    assert tuned.updates > after
    with pytest.raises(Killed):
        tune(noisy, checkpoint=Cut(tmp_path / "a", wall=SOON, after=after))
    again = tune(noisy, checkpoint=n4.io.Checkpoints(tmp_path / "a", wall=SOON, resume=True))
    assert updates(again) == updates(tuned) and again.reason == tuned.reason
    assert same(again.model, tuned.model)
    assert {name: str(x) for name, x in again.uncertainty.items()} == {name: str(x) for name, x in tuned.uncertainty.items()}


def test_what_is_kept_is_not_measured_again(noisy, tuned, tmp_path, monkeypatch):
    first = tune(noisy, checkpoint=n4.io.Checkpoints(tmp_path / "a"))
    monkeypatch.setattr("neuro4d.train._tune_search.measure", lambda *_: pytest.fail("it was measured again"))
    again = tune(noisy, checkpoint=n4.io.Checkpoints(tmp_path / "a", resume=True))
    assert again.history == first.history and updates(first) == updates(tuned)
    assert again.wall_s >= sum(update.wall_s for update in first.history)


def test_another_search_is_refused(noisy, tmp_path):
    tune(noisy, checkpoint=n4.io.Checkpoints(tmp_path / "a"))
    with pytest.raises(ValueError, match=r"another tune:\n- targets: "):
        tune(noisy, tolerance=0.2, checkpoint=n4.io.Checkpoints(tmp_path / "a", resume=True))
    with pytest.raises(ValueError, match=r"another tune:\n- model: "):
        tune(n4.set(noisy, lambda m: m.neurons["cells"].tau, 19 * u.ms), checkpoint=n4.io.Checkpoints(tmp_path / "a", resume=True))


def test_a_disk_that_is_full_stops_no_training(whole, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("neuro4d.io.checkpoint._store.write_snapshot", full)
    with pytest.warns(n4.io.CheckpointWarning, match="4 checkpoints were not written"):
        result = fit(checkpoint=n4.io.Checkpoints(tmp_path / "a", wall=SOON))
    assert same(result.last, whole.last)
