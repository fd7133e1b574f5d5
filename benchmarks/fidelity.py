"""What the numbers of a chip do to rates and spike times: two networks of the zoo, as they are and in the integers of Loihi and SpiNNaker.

    python benchmarks/fidelity.py --json benchmarks/results/fidelity.json
    python benchmarks/fidelity.py --quick                                   # does it work?

Brunel's network and the cortical microcircuit, small, a second and two for each key, with the same random input before and after. `moved` is the mean of paired differences of rates with its
standard error; what another key does stands next to it. In one more model nothing is rounded but the leak: `tau` is what Loihi makes of it, and a capacitance leaves the resistance as it is.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator
from typing import Any

import brainunit as u
import jax.random as jr
import numpy as np
from finish import add_common, finish, settle

import neuro4d as n4
from neuro4d.bench import Check, Column, Outcome

SIZES = {"keys": (8, 2)}
CHIPS = ("loihi1", "spinnaker1")
LEAK = "leak of loihi1"
COLUMNS = (
    Column("network", "network"),
    Column("numbers", "numbers"),
    Column("population", "population"),
    Column("before", "Hz", ".2f"),
    Column("moved", "moved %", "+.1f"),
    Column("error", "± %", ".1f"),
    Column("spread", "between keys %", ".1f"),
    Column("within", "partner within 1 ms %", ".1f"),
    Column("by_chance", "by chance %", ".1f"),
)


def networks(quick: bool) -> dict[str, tuple[n4.Model, float]]:
    """Models and how long they run, in s."""
    short = 0.1 if quick else 1.0
    made = {"brunel": (n4.zoo.brunel(scale=0.1), short), "microcircuit": (n4.zoo.microcircuit(scale=0.02), 2 * short)}
    return {name: (network.build(dt=0.1 * u.ms, seed=0), seconds) for name, (network, seconds) in made.items()}


def leaky(model: n4.Model, stored: n4.hardware.Quantized) -> n4.Model:
    """The model with the time constants that the chip has, and resistances as they were."""
    for line in stored.parameters:
        if line.name == "tau":
            ratio, name = line.after / line.before, line.population
            model = n4.set(model, lambda m, name=name: m.neurons[name].tau, line.after * u.ms)
            model = n4.set(model, lambda m, name=name: m.neurons[name].c, float(model.neurons[name].c) * ratio * u.pF)
    return model


def row(network: str, numbers: str, population: str, found: list[n4.hardware.SpikeFidelity], *, paired: bool) -> dict[str, Any]:
    """One population over all keys; where inputs differ, rates have nothing to be paired by."""
    before, after = (np.array([getattr(each, field) for each in found]) for field in ("before", "after"))
    change = 100 * (after - before) / before.mean()
    made = {"network": network, "numbers": numbers, "population": population, "before": before.mean()}
    made |= {"moved": change.mean(), "error": change.std(ddof=1) / len(found) ** 0.5} if paired else {}
    spikes = sum(each.spikes for each in found)
    shares = {field: 100 * sum(getattr(each, field) * each.spikes for each in found) / spikes for field in ("within", "by_chance")}
    return made | shares | {"spread": 100 * after.std(ddof=1) / after.mean(), "each": change.tolist() if paired else None}


def rows(network: str, model: n4.Model, seconds: float, keys: int, stored: dict[str, n4.hardware.Quantized]) -> Iterator[dict[str, Any]]:
    def run(model: n4.Model, key: int) -> Any:
        return n4.simulate(model, jr.key(key), seconds * u.second, n4.Spikes(), progress=False)

    before = [run(model, key) for key in range(keys)]
    models = {chip: found.model for chip, found in stored.items()} | {LEAK: leaky(model, stored["loihi1"])}
    pairs = {"another key": list(zip(before, [*before[1:], before[0]], strict=True))}
    for numbers in ("another key", *models):
        after = pairs.get(numbers) or [(one, run(models[numbers], key)) for key, one in enumerate(before)]
        found = [n4.hardware.fidelity(one, other) for one, other in after]
        cells = [name for name, neuron in model.neurons.items() if isinstance(neuron, n4.LIF)]
        for population in cells:
            made = row(network, numbers, population, [each[population] for each in found], paired=numbers in models)
            print({key: value for key, value in made.items() if key != "each"}, file=sys.stderr, flush=True)
            yield made


def changed(found: n4.hardware.Quantized) -> str:
    """What became of weights."""
    number = sum(line.number for line in found.weights)
    mean = sum(line.mean_error * line.number for line in found.weights) / number
    return f"{100 * mean:.2f} % on average and {100 * max(line.max_error for line in found.weights):.2f} % at most on {found.target.name}"


def checks(found: list[dict[str, Any]], stored: dict[str, dict[str, n4.hardware.Quantized]]) -> list[Check]:
    of = {(each["network"], each["numbers"], each["population"]): each for each in found}
    still = [each["moved"] / max(each["error"], 1e-9) for each in found if each["numbers"] == "spinnaker1"]
    apart = []
    for (network, numbers, population), each in of.items():
        if numbers == "loihi1":
            gaps = np.subtract(each["each"], of[network, LEAK, population]["each"])
            apart.append(abs(gaps.mean()) / max(gaps.std(ddof=1) / len(gaps) ** 0.5, 1e-9))
    lost = sum(each.zeroed + each.clipped for chips in stored.values() for each in chips.values())
    closer = [each["within"] - each["by_chance"] for each in found if each["numbers"] in CHIPS]
    return [
        Check("SpiNNaker moves no rate by four standard errors", max(map(abs, still)) < 4, f"median {statistics.median(map(abs, still)):.1f}, {max(map(abs, still)):.1f} at most"),
        Check("the leak alone moves rates as Loihi does, within four standard errors", max(apart) < 4, f"median {statistics.median(apart):.1f}, {max(apart):.1f} at most"),
        Check("more spikes keep a partner than by chance", min(closer) > 0, f"by {min(closer):.1f} to {max(closer):.1f} points"),
        Check("no weight becomes 0 or meets the end of its range", lost == 0, f"{lost} do"),
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_common(parser, SIZES)
    given = parser.parse_args()
    settle(given, SIZES)
    made = networks(given.quick)
    stored = {name: {chip: n4.hardware.quantize_for(model, chip) for chip in CHIPS} for name, (model, _) in made.items()}
    found = [each for name, (model, seconds) in made.items() for each in rows(name, model, seconds, given.keys, stored[name])]
    moved = {chip: max(abs(each["moved"]) for each in found if each["numbers"] == chip) for chip in CHIPS}
    notes = (
        "Rates move by at most " + " and by ".join(f"{most:.1f} % on {chip}" for chip, most in moved.items()) + ".",
        f"Over {given.keys} keys, errors of means; between keys: the standard deviation of rates. A partner is a spike of the same neuron in the other run.",
        *(f"Weights of {name} changed by {' and by '.join(changed(each) for each in chips.values())}." for name, chips in stored.items()),
    )
    return finish("fidelity", Outcome(found, checks(found, stored), COLUMNS, notes), given.json, quick=given.quick)


if __name__ == "__main__":
    sys.exit(main())
