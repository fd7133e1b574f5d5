"""Conductance-based neurons and the generalised integrate-and-fire neurons against NEST, one neuron at a time, in double precision.

Arrivals and currents are the same; NEST integrates the first two with an adaptive Runge-Kutta scheme.
"""

import brainunit as u
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from oracle.nest_side import fresh_kernel

import neuro4d as n4

pytestmark = [pytest.mark.oracle, pytest.mark.usefixtures("x64")]


def arrivals(seed, rate, duration, grid=0.1):
    """Steps of `grid` ms at which something arrives, at `rate` per ms."""
    return np.flatnonzero(np.random.default_rng(seed).random(round(duration / grid)) < rate * grid)[2:] * grid


def nest_run(model, params, dt, duration, trains=(), current=0.0, resting=(), record=("V_m",)):
    """Spike times, and recorded variables at every step. `trains`: (times, weight, receptor or None); `current` flows from 1 ms on."""
    nest = fresh_kernel(dt)
    cell = nest.Create(model, params=params)
    for times, weight, receptor in trains:
        source = nest.Create("spike_generator", params={"spike_times": np.round(times - dt, 6)})
        synapse = {"weight": weight, "delay": dt} | ({} if receptor is None else {"receptor_type": receptor})
        nest.Connect(source, cell, syn_spec=synapse)
    if current:
        source = nest.Create("step_current_generator", params={"amplitude_times": [1.0 - dt], "amplitude_values": [current]})
        nest.Connect(source, cell, syn_spec={"delay": dt})
    recorder, meter = nest.Create("spike_recorder"), nest.Create("multimeter", params={"interval": dt, "record_from": list(record)})
    nest.Connect(cell, recorder)
    nest.Connect(meter, cell, syn_spec={"delay": dt})
    nest.Simulate(duration)
    return np.asarray(recorder.events["times"]), {name: np.asarray(meter.events[name]) for name in record}


def our_run(neuron, dt, duration, receptors=None, trains=(), current=0.0, **start):
    """Spike times (the end of the step) and potentials after every step. `trains`: (port, times, weight with its unit)."""
    cell = n4.Population("cell", 1, neuron, receptors or {}, **start)
    parts = [
        n4.SpikeTimes(f"s{k}", cell, port, times=times * u.ms, ids=np.zeros(len(times), int), weight=weight)
        for k, (port, times, weight) in enumerate(trains)
    ]
    if current:
        parts.append(n4.Clamp("i", cell, n4.Steps(times=np.array([1.0]) * u.ms, values=np.array([current]) * u.pA)))
    model = n4.Network(cell, *parts).build(dt=dt * u.ms, precision=jnp.float64)
    run = n4.simulate(model, model.init(jr.key(0)), duration * u.ms, (n4.Spikes(), n4.Trace("cell", "v")), progress=False)
    return (run.spikes("cell").step + 1) * dt, np.asarray(run.records["cell.v"].values)[:, 0]


def crossings(v, level, dt):
    """The ends of the steps in which a potential passes a level from below; v[k] is the potential after step k + 1."""
    return (np.flatnonzero((v[:-1] < level) & (v[1:] >= level)) + 2) * dt


def peaks(v, dt):
    """The ends of the steps in which a potential falls for the first time after a maximum above 0."""
    top = (v[1:-1] >= 0) & (v[1:-1] > v[2:]) & (v[1:-1] >= v[:-2])
    return (np.flatnonzero(top) + 3) * dt


def same_within(ours, theirs, tolerance):
    assert len(ours) == len(theirs) > 0
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize("drive", ["current", "synapses"])
def test_hodgkin_huxley_spikes_within_one_step(drive):
    dt, duration = 0.01, 200.0
    excite, inhibit = arrivals(1, 0.5, duration), arrivals(2, 0.2, duration)
    if drive == "current":
        given, ours = {"current": 900.0}, {"current": 900.0}
    else:
        given = {"trains": ((excite, 450.0, None), (inhibit, -300.0, None))}
        ours = {
            "receptors": {"exc": n4.AlphaCurrent(tau=0.2 * u.ms), "inh": n4.AlphaCurrent(tau=2 * u.ms)},
            "trains": (("exc", excite, 450 * u.pA), ("inh", inhibit, -300 * u.pA)),
        }
    times, record = nest_run("hh_psc_alpha", {"V_m": -65.0}, dt, duration, **given)
    found, v = our_run(n4.HodgkinHuxley(), dt, duration, **ours)
    same_within(found, crossings(record["V_m"], 0.0, dt), 1.01 * dt)
    same_within(peaks(v, dt), times, 1.01 * dt)


def test_traub_miles_converges_to_nest_with_first_order():
    """The scheme is that of the benchmark, exponential Euler: its spikes come late, in proportion to the step."""
    duration = 200.0
    excite, inhibit = arrivals(3, 0.3, duration), arrivals(4, 0.1, duration)
    given = {"V_m": -60.0, "t_ref": 0.1}
    _, record = nest_run("hh_cond_exp_traub", given, 0.01, duration, ((excite, 6.0, None), (inhibit, -30.0, None)), 150.0)
    theirs = crossings(record["V_m"], -20.0, 0.01)
    receptors = {"exc": n4.ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV), "inh": n4.ExpConductance(tau=10 * u.ms, e_rev=-80 * u.mV)}
    trains = (("exc", excite, 6 * u.nS), ("inh", inhibit, 30 * u.nS))
    late = {}
    for dt in (0.1, 0.02, 0.01):
        found, _ = our_run(n4.TraubMiles(), dt, duration, receptors, trains, 150.0)
        assert len(found) == len(theirs) > 5
        late[dt] = found - theirs
    # Times are multiples of 0.01 ms, so that single ratios are rough.
    assert np.log2(late[0.02].mean() / late[0.01].mean()) == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(np.log(late[0.1] / late[0.02]) / np.log(5), 1, atol=0.15)
    assert late[0.01].min() > 0 and late[0.01].max() <= 0.2


LEVELS = (
    {},
    {"spike_dependent_threshold": True},
    {"after_spike_currents": True},
    {"spike_dependent_threshold": True, "after_spike_currents": True},
    {"spike_dependent_threshold": True, "after_spike_currents": True, "adapting_threshold": True},
)


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_glif_spikes_equal_those_of_nest(level):
    """Every spike of 600 ms at a constant current, and below level 5 also with synapses (whose current NEST's threshold does not see)."""
    dt, duration = 0.05, 600.0
    times, _ = nest_run("glif_psc", LEVELS[level - 1], dt, duration, current=420.0)
    found, _ = our_run(n4.GLIF(level=level), dt, duration, current=420.0)
    same_within(found, times, 1e-6)
    if level == 5:
        return
    excite, inhibit = arrivals(5, 0.6, duration), arrivals(6, 0.3, duration)
    params = LEVELS[level - 1] | {"tau_syn": [2.0, 5.0]}
    times, _ = nest_run("glif_psc", params, dt, duration, ((excite, 150.0, 1), (inhibit, -60.0, 2)), current=250.0)
    receptors = {"exc": n4.AlphaCurrent(tau=2 * u.ms), "inh": n4.AlphaCurrent(tau=5 * u.ms)}
    trains = (("exc", excite, 150 * u.pA), ("inh", inhibit, -60 * u.pA))
    found, _ = our_run(n4.GLIF(level=level), dt, duration, receptors, trains, 250.0)
    same_within(found, times, 1e-6)


@pytest.mark.parametrize("level", [1, 4, 5])
def test_glif_with_conductances_within_a_step_of_nest(level):
    dt, duration = 0.01, 240.0
    excite, inhibit = arrivals(7, 0.5, duration), arrivals(8, 0.3, duration)
    params = LEVELS[level - 1] | {"tau_syn": [0.2, 2.0], "E_rev": [0.0, -85.0]}
    times, _ = nest_run("glif_cond", params, dt, duration, ((excite, 20.0, 1), (inhibit, 3.0, 2)), current=200.0)
    receptors = {"exc": n4.AlphaConductance(tau=0.2 * u.ms, e_rev=0 * u.mV), "inh": n4.AlphaConductance(tau=2 * u.ms, e_rev=-85 * u.mV)}
    trains = (("exc", excite, 20 * u.nS), ("inh", inhibit, 3 * u.nS))
    found, _ = our_run(n4.GLIF(level=level), dt, duration, receptors, trains, 200.0)
    same_within(found, times, 1.01 * dt)
