"""One network of a population for every neuron model and every receptor that the package exports, each on its own."""

import brainunit as u
from core import exported
from core.networks import lif

import neuro4d as n4


def populations(n=exported.N):
    """The name of each part and the population that has it: `n` neurons, with random input where they can hear any.

    `n` other than that of the examples stretches their arrays.
    """
    usual, exported.N = exported.N, n
    try:
        made = {name: _of_neuron(name) for name in exported.NEURONS} | {name: _of_receptor(name) for name in exported.RECEPTORS}
    finally:
        exported.N = usual
    return made


def _of_neuron(name):
    neuron = exported.NEURONS[name]()
    ports = {} if not neuron.accepts else {"in": n4.Delta() if neuron.accepts == {"jump"} else n4.ExpCurrent(tau=2 * u.ms)}
    return n4.Population(name, exported.N, neuron, ports)


def _of_receptor(name):
    return n4.Population(name, exported.N, lif(), {"in": exported.RECEPTORS[name]()}, v0=n4.Uniform(-60 * u.mV, -51 * u.mV))


def network(n=exported.N):
    """All of them; those that hear anything hear themselves."""
    cells = populations(n)
    weight = lambda p: exported.WEIGHTS.get(type(p.receptors["in"]).__name__, 150 * u.pA)  # noqa: E731
    hearing = [p for p in cells.values() if p.receptors]
    drive = [n4.Poisson(f"to_{p.name}", p, "in", rate=3000 * u.Hz, weight=weight(p)) for p in hearing]
    loops = [
        n4.Projection(f"e_{p.name}", p, p, "in", n4.FixedProb(min(0.4, 8 / n)), weight=weight(p), delay=0.3 * u.ms) for p in hearing
    ]
    return n4.Network(*cells.values(), *drive, *loops)
