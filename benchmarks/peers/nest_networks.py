"""CUBA, COBA, Brunel's network, the microcircuit and NEST's benchmark of high-performance computing in NEST. See `_job.py` for what goes in and out.

Threads by `local_num_threads`, spikes compressed (the default), one `Prepare` and repeated `Run`, spikes kept in memory.
"""

import nest
import numpy as np
from _job import Clock, answer, output_to_stderr, read_job, weight_factor

LIF = {"C_m": 200.0, "V_th": -50.0, "V_reset": -60.0, "t_ref": 5.0, "tau_syn_ex": 5.0, "tau_syn_in": 10.0}
POPULATIONS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
SIZES = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
# row: target, column: source
PROBABILITY = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
    ]
)
EXTERNAL_INDEGREE = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
FULL_RATES = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])  # Hz, what the compensation assumes
V0_MEAN = (-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43)
V0_SD = (5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48)
CORTEX = {"E_L": -65.0, "V_th": -50.0, "V_reset": -65.0, "C_m": 250.0, "tau_m": 10.0, "tau_syn_ex": 0.5, "tau_syn_in": 0.5, "t_ref": 2.0}
PSC, EXTERNAL_RATE, DT = 87.81, 8.0, 0.1
HPC_WEIGHT = 45.6096
"""pA, a potential of 0.14 mV."""
LARGEST_CONNECTOR = 134_217_726
"""Synapses per thread and synapse model that NEST can address."""


def vogels_abbott(job: dict, cells, weights: tuple[float, float]) -> dict:
    n_exc = job["n"] * 4 // 5
    for source, weight in ((cells[:n_exc], weights[0]), (cells[n_exc:], weights[1])):
        rule = {"rule": "pairwise_bernoulli", "p": job["k"] / job["n"]}
        nest.Connect(source, cells, rule, {"weight": weight_factor(job) * weight, "delay": DT})
    return {"cells": cells}


def cuba(job: dict) -> dict:
    cells = nest.Create("iaf_psc_exp", job["n"], params=LIF | {"E_L": -49.0, "tau_m": 20.0})
    cells.V_m = nest.random.uniform(-60.0, -50.0)
    return vogels_abbott(job, cells, (16.2, -90.0))


def coba(job: dict) -> dict:
    params = LIF | {"E_L": -60.0, "g_L": 10.0, "E_ex": 0.0, "E_in": -80.0, "I_e": 200.0}
    cells = nest.Create("iaf_cond_exp", job["n"], params=params)
    cells.V_m = nest.random.normal(-55.0, 5.0)
    return vogels_abbott(job, cells, (6.0, -67.0))


def brunel(job: dict) -> dict:
    """Regime C: g = 5, eta = 2."""
    params = {"E_L": 0.0, "V_th": 20.0, "V_reset": 10.0, "C_m": 250.0, "tau_m": 20.0, "t_ref": 2.0}
    cells = nest.Create("iaf_psc_delta", 12_500, params=params)
    cells.V_m = nest.random.uniform(0.0, 20.0)
    exc, inh = cells[:10_000], cells[10_000:]
    nest.Connect(nest.Create("poisson_generator", params={"rate": 20_000.0}), cells, syn_spec={"weight": 0.1, "delay": 1.5})
    nest.Connect(exc, cells, {"rule": "fixed_indegree", "indegree": 1000}, {"weight": 0.1, "delay": 1.5})
    nest.Connect(inh, cells, {"rule": "fixed_indegree", "indegree": 250}, {"weight": -0.5, "delay": 1.5})
    return {"exc": exc, "inh": inh}


def microcircuit(job: dict) -> dict:
    """Neurons and in-degrees by one factor; weights by its root, and a current for the mean that is lost."""
    scale = job["scale"]
    synapses = np.log1p(-PROBABILITY) / np.log1p(-1.0 / np.outer(SIZES, SIZES))
    weights = np.tile(np.where(np.arange(8) % 2 == 0, PSC, -4 * PSC), (8, 1))
    weights[0, 2] *= 2
    lost = (weights * synapses / SIZES[:, None]) @ FULL_RATES + PSC * EXTERNAL_INDEGREE * EXTERNAL_RATE
    current = 1e-3 * 0.5 * (1 - np.sqrt(scale)) * lost
    numbers = np.round(synapses * scale * scale).astype(int)
    if numbers.sum() / job["threads"] > LARGEST_CONNECTOR:
        nest.CopyModel("static_synapse", "second_synapse")
    cells = {}
    for k, name in enumerate(POPULATIONS):
        pop = cells[name] = nest.Create("iaf_psc_exp", round(SIZES[k] * scale), params=CORTEX | {"I_e": float(current[k])})
        pop.V_m = nest.random.normal(V0_MEAN[k], V0_SD[k])
        rate = EXTERNAL_RATE * round(EXTERNAL_INDEGREE[k] * scale)
        nest.Connect(nest.Create("poisson_generator", params={"rate": rate}), pop, syn_spec={"weight": PSC / np.sqrt(scale), "delay": 1.5})
    crowded = numbers.sum() / job["threads"] > LARGEST_CONNECTOR
    for i, target in enumerate(cells.values()):
        for j, source in enumerate(cells.values()):
            if numbers[i, j]:
                model = "second_synapse" if crowded and j % 2 else "static_synapse"
                project(source, target, int(numbers[i, j]), weights[i, j] / np.sqrt(scale), 0.75 if j % 2 else 1.5, model)
    return cells


def project(source, target, synapses: int, weight: float, delay: float, model: str) -> None:
    low, high = (0.0, np.inf) if weight > 0 else (-np.inf, 0.0)
    spec = {
        "synapse_model": model,
        "weight": nest.math.redraw(nest.random.normal(weight, abs(weight) * 0.1), min=low, max=high),
        "delay": nest.math.redraw(nest.random.normal(delay, delay * 0.5), min=DT / 2, max=np.inf),
    }
    nest.Connect(source, target, {"rule": "fixed_total_number", "N": synapses}, spec)


def hpc(job: dict) -> dict:
    """NEST's `hpc_benchmark.py` (Morrison, Aertsen and Diesmann 2007): plastic between excitatory neurons, with a power law."""
    tau, weight, scale = 0.32582722403722841, HPC_WEIGHT, job["scale"]
    params = {"E_L": 0.0, "C_m": 250.0, "tau_m": 10.0, "t_ref": 0.5, "V_th": 20.0, "V_reset": 0.0, "tau_minus": 30.0, "tau_syn_ex": tau, "tau_syn_in": tau}
    sizes = {"exc": round(9000 * scale), "inh": round(2250 * scale)}
    cells = {name: nest.Create("iaf_psc_alpha", n, params=params) for name, n in sizes.items()}
    nest.SetDefaults("stdp_pl_synapse_hom_hpc", {"alpha": 0.0513, "lambda": 0.1, "mu": 0.4, "tau_plus": 15.0})
    drive = nest.Create("poisson_generator", params={"rate": 1e3 * 1.685 * 20.0 / (weight * np.e * tau * 10.0 / 250.0)})
    for name, target in cells.items():
        target.V_m = nest.random.normal(5.7, 7.2)
        nest.Connect(drive, target, syn_spec={"weight": weight, "delay": 1.5})
        learns = {"synapse_model": "stdp_pl_synapse_hom_hpc", "weight": nest.math.redraw(nest.random.normal(weight, 3.47), min=0.0, max=np.inf)}
        rule = lambda n: {"rule": "fixed_indegree", "indegree": n, "allow_autapses": False, "allow_multapses": True}  # noqa: E731
        static = {"synapse_model": "static_synapse_hpc", "weight": weight, "delay": 1.5}
        nest.Connect(cells["exc"], target, rule(9000), static | learns if name == "exc" else static)
        nest.Connect(cells["inh"], target, rule(2250), static | {"weight": -5.0 * weight})
    return cells


def measure(job: dict) -> dict:
    nest.ResetKernel()
    nest.set(resolution=DT, local_num_threads=job["threads"], rng_seed=job["seed"] + 1, overwrite_files=True)
    with Clock() as building:
        cells = {"cuba": cuba, "coba": coba, "brunel": brunel, "microcircuit": microcircuit, "hpc": hpc}[job["network"]](job)
        recorders = {name: nest.Create("spike_recorder") for name in cells}
        for name, recorder in recorders.items():
            nest.Connect(cells[name], recorder)
    with Clock() as preparing:
        nest.Prepare()
    seconds, before = [], {}
    nest.Run(job["warm_ms"])
    before = {name: recorder.n_events for name, recorder in recorders.items()}
    for _ in range(job["repeats"]):
        with Clock() as run:
            nest.Run(job["duration_ms"])
        seconds.append(run.seconds)
    biological = job["repeats"] * job["duration_ms"] / 1e3
    rates = {name: (recorder.n_events - before[name]) / len(cells[name]) / biological for name, recorder in recorders.items()}
    synapses = int(nest.num_connections)
    nest.Cleanup()
    return {"seconds": seconds, "rates": rates, "synapses": synapses, "build_s": building.seconds + preparing.seconds, "compile_s": 0.0}


def main() -> None:
    job = read_job()
    nest.verbosity = nest.VerbosityLevel.ERROR
    with output_to_stderr():
        fields = measure(job)
    answer(simulator="NEST", version=nest.__version__, settings=f"local_num_threads={job['threads']}, float64", **fields)


if __name__ == "__main__":
    main()
