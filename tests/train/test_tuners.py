"""Tuners: thresholds that meet a sparsity, time steps from one pass, exits that really stop, and the digits on which they save half."""

import itertools

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import neuro4d as n4
from neuro4d import train as t
from neuro4d.train.tuners._bisection import meet
from neuro4d.train.tuners._thresholds import scaled
from neuro4d.train.tuners._timestep_optimizer import _with_exits


def plif(v_th=0.3):
    return n4.PLIF(w=0.0, v_th=v_th * u.mV)


def network(steps=8, hidden=64, seed=0, readout="mean"):
    """Membranes so slow that a single step says little."""
    k1, k2, k3 = jr.split(jr.key(seed), 3)
    slow = n4.PLIF(w=-2.0, v_th=0.5 * u.mV)
    return t.Sequential(
        t.Dense(64, hidden, key=k1),
        t.Hold(steps),
        t.Spiking(slow),
        t.Dense(hidden, hidden, key=k2),
        t.Spiking(slow),
        t.Dense(hidden, 10, key=k3),
        t.Readout(readout),
    )


@pytest.fixture(scope="module")
def digits():
    return t.data.digits()


@pytest.fixture(scope="module")
def trained(digits):
    """A classifier of digits that has seen noisy images."""

    def noisy(x, key):
        return x + 0.15 * jr.normal(key, x.shape)

    result = t.fit(
        network(),
        digits.train,
        loss=t.losses.CrossEntropy(),
        epochs=25,
        optimizer=optax.adam(3e-3),
        augment=noisy,
        progress=False,
    )
    return result.last


def loses_a_point_at_most(before, after):
    """Whether samples that are right or not speak against a loss of a point: more by 2.33 standard errors of the pairs, a false alarm of 1 %."""
    lost = before.astype(float) - after
    return lost.mean() <= 0.01 + 2.33 * lost.std() / np.sqrt(len(lost))


# --- thresholds ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [1e-3, 0.2, 0.7, 5.0, 900.0])
def test_a_rising_function_meets_its_target(start):
    found = meet(lambda s: float(1 - np.exp(-s)), 0.6, start, 1e-4, "here")
    assert 1 - np.exp(-found) == pytest.approx(0.6, abs=1e-4)


@pytest.mark.parametrize("start", [0.2, 0.7, 5.0])
def test_targets_that_cannot_be_met(start):
    with pytest.raises(ValueError, match=r"out of reach.*A target above 0\.5"):
        meet(lambda s: 0.5 + 0.5 * s / (1 + s), 0.3, start, 1e-4, "here")
    with pytest.raises(ValueError, match=r"jumps from 0\.2000 to 0\.8000"):
        meet(lambda s: 0.2 if s < 1.234 else 0.8, 0.5, start, 1e-4, "here")


def test_a_threshold_moves_away_from_the_reset():
    lif = n4.LIF(tau=5 * u.ms, c=5 * u.pF, v_rest=-60 * u.mV, v_th=[-50, -40] * u.mV, v_reset=-65 * u.mV)
    net = t.Sequential(t.Spiking(lif), t.Spiking(n4.ALIF(tau=5 * u.ms, tau_b=9 * u.ms, beta=1 * u.mV)))
    assert np.allclose(scaled(net, "0", 2.0).layer("0").neuron.v_th, [-35, -15])
    assert np.allclose(scaled(net, "1", 2.0).layer("1").neuron.v_th, 2)


def test_without_time_the_threshold_is_the_percentile():
    """In a single step no neuron is reset before, so the threshold has to be the quantile of sigma(w) x."""
    x = np.random.default_rng(0).uniform(0, 1, (500, 40)).astype(np.float32)
    net = t.Sequential(t.Hold(1), t.Spiking(plif(0.01)))
    tuned = t.ThresholdTuner().optimize_thresholds(net, (x, np.zeros(500, int)), 0.9)
    assert float(tuned.layer("1").neuron.v_th) == pytest.approx(np.quantile(x / 2, 0.9), rel=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("scope", "method"), [("layer", "percentile_based"), ("overall", "percentile_based"), ("overall", "gradient")])
def test_sparsity_holds_on_samples_that_were_not_seen(trained, digits, scope, method):
    tuner = t.ThresholdTuner(scope=scope, updates=20)
    tuned = tuner.optimize_thresholds(trained, digits.train, target_sparsity=0.9, method=method)
    seen, fresh = tuner.measure_sparsity(tuned, digits.train), tuner.measure_sparsity(tuned, digits.test)
    assert seen["all"] == pytest.approx(0.9, abs=5e-4)
    assert fresh["all"] == pytest.approx(0.9, abs=5e-3)
    if scope == "layer":
        assert all(seen[name] == pytest.approx(0.9, abs=5e-4) and fresh[name] == pytest.approx(0.9, abs=5e-3) for name in ("2", "4"))
    assert eqx.tree_equal(tuned.layers[0], trained.layers[0])
    assert jnp.ndim(tuned.layer("2").neuron.v_th) == (1 if method == "gradient" else 0)


@pytest.mark.slow
def test_trained_thresholds_halve_the_spikes_for_a_point(trained, digits):
    """On 539 images that neither training nor tuning has seen. `benchmarks/tuners.py` has the mean of five seeds."""
    fresh = t.data.Dataset(*(np.concatenate(each) for each in zip(*((part.x, part.y) for part in (digits.test, digits.validation)))))
    tuner = t.ThresholdTuner(scope="overall", updates=400, batch_size=128)
    before = tuner.measure_sparsity(trained, digits.train)["all"]
    tuned = tuner.optimize_thresholds(trained, digits.train, (1 + before) / 2, method="gradient")
    table = t.compare_models({"before": trained, "after": tuned}, fresh)
    assert table["after"].spikes < 0.51 * table["before"].spikes
    before, after = (np.argmax(eqx.filter_jit(net)(fresh.x[None]), 1) == fresh.y for net in (trained, tuned))
    assert after.mean() == pytest.approx(table["after"].accuracy) and loses_a_point_at_most(before, after)
    saved = tuner.measure_energy_improvement(original_model=trained, optimized_model=tuned, test_data=fresh)
    assert saved == pytest.approx(1 - table["after"].energy / table["before"].energy)


def test_a_tuner_refuses_what_it_cannot_do(trained, digits):
    tuner = t.ThresholdTuner()
    with pytest.raises(ValueError, match="percentile_based"):
        tuner.optimize_thresholds(trained, digits.train, 0.9, method="magic")
    with pytest.raises(ValueError, match="above 0 and below 1"):
        tuner.optimize_thresholds(trained, digits.train, 90)
    with pytest.raises(TypeError, match="Sequential"):
        tuner.optimize_thresholds(None, digits.train, 0.9)
    with pytest.raises(TypeError, match="Dataset"):
        tuner.optimize_thresholds(trained, 3, 0.9)
    with pytest.raises(ValueError, match="has no threshold `v_th`"):
        eif = n4.EIF(c=9 * u.pF, g_l=1 * u.nS, v_rest=0 * u.mV, v_t=5 * u.mV, delta_t=1 * u.mV, v_reset=0 * u.mV, v_peak=30 * u.mV)
        tuner.optimize_thresholds(t.Sequential(t.Hold(2), t.Spiking(eif)), digits.train, 0.9)
    with pytest.raises(ValueError, match="scope"):
        t.ThresholdTuner(scope="neuron")


# --- energy and comparison ----------------------------------------------------------------------------------------------------


def test_energy_counts_what_spikes_reach():
    """Eight steps at twice the threshold and more: one spike per step, 8 x 64 to 5 targets."""
    net = t.Sequential(t.Hold(8), t.Spiking(plif(0.5)), t.Dense(64, 5, key=jr.key(0)))
    data = np.full((3, 64), 2.0, np.float32), np.zeros(3, int)
    assert t.measure_energy(net, data) == 8 * 64 * 5
    joule = t.measure_energy(net, data, energy=lambda net, spikes, steps: (spikes.sum(-1) + steps) * 2 * u.joule)
    assert joule.to_decimal(u.joule) == 2 * (8 * 64 + 8)
    with pytest.raises(ValueError, match="for each of"):
        t.measure_energy(net, data, energy=lambda net, spikes, steps: 1.0)


def test_neurons_side_by_side(trained, digits):
    lif = n4.LIF(tau=2 * u.ms, c=2 * u.pF, v_rest=0 * u.mV, v_th=0.3 * u.mV, v_reset=0 * u.mV)
    neurons = {"PLIF": plif(), "LIF": lif, "never": plif(1e6)}
    table = t.compare_neurons(trained, neurons, digits.test)
    whole = t.compare_models({"x": trained.with_neurons(plif())}, digits.test)["x"]
    assert table["PLIF"] == whole and len(table) == 3
    assert table["never"].spikes == 0 and table["never"].sparsity == 1 and table["never"].energy == 0
    assert table["LIF"].spikes > 0 and table["LIF"].stderr == pytest.approx(
        np.sqrt(table["LIF"].accuracy * (1 - table["LIF"].accuracy) / 359)
    )
    assert "PLIF" in repr(table) and "1.000" in repr(table) and "<table>" in table._repr_html_()
    changed = t.compare_neurons(trained, {"x": lif}, digits.test, retrain=lambda net: net.with_neurons(plif(1e6)))
    assert changed["x"].spikes == 0


# --- time steps ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_one_pass_says_what_separate_runs_say(trained, digits):
    """A spike on the edge may fall on either side where another order of sums is compiled: one sample of 359 may differ."""
    table = t.TimestepOptimizer().table(trained, digits.test)
    assert len(table.steps) == 8
    for row in table.fixed():
        if row.steps in (1, 3, 8):
            apart = t.compare_models({"x": trained.with_layer("1", t.Hold(row.steps))}, digits.test)["x"]
            assert row.accuracy == pytest.approx(apart.accuracy, abs=1.1 / 359)
            assert row.energy == pytest.approx(apart.energy, rel=1e-4)
            assert row.mean_steps == row.steps


def test_exits_by_hand():
    rng = np.random.default_rng(0)
    over, right, cost = rng.random((5, 30)) < 0.3, rng.random((5, 30)) < 0.5, np.cumsum(rng.random((5, 30)), 0)
    accuracy, energy, steps = _with_exits(over, right, cost)
    for longest in range(1, 6):
        took = [next((k for k in range(longest) if over[k, j]), longest - 1) for j in range(30)]
        assert accuracy[longest - 1] == pytest.approx(np.mean([right[k, j] for j, k in enumerate(took)]))
        assert energy[longest - 1] == pytest.approx(np.mean([cost[k, j] for j, k in enumerate(took)]))
        assert steps[longest - 1] == pytest.approx(np.mean(took) + 1)


def test_the_cheapest_that_is_good_enough(trained, digits):
    optimizer = t.TimestepOptimizer(thresholds=16)
    table = optimizer.table(trained, digits.validation)
    full = table.fixed()[-1]
    choice = optimizer.find_optimal(trained, digits.validation, energy_budget=full.energy / 2, min_accuracy=full.accuracy)
    best = min(row.energy for row in table if row.accuracy >= full.accuracy)
    assert choice.energy == best <= full.energy / 2
    assert int(choice) == choice.steps and str(choice) == f"{choice.steps} (was 8)" and f"{choice.accuracy * 100:.2f}" in repr(choice)
    assert choice.model.layer("1").steps == choice.steps
    front = table.front()
    assert all(a.energy < b.energy and a.accuracy < b.accuracy for a, b in itertools.pairwise(front))
    assert "that no other beats" in repr(table) and "<table>" in choice._repr_html_()


@pytest.mark.slow
def test_exits_save_half_for_a_point_on_samples_that_were_not_seen(trained, digits):
    full = t.compare_models({"x": trained}, digits.test)["x"]
    held_out = t.compare_models({"x": trained}, digits.validation)["x"]
    choice = t.TimestepOptimizer().find_optimal(trained, digits.validation, held_out.energy / 2, held_out.accuracy)
    seen = choice.runner.compacted(digits.test.x[None])
    right = np.argmax(eqx.filter_jit(trained)(digits.test.x[None]), 1) == digits.test.y
    assert loses_a_point_at_most(right, np.argmax(seen.output, 1) == digits.test.y)
    energy = t.synaptic_operations(trained, seen.spikes, seen.steps).mean()
    assert energy < 0.5 * full.energy


def test_what_is_impossible_is_said(trained, digits):
    optimizer = t.TimestepOptimizer(thresholds=0)
    rows = optimizer.table(trained, digits.validation).fixed()
    cheap, best = rows[0].energy, max(row.accuracy for row in rows)
    assert rows[0].accuracy < best < 1
    with pytest.raises(ValueError, match=r"within the budget the best is .*costs at least"):
        optimizer.find_optimal(trained, digits.validation, energy_budget=cheap, min_accuracy=best)
    with pytest.raises(ValueError, match="best of all"):
        optimizer.find_optimal(trained, digits.validation, energy_budget=1e9, min_accuracy=1.0)
    with pytest.raises(TypeError, match="energy_budget is a number"):
        optimizer.find_optimal(trained, digits.validation, energy_budget=1 * u.joule, min_accuracy=0.9)
    with pytest.raises(ValueError, match="no exits"):
        _ = optimizer.find_optimal(trained, digits.validation, energy_budget=1e9, min_accuracy=0.5).runner
    joules = t.TimestepOptimizer(energy=lambda net, spikes, steps: spikes.sum(-1) * 1e-12 * u.joule, thresholds=0)
    choice = joules.find_optimal(trained, digits.validation, energy_budget=1 * u.joule, min_accuracy=0.5)
    assert 0 < choice.energy.to_decimal(u.joule) < 1e-8
    with pytest.raises(TypeError, match="a quantity"):
        joules.find_optimal(trained, digits.validation, energy_budget=1.0, min_accuracy=0.5)


# --- exits --------------------------------------------------------------------------------------------------------------------


def kinds():
    """Networks with every layer that can be stepped, each with a readout of its own."""
    k = jr.split(jr.key(1), 5)
    image = (t.Conv2d(1, 4, 3, key=k[0]), t.BatchNorm(4), t.Spiking(plif(0.1)), t.MaxPool2d(2), t.AvgPool2d(2), t.Flatten())
    block = t.Residual(t.Dense(8, 8, key=k[1]), t.Spiking(plif(0.05)), shortcut=t.Dense(8, 8, key=k[2]))
    yield "conv", t.Sequential(*image, t.Dense(16, 3, key=k[3]), t.Readout("mean")), (6, 2, 8, 8, 1)
    yield (
        "recurrent",
        t.Sequential(
            t.Recurrent(plif(0.3), 8, key=k[0]), block, t.Dense(8, 3, key=k[3]), t.Integrate(n4.LI(tau=3 * u.ms)), t.Readout("max")
        ),
        (6, 2, 8),
    )
    delayed = t.Delayed(8, 3, longest=4 * u.ms, key=k[4])
    yield "delayed", t.Sequential(t.Spiking(plif(0.3)), delayed, t.Spiking(plif(0.02)), t.Readout("first", temperature=1 * u.ms)), (6, 2, 8)
    yield "held", t.Sequential(t.Dense(8, 3, key=k[0]), t.Hold(5), t.Spiking(plif(0.1)), t.Readout("rate")), (1, 2, 8)
    yield "sum", t.Sequential(t.Spiking(plif(0.3)), t.Dropout(0.5), t.Dense(8, 3, key=k[0]), t.Readout("sum")), (6, 2, 8)
    yield (
        "last",
        t.Sequential(t.Spiking(plif(0.3)), t.Residual(t.Dense(8, 8, key=k[0])), t.Dense(8, 3, key=k[1]), t.Readout("last")),
        (6, 2, 8),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("net", "shape"), [pytest.param(net, shape, id=name) for name, net, shape in kinds()])
def test_a_network_in_single_steps_is_the_network(net, shape):
    x = jr.uniform(jr.key(0), shape) * 2
    output, records = net.trace(x)
    seen = t.EarlyExit(net, threshold=1.0)(x)
    assert np.allclose(seen.output, output, atol=1e-5)
    assert np.array_equal(seen.spikes, np.stack([np.sum(r.spikes, axis=(0, *range(2, r.spikes.ndim))) for r in records], 1))
    assert np.all(seen.steps == len(records[0].spikes))


@pytest.mark.slow
@pytest.mark.parametrize("score", ["confidence", "entropy"])
def test_a_sample_leaves_where_the_table_says(trained, digits, score):
    data = digits.test[:12]
    table = t.TimestepOptimizer(score=score, thresholds=9).table(trained, data)
    limit = float(table.thresholds[4])
    exits = t.EarlyExit(trained, limit, score=score)
    x = jnp.asarray(data.x)[None]
    loop = exits(x)
    if score == "confidence":
        apart = exits.compacted(x, every=2)
        assert np.array_equal(loop.steps, apart.steps) and np.allclose(loop.output, apart.output, atol=1e-5)
        assert np.array_equal(loop.spikes, apart.spikes)
        steps = jax.jit(jax.vmap(lambda limit: t.EarlyExit(trained, limit)(x).steps))(jnp.array([0.0, limit, 1.0]))
        assert np.array_equal(steps, [np.ones(12), loop.steps, np.full(12, 8)])
    assert len(np.unique(loop.steps)) > 2
    row = table.row((4, 7))
    assert np.mean(loop.steps) == pytest.approx(row.mean_steps, abs=1 / 12)
    assert np.mean(np.argmax(loop.output, 1) == data.y) == pytest.approx(row.accuracy, abs=1.1 / 12)
    assert t.synaptic_operations(trained, np.asarray(loop.spikes), None).mean() == pytest.approx(row.energy, rel=0.1)


def test_the_loop_ends_when_all_have_left(trained, digits):
    """Counted from inside: the loop of a single sample makes as many steps as the sample takes."""
    x = jnp.asarray(digits.test.x[:1])[None]
    exits = t.EarlyExit(trained, 0.5)
    calls = []
    counted = eqx.tree_at(lambda e: e.net.layers[5], exits, Counting(trained.layers[5], calls.append))
    steps = int(eqx.filter_jit(lambda e, x: e(x).steps)(counted, x)[0])
    jax.effects_barrier()
    assert len(calls) == steps < 8


class Counting(t.Dense):
    """A layer that tells each step it is computed in."""

    tell: object = eqx.field(static=True)

    def __init__(self, dense, tell):
        self.weight, self.bias, self.tell = dense.weight, dense.bias, tell

    def apply(self, x, context):
        jax.debug.callback(lambda: self.tell(1))
        return super().apply(x, context)


@pytest.mark.slow
def test_exits_that_cannot_be():
    net = network(4, 4)
    for arguments, says in (
        ({"threshold": 2.0}, "between 0 and 1"),
        ({"threshold": 0.5, "score": "x"}, "entropy"),
        ({"threshold": 0.5, "steps": 0}, "at least 1"),
    ):
        with pytest.raises(ValueError, match=says):
            t.EarlyExit(net, **arguments)
    with pytest.raises(ValueError, match="has 4 steps; got steps=5"):
        t.EarlyExit(net, 0.5, steps=5)(jnp.zeros((1, 2, 64)))


# --- the gradient form --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_exit_probabilities_add_to_one_and_become_the_rule():
    logits = jnp.cumsum(jr.normal(jr.key(0), (7, 50, 3)), 0)
    probabilities = jax.jit(t.exit_probabilities)
    soft = probabilities(logits, 0.8, 0.1)
    assert np.allclose(soft.sum(0), 1, atol=1e-6) and bool((soft >= 0).all())
    hard = probabilities(logits, 0.8, 1e-6)
    score = np.asarray(jax.nn.softmax(logits).max(-1))
    first = [next((k for k in range(6) if score[k, j] > 0.8), 6) for j in range(50)]
    assert np.allclose(hard, np.eye(7)[first].T, atol=1e-3)


@pytest.mark.slow
def test_the_exit_loss_has_the_slope_of_differences(x64):
    loss = t.ExitLoss(weight=0.3, threshold=0.6, temperature=0.1)
    output, labels = jr.normal(jr.key(0), (5, 4, 3)) * 2, jnp.array([0, 1, 2, 0])
    direction = jr.normal(jr.key(1), output.shape)
    along = jax.jit(lambda h: loss(output + h * direction, labels))
    slope = jax.jit(jax.grad(along))(0.0)
    assert float(slope) == pytest.approx((float(along(1e-5)) - float(along(-1e-5))) / 2e-5, rel=1e-6)


@pytest.mark.full
def test_the_exit_loss_teaches_to_be_early(digits):
    """`pytest -m full tests/train/test_tuners.py`, 20 s. Two networks that differ in the weight of time alone; the one that pays for it leaves earlier."""
    slow = n4.PLIF(w=-2.0, v_th=0.3 * u.mV)
    net = t.Sequential(t.Dense(64, 32, key=jr.key(0)), t.Hold(6), t.Spiking(slow), t.Dense(32, 10, key=jr.key(1)))
    data, took = digits.train[:256], []
    for weight in (0.0, 3.0):
        loss = t.ExitLoss(weight=weight, threshold=0.9, temperature=0.2)
        result = t.fit(net, data, loss=loss, epochs=40, batch_size=256, optimizer=optax.adam(1e-2), progress=False)
        took.append(float(np.mean(t.EarlyExit(result.last, 0.9)(jnp.asarray(data.x)[None]).steps)))
    assert took[1] < took[0] - 0.5


def test_one_sample_that_leaves_early_ends_the_run():
    net = t.Sequential(t.Hold(4), t.Spiking(plif()), t.Readout("mean"))
    seen = t.EarlyExit(net, threshold=0.0).compacted(jnp.ones((1, 1, 3)))
    assert seen.steps.tolist() == [1]


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.int32, bool])
def test_steps_take_the_precision_of_the_network(dtype):
    net = t.Sequential(t.Spiking(plif()), t.Recurrent(plif(), 3, key=jr.key(0)), t.Readout("mean"))
    x = jnp.ones((4, 2, 3), dtype)
    seen = t.EarlyExit(net, threshold=1.0)(x)
    assert seen.output.dtype == jnp.float64
    np.testing.assert_allclose(seen.output, net(x), rtol=1e-12)
