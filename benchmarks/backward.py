"""What a backward pass costs: delivery at some activity against delivery over all synapses, and COBA-4000 over 1,000 steps.

    python benchmarks/backward.py                   # both
    python benchmarks/backward.py --only delivery   # the operation alone, native and in plain XLA, at 0.1, 1 and 10 % activity
    python benchmarks/backward.py --json benchmarks/results/backward.json
    python benchmarks/backward.py --only coba       # time and peak memory of a whole gradient, in a process of its own

Delivery: the pathway of COBA-4000 with one weight per synapse. Activity of 1 % means that 1 % of the sources fired and, independently, 1 % have a
slope. Both programs give the slopes of all weights, of all spikes of the ring and of the sums; that they agree to rounding is asserted in the same run.
The time is the median of many calls, of which the two programs take turns.

COBA: slopes of the number of spikes with the threshold, the drive and the weight of every synapse; 0.1 ms steps, the detached reset, crossings counted
once. The peak is that of the whole process, compilation included.
"""

import argparse
import dataclasses
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import neuro4d as n4
from neuro4d.bench._machine import machine, versions
from neuro4d.ops import Backend, History, deliver, pack
from neuro4d.ops._dense import dense_spread

STEP = jnp.uint32(1000)
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


def delivery(repeats: int) -> list[dict[str, Any]]:
    model = n4.zoo.coba().build(dt=0.1 * u.ms, seed=0)
    (path,) = model.pathways.values()
    random = np.random.default_rng(0)
    weight = jnp.asarray(random.normal(size=path.targets.shape), jnp.float32)
    path = dataclasses.replace(path, weight=weight, weight_kind="edge")
    acc = jnp.zeros((path.n_blocks, path.block_size), jnp.float32)
    back = jnp.asarray(random.normal(size=acc.shape), jnp.float32)
    depth = model.layout.groups[0].depth
    programs = {"native": sparse_back(path, Backend.AUTO), "plain XLA": sparse_back(path, Backend.REFERENCE), "all synapses": dense_back(path)}
    rows = []
    for share in (0.001, 0.01, 0.1):
        history, _, near = activity(depth, path.n_source, share, 1)
        given = (history, near, weight, acc, back)
        results = {name: jax.block_until_ready(run(*given)) for name, run in programs.items()}
        for name in ("native", "plain XLA"):
            for one, other in zip(results[name], results["all synapses"], strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4, err_msg=f"{name} at {share}")
        times = turns(programs, given, repeats)
        row = {"activity": share, "synapses": int(path.targets.shape[0])} | {f"{name}, us": round(x, 1) for name, x in times.items()}
        rows.append(row | {f"ratio {name}": round(times["all synapses"] / times[name], 1) for name in ("native", "plain XLA")})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def coba_gradient(steps: int) -> None:
    """In the child process: one gradient, its time, and the peak of memory."""
    model = n4.zoo.coba().build(dt=0.1 * u.ms, seed=0, surrogate=SURROGATE)
    (name,) = model.pathways
    path = model.pathways[name]
    source = np.repeat(np.arange(path.n_source), np.diff(np.append(np.asarray(path.start)[:, 0], path.targets.shape[0])))
    weight = {"edge": path.weight, "source": jnp.asarray(path.weight)[source] if path.weight_kind == "source" else None}.get(path.weight_kind)
    weight = jnp.full(path.targets.shape, path.weight) if weight is None else weight
    model = eqx.tree_at(lambda m: m.pathways[name], model, dataclasses.replace(path, weight=weight, weight_kind="edge"))
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
    numbers = {"steps": steps, "neurons": model.n_neurons, "synapses": model.n_synapses, "spikes": float(spikes)}
    numbers |= {"slope with the threshold, 1/mV": float(np.sum(by_threshold)), "first call, s": round(first, 2)}
    print(json.dumps(numbers | {"a gradient, s": round(took, 2), "peak, GiB": round(peak, 2)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=("delivery", "coba"))
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="also write the numbers into this file")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        coba_gradient(given.steps)
        return
    results: dict[str, Any] = {"command": "python benchmarks/backward.py", "machine": machine(), "versions": versions()}
    if given.only != "coba":
        results["delivery"] = delivery(given.repeats)
    if given.only != "delivery":
        child = [sys.executable, __file__, "--child", "--steps", str(given.steps)]
        said = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True).stdout
        print(said, end="")
        results["coba"] = json.loads(said)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
