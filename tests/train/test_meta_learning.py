"""Learning how to learn: the amplitudes of a rule are leaves of the model, and derivatives of weights after a run reach them."""

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from core.networks import DT

import neuro4d as n4

STEPS, N = 300, 12
MEMBRANE = n4.LIF(tau=10 * u.ms, c=250 * u.pF, v_rest=-65 * u.mV, v_th=-50 * u.mV, v_reset=-65 * u.mV)


@pytest.fixture(scope="module")
def told():
    """Synapses between neurons that fire as told; changes shrink with the distance to the bound, so that weights are smooth functions of the amplitudes."""
    pre, post = (n4.Population(name, N, MEMBRANE, {"in": n4.ExpCurrent(tau=2 * u.ms)}) for name in ("pre", "post"))
    rule = n4.STDP(w_max=1e-3 * u.pA, a_plus=0.01, a_minus=0.02, mu_plus=1, mu_minus=1)
    learns = n4.Projection("e", pre, post, "in", n4.AllToAll(), weight=0.5e-3 * u.pA, delay=n4.Uniform(0.1 * u.ms, 2 * u.ms), plasticity=rule)
    return n4.Network(pre, post, learns, n4.Input("to pre", pre), n4.Input("to post", post)).build(dt=DT, seed=0)


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(0)
    return {name: jnp.asarray(np.where(rng.random((STEPS, N)) < 0.03, 1e6, 0), jnp.float32) for name in ("to pre", "to post")}


def where(model):
    (rule,) = model.plasticity.values()
    return {"plus": rule.a_plus, "minus": rule.a_minus}


PLACES = {"plus": lambda m: where(m)["plus"], "minus": lambda m: where(m)["minus"]}


def mean_share(model, series):
    """The mean weight after a run, as a share of the bound."""
    state, _ = n4.scan(model, model.init(jr.key(0)), STEPS, None, series)
    (held,) = state.edges.values()
    return held.weight.mean() / 1e-3


def test_amplitudes_are_leaves_that_can_be_set(told):
    assert where(told)["plus"].dtype == told.dtype and float(where(told)["plus"]) == pytest.approx(0.01)
    other = n4.set(told, PLACES["plus"], 0.5)
    assert float(where(other)["plus"]) == 0.5 and float(where(told)["plus"]) == pytest.approx(0.01)
    assert other.plan().many_steps == told.plan().many_steps


@pytest.mark.slow
def test_the_derivative_is_a_difference(told, series):
    """Of the mean weight with respect to both amplitudes; differences of single precision have errors of 1e-3."""
    chosen = n4.train.trainable(told, PLACES)
    share = jax.jit(lambda values: mean_share(chosen.put(told, values), series))
    slope = jax.jit(jax.grad(lambda values: mean_share(chosen.put(told, values), series)))(chosen.take(told))
    for name, step in (("plus", 4e-3), ("minus", 4e-3)):
        low, high = (share(chosen.take(told) | {name: where(told)[name] + sign * step}) for sign in (-1, 1))
        difference = float(high - low) / (2 * step)
        assert abs(difference) > 0.3
        assert float(slope[name]) == pytest.approx(difference, rel=1e-2)


@pytest.mark.slow
def test_fit_finds_the_amplitude_that_reaches_a_weight(told, series):
    """From 0.01 to the amplitude that has made the weights that are wanted; the loss falls by more than 1,000 times."""
    wanted = float(mean_share(n4.set(told, PLACES["plus"], 0.05), series))
    loss = lambda model, key: (mean_share(model, series) - wanted) ** 2  # noqa: E731
    result = n4.train.fit(told, loss=loss, where=PLACES["plus"], epochs=40, optimizer=optax.adam(4e-3), progress=False)
    losses = [row.loss for row in result.history]
    assert min(losses) < losses[0] / 1000
    assert float(where(result.model)["plus"]) == pytest.approx(0.05, abs=0.005)
