"""Checkpoints change memory and nothing else; truncation cuts what it says; clipping bounds what passes."""

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from core.networks import KEY, lif, same

import neuro4d as n4
from neuro4d.train._backward import clipped

STEPS = 103  # no multiple of any block
INPUT = np.linspace(600, 1500, 3 * STEPS).reshape(STEPS, 3)


def network(precision=jnp.float64):
    cells = n4.Population("cells", 3, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)}, v0=np.array([-50.1, -55, -60]) * u.mV)
    ring = n4.Projection("e", cells, cells, "exc", n4.AllToAll(autapses=False), weight=np.linspace(50, 150, 6) * u.pA, delay=0.2 * u.ms)
    surrogate = n4.Scaled(n4.Triangle(width=10 * u.mV), count="crossings", reset="attached")
    return n4.Network(cells, ring, n4.Input("drive", cells)).build(dt=0.1 * u.ms, seed=0, precision=precision, surrogate=surrogate)


@pytest.fixture(scope="module")
def slopes():
    """Value, kept results and gradients of a loss for some options of `scan`, by weights, threshold and initial potential."""
    with jax.enable_x64(True):
        model = network()
        (name,) = model.pathways

        def of(make):
            def loss(leaves):
                weight, v_th, v0 = leaves
                changed = eqx.tree_at(lambda m: (m.pathways[name].weight, m.neurons["cells"].v_th), model, (weight, v_th))
                state = changed.init(KEY)
                state = eqx.tree_at(lambda s: s.groups["cells"].neurons.v, state, v0)
                final, kept = make(changed, state, lambda s, k: (s.neurons["cells"].v, k["cells"]))
                return jnp.sum(jnp.sin(kept[0])) + jnp.sum(kept[1]) + jnp.sum(final.receptors["cells"]["exc"].i), (final, kept)

            leaves = (model.pathways[name].weight, model.neurons["cells"].v_th, jnp.array([-50.1, -55, -60]))
            return jax.jit(jax.value_and_grad(loss, has_aux=True))(leaves)

        inputs = {"drive": jnp.asarray(INPUT)}
        plain = of(lambda m, s, keep: n4.scan(m, s, STEPS, keep, inputs))
        yield plain, lambda **options: of(lambda m, s, keep: n4.train.scan(m, s, STEPS, keep, inputs, **options)), of, inputs


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", ["sqrt", pytest.param(7, marks=pytest.mark.full)])
def test_checkpoints_change_no_gradient(slopes, checkpoint):
    plain, run, _, _ = slopes
    (value, aux), gradient = run(checkpoint=checkpoint)
    (expected, expected_aux), expected_gradient = plain
    assert value == expected and same(aux, expected_aux) and float(jnp.sum(aux[1][1])) > 5
    for a, b in zip(gradient, expected_gradient, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * np.abs(b).max())


@pytest.mark.full
def test_truncation_cuts_the_state_between_pieces(slopes):
    _, run, of, inputs = slopes

    def by_hand(model, state, keep):
        kept = []
        for begin in range(0, STEPS, 50):
            rows = {"drive": inputs["drive"][begin : begin + 50]}
            state = jax.tree.map(jax.lax.stop_gradient, state) if begin else state
            state, some = n4.scan(model, state, len(rows["drive"]), keep, rows)
            kept.append(some)
        return state, jax.tree.map(lambda *x: jnp.concatenate(x), *kept)

    (value, aux), gradient = run(truncate=5 * u.ms, checkpoint=7)
    (expected, expected_aux), expected_gradient = of(by_hand)
    assert value == expected and same(aux, expected_aux)
    for a, b in zip(gradient, expected_gradient, strict=True):
        assert np.abs(b).max() > 0
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * np.abs(b).max())
    assert not np.allclose(gradient[0], slopes[0][1][0], rtol=1e-3)


@pytest.mark.full
def test_clipping_bounds_what_passes_to_an_earlier_block(slopes):
    plain, run, _, _ = slopes
    (_, aux), tight = run(checkpoint=10, clip=1e-3)
    assert same(aux, plain[0][1])
    # The initial potential acts through the first block alone, with a derivative of at most that norm.
    assert 0 < np.linalg.norm(tight[2]) <= 1e-3 * (1 + 1e-9) < np.linalg.norm(plain[1][2])


@pytest.mark.full
def test_memory_grows_with_the_square_root():
    model = network(jnp.float32)

    def bytes_of(steps, checkpoint):
        def loss(v_th):
            changed = eqx.tree_at(lambda m: m.neurons["cells"].v_th, model, v_th)
            rows = {"drive": jnp.full((steps, 3), 500.0)}
            return jnp.sum(n4.train.scan(changed, changed.init(KEY), steps, None, rows, checkpoint=checkpoint)[0].neurons["cells"].v)

        compiled = jax.jit(jax.grad(loss)).lower(model.neurons["cells"].v_th).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    # 6,400 steps, or 80 states and 80 steps: a fortieth, beside the input itself.
    assert bytes_of(6400, None) > 15 * (bytes_of(6400, "sqrt") - 4 * 3 * 6400)


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"checkpoint": "log"}, ValueError, r'scan\.checkpoint is "sqrt"'),
        ({"checkpoint": 0}, ValueError, r"scan\.checkpoint must be at least 1"),
        ({"checkpoint": 2.5}, TypeError, r"scan\.checkpoint is a whole number"),
        ({"truncate": 20}, n4.UnitError, r"scan\.truncate: expected a quantity"),
        ({"truncate": 0.25 * u.ms}, ValueError, r"scan\.truncate must be a multiple of dt"),
        ({"truncate": 0 * u.ms}, ValueError, r"scan\.truncate must be at least dt"),
        ({"clip": 0.0}, ValueError, r"scan\.clip is a number above 0"),
        ({"steps": 0}, ValueError, r"scan\.steps must be at least 1"),
        ({"inputs": {"drive": np.zeros((5, 3))}}, ValueError, r"a row for each of 103 steps"),
    ],
)
def test_wrong_options_are_refused(options, error, text):
    model = network(jnp.float32)
    with pytest.raises(error, match=text):
        n4.train.scan(model, model.init(KEY), **{"steps": STEPS, "inputs": {"drive": INPUT}} | options)


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1e19, 3e38])
def test_clipping_holds_for_every_finite_size(size):
    given = jnp.array([3.0, -4.0]) / 4 * size
    (clipped_,) = jax.vjp(lambda x: clipped(x, 0.25), jnp.zeros(2))[1](given)
    np.testing.assert_allclose(clipped_, np.array([0.15, -0.2]) if size > 1 else given, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_clipping_replaces_what_is_not_finite(bad):
    (clipped_,) = jax.vjp(lambda x: clipped(x, 1.0), jnp.zeros(2))[1](jnp.array([bad, 0.5]))
    assert clipped_.tolist() == [0, 0]
