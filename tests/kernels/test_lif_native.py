"""The compiled step of LIF groups against the step in plain XLA, step by step and over runs."""

import functools

import brainunit as u
import jax
import jax.export
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.kernels import LifClock, LifParams, LifPort, LifRing, lif_run_native, native_available
from neuro4d.model import _native, _step, advance, advance_many, prepare, runs_natively
from neuro4d.model._stimulate import stimulate
from neuro4d.ops import Backend

pytestmark = pytest.mark.skipif(not native_available(), reason="the CPU handlers are not built")

MV = {"v_rest": -60 * u.mV, "v_th": -50 * u.mV, "v_reset": -60 * u.mV}


def lif(**changes):
    return n4.LIF(**({"tau": 20 * u.ms, "c": 200 * u.pF, "t_ref": 2 * u.ms, **MV} | changes))


def coba(n=300):
    ports = {"exc": n4.ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV), "inh": n4.ExpConductance(tau=10 * u.ms, e_rev=-80 * u.mV)}
    cells = n4.Population("cells", n, lif(), ports, v0=n4.Normal(-55 * u.mV, 5 * u.mV))
    return n4.Network(
        cells,
        n4.Projection("e", cells[: 4 * n // 5], cells, "exc", n4.FixedProb(0.1), weight=12 * u.nS),
        n4.Projection("i", cells[4 * n // 5 :], cells, "inh", n4.FixedProb(0.1), weight=90 * u.nS, delay=0 * u.ms),
        n4.Clamp("drive", cells, 220 * u.pA),
    )


def cuba(noise=True):
    """Two populations fused, delays and weights per synapse, Poisson input of several kinds, noise into a slice."""
    ports = {"exc": n4.ExpCurrent(tau=0.5 * u.ms), "inh": n4.ExpCurrent(tau=2 * u.ms)}
    a = n4.Population("a", 333, lif(), ports, v0=n4.Normal(-55 * u.mV, 5 * u.mV))
    b = n4.Population("b", 222, lif(tau=10 * u.ms, t_ref=0 * u.ms), ports, v0=n4.Normal(-55 * u.mV, 5 * u.mV))
    delay = n4.Normal(1.5 * u.ms, 0.75 * u.ms, low=0.1 * u.ms)
    return n4.Network(
        a,
        b,
        n4.Projection("ab", a, b, "exc", n4.FixedProb(0.1), weight=n4.Normal(40 * u.pA, 4 * u.pA), delay=delay),
        n4.Projection("ba", b, a, "inh", n4.FixedProb(0.1), weight=n4.Normal(-60 * u.pA, 6 * u.pA), delay=delay),
        n4.Poisson("pa", a, "exc", rate=9000 * u.Hz, weight=30 * u.pA),
        n4.Poisson("pb", b[10:200], "exc", rate=np.linspace(0, 20000, 190) * u.Hz, weight=30 * u.pA),
        n4.Poisson("pc", a[100:], "exc", rate=500 * u.Hz, weight=90 * u.pA),
        *([n4.WhiteNoise("noise", b[7:90], mean=20 * u.pA, std=50 * u.pA)] if noise else []),
    )


def jumps(n=7000):
    """Enough neurons for several blocks, jumps of the potential, input with a rate per neuron."""
    cells = n4.Population("cells", n, lif(), {"in": n4.Delta()}, v0=n4.Normal(-55 * u.mV, 5 * u.mV))
    return n4.Network(
        cells,
        n4.Projection("e", cells[: 4 * n // 5], cells, "in", n4.FixedProb(0.01), weight=0.2 * u.mV, delay=1.5 * u.ms),
        n4.Projection("i", cells[4 * n // 5 :], cells, "in", n4.FixedProb(0.01), weight=-1 * u.mV, delay=0.1 * u.ms),
        n4.Poisson("p", cells, "in", rate=np.linspace(0, 20000, n) * u.Hz, weight=0.1 * u.mV),
    )


def mixed():
    """All three kinds of receptor, parameters per neuron, spikes from a group of another kind."""
    ports = {"d": n4.Delta(), "g": n4.ExpConductance(tau=3 * u.ms, e_rev=0 * u.mV), "i": n4.ExpCurrent(tau=n4.Uniform(1 * u.ms, 30 * u.ms))}
    cells = n4.Population("cells", 130, lif(v_th=n4.Normal(-50 * u.mV, 2 * u.mV)), ports)
    source = n4.Population("source", 40, n4.Relay(), {"in": n4.Delta()})
    return n4.Network(
        source,
        cells,
        n4.Projection("sg", source, cells, "g", n4.FixedProb(0.3), weight=3 * u.nS, delay=1 * u.ms),
        n4.Projection("cd", cells, cells, "d", n4.FixedProb(0.1), weight=n4.Normal(0.5 * u.mV, 0.2 * u.mV), delay=0.3 * u.ms),
        n4.Projection("ci", cells, cells, "i", n4.FixedProb(0.1), weight=-20 * u.pA),
        n4.Poisson("p", source, "in", rate=400 * u.Hz, weight=1 * u.mV),
        n4.Poisson("q", cells, "d", rate=3000 * u.Hz, weight=0.6 * u.mV),
    )


NETWORKS = {"coba": coba, "cuba": cuba, "mixed": mixed}


def build(name, backend=Backend.AUTO):
    """A model, and the group that the compiled step serves."""
    model = NETWORKS[name]().build(dt=0.1 * u.ms, seed=1, backend=backend)
    return model, model.populations["cells" if name != "cuba" else "a"].group


def stepper(model):
    return jax.jit(lambda m, s: advance(m, prepare(m), s, None))


def ulps(a, b, scale):
    return np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)) / np.spacing(
        np.maximum(np.abs(np.asarray(b)), scale).astype(np.float32)
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_step_equals_the_plain_one_within_two_units(name):
    (model, group), (reference, _) = build(name), build(name, Backend.REFERENCE)
    assert prepare(model).groups[group].native is not None
    assert prepare(reference).groups[group].native is None
    native, plain = stepper(model), stepper(reference)
    state, fired = model.init(jr.key(3)), 0
    for _ in range(80):
        got, words = native(model, state)
        want, spikes = plain(reference, state)
        fired += int(spikes.number(group))
        assert ulps(got.groups[group].neurons.v, want.groups[group].neurons.v, 1.0).max() <= 2
        for port, expected in want.groups[group].receptors.items():
            for x, y in zip(got.groups[group].receptors[port], expected, strict=True):
                assert ulps(x, y, 1e-3).max() <= 2
        np.testing.assert_array_equal(words.words[group], spikes.words[group])
        held = np.asarray(want.groups[group].neurons.left) >= 0.5
        np.testing.assert_array_equal(np.asarray(got.groups[group].neurons.left)[held], np.asarray(want.groups[group].neurons.left)[held])
        left = np.asarray(got.groups[group].neurons.left)[~held]  # what rounding left over: at most half a unit of v
        assert (np.abs(left) <= np.spacing(np.abs(np.asarray(got.groups[group].neurons.v)[~held])) / 2).all()
        for ring, expected in want.history.items():
            np.testing.assert_array_equal(got.history[ring].count, expected.count)
            for row, count in enumerate(expected.count):
                np.testing.assert_array_equal(got.history[ring].ids[row, :count], expected.ids[row, :count])
        state = want
    assert fired > 10


def run_of(model, steps):
    """A run that keeps the spikes of every group."""

    def body(state, _):
        state, spikes = advance(model, prepare(model), state, None)
        return state, spikes.words

    return lambda state: jax.lax.scan(body, state, None, length=steps)


def equal_trees(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


@pytest.mark.parametrize("name", NETWORKS)
def test_instruction_sets_and_repetitions_give_the_same_bits(name, monkeypatch):
    model, group = build(name)
    state = model.init(jr.key(0))
    final, words = jax.jit(run_of(model, 300))(state)
    assert np.bitwise_count(np.asarray(words[group])).sum() > 50
    for isa in ("baseline", "avx2", "avx512", "best"):
        monkeypatch.setattr(_native, "lif_run_native", functools.partial(lif_run_native, isa=isa))
        equal_trees((final, words), jax.jit(run_of(model, 300))(state))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_batch_equals_single_runs(name):
    model, _ = build(name)
    run = run_of(model, 200)
    states = jax.vmap(model.init)(jr.split(jr.key(5), 4))
    batch = jax.jit(jax.vmap(run))(states)
    for i in range(4):
        single = jax.jit(run)(jax.tree.map(lambda x, i=i: x[i], states))
        equal_trees(jax.tree.map(lambda x, i=i: x[i], batch), single)


@pytest.mark.parametrize("make", [coba, functools.partial(cuba, noise=False), jumps])
def test_many_steps_in_one_call_equal_single_steps(make):
    """State, history and the rows of spikes, also where the call has room for more steps than it makes."""
    model = make().build(dt=0.1 * u.ms, seed=1)
    group = model.layout.groups[0].name
    assert runs_natively(model, prepare(model))
    state = model.init(jr.key(0))
    state, words = jax.jit(run_of(model, 100))(state)
    many = jax.jit(lambda state, count: advance_many(model, prepare(model), state, count, 150))
    final, rows = many(model.init(jr.key(0)), jnp.int32(100))
    equal_trees((final, words[group]), (state, rows[group][:100]))
    equal_trees(many(final, jnp.int32(0))[0], final)
    states = jax.vmap(model.init)(jr.split(jr.key(5), 3))
    batch, lanes = jax.jit(jax.vmap(many, in_axes=(0, None)))(states, jnp.int32(90))
    for i in range(3):
        single, rows = many(jax.tree.map(lambda x, i=i: x[i], states), jnp.int32(90))
        equal_trees((jax.tree.map(lambda x, i=i: x[i], batch), lanes[group][i, :90]), (single, rows[group][:90]))


def test_many_steps_in_plain_xla_equal_single_steps():
    """What takes the place of the native call where a program is lowered for another platform."""
    model = coba().build(dt=0.1 * u.ms, seed=1)
    (group,) = model.layout.groups
    state = model.init(jr.key(0))
    outside = stimulate(model, prepare(model), state, {})[group.name]
    task = _step.task_of(model, prepare(model), state, dict(state.history), outside, group)
    _, rows = jax.jit(lambda t, n: _native.plain_steps(t, n, 80))(task, jnp.int32(60))
    plain = coba().build(dt=0.1 * u.ms, seed=1, backend=Backend.REFERENCE)
    _, words = jax.jit(run_of(plain, 60))(plain.init(jr.key(0)))
    assert np.asarray(words[group.name]).any()
    np.testing.assert_array_equal(rows[:60], words[group.name])
    many = jax.jit(lambda m, s: advance_many(m, prepare(m), s, jnp.int32(3), 5))
    for platform in ("cuda", "rocm", "tpu"):
        assert "n4_lif_run" not in jax.export.export(many, platforms=[platform])(model, state).mlir_module()


def bare_step(v, left, params, ports=(), extras=(), width=None, isa="best", count=1, length=1, rings=1):
    n = v.shape[0]
    ring = LifRing(jnp.zeros((1, n), jnp.int32), jnp.zeros(1, jnp.int32))
    clock = LifClock(jnp.uint32(0), jnp.uint32(0), jnp.zeros(2, jnp.uint32))
    return lif_run_native(
        count, clock, v, left, params, [ring] * rings, ports, [], [], extras, width=width or n, length=length, isa=isa
    )


def params_of(**changes):
    base = {"leak": 0.0, "resistance": 0.0, "rate": 1.0, "g_leak": 0.0, "v_rest": 0.0, "v_th": 1e9, "v_reset": 0.0}
    arrays = {name: jnp.asarray(value, jnp.float32) for name, value in (base | changes).items()}
    return LifParams(**arrays, hold=jnp.int32(0), bounds=jnp.array([0, 1 << 20], jnp.int32))


def test_the_exponential_is_right_to_its_last_places():
    """With a conductance of x, a rate of 1 and a reversal potential of 1 the potential goes from 0 to 1 - exp(-x)."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0, 80, 200_000), rng.uniform(0, 0.7, 200_000), 2.0 ** rng.uniform(-30, 6, 100_000)]).astype(np.float32)
    port = LifPort("conductance", jnp.asarray(x), jnp.float32(1), jnp.float32(1), jnp.float32(1))
    out = bare_step(jnp.zeros(len(x), jnp.float32), jnp.zeros(len(x), jnp.float32), params_of(), [port]).v
    exact = -np.expm1(-x.astype(np.float64))
    unit = np.spacing(exact.astype(np.float32)).astype(np.float64)
    assert (np.abs(np.asarray(out) - exact) / unit).max() <= 1.5


@pytest.mark.parametrize("n", [1, 31, 32, 33, 511, 513, 5000])
def test_hold_and_words_for_any_number_of_neurons(n):
    v = jnp.where(jnp.arange(n) % 3 == 0, 10.0, -10.0)
    params = params_of(v_th=0.0, v_reset=-1.0)._replace(hold=jnp.int32(2))
    step = jax.jit(bare_step, static_argnames="width")
    out = step(v, jnp.zeros(n), params, width=n if n < 512 else 512)
    fired = np.arange(n) % 3 == 0
    bits = np.unpackbits(np.asarray(out.words).view(np.uint8), bitorder="little")
    np.testing.assert_array_equal(bits[:n], fired)
    assert not bits[n:].any()
    np.testing.assert_array_equal(out.left, np.where(fired, 2, 0))
    np.testing.assert_array_equal(out.rings[0].ids[0, : fired.sum()], np.flatnonzero(fired))
    assert int(out.rings[0].n_fired[0]) == fired.sum()
    again = step(jnp.full(n, 10.0), out.left, params, width=n)
    np.testing.assert_array_equal(again.left, np.where(fired, 1, 2))
    np.testing.assert_array_equal(again.v, np.where(fired, 10.0, -1.0))


def test_wrong_operands_are_refused():
    v, left = jnp.zeros(10), jnp.zeros(10)

    def message(**changes):
        with pytest.raises(Exception) as error:  # XLA's error class is not public
            jax.block_until_ready(bare_step(**({"v": v, "left": left, "params": params_of()} | changes)))
        return str(error.value)

    assert "one value, one per span or one per neuron; got 7" in message(params=params_of(v_th=np.zeros(7)))
    assert "agree in neurons" in message(left=jnp.zeros(9))
    assert "a multiple of 32" in message(width=7)
    assert "the number of steps lies between 0 and 4; got 5" in message(count=5, length=4)
    assert "the number of steps lies between 0 and 4; got -1" in message(count=-1, length=4)
    assert "a group that hears only itself" in message(length=4, rings=2)
    with pytest.raises(ValueError, match="`isa` is one of"):
        bare_step(v, left, params_of(), isa="avx")


def test_in_a_loop_nothing_large_is_copied():
    model, _ = build("coba")
    text = jax.jit(run_of(model, 10), donate_argnums=0).lower(model.init(jr.key(0))).compile().as_text()
    body = next(part for part in text.split("\n\n") if "custom-call" in part and "n4_lif_run" in part)
    copies = [line for line in body.splitlines() if " copy(" in line and "[]" not in line.split("=")[1].split("copy")[0]]
    assert copies == []


def test_plain_xla_does_not_copy_the_past_in_a_loop():
    # Without delays of 0: there the spikes of a step do not wait for what arrives in it.
    model = cuba().build(dt=0.1 * u.ms, seed=1, backend=Backend.REFERENCE)
    state = model.init(jr.key(0))
    (group,) = model.layout.groups
    depth, n = state.history[group.name].ids.shape
    text = jax.jit(run_of(model, 10), donate_argnums=0).lower(state).compile().as_text()
    loops = [part for part in text.split("\n\n") if not part.lstrip().startswith("ENTRY")]
    assert any(f"s32[{depth},{n}]" in part for part in loops)
    assert not [line for part in loops for line in part.splitlines() if f"= s32[{depth},{n}]" in line and " copy(" in line]
