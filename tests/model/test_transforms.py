"""A step under what JAX does with functions: bit for bit the same wherever its parameters come from, and under every `vmap`."""

import os
import subprocess
import sys
from pathlib import Path

import brainunit as u
import jax
import jax.export
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.model import advance_many, prepare

DT = 0.1 * u.ms
BACKENDS = [n4.Backend.AUTO, n4.Backend.REFERENCE]
STEPS = 60


def lif(**changes):
    values = {"tau": 10 * u.ms, "c": 250 * u.pF, "v_rest": -65 * u.mV, "v_th": -50 * u.mV, "v_reset": -60 * u.mV, "t_ref": 2 * u.ms}
    return n4.LIF(**values | changes)


def one_kind(backend):
    """Two populations of one native group, with input that stays the same: many steps in one call."""
    ports = {"exc": n4.ExpCurrent(tau=2 * u.ms), "kick": n4.Delta()}
    first = n4.Population("first", 33, lif(), ports, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    second = n4.Population("second", 20, lif(tau=12 * u.ms), ports, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    net = n4.Network(
        first,
        second,
        n4.Projection("e", first, first, "exc", n4.FixedProb(0.3), weight=350 * u.pA, delay=n4.Uniform(0.2 * u.ms, 3 * u.ms)),
        n4.Projection("f", first, second, "kick", n4.FixedProb(0.3), weight=2 * u.mV, delay=0.5 * u.ms),
        n4.Projection("g", second, first, "exc", n4.FixedProb(0.3), weight=-90 * u.pA, delay=0.3 * u.ms),
        n4.Clamp("drive", first, 300 * u.pA),
        n4.Poisson("noise", second, "exc", rate=900 * u.Hz, weight=220 * u.pA),
    )
    return net.build(dt=DT, seed=0, backend=backend)


def three_kinds(backend, **build):
    """Cell types that nothing but plain XLA steps, next to a native one, with input of every kind and a synapse that learns."""
    alpha = {"exc": n4.AlphaCurrent(tau=2 * u.ms), "inh": n4.AlphaConductance(tau=1.5 * u.ms, e_rev=-80 * u.mV)}
    cells = n4.Population("cells", 33, lif(), alpha, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    plain = n4.Population("plain", 12, lif(tau=11 * u.ms), {"exc": n4.ExpConductance(tau=2 * u.ms, e_rev=0 * u.mV)})
    izhikevich = n4.Izhikevich(a=0.02 / u.ms, b=0.2 / u.ms, c=-65 * u.mV, d=8 * u.mV / u.ms)
    fast = n4.Population("fast", 20, izhikevich, {"exc": n4.AlphaCurrent(tau=3 * u.ms), "pulse": n4.PulseCurrent()})
    relay = n4.Population("relay", 10, n4.Relay(), {"in": n4.Delta()})
    some = n4.FixedProb(0.3)
    net = n4.Network(
        cells,
        plain,
        fast,
        relay,
        n4.Projection("cc", cells, cells, "exc", some, weight=n4.Normal(150 * u.pA, 20 * u.pA), delay=n4.Uniform(0.2 * u.ms, 3 * u.ms)),
        n4.Projection("cf", cells, fast, "exc", some, weight=3 * u.pA, delay=0.5 * u.ms),
        n4.Projection("fc", fast, cells, "inh", some, weight=3 * u.nS, delay=0.5 * u.ms),
        n4.Projection(
            "rc", relay, cells, "exc", some, weight=50 * u.pA, delay=0.5 * u.ms,
            plasticity=n4.Hebbian(rate=0.3 * u.pA, low=0 * u.pA, high=200 * u.pA, decay=1 * u.pA / u.second),
        ),
        n4.Projection("rf", relay, fast, "pulse", some, weight=2 * u.pA, delay=0.5 * u.ms),
        n4.Projection("rp", relay, plain, "exc", some, weight=9 * u.nS, delay=0.2 * u.ms),
        n4.Clamp("steady", cells, 200 * u.pA),
        n4.Clamp("wave", fast, n4.Waveform([2, 12, 9] * u.pA, every=1.7 * u.ms)),
        n4.WhiteNoise("noise", cells, mean=120 * u.pA, std=300 * u.pA),
        n4.Poisson("background", cells, "exc", rate=900 * u.Hz, weight=120 * u.pA),
        n4.Poisson("spikes", relay, "in", rate=500 * u.Hz, weight=1 * u.mV),
    )  # fmt: skip
    return net.build(dt=DT, seed=0, backend=backend, **build)


def differing(a, b) -> list[str]:
    """Where two pytrees differ in a bit."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    pairs = zip(jax.tree_util.tree_leaves_with_path(a), jax.tree.leaves(b), strict=True)
    return [jax.tree_util.keystr(path) for (path, x), y in pairs if x.dtype != y.dtype or np.asarray(x).tobytes() != np.asarray(y).tobytes()]


def lane(tree, i):
    return jax.tree.map(lambda x: x[i], tree)


def by_steps(step, state):
    for _ in range(STEPS):
        state, _ = step(state)
    return state


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "backend"),
    [
        (one_kind, n4.Backend.AUTO),
        pytest.param(three_kinds, n4.Backend.REFERENCE, marks=pytest.mark.as_shipped),
        pytest.param(three_kinds, n4.Backend.AUTO, marks=pytest.mark.full),
        pytest.param(one_kind, n4.Backend.REFERENCE, marks=pytest.mark.full),
    ],
)
def test_steps_one_by_one_in_a_scan_and_in_a_chunk_are_the_same_bits(network, backend):
    model = network(backend)
    start = model.init(jr.key(0))
    within = jax.jit(lambda state: model.step(state))  # parameters are constants of the program
    without = jax.jit(lambda model, state: model.step(state))  # parameters are arguments
    run = n4.simulate(model, start, STEPS * DT, chunk=STEPS)
    assert all(len(run.spikes(name)) for name in model.populations)
    assert differing(by_steps(within, start), run.state) == []
    assert differing(by_steps(lambda state: without(model, state), start), run.state) == []
    assert differing(jax.jit(lambda state: n4.scan(model, state, STEPS)[0])(start), run.state) == []
    lanes = jax.jit(jax.vmap(lambda state: n4.scan(model, state, STEPS)[0]))(jax.tree.map(lambda x: jnp.stack([x, x]), start))
    assert differing(lane(lanes, 1), run.state) == []


def test_an_exported_step_is_the_same_bits():
    model = one_kind(n4.Backend.REFERENCE)
    flat, tree = jax.tree.flatten(model.init(jr.key(0)))
    step = jax.jit(lambda flat: jax.tree.leaves(model.step(jax.tree.unflatten(tree, flat))))
    assert differing(jax.export.export(step)(flat).call(flat), step(flat)) == []


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_derivatives_pass_through_the_constants_of_a_step(backend):
    cells = n4.Population("cells", 5, lif(), {"exc": n4.AlphaCurrent(tau=2 * u.ms)})
    net = n4.Network(cells, n4.Clamp("drive", cells, 100 * u.pA))
    model = net.build(dt=DT, seed=0, backend=backend)
    start = model.init(jr.key(0))

    def mean_v(tau):
        changed = n4.set(model, lambda m: m.neurons["cells"].tau, tau * u.ms)
        return jnp.mean(n4.scan(changed, start, 200)[0]["cells", "v"])

    tau = jnp.float32(10)
    grad = jax.jit(jax.grad(mean_v))(tau)
    near = [float(mean_v(tau + h)) for h in (-0.1, 0.1)]
    assert float(grad) == pytest.approx((near[1] - near[0]) / 0.2, rel=1e-2)
    forward = jax.jit(jax.vmap(jax.jacfwd(mean_v)))(tau[None])
    assert float(forward[0]) == pytest.approx(float(grad), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one", *(pytest.param(name, marks=pytest.mark.full) for name in ("one, plain", "three"))])
def test_lanes_on_two_devices_are_the_bits_of_single_runs(name):
    script = Path(__file__).with_name("devices.py")
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    done = subprocess.run([sys.executable, str(script), name], capture_output=True, text=True, env=os.environ | flags)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    assert all(line.endswith(" same") for line in lines), done.stdout


@pytest.mark.slow
def test_counting_by_halving_is_a_search():
    from neuro4d.ops._bits import n_up_to

    draw = np.random.default_rng(0)
    for size in (1, 2, 3, 4, 7, 8, 9, 33, 100):
        ascending, x = np.sort(draw.integers(0, 50, size)).astype(np.int32), np.arange(-3, 60, dtype=np.int32)
        assert (n_up_to(jnp.asarray(ascending), jnp.asarray(x)) == np.searchsorted(ascending, x, side="right")).all()


def tiny(backend):
    cells = n4.Population("cells", 3, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)}, v0=n4.Normal(-52 * u.mV, 3 * u.mV))
    wires = n4.Projection("e", cells, cells, "exc", n4.AllToAll(), weight=900 * u.pA, delay=0.2 * u.ms)
    return n4.Network(cells, wires, n4.Poisson("noise", cells, "exc", rate=3000 * u.Hz, weight=500 * u.pA)).build(
        dt=DT, seed=0, backend=backend
    )


@pytest.mark.slow
@pytest.mark.parametrize(("many", "depth"), [(False, 7), (True, 8), *(pytest.param(*x, marks=pytest.mark.full) for x in ((False, 8), (True, 7)))])
def test_more_nested_vmaps_than_the_native_kernels_serve_are_a_loop(depth, many):
    """The innermost `vmap` varies the key, the outermost the weights."""
    model = tiny(n4.Backend.AUTO)
    shape = (2, *(1,) * (depth - 2), 2)
    keys = jr.split(jr.key(0), shape)
    gains = jnp.asarray([1.0, 2.0], jnp.float32)

    def run(gain, key):
        changed = n4.set(model, lambda m: m.pathways["cells->cells"].weight, gain * 900)
        state = changed.init(key)
        if many:
            return advance_many(changed, prepare(changed), state, jnp.int32(20), 20)[0]
        return n4.scan(changed, state, 20)[0]

    nested = run
    for _ in range(depth - 1):
        nested = jax.vmap(nested, (None, 0))
    out = jax.jit(jax.vmap(nested))(gains, keys)
    single = jax.jit(run)
    for i in range(2):
        for j in range(2):
            place = (i, *(0,) * (depth - 2), j)
            assert differing(lane(out, place), single(gains[i], keys[place])) == []
