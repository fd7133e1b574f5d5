"""AdEx and Izhikevich neurons beside NEST's `aeif` and `izhikevich` models: spikes by their steps, in double precision."""

import brainunit as u
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from oracle import nest_side

import neuro4d as n4

pytestmark = [pytest.mark.oracle, pytest.mark.usefixtures("x64")]

DT, DURATION = 0.01, 200.0
CURRENTS = np.array([0.0, 700.0, 800.0, 900.0, 1000.0])
KICKS = {0: np.arange(5.0, 190.0), 3: np.array([20.0, 21.0, 22.0])}
MEMBRANE = {"c": 281.0, "g_l": 30.0, "v_rest": -70.6, "v_t": -50.4, "delta_t": 2.0, "a": 4.0, "tau_w": 144.0, "b": 80.5, "v_reset": -60.0}
UNITS = {"c": u.pF, "g_l": u.nS, "a": u.nS, "tau_w": u.ms, "b": u.pA}
NAMES = {
    "c": "C_m", "g_l": "g_L", "v_rest": "E_L", "v_t": "V_th", "delta_t": "Delta_T", "a": "a", "tau_w": "tau_w", "b": "b", "v_reset": "V_reset",
}  # fmt: skip
KINDS = {
    "aeif_psc_exp": (lambda: n4.ExpCurrent(tau=2 * u.ms), 400.0, u.pA, {"tau_syn_ex": 2.0}),
    "aeif_cond_exp": (lambda: n4.ExpConductance(tau=2 * u.ms, e_rev=0 * u.mV), 8.0, u.nS, {"tau_syn_ex": 2.0, "E_ex": 0.0}),
    "aeif_psc_delta": (lambda: n4.Delta(), 4.0, u.mV, {}),
}


def ours(neuron, receptor, weight, dt=DT, v0=None, **start):
    cells = n4.Population("cells", len(CURRENTS), neuron, {"in": receptor}, **({} if v0 is None else {"v0": v0}), **start)
    times = np.concatenate(list(KICKS.values()))
    ids = np.repeat(list(KICKS), [len(x) for x in KICKS.values()])
    order = np.argsort(times, kind="stable")
    kicks = n4.SpikeTimes("kicks", cells, "in", times=times[order] * u.ms, ids=ids[order], weight=weight)
    model = n4.Network(cells, n4.Clamp("i", cells, CURRENTS * u.pA), kicks).build(dt=dt * u.ms, precision=jnp.float64)
    table = n4.simulate(model, model.init(jr.key(0)), DURATION * u.ms, progress=False).spikes("cells")
    return [np.sort(np.asarray(table.step)[np.asarray(table.id) == k] + 1) for k in range(len(CURRENTS))]


def theirs(model, params, weight):
    nest = nest_side.fresh_kernel(DT)
    cells = nest.Create(model, len(CURRENTS), params)
    cells.set([{"I_e": float(x)} for x in CURRENTS])
    for k, times in KICKS.items():
        source = nest.Create("spike_generator", params={"spike_times": np.round(times - DT, 6)})
        nest.Connect(source, cells[k], syn_spec={"weight": weight, "delay": DT})
    return recorded(nest, cells)


def recorded(nest, cells, dt=DT):
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    nest.Simulate(DURATION)
    events = recorder.events
    steps, ids = np.rint(events["times"] / dt).astype(int), events["senders"].astype(int) - np.asarray(cells)[0]
    return [np.sort(steps[ids == k]) for k in range(len(cells))]


@pytest.mark.parametrize("model", KINDS)
def test_adex_fires_within_a_step_of_nest(model):
    receptor, weight, unit, extra = KINDS[model]
    neuron = n4.AdEx(**{name: x * UNITS.get(name, u.mV) for name, x in MEMBRANE.items()}, t_ref=2 * u.ms)
    got = ours(neuron, receptor(), weight * unit)
    params = {NAMES[name]: x for name, x in MEMBRANE.items()} | {"V_peak": 0.0, "t_ref": 2.0, "gsl_error_tol": 1e-9} | extra
    want = theirs(model, params, weight)
    assert [len(x) for x in got] == [len(x) for x in want] and min(len(x) for x in want) >= 3, (got, want)
    for mine, other in zip(got, want, strict=True):
        # A spike near the edge of a step may fall on its other side, and all that follow inherit that.
        assert np.abs(np.diff(mine) - np.diff(other)).max() <= 1 and np.abs(mine - other).max() <= 2, (mine, other)


IZHIKEVICH = np.array([4.0, 6.0, 8.0, 10.0, 14.0])


def izhikevich_nest(consistent, dt):
    nest = nest_side.fresh_kernel(dt)
    params = {"a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0, "V_th": 30.0, "V_m": -65.0, "U_m": -13.0, "consistent_integration": consistent}
    cells = nest.Create("izhikevich", len(IZHIKEVICH), params)
    cells.set([{"I_e": float(x)} for x in IZHIKEVICH])
    return recorded(nest, cells, dt)


def izhikevich_ours(dt, **scheme):
    neuron = n4.Izhikevich(a=0.02 * u.kHz, b=0.2 * u.kHz, c=-65 * u.mV, d=8 * u.mV / u.ms, **scheme)
    cells = n4.Population("cells", len(IZHIKEVICH), neuron, v0=-65 * u.mV, init={"u": -13 * u.mV / u.ms})
    model = n4.Network(cells, n4.Clamp("i", cells, IZHIKEVICH * u.pA)).build(dt=dt * u.ms, precision=jnp.float64)
    table = n4.simulate(model, model.init(jr.key(0)), DURATION * u.ms, progress=False).spikes("cells")
    return [np.sort(np.asarray(table.step)[np.asarray(table.id) == k] + 1) for k in range(len(IZHIKEVICH))]


def test_the_published_scheme_is_that_of_nest():
    # `consistent_integration=False`: two half steps of v, then u with the new v.
    got, want = izhikevich_ours(1.0, substeps=2), izhikevich_nest(False, 1.0)
    assert sum(len(x) for x in want) == 20
    for mine, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_consistent_integration_tends_to_the_scheme_of_second_order():
    # NEST's are Euler steps, u with the old v: first order. The distance to `split` falls with the step.
    apart = []
    for dt in (0.1, 0.01):
        got, want = izhikevich_ours(dt, scheme="split"), izhikevich_nest(True, dt)
        pairs = [(mine[:7], other[:7]) for mine, other in zip(got, want, strict=True)]
        apart.append(max(np.abs(mine - other).max() for mine, other in pairs) * dt)
    assert apart[1] < 0.2 * apart[0], apart
    assert apart[1] < 1.0, apart
