"""An alternating current against NEST's `ac_generator`, on a passive membrane."""

import brainunit as u
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from oracle.nest_side import fresh_kernel

import neuro4d as n4

pytestmark = [pytest.mark.oracle, pytest.mark.usefixtures("x64")]

DT, DURATION = 0.1, 600.0
AMPLITUDE, OFFSET, DEGREES = 120.0, -30.0, 35.0
LAG = 1.5
"""Steps from the middle of a step back to the moment whose value acts in it in NEST: half a step to its beginning, one step of delay."""


def of_nest(hertz):
    nest = fresh_kernel(DT)
    cell = nest.Create("iaf_psc_exp", params={"tau_m": 10.0, "C_m": 250.0, "E_L": -65.0, "V_m": -65.0, "V_th": 1e6, "I_e": 0.0})
    source = nest.Create("ac_generator", params={"amplitude": AMPLITUDE, "offset": OFFSET, "phase": DEGREES, "frequency": hertz})
    nest.Connect(source, cell, syn_spec={"delay": DT})
    meter = nest.Create("multimeter", params={"interval": DT, "record_from": ["V_m"]})
    nest.Connect(meter, cell, syn_spec={"delay": DT})
    nest.Simulate(DURATION)
    return meter.events["times"], meter.events["V_m"]


@pytest.mark.parametrize("hertz", [8.0, 430.0])
def test_the_membrane_follows_as_in_nest(hertz):
    """NEST holds the value of a moment, `AC` the mean of the step: the same sine, of another amplitude and phase, both known exactly."""
    cycles = hertz * 1e-3 * DT
    phase = np.deg2rad(DEGREES) - 2 * np.pi * cycles * LAG
    ac = n4.AC(amplitude=AMPLITUDE / np.sinc(cycles) * u.pA, frequency=hertz * u.Hz, phase=phase, offset=OFFSET * u.pA)
    passive = n4.LIF(tau=10 * u.ms, c=250 * u.pF, v_rest=-65 * u.mV, v_th=1e6 * u.mV, v_reset=-65 * u.mV)
    cells = n4.Population("cells", 1, passive)
    model = n4.Network(cells, n4.Clamp("ac", cells, ac)).build(dt=DT * u.ms, precision=jnp.float64)
    run = n4.simulate(model, model.init(jr.key(0)), DURATION * u.ms, n4.Trace("cells", "v"))
    ours = np.asarray(run.trace("cells", "v").values.to_decimal(u.mV))[:, 0]
    times, theirs = of_nest(hertz)
    late = times > 400  # NEST's first steps have no current, which is forgotten by then
    np.testing.assert_allclose(ours[np.rint(times[late] / DT).astype(int) - 1], theirs[late], rtol=0, atol=1e-9)
