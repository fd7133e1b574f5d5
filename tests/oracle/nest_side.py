"""A case in NEST: its spikes on the grid, or its potential over time."""

import numpy as np
from oracle.cases import DT, Arrivals, Case

MODELS = {
    "exp": "iaf_psc_exp",
    "alpha": "iaf_psc_alpha",
    "delta": "iaf_psc_delta",
    "cond_exp": "iaf_cond_exp",
    "cond_alpha": "iaf_cond_alpha",
    "cond_beta": "iaf_cond_beta",
}
NAMES = {"tau": "tau_m", "c": "C_m", "v_rest": "E_L", "v_th": "V_th", "v_reset": "V_reset", "t_ref": "t_ref"}


def fresh_kernel(dt: float):
    """NEST, imported only here: silent, empty, one thread."""
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=dt, local_num_threads=1)
    return nest


def spikes(case: Case) -> np.ndarray:
    """All spikes as rows (step at whose end the neuron fired, neuron), sorted; the first step is 1."""
    nest = fresh_kernel(DT)
    cells = network(nest, case, DT)
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    nest.Simulate(case.duration)
    events = recorder.events
    steps = np.rint(events["times"] / DT).astype(np.int64)
    ids = events["senders"].astype(np.int64) - np.asarray(cells)[0]
    return np.stack([steps, ids], 1)[np.lexsort((ids, steps))]


def potential(case: Case, resolution: float, every: float) -> np.ndarray:
    """The potential of the first neuron at `every`, 2 `every`, ... below the duration."""
    nest = fresh_kernel(resolution)
    cells = network(nest, case, resolution)
    meter = nest.Create("multimeter", params={"interval": every, "record_from": ["V_m"]})
    nest.Connect(meter, cells[0], syn_spec={"delay": resolution})
    nest.Simulate(case.duration)
    return meter.events["V_m"]


def network(nest, case: Case, dt: float):
    """The neurons of a case with all that acts on them."""
    cells = neurons(nest, case)
    gids = np.asarray(cells)
    if case.edges is not None:
        e = case.edges
        nest.Connect(gids[e.pre], gids[e.post], "one_to_one", {"weight": e.weight, "delay": e.delay, "synapse_model": "static_synapse"})
    for arrivals in case.arrivals:
        deliver(nest, cells, arrivals, dt)
    if case.staircase is not None:
        # A new value of the generator acts on its target from one step (the shortest delay) after the given time.
        early = np.round(case.staircase.times - dt, 6)
        source = nest.Create("step_current_generator", params={"amplitude_times": early, "amplitude_values": case.staircase.values})
        nest.Connect(source, cells, syn_spec={"delay": dt})
    return cells


def neurons(nest, case: Case):
    """The population with its parameters and initial potentials."""
    params = {NAMES[field]: value for field, value in case.neuron.items()}
    if case.synapse == "cond_beta":
        params |= {f"tau_rise_{side}": tau for side, tau in zip(("ex", "in"), case.tau_rise, strict=True)}
        params |= {f"tau_decay_{side}": tau for side, tau in zip(("ex", "in"), case.tau_syn, strict=True)}
    elif case.synapse != "delta":
        params |= {"tau_syn_ex": case.tau_syn[0], "tau_syn_in": case.tau_syn[1]}
    if case.synapse.startswith("cond"):
        params |= {"E_ex": case.e_rev[0], "E_in": case.e_rev[1], "g_L": params["C_m"] / params.pop("tau_m")}
    params |= {"I_e": case.current, "V_m": case.v0}
    table = {name: np.broadcast_to(value, case.n) for name, value in params.items()}
    cells = nest.Create(MODELS[case.synapse], case.n)
    cells.set([{name: float(column[i]) for name, column in table.items()} for i in range(case.n)])
    return cells


def deliver(nest, cells, arrivals: Arrivals, dt: float) -> None:
    """A generator for every neuron that receives, one step ahead because the shortest delay is one step."""
    order = np.lexsort((arrivals.times, arrivals.ids))
    times, ids = np.round(arrivals.times[order] - dt, 6), arrivals.ids[order]
    for train in np.split(np.arange(ids.size), np.flatnonzero(np.diff(ids)) + 1):
        source = nest.Create("spike_generator", params={"spike_times": times[train]})
        nest.Connect(source, cells[int(ids[train[0]])], syn_spec={"weight": arrivals.weight, "delay": dt})
