"""Values set on the host and inside compiled functions; populations that are seen in part."""

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from core.networks import DT, KEY, lif

import neuro4d as n4


def network(target=lambda cells: cells):
    cells = n4.Population("cells", 12, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    return n4.Network(
        cells,
        n4.Clamp("drive", target(cells), 500 * u.pA),
        n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.3), weight=20 * u.pA, delay=1 * u.ms),
        n4.Projection("twice", cells, cells, "exc", n4.FixedProb(0.3), weight=20 * u.pA, delay=1 * u.ms),
    )


@pytest.fixture(scope="module")
def model():
    return network().build(dt=DT, seed=0)


def end(model, where, value):
    """The sum of potentials after 20 steps, with one value changed."""
    changed = n4.set(model, where, value)
    return jnp.sum(n4.scan(changed, changed.init(KEY), 20)[0]["cells", "v"])


WHERE = {
    "v_rest": (lambda m: m.neurons["cells"].v_rest, u.mV, -62.0),
    "tau": (lambda m: m.receptors["cells"]["exc"].tau, u.ms, 3.0),
    "weight of a pathway": (lambda m: m.pathways["cells->cells"].weight, u.pA, 30.0),
    "weight of a projection": (n4.Weights("e"), u.pA, 30.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WHERE)
def test_set_works_inside_compiled_functions(model, name):
    """In `jit`, `vmap` and `grad`, with a traced number in the internal unit and with a traced quantity; as on the host."""
    where, unit, value = WHERE[name]
    host = float(end(model, where, value * unit))
    assert float(jax.jit(lambda x: end(model, where, x))(jnp.float32(value))) == pytest.approx(host, rel=1e-6)
    assert float(jax.jit(lambda x: end(model, where, x * unit))(jnp.float32(value))) == pytest.approx(host, rel=1e-6)
    assert float(jax.jit(lambda m, x: end(m, where, x))(model, jnp.float32(value))) == pytest.approx(host, rel=1e-6)
    lanes = jax.jit(jax.vmap(lambda x: end(model, where, x)))(jnp.array([value, 1.1 * value], jnp.float32))
    assert float(lanes[0]) == pytest.approx(host, rel=1e-6)
    assert np.isfinite(jax.jit(jax.grad(lambda x: end(model, where, x)))(jnp.float32(value)))


def test_the_slope_through_set_is_that_of_finite_differences(model):
    where, unit, value = WHERE["v_rest"]
    slope = float(jax.jit(jax.grad(lambda x: end(model, where, x)))(jnp.float32(value)))
    high, low = (float(end(model, where, (value + h) * unit)) for h in (0.05, -0.05))
    assert slope == pytest.approx((high - low) / 0.1, rel=2e-3)


def test_a_unit_is_asked_for_on_the_host(model):
    with pytest.raises(n4.UnitError, match=r"v_rest: expected a quantity.*bare value -62\.0"):
        n4.set(model, WHERE["v_rest"][0], -62.0)
    with pytest.raises(n4.UnitError, match=r"weights of projection 'e': expected a quantity.*bare value 3\.0"):
        n4.set(model, n4.Weights("e"), 3.0)
    with pytest.raises(n4.UnknownNameError, match="no projection named 'f'"):
        n4.set(model, n4.Weights("f"), 3 * u.pA)
    with pytest.raises(ValueError, match=r"'e' has \d+ edges: give one weight, or one per edge; got shape \(2,\)"):
        n4.set(model, n4.Weights("e"), [1, 2] * u.pA)


def test_distributions_are_drawn_with_the_seed_of_the_model():
    spread = lif(tau=n4.Uniform(9 * u.ms, 11 * u.ms))
    models = [network().build(dt=DT, seed=seed) for seed in (0, 5)]
    taus = [np.asarray(n4.with_neurons(m, "cells", spread).neurons["cells"].tau) for m in models]
    assert models[1].build_seed == 5 and not np.array_equal(*taus)
    cells = n4.Population("cells", 12, spread)
    assert np.array_equal(taus[1], n4.Network(cells).build(dt=DT, seed=5).neurons["cells"].tau)


# Parts of populations ---------------------------------------------------------------------------------------------------

VIEWS = {
    "from the end": (lambda c: c[-3:], [9, 10, 11]),
    "up to the end": (lambda c: c[:-9], [0, 1, 2]),
    "with a stride": (lambda c: c[1::4], [1, 5, 9]),
    "ids": (lambda c: c[[0, 4, 7]], [0, 4, 7]),
    "an array": (lambda c: c[np.array([2, 11])], [2, 11]),
    "a mask": (lambda c: c[np.arange(12) % 5 == 0], [0, 5, 10]),
}


def fired(model, steps=400):
    _, spikes = n4.scan(model, model.init(KEY), steps, lambda s, k: k["cells"])
    return np.flatnonzero(np.asarray(spikes).any(axis=0)).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
def test_a_stimulus_reaches_the_neurons_that_are_chosen(view):
    choose, ids = VIEWS[view]
    cells = n4.Population("cells", 12, n4.Relay(), {"in": n4.Delta()})
    chosen = choose(cells)
    n = len(ids)
    given = n4.SpikeTimes("given", chosen, "in", times=np.arange(1, n + 1) * u.ms, ids=np.arange(n), weight=1 * u.mV)
    assert fired(n4.Network(cells, given).build(dt=DT, seed=0)) == ids
    noise = n4.Poisson("noise", chosen, "in", rate=np.linspace(2000, 3000, n) * u.Hz, weight=1 * u.mV)
    assert fired(n4.Network(cells, noise).build(dt=DT, seed=0)) == ids
    held = n4.Population("cells", 12, lif())
    clamp = n4.Clamp("drive", choose(held), np.linspace(600, 800, n) * u.pA)
    assert fired(n4.Network(held, clamp).build(dt=DT, seed=0)) == ids


@pytest.mark.parametrize("view", VIEWS)
def test_a_projection_joins_the_neurons_that_are_chosen(view):
    choose, ids = VIEWS[view]
    a = n4.Population("a", 12, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    b = n4.Population("b", 5, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    net = n4.Network(
        a,
        b,
        n4.Projection("out", choose(a), b, "exc", n4.AllToAll(), weight=1 * u.pA),
        n4.Projection("into", b, choose(a), "exc", n4.AllToAll(), weight=2 * u.pA),
        n4.Projection("self", choose(a), choose(a), "exc", n4.AllToAll(autapses=False), weight=3 * u.pA),
        n4.Projection("all", a, a, "exc", n4.AllToAll(), weight=4 * u.pA),
    )
    model = net.build(dt=DT, seed=0)
    pairs = {name: list(zip(model.edges(name).pre.tolist(), model.edges(name).post.tolist(), strict=True)) for name in model.projections}
    assert pairs["out"] == [(i, j) for i in ids for j in range(5)]
    assert pairs["into"] == [(i, j) for i in range(5) for j in ids]
    assert pairs["self"] == [(i, j) for i in ids for j in ids if i != j]
    assert pairs["all"] == [(i, j) for i in range(12) for j in range(12)]
    for name, weight in {"out": 1, "into": 2, "self": 3, "all": 4}.items():
        assert set(model.weights(name).to_decimal(u.pA).tolist()) == {weight}


def test_ends_that_overlap_irregularly():
    cells = n4.Population("cells", 12, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    free = n4.Projection("e", cells[[1, 2, 5]], cells, "exc", n4.AllToAll(), weight=1 * u.pA)
    assert len(n4.Network(cells, free).build(dt=DT).edges("e")) == 36
    strict = n4.Projection("e", cells[[1, 2, 5]], cells, "exc", n4.AllToAll(autapses=False), weight=1 * u.pA)
    with pytest.raises(ValueError, match=r"projection 'e': the two ends share neurons in an irregular way.*n4\.EdgeList"):
        n4.Network(cells, strict).build(dt=DT)


def test_print_shows_what_there_is(model):
    text = str(model)
    for part in ("Model(1 populations, 12 neurons", "cells: 12 LIF (exc: ExpCurrent)", "e: cells -> cells.exc", "one weight per pathway (float32)"):
        assert part in text
    assert "\n" not in repr(model)


def test_progress_of_a_build(capsys):
    network().build(dt=DT, seed=0, progress=True)
    assert "synapses" in capsys.readouterr().err
    network().build(dt=DT, seed=0)
    assert capsys.readouterr().err == ""
    with pytest.raises(TypeError, match="progress is True, False or None"):
        network().build(dt=DT, seed=0, progress=1)


