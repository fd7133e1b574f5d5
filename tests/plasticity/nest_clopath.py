"""Voltage-based synapses in NEST, and here at a neuron whose potential is played from NEST."""

import brainunit as u
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from core.networks import lif
from oracle.nest_side import fresh_kernel

import neuro4d as n4
from neuro4d.model import locate

SOURCES, STEPS = 8, 4000
A_LTD, A_LTP, W_MAX = 14e-4, 16e-4, 2.0
PLAYED = {"u": "V_m", "plus": "u_bar_plus", "minus": "u_bar_minus", "slow": "u_bar_bar"}


class Played(n4.ClopathSTDP):
    """The rule with the potential and its averages as they arrive at ports."""

    def reads(self):
        return tuple(f"{name}.level" for name in PLAYED)

    def on_target(self, dt, post, target):
        return self._changes(dt, post, *(target.after[f"{name}.level"] for name in PLAYED))


def trains() -> tuple[np.ndarray, np.ndarray]:
    """Spikes of the sources `(steps, sources)`, not in the first 30 ms, in which NEST's delayed averages are 0; and when the target is driven."""
    rng = np.random.default_rng(3)
    pre = rng.random((STEPS, SOURCES)) < np.linspace(0.002, 0.01, SOURCES)
    pre[:300] = False
    driven = np.flatnonzero(rng.random(STEPS - 400) < 0.004) + 350
    return pre, driven[np.diff(driven, prepend=0) > 30]


def theirs(slow: bool) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The potential and its averages at the end of each step, and rows (step, source, weight) for each spike of a source, in NEST."""
    nest, (pre, driven) = fresh_kernel(0.1), trains()
    numbers = {"A_LTD": A_LTD, "A_LTP": A_LTP, "A_LTD_const": not slow, "u_ref_squared": 60.0**2, "t_ref": 2.0}
    target = nest.Create("aeif_psc_delta_clopath", params=numbers)
    drive = nest.Create("spike_generator", params={"spike_times": np.round(driven * 0.1, 1)})
    nest.Connect(drive, target, syn_spec={"weight": 60.0, "delay": 0.1})
    meter, recorder = nest.Create("multimeter", params={"interval": 0.1, "record_from": [*PLAYED.values()]}), nest.Create("weight_recorder")
    nest.Connect(meter, target, syn_spec={"delay": 0.1})
    nest.CopyModel("clopath_synapse", "learns", {"weight_recorder": recorder})
    parrots = nest.Create("parrot_neuron", SOURCES)
    for i in range(SOURCES):
        times = np.round((np.flatnonzero(pre[:, i]) + 3 - 10) * 0.1, 1)  # see `ours`; a millisecond on the way to the parrot
        nest.Connect(nest.Create("spike_generator", params={"spike_times": times}), parrots[i], syn_spec={"delay": 1.0})
    nest.Connect(parrots, target, syn_spec={"synapse_model": "learns", "weight": 1.0, "delay": 0.1, "tau_x": 15.0, "Wmax": W_MAX})
    nest.Simulate((STEPS + 1) * 0.1)
    events, played = recorder.events, meter.events
    rows = [np.rint(events["times"] * 10) - 3, events["senders"] - np.asarray(parrots)[0], events["weights"]]
    return {name: played[theirs][:STEPS] for name, theirs in PLAYED.items()}, np.stack(rows, 1)


def ours(slow: bool, played: dict[str, np.ndarray]) -> np.ndarray:
    """The weights after every step `(steps, sources)`.

    A source that fires in step `k` is heard in step `k + 1`, which ends at `k + 2` steps. The same end is seen in NEST by a spike at `k + 3`,
    one step of dendritic delay later.
    """
    pre, _ = trains()
    source = n4.Population("pre", SOURCES, lif(t_ref=0 * u.ms), {"in": n4.ExpCurrent(tau=2 * u.ms)})
    target = n4.Population("post", 1, lif(), {"in": n4.Delta()} | {name: n4.Modulator() for name in PLAYED})
    rule = Played(w_max=W_MAX * 1e-6 * u.mV, a_ltd=A_LTD / W_MAX / u.mV, a_ltp=A_LTP / W_MAX / u.mV**2, u_ref=60 * u.mV if slow else None)
    wires = n4.Projection("e", source, target, "in", n4.AllToAll(), weight=1e-6 * u.mV, delay=0.1 * u.ms, plasticity=rule)
    ports = [n4.Input(name, target, port=name) for name in PLAYED]
    model = n4.Network(source, target, wires, n4.Input("told", source), *ports).build(dt=0.1 * u.ms, precision=jnp.float64)
    (name,), place = model.plasticity, locate(model, "e").place
    series = {name: values[:, None] for name, values in played.items()} | {"told": pre * 1e7}
    keep = lambda state, spikes: (state.edges[name].weight[place] * 1e6, spikes["pre"])  # noqa: E731
    _, (weights, fired) = n4.scan(model, model.init(jr.key(0)), STEPS, keep, series)
    if not np.array_equal(fired, pre):
        raise ValueError("the sources do not fire as told")
    return np.asarray(weights)
