"""`scan` without `keep`: many steps in one native call, and still a pure function to jit, map and differentiate."""

import importlib
import re

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import lif, same

import neuro4d as n4
from neuro4d.kernels import native_available

DT = 0.1 * u.ms
KEY = jr.key(0)
STEPS = 90
module = importlib.import_module("neuro4d.simulate._scan")
needs_native = pytest.mark.skipif(not native_available(), reason="the native kernels are not built here")


def two_groups(surrogate=None, backend=n4.Backend.AUTO, **more):
    """Spikes of all kinds: through synapses, from outside, at random, and stimuli that change."""
    cells = n4.Population("cells", 40, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms), "inh": n4.ExpCurrent(tau=4 * u.ms)})
    others = n4.Population("others", 25, lif(tau=12 * u.ms), {"g": n4.ExpConductance(tau=3 * u.ms, e_rev=0 * u.mV)}, v0=-52 * u.mV)
    net = n4.Network(
        cells,
        others,
        n4.Projection("cc", cells, cells, "inh", n4.FixedProb(0.3), weight=-80 * u.pA, delay=n4.Uniform(0.2 * u.ms, 2 * u.ms)),
        n4.Projection("co", cells, others, "g", n4.FixedProb(0.3), weight=12 * u.nS, delay=0.5 * u.ms, **more),
        n4.Projection("oc", others, cells, "exc", n4.FixedProb(0.3), weight=90 * u.pA, delay=0.3 * u.ms),
        n4.Clamp("wave", cells, n4.Waveform([200, 500, 900, 300] * u.pA, every=1.3 * u.ms)),
        n4.Poisson("noise", cells, "exc", rate=900 * u.Hz, weight=220 * u.pA),
        n4.Input("current", cells[5:]),
        n4.Input("spikes", others, "g"),
    )
    return net.build(dt=DT, seed=0, surrogate=surrogate, backend=backend)


def given():
    """Values for both ports, one in another unit."""
    current, spikes = jr.normal(jr.key(1), (STEPS, 35)) * 0.2, jr.uniform(jr.key(2), (STEPS,))
    return {"current": current * u.nA, "spikes": spikes}


def by_step(model, state, steps, inputs=None):
    return n4.scan(model, state, steps, lambda state, spikes: None, inputs)[0]


@pytest.mark.slow
@needs_native
@pytest.mark.parametrize("numbers", [1 << 20, 7 * 60 + 8, 1])
@pytest.mark.parametrize("inputs", [None, given])
def test_many_steps_at_once_are_the_steps_one_by_one(monkeypatch, numbers, inputs):
    """In one call, in calls of some steps of which one is shorter, and step by step where a call has no room for two."""
    model, values = two_groups(), inputs and inputs()
    monkeypatch.setattr(module, "SERIES_NUMBERS", numbers)
    if numbers > 1:
        monkeypatch.setattr(module, "advance", lambda *_: pytest.fail("a step by itself"))
    state = model.init(KEY)
    fast = jax.jit(lambda m, s, x: n4.scan(m, s, STEPS, inputs=x)[0])(model, state, values)
    monkeypatch.undo()
    slow = jax.jit(lambda m, s, x: by_step(m, s, STEPS, x))(model, state, values)
    assert same(fast, slow)
    assert all(int(past.count.sum()) for past in fast.history.values())


@needs_native
def test_blocks_divide_the_steps_where_that_does_not_make_them_much_shorter():
    assert [module._even(*x) for x in [(100, 1000), (99, 1000), (1000, 1000), (50, 997), (7, 90)]] == [100, 50, 1000, 50, 6]


@pytest.mark.slow
def test_a_batch_is_a_loop_and_init_may_lie_within():
    model, values = two_groups(), given()
    one = jax.jit(lambda m, key, x: n4.scan(m, m.init(key), STEPS, inputs=x)[0])
    keys = jr.split(KEY, 3)
    batch = jax.jit(jax.vmap(lambda m, key, x: n4.scan(m, m.init(key), STEPS, inputs=x)[0], (None, 0, None)))(model, keys, values)
    for lane, key in enumerate(keys):
        assert same(jax.tree.map(lambda x, i=lane: x[i], batch), one(model, key, values))


def loss(run, weight, current, model):
    """A smooth number that every neuron of the last state enters."""
    model = eqx.tree_at(lambda m: m.pathways["cells->others"].weight, model, weight)
    state = run(model, model.init(KEY), STEPS, {"current": current})
    v = jnp.concatenate([state.neurons[name].v for name in ("cells", "others")])
    return jnp.sum(v * jnp.cos(jnp.arange(v.size)))


CURRENT = 100 * np.asarray(jr.normal(jr.key(1), (STEPS, 35)))
SOFT = n4.SuperSpike(1 * u.mV)


def gradients(run, model):
    """With respect to the weights and the current. The model is an argument, so that the compiler folds nothing."""
    program = jax.jit(jax.grad(lambda w, c, m: loss(run, w, c, m), (0, 1)))
    return program(model.pathways["cells->others"].weight, CURRENT, model)


def at_once(model, state, steps, inputs):
    return n4.scan(model, state, steps, inputs=inputs)[0]


FULL = pytest.mark.full


@pytest.mark.slow
@pytest.mark.parametrize(
    ("surrogate", "numbers"),
    [(None, 7 * 60 + 8), pytest.param(None, 1 << 20, marks=FULL), pytest.param(SOFT, 7 * 60 + 8, marks=FULL)],
)
def test_gradients_are_those_of_steps_one_by_one(monkeypatch, surrogate, numbers):
    """Also forwards. Several blocks hold what one does, and a surrogate is stepped one by one as the next test says: these two cases are
    left to `pytest -m full tests/simulate/test_scan.py`."""
    monkeypatch.setattr(module, "SERIES_NUMBERS", numbers)
    model = two_groups(surrogate)
    found, expected = gradients(at_once, model), gradients(by_step, model)
    for a, b in zip(found, expected, strict=True):
        assert np.isfinite(a).all() and np.abs(b).max() > 0
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5 * np.abs(b).max())
    weight = model.pathways["cells->others"].weight
    directions = jnp.ones_like(weight), jnp.sin(jnp.arange(CURRENT.size)).reshape(CURRENT.shape)
    forward = jax.jit(lambda w, c, m: jax.jvp(lambda w, c: loss(at_once, w, c, m), (w, c), directions)[1])(weight, CURRENT, model)
    reverse = sum(float(jnp.vdot(g, d)) for g, d in zip(found, directions, strict=True))
    np.testing.assert_allclose(float(forward), reverse, rtol=1e-3)


def test_with_a_surrogate_it_is_the_program_of_steps_one_by_one():
    model = two_groups(SOFT)
    arguments = model, model.init(KEY), {"current": jnp.asarray(CURRENT)}
    one, other = (str(jax.make_jaxpr(lambda m, s, x, run=run: run(m, s, STEPS, x))(*arguments)) for run in (at_once, by_step))
    assert re.sub("0x[0-9a-f]+", "", one) == re.sub("0x[0-9a-f]+", "", other)


@pytest.mark.slow
def test_models_that_learn_are_stepped_one_by_one():
    rule = n4.Hebbian(rate=0.1 * u.nS, low=0 * u.nS, high=9 * u.nS)
    model = two_groups(plasticity=rule)
    state = model.init(KEY)
    assert same(n4.scan(model, state, STEPS)[0], by_step(model, state, STEPS))


def test_inputs_need_a_row_for_each_step():
    model = two_groups()
    state = model.init(KEY)
    for values, message in [({"current": 5.0}, "row for each of 90 steps|axis 0"), ({"current": jnp.zeros((80, 35))}, "90")]:
        with pytest.raises(ValueError, match=message):
            n4.scan(model, state, STEPS, inputs=values)
    with pytest.raises(ValueError, match="has shape"):
        n4.scan(model, state, STEPS, inputs={"current": jnp.zeros((STEPS, 7))})
    with pytest.raises(n4.UnknownNameError, match="no Input named"):
        n4.scan(model, state, STEPS, inputs={"curent": jnp.zeros((STEPS, 35))})
    assert same(n4.scan(model, state, 0)[0], state)
