"""What learning costs: a network with STDP on all synapses between excitatory neurons next to the same network without, and the benchmark of high-performance
computing of NEST next to NEST, and the neuron of Song, Miller and Abbott next to Brian2.

    python benchmarks/plasticity.py --peers nest,brian2 --json benchmarks/results/plasticity.json
    python benchmarks/plasticity.py --quick                                               # does it work?

The first network has 10,000 excitatory and 2,500 inhibitory neurons with a tenth of both as inputs, at about 10 Hz. The second is `n4.zoo.hpc_benchmark`: 9,000 and 2,250 neurons,
each with as many inputs, and a power law without a bound. The third is the first at a fifth of its size, in plain XLA. The fourth is
one neuron with 1,000 synapses that learn.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

import brainunit as u
import jax
import numpy as np
from finish import add_common, finish, settle

import neuro4d as n4
from neuro4d.bench import Check, Column, Outcome, parse_peers
from neuro4d.bench._peers import PEERS, ask
from neuro4d.bench._result import median

SIZES = {"ms": (1000, 100), "repeats": (3, 1), "percent": (100, 10)}
DRIVE = 7.7
"""Hz of each external source, of which there are as many as excitatory inputs: neurons then fire at about 10 Hz."""
PLAIN, SONG = "10 % of 2,500, plain XLA", "Song, Miller and Abbott"
COLUMNS = (
    Column("network", "network"),
    Column("learning", "learning"),
    Column("simulator", "simulator"),
    Column("learn", "synapses that learn", ",.0f"),
    Column("rate", "Hz", ".1f"),
    Column("wall", "s per biological s", ".3f"),
    Column("ratio", "times the static network", ".2f"),
    Column("moved", "weights that moved %", ".0f"),
    Column("build_s", "build s", ".1f"),
)
PAIRS = {"a_plus": 0.0005, "a_minus": 0.00055}
RULES = {
    "static": lambda w_max: None,
    "weights in the state": lambda w_max: n4.Free(),
    "STDP": lambda w_max: n4.STDP(w_max=w_max, **PAIRS),
    "STDP, a power law": lambda w_max: n4.STDP(w_max=w_max, mu_plus=0.4, mu_minus=0.4, **PAIRS),
    "TripletSTDP": lambda w_max: n4.TripletSTDP(w_max=w_max, a3_plus=6e-4, a2_minus=5e-4),
}


def balanced(rule: Any, percent: int) -> n4.Network:
    """10,000 excitatory and 2,500 inhibitory neurons; weights between excitatory ones differ, also where they are static."""
    lif = n4.LIF(tau=20 * u.ms, c=250 * u.pF, v_rest=0 * u.mV, v_th=20 * u.mV, v_reset=0 * u.mV, t_ref=2 * u.ms)
    n_exc, n_inh = 100 * percent, 25 * percent
    cells = {name: n4.Population(name, n, lif, {"in": n4.ExpCurrent(tau=2 * u.ms)}, v0=n4.Uniform(0 * u.mV, 19 * u.mV)) for name, n in (("exc", n_exc), ("inh", n_inh))}
    in_exc, in_inh, weight, delay = n_exc // 10, n_inh // 10, 20 * u.pA * (100 / percent), 1.5 * u.ms
    parts = list(cells.values())
    for name, target in cells.items():
        learns = rule(2 * weight) if name == "exc" else None
        size = n4.Normal(weight, 0.1 * weight, low=0 * u.pA, high=2 * weight) if name == "exc" else weight
        parts.append(n4.Projection(f"exc-{name}", cells["exc"], target, "in", n4.FixedInDegree(in_exc), weight=size, delay=delay, plasticity=learns))
        parts.append(n4.Projection(f"inh-{name}", cells["inh"], target, "in", n4.FixedInDegree(in_inh), weight=-5 * weight, delay=delay))
        parts.append(n4.Poisson(f"drive-{name}", target, "in", rate=in_exc * DRIVE * u.Hz, weight=weight))
    return n4.Network(*parts)


def song(learns: bool) -> n4.Network:
    """The network of the zoo, with its rule or without one."""
    made = n4.zoo.song_miller_abbott()
    if learns:
        return made
    (e,) = made.projections
    return n4.Network(*made.populations, n4.Projection(e.name, e.source, e.target, e.port, e.rule, weight=e.weight, delay=e.delay))


def measure(network: n4.Network, given: argparse.Namespace, learning: str, name: str) -> dict[str, Any]:
    """Runs that go on from each other, spikes recorded, after one that warms up."""
    backend, (edges, cells) = n4.Backend.REFERENCE if name == PLAIN else n4.Backend.AUTO, ("e", "cell") if name == SONG else ("exc-exc", "exc")
    biological = given.ms * (10 if name == SONG else 1)
    began = time.perf_counter()
    model = jax.block_until_ready(network.build(dt=0.1 * u.ms, seed=0, backend=backend, progress=False))
    built = time.perf_counter() - began
    run = n4.simulate(model, model.init(jax.random.key(0)), biological * u.ms, progress=False)
    seconds, spikes, moved = [], 0, float("nan")
    first = np.asarray(model.weights(edges).mantissa) if learning != "static" else None
    for _ in range(given.repeats):
        run = n4.simulate(model, run.state, biological * u.ms, progress=False)
        seconds.append(run.wall_s)
        spikes += len(run.spikes(cells))
    if first is not None:
        moved = 100 * float(np.mean(np.asarray(model.weights(edges, run.state).mantissa) != first))
    n_exc = model.populations[cells].size
    learns = len(first) if first is not None and learning != "weights in the state" else 0
    rate = spikes / n_exc / given.repeats / biological * 1e3
    return {"wall": median(seconds) / biological * 1e3, "seconds": seconds, "rate": rate, "learn": learns, "moved": moved, "build_s": built, "plan": str(model.plan())}


def rows(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    cases = [("10 % of 12,500", name, lambda rule=rule: balanced(rule, given.percent)) for name, rule in RULES.items()]
    cases += [("hpc_benchmark", name, lambda plastic=plastic: n4.zoo.hpc_benchmark(given.percent / 100, plastic)) for name, plastic in (("static", False), ("power law", True))]
    small = max(given.percent // 5, 1)
    cases += [(PLAIN, name, lambda rule=RULES[name]: balanced(rule, small)) for name in ("static", "STDP", "TripletSTDP")]
    cases += [(SONG, name, lambda name=name: song(name == "STDP")) for name in ("static", "STDP")]
    static = {}
    for network, learning, make in cases:
        if given.only and network not in given.only:
            continue
        row = {"network": network, "learning": learning, "simulator": "neuro4d", **measure(make(), given, learning, network)}
        static.setdefault(network, row["wall"])
        row["ratio"] = row["wall"] / static[network]
        print(row, file=sys.stderr, flush=True)
        yield row
    for peer in parse_peers(given.peers):
        for network, learning, cells, job in peer_jobs(given):
            if job["network"] in PEERS[peer].networks and (not given.only or network in given.only):
                found = ask(peer, job | {"seed": 0, "float": "float32"})
                wall = median(found["seconds"]) / job["duration_ms"] * 1e3
                row = {"network": network, "learning": learning, "simulator": found["simulator"], "rate": found["rates"][cells], "wall": wall, "build_s": found["build_s"]}
                print(row, file=sys.stderr, flush=True)
                yield row


def peer_jobs(given: argparse.Namespace) -> list[tuple[str, str, str, dict[str, Any]]]:
    """What peers are asked: network, what it learns, whose rate counts, and the job."""
    hpc = {"network": "hpc", "scale": given.percent / 100, "threads": 2, "warm_ms": 100.0, "duration_ms": given.peer_ms, "repeats": 1}
    # A neuron has no work for a second thread.
    one = {"network": "song", "threads": 1, "warm_ms": 10.0 * given.ms, "duration_ms": 10.0 * given.ms, "repeats": given.repeats}
    return [("hpc_benchmark", "power law", "exc", hpc), (SONG, "STDP", "cell", one)]


def checks(found: list[dict[str, Any]]) -> list[Check]:
    made = [row for row in found if row["simulator"] == "neuro4d" and row["learning"] == "STDP" and row["network"] != PLAIN]
    out = [Check("STDP costs at most 3 times the static network", row["ratio"] <= 3, f"{row['network']}: {row['ratio']:.2f} times at {row['rate']:.1f} Hz") for row in made]
    by = {row["simulator"]: row for row in found if row["network"] == SONG and row["learning"] == "STDP"}
    if "Brian2" in by and "neuro4d" in by:
        gain = by["Brian2"]["wall"] / by["neuro4d"]["wall"]
        apart = abs(by["neuro4d"]["rate"] / by["Brian2"]["rate"] - 1)  # rates still fall, and runs here go on from each other
        out.append(Check(f"{SONG}: rates within 30 %", apart <= 0.3, f"{100 * apart:.0f} % apart"))
        out.append(Check(f"{SONG} as fast as Brian2", gain >= 1, f"{gain:.1f} times, at {by['neuro4d']['rate']:.1f} and {by['Brian2']['rate']:.1f} Hz"))
    by = {row["simulator"]: row for row in found if row["network"] == "hpc_benchmark" and row["learning"] == "power law"}
    if "NEST" in by and "neuro4d" in by:
        gain = by["NEST"]["wall"] / by["neuro4d"]["wall"]
        # NEST is measured early, while rates are still high: as if all of its cost followed them.
        least = gain * min(by["neuro4d"]["rate"] / by["NEST"]["rate"], 1)
        rates = f"at {by['neuro4d']['rate']:.1f} and {by['NEST']['rate']:.1f} Hz"
        out.append(Check("hpc_benchmark at least 10 times as fast as NEST, spike for spike", least >= 10, f"{gain:.1f} times, {rates}: {least:.1f} times per spike"))
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_common(parser, SIZES)
    parser.add_argument("--peers", default="", help="nest, brian2, both with a comma, or nobody")
    parser.add_argument("--peer-ms", type=float, default=200.0, dest="peer_ms", help="biological time that a peer runs, after 100 ms")
    parser.add_argument("--only", action="append", help="one network alone")
    given = parser.parse_args()
    settle(given, SIZES)
    found = list(rows(given))
    return finish("plasticity", Outcome(found, checks(found), COLUMNS), given.json, quick=given.quick)


if __name__ == "__main__":
    sys.exit(main())
