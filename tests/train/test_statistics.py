"""Statistics of runs: the compiled form and the one read from a run agree, and follow their definitions."""

import contextlib
import sys
from types import SimpleNamespace

import brainunit as u
import equinox as eqx
import jax
import numpy as np
import pytest

import neuro4d as n4

SPAN = {"duration": 400 * u.ms, "discard": 50 * u.ms}


@pytest.fixture(scope="module")
def model():
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)
    cells = n4.Population("cells", 50, lif, {"in": n4.Delta()}, v0=n4.Normal(-55 * u.mV, 2 * u.mV))
    still = n4.Population("still", 5, lif, {"in": n4.Delta()})
    return n4.Network(cells, still, n4.Poisson("outside", cells, "in", rate=1500 * u.Hz, weight=0.5 * u.mV)).build(dt=0.1 * u.ms, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statistic", "by_hand"),
    [
        (n4.train.Rate("cells", **SPAN), lambda run: float(run.rate("cells").to_decimal(u.Hz))),
        (n4.train.CV("cells", min_isi=3, **SPAN), lambda run: run.cv("cells", 3)),
        (n4.train.Synchrony("cells", bin=5 * u.ms, **SPAN), lambda run: run.synchrony("cells", 5 * u.ms)),
    ],
)
def test_both_forms_agree(model, statistic, by_hand):
    keys = jax.random.split(jax.random.key(3), 2)
    measured = statistic.measure([model], keys)
    run = n4.simulate(model, keys[1], SPAN["duration"], discard=SPAN["discard"])
    assert measured[1] == pytest.approx(by_hand(run), rel=1e-12)
    assert float(eqx.filter_jit(statistic)(model, keys[1])) == pytest.approx(measured[1], rel=2e-5)
    assert measured[0] != measured[1]


@pytest.mark.slow
def test_what_nothing_defines_is_nan(model):
    keys = jax.random.split(jax.random.key(3), 1)
    for statistic in (n4.train.CV("still", **SPAN), n4.train.Synchrony("still", **SPAN)):
        assert np.isnan(statistic.measure([model], keys)[0])


def test_a_statistic_of_the_user(model):
    keys = jax.random.split(jax.random.key(3), 2)
    spread = n4.train.FromRun(lambda run: run.rates("cells").std(), record=n4.Counts("cells"), unit=u.Hz, **SPAN)
    run = n4.simulate(model, keys[0], SPAN["duration"], discard=SPAN["discard"])
    assert spread.measure([model], keys)[0] == pytest.approx(np.std(run.rates("cells").to_decimal(u.Hz)), rel=1e-6)
    with pytest.raises(TypeError, match="finished run"):
        spread(model, keys[0])
    with pytest.raises(n4.UnitError):
        n4.train.FromRun(lambda run: 3.0, unit=u.Hz, record=n4.Counts("cells"), **SPAN).measure([model], keys)


def test_what_is_refused():
    with pytest.raises(n4.UnitError, match=r"CV\.duration"):
        n4.train.CV("cells", 100)
    with pytest.raises(ValueError, match="more than 0 ms"):
        n4.train.Rate("cells", 0 * u.ms)
    with pytest.raises(ValueError, match="min_isi"):
        n4.train.CV("cells", 1 * u.second, min_isi=0)
    with pytest.raises(TypeError, match="function of a run"):
        n4.train.FromRun(3, 1 * u.second)


def test_runs_that_were_cut_short_give_no_number(model, monkeypatch):
    """After Ctrl-C `batch` returns what was done so far: a rate of it, a slope or a time step would be wrong and look right."""
    from neuro4d.train import _statistic

    keys, honest, cut = jax.random.split(jax.random.key(3), 2), _statistic.batch, []

    def interrupted(*given, **options):
        with monkeypatch.context() as first_chunk:
            first_chunk.setattr(sys.modules["neuro4d.simulate._loop"], "interruptible", stopped)
            cut.extend(honest(*given, **options))
        return cut

    @contextlib.contextmanager
    def stopped(*_):
        yield SimpleNamespace(is_set=lambda: True)

    monkeypatch.setattr(_statistic, "batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        n4.train.Rate("cells", **SPAN).measure([model], keys)
    assert [run.completed for run in cut] == [False, False]
    with pytest.raises(KeyboardInterrupt):
        n4.train.check_gradient(model, lambda m: m.neurons["cells"].v_th, n4.train.Rate("cells", **SPAN), trials=2)
