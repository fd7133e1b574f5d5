"""Rates of the network of Brunel (2000) in NEST, the reference of the test of `zoo.brunel`.

    python tests/oracle/nest_brunel.py [--seeds 3] [--warmup 200]

writes `tests/oracle/data/brunel.json`: regimes A to D, 10,000 excitatory and 2,500 inhibitory neurons with voltage-jump
synapses. The saturated regime A costs most and varies least: one seed, a short run. The slow oscillation of D needs a long one.
"""

import argparse
import json
import pathlib

import nest
import numpy as np

# g, external rate over the threshold rate, ms of recording
REGIMES = {"A": (3.0, 2.0, 200.0), "B": (6.0, 4.0, 500.0), "C": (5.0, 2.0, 500.0), "D": (4.5, 0.9, 3000.0)}
N_E, N_I, C_E, C_I = 10000, 2500, 1000, 250
NEURON = {"tau_m": 20.0, "V_th": 20.0, "V_reset": 10.0, "E_L": 0.0, "C_m": 1.0, "t_ref": 2.0}
J, DELAY, DT = 0.1, 1.5, 0.1
THRESHOLD_RATE = NEURON["V_th"] / (J * C_E * NEURON["tau_m"])  # per external synapse, 1/ms
CV_SAMPLE = 1000


def run(g: float, eta: float, seed: int, warmup: float, duration: float) -> tuple[float, float, float]:
    """Rate of the excitatory and of the inhibitory neurons in Hz, mean CV of the intervals of a sample."""
    nest.ResetKernel()
    nest.set(resolution=DT, local_num_threads=1, rng_seed=seed)
    cells = nest.Create("iaf_psc_delta", N_E + N_I, params=NEURON)
    cells.V_m = nest.random.uniform(0.0, NEURON["V_th"])
    source = nest.Create("poisson_generator", params={"rate": 1e3 * eta * THRESHOLD_RATE * C_E})
    nest.Connect(source, cells, syn_spec={"weight": J, "delay": DELAY})
    nest.Connect(cells[:N_E], cells, {"rule": "fixed_indegree", "indegree": C_E}, {"weight": J, "delay": DELAY})
    nest.Connect(cells[N_E:], cells, {"rule": "fixed_indegree", "indegree": C_I}, {"weight": -g * J, "delay": DELAY})
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    nest.Simulate(warmup)
    recorder.n_events = 0
    nest.Simulate(duration)
    times, ids = recorder.events["times"], recorder.events["senders"] - 1
    counts = np.bincount(ids, minlength=N_E + N_I)
    return counts[:N_E].mean() / duration * 1e3, counts[N_E:].mean() / duration * 1e3, cv(times, ids)


def cv(times: np.ndarray, ids: np.ndarray) -> float:
    """Mean over the first neurons with at least 3 spikes."""
    trains = (np.sort(times[ids == k]) for k in range(CV_SAMPLE))
    intervals = [np.diff(train) for train in trains if train.size >= 3]
    return float(np.mean([np.std(x) / np.mean(x) for x in intervals]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--warmup", type=float, default=200.0, help="ms")
    chosen = parser.parse_args()
    nest.verbosity = nest.VerbosityLevel.ERROR
    record = {
        "script": "tests/oracle/nest_brunel.py",
        "nest": nest.__version__,
        "numpy": np.__version__,
        "dt_ms": DT,
        "warmup_ms": chosen.warmup,
        "regimes": {},
    }
    for name, (g, eta, duration) in REGIMES.items():
        seeds = range(1, 1 + (1 if name == "A" else chosen.seeds))
        rows = np.array([run(g, eta, seed, chosen.warmup, duration) for seed in seeds])
        record["regimes"][name] = {
            "g": g,
            "eta": eta,
            "duration_ms": duration,
            "seeds": list(seeds),
            "rate_e_hz": [round(float(x), 3) for x in rows[:, 0]],
            "rate_i_hz": [round(float(x), 3) for x in rows[:, 1]],
            "cv": [round(float(x), 4) for x in rows[:, 2]],
        }
        print(name, record["regimes"][name], flush=True)
    path = pathlib.Path(__file__).parent / "data" / "brunel.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
