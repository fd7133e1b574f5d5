"""Gap junctions: against solutions of the coupled equations, dense sums, finite differences; and what is refused."""

import functools

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import KEY, lif, same
from scipy.linalg import expm

import neuro4d as n4
from neuro4d.kernels import native_available
from neuro4d.model import prepare
from neuro4d.model._gap import gap_drives

CELLS = n4.Population("cells", 5, lif())


def pair(g, dt=0.1, **build):
    """Two silent neurons of different kinds of group."""
    a = n4.Population("a", 1, lif(v_th=100 * u.mV), v0=-40 * u.mV)
    b = n4.Population("b", 1, lif(v_th=100 * u.mV, tau=25 * u.ms), {"in": n4.ExpCurrent(tau=2 * u.ms)}, v0=-75 * u.mV)
    gap = n4.GapJunctions("gap", a, b, n4.OneToOne(), conductance=g * u.nS)
    return n4.Network(a, b, gap).build(dt=dt * u.ms, **build)


@functools.cache
def mixed(n=40, **build):
    """Two groups, junctions inside and between them, conductances per edge; ordinary synapses too."""
    izhikevich = n4.Izhikevich(a=0.02 / u.ms, b=0.2 / u.ms, c=-65 * u.mV, d=8 * u.mV / u.ms, cm=20 * u.pF, substeps=2)
    a = n4.Population("a", n, lif(), {"in": n4.ExpCurrent(tau=2 * u.ms)}, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    b = n4.Population("b", n // 2, izhikevich, {"in": n4.ExpCurrent(tau=2 * u.ms)}, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    spread = n4.Uniform(0.2 * u.nS, 3 * u.nS)
    return n4.Network(
        a,
        b,
        n4.GapJunctions("aa", a, rule=n4.FixedProb(0.1, autapses=False), conductance=spread),
        n4.GapJunctions("ab", a[3:], b[::2], n4.FixedInDegree(4), conductance=0.5 * u.nS),
        n4.GapJunctions("bb", b[:10], b[10:], n4.OneToOne(), conductance=np.linspace(0.1, 1, 10) * u.nS),
        n4.Projection("s", a, b, "in", n4.FixedProb(0.2), weight=50 * u.pA, delay=1 * u.ms),
        n4.Clamp("da", a, 420 * u.pA),
        n4.Clamp("db", b, n4.Uniform(50 * u.pA, 150 * u.pA)),
        n4.WhiteNoise("n", a, mean=0 * u.pA, std=200 * u.pA),
    ).build(dt=0.1 * u.ms, **{"seed": 3} | build)


def run(model, duration=40, key=KEY, **options):
    return n4.simulate(model, key, duration * u.ms, (n4.Spikes(), n4.Trace("a", "v"), n4.Trace("b", "v")), **options)


@pytest.mark.slow
def test_two_neurons_follow_their_equation(x64):
    """A linear system, solved by the exponential of its matrix: first order in the time step."""
    errors, g, c = [], 20.0, 250.0
    matrix = np.array([[-1 / 10 - g / c, g / c], [g / c, -1 / 25 - g / c]])
    for dt in (0.1, 0.05, 0.025):
        found = run(pair(g, dt, precision=jnp.float64), 20)
        v = np.concatenate([np.asarray(found.records[f"{x}.v"].values) for x in "ab"], 1) + 65
        exact = [expm(matrix * dt * (k + 1)) @ [25.0, -10.0] for k in range(len(v))]
        errors.append(np.abs(v - exact).max())
    assert errors[0] < 0.2
    np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 1, atol=0.05)


@pytest.mark.parametrize("g", [1e3, 1e6])
def test_strong_junctions_are_stable(g):
    v = np.concatenate([np.asarray(run(pair(g), 20).records[f"{x}.v"].values) for x in "ab"], 1)
    assert np.isfinite(v).all() and v.max() <= -40 and v.min() >= -75


def test_sums_are_those_of_a_matrix_and_currents_cancel(x64):
    model = mixed(precision=jnp.float64)
    state = model.init(KEY)
    drives = jax.jit(lambda m, s: gap_drives(prepare(m).gaps, s.groups))(model, state)
    place = {"a": 0, "b": 40}
    dense = np.zeros((60, 60))
    for name, (a, b) in {"aa": ("a", "a"), "ab": ("a", "b"), "bb": ("b", "b")}.items():
        edges = model.edges(name)
        assert len(edges) > 5 and (edges.delay.to_decimal(u.ms) == 0).all()
        ends = edges.pre + place[a], edges.post + place[b]
        np.add.at(dense, ends, edges.weight.to_decimal(u.nS))
        np.add.at(dense, ends[::-1], edges.weight.to_decimal(u.nS))
    assert (model.edges("ab").pre >= 3).all() and (model.edges("ab").post % 2 == 0).all()
    group = {name: span.group for name, span in model.populations.items()}
    g, i, v = (np.concatenate([np.asarray(x[name]) for name in "ab"]) for x in (
        {n: drives[group[n]].g for n in "ab"}, {n: drives[group[n]].i for n in "ab"}, {n: state[n, "v"] for n in "ab"}))  # fmt: skip
    np.testing.assert_allclose(g, dense.sum(1), rtol=1e-13)
    np.testing.assert_allclose(i, dense @ v, rtol=1e-12)
    current = i - g * v
    assert np.abs(current).max() > 1 and abs(current.sum()) < 1e-10


@pytest.mark.full
def test_chunks_lanes_and_models_change_nothing():
    model = mixed()
    whole = run(model)
    assert len(whole.spikes("a")) > 20 and len(whole.spikes("b")) > 5
    pieces = run(model, chunk=37)
    lanes = n4.batch(model, jr.split(KEY, 2), 40 * u.ms, n4.Spikes())
    single = run(model, key=jr.split(KEY, 2)[1])
    assert all((whole.records["a.v"].values == pieces.records["a.v"].values).reshape(-1))
    assert (lanes[1].spikes("a").step == single.spikes("a").step).all() and (lanes[1].spikes("b").id == single.spikes("b").id).all()
    other, state = n4.from_user(mixed(seed=3, backend=n4.Backend.REFERENCE), n4.to_user(model, model.init(KEY)))
    assert same(other.gaps, model.gaps) and state is not None and other.fingerprint() == model.fingerprint()
    doubled = n4.set(model, lambda m: m.gaps["aa"].conductance, model.edges("aa").weight * 2)
    np.testing.assert_array_equal(doubled.edges("aa").weight.to_decimal(u.nS), 2 * model.edges("aa").weight.to_decimal(u.nS))
    assert n4.from_user(model, n4.to_user(doubled))[0].gaps["aa"].conductance[0] == doubled.gaps["aa"].conductance[0]
    assert [(x.name, x.a, x.b, x.junctions) for x in model.census().gaps][1:] == [("ab", "a", "b", 40), ("bb", "b", "b", 10)]


@pytest.mark.skipif(not native_available(), reason="the CPU handlers are not built")
def test_native_steps_see_them():
    native, plain = mixed(), mixed(backend=n4.Backend.REFERENCE)
    plan = native.plan()
    assert {group.step for group in plan.groups} == {"native"} and not plan.many_steps and plan.because == "gap junctions: aa, ab, bb"
    step, state = jax.jit(lambda m, s: m.step(s)), native.init(KEY)
    for _ in range(100):
        a, b = step(native, state)[0], step(plain, state)[0]
        for name, most in (("a", 2), ("b", 3)):
            assert (np.abs(np.asarray(a[name, "v"]) - np.asarray(b[name, "v"])) <= most * np.spacing(np.float32(100))).all()
        state = a


@pytest.mark.slow
def test_gradients_and_lanes_of_conductances(x64):
    """Of the last potentials with respect to every conductance, against central differences; a lane per conductance."""
    a = n4.Population("a", 4, lif(v_th=100 * u.mV), v0=[-70, -60, -50, -40] * u.mV)
    gap = n4.GapJunctions("gap", a, rule=n4.EdgeList([0, 0, 2, 3], [1, 2, 3, 1]), conductance=[1, 2, 3, 4] * u.nS)
    model = n4.Network(a, gap).build(dt=0.1 * u.ms, precision=jnp.float64)

    def last(conductance):
        changed = eqx.tree_at(lambda m: m.gaps["gap"].conductance, model, conductance)
        final, _ = n4.scan(changed, changed.init(KEY), 30, lambda s, k: None)
        return jnp.sum(final["a", "v"] * jnp.arange(1.0, 5.0))

    at = model.gaps["gap"].conductance
    assert at.tolist() == [1, 2, 3, 4]
    slope, steps = jax.jit(jax.grad(last))(at), 1e-5 * np.eye(4)
    lanes = jax.jit(jax.vmap(last))(at + np.concatenate([steps, -steps]))
    np.testing.assert_allclose(slope, (lanes[:4] - lanes[4:]) / 2e-5, rtol=1e-6)
    assert (np.abs(slope) > 1e-3).all()


@pytest.mark.slow
def test_a_hub_is_kept_by_junction():
    """Rows with a place for every neuron would be long and empty: the same sums from one entry per junction, to the bit."""
    cells = n4.Population("cells", 60, lif(), v0=n4.Uniform(-70 * u.mV, -50 * u.mV))
    some = n4.EdgeList([0] * 40 + [5, 5, 9], [*range(20, 60), 7, 7, 6])
    star = n4.GapJunctions("star", cells, rule=some, conductance=n4.Uniform(1 * u.nS, 2 * u.nS))
    model = n4.Network(cells, star).build(dt=0.1 * u.ms)
    state, (group,) = model.init(KEY), model.layout.groups
    drive = gap_drives(prepare(model).gaps, state.groups)[group.name]
    edges, v = model.edges("star"), np.asarray(state["cells", "v"])
    sides = prepare(model).gaps[group.name].sides
    assert [side.driven is None for side in sides] == [False, True]
    w = edges.weight.to_decimal(u.nS)
    by_a, by_b = (np.zeros((2, 60), np.float32) for _ in range(2))
    for side, driven, partner in ((by_a, edges.pre, edges.post), (by_b, edges.post, edges.pre)):
        for k in range(len(w)):
            side[0, driven[k]] += w[k]
            side[1, driven[k]] += w[k] * v[partner[k]]
    g, i = by_a + by_b
    assert (drive.g == g).all() and (drive.i == i).all()


def test_neurons_synchronise():
    """Two neurons whose spikes have a shape, with currents that differ: apart they drift, joined they fire together."""
    neuron = n4.Izhikevich(a=0.1 / u.ms, b=0.2 / u.ms, c=-65 * u.mV, d=2 * u.mV / u.ms)
    cells = n4.Population("cells", 4, neuron, v0=[-70, -60, -70, -60] * u.mV)
    gap = n4.GapJunctions("gap", cells[2:3], cells[3:], n4.OneToOne(), conductance=0.3 * u.nS)
    model = n4.Network(cells, gap, n4.Clamp("drive", cells, [8, 9, 8, 9] * u.pA)).build(dt=0.05 * u.ms)
    table = n4.simulate(model, KEY, 600 * u.ms).spikes("cells")
    trains = [table.step[table.id == k] * 0.05 for k in range(4)]
    assert min(len(x) for x in trains) > 20
    apart, together = (np.abs(x[:, None] - y[None]).min(1)[len(x) // 2 :] for x, y in (trains[:2], trains[2:]))
    assert together.max() < 1 < apart.max()
    assert len(trains[2]) - len(trains[3]) in (-1, 0, 1) and len(trains[1]) - len(trains[0]) > 1


def test_what_is_refused():
    rule, relay = n4.OneToOne(), n4.Population("relay", 5, n4.Relay(), {"in": n4.Delta()})

    def gap(*ends, rule=rule, conductance=1 * u.nS):
        return n4.GapJunctions("gap", *ends, rule=rule, conductance=conductance)

    with pytest.raises(ValueError, match=r"join membrane potentials, but Relay neurons .* have none"):
        gap(CELLS, relay)
    with pytest.raises(n4.UnitError, match="conductance: expected a quantity"):
        gap(CELLS, conductance=1.0)
    with pytest.raises(ValueError, match=r"conductance is 0 or more.*-1"):
        gap(CELLS, conductance=-1 * u.nS)
    with pytest.raises(TypeError, match="expected a rule such as"):
        gap(CELLS, rule=None)
    with pytest.raises(ValueError, match=r"5 of 5 edges join a neuron to itself.*autapses=False"):
        n4.Network(CELLS, gap(CELLS)).build(dt=0.1 * u.ms)
    with pytest.raises(ValueError, match=r"conductance has one entry per edge, shape \(1,\); got shape \(2,\)"):
        n4.Network(CELLS, gap(CELLS, rule=n4.EdgeList([0], [1]), conductance=[1, 2] * u.nS)).build(dt=0.1 * u.ms)
    with pytest.raises(ValueError, match="population 'cells', which is not part of the network"):
        n4.Network(relay, gap(CELLS))
    with pytest.raises(ValueError, match=r"two parts .* named 'gap'"):
        n4.Network(CELLS, gap(CELLS), gap(CELLS))
    with pytest.raises(n4.UnknownNameError):
        n4.Network(CELLS, gap(CELLS, rule=n4.EdgeList([0], [1]))).build(dt=0.1 * u.ms).edges("gab")
    assert "GapJunctions('gap', cells[0:] -- cells[0:], OneToOne)" in repr(n4.Network(CELLS, gap(CELLS)))
