"""Gradients: of smooth paths they are the finite differences, through spikes they are those of the surrogate."""

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import KEY, lif, ring, same

import neuro4d as n4

STEPS = 80


def smooth(precision=jnp.float64, surrogate=None, **neuron):
    """A driver that fires at given times, and cells that stay below threshold and are reached by every kind of receptor."""
    source = n4.Population("source", 3, n4.Relay(), {"in": n4.Delta()})
    ports = {
        "exp": n4.ExpCurrent(tau=2 * u.ms),
        "alpha": n4.AlphaCurrent(tau=10 * u.ms),
        "g": n4.ExpConductance(tau=3 * u.ms, e_rev=0 * u.mV),
        "ga": n4.AlphaConductance(tau=1 * u.ms, e_rev=-80 * u.mV),
        "jump": n4.Delta(),
    }
    cells = n4.Population("cells", 4, lif(**{"v_th": 0 * u.mV} | neuron), ports, v0=np.array([-65.0, -60, -62, -58]) * u.mV)
    times = np.array([0.3, 1.0, 1.0, 2.5, 4.0])
    weights = {"exp": 80 * u.pA, "alpha": 50 * u.pA, "g": 4 * u.nS, "ga": 6 * u.nS, "jump": 1.5 * u.mV}
    net = n4.Network(
        source,
        cells,
        n4.SpikeTimes("given", source, "in", times=times * u.ms, ids=np.array([0, 1, 2, 0, 1]), weight=1 * u.mV),
        n4.Clamp("drive", cells, np.array([50.0, 80.0, -20.0, 10.0]) * u.pA),
        *(
            n4.Projection(port, source, cells, port, n4.AllToAll(), weight=np.linspace(0.5, 1.5, 12) * weight, delay=(k % 3) * 0.5 * u.ms)
            for k, (port, weight) in enumerate(weights.items())
        ),
    )
    return net.build(dt=0.1 * u.ms, seed=0, precision=precision, surrogate=surrogate)


def potential(model, steps=STEPS):
    """A smooth number that all potentials of all steps enter."""
    _, v = n4.scan(model, model.init(KEY), steps, lambda state, _: state.neurons["cells"].v)
    return jnp.sum(v * jnp.cos(jnp.arange(v.size).reshape(v.shape) * 0.1))


LEAVES = {
    "weights, late": lambda m: m.pathways["source->cells"].weight,
    "weights, early": lambda m: m.pathways["source->cells (early)"].weight,
    "tau": lambda m: m.neurons["cells"].tau,
    "c": lambda m: m.neurons["cells"].c,
    "v_rest": lambda m: m.neurons["cells"].v_rest,
    "synaptic tau": lambda m: m.receptors["cells"]["exp"].tau,
    "synaptic tau, equal to tau": lambda m: m.receptors["cells"]["alpha"].tau,
    "conductance tau": lambda m: m.receptors["cells"]["g"].tau,
    "e_rev": lambda m: m.receptors["cells"]["ga"].e_rev,
    "current": lambda m: m.sources["drive"].amplitude,
}


@pytest.fixture(scope="module")
def value_and_gradient():
    """One program for all leaves: the value, and the gradient with respect to every leaf of `LEAVES`."""
    with jax.enable_x64(True):
        model = smooth()
        leaves = [where(model) for where in LEAVES.values()]

        def value(leaves):
            return potential(eqx.tree_at(lambda m: [where(m) for where in LEAVES.values()], model, leaves))

        yield leaves, jax.jit(value), jax.jit(jax.grad(value))(leaves), value


@pytest.mark.parametrize("name", LEAVES)
def test_gradient_is_the_finite_difference(name, value_and_gradient, x64):
    # I15: central differences with a relative step of 3e-5 in five random directions; double precision leaves about 1e-8.
    leaves, value, gradient, _ = value_and_gradient
    at = list(LEAVES).index(name)
    leaf, slope = leaves[at], np.asarray(gradient[at])
    assert np.isfinite(slope).all() and np.abs(slope).max() > 0
    random = np.random.default_rng(at)
    for _ in range(5):
        direction = random.normal(size=leaf.shape)
        step = 3e-5 * max(np.abs(leaf).max(), 1.0)
        ends = [float(value([*leaves[:at], leaf + sign * step * direction, *leaves[at + 1 :]])) for sign in (1, -1)]
        numeric = (ends[0] - ends[1]) / (2 * step)
        # Relative to the size that the sum can have, so that a direction of little change is no harder than the others.
        size = float(np.abs(slope * direction).sum())
        assert abs(numeric - float((slope * direction).sum())) <= 1e-6 * size + 1e-9


def test_forward_and_reverse_mode_agree(value_and_gradient, x64):
    leaves, _, gradient, value = value_and_gradient
    random = np.random.default_rng(0)
    directions = [jnp.asarray(random.normal(size=leaf.shape)) for leaf in leaves]
    _, forward = jax.jit(lambda a, b: jax.jvp(value, (a,), (b,)))(leaves, directions)
    reverse = sum(float(jnp.sum(g * d)) for g, d in zip(gradient, directions, strict=True))
    assert abs(float(forward) - reverse) <= 1e-10 * abs(reverse)


def pair(precision=jnp.float32):
    """One pathway, one port: quick to compile."""
    cells = n4.Population("cells", 3, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)}, v0=np.array([-50.1, -55, -60]) * u.mV)
    return n4.Network(
        cells,
        n4.Projection("e", cells, cells, "exc", n4.AllToAll(autapses=False), weight=100 * u.pA, delay=0.2 * u.ms),
        n4.Clamp("drive", cells, 700 * u.pA),
    ).build(dt=0.1 * u.ms, seed=0, precision=precision)


def test_step_bare_under_every_transformation():
    # The method itself, without `scan`, `simulate` or `batch` around it.
    model = pair()
    state = model.init(KEY)
    stepped, spikes = jax.jit(lambda m, s: m.step(s))(model, state)
    assert jax.tree.structure(stepped) == jax.tree.structure(state) and spikes["cells"].tolist() == [True, False, False]
    # The model is an argument of both: as a constant it would be folded by the compiler, whose functions differ in the last place.
    lanes, _ = jax.jit(jax.vmap(lambda m, s: m.step(s), in_axes=(None, 0)))(model, jax.tree.map(lambda x: jnp.stack([x, x]), state))
    assert same(jax.tree.map(lambda x: x[1], lanes), stepped)
    last, _ = jax.jit(lambda m, s: jax.lax.scan(lambda s, _: m.step(s), s, length=20))(model, state)
    assert int(last.step) == 20

    def later(c):
        state_, _ = eqx.tree_at(lambda m: m.neurons["cells"].c, model, c).step(stepped)
        return jnp.sum(state_.neurons["cells"].v)

    slope = jax.jit(jax.grad(later))(model.neurons["cells"].c)
    assert np.isfinite(slope) and slope != 0


def test_eager_and_compiled_agree():
    # I18: to rounding, never bit by bit.
    model = pair()
    state = eager = model.init(KEY)
    compiled = jax.jit(lambda m, s: m.step(s))
    for _ in range(4):
        eager, state = model.step(eager)[0], compiled(model, state)[0]
    np.testing.assert_allclose(eager.neurons["cells"].v, state.neurons["cells"].v, rtol=1e-6)


def chain(surrogate):
    first = n4.Population("first", 2, lif(), {"in": n4.ExpCurrent(tau=2 * u.ms)}, v0=-52 * u.mV)
    second = n4.Population("second", 2, lif(v_th=-55 * u.mV), {"in": n4.ExpCurrent(tau=2 * u.ms)})
    return n4.Network(
        first,
        second,
        n4.Projection("forth", first, second, "in", n4.AllToAll(), weight=np.full(4, 900.0) * u.pA, delay=0.5 * u.ms),
        n4.Clamp("drive", first, 1000 * u.pA),
    ).build(dt=0.1 * u.ms, seed=0, surrogate=surrogate, backend=n4.Backend.REFERENCE)


@jax.jit
def run_chain(model):
    return n4.scan(model, model.init(KEY), 150, lambda s, k: (k["first"], k["second"], s.neurons["first"].v))[1]


@pytest.fixture(scope="module")
def hard_out():
    return run_chain(chain(None))


@pytest.mark.parametrize(
    "surrogate", [n4.SuperSpike(), pytest.param(n4.Triangle(width=10 * u.mV), marks=pytest.mark.full)], ids=lambda s: type(s).__name__
)
def test_gradient_through_spikes(surrogate, hard_out):
    # I17: the forward pass is that of the hard model, bit by bit; and weights that act only through later spikes have a gradient.
    model = chain(surrogate)
    soft_out = run_chain(model)
    assert hard_out[0].sum() > 2 and hard_out[1].sum() > 2
    for soft, plain in zip(soft_out, hard_out, strict=True):
        assert (np.asarray(soft).astype(np.float64) == np.asarray(plain).astype(np.float64)).all()

    def count(leaves, model):
        changed = eqx.tree_at(lambda m: (m.pathways["first->first"].weight, m.sources["drive"].amplitude), model, leaves)
        return jnp.sum(n4.scan(changed, changed.init(KEY), 150, lambda _, k: k["second"])[1].astype(jnp.float32))

    leaves = (model.pathways["first->first"].weight, model.sources["drive"].amplitude)
    weight, drive = jax.jit(jax.grad(count))(leaves, model)
    assert np.isfinite(weight).all() and np.isfinite(drive).all()
    # More weight or more drive, more spikes.
    assert (np.asarray(weight) > 0).all() and drive > 0


@pytest.mark.parametrize("width", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("kind", [n4.SuperSpike, n4.Triangle])
def test_surrogates_are_finite_everywhere(kind, width):
    # I16, also far from threshold, where exponentials overflow.
    excess = jnp.concatenate([-jnp.logspace(4, -6, 200), jnp.zeros(1), jnp.logspace(-6, 4, 200)])
    surrogate = kind(width=width * u.mV)
    value, slope = jax.jvp(surrogate.spike, (excess,), (jnp.ones_like(excess),))
    assert np.isfinite(slope).all() and (np.asarray(slope) >= 0).all()
    assert (np.asarray(value) == (np.asarray(excess) >= 0)).all()
    assert np.isclose(slope[200], 1 / width) and np.asarray(slope).argmax() == 200
    second = jax.vmap(jax.grad(lambda x: surrogate.slope(x)))(excess)
    assert np.isfinite(second).all()


def test_gradient_with_poisson_input_and_many_delays():
    model = ring(surrogate=n4.SuperSpike())

    def loss(weight):
        changed = eqx.tree_at(lambda m: m.pathways["cells->cells"].weight, model, weight)
        return jnp.sum(n4.scan(changed, changed.init(jr.key(3)), 100, lambda s, _: s.neurons["cells"].v)[1]) * 1e-3

    slope = jax.jit(jax.grad(loss))(model.pathways["cells->cells"].weight)
    assert np.isfinite(slope) and slope != 0
