"""Pictures of what changes: weights over time, windows of rules, lives of neurons."""

import brainunit as u
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
import pytest
from synthetic_run import SmallModel, run_of, spans

import neuro4d as n4
from neuro4d import plot
from neuro4d.plasticity import AbstractPlasticity, Trace
from neuro4d.recorders import SampleRecord


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def lif():
    return n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)


@pytest.fixture(scope="module")
def learned():
    """Two plastic projections that share a pathway, and a static one."""
    inputs = n4.Population("inputs", 40, n4.PoissonNeuron(rate=60 * u.Hz))
    cells = n4.Population("cells", 4, lif(), {"exc": n4.ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV)})
    rule, spread = n4.STDP(w_max=2 * u.nS, a_plus=0.1, a_minus=0.05), n4.Uniform(0 * u.nS, 2 * u.nS)
    e = n4.Projection("e", inputs[:30], cells, "exc", n4.AllToAll(), weight=spread, delay=1 * u.ms, plasticity=rule)
    f = n4.Projection("f", inputs[30:], cells, "exc", n4.AllToAll(), weight=1 * u.nS, delay=2 * u.ms, plasticity=rule)
    fixed = n4.Projection("fixed", inputs, cells, "exc", n4.AllToAll(), weight=0.1 * u.nS, delay=1 * u.ms)
    model = n4.Network(inputs, cells, e, f, fixed).build(dt=0.1 * u.ms, seed=0)
    look = n4.Record(lambda state, spikes: {path: held.weight for path, held in state.edges.items()}, every=10 * u.ms, name="weights")
    return n4.simulate(model, jr.key(0), 100 * u.ms, record=(look,))


@pytest.mark.slow
def test_weights_are_those_of_the_projection(learned):
    for name, count in (("e", 120), ("f", 40)):
        course, ends = plot.weights(learned, name, bins=30)
        last = learned.model.weights(name, learned.state).to_decimal(u.nS)
        assert len(last) == count and np.ptp(last) > 0.1
        tenth, mean, most = (line.get_ydata() for line in course.lines)
        assert mean[-1] == pytest.approx(last.mean()) and (tenth[-1], most[-1]) == pytest.approx(tuple(np.percentile(last, [10, 90])))
        np.testing.assert_allclose(course.lines[0].get_xdata(), np.arange(10, 101, 10))
        assert course.get_ylabel() == "weight (nS)" and course.get_title(loc="left") == name
        share = np.asarray(course.collections[0].get_array())
        assert share.shape == (30, 10)
        np.testing.assert_allclose(share.sum(axis=0), 1)
        edges = course.collections[0].get_coordinates()[:, 0, 1]
        np.testing.assert_allclose(share[:, -1], np.histogram(last, edges)[0] / count)
        assert [text.get_text() for text in ends.get_legend().get_texts()] == ["100 ms", "10 ms"]
        course.figure.canvas.draw()


def test_weights_that_were_not_recorded_say_how_to(learned):
    with pytest.raises(ValueError, match=r"weights of projection 'fixed' do not change: give it `plasticity="):
        plot.weights(learned, "fixed")
    with pytest.raises(KeyError, match="no projection named 'g'"):
        plot.weights(learned, "g")
    with pytest.raises(KeyError, match=r"no record named 'w'.*Record it before the run.*state\.edges"):
        plot.weights(learned, "e", "w")
    (path,) = learned.records["weights"].values
    for values, complaint in ((np.zeros((3, 7)), "7 numbers per sample"), (np.zeros((0, 160)), "no sample"), (np.zeros(3), "row of numbers")):
        wrong = run_with(learned, SampleRecord("weights", np.arange(len(values)), {path: values}))
        with pytest.raises(ValueError, match=complaint):
            plot.weights(wrong, "e")
    with pytest.raises(KeyError, match="holds nothing of"):
        plot.weights(run_with(learned, SampleRecord("weights", np.arange(3), {"other": np.zeros((3, 160))})), "e")
    with pytest.raises(TypeError, match=r"not one of `n4\.Record`"):
        plot.weights(run_with(learned, 3), "e")
    with pytest.raises(ValueError, match="at least 2"):
        plot.weights(learned, "e", bins=1)


def run_with(run, record):
    return n4.Run(run.model, run.state, run.dt_ms, run.start_step, run.n_steps, {"weights": record})


class Inhibition(AbstractPlasticity):
    """A rule of one's own: near spikes strengthen in either order, an arrival alone weakens (Vogels et al. 2011)."""

    def pre_traces(self):
        return {"x": Trace(15.0)}

    def post_traces(self):
        return {"y": Trace(15.0)}

    def on_post(self, weight, variables, seen):
        return weight + 0.1 * seen.pre["x"], variables

    def on_pre(self, weight, variables, seen):
        return weight + 0.1 * (seen.post["y"] - 0.3), variables


LAGS = np.array([-40.0, -20.0, -5.0, -0.5, 0.5, 5.0, 20.0, 40.0])


@pytest.mark.slow
def test_windows_are_those_of_the_definitions():
    """Of pairs and of a rule of one's own, in single precision: to 1e-6 of the weight."""
    rules = {"pairs": n4.STDP(w_max=2 * u.nS, a_plus=0.02, a_minus=0.01, tau_plus=10 * u.ms, tau_minus=30 * u.ms), "own": Inhibition()}
    ax = plot.stdp_window(rules, 1 * u.nS, lags=LAGS * u.ms, dt=0.5 * u.ms)
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(lines["pairs"].get_xdata(), LAGS)
    pairs = np.where(LAGS > 0, 0.04 * np.exp(-LAGS / 10), -0.02 * np.exp(LAGS / 30))
    np.testing.assert_allclose(lines["pairs"].get_ydata(), pairs, rtol=0, atol=1e-6)
    np.testing.assert_allclose(lines["own"].get_ydata(), 0.1 * np.exp(-np.abs(LAGS) / 15) - 0.03, rtol=0, atol=1e-6)
    assert ax.get_ylabel() == "change of the weight (nS)" and [text.get_text() for text in ax.get_legend().get_texts()] == ["pairs", "own"]


def test_a_series_of_pairs_adds_up_where_the_rule_does():
    """Every pair meets the traces of the earlier ones: a sum over all pairs of spikes. Weights in mV."""
    rule = n4.STDP(w_max=10 * u.mV, a_plus=0.002, a_minus=0.001, tau_plus=20 * u.ms, tau_minus=20 * u.ms)
    ax = plot.stdp_window(rule, 5 * u.mV, lags=LAGS * u.ms, pairs=5, every=100 * u.ms, dt=0.5 * u.ms, ax=plt.subplots()[1])
    apart = LAGS[:, None] + 100 * np.arange(-4, 5)
    weights = 5 - np.abs(np.arange(-4, 5))
    expected = (weights * np.where(apart > 0, 0.02 * np.exp(-apart / 20), -0.01 * np.exp(apart / 20))).sum(axis=1)
    np.testing.assert_allclose(ax.lines[-1].get_ydata(), expected, rtol=0, atol=5e-6)
    assert ax.get_legend() is None and ax.get_title(loc="right") == "5 pairs, one every 100 ms"


def test_windows_that_make_no_sense_are_refused():
    rule = n4.STDP(w_max=1 * u.nS, a_plus=0.02, a_minus=0.01)
    for wrong in (3, {}, {"a": 3}):
        with pytest.raises(TypeError, match="stdp_window takes a rule"):
            plot.stdp_window(wrong, 0.5 * u.nS)
    with pytest.raises(n4.UnitError):
        plot.stdp_window(rule, 0.5 * u.mV)
    with pytest.raises(n4.UnitError, match="weight"):
        plot.stdp_window(rule, 0.5)
    with pytest.raises(ValueError, match=r"multiples of the time step of 0\.1 ms"):
        plot.stdp_window(rule, 0.5 * u.nS, lags=[0.25] * u.ms)
    with pytest.raises(ValueError, match="finite times"):
        plot.stdp_window(rule, 0.5 * u.nS, lags=[] * u.ms)
    with pytest.raises(ValueError, match="pairs overlap"):
        plot.stdp_window(rule, 0.5 * u.nS, pairs=2, every=90 * u.ms)
    with pytest.raises(ValueError, match=r"stdp_window\(dt\)"):
        plot.stdp_window(rule, 0.5 * u.nS, dt=0 * u.ms)
    with pytest.raises(ValueError, match="keeps weights from"):
        plot.stdp_window(rule, 1.5 * u.nS)


def living(steps=40, n=30, shape=(4, 3, 2, 2)):
    """Neurons that are born and die at times of their own; the last three never live."""
    rng = np.random.default_rng(0)
    begin, end = rng.integers(0, 20, n), rng.integers(20, 60, n)
    alive = (np.arange(steps)[:, None] >= begin) & (np.arange(steps)[:, None] < end)
    alive[:, -3:] = False
    places = None if shape is None else {"cells": np.stack([rng.integers(0, extent, n) for extent in shape], axis=1)}
    model = SmallModel(spans({"cells": n}), lattice_shape=shape, places=places or {})
    record = SampleRecord("alive", np.arange(steps) * 10 + 9, {"cells": alive})
    return run_of({"cells": np.zeros((400, n), bool)}, model=model, records={"alive": record}.items()), alive


def test_lives_are_counted_shown_and_placed():
    run, alive = living()
    numbers, neurons, *maps = plot.lifetimes(run, "cells", moments=4)
    line = numbers.lines[0]
    np.testing.assert_array_equal(line.get_ydata(), alive.sum(axis=1))
    np.testing.assert_allclose(line.get_xdata(), np.arange(1, 41))
    heights = np.array([bar.get_height() for bar in numbers.patches])
    assert heights[heights > 0].sum() == (alive[1:] & ~alive[:-1]).sum() and -heights[heights < 0].sum() == (alive[:-1] & ~alive[1:]).sum()
    shown = np.asarray(neurons.images[0].get_array())
    assert shown.shape == (27, 40) and shown.sum() == alive.sum() and (np.diff(shown.argmax(axis=1)) >= 0).all()
    assert neurons.texts[0].get_text() == "3 never lived"
    assert [ax.get_title() for ax in maps] == ["1 ms", "14 ms", "27 ms", "40 ms"]
    places = run.model.coordinates("cells")
    for ax, sample in zip(maps, (0, 13, 26, 39), strict=True):
        counts = np.zeros((3, 4))
        np.add.at(counts, (places[:, 1], places[:, 0]), alive[sample])
        known = np.zeros((3, 4), bool)
        known[places[:, 1], places[:, 0]] = True
        np.testing.assert_allclose(np.ma.filled(ax.images[0].get_array(), np.nan), np.where(known, counts, np.nan))
    numbers.figure.canvas.draw()


def test_a_child_at_the_place_of_its_parent_is_another_neuron():
    """The first three places have their next neuron at sample 20."""
    run, alive = living()
    alive[19:21, :3] = True
    who = np.tile(np.arange(alive.shape[1]), (len(alive), 1))
    who[20:, :3] += 100
    run.records["who"] = SampleRecord("who", run.records["alive"].steps, {"cells": who})
    numbers, neurons, *_ = plot.lifetimes(run, "cells", identities="who")
    heights = np.array([bar.get_height() for bar in numbers.patches])
    assert heights[heights > 0].sum() == (alive[1:] & ~alive[:-1]).sum() + 3 and -heights[heights < 0].sum() == (alive[:-1] & ~alive[1:]).sum() + 3
    shown = np.asarray(neurons.images[0].get_array())
    assert len(shown) == alive.any(axis=0).sum() + 3 and shown.sum() == alive.sum()
    run.records["who"] = SampleRecord("who", run.records["alive"].steps + 1, {"cells": who})
    with pytest.raises(ValueError, match="same `every=`"):
        plot.lifetimes(run, "cells", identities="who")


def test_slots_may_move():
    """Neurons without coordinates, with places given for every sample."""
    run, alive = living(shape=None)
    places = np.random.default_rng(1).integers(0, 5, (*alive.shape, 3))
    *_, first, last = plot.lifetimes(run, "cells", sites=places, moments=2)
    for ax, sample in ((first, 0), (last, -1)):
        counts = np.zeros((5, 5))
        np.add.at(counts, (places[sample, :, 1], places[sample, :, 0]), alive[sample])
        np.testing.assert_array_equal(np.ma.filled(ax.images[0].get_array(), np.nan), counts)


@pytest.mark.parametrize("steps, n", [(1, 5), (2, 1500)])
def test_short_and_large_ones_draw(steps, n):
    run, _ = living(steps, n, None)
    axes = plot.lifetimes(run, "cells")
    assert axes.shape == (2,)
    axes[0].figure.canvas.draw()


def test_lives_that_were_not_recorded_say_how_to():
    run, _ = living()
    with pytest.raises(KeyError, match="no population named 'x'"):
        plot.lifetimes(run, "x")
    with pytest.raises(KeyError, match=r"no record named 'lives'.*state\.alive"):
        plot.lifetimes(run, "cells", "lives")
    for values in (np.zeros((40, 30)), np.zeros((40, 7), bool)):
        wrong = run_of({"cells": np.zeros((400, 30), bool)}, records={"alive": SampleRecord("alive", np.arange(40), {"cells": values})}.items())
        with pytest.raises(ValueError, match="a boolean for each of the 30 neurons"):
            plot.lifetimes(wrong, "cells")
    for sites in (np.zeros((29, 2), int), np.zeros((30, 2)), np.full((30, 2), -1), np.zeros((39, 30, 2), int), np.zeros(30, int)):
        with pytest.raises(ValueError, match="whole numbers from 0, shape"):
            plot.lifetimes(run, "cells", sites=sites)
