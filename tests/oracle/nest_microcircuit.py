"""Rates of the microcircuit of Potjans and Diesmann (2014) in NEST, the reference of the test of `zoo.microcircuit`.

    python tests/oracle/nest_microcircuit.py [--scale 0.1] [--seeds 10] [--warmup 500] [--duration 1000]

writes `tests/oracle/data/microcircuit_<scale>.json`. Numbers of neurons and in-degrees are scaled together; the weights grow
with 1/sqrt(scale) and a direct current replaces the mean input that is lost, as in the NEST example (`Potjans_2014`).
"""

import argparse
import json
import pathlib
import time

import nest
import numpy as np

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
EXTERNAL_RATE = 8.0  # Hz
FULL_RATES = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])  # Hz, what the compensation assumes
V0_MEAN = (-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43)
V0_SD = (5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48)
NEURON = {"E_L": -65.0, "V_th": -50.0, "V_reset": -65.0, "C_m": 250.0, "tau_m": 10.0, "tau_syn_ex": 0.5, "tau_syn_in": 0.5, "t_ref": 2.0}
PSC = 87.81  # pA, for a postsynaptic potential of 0.15 mV
REL_SD_WEIGHT, REL_SD_DELAY = 0.1, 0.5
DELAY_E, DELAY_I, DT = 1.5, 0.75, 0.1


def scaled(scale: float) -> dict:
    """Sizes, synapse numbers, weights and compensating currents at one scale."""
    pairs = np.outer(SIZES, SIZES)
    synapses = np.log1p(-PROBABILITY) / np.log1p(-1.0 / pairs)
    weights = np.tile(np.where(np.arange(8) % 2 == 0, PSC, -4 * PSC), (8, 1))
    weights[0, 2] *= 2
    recurrent = (weights * synapses / SIZES[:, None]) @ FULL_RATES
    lost = recurrent + PSC * EXTERNAL_INDEGREE * EXTERNAL_RATE
    return {
        "sizes": np.round(SIZES * scale).astype(int),
        "synapses": np.round(synapses * scale * scale).astype(int),
        "weights": weights / np.sqrt(scale),
        "psc_external": PSC / np.sqrt(scale),
        "poisson_rate": EXTERNAL_RATE * np.round(EXTERNAL_INDEGREE * scale),
        "current": 1e-3 * NEURON["tau_syn_ex"] * (1 - np.sqrt(scale)) * lost,
    }


def build(parameters: dict, seed: int):
    """Creates the network in a fresh kernel and returns its spike recorders."""
    nest.ResetKernel()
    nest.set(resolution=DT, local_num_threads=1, rng_seed=seed, overwrite_files=True)
    populations, recorders = [], []
    for k, size in enumerate(parameters["sizes"]):
        cells = nest.Create("iaf_psc_exp", int(size), params=NEURON | {"I_e": float(parameters["current"][k])})
        cells.V_m = nest.random.normal(V0_MEAN[k], V0_SD[k])
        recorder = nest.Create("spike_recorder")
        nest.Connect(cells, recorder)
        source = nest.Create("poisson_generator", params={"rate": float(parameters["poisson_rate"][k])})
        nest.Connect(source, cells, syn_spec={"weight": parameters["psc_external"], "delay": DELAY_E})
        populations.append(cells)
        recorders.append(recorder)
    for i, target in enumerate(populations):
        for j, source in enumerate(populations):
            connect(source, target, int(parameters["synapses"][i, j]), parameters["weights"][i, j], DELAY_I if j % 2 else DELAY_E)
    return populations, recorders


def connect(source, target, synapses: int, weight: float, delay: float) -> None:
    """`synapses` pairs drawn with replacement; weights redrawn at a change of sign, delays below one step."""
    if synapses == 0:
        return
    low, high = (0.0, np.inf) if weight > 0 else (-np.inf, 0.0)
    nest.Connect(
        source,
        target,
        conn_spec={"rule": "fixed_total_number", "N": synapses},
        syn_spec={
            "weight": nest.math.redraw(nest.random.normal(weight, abs(weight) * REL_SD_WEIGHT), min=low, max=high),
            "delay": nest.math.redraw(nest.random.normal(delay, delay * REL_SD_DELAY), min=DT / 2, max=np.inf),  # rounds to >= DT
        },
    )


def measure(populations, recorders, warmup: float, duration: float) -> tuple[list[float], list[float]]:
    """Mean rate in Hz and mean CV of the intervals (neurons with at least 3 spikes), by population."""
    nest.Simulate(warmup)
    for recorder in recorders:
        recorder.n_events = 0
    nest.Simulate(duration)
    rates, cvs = [], []
    for cells, recorder in zip(populations, recorders, strict=True):
        events = recorder.events
        rates.append(len(events["times"]) / len(cells) / duration * 1e3)
        order = np.lexsort((events["times"], events["senders"]))
        trains = np.split(events["times"][order], np.flatnonzero(np.diff(events["senders"][order])) + 1)
        intervals = [np.diff(train) for train in trains if len(train) >= 3]
        cvs.append(float(np.mean([np.std(x) / np.mean(x) for x in intervals])))
    return rates, cvs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--warmup", type=float, default=500.0, help="ms")
    parser.add_argument("--duration", type=float, default=1000.0, help="ms")
    chosen = parser.parse_args()
    nest.verbosity = nest.VerbosityLevel.ERROR
    parameters = scaled(chosen.scale)
    rates, cvs = [], []
    for seed in range(1, chosen.seeds + 1):
        start = time.perf_counter()
        row, cv = measure(*build(parameters, seed), chosen.warmup, chosen.duration)
        rates.append(row)
        cvs.append(cv)
        print(f"seed {seed}: {' '.join(f'{r:.2f}' for r in row)} Hz in {time.perf_counter() - start:.0f} s", flush=True)
    write(chosen, parameters, np.array(rates), np.array(cvs))


def write(chosen, parameters: dict, rates: np.ndarray, cvs: np.ndarray) -> None:
    def by_population(values, digits=4):
        return {name: round(float(x), digits) for name, x in zip(POPULATIONS, values, strict=True)}

    record = {
        "script": "tests/oracle/nest_microcircuit.py",
        "nest": nest.__version__,
        "numpy": np.__version__,
        "scale": chosen.scale,
        "input": "poisson",
        "dt_ms": DT,
        "warmup_ms": chosen.warmup,
        "duration_ms": chosen.duration,
        "seeds": list(range(1, chosen.seeds + 1)),
        "neurons": {name: int(n) for name, n in zip(POPULATIONS, parameters["sizes"], strict=True)},
        "synapses": int(parameters["synapses"].sum()),
        "current_pa": by_population(parameters["current"]),
        "poisson_hz": by_population(parameters["poisson_rate"]),
        "psc_external_pa": round(float(parameters["psc_external"]), 6),
        "rates_hz": by_population(rates.mean(0)),
        "rates_sd_over_seeds_hz": by_population(rates.std(0, ddof=1)),
        "cv": by_population(cvs.mean(0)),
        "cv_sd_over_seeds": by_population(cvs.std(0, ddof=1)),
        "rates_hz_by_seed": [by_population(row) for row in rates],
    }
    path = pathlib.Path(__file__).parent / "data" / f"microcircuit_{chosen.scale:g}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n")
    print(path.name, record["rates_hz"])


if __name__ == "__main__":
    main()
