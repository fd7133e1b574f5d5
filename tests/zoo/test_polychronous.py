"""Izhikevich's network of 2006: spike for spike its program, written down once more in `spnet.py`, and what becomes of it."""

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from zoo import spnet

import neuro4d as n4
from neuro4d.model import locate
from neuro4d.stimuli import Now


def told(precision):
    """The network with the input given from outside, built in double precision or as usual."""
    network = n4.zoo.polychronous()
    (cells,) = network.populations
    parts = [cells, *network.projections, n4.Input("thalamus", cells)]
    with jax.enable_x64(precision == jnp.float64):
        return n4.Network(*parts).build(dt=1 * u.ms, seed=0, precision=precision, backend=n4.Backend.REFERENCE)


def wires(model):
    found = [model.edges(name) for name in ("e", "i")]
    both = lambda pick: np.concatenate([np.asarray(pick(each)) for each in found])  # noqa: E731
    weight = np.repeat([6.0, -5.0], [80_000, 20_000])
    return spnet.Wires(both(lambda x: x.pre), both(lambda x: x.post), np.rint(both(lambda x: x.delay.to_decimal(u.ms))).astype(int), weight)


def compared(seconds):
    """Spikes, weights and slopes of the model and of the program in double precision."""
    steps = round(1000 * seconds)
    model = told(jnp.float64)
    (path,) = model.plasticity
    chosen = np.random.default_rng(0).integers(0, 1000, steps)
    series = np.zeros((steps, 1000))
    series[np.arange(steps), chosen] = 20
    with jax.enable_x64(True):
        go = jax.jit(lambda m, s, x: n4.scan(m, s, steps, lambda _, spikes: spikes["cells"], {"thalamus": x}))
        state, fired = go(model, model.init(jr.key(0)), jnp.asarray(series))
    held, place = state.edges[path], locate(model, "e").place
    ours = np.asarray(fired), np.asarray(held.weight)[place], 10 * np.asarray(held.variables["slope"])[place]
    return ours, spnet.run(wires(model), chosen)


@pytest.mark.parametrize("seconds", [1.05, pytest.param(4, marks=pytest.mark.full)])
def test_spikes_and_weights_are_those_of_the_program(seconds):
    """Every spike, and weights and slopes to 1e-9, over the first movements of all weights."""
    (fired, weight, slope), expected = compared(seconds)
    np.testing.assert_array_equal(fired, expected.fired)
    assert fired.sum() > 4000 * seconds
    np.testing.assert_allclose(weight, expected.weights[-1][:80_000], rtol=0, atol=1e-9)
    np.testing.assert_allclose(slope, expected.slope[:80_000], rtol=0, atol=1e-9)
    assert np.ptp(weight) > 0.5 and len(np.unique(np.round(weight, 6))) > 1000


def test_synapses_are_drawn_as_published():
    model = n4.zoo.polychronous(seed=3).build(dt=1 * u.ms, seed=0)
    e, i = model.edges("e"), model.edges("i")
    for edges, n in ((e, 800), (i, 200)):
        pre, post = np.asarray(edges.pre), np.asarray(edges.post)
        assert (pre != post).all() and len(set(zip(pre.tolist(), post.tolist()))) == len(pre) == 100 * n
        assert (np.bincount(pre)[-n:] == 100).all()
    assert np.asarray(i.post).max() < 800 and np.asarray(i.pre).min() == 800
    delay = np.rint(e.delay.to_decimal(u.ms)).astype(int)
    each = np.zeros((800, 21), int)
    np.add.at(each, (np.asarray(e.pre), delay), 1)
    assert (each[:, 1:] == 5).all() and (i.delay.to_decimal(u.ms) == 1).all()
    # Delays and targets are independent: 16,000 synapses onto inhibitory cells, whose mean delay differs by 0.046 ms (sd) from 10.5; five of them.
    assert delay[np.asarray(e.post) >= 800].mean() == pytest.approx(10.5, abs=0.23)


def test_one_neuron_is_driven_in_each_step():
    """16,000 draws over 1,000 neurons: chi square of 999 degrees of freedom exceeds 1,200 once in 10^5 times."""
    network = n4.zoo.polychronous()
    model = network.build(dt=1 * u.ms, seed=0)
    (source,) = model.sources.values()
    steps = jnp.arange(16_000, dtype=jnp.uint32)
    current = jax.jit(jax.vmap(lambda k: source.emit(Now(k, k * jnp.uint32(2654435761), k ^ jnp.uint32(77), None)).i))(steps)
    assert ((current == 0).sum(1) == 999).all() and (current.max(1) == 20).all()
    counts = np.bincount(np.asarray(current).argmax(1), minlength=1000)
    assert ((counts - 16) ** 2 / 16).sum() < 1200


@pytest.mark.full
def test_two_humps_and_faster_rhythms():
    """Six seeds outside of neuro4d: 4.24 to 4.39 Hz in the second 50 s; after 100 s 19 to 20 % of the weights are weak, 51 to 52 % strong; gamma grows 2.6 to 3.5 times, the slow rhythm falls to 0.45 to 0.63 of its power."""
    model = n4.zoo.polychronous().build(dt=1 * u.ms, seed=0)
    state, found = model.init(jr.key(0)), []
    for _ in range(2):
        run = n4.simulate(model, state, 50 * u.second, n4.Counts("cells", every=1 * u.ms), progress=False)
        state, counts = run.state, np.asarray(run.counts_over_time("cells").values)
        seconds = counts.sum(1).reshape(-1, 1000)
        power = (np.abs(np.fft.rfft((seconds - seconds.mean(1, keepdims=True)) * np.hanning(1000), axis=1)) ** 2).mean(0)
        found.append((counts[:, :800].sum() / 800 / 50, power[2:8].mean(), power[30:71].mean()))
    (_, slow, gamma), (rate, slow_later, gamma_later) = found
    weight = model.weights("e", state).to_decimal(u.pA)
    assert 4.0 < rate < 4.6 and gamma_later > 2 * gamma and slow_later < 0.8 * slow
    assert (weight < 1).mean() == pytest.approx(0.195, abs=0.03) and (weight > 9).mean() == pytest.approx(0.515, abs=0.03)
    assert ((weight > 3) & (weight < 7)).mean() < 0.18
