"""Eligibility is the derivative itself where neurons do not hear each other, and needs no more memory for more steps."""

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.train._aims import aims
from neuro4d.train._eprop import forward
from neuro4d.train._loop import PLAIN
from neuro4d.train._parameters import read, write
from neuro4d.train._statistic import as_statistic
from neuro4d.train._surrogate_gradient import with_surrogate

BUMP = n4.Triangle(width=2 * u.mV)
KEY = jr.key(0)
PLACES = n4.train.places(
    {
        "threshold": lambda m: m.neurons["cells"].v_th,
        "rest": lambda m: m.neurons["cells"].v_rest,
        "drive": lambda m: m.sources["drive"].amplitude,
        "current": n4.Weights("current"),
        "conductance": n4.Weights("conductance"),
    }
)


TRACED = []
"""Grows whenever a program that holds the loss is made."""


def loss(model, key, loop=PLAIN):
    """Spikes and potentials, nonlinear in their sums."""
    TRACED.append(1)

    def seen(state, spikes):
        return jnp.mean(spikes["cells"]), jnp.mean(state["cells", "v"]) * 1e-3

    fired, v = loop.total(model, model.init(key), 150, seen, discard=50)
    return (fired - 3) ** 2 + v**2


@pytest.fixture(scope="module")
def fed():
    """Ten neurons that hear ten sources through currents, after 1 ms, and conductances without delay; not each other."""
    with jax.enable_x64(True):
        lif = n4.LIF(
            tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=np.linspace(-56, -54, 10) * u.mV, v_reset=-60 * u.mV, t_ref=1 * u.ms
        )
        receptors = {"cur": n4.ExpCurrent(tau=5 * u.ms), "exc": n4.ExpConductance(tau=3 * u.ms, e_rev=0 * u.mV)}
        source = n4.Population("source", 10, n4.PoissonNeuron(rate=300 * u.Hz))
        cells = n4.Population("cells", 10, lif, receptors)
        weights = n4.Normal(40 * u.pA, 5 * u.pA)
        net = n4.Network(
            source,
            cells,
            n4.Projection("current", source, cells, "cur", n4.FixedProb(0.5), weight=weights, delay=1 * u.ms),
            n4.Projection("conductance", source, cells, "exc", n4.FixedProb(0.5), weight=2 * u.nS, delay=0 * u.ms),
            n4.Clamp("drive", cells, 50 * u.pA),
        )
        yield net.build(dt=0.2 * u.ms, seed=0, precision=jnp.float64)


@pytest.fixture(scope="module")
def program(fed):
    """The loss and its derivative by reverse mode through all steps, of numbers at the places."""
    with jax.enable_x64(True):
        soft = with_surrogate(fed, BUMP)
        return jax.jit(lambda values, key: jax.value_and_grad(lambda v: loss(write(soft, PLACES, v), key))(values))


def eligible(model, trials=1):
    return n4.train.EProp(BUMP, trials=trials).estimate(model, PLACES, as_statistic(loss), KEY)


@pytest.mark.slow
def test_without_recurrence_it_is_the_derivative(fed, program):
    with jax.enable_x64(True):
        found = eligible(fed)
        value, truth = program(read(fed, PLACES), jr.split(KEY, 1)[0])
        assert float(value) == pytest.approx(found.value, rel=1e-12)
        assert found.gradient["threshold"].shape == (10,)
        assert found.gradient["conductance"].shape == (len(fed.edges("conductance")),)
        for name, slope in truth.items():
            assert np.abs(slope).max() > 1e-3  # there are spikes, so the bump is in it
            np.testing.assert_allclose(found.gradient[name], slope, rtol=1e-6, atol=1e-10)
        # Other numbers, and a gradient and a statistic written anew, meet the program that was compiled.
        made = len(TRACED)
        other = eligible(write(fed, {"drive": PLACES["drive"]}, {"drive": 60.0}))
        assert len(TRACED) == made and other.value != found.value


@pytest.mark.full
def test_below_threshold_it_is_the_difference_quotient(fed, program):
    with jax.enable_x64(True):
        quiet = write(fed, PLACES, read(fed, PLACES) | {"threshold": jnp.zeros(10)})
        found, values = eligible(quiet), read(quiet, PLACES)
        for name, entry in (("rest", ()), ("drive", ()), ("current", (3,)), ("conductance", (3,))):
            h = 1e-4 * float(np.abs(values[name][entry]))
            sides = [program(values | {name: values[name].at[entry].add(sign * h)}, jr.split(KEY, 1)[0])[0] for sign in (-1, 1)]
            difference = float(sides[1] - sides[0]) / (2 * h)
            assert float(found.gradient[name][entry]) == pytest.approx(difference, rel=1e-6)


@pytest.fixture(scope="module")
def small():
    """Twenty neurons that hear each other."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    cells = n4.Population("cells", 20, lif, {"exc": n4.ExpCurrent(tau=5 * u.ms)}, v0=n4.Uniform(-60 * u.mV, -50 * u.mV))
    synapses = n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.3), weight=30 * u.pA, delay=n4.Uniform(1 * u.ms, 3 * u.ms))
    return n4.Network(cells, synapses, n4.Clamp("drive", cells, 120 * u.pA)).build(dt=0.5 * u.ms, seed=0)


@pytest.mark.full
def test_memory_does_not_grow_with_time_and_the_slope_of_a_rate_is_steady(small):
    """With recurrence, over 10,000 steps: what would explode is cut."""
    where = n4.train.places({"threshold": lambda m: m.neurons["cells"].v_th, "e": n4.Weights("e")})
    room, slopes = [], []
    for steps in (1000, 10_000):
        rate = n4.train.Rate("cells", steps * 0.5 * u.ms)
        given = (small, BUMP, where, aims(small, where), read(small, where), rate, jr.split(KEY, 1), False)
        program = forward.lower(*given).compile()
        room.append(program.compiled.memory_analysis().temp_size_in_bytes)
        slopes.append(program(*given)[1])
    assert room[0] == room[1]
    for name in where:
        assert np.isfinite(slopes[1][name]).all()
        assert float(jnp.sum(slopes[1][name])) == pytest.approx(float(jnp.sum(slopes[0][name])), rel=0.3)


@pytest.mark.full
def test_ottt_is_eprop_where_all_targets_are_alike_and_silent(small):
    """Below threshold every target is the typical one; above, both point in one direction."""
    place = n4.train.places({"e": n4.Weights("e")})

    def seen(model, key, loop):
        return loop.total(model, model.init(key), 400, lambda s, k: jnp.mean(k["cells"]) + jnp.mean(s["cells", "v"]))

    statistic = as_statistic(seen)
    # Half of the neurons speak and the others listen: thresholds differ, the program does not.
    v_th = jnp.where(jnp.arange(20) < 10, -50.0, 0.0)
    model = write(small, {"th": lambda m: m.neurons["cells"].v_th}, {"th": v_th})
    both = [method(BUMP, trials=1).estimate(model, place, statistic, KEY).gradient["e"] for method in (n4.train.EProp, n4.train.OTTT)]
    silent = np.asarray(small.edges("e").post) >= 10
    assert np.abs(both[0][silent]).max() > 0.01
    np.testing.assert_allclose(both[1][silent], both[0][silent], rtol=1e-3)
    cosine = float(np.dot(*both) / (np.linalg.norm(both[0]) * np.linalg.norm(both[1])))
    assert cosine > 0.8


def test_what_has_no_eligibility_is_refused(small):
    rate = n4.train.Rate("cells", 50 * u.ms)
    with pytest.raises(ValueError, match=r"n4\.Weights\('e'\)"):
        n4.train.EProp().estimate(small, n4.train.places(lambda m: next(iter(m.pathways.values())).weight), rate, KEY)
    with pytest.raises(ValueError, match="third argument"):
        n4.train.EProp().estimate(small, n4.train.places(n4.Weights("e")), as_statistic(lambda model, key: 0.0), KEY)
    with pytest.raises(ValueError, match="OTTT knows the weights"):
        n4.train.OTTT().estimate(small, n4.train.places(lambda m: m.neurons["cells"].v_th), rate, KEY)
    with pytest.raises(ValueError, match="Sum over neurons"):
        many = as_statistic(lambda model, key, loop: loop.total(model, model.init(key), 5, lambda s, k: jnp.tile(k["cells"], 4)).sum())
        n4.train.EProp().estimate(small, n4.train.places(n4.Weights("e")), many, KEY)
    with pytest.raises(TypeError, match=r"n4\.SuperSpike"):
        n4.train.EProp(2.0)


def test_numbers_that_no_eligibility_reaches_are_refused_instead_of_0():
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    cells = n4.Population("cells", 3, lif, {"in": n4.ExpCurrent(tau=5 * u.ms)})
    delays = n4.TrainableDelays(2.5 * u.ms, low=1 * u.ms, high=20 * u.ms, spread=1 * u.ms)
    late = n4.Projection("late", cells, cells, "in", n4.AllToAll(), weight=5 * u.pA, delay=delays)
    plastic = n4.Projection("plastic", cells, cells, "in", n4.AllToAll(), weight=5 * u.pA, plasticity=n4.Free())
    gap = n4.GapJunctions("gap", cells[:1], cells[1:], n4.AllToAll(), conductance=1 * u.nS)
    model = n4.Network(cells, late, plastic, gap).build(dt=0.5 * u.ms, seed=0)
    for place, text in (
        (n4.train.Delays("late"), "what arrives, not when"),
        (n4.train.Spread("late"), "what arrives, not when"),
        (n4.Weights("late"), r"model\.freeze"),
        (n4.Weights("plastic"), "live in the state"),
        (lambda m: m.gaps["gap"].conductance, "gap junctions"),
    ):
        with pytest.raises(ValueError, match=text):
            n4.train.EProp().estimate(model, n4.train.places(place), n4.train.Rate("cells", 5 * u.ms), KEY)
