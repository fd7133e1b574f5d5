"""Gap junctions against NEST's: two neurons of Mancilla et al. (2007), coupled by the potentials of the last step on both sides."""

from typing import Any, ClassVar, NamedTuple

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from oracle.nest_side import fresh_kernel

import neuro4d as n4
from neuro4d.neurons import AbstractNeuron, Fired

pytestmark = [pytest.mark.oracle, pytest.mark.usefixtures("x64")]

DT, STEPS, CONDUCTANCE, CURRENT = 0.02, 8000, 2.0, (200.0, 170.0)
V0, PARTS = (-69.6, -60.0), 16  # parts of a step: the sodium channels open at 500/ms


class FastSpikingState(NamedTuple):
    v: Any
    m: Any
    h: Any
    p: Any
    n: Any


def rates(v):
    """Opening and closing of m, h, p, n, in 1/ms."""
    m = 40 * (v - 75.5) / (1 - jnp.exp(-(v - 75.5) / 13.5)), 1.2262 * jnp.exp(-v / 42.248)
    h = 0.0035 * jnp.exp(-v / 24.186), 0.017 * (51.25 + v) / (1 - jnp.exp(-(51.25 + v) / 5.2))
    p = (v - 95) / (1 - jnp.exp(-(v - 95) / 11.8)), 0.025 * jnp.exp(-v / 22.222)
    n = 0.014 * (v + 44) / (1 - jnp.exp(-(v + 44) / 2.3)), 0.0043 * jnp.exp(-(v + 44) / 34)
    return m, h, p, n


class FastSpiking(AbstractNeuron):
    """The equations of the publication by the classical Runge-Kutta method, the drive held."""

    variables: ClassVar = {"v": u.mV}

    def check(self, dt):
        pass

    def membrane(self):
        return None

    def constants(self, dt):
        return jnp.asarray(dt)

    def rest(self):
        return {"v": -69.6}

    def init(self, values):
        return FastSpikingState(values["v"], *(a / (a + b) for a, b in rates(values["v"])))

    def step(self, constants, state, drive):
        def slope(x):
            v, m, h, p, n = x
            i = drive.i - drive.g * v - 4500 * m**3 * h * (v - 74) - (9 * n**4 + 9000 * p**2) * (v + 90) - 10 * (v + 70)
            return jnp.stack([i / 40, *(a * (1 - x) - b * x for (a, b), x in zip(rates(v), (m, h, p, n), strict=True))])

        def part(_, x):
            h = constants / PARTS
            k1 = slope(x)
            k2 = slope(x + h / 2 * k1)
            k3 = slope(x + h / 2 * k2)
            return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(x + h * k3))

        y = jax.lax.fori_loop(0, PARTS, part, jnp.stack(state))
        return FastSpikingState(*y), Fired((state.v < 0) & (y[0] >= 0), y[0])


def in_neuro4d(conductance):
    cells = n4.Population("cells", 2, FastSpiking(), v0=np.array(V0) * u.mV)
    gap = n4.GapJunctions("gap", cells[:1], cells[1:], n4.OneToOne(), conductance=conductance * u.nS)
    model = n4.Network(cells, gap, n4.Clamp("drive", cells, np.array(CURRENT) * u.pA)).build(dt=DT * u.ms, precision=jnp.float64)
    return np.asarray(n4.simulate(model, jr.key(0), STEPS * DT * u.ms, n4.Trace("cells", "v")).records["cells.v"].values)


def in_nest():
    nest = fresh_kernel(DT)
    nest.set(use_wfr=False)
    cells = nest.Create("hh_psc_alpha_gap", 2)
    names = ("Act_m", "Inact_h", "Inact_p", "Act_n")
    cells.set([{"I_e": i, "V_m": v} | dict(zip(names, gates(v), strict=True)) for i, v in zip(CURRENT, V0, strict=True)])
    nest.Connect(cells[0], cells[1], {"rule": "one_to_one", "make_symmetric": True}, {"synapse_model": "gap_junction", "weight": CONDUCTANCE})
    meter = nest.Create("multimeter", params={"interval": DT, "record_from": ["V_m"]})
    nest.Connect(meter, cells, syn_spec={"delay": DT})
    nest.Simulate((STEPS + 1) * DT)
    events = meter.events
    order = np.lexsort((events["senders"], events["times"]))
    return events["V_m"][order].reshape(-1, 2)


def gates(v):
    return [float(a / (a + b)) for a, b in rates(jnp.asarray(v))]


def crossings(v):
    return [np.flatnonzero((v[:-1, k] < 0) & (v[1:, k] >= 0)) for k in range(2)]


def test_two_neurons():
    """The same steps of every upstroke, and other ones without the junction."""
    ours, theirs, apart = (crossings(v) for v in (in_neuro4d(CONDUCTANCE), in_nest()[:STEPS], in_neuro4d(0.0)))
    assert min(len(x) for x in ours) > 6
    for a, b, alone in zip(ours, theirs, apart, strict=True):
        assert len(a) == len(b) and np.abs(a - b).max() <= 1, (a, b)
        assert np.abs(a[:6] - alone[:6]).max() > 20
