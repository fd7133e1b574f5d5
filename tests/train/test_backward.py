"""The backward pass of delivery follows activity, and is the derivative over all synapses, in every mode of differentiation."""

import dataclasses

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from core.networks import lif, same

import neuro4d as n4
from neuro4d.kernels import native_available
from neuro4d.ops import History, deliver, depth_for, pack, unpack
from neuro4d.ops._bit_rows import arriving_words
from neuro4d.ops._dense import dense_spread

N, TARGETS, LONGEST = 70, 3200, 7
DEPTH = depth_for(LONGEST)
STEP = jnp.uint32(2**32 - 3)  # the counter wraps among the delays


@pytest.fixture(scope="module")
def path():
    """Two ports, seven delays, two blocks of targets."""
    cells = n4.Population("source", N, lif(), {"in": n4.ExpCurrent(tau=2 * u.ms)})
    targets = n4.Population("target", TARGETS, lif(), {"a": n4.ExpCurrent(tau=2 * u.ms), "b": n4.ExpCurrent(tau=5 * u.ms)})
    delay = n4.Uniform(0.1 * u.ms, 0.1 * LONGEST * u.ms)
    both = [
        n4.Projection(port, cells, targets, port, n4.FixedProb(0.01), weight=n4.Normal(1 * u.pA, 0.3 * u.pA), delay=delay) for port in "ab"
    ]
    with jax.enable_x64(True):
        model = n4.Network(cells, targets, *both).build(dt=0.1 * u.ms, seed=0, precision=jnp.float64, backend=n4.Backend.kernels(cores=2))
    (made,) = model.pathways.values()
    assert made.n_blocks == (2 if native_available() else 1) and made.delays.shape == (LONGEST,) and made.weight_kind == "edge"
    return made


def of_kind(path, kind, dtype):
    weight = {"one": np.float64(0.7), "source": np.linspace(-1, 2, N), "edge": np.asarray(path.weight)}[kind]
    return dataclasses.replace(path, weight=jnp.asarray(weight, dtype), weight_kind=kind)


def activity(seed, dtype, near=0.2):
    """A ring in which a tenth of the neurons fired and some have a slope, and it as numbers."""
    random = np.random.default_rng(seed)
    fired, marked = random.random((DEPTH, N)) < 0.1, random.random((DEPTH, N)) < near
    ids, count = np.zeros((DEPTH, N), np.int32), fired.sum(axis=1).astype(np.int32)
    for row, here in enumerate(fired):
        ids[row, : count[row]] = np.flatnonzero(here)
    history = History(jnp.asarray(ids), jnp.asarray(count), jnp.asarray(fired, dtype), jax.vmap(pack)(jnp.asarray(marked)))
    return history, jnp.asarray(fired, dtype), jnp.asarray(marked, dtype)


def sparse(path, history, backend):
    """The sums as a function of weights, spikes and sums so far."""

    def run(weight, soft, acc):
        given = History(history.ids, history.count, soft, history.near)
        return deliver(dataclasses.replace(path, weight=weight), given, STEP, acc, backend)[0]

    return run


def dense(path, fired, marked):
    """The same, bilinear in weights and spikes, with the slopes of spikes where they are marked."""

    def run(weight, soft, acc):
        carried = fired + marked * (soft - jax.lax.stop_gradient(soft))
        return dense_spread(path, weight, carried, None, STEP, acc)

    return run


BACKENDS = {"plain": n4.Backend.REFERENCE, "native": n4.Backend.kernels(cores=2)}
LONG = [("edge", "float32", "plain"), ("source", "float64", "native"), ("one", "float32", "native")]
CASES = [("edge", "float32", "native"), ("source", "float64", "plain"), *(pytest.param(*case, marks=pytest.mark.full) for case in LONG)]


@pytest.mark.slow
@pytest.mark.parametrize("kind, dtype, backend", CASES)
def test_both_directions_are_those_of_the_dense_derivative(path, kind, dtype, backend, x64):
    if backend == "native" and not native_available():
        pytest.skip("there are no native kernels")
    path = of_kind(path, kind, dtype)
    history, fired, marked = activity(1, dtype)
    random = np.random.default_rng(2)
    acc = jnp.asarray(random.normal(size=(path.n_blocks, path.block_size)), dtype)
    at = (path.weight, fired, acc)
    along = tuple(jnp.asarray(random.normal(size=x.shape), dtype) for x in at)
    back = jnp.asarray(random.normal(size=acc.shape), dtype)
    one, other = sparse(path, history, BACKENDS[backend]), dense(path, fired, marked)

    def both(at, along, back):
        values, slopes = jax.vjp(one, *at), jax.vjp(other, *at)
        return values[0], jax.jvp(one, at, along)[1], jax.jvp(other, at, along)[1], values[1](back), slopes[1](back)

    value, forward, forward_dense, slopes, slopes_dense = jax.jit(both)(at, along, back)
    tolerance = {"float32": 2e-5, "float64": 1e-13}[dtype]
    np.testing.assert_array_equal(value, jax.jit(one)(*at))
    np.testing.assert_allclose(forward, forward_dense, rtol=tolerance, atol=tolerance)
    for name, found, expected in zip(("weight", "soft", "acc"), slopes, slopes_dense, strict=True):
        assert found.dtype == expected.dtype and np.abs(expected).max() > 0
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=10 * tolerance, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("backend", [pytest.param("plain", marks=pytest.mark.full), "native"])
def test_batches_of_derivatives(path, backend, x64):
    """`vmap` of `grad` over states and over weights, and `grad` of `vmap` with weights that lanes share, are loops over lanes."""
    path = of_kind(path, "edge", "float64")
    lanes = [activity(seed, "float64") for seed in (3, 4, 5)]
    history = jax.tree.map(lambda *x: jnp.stack(x), *(lane[0] for lane in lanes))
    acc = jnp.zeros((path.n_blocks, path.block_size))
    swing = jnp.cos(jnp.arange(acc.size)).reshape(acc.shape)

    def loss(weight, history):
        return jnp.sum(swing * sparse(path, history, BACKENDS[backend])(weight, history.soft, acc) ** 2)

    slope = jax.grad(loss)
    each = [jax.jit(slope)(path.weight * (k + 1), lane[0]) for k, lane in enumerate(lanes)]
    weights = jnp.stack([path.weight * (k + 1) for k in range(3)])
    np.testing.assert_allclose(jax.jit(jax.vmap(slope))(weights, history), jnp.stack(each), rtol=1e-12)
    shared = jax.jit(jax.grad(lambda w: jnp.sum(jax.vmap(loss, (None, 0))(w, history))))(path.weight)
    alone = sum(jax.jit(slope)(path.weight, lane[0]) for lane in lanes)
    np.testing.assert_allclose(shared, alone, rtol=1e-12, atol=1e-13)


@pytest.mark.full
def test_second_derivatives(path, x64):
    """Forward over reverse, of weights with spikes; reverse over reverse says what to write instead."""
    path = of_kind(path, "source", "float64")
    history, fired, marked = activity(6, "float64")
    acc = jnp.zeros((path.n_blocks, path.block_size))
    random = np.random.default_rng(7)
    at = (path.weight, fired)
    # Who fired is given: second derivatives have no term in which the slope of a weight changes because a spike does.
    direction = (jnp.asarray(random.normal(size=N)), jnp.zeros_like(fired))

    def slope(run):
        return jax.grad(lambda weight, soft: jnp.sum(jnp.sin(run(weight, soft, acc))), argnums=(0, 1))

    one, other = slope(sparse(path, history, n4.Backend.REFERENCE)), slope(dense(path, fired, marked))
    found, expected = jax.jit(lambda: (jax.jvp(one, at, direction)[1], jax.jvp(other, at, direction)[1]))()
    for a, b in zip(found, expected, strict=True):
        assert np.abs(b).max() > 0
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    with pytest.raises(NotImplementedError, match=r"jax\.jvp\(jax\.grad"):
        jax.grad(lambda weight: jnp.vdot(one(weight, fired)[1], fired))(path.weight)


@pytest.mark.slow
def test_spikes_that_arrive_as_bits():
    history, fired, _ = activity(8, "float32")
    rows = jnp.array([3, 0, 6])
    words = jax.jit(arriving_words)(history.ids, history.count, rows)
    np.testing.assert_array_equal(words, jax.vmap(pack)(fired[rows] > 0))


@pytest.mark.slow
def test_a_surrogate_keeps_the_native_steps_and_a_gradient_their_spikes():
    """Forward, a model with a surrogate is the model without one, bit for bit, on the native path, also below a gradient."""
    cells = n4.Population("cells", 40, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)}, v0=n4.Uniform(-60 * u.mV, -50 * u.mV))
    net = n4.Network(
        cells,
        n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.2), weight=300 * u.pA, delay=0.3 * u.ms),
        n4.Poisson("noise", cells, "exc", rate=4000 * u.Hz, weight=150 * u.pA),
    )
    surrogate = n4.Scaled(n4.Triangle(width=10 * u.mV), count="crossings", reset="attached")
    hard, soft = (net.build(dt=0.1 * u.ms, seed=0, surrogate=each) for each in (None, surrogate))
    assert soft.plan().groups[0].step == hard.plan().groups[0].step == ("native" if native_available() else "plain XLA")

    def run(model):
        return n4.scan(model, model.init(jax.random.key(1)), 200, lambda s, k: (k.words["cells"], s.groups["cells"].neurons.v))

    def loss(v_th):
        final, kept = run(eqx.tree_at(lambda m: m.neurons["cells"].v_th, soft, v_th))
        return jnp.sum(kept[1]), (final, kept)

    final, expected = jax.jit(run)(hard)
    plain_final, plain = jax.jit(run)(soft)
    (_, (graded_final, graded)), slope = jax.jit(jax.value_and_grad(loss, has_aux=True))(soft.neurons["cells"].v_th)
    assert int(jax.lax.population_count(expected[0]).sum()) > 50 and np.isfinite(slope) and slope != 0
    for kept, state in ((plain, plain_final), (graded, graded_final)):
        assert same(kept, expected) and same(state.groups, final.groups)
        rows = np.asarray(jax.vmap(lambda words: unpack(words, 40))(expected[0][-4:]))
        past = state.history["cells"]
        ring = np.asarray(past.soft)[[(int(state.step) - age) % past.soft.shape[0] for age in (4, 3, 2, 1)]]
        np.testing.assert_array_equal(ring, rows)
