"""Neurons written in Python next to native receptors: the native call says what acts on them, plain XLA updates them, and a second
call remembers their spikes."""

from typing import Any, ClassVar, NamedTuple

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import lif, same

import neuro4d as n4
from neuro4d.kernels import native_available, push_native
from neuro4d.neurons import AbstractNeuron, Fired, Membrane
from neuro4d.ops._ring import push_plainly

pytestmark = pytest.mark.skipif(not native_available(), reason="the CPU handlers are not built")

DT = 0.1 * u.ms
KEY = jr.key(0)
STEPS = 120


class Leaky(AbstractNeuron):
    """The equations of `LIF`, which the kernels do not know under this name."""

    tau: Any = n4.quantity(u.ms)
    c: Any = n4.quantity(u.pF)
    v_rest: Any = n4.quantity(u.mV)
    v_th: Any = n4.quantity(u.mV)
    v_reset: Any = n4.quantity(u.mV)
    t_ref: Any = n4.quantity(u.ms)

    variables: ClassVar = {"v": u.mV}

    check, membrane, constants, rest, init, step = (
        getattr(n4.LIF, name) for name in ("check", "membrane", "constants", "rest", "init", "step")
    )


def leaky(**changes):
    of = lif(**changes)
    units = {"tau": u.ms, "c": u.pF, "v_rest": u.mV, "v_th": u.mV, "v_reset": u.mV, "t_ref": u.ms}
    return Leaky(**{name: changes.get(name, getattr(of, name) * unit) for name, unit in units.items()})


def every_kind(make, backend=n4.Backend.AUTO, alive=None):
    """Two fused populations of one kind, all that a group can receive, and a native group next to them."""
    ports = {"g": n4.ExpConductance(tau=3 * u.ms, e_rev=0 * u.mV), "i": n4.AlphaCurrent(tau=2 * u.ms), "kick": n4.Delta()}
    a = n4.Population("a", 70, make(), ports, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    b = n4.Population("b", 45, make(tau=12 * u.ms, t_ref=1 * u.ms), ports, v0=n4.Normal(-58 * u.mV, 5 * u.mV), alive=alive)
    other = n4.Population("other", 30, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    some, delay = n4.FixedProb(0.2), n4.Uniform(0.2 * u.ms, 3 * u.ms)
    net = n4.Network(
        a,
        b,
        other,
        n4.Projection("ab", a, b, "g", some, weight=2 * u.nS, delay=0 * u.ms),
        n4.Projection("ba", b, a, "i", some, weight=n4.Normal(-40 * u.pA, 4 * u.pA), delay=delay),
        n4.Projection("ao", a, other, "exc", some, weight=60 * u.pA, delay=delay),
        n4.Projection("oa", other, a, "kick", some, weight=1 * u.mV, delay=0.3 * u.ms),
        n4.Poisson("spikes", a, "g", rate=900 * u.Hz, weight=3 * u.nS),
        n4.WhiteNoise("noise", b, mean=350 * u.pA, std=300 * u.pA),
        n4.Clamp("wave", a, n4.Waveform([200, 500, 300] * u.pA, every=1.7 * u.ms)),
        n4.Clamp("steady", other, 500 * u.pA),
        n4.SpikeTimes("given", b, "kick", times=[1, 4] * u.ms, ids=[2, 40], weight=20 * u.mV),
    )
    return net.build(dt=DT, seed=0, backend=backend)


def jumps_only(make, backend=n4.Backend.AUTO):
    cells = n4.Population("a", 50, make(v_th=n4.Normal(-50 * u.mV, 1 * u.mV)), {"kick": n4.Delta()}, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    wires = n4.Projection("cc", cells, cells, "kick", n4.FixedProb(0.2), weight=0.5 * u.mV, delay=0.2 * u.ms)
    return n4.Network(cells, wires, n4.Poisson("p", cells, "kick", rate=2000 * u.Hz, weight=3 * u.mV)).build(dt=DT, seed=0, backend=backend)


def mortal(make, backend=n4.Backend.AUTO):
    return every_kind(make, backend, alive=27)


NETWORKS = [every_kind, jumps_only, pytest.param(mortal, marks=pytest.mark.full)]


def run(model, state):
    return jax.jit(lambda model, state: n4.scan(model, state, STEPS, lambda state, spikes: dict(spikes.words)))(model, state)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_they_do_what_native_ones_and_plain_xla_do(network):
    model = network(leaky)
    final, words = run(model, model.init(KEY))
    for other in (network(lif), network(leaky, n4.Backend.REFERENCE)):
        end, expected = run(other, other.init(KEY))
        for group, again in zip(sorted(words), sorted(expected), strict=True):
            assert np.count_nonzero(expected[again])
            np.testing.assert_array_equal(words[group], expected[again])
        for population in model.populations:
            for name in model.variables(population):
                np.testing.assert_allclose(final[population, name], end[population, name], rtol=2e-5, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("network", [every_kind, *(pytest.param(make, marks=pytest.mark.full) for make in (jumps_only, mortal))])
def test_a_step_is_the_same_bits_in_a_scan_in_a_batch_and_by_itself(network):
    model = network(leaky)
    keys = jr.split(KEY, 2)
    batch = jax.jit(jax.vmap(lambda model, key: n4.scan(model, model.init(key), 40)[0], (None, 0)))(model, keys)
    step = jax.jit(lambda model, state: model.step(state)[0])
    for lane, key in enumerate(keys):
        state = model.init(key)
        for _ in range(40):
            state = step(model, state)
        assert same(jax.tree.map(lambda x, i=lane: x[i], batch), state)
        assert same(n4.simulate(model, model.init(key), 4 * u.ms).state, state)


def test_the_plan_says_what_is_native():
    plan = every_kind(leaky).plan()
    assert [(group.step, group.because) for group in plan.groups] == [("half native", "Leaky has no native step"), ("native", "")]
    assert not plan.many_steps and "without a native step: " in plan.because


def test_the_past_is_never_copied():
    """All that a step makes of a foreign group: two calls, and the update of the neurons."""
    model = jumps_only(leaky)
    text = jax.jit(lambda m, s: n4.scan(m, s, 1000)[0]).lower(model, model.init(KEY)).compile().as_text()
    depth = model.init(KEY).history["a"].ids.shape[0]
    assert text.count("n4_run") and text.count("n4_push")
    body = text.split("body=")[0]
    assert f"s32[{depth},50]{{1,0}} copy(" not in body and f"s32[{depth},50]{{1,0}} select(" not in body


class Seen(NamedTuple):
    v: Any


class Watcher(AbstractNeuron):
    """Fires at random places, with constants of a form of their own, and looks at what it is given while it is traced."""

    parts: tuple[str, ...] = eqx.field(static=True)
    c: Any = n4.quantity(u.pF, default=100 * u.pF)

    variables: ClassVar = {"v": u.mV}

    def check(self, dt):
        pass

    def membrane(self):
        return Membrane(self.c / 10, self.c)

    def constants(self, dt):
        return jnp.arange(7.0) * dt, self.c

    def rest(self):
        return {"v": jnp.zeros(())}

    def init(self, values):
        return Seen(values["v"])

    def step(self, constants, state, drive):
        given = tuple(name for name in ("g", "i", "jump") if getattr(drive, name) is not None)
        if given != self.parts:
            raise AssertionError(f"expected {self.parts}, got {given}")
        table, c = constants
        total = sum(getattr(drive, name) for name in given) if given else 0.0
        v = state.v * 0.5 + table[3] * total / c + 0.1
        return Seen(v), Fired(v > 0.15, v)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ports", "stimulus", "parts"),
    [
        ({}, False, ()),
        ({}, True, ("i",)),
        ({"kick": n4.Delta()}, False, ()),
        ({"kick": n4.Delta()}, "kick", ("jump",)),
        ({"kick": n4.Delta(), "g": n4.ExpConductance(tau=2 * u.ms, e_rev=0 * u.mV)}, False, ("g", "i")),
    ],
)
def test_a_part_of_the_drive_that_nothing_exerts_is_absent(ports, stimulus, parts):
    def of(backend):
        first, second = (n4.Population(name, 20, Watcher(parts, c=c * u.pF), ports) for name, c in (("first", 100), ("second", 150)))
        extra = [n4.Clamp("drive", first, 9 * u.pA)] if stimulus is True else []
        extra += [n4.SpikeTimes("given", first, "kick", times=[2] * u.ms, ids=[3], weight=1 * u.mV)] if stimulus == "kick" else []
        model = n4.Network(first, second, *extra).build(dt=DT, seed=0, backend=backend)
        return run(model, model.init(KEY))

    (final, words), (end, expected) = of(n4.Backend.AUTO), of(n4.Backend.REFERENCE)
    np.testing.assert_array_equal(*(next(iter(x.values())) for x in (words, expected)))
    np.testing.assert_allclose(final["first", "v"], end["first", "v"], rtol=1e-6)


def recurrent(backend):
    """One population with a port of every kind: a derivative is a large program."""
    ports = {"g": n4.ExpConductance(tau=3 * u.ms, e_rev=0 * u.mV), "i": n4.AlphaCurrent(tau=2 * u.ms), "kick": n4.Delta()}
    cells = n4.Population("a", 70, leaky(), ports, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    delay = n4.Uniform(0.2 * u.ms, 3 * u.ms)
    loops = [
        n4.Projection(port, cells, cells, port, n4.FixedProb(0.2), weight=weight, delay=delay)
        for port, weight in (("g", 2 * u.nS), ("i", n4.Normal(-40 * u.pA, 4 * u.pA)), ("kick", 1 * u.mV))
    ]
    noise = n4.WhiteNoise("noise", cells, mean=350 * u.pA, std=300 * u.pA)
    return n4.Network(cells, *loops, noise, n4.Poisson("spikes", cells, "g", rate=900 * u.Hz, weight=3 * u.nS)).build(dt=DT, seed=0, backend=backend)


@pytest.mark.slow
def test_derivatives_are_those_of_plain_xla():
    def gradient(backend):
        model = recurrent(backend)
        name = next(name for name, path in model.pathways.items() if path.source == path.target and not path.early)

        def value(weight):
            changed = eqx.tree_at(lambda m: m.pathways[name].weight, model, weight)
            _, v = n4.scan(changed, changed.init(KEY), 40, lambda state, _: state.neurons["a"].v)
            return jnp.sum(v * jnp.cos(jnp.arange(v.size)).reshape(v.shape))

        return jax.jit(jax.grad(value))(model.pathways[name].weight)

    found, expected = gradient(n4.Backend.AUTO), gradient(n4.Backend.REFERENCE)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(np.sort(found.ravel()), np.sort(expected.ravel()), rtol=1e-4, atol=1e-5 * np.abs(expected).max())


SHAPES = [(1, 4), (31, 1), (32, 4), (33, 1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "depth"), [(1, 1), (31, 4), (32, 1), (33, 4), (4000, 1), (4000, 4), *(pytest.param(*each, marks=pytest.mark.full) for each in SHAPES)]
)
def test_spikes_are_remembered_as_in_plain_xla(n, depth):
    """Packed words, sorted ids, nothing but 0 behind them, for many spikes and few, also in a batch."""
    random = np.random.default_rng(n)
    ring = jnp.zeros((2, depth, n), jnp.int32), jnp.zeros((2, depth), jnp.int32)
    expected = ring
    native = jax.jit(jax.vmap(lambda step, fired, ids, count: push_native(step, fired, ids, count), (None, 0, 0, 0)))
    plain = jax.jit(jax.vmap(lambda step, fired, ids, count: push_plainly(fired, ids, count, step), (None, 0, 0, 0)))
    for step in [2**32 - 3, 2**32 - 2, 2**32 - 1, 0, 1, 2, 3, 4]:
        fired = random.random((2, n)) < random.choice([0, 0.02, 0.5, 1])
        words, *ring = native(np.uint32(step), fired, *ring)
        again, *expected = plain(np.uint32(step), fired, *expected)
        assert same((words, ring), (again, expected))
        np.testing.assert_array_equal(np.unpackbits(np.asarray(words).view(np.uint8), axis=1, bitorder="little")[:, :n], fired)


def test_wrong_spikes_are_refused():
    ids, count = jnp.zeros((2, 40), jnp.int32), jnp.zeros(2, jnp.int32)
    for fired in (jnp.zeros(39, bool), jnp.zeros(40, jnp.uint8)):
        with pytest.raises(Exception, match="a boolean for each neuron, 40"):  # XLA's error class is not public
            jax.block_until_ready(push_native(np.uint32(0), fired, ids, count))
