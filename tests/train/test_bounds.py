"""Ranges of numbers of a model that are trained: those that parts declare, those of the user, and their units."""

import brainunit as u
import numpy as np
import optax
import pytest

import neuro4d as n4

T = n4.train


@pytest.fixture(scope="module")
def delayed():
    """A chain whose only spike reaches the second neuron after a trained delay."""
    inputs = n4.Population("inputs", 1, n4.Relay(), {"in": n4.Delta()})
    target = n4.Population("target", 1, n4.LI(tau=10 * u.ms), {"in": n4.ExpCurrent(tau=3 * u.ms)})
    delay = n4.TrainableDelays(5.2 * u.ms, low=4 * u.ms, high=6 * u.ms)
    e = n4.Projection("e", inputs, target, "in", n4.AllToAll(), weight=4 * u.pA, delay=delay)
    given = n4.SpikeTimes("given", inputs, "in", times=[2.0] * u.ms, ids=np.array([0]), weight=1 * u.mV)
    return n4.Network(inputs, target, e, given, n4.Clamp("drive", target, 1 * u.pA)).build(dt=0.5 * u.ms)


@pytest.mark.slow
def test_trained_delays_stay_between_low_and_high(delayed):
    def loss(model, key):
        return n4.scan(model, model.init(key), 20)[0]["target", "v"][0]

    descent = optax.sgd(1e5)
    both = [n4.set(delayed, n4.Weights("e"), weight * u.pA) for weight in (4, -4)]
    models = [T.fit(model, loss=loss, where=T.Delays("e"), epochs=1, optimizer=descent).last for model in both]
    assert [float(T.Delays("e")(model)[0]) for model in models] == [6.0, 4.0]
    for model in models:
        model.freeze()
    limits = T.Bounds((T.Delays("e"), 1 * u.ms, 5.5 * u.ms)).limits(delayed, T.trainable(delayed, T.Delays("e")))
    assert (limits.low, limits.high) == ({"parameter": 4.0}, {"parameter": 5.5})
    limits = T.Bounds().limits(delayed, T.trainable(delayed, T.Spread("e")))
    assert limits.low == {"parameter": 0.0}


def test_bounds_have_the_unit_of_their_place(delayed):
    weights, drive = T.trainable(delayed, n4.Weights("e")), lambda m: m.sources["drive"].amplitude
    limits = T.Bounds((n4.Weights("e"), 1 * u.pA, 2 * u.nA)).limits(delayed, weights)
    assert (limits.low["e"], limits.high["e"]) == (1, pytest.approx(2000))
    for bound in (0 * u.mV, 0.0):
        with pytest.raises(n4.UnitError, match="Bounds"):
            T.Bounds((n4.Weights("e"), bound, None)).limits(delayed, weights)
    with pytest.raises(n4.UnitError, match="Bounds"):
        T.Bounds((T.Delays("e"), 1 * u.mV, None)).limits(delayed, T.trainable(delayed, T.Delays("e")))
    assert T.Bounds((drive, 0.5, None)).limits(delayed, T.trainable(delayed, drive)).low == {"parameter": 0.5}
    with pytest.raises(n4.UnitError, match="give a bare number, for example `5`"):
        T.Bounds((drive, 5 * u.pA, None)).limits(delayed, T.trainable(delayed, drive))


@pytest.mark.parametrize(
    ("where", "ranges", "words"),
    [
        (T.Delays("e"), [(1 * u.ms, 3.5 * u.ms)], r"from 1.* to 3\.5.*declares.*4.* ms to 6.* ms"),
        (T.Delays("e"), [(None, 4.5 * u.ms), (5 * u.ms, None)], r"4.* ms to 4\.5.* ms"),
        (n4.Weights("e"), [(1 * u.pA, 2 * u.pA), (3 * u.pA, 4 * u.pA)], r"1.* pA to 2.* pA"),
        (lambda m: m.neurons["target"].tau, [(-5 * u.ms, -1 * u.ms)], r"0\.01.* ms to inf.*Name a range inside"),
    ],
    ids=["delay", "two delays", "weights", "tau"],
)
def test_bounds_outside_the_declared_range_are_refused(delayed, where, ranges, words):
    """They used to win over it: an update could make a time constant negative."""
    bounds = T.Bounds(*((where, low, high) for low, high in ranges))
    with pytest.raises(ValueError, match=words):
        bounds.limits(delayed, T.trainable(delayed, where))
