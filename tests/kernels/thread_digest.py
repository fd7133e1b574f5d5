"""A program: deliver a few large cases, run a network of several blocks, every part and the small networks, and print a digest.
Run under different processor affinities by the tests, and by hand with handlers of different compilers:

    NEURO4D_TEST_NATIVE=build-clang python tests/kernels/thread_digest.py
"""

import hashlib

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from delivery_cases import make

import neuro4d as n4
from neuro4d.kernels import deliver_native, native_available
from neuro4d.model import advance_many, prepare


def main():
    if not native_available():
        raise SystemExit("the CPU handlers are not built")
    call = jax.jit(deliver_native)
    digest = hashlib.sha256()
    for number in range(20):
        rng = np.random.default_rng(number)
        case = make(
            rng, n_source=500, n_blocks=2 + 3 * (number % 2), width=900, mean=300, rate=0.5, weights=np.float16 if number % 3 == 0 else np.float32
        )
        digest.update(np.asarray(call(*case)[0]).tobytes())
    batch = jax.jit(jax.vmap(deliver_native, in_axes=(0, *[None] * 7, 0)))
    steps = np.arange(6, dtype=np.uint32)
    digest.update(np.asarray(batch(steps, *case[1:8], np.stack([case.acc] * 6))[0]).tobytes())
    for leaf in jax.tree.leaves((network(), every(), *map(small, ("several", "jumps")))):
        digest.update(np.asarray(leaf).tobytes())
    print(digest.hexdigest())


def network():
    """State and spikes of 20,000 neurons after 100 steps: more than one block, whatever the number of processors."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)
    ports = {"exc": n4.ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV), "inh": n4.ExpConductance(tau=10 * u.ms, e_rev=-80 * u.mV)}
    cells = n4.Population("cells", 20000, lif, ports, v0=n4.Normal(-53 * u.mV, 5 * u.mV))
    delay = n4.Normal(1 * u.ms, 0.5 * u.ms, low=0.1 * u.ms)
    net = n4.Network(
        cells,
        n4.Projection("e", cells[:16000], cells, "exc", n4.FixedProb(0.002), weight=n4.Normal(10 * u.nS, 1 * u.nS), delay=delay),
        n4.Projection("i", cells[16000:], cells, "inh", n4.FixedProb(0.002), weight=100 * u.nS, delay=delay),
        n4.Poisson("input", cells, "exc", rate=2000 * u.Hz, weight=4 * u.nS),
    )
    model = net.build(dt=0.1 * u.ms, seed=0)
    run = jax.jit(lambda m, s: n4.scan(m, s, 100, lambda s, k: k.words["cells"]))
    state, words = run(model, model.init(jax.random.key(0)))
    if np.bitwise_count(np.asarray(words)).sum() < 1000:
        raise SystemExit("the network is silent")
    return state.neurons, state.receptors, state.history["cells"].count, words


def every():
    """State and spikes of populations of every neuron model and with every receptor."""
    import every_part

    model = every_part.network(700).build(dt=0.1 * u.ms, seed=1)
    run = jax.jit(lambda m, s: advance_many(m, prepare(m), s, jnp.int32(100), 100))
    state, words = run(model, model.init(jax.random.key(0)))
    return state.groups, words


def small(name):
    """State and spikes of a network of one or several groups."""
    import test_native_steps as networks

    model = getattr(networks, name)().build(dt=0.1 * u.ms, seed=1)
    run = jax.jit(lambda m, s: advance_many(m, prepare(m), s, jnp.int32(200), 200))
    state, words = run(model, model.init(jax.random.key(0)))
    return state.groups, words


if __name__ == "__main__":
    from conftest import use_other_build

    use_other_build()
    main()
