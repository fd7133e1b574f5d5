"""The order of edges: the same on any number of cores and any backend, so that weights and states can be carried over."""

import functools

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d._base import address, words
from neuro4d.connect import Ends
from neuro4d.kernels import huge_empty, native_available
from neuro4d.ops import Pathway, host_edges, host_targets

N = 4100  # enough for two blocks of targets
CUT = 2600
DT = 0.1
BACKENDS = {"one": n4.Backend.kernels(1), "two": n4.Backend.kernels(2), "auto": n4.Backend.AUTO, "plain": n4.Backend.REFERENCE}
needs_native = pytest.mark.skipif(not native_available(), reason="the native kernels are not built here")

RULE = n4.FixedOutDegree(10)
DELAY = n4.Uniform(0.1 * u.ms, 1.5 * u.ms)
NORMAL = n4.Normal(40 * u.pA, 10 * u.pA)
UNIFORM = n4.Uniform(-60 * u.pA, 30 * u.pA)
WEIGHTS = {"all": NORMAL, "part": UNIFORM, "inh": n4.Normal(-50 * u.pA, 5 * u.pA), "free": NORMAL}
ENDS = {"all": (0, N, 0, N), "part": (100, 3000, 50, 4000), "inh": (CUT, N, 0, N), "free": (0, N, 0, N)}
"""First and last source and target."""


def projection(name, cells, port, **options):
    a, b, c, d = ENDS[name]
    return n4.Projection(name, cells[a:b], cells[c:d], port, RULE, weight=WEIGHTS[name], delay=DELAY, **options)


@functools.cache
def build(backend):
    """Three projections share a pathway, `all` and `part` meet at the same neurons and port; the weights of a fourth can be changed."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)
    ports = {"exc": n4.ExpCurrent(tau=3 * u.ms), "inh": n4.ExpCurrent(tau=5 * u.ms)}
    cells = n4.Population("cells", N, lif, ports, v0=n4.Normal(-53 * u.mV, 5 * u.mV))
    net = n4.Network(
        cells,
        projection("all", cells, "exc"),
        projection("part", cells, "exc"),
        projection("inh", cells, "inh"),
        projection("free", cells, "exc", plasticity=n4.Free()),
        n4.Clamp("drive", cells, 250 * u.pA),
    )
    return net.build(dt=DT * u.ms, seed=4, backend=BACKENDS[backend])


@functools.cache
def drawn(name):
    """Source, delay in steps, target and weight of every edge, drawn by itself and sorted with the order of drawing as the last key."""
    a, b, c, d = ENDS[name]
    of = functools.partial(address, 4, "projection", name)
    rows = RULE.rows(Ends(of("structure"), b - a, d - c, self_shift=a - c))
    pre, post, edge = np.repeat(np.arange(a, b), rows.counts), c + rows.targets(0, b - a), np.arange(rows.n_edges)
    delay = np.maximum(np.rint(DELAY.draw(words(of("delay"), edge)) / DT), 1).astype(int)
    weight = WEIGHTS[name].draw(words(of("weight"), edge)).astype(np.float32)
    order = np.lexsort((edge, post, delay, pre))
    return pre[order], delay[order], post[order], weight[order]


def bits(x):
    return np.asarray(x.to_decimal(u.pA) if isinstance(x, u.Quantity) else x).tobytes()


@needs_native
def test_the_network_is_cut_into_two_blocks():
    assert [group.n_blocks for name in ("one", "two", "plain") for group in build(name).layout.groups] == [1, 2, 1]
    assert len(build("one").pathways) == 2


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ENDS)
def test_edges_come_in_one_order(name, backend):
    model = build(backend)
    edges = model.edges(name)
    pre, delay, post, weight = drawn(name)
    np.testing.assert_array_equal(edges.pre, pre)
    np.testing.assert_array_equal(np.rint(edges.delay.to_decimal(u.ms) / DT), delay)
    np.testing.assert_array_equal(edges.post, post)
    assert bits(edges.weight) == bits(weight)
    assert bits(model.weights(name)) == bits(weight)


@pytest.mark.parametrize("backend", ["one", "two", "plain"])
def test_the_arrays_themselves_keep_their_order(backend):
    """By source, delay, neuron, port: what makes a state the same on any machine."""
    for name, path in build(backend).pathways.items():
        place, source, which, where = host_edges(path, 0, path.n_source)
        assert place == slice(0, sum(10 * (ENDS[p.name][1] - ENDS[p.name][0]) for p in build(backend).layout.projections if p.pathway == name))
        assert (np.diff((source * len(path.delays) + which) * path.n_target * path.n_ports + where) >= 0).all()
        other = build("plain").pathways[name]
        assert bits(path.weight) == bits(other.weight) and (path.owner is None) == (other.owner is None)
        assert path.owner is None or bits(path.owner) == bits(other.owner)


def test_overlapping_projections_are_told_apart():
    model = build("auto")
    assert len({span.pathway for span in model.layout.projections}) == 2
    assert model.pathways[model.layout.projections_by_name["all"].pathway].owner is not None
    low, high = UNIFORM.bounds()
    weight = model.weights("part").to_decimal(u.pA)
    assert len(weight) == 10 * 2900 and weight.min() >= low and weight.max() <= high
    assert (weight < 0).any() and (model.weights("inh").to_decimal(u.pA) < 0).all()
    assert sum(len(model.edges(name)) for name in model.projections) == model.n_synapses


@pytest.mark.parametrize("backend", ["two", "plain"])
def test_fans_sum_to_the_edges(backend):
    model = build(backend)
    for name, (a, b, c, d) in ENDS.items():
        edges, out, into = model.edges(name), model.fan_out(name), model.fan_in(name)
        assert out.shape == into.shape == (N,)
        assert out.sum() == into.sum() == len(edges) == 10 * (b - a)
        assert (out[a:b] == 10).all() and not into[:c].any() and not into[d:].any()
        np.testing.assert_array_equal(into, np.bincount(edges.post, minlength=N))


def run(model, state, steps):
    return jax.jit(lambda m, s: n4.scan(m, s, steps, lambda s, k: k.words["cells"]))(model, state)


def shapes(tree):
    return jax.tree.structure(tree), [(x.shape, x.dtype) for x in jax.tree.leaves(tree)]


@needs_native
@pytest.mark.parametrize("origin", ["one", "two", "plain"])
def test_a_state_continues_on_any_model(origin):
    model = build(origin)
    values = np.random.default_rng(3).normal(60, 30, len(model.weights("free"))).astype(np.float32) * u.pA
    state = n4.set_weights(model.init(jr.key(1)), "free", values, model=model)
    state, _ = run(model, state, 60)
    ends = {name: run(build(name), state, 100) for name in ("one", "two", "plain")}
    for name, (final, spikes) in ends.items():
        held = build(name).weights("free", final)
        assert bits(held) == bits(values)
        assert shapes(final) == shapes(state) == shapes(build(name).init(jr.key(1)))
        assert np.bitwise_count(np.asarray(spikes)).sum() > 1000
    assert [bits(x) for x in jax.tree.leaves(ends["one"])] == [bits(x) for x in jax.tree.leaves(ends["two"])]
    # Rounding parts native and plain trajectories in the end, not in the first steps.
    np.testing.assert_array_equal(ends["one"][1][:10], ends["plain"][1][:10])
    unchanged = run(model, n4.set_weights(state, "free", build(origin).weights("free"), model=model), 100)[1]
    assert bits(unchanged) != bits(ends[origin][1])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["two", "plain"])
@pytest.mark.parametrize("name", ["all", "part", "inh"])
def test_weights_of_one_projection_are_set(name, backend):
    model = build(backend)
    before = {other: bits(model.weights(other)) for other in model.projections}
    k = len(model.weights(name))
    many = np.linspace(1, 2, k, dtype=np.float32)
    inside = jax.jit(lambda m, w: n4.set_weights(m, name, w))
    for bare, value in ((np.full(k, 7, np.float32), 7 * u.pA), (many, many * u.pA)):
        changed = n4.set_weights(model, name, value)
        traced = inside(model, jnp.asarray(value.to_decimal(u.pA), jnp.float32))
        pointed = n4.set(model, n4.Weights(name), value)
        for result in (changed, traced, pointed):
            for other in model.projections:
                assert bits(result.weights(other)) == (bits(bare) if other == name else before[other])


@pytest.mark.slow
@pytest.mark.parametrize("more", [-1, 1])
def test_a_wrong_number_of_weights_does_not_pass_unseen_inside_jit(more):
    model = build("plain")
    wrong = jnp.ones(len(model.weights("part")) + more, jnp.float32)
    with pytest.raises(ValueError, match="edges: give one weight, or one per edge"):
        n4.set_weights(model, "part", wrong * u.pA)
    inside = jax.jit(lambda m, w: n4.set_weights(m, "part", w))(model, wrong)
    assert np.isnan(inside.weights("part").to_decimal(u.pA)).any()


def tiny(backend=n4.Backend.REFERENCE):
    """Weights of projections of a shared pathway that overlap, kept as one number, few enough to look at."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=5 * u.ms)
    cells = n4.Population("cells", 6, lif, {"exc": n4.ExpCurrent(tau=3 * u.ms), "inh": n4.ExpCurrent(tau=5 * u.ms)})
    weight = {"weight": 30 * u.pA, "delay": 0.5 * u.ms}
    return n4.Network(
        cells,
        n4.Projection("e", cells[:4], cells, "exc", n4.AllToAll(), **weight),
        n4.Projection("f", cells[2:], cells, "exc", n4.FixedOutDegree(3), **weight),
        n4.Projection("g", cells[4:], cells, "inh", n4.AllToAll(), **weight),
        n4.SpikeTimes("s", cells, "exc", times=np.array([0.2, 0.4]) * u.ms, ids=[0, 3], weight=30000 * u.pA),
    ).build(dt=DT * u.ms, seed=0, backend=backend)


def test_a_scalar_for_one_of_several_projections_with_one_weight():
    model = tiny()
    (path,) = model.pathways.values()
    assert path.weight_kind == "one"
    for name, kind in (("e", "edge"), ("f", "edge"), ("g", "edge")):
        changed = n4.set_weights(model, name, 5 * u.pA)
        assert {p.weight_kind for p in changed.pathways.values()} == {kind}
        for other in model.projections:
            assert set(changed.weights(other).to_decimal(u.pA).tolist()) == {5.0 if other == name else 30.0}


@pytest.mark.slow
@pytest.mark.parametrize("backend", [n4.Backend.AUTO, n4.Backend.REFERENCE], ids=["auto", "plain"])
@pytest.mark.parametrize("per_edge", [False, True])
def test_the_derivative_with_respect_to_one_projection_of_several(per_edge, backend):
    """The potential is linear in the weights while the same neurons fire: finite differences are exact but for rounding."""
    model = tiny(backend)
    k = len(model.weights("e"))
    value = jnp.linspace(20.0, 40.0, k) if per_edge else jnp.float32(30.0)

    def potential(w, model=model):
        changed = n4.set_weights(model, "e", w)
        state, _ = n4.scan(changed, changed.init(jr.key(0)), 40)
        return jnp.dot(state.neurons["cells"].v, jnp.arange(1.0, 7.0))

    slope = jax.jit(jax.grad(potential))(value)
    inside = jax.jit(lambda m, w: jax.grad(potential)(w, m))(model, value)
    np.testing.assert_allclose(slope, inside, rtol=1e-5, atol=1e-7)
    step = 2.0
    f = jax.jit(potential)
    each = [step * (np.arange(k) == i).astype(np.float32) for i in range(k)] if per_edge else [np.float32(step)]
    finite = [(f(value + change) - f(value - change)) / (2 * step) for change in each]
    np.testing.assert_allclose(np.ravel(slope), finite, rtol=2e-3, atol=2e-4)
    assert np.abs(finite).max() > 0.01


@pytest.mark.slow
def test_weights_of_one_projection_are_swept():
    model = tiny()
    values = np.array([10.0, 60.0, 400.0]) * u.pA
    traced = n4.sweep(model, n4.Weights("e"), values, 10 * u.ms, n4.Trace("cells", "v"), start=jr.key(0))
    for i, value in enumerate((10, 60, 400)):
        changed = n4.set_weights(model, "e", value * u.pA)
        alone = n4.simulate(changed, changed.init(jr.key(0)), 10 * u.ms, n4.Trace("cells", "v"))
        np.testing.assert_array_equal(traced[i].records["cells.v"].values, alone.records["cells.v"].values)
    assert len({traced[i].records["cells.v"].values.tobytes() for i in range(3)}) == 3


def test_what_does_not_fit_is_refused():
    model = build("auto")
    with pytest.raises(ValueError, match="has 29000 edges: give one weight, or one per edge"):
        n4.set_weights(model, "part", np.ones(7) * u.pA)
    with pytest.raises(n4.UnitError, match="expected a quantity"):
        n4.set_weights(model, "part", 3.0)
    with pytest.raises(n4.UnknownNameError, match="no projection named 'parts'"):
        n4.set_weights(model, "parts", 3 * u.pA)
    with pytest.raises(ValueError, match="live in the model"):
        n4.set_weights(model.init(jr.key(0)), "part", 3 * u.pA, model=model)
    with pytest.raises(TypeError, match="a state does not know its projections"):
        n4.set_weights(model.init(jr.key(0)), "free", 3 * u.pA)


def test_rows_are_found_beyond_32_bits():
    """The pages before the rows are never touched, so they cost nothing."""
    first = (1 << 32) + 7
    targets = huge_empty((first + 5,), np.uint16)
    targets[first:] = [0, 6, 1, 4, 2]
    path = Pathway(
        targets=targets,
        weight=np.float32(1),
        delays=np.array([1, 3], np.int32),
        start=np.array([[7, 1], [10, 1]], np.uint32),
        bounds=np.array([[0, 1, 1, 2, 3], [0, 0, 1, 2, 2]], np.uint32),
        owner=None,
        source="a",
        target="a",
        early=False,
        n_target=7,
        n_ports=2,
        width=4,
        weight_kind="one",
        plastic=False,
        row_hint=8,
    )
    place, source, which, where = host_edges(path, 0, 2)
    assert place == slice(first, first + 5)
    assert source.tolist() == [0, 0, 0, 1, 1] and which.tolist() == [0, 1, 1, 0, 1]
    # Local ids are port * 4 + neuron; blocks of the five edges: 0, 0, 1, 1, 0.
    assert [divmod(x, 2) for x in where.tolist()] == [(0, 0), (2, 1), (5, 0), (4, 1), (2, 0)]
    number, neuron = host_targets(path, 0, 2)
    assert number.tolist() == [3, 2] and neuron.tolist() == [x // 2 for x in where.tolist()]
    assert [x.tolist() for x in host_targets(path, 1, 1)] == [[], []] and host_edges(path, 1, 1)[1].tolist() == []
    place, *_ = host_edges(path, 1, 2)
    assert place == slice(first + 3, first + 5)
