"""Delays so many that most pairs of source and delay have no synapses: what is noted of them, and that it changes no result."""

import brainunit as u
import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.network._sort import words_for_some


def a_network(n, longest, backend=n4.Backend.AUTO):
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    cells = n4.Population("p", n, lif, {"e": n4.ExpCurrent(tau=5 * u.ms)}, v0=n4.Normal(-55 * u.mV, 5 * u.mV))
    delay = n4.Uniform(0.1 * u.ms, longest)
    e = n4.Projection("e", cells, cells, "e", n4.FixedProb(0.1), weight=n4.Normal(5 * u.pA, 1 * u.pA), delay=delay)
    return n4.Network(cells, n4.Clamp("c", cells, 150 * u.pA), e).build(dt=0.1 * u.ms, seed=0, backend=backend)


@pytest.mark.parametrize("backend", [n4.Backend.AUTO, n4.Backend.REFERENCE, n4.Backend.kernels(cores=2)])
def test_a_bit_says_whether_a_source_may_have_synapses_of_a_delay(backend):
    path = next(iter(a_network(300, 100 * u.ms, backend).pathways.values()))
    has = np.diff(np.asarray(path.bounds[:, :: path.n_blocks]).astype(np.int64)) > 0
    n_bits = 32 * path.some.shape[1]
    bits = np.unpackbits(np.asarray(path.some).view(np.uint8), axis=1, bitorder="little").astype(bool)
    expected = np.zeros((len(path.delays), n_bits), bool)
    for source, row in enumerate(has):
        expected[:, source % n_bits] |= row
    assert np.array_equal(bits, expected) and 0 < bits.mean() < 0.25


def test_results_are_the_same_bits_without_it():
    model = a_network(300, 100 * u.ms)
    (name,) = model.pathways
    plain = eqx.tree_at(lambda m: m.pathways[name].some, model, None)
    runs = [n4.simulate(m, m.init(jr.key(0)), 300 * u.ms) for m in (model, plain)]
    assert len(runs[0].spikes("p")) > 1000
    for a, b in zip(*(jax.tree.leaves(run.state) for run in runs), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_only_what_saves_look_ups_is_noted():
    assert words_for_some(1000, 10_000, 100_000) == 8  # 160 bits or more for 10 sources of a delay
    assert words_for_some(1000, 10_000, 1_000_000) == 32  # a bit for each source
    assert words_for_some(1000, 10_000, 3_000_000) == 0  # most pairs have synapses, or nearly
    assert words_for_some(1000, 20, 1000) == 0  # a small table
    assert words_for_some(100_000, 10, 10) == 1
    assert next(iter(a_network(300, 3 * u.ms).pathways.values())).some is None
