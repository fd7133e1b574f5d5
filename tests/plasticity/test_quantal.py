"""Release by chance: its distribution, its mean over many synapses, and its bounds."""

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import binom

import neuro4d as n4
from neuro4d.plasticity._quantal import binomial

SITES, N = 4, 4000
TRAIN = np.array([5.0, 25.0, 35.0, 40.0, 90.0])
SAME = {"use": 0.4, "tau_rec": 60 * u.ms, "tau_fac": 40 * u.ms}


def test_binomial_numbers_are_the_inverse_of_the_cumulative_distribution():
    chance = np.linspace(0.001, 0.999, 333)
    for tries in (0, 1, 3, 4):
        for p in (0.0, 1e-4, 0.3, 0.97, 1.0):
            found = np.asarray(binomial(jnp.asarray(chance, jnp.float32), jnp.full(333, float(tries)), jnp.float32(p), SITES))
            np.testing.assert_array_equal(found, np.maximum(binom.ppf(chance, tries, p), 0), err_msg=f"{tries} {p}")


@pytest.fixture(scope="module")
def releases():
    """What the spikes of one train release at many synapses, `(spikes, synapses)`, and the variables after the run."""
    source = n4.Population("source", 1, n4.Relay(), {"in": n4.Delta()})
    cells = n4.Population("cells", N, n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=0 * u.mV, v_th=50 * u.mV, v_reset=0 * u.mV), {"in": n4.PulseCurrent()})
    spikes = n4.SpikeTimes("spikes", source, "in", times=TRAIN * u.ms, ids=np.zeros(len(TRAIN), int), weight=1 * u.mV)
    edges = n4.Projection("e", source, cells, "in", n4.AllToAll(), weight=8 * u.pA, delay=1 * u.ms, plasticity=n4.QuantalRelease(sites=SITES, **SAME))
    model = n4.Network(source, cells, spikes, edges).build(dt=0.5 * u.ms, seed=0)
    record = n4.Record(lambda state, spikes: state["cells", "in.i"])
    runs = [n4.simulate(model, jr.key(7), 100 * u.ms, record, progress=False, chunk=chunk) for chunk in (200, 33)]
    found = [np.asarray(run.records["record"].values) for run in runs]
    np.testing.assert_array_equal(*found)
    for ours, theirs in zip(jax.tree.leaves(runs[0].state.edges), jax.tree.leaves(runs[1].state.edges), strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))  # draws do not depend on how a run is cut
    steps = np.flatnonzero(found[0].any(axis=1))
    assert len(steps) == len(TRAIN)
    return found[0][steps], next(iter(runs[0].state.edges.values())).variables


def test_spikes_release_whole_sites(releases):
    released, held = releases
    quanta = released / 8 * SITES
    np.testing.assert_allclose(quanta, np.rint(quanta), atol=1e-5)
    assert quanta.min() == 0 and quanta.max() == SITES
    ready = np.asarray(held["ready"])
    assert ((ready >= 0) & (ready <= SITES) & (ready == np.rint(ready))).all()


def test_the_mean_is_that_of_resources_without_chance(releases):
    """Five means of 4,000 synapses, within five standard errors: a false alarm once in 300,000 runs."""
    x, used, last = 1.0, 0.0, 0.0
    for time, released in zip(TRAIN, releases[0], strict=True):
        x, used = 1 - (1 - x) * np.exp(-(time - last) / 60), used * np.exp(-(time - last) / 40)
        used += 0.4 * (1 - used)
        assert released.mean() == pytest.approx(8 * used * x, abs=5 * released.std() / np.sqrt(N))
        assert released.std() > 1
        x, last = x - used * x, time


def test_the_first_spike_is_binomial(releases):
    """Chi squared with 4 degrees of freedom, below its quantile of 1 - 1e-6."""
    counts = np.bincount(np.rint(releases[0][0] / 8 * SITES).astype(int), minlength=SITES + 1)
    expected = N * binom.pmf(np.arange(SITES + 1), SITES, 0.4)
    assert ((counts - expected) ** 2 / expected).sum() < 33.4


@pytest.mark.parametrize(
    ("bad", "match"), [({"sites": 0}, "sites"), ({"sites": 65}, "64"), ({"use": 1.5}, "probability"), ({"tau_rec": 0 * u.ms}, "tau_rec"), ({"tau_fac": -1 * u.ms}, "tau_fac")]
)
def test_mistakes(bad, match):
    with pytest.raises(ValueError, match=match):
        n4.QuantalRelease(**{"sites": 4, "use": 0.5, "tau_rec": 800 * u.ms} | bad)
