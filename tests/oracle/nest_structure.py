"""The side of NEST of the comparison of structural plasticity, a process of its own: `python nest_structure.py CASE.json OUT.json`."""

import json
import sys

import nest


def run(case: dict, seed: int) -> dict:
    """Mean calcium and number of synapses, once in every `record` ms."""
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.resolution, nest.rng_seed = case["dt"], seed
    nest.structural_plasticity_update_interval = case["every"]
    nest.CopyModel("static_synapse", "grown")
    nest.SetDefaults("grown", {"weight": case["weight"], "delay": case["delay"]})
    ends = {"post_synaptic_element": "dendrite", "pre_synaptic_element": "axon"}
    once = {"allow_autapses": False, "allow_multapses": False}
    nest.structural_plasticity_synapses = {"grown": {"synapse_model": "grown", **ends, **once}}
    curve = {"growth_curve": case["curve"], "growth_rate": case["rate"], "continuous": False, "eps": case["eps"], **case["shape"]}
    cells = nest.Create("iaf_psc_exp", case["n"], case["neuron"] | {"tau_Ca": case["tau"], "beta_Ca": case["beta"]})
    cells.synaptic_elements = {"axon": curve, "dendrite": curve}
    noise = nest.Create("poisson_generator", params={"rate": case["drive"]})
    nest.Connect(noise, cells, "all_to_all", {"weight": case["drive_weight"], "delay": case["delay"]})
    nest.EnableStructuralPlasticity()
    calcium, synapses = [], []
    for _ in range(case["records"]):
        nest.Simulate(case["record"])
        calcium.append(sum(cells.Ca) / case["n"])
        synapses.append(sum(each["axon"]["z_connected"] for each in cells.synaptic_elements))
    return {"calcium": calcium, "synapses": synapses}


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        given = json.load(file)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump([run(given, seed) for seed in range(1, given["seeds"] + 1)], file)
