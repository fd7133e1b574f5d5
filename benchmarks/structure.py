"""What it costs that neurons are born and die, and that synapses form and vanish: such networks next to the same network without, measured in turns.

    python benchmarks/structure.py --json benchmarks/results/structure.json
    python benchmarks/structure.py --quick                                       # does it work?

One neuron at each of 102,400 sites of a lattice with four axes, each with 100 synapses and Poisson input, at about 10 Hz, in steps of 0.1 ms. An event
every 100 ms: one neuron in a hundred dies at it, of age, and is replaced by a child, or a living one divides. Synapses change once a second, in rows with
room for 200: about one in five hundred forms and as many vanish, or every source grows one.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

import brainunit as u
import jax
import numpy as np
from finish import script

import neuro4d as n4
from neuro4d.bench import Check, Column
from neuro4d.bench._result import median

SIZES = {"side": (20, 4), "ms": (1000, 1000), "repeats": (3, 1)}
COLUMNS = (
    Column("network", "network"),
    Column("slots", "slots", ",.0f"),
    Column("synapses", "synapses", ",.0f"),
    Column("alive", "alive at the end %", ".0f"),
    Column("rate", "Hz of a slot", ".1f"),
    Column("births", "births", ",.0f"),
    Column("deaths", "deaths", ",.0f"),
    Column("formed", "formed", ",.0f"),
    Column("pruned", "vanished", ",.0f"),
    Column("wall", "s per biological s", ".3f"),
    Column("ratio", "times the static network", ".2f"),
    Column("build_s", "build s", ".1f"),
)
EVENT, AGE = 100 * u.ms, 10 * u.second


def cycle(**rule: Any) -> n4.Lifecycle:
    """One event in ten per second, at which one neuron in a hundred is too old."""
    return n4.Lifecycle(every=EVENT, max_age=AGE, health_decay=None, age=n4.Uniform(0 * u.second, AGE), **rule)


SLOTS = 200
CURVE = n4.LinearGrowth(rate=1 * u.Hz, eps=0.2)


def forming(neurons: int) -> n4.StructuralPlasticity:
    """Synapses that form between active neurons, and weak ones that vanish."""
    forms = n4.Formation(rate=1.5 / neurons, full=20 * u.Hz, proposals=8)
    return n4.StructuralPlasticity(formation=forms, pruning=n4.Pruning(below=1 * u.pA, probability=0.1), weight=1 * u.pA)


def growing(neurons: int) -> n4.StructuralPlasticity:
    """Synaptic elements of all neurons that grow by one in a second."""
    del neurons
    return n4.StructuralPlasticity(growth=n4.Growth(CURVE, CURVE), weight=1 * u.pA)


LIVES: dict[str, dict[str, Any]] = {
    "static": {},
    "static, weights in the state": {"plasticity": n4.Free()},
    "may die": {"alive": 1.0},
    "children, one set of parameters": {"lifecycle": cycle(mutation_params=0, mutation_weights=0)},
    "children, parameters mutate": {"lifecycle": cycle(mutation_weights=0)},
    "children, parameters and weights mutate": {"lifecycle": cycle(), "plasticity": n4.Free()},
    "division near the parent": {"lifecycle": cycle(reproduction=False, mutation_weights=0, division_rate=0.12 * u.Hz, radius=100 * u.um), "alive": 0.9},
    "synapses form and vanish": {"structure": forming},
    "synapses grow": {"structure": growing},
    "synapses form, vanish and learn": {"structure": forming, "plasticity": n4.STDP(w_max=200 * u.pA, a_plus=1e-3, a_minus=1e-3)},
}


def network(side: int, *, lifecycle: Any = None, alive: Any = None, plasticity: Any = None, structure: Any = None) -> n4.Network:
    """A population at all sites of a lattice, in which excitation and inhibition balance."""
    lif = n4.LIF(tau=20 * u.ms, c=250 * u.pF, v_rest=0 * u.mV, v_th=20 * u.mV, v_reset=0 * u.mV, t_ref=2 * u.ms)
    brain = n4.Lattice((side, side, 16, 16), spacing=50 * u.um)
    v0, port = n4.Uniform(0 * u.mV, 19 * u.mV), {"in": n4.ExpCurrent(tau=2 * u.ms)}
    cells = n4.Population("cells", brain.all(), lif, port, v0=v0, alive=alive, lifecycle=lifecycle)
    weight = n4.Normal(0 * u.pA, 40 * u.pA)
    if plasticity is not None and plasticity.limits() is not None:
        weight = n4.Uniform(0 * u.pA, 2 * u.pA)
    rule, more = n4.FixedInDegree(100), {}
    if structure is not None:
        rule, more = n4.FixedInDegree(100, multapses=False), {"structure": structure(side * side * 256), "slots": SLOTS}
    e = n4.Projection("e", cells, cells, "in", rule, weight=weight, delay=1.5 * u.ms, plasticity=plasticity, **more)
    return n4.Network(cells, e, n4.Poisson("drive", cells, "in", rate=3000 * u.Hz, weight=37 * u.pA))


def rows(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    models, states, built = {}, {}, {}
    for name, parts in LIVES.items():
        began = time.perf_counter()
        models[name] = network(given.side, **parts).build(dt=0.1 * u.ms, seed=0, progress=False)
        built[name] = time.perf_counter() - began
        states[name] = n4.simulate(models[name], jax.random.key(0), given.ms / 2 * u.ms, n4.Counts(), progress=False).state  # warm
    seconds: dict[str, list[float]] = {name: [] for name in LIVES}
    spikes = dict.fromkeys(LIVES, 0)
    for _ in range(given.repeats):
        for name, model in models.items():
            run = n4.simulate(model, states[name], given.ms * u.ms, n4.Counts(), progress=False)
            states[name] = run.state
            seconds[name].append(run.wall_s)
            spikes[name] += int(run.counts("cells").sum())
    static = median(seconds["static"])
    for name, model in models.items():
        wall, state, slots = median(seconds[name]), states[name], model.n_neurons
        life, alive = state.life.get("cells"), state.alive.get("cells")
        row = {"network": name, "slots": slots, "synapses": model.n_synapses, "wall": wall / given.ms * 1e3, "ratio": wall / static, "build_s": built[name]}
        row |= {"rate": spikes[name] / slots / given.repeats / given.ms * 1e3, "seconds": seconds[name], "plan": str(model.plan())}
        row |= {"alive": 100.0 if alive is None else 100 * float(np.asarray(alive).mean())}
        row |= {"births": 0 if life is None else int(life.births), "deaths": 0 if life is None else int(life.deaths)}
        held = model.slots("e", state) if model.structures else None
        row |= {"formed": 0 if held is None else int(held.formed), "pruned": 0 if held is None else int(held.pruned)}
        print(row, file=sys.stderr, flush=True)
        yield row


def checks(found: list[dict[str, Any]]) -> list[Check]:
    changing = [row for row in found if row["births"] or (row["formed"] and "learn" not in row["network"])]  # what learning costs: plasticity.py
    return [Check("a structure that changes costs at most twice the static network", row["ratio"] <= 2, f"{row['network']}: {row['ratio']:.2f} times") for row in changing]


if __name__ == "__main__":
    sys.exit(script("structure", __doc__, SIZES, rows, checks, COLUMNS))
