"""Who lives at the beginning, and what populations and life cycles refuse."""

import brainunit as u
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.train._backward import Backward
from neuro4d.train._eligibility import Follow

LIF = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)
BRAIN = n4.Lattice((5, 5, 3, 2), spacing=50 * u.um, wrap=(True, False, False, False))


def test_who_lives_at_the_beginning():
    mask = np.arange(7) % 3 == 0
    makes = {"first": 3, "named": mask, "half": 0.5, "all": 1.0}
    cells = [n4.Population(name, 7, n4.Relay(), {"in": n4.Delta()}, alive=alive) for name, alive in makes.items()]
    placed = n4.Population("placed", BRAIN.all(), n4.Relay(), {"in": n4.Delta()}, alive=0.3)
    model = n4.Network(*cells, placed).build(dt=0.1 * u.ms, seed=0)
    states = [model.init(jr.key(k)) for k in range(3)]
    for state in states:
        alive = {name: np.asarray(x) for name, x in state.alive.items()}
        np.testing.assert_array_equal(alive["first"], np.arange(7) < 3)
        np.testing.assert_array_equal(alive["named"], mask)
        assert alive["half"].sum() == 4 and alive["all"].all() and alive["placed"].sum() == 45
    assert len({np.asarray(state.alive["placed"]).tobytes() for state in states}) == 3


@pytest.mark.parametrize(
    "arguments, kind, text",
    [
        ({"alive": 1.5}, ValueError, "share above 0 and at most 1, for example `alive=0.5`"),
        ({"alive": 11}, ValueError, "alive is at most its size, 10; got 11"),
        ({"alive": [1, 0]}, TypeError, "one boolean per neuron"),
        ({"alive": [True, False]}, ValueError, "one boolean for each of 10 neurons; got 2"),
        ({"alive": "some"}, TypeError, "alive is a whole number"),
        ({"lifecycle": 3}, TypeError, r"lifecycle is `n4.Lifecycle\(every=100\*u.ms"),
    ],
)
def test_populations_refuse(arguments, kind, text):
    with pytest.raises(kind, match=text):
        n4.Population("cells", 10, LIF, **arguments)


@pytest.mark.parametrize(
    "arguments, kind, text",
    [
        ({"every": 100}, n4.UnitError, "Lifecycle.every"),
        ({"every": 0 * u.ms}, ValueError, "more than 0"),
        ({"death_below": 1.5}, ValueError, "at most 1"),
        ({"max_age": [1, 2] * u.second}, TypeError, "max_age is one number for the population"),
        ({"division_rate": n4.Uniform(0 * u.Hz, 1 * u.Hz)}, TypeError, "division_rate is one number for the population"),
        ({"reproduction": 1}, TypeError, "reproduction is True or False"),
        ({"radius": 50 * u.um}, ValueError, r"radius is about neurons that divide.*division_rate=0.1\*u.Hz"),
        ({"mutation_params": -1}, ValueError, "at least 0"),
        ({"lifespan": 3}, TypeError, "no argument 'lifespan'"),
    ],
)
def test_life_cycles_refuse(arguments, kind, text):
    with pytest.raises(kind, match=text):
        n4.Lifecycle(**arguments)


@pytest.mark.parametrize(
    "size, neuron, arguments, text",
    [
        (10, LIF, {"every": 0.15 * u.ms}, "must be a multiple of dt"),
        (10, LIF, {"division_rate": 1 * u.Hz, "radius": 60 * u.um}, "radius needs a lattice"),
        (BRAIN.all(), LIF, {"division_rate": 1 * u.Hz, "radius": 20 * u.um}, "the next one, which is 50 um away; got radius 20 um"),
        (10, LIF, {"age": n4.Uniform(-1 * u.ms, 1 * u.ms)}, "age is 0 or more"),
        (10, LIF, {"age": [1, 2] * u.ms}, "one for each of 10 neurons"),
        (10, n4.GammaNeuron(rate=20 * u.Hz, shape=2), {}, "GammaNeuron are not valid any more.*mutation_params=0"),
    ],
)
def test_builds_refuse(size, neuron, arguments, text):
    cells = n4.Population("cells", size, neuron, lifecycle=n4.Lifecycle(**arguments))
    with pytest.raises(ValueError, match=text):
        n4.Network(cells).build(dt=0.1 * u.ms, seed=0)


def test_gradients_that_do_not_follow_births_are_refused():
    cells = n4.Population("cells", 3, LIF, lifecycle=n4.Lifecycle())
    model = n4.Network(cells).build(dt=0.1 * u.ms, seed=0, surrogate=n4.SuperSpike())
    for begin in (lambda: Backward().total(model, None, 10, None), lambda: Follow(model, model, {}, {}, {}, None)):
        with pytest.raises(ValueError, match=r"does not follow neurons that are born.*n4\.train\.Differences"):
            begin()


MV = u.mV
LEVELS = {"v_rest": -65 * MV, "v_reset": -70 * MV, "v_t": -50 * MV}
NEURONS = {
    n4.LIF: {"tau": 20 * u.ms, "c": 200 * u.pF, "v_rest": -60 * MV, "v_th": -50 * MV, "v_reset": -60 * MV},
    n4.EIF: {"c": 200 * u.pF, "g_l": 10 * u.nS, "delta_t": 2 * MV, **LEVELS},
    n4.AdEx: {"c": 200 * u.pF, "g_l": 10 * u.nS, "delta_t": 2 * MV, "a": 2 * u.nS, "b": 60 * u.pA, "tau_w": 100 * u.ms, **LEVELS},
    n4.QIF: {"c": 200 * u.pF, "g_l": 10 * u.nS, **LEVELS},
    n4.GLIF: {"level": 1},
    n4.HodgkinHuxley: {},
    n4.Izhikevich: {"a": 0.02 / u.ms, "b": 0.2 / u.ms, "c": -65 * MV, "d": 8 * MV / u.ms},
    n4.PLIF: {},
    n4.TraubMiles: {},
}


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda neuron: neuron.__name__)
def test_neurons_name_the_order_that_they_check(neuron):
    """What `ordered` says is what the constructor refuses to see the other way round."""
    part = neuron(**NEURONS[neuron])
    assert neuron.ordered
    for high, low in neuron.ordered:
        with pytest.raises(ValueError, match=f"{high} must lie above {low}"):
            neuron(**{**NEURONS[neuron], low: (float(getattr(part, high)) + 1) * MV})
