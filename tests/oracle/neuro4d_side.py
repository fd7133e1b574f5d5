"""A case in neuro4d, through its public interface: its spikes on the grid, or its potential over time."""

import brainunit as u
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from oracle.cases import DT, Case

import neuro4d as n4

WEIGHT_UNITS = {"exp": u.pA, "alpha": u.pA, "delta": u.mV, "cond_exp": u.nS, "cond_alpha": u.nS, "cond_beta": u.nS}
PORTS = ("exc", "inh")


def spikes(case: Case, pieces: int = 1) -> np.ndarray:
    """All spikes as rows (step at whose end the neuron fired, neuron), sorted; the first step is 1."""
    run = simulate(case, DT, (n4.Spikes(),), pieces)
    tables = [(run.spikes(f"cells{k}"), first) for k, (first, _) in enumerate(spans(case, pieces))]
    rows = [np.stack([table.step + 1, table.id.astype(np.int64) + first], 1) for table, first in tables]
    found = np.concatenate(rows)
    return found[np.lexsort((found[:, 1], found[:, 0]))]


def potential(case: Case, dt: float, every: float) -> np.ndarray:
    """The potential of the first neuron at `every`, 2 `every`, ... up to the duration."""
    trace = simulate(case, dt, (n4.Trace("cells0", "v", every=every * u.ms, ids=np.array([0])),)).trace("cells0", "v")
    return np.asarray(trace.values.to_decimal(u.mV))[:, 0]


def simulate(case: Case, dt: float, record, pieces: int = 1):
    """The whole simulation of a case in double precision; the caller has enabled it in jax."""
    model = network(case, pieces).build(dt=dt * u.ms, precision=jnp.float64)
    return n4.simulate(model, model.init(jr.key(0)), case.duration * u.ms, record=record, progress=False)


def spans(case: Case, pieces: int) -> list[tuple[int, int]]:
    bounds = np.linspace(0, case.n, pieces + 1).astype(int)
    return list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))


def network(case: Case, pieces: int = 1) -> n4.Network:
    """The neurons of a case as one population, or cut into several. Ports `exc` and `inh` take positive and negative weights."""
    cut = spans(case, pieces)
    cells = [
        n4.Population(f"cells{k}", hi - lo, neuron(case, lo, hi), receptors(case), v0=part(case.v0, lo, hi) * u.mV)
        for k, (lo, hi) in enumerate(cut)
    ]
    parts = [*cells]
    for k, (lo, hi) in enumerate(cut):
        parts += stimuli(case, cells[k], lo, hi)
    for a, source in enumerate(cut):
        for b, target in enumerate(cut):
            parts += projections(case, cells[a], source, cells[b], target)
    return n4.Network(*parts)


def stimuli(case: Case, cells, lo: int, hi: int) -> list:
    made = [n4.Clamp(f"current {lo}", cells, part(case.current, lo, hi) * u.pA)]
    if case.staircase is not None:
        steps = n4.Steps(times=case.staircase.times * u.ms, values=case.staircase.values * u.pA)
        made += [n4.Clamp(f"staircase {lo}", cells, steps)]
    for k, arrivals in enumerate(case.arrivals):
        own = (arrivals.ids >= lo) & (arrivals.ids < hi)
        event = np.stack([np.rint(arrivals.times[own] / DT).astype(int), arrivals.ids[own] - lo])
        place, counts = np.unique(event, axis=1, return_counts=True)  # one event for all arrivals of a neuron in a step
        weight = counts * signed(arrivals.weight, case) * WEIGHT_UNITS[case.synapse]
        port = PORTS[0] if arrivals.weight > 0 else PORTS[1]
        made += [n4.SpikeTimes(f"arrivals {k} {lo}", cells, port, times=place[0] * DT * u.ms, ids=place[1], weight=weight)]
    return made


def projections(case: Case, pre, source: tuple[int, int], post, target: tuple[int, int]) -> list:
    if case.edges is None:
        return []
    e = case.edges
    inside = (e.pre >= source[0]) & (e.pre < source[1]) & (e.post >= target[0]) & (e.post < target[1])
    made = []
    for port, sign in zip(PORTS, (e.weight > 0, e.weight < 0), strict=True):
        own = inside & sign
        if own.any():
            rule = n4.EdgeList(e.pre[own] - source[0], e.post[own] - target[0])
            weight = signed(e.weight[own], case) * WEIGHT_UNITS[case.synapse]
            name = f"{port} {source[0]} to {target[0]}"
            made += [n4.Projection(name, pre, post, port, rule, weight=weight, delay=e.delay[own] * u.ms)]
    return made


def part(values, lo: int, hi: int):
    """The entries of some neurons, or the scalar for all."""
    return values[lo:hi] if np.ndim(values) else values


def neuron(case: Case, lo: int, hi: int) -> n4.LIF:
    p = {field: part(values, lo, hi) for field, values in case.neuron.items()}
    return n4.LIF(
        tau=p["tau"] * u.ms,
        c=p["c"] * u.pF,
        v_rest=p["v_rest"] * u.mV,
        v_th=p["v_th"] * u.mV,
        v_reset=p["v_reset"] * u.mV,
        t_ref=p["t_ref"] * u.ms,
    )


def receptors(case: Case) -> dict:
    tau = dict(zip(PORTS, case.tau_syn, strict=True))
    rise = dict(zip(PORTS, case.tau_rise, strict=True))
    e_rev = dict(zip(PORTS, case.e_rev, strict=True))
    make = {
        "exp": lambda port: n4.ExpCurrent(tau=tau[port] * u.ms),
        "alpha": lambda port: n4.AlphaCurrent(tau=tau[port] * u.ms),
        "delta": lambda port: n4.Delta(),
        "cond_exp": lambda port: n4.ExpConductance(tau=tau[port] * u.ms, e_rev=e_rev[port] * u.mV),
        "cond_beta": lambda port: n4.DualExpConductance(
            tau_rise=rise[port] * u.ms, tau_decay=tau[port] * u.ms, e_rev=e_rev[port] * u.mV
        ),
        "cond_alpha": lambda port: n4.AlphaConductance(tau=tau[port] * u.ms, e_rev=e_rev[port] * u.mV),
    }[case.synapse]
    return {port: make(port) for port in PORTS}


def signed(weight, case: Case):
    """A conductance has no sign: the receptor says which way it pulls. Currents and jumps keep theirs."""
    return np.abs(weight) if case.synapse.startswith("cond") else weight
