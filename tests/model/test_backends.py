"""Backends and storage: the same spikes from native delivery and plain XLA, weights in the state, narrow weights, export."""

import subprocess
import sys

import brainunit as u
import equinox as eqx
import jax
import jax.export
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.kernels import native_available

needs_native = pytest.mark.skipif(not native_available(), reason="the native kernels are not built here")
BACKENDS = (n4.Backend.AUTO, n4.Backend.REFERENCE)


def spikes(model, duration=100 * u.ms, state=None):
    run = n4.simulate(model, model.init(jr.key(0)) if state is None else state, duration)
    words = run.records["spikes"].words
    return np.concatenate([words[group] for group in sorted(words)], axis=1)


def network(name):
    return n4.zoo.microcircuit(0.05) if name == "microcircuit" else n4.zoo.get(name).network()


@needs_native
@pytest.mark.parametrize("name", ["cuba", "coba", "brunel", "microcircuit"])
def test_native_delivery_gives_the_spikes_of_plain_xla_bit_for_bit(name):
    # In double precision the neurons are stepped by XLA in both models, so that only delivery differs.
    net = n4.zoo.microcircuit(0.1) if name == "microcircuit" else network(name)
    with jax.enable_x64(True):
        built = [net.build(dt=0.1 * u.ms, seed=0, precision=jnp.float64, backend=backend) for backend in BACKENDS]
        first, second = (spikes(model) for model in built)
    assert first.any()
    assert np.array_equal(first, second)


# Relative standard deviation of the number of spikes in 300 ms over 20 keys: 0.028 and 0.049.
@needs_native
@pytest.mark.parametrize(("name", "spread"), [("cuba", 0.028), pytest.param("microcircuit", 0.049, marks=pytest.mark.full)])
def test_the_native_pass_and_plain_xla_agree_within_the_spread_of_seeds(name, spread):
    counts = [
        int(np.bitwise_count(spikes(network(name).build(dt=0.1 * u.ms, seed=0, backend=b), 300 * u.ms)).sum()) for b in BACKENDS
    ]
    # Rounding parts the trajectories, so the two counts differ like those of two keys: four standard deviations of a difference.
    assert counts[0] == pytest.approx(counts[1], rel=4 * 2**0.5 * spread)


@needs_native
def test_the_native_pass_and_plain_xla_agree_in_irregularity():
    # CUBA, one second, over 20 keys: mean CV 0.516, standard deviation 0.0091. Four standard deviations of a difference.
    runs = []
    for backend in BACKENDS:
        model = network("cuba").build(dt=0.1 * u.ms, seed=0, backend=backend)
        runs.append(n4.simulate(model, model.init(jr.key(0)), 1 * u.second))
    assert runs[0].cv("cells") == pytest.approx(runs[1].cv("cells"), abs=4 * 2**0.5 * 0.0091)


@pytest.mark.full
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and fixes the number of cores")
def test_a_build_needs_little_more_memory_than_what_it_leaves():
    """`pytest -m full tests/model/test_backends.py`. 170 million synapses on at most two cores; what is needed on the way, some 130 MB, does not grow with the network."""
    code = """
import os, re, brainunit as u, jax, neuro4d as n4
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
peak = lambda: 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
n4.zoo.microcircuit(scale=0.05).build(dt=0.1 * u.ms, seed=0)
before = peak()
model = n4.zoo.microcircuit(scale=0.75).build(dt=0.1 * u.ms, seed=0)
after = peak()
print((after - before) / sum(leaf.nbytes for leaf in jax.tree.leaves(model) if isinstance(leaf, jax.Array)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 1.3


@pytest.mark.parametrize("name", ["cuba", "microcircuit"])
def test_twenty_runs_give_the_same_bits(name):
    model = network(name).build(dt=0.1 * u.ms, seed=0)
    runs = {spikes(model, 20 * u.ms).tobytes() for _ in range(20)}
    assert len(runs) == 1


def recurrent(plasticity=None, **options):
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=5 * u.ms)
    cells = n4.Population("cells", 400, lif, {"exc": n4.ExpCurrent(tau=5 * u.ms)}, v0=n4.Normal(-55 * u.mV, 5 * u.mV))
    loop = n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.1), weight=20 * u.pA, delay=1 * u.ms, plasticity=plasticity)
    return n4.Network(cells, loop, n4.Clamp("drive", cells, 220 * u.pA)).build(dt=0.1 * u.ms, seed=0, **options)


def test_weights_in_the_state_give_the_spikes_of_static_ones():
    static, plastic = recurrent(), recurrent(n4.Free())
    assert not static.init(jr.key(0)).edges
    state = plastic.init(jr.key(0))
    ((name, held),) = state.edges.items()
    assert held.weight.shape == plastic.pathways[name].targets.shape
    assert np.array_equal(spikes(static), spikes(plastic, state=state))


def test_weights_of_the_state_are_those_that_act():
    model = recurrent(n4.Free())
    state = model.init(jr.key(0))
    silenced = eqx.tree_at(lambda s: s.edges[next(iter(s.edges))].weight, state, replace_fn=jnp.zeros_like)
    alone = spikes(recurrent(), state=n4.set(recurrent(), lambda m: m.pathways["cells->cells"].weight, 0.0).init(jr.key(0)))
    cut = n4.set(recurrent(), lambda m: m.pathways["cells->cells"].weight, 0.0)
    assert not np.array_equal(spikes(model, state=silenced), alone)
    assert np.array_equal(spikes(model, state=silenced), spikes(cut))


@pytest.mark.parametrize("storage", [jnp.float16, jnp.bfloat16])
def test_narrow_weights_are_stored_narrow_and_act_as_their_rounded_values(storage):
    model = n4.zoo.microcircuit(0.02).build(dt=0.1 * u.ms, seed=0, store_weights=storage)
    (path,) = model.pathways.values()
    assert path.weight.dtype == storage
    assert model.storage()[0]["weight_type"] == np.dtype(storage).name
    wide = eqx.tree_at(lambda m: m.pathways[next(iter(m.pathways))].weight, model, path.weight.astype(jnp.float32))
    assert np.array_equal(spikes(model), spikes(wide))


class Deaf(n4.LIF):
    """A neuron with a step of its own: it never fires."""

    def step(self, constants, state, drive):
        after, fired = super().step(constants, state, drive)
        return after, fired._replace(spikes=fired.spikes & False)


def test_a_subclass_keeps_its_own_step():
    lif = Deaf(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    cells = n4.Population("cells", 3, lif)
    model = n4.Network(cells, n4.Clamp("drive", cells, 300 * u.pA)).build(dt=0.1 * u.ms, seed=0)
    assert not spikes(model).any()


def test_storage_says_what_was_chosen():
    (row,) = recurrent().storage()
    assert row["id_bits"] == 16
    assert row["weight_per"] == "pathway"
    assert row["synapses"] == recurrent().n_synapses


@pytest.mark.parametrize("platform", ["tpu", "cuda", "rocm"])
def test_a_run_can_be_lowered_for_other_platforms(platform):
    model = recurrent()
    exported = jax.export.export(jax.jit(lambda m, s: n4.scan(m, s, 5)[0]), platforms=[platform])(model, model.init(jr.key(0)))
    assert exported.platforms == (platform,)
    assert "n4_" not in exported.mlir_module()


def test_the_reference_backend_is_lowered_for_cpus_without_custom_calls():
    model = recurrent(backend=n4.Backend.REFERENCE)
    exported = jax.export.export(jax.jit(lambda m, s: n4.scan(m, s, 5)[0]), platforms=["cpu"])(model, model.init(jr.key(0)))
    assert "n4_" not in exported.mlir_module()
