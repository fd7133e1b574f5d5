"""Small networks that several tests share: a fixed set of sizes, so that few programs are compiled."""

import brainunit as u
import jax
import jax.random as jr
import numpy as np

import neuro4d as n4

DT = 0.1 * u.ms
KEY = jr.key(0)


def lif(**changes):
    """A neuron whose membrane constants are easy to compute with."""
    values = {"tau": 10 * u.ms, "c": 250 * u.pF, "v_rest": -65 * u.mV, "v_th": -50 * u.mV, "v_reset": -60 * u.mV, "t_ref": 2 * u.ms}
    return n4.LIF(**values | changes)


def ring(n: int = 33, seed: int = 0, *, weight=350 * u.pA, drive=300 * u.pA, backend=n4.Backend.AUTO, **build):
    """Irregular activity in a few cells: random edges with random delays and Poisson input."""
    cells = n4.Population("cells", n, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)}, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    net = n4.Network(
        cells,
        n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.2), weight=weight, delay=n4.Uniform(0.2 * u.ms, 3 * u.ms)),
        n4.Clamp("drive", cells, drive),
        n4.Poisson("noise", cells, "exc", rate=900 * u.Hz, weight=120 * u.pA),
    )
    return net.build(dt=DT, seed=seed, backend=backend, **build)


def words(run) -> dict[str, np.ndarray]:
    """The spikes of a run, bit by bit."""
    return run.records["spikes"].words


def same(a, b) -> bool:
    """Whether two pytrees are equal bit by bit."""
    left, right = jax.tree.leaves(a), jax.tree.leaves(b)
    if jax.tree.structure(a) != jax.tree.structure(b):
        return False
    return all(x.dtype == y.dtype and np.asarray(x).tobytes() == np.asarray(y).tobytes() for x, y in zip(left, right, strict=True))


def same_spikes(a, b) -> bool:
    """Whether two runs have the same spikes in the same rows."""
    return words(a).keys() == words(b).keys() and all((words(a)[group] == words(b)[group]).all() for group in words(a))
