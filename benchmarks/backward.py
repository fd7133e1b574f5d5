"""What a backward pass costs: delivery at some activity against delivery over all synapses, and COBA-4000 over 1,000 steps.

    python benchmarks/backward.py --json benchmarks/results/backward.json    # both
    python benchmarks/backward.py --only delivery    # the operation alone, native and in plain XLA, at 0.1, 1 and 10 % activity
    python benchmarks/backward.py --quick            # does it work? few calls, few steps
    python benchmarks/backward.py --only coba        # time and peak memory of a whole gradient, in a process of its own

Delivery: the pathway of COBA-4000, some 320,000 synapses, with a weight of its own for each (`weight_kind="edge"`). Activity of 1 % means that 1 % of the sources fired and, independently, 1 % have a
slope. All programs give the slopes of all weights, of all spikes of the ring and of the sums; that they agree to rounding is checked in the same run.
The time is the median of many calls, in which the programs take turns.

COBA: slopes of the number of spikes with the threshold and the weight of every synapse; 0.1 ms steps, the detached reset, crossings counted
once. The peak is that of the whole process, compilation included.
"""

import argparse
import dataclasses
import json
import resource
import subprocess
import sys
import time
from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from finish import add_common, finish, settle

import neuro4d as n4
from neuro4d.bench import Check, Column, Outcome
from neuro4d.ops import Backend, History, deliver, pack
from neuro4d.ops._dense import dense_spread

STEP = jnp.uint32(1000)
SIZES = {"repeats": (200, 10), "steps": (1000, 100)}
COLUMNS = (
    Column("what", "what"),
    Column("synapses", "synapses", ",d"),
    Column("native_us", "native µs", ".0f"),
    Column("plain_us", "plain XLA µs", ".0f"),
    Column("all_us", "all synapses µs", ".0f"),
    Column("native_ratio", "native saves times", ".1f"),
    Column("plain_ratio", "plain XLA saves times", ".1f"),
    Column("gradient_s", "a gradient s", ".2f"),
    Column("first_s", "first call s", ".2f"),
    Column("peak_gib", "peak GiB", ".2f"),
)
SURROGATE = n4.Scaled(n4.Boxcar(width=10 * u.mV), count="crossings")


def activity(depth: int, n: int, share: float, seed: int) -> tuple[History, jax.Array, jax.Array]:
    """A ring in which a share of the neurons fired, and an independent one of the same size has a slope; and both as numbers."""
    random = np.random.default_rng(seed)
    fired, near = random.random((depth, n)) < share, random.random((depth, n)) < share
    ids, count = np.zeros((depth, n), np.int32), fired.sum(axis=1).astype(np.int32)
    for row, here in enumerate(fired):
        ids[row, : count[row]] = np.flatnonzero(here)
    soft = jnp.asarray(fired, jnp.float32)
    return History(jnp.asarray(ids), jnp.asarray(count), soft, jax.vmap(pack)(jnp.asarray(near))), soft, jnp.asarray(near, jnp.float32)


def sparse_back(path: Any, backend: Backend) -> Any:
    """The slopes through `deliver`."""

    def run(history: History, near: jax.Array, weight: jax.Array, acc: jax.Array, back: jax.Array) -> Any:
        del near

        def sums(weight: jax.Array, soft: jax.Array, acc: jax.Array) -> jax.Array:
            given = History(history.ids, history.count, soft, history.near)
            return deliver(dataclasses.replace(path, weight=weight), given, STEP, acc, backend)[0]

        return jax.vjp(sums, weight, history.soft, acc)[1](back)

    return jax.jit(run)


def dense_back(path: Any) -> Any:
    """The slopes over all synapses."""

    def run(history: History, near: jax.Array, weight: jax.Array, acc: jax.Array, back: jax.Array) -> Any:
        def sums(weight: jax.Array, soft: jax.Array, acc: jax.Array) -> jax.Array:
            carried = history.soft + near * (soft - jax.lax.stop_gradient(soft))
            return dense_spread(path, weight, carried, None, STEP, acc)

        return jax.vjp(sums, weight, history.soft, acc)[1](back)

    return jax.jit(run)


def turns(programs: dict[str, Any], given: tuple, repeats: int) -> dict[str, float]:
    """The median time of each program in microseconds."""
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(repeats):
        for name, run in programs.items():
            begin = time.perf_counter()
            jax.block_until_ready(run(*given))
            times[name].append(1e6 * (time.perf_counter() - begin))
    return {name: float(np.median(x)) for name, x in times.items()}


def deviation(got: Any, want: Any) -> float:
    """The largest difference of two sets of slopes, relative to one more than their size."""
    return max(float(np.max(np.abs(np.asarray(a) - b) / (1 + np.abs(b)))) for a, b in zip(got, want, strict=True))


def delivery(repeats: int) -> list[dict[str, Any]]:
    model = n4.zoo.coba().build(dt=0.1 * u.ms, seed=0)
    (path,) = model.pathways.values()
    random = np.random.default_rng(0)
    weight = jnp.asarray(random.normal(size=path.targets.shape), jnp.float32)
    path = dataclasses.replace(path, weight=weight, weight_kind="edge")
    acc = jnp.zeros((path.n_blocks, path.block_size), jnp.float32)
    back = jnp.asarray(random.normal(size=acc.shape), jnp.float32)
    depth = model.layout.groups[0].depth
    programs = {
        "native": sparse_back(path, Backend.AUTO),
        "plain XLA": sparse_back(path, Backend.REFERENCE),
        "all synapses": dense_back(path),
    }
    rows = []
    for share in (0.001, 0.01, 0.1):
        history, _, near = activity(depth, path.n_source, share, 1)
        given = (history, near, weight, acc, back)
        results = {name: jax.block_until_ready(run(*given)) for name, run in programs.items()}
        apart = max(deviation(results[name], results["all synapses"]) for name in ("native", "plain XLA"))
        times = turns(programs, given, repeats)
        native, plain, everything = (times[name] for name in ("native", "plain XLA", "all synapses"))
        row = {"what": f"delivery, {100 * share:g} % active", "activity": share, "synapses": model.n_synapses, "deviation": apart}
        row |= {"native_us": native, "plain_us": plain, "all_us": everything}
        rows.append(row | {"native_ratio": everything / native, "plain_ratio": everything / plain})
        print(f"{rows[-1]['what']}: {native:.0f}, {plain:.0f}, {everything:.0f} µs", file=sys.stderr, flush=True)
    return rows


def coba_gradient(steps: int) -> None:
    """In the child process: one gradient, its time, and the peak of memory."""
    model = n4.zoo.coba().build(dt=0.1 * u.ms, seed=0, surrogate=SURROGATE)
    model = n4.set(model, n4.Weights("e"), model.weights("e"))  # one number per synapse
    (name,) = model.pathways
    weight = model.pathways[name].weight
    population = next(iter(model.populations))

    @jax.jit
    def slope(leaves: Any, model: Any) -> Any:
        def count(leaves: Any) -> jax.Array:
            changed = eqx.tree_at(lambda m: (m.neurons[population].v_th, m.pathways[name].weight), model, leaves)
            _, kept = n4.scan(changed, changed.init(jr.key(0)), steps, lambda _, k: jnp.sum(k[population]))
            return jnp.sum(kept)

        return jax.value_and_grad(count)(leaves)

    leaves = (model.neurons[population].v_th, weight)
    begin = time.perf_counter()
    jax.block_until_ready(slope(leaves, model))
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    spikes, (by_threshold, by_weight) = jax.block_until_ready(slope(leaves, model))
    took = time.perf_counter() - begin
    if not (np.isfinite(by_threshold).all() and np.isfinite(by_weight).all()):
        raise SystemExit("a slope is not finite")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    numbers = {"what": f"gradient of COBA, {steps:,} steps", "steps": steps, "neurons": model.n_neurons, "synapses": model.n_synapses}
    numbers |= {"spikes": float(spikes), "slope_per_mv": float(np.sum(by_threshold))}
    print(json.dumps(numbers | {"first_s": first, "gradient_s": took, "peak_gib": peak}))


def checks(rows: list[dict[str, Any]]) -> list[Check]:
    """Whether the programs compute the same, and whether slopes are of use."""
    made = []
    delivered = [row for row in rows if "native_us" in row]
    if delivered:
        apart = max(row["deviation"] for row in delivered)
        least = min(row["native_ratio"] for row in delivered)
        made.append(Check("delivery: slopes of all programs agree to 1e-4", apart <= 1e-4, f"at most {apart:.1e}"))
        made.append(Check("delivery: native is faster than all synapses at every activity", least > 1, f"at least {least:.1f} times"))
    return made + [
        Check(
            "COBA: the slope of the number of spikes with the threshold is negative",
            row["slope_per_mv"] < 0,
            f"{row['slope_per_mv']:.0f} per mV",
        )
        for row in rows
        if "slope_per_mv" in row
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=("delivery", "coba"))
    add_common(parser, SIZES)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    settle(given, SIZES)
    if given.child:
        coba_gradient(given.steps)
        return 0
    rows = [] if given.only == "coba" else delivery(given.repeats)
    if given.only != "delivery":
        child = [sys.executable, __file__, "--child", "--steps", str(given.steps)]
        rows.append(json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True).stdout))
    notes = (
        "Delivery: the pathway of COBA with 4,000 neurons; every synapse has a weight of its own. The gradient is that with the threshold of all neurons "
        "and the weight of every synapse.",
    )
    quick = given.quick or given.only is not None
    return finish("backward", Outcome(rows, checks(rows), COLUMNS, notes), given.json, quick=quick)


if __name__ == "__main__":
    sys.exit(main())
