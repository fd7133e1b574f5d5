"""Tuning: the places that move, the search, and what it says of itself."""

import brainunit as u
import jax
import numpy as np
import pytest

import neuro4d as n4

KEY = jax.random.key(5)


def lif(v_th=-50.0):
    return n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=v_th * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)


@pytest.fixture(scope="module")
def noisy():
    """Uncoupled neurons in noise, two populations of different kinds of input."""
    cells = n4.Population("cells", 60, lif(), {"in": n4.Delta()}, v0=n4.Normal(-55 * u.mV, 2 * u.mV))
    other = n4.Population("other", 40, lif(), {"in": n4.Delta()}, v0=n4.Normal(-55 * u.mV, 2 * u.mV))
    return n4.Network(
        cells,
        other,
        n4.Poisson("outside", cells, "in", rate=1200 * u.Hz, weight=0.5 * u.mV),
        n4.Poisson("beyond", other, "in", rate=1400 * u.Hz, weight=0.5 * u.mV),
        n4.Clamp("drive", other, 10 * u.pA),
    ).build(dt=0.1 * u.ms, seed=0)


def v_th(model):
    return model.neurons["cells"].v_th


def tuned(model, where, targets, **given):
    return n4.train.tune(model, where, targets, **{"key": KEY, "duration": 500 * u.ms, "discard": 100 * u.ms, "tolerance": 0.08} | given)


def fresh(model, *names):
    """Rates in trials that the search has not seen."""
    runs = n4.batch(model, jax.random.split(jax.random.key(77), 8), 500 * u.ms, n4.Counts(), discard=100 * u.ms)
    return [np.mean([float(run.rate(name).to_decimal(u.Hz)) for run in runs]) for name in names]


def test_a_threshold_reaches_a_rate_and_fresh_seeds_agree(noisy):
    result = tuned(noisy, v_th, {"cells": 12 * u.Hz})
    assert result.converged, result.report
    # Eight trials of 60 neurons for 0.5 s count 2,880 spikes: sd of the mean below 2 %; 3 sd and the tolerance of 8 %.
    assert abs(fresh(result.model, "cells")[0] / 12 - 1) < 0.14
    assert float(v_th(result.model)) == pytest.approx(float(result.values["parameter"].to_decimal(u.mV)), abs=1e-4)
    assert 0 < float(result.uncertainty["parameter"].to_decimal(u.mV)) < 0.5
    assert result.slopes["cells"]["parameter"] < 0
    assert result.updates == len(result.history) <= 40 and result.history[0].kind == "start" and result.history[-1].kind == "check"
