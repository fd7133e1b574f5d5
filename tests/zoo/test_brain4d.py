"""The full configuration of 4D-Neural-Cognition, unchanged: seven senses, all rules, neuromodulators and the life cycle in one brain that grows."""

import importlib.util
from pathlib import Path

import brainunit as u
import jax.random as jr
import numpy as np
import pytest
from layer_rules import ROOT

import neuro4d as n4

FILE = Path(n4.zoo.__file__).parent / "data" / "brain4d.json"
STEPS = 200


@pytest.mark.slow
def test_the_full_configuration_lives():
    """All blocks run: areas fire, synapses learn within their bounds, dopamine is where it was released, the old die, children are born, and there are more than before."""
    network = n4.zoo.brain4d(density=0.02, probability=0.05)
    model = network.build(dt=1 * u.ms, seed=0)
    start = model.init(jr.key(0))
    release = n4.io.release(n4.io.read_config(FILE), "dopamine", np.full(STEPS, 0.01))
    inputs = n4.zoo.brain4d_world(network, 0, STEPS) | release
    run = n4.simulate(model, start, STEPS * u.ms, n4.Counts(), inputs=inputs, chunk=STEPS, progress=False)
    assert len(model.populations) == len(run.state.life) == len(n4.senses.senses_of(network)) == 7
    fired = {area: int(np.asarray(run.counts(area)).sum()) for area in model.populations}
    assert sum(fired.values()) > 100 and all(fired[area] for area in fired if area != "Vestibular_like")
    living = [{area: int(np.asarray(each).sum()) for area, each in state.alive.items()} for state in (start, run.state)]
    births, deaths = (sum(int(getattr(life, name)) for life in run.state.life.values()) for name in ("births", "deaths"))
    assert births > deaths > 0 and sum(living[1].values()) - sum(living[0].values()) == births - deaths
    held = 0.5 + 0.01 / -np.expm1(-0.1)
    old = np.asarray(run.state.life["V1_like"].born) < 0
    np.testing.assert_allclose(np.asarray(run.state["V1_like", "dopamine.level"])[old], held, rtol=1e-4)
    for name, edges in run.state.edges.items():
        lasting = model.plasticity[name].lasting()
        before, after = (np.asarray(each.variables[lasting]) for each in (start.edges[name], edges))
        assert (np.abs(after) <= 1).all() and (after != before)[before != 0].mean() > 0.9


def test_some_senses_only():
    network = n4.zoo.brain4d(senses=("smell", "digital"))
    assert list(n4.senses.senses_of(network)) == ["smell", "digital"]
    assert [population.name for population in network.populations] == ["Olfactory_like", "Digital_sensor"]
    with pytest.raises(KeyError, match="Did you mean 'vision'"):
        n4.zoo.brain4d(senses=("visio",))
    with pytest.raises(ValueError, match="one name or more"):
        n4.zoo.brain4d(senses="vision")


def test_the_world_fits_together():
    """What is sensed depends on the step alone: a piece is part of a longer one, and every sense has something to sense in a second."""
    network = n4.zoo.brain4d()
    whole = n4.zoo.brain4d_world(network, 0, 200)
    part = n4.zoo.brain4d_world(network, 100, 50)
    for name, series in whole.items():
        np.testing.assert_array_equal(series[100:150], part[name])
        assert series.shape[0] == 200 and np.isfinite(series).all() and (series[:, :, :, 0] > 15).any() and not series[:, :, :, 1:].any()
    with pytest.raises(ValueError, match="a multiple of 50"):
        n4.zoo.brain4d_world(network, 10, 50)


@pytest.mark.full
def test_a_minute(tmp_path):
    """A minute of biological time, as `benchmarks/brain4d.py` runs it: the brain grows from half of its places to nine tenths of them at least, and fires at some Hz throughout."""
    spec = importlib.util.spec_from_file_location("brain4d", ROOT / "benchmarks/brain4d.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    run, numbers = script.live(60, 0.05, say=False)
    total = [sum(each.values()) for each in numbers]
    assert total[0] < 0.6 * run.model.n_neurons and total[-1] > 0.9 * run.model.n_neurons
    assert all(int(np.asarray(life.generation).max()) >= 5 for life in run.state.life.values())
    rates = [rate.to_decimal(u.Hz) for rate in run.rate().values()]
    assert all(1 < rate < 60 for rate in rates)
