"""A small network with all that a file has to hold: areas, delays, plasticity, two kinds of receptors, odd names."""

import brainunit as u
import numpy as np

import neuro4d as n4

WIRES = "e to e.x"


def network():
    cell = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=n4.Normal(-50 * u.mV, 1 * u.mV), v_reset=-60 * u.mV)
    brain = n4.Lattice((4, 4, 4, 2), areas={"V1": n4.Box(x=(0, 1)), "V2": n4.Box(x=(2, 3)), "nobody": n4.Box(x=(0, 0), y=(3, 3))})
    e = n4.Population("e", brain.all(), cell, {"exc": n4.ExpCurrent(tau=2 * u.ms), "inh": n4.ExpCurrent(tau=5 * u.ms)})
    i = n4.Population("i", 10, cell, {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    rule = n4.STDP(tau_plus=20 * u.ms, tau_minus=20 * u.ms, a_plus=0.1, a_minus=0.12, w_max=200 * u.pA)
    delay = n4.Uniform(1 * u.ms, 2 * u.ms)
    return n4.Network(
        e,
        i,
        n4.Projection(WIRES, e, e, "exc", n4.FixedProb(0.3), weight=n4.Uniform(50 * u.pA, 100 * u.pA), delay=delay, plasticity=rule),
        n4.Projection("e-i", e[10:90], i[2:], "exc", n4.FixedInDegree(20), weight=60 * u.pA, delay=1.5 * u.ms),
        n4.Projection("i-e", i, e, "inh", n4.FixedProb(0.5), weight=-100 * u.pA, delay=1 * u.ms),
        n4.Clamp("drive", e, 200 * u.pA),
    )


def built():
    return network().build(dt=0.1 * u.ms, seed=0)


def equal(a, b):
    """Whether two pairs of a model and a state (or `None`) hold the same numbers; rings have places that nobody reads, so their canonical forms are compared."""
    return same(n4.to_user(*a), n4.to_user(*b))


def same(a, b):
    """Whether two trees are equal to the bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    return np.asarray(a).dtype == np.asarray(b).dtype and np.array_equal(a, b)
