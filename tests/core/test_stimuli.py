"""Stimuli written by a user, and weights of Poisson input that differ between neurons."""

from typing import Any, ClassVar

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import lif, same

import neuro4d as n4
from neuro4d.stimuli import AbstractSource, AbstractStimulus, Share, per_neuron

G = {"g": n4.ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV), "i": n4.ExpCurrent(tau=5 * u.ms)}


class CoinSource(AbstractSource):
    chance: Any
    weight: Any
    n: int = eqx.field(static=True)

    def emit(self, now):
        return jnp.where(now.uniform(self.n, self.chance.dtype) < self.chance, self.weight, 0)


class Coin(AbstractStimulus):
    """At most one spike per step, with the probability of the rate."""

    name: str = eqx.field(static=True)
    target: Any = eqx.field(static=True)
    port: str = eqx.field(static=True)
    rate: Any = n4.quantity(u.kHz, low=0)
    weight: Any

    def bind(self, binding, weight_unit):
        weight = per_neuron(self.weight, binding, f"Coin {self.name!r}: weight", weight_unit)
        return CoinSource(per_neuron(self.rate, binding, f"Coin {self.name!r}: rate") * binding.dt, weight, binding.n)


class Whatever(AbstractStimulus):
    """A stimulus whose `bind` gives what it is told to, at a port or as a drive."""

    name: str = eqx.field(static=True)
    target: Any = eqx.field(static=True)
    given: Any
    port: str | None = eqx.field(static=True, default=None)
    weight: None = eqx.field(static=True, default=None)

    def bind(self, binding, weight_unit):
        return self.given(binding)


class Steady(AbstractSource):
    steady: ClassVar = True

    def emit(self, now):
        return n4.Drive(i=jnp.float32(100))


def population(n=200):
    return n4.Population("cells", n, lif(v_th=1e3 * u.mV), G)


def build(*parts, **options):
    return n4.Network(*parts).build(**{"dt": 0.1 * u.ms, "seed": 0} | options)


@pytest.mark.slow
def test_an_own_stimulus_runs_like_any_other():
    cells = population()
    model = build(cells, Coin("coin", cells[20:], "g", rate=500 * u.Hz, weight=n4.Normal(4 * u.nS, 1 * u.nS, low=0 * u.nS)))
    keys = jr.split(jr.key(0), 3)
    single = [n4.simulate(model, model.init(key), 50 * u.ms, n4.Trace("cells", "g.g")) for key in keys]
    lanes = n4.batch(model, keys, 50 * u.ms, n4.Trace("cells", "g.g"))
    for one, lane in zip(single, lanes, strict=True):
        assert same(one.state, lane.state)
    g = np.asarray(single[0].trace("cells", "g.g").values.to_decimal(u.nS))
    assert not g[:, :20].any() and (g[-1, 20:] > 0).mean() > 0.9
    # Mean of g once it is stationary: rate * weight * tau = 10 nS, the chance of a spike being 0.05; 180 neurons, 3 trials.
    assert abs(np.mean([run.trace("cells", "g.g").values[-100:, 20:].to_decimal(u.nS).mean() for run in single]) - 10) < 0.5

    @jax.jit
    @jax.grad
    def slope_of(weight, model):
        changed = eqx.tree_at(lambda m: m.sources["coin"].weight, model, weight)
        return n4.scan(changed, changed.init(keys[0]), 50)[0]["cells", "v"].sum()

    slope = slope_of(model.sources["coin"].weight, model)
    assert np.isfinite(slope).all() and np.abs(slope).max() > 0


@pytest.mark.parametrize("kind", [Coin, n4.Poisson])
def test_the_sign_of_any_weight_is_checked_at_a_conductance(kind):
    cells = population()
    for weight in (-1 * u.nS, np.linspace(-1, 1, 200) * u.nS):
        with pytest.raises(ValueError, match=rf"{kind.__name__} 'x': weight: a conductance is 0 or more.*-1"):
            build(cells, kind("x", cells, "g", rate=1 * u.Hz, weight=weight))
    with pytest.warns(UserWarning, match=rf"{kind.__name__} 'x': weight.*some draws"):
        build(cells, kind("x", cells, "g", rate=1 * u.Hz, weight=n4.Normal(1 * u.nS, 1 * u.nS)))
    build(cells, kind("x", cells, "i", rate=1 * u.Hz, weight=-1 * u.pA))


def test_what_bind_gives_is_checked():
    cells = population()
    for given, port, message in (
        (lambda b: 3, None, r"Whatever 'x': `bind` gives an `AbstractSource` or a `Share`; got 3"),
        (lambda b: Share(np.asarray(0.1), np.asarray(1.0)), None, r"Whatever 'x': a `Share` is input to a port"),
        (lambda b: Steady(), "i", r"Whatever 'x': only a drive .* can be `steady`"),
    ):
        with pytest.raises(TypeError, match=message):
            build(cells, Whatever("x", cells, given, port))
    model = build(cells, Whatever("x", cells, lambda b: Steady()))
    assert (model.step(model.init(jr.key(0)))[0].neurons[model.populations["cells"].group].v > -65).all()


@jax.jit
def after_300_steps(model):
    return n4.scan(model, model.init(jr.key(0)), 300)[0]


def arrivals(model):
    """The current after 300 steps, into a receptor that keeps nearly all of it."""
    state = after_300_steps(model)
    return np.asarray(state.receptors[model.populations["cells"].group]["i"].i)


def keeping(n=200):
    return n4.Population("cells", n, lif(v_th=1e9 * u.mV), {"i": n4.ExpCurrent(tau=1e9 * u.ms)})


STEPS = n4.RateSteps(samples=np.array([2000.0, 2000.0]) * u.Hz, every=20 * u.ms)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "backend"),
    [
        (2000 * u.Hz, n4.Backend.AUTO),
        (STEPS, n4.Backend.REFERENCE),
        pytest.param(2000 * u.Hz, n4.Backend.REFERENCE, marks=pytest.mark.full),
        pytest.param(STEPS, n4.Backend.AUTO, marks=pytest.mark.full),
    ],
)
def test_poisson_weights_per_neuron(rate, backend):
    cells = keeping()

    def input_of(weight):
        return arrivals(build(cells, n4.Poisson("p", cells, "i", rate=rate, weight=weight), backend=backend))

    counts = input_of(1 * u.pA)
    assert abs(counts.mean() - 60) < 5 * np.sqrt(60 / 200)
    given = np.linspace(-2, 5, 200)
    np.testing.assert_allclose(input_of(given * u.pA), counts * given, rtol=1e-4, atol=1e-3)
    # Drawn per neuron: 200 draws of Normal(87.8, 8.78), five standard errors of mean and spread.
    drawn = input_of(n4.Normal(87.8 * u.pA, 8.78 * u.pA)) / counts
    assert abs(drawn.mean() - 87.8) < 5 * 8.78 / np.sqrt(200) and abs(drawn.std() - 8.78) < 5 * 8.78 / np.sqrt(400)


def test_poisson_weights_depend_on_seed_and_name_only():
    cells = keeping()
    weight = n4.Uniform(1 * u.pA, 2 * u.pA)

    def weights(name="p", seed=0, *more):
        model = build(cells, n4.Poisson(name, cells, "i", rate=1 * u.Hz, weight=weight), *more, seed=seed)
        return np.asarray(next(iter(model.banks.values())).weight)

    assert len(np.unique(weights())) > 190
    np.testing.assert_array_equal(weights(), weights("p", 0, n4.WhiteNoise("noise", cells, std=1 * u.pA)))
    assert (weights() != weights("q")).any() and (weights() != weights(seed=1)).any()


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        (2.0, n4.UnitError, r"Poisson 'p': weight: expected a quantity.*for example.*bare value 2\.0"),
        (np.nan * u.pA, ValueError, r"Poisson 'p': weight must be finite"),
        (np.array([1.0, np.inf]) * u.pA, ValueError, r"Poisson 'p': weight must be finite.*inf"),
        (3 * u.kelvin, n4.UnitError, r"Poisson 'p': weight"),
    ],
)
def test_a_poisson_weight_is_checked_at_construction(weight, error, message):
    with pytest.raises(error, match=message):
        n4.Poisson("p", population(), "i", rate=1 * u.Hz, weight=weight)


def test_a_poisson_weight_has_one_entry_per_neuron():
    cells = population()
    with pytest.raises(ValueError, match=r"Poisson 'p': weight must be a scalar or have shape \(200,\).*\(3,\)"):
        build(cells, n4.Poisson("p", cells, "i", rate=1 * u.Hz, weight=np.ones(3) * u.pA))
    with pytest.raises(n4.UnitError, match=r"Poisson 'p': weight: expected.*pA.*mV"):
        build(cells, n4.Poisson("p", cells, "i", rate=1 * u.Hz, weight=1 * u.mV))
