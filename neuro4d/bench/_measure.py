"""Measurements of whole networks, made inside a worker process. Imported only there."""

import hashlib
import time
from types import MappingProxyType
from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d.bench._networks import network
from neuro4d.kernels import native_status
from neuro4d.model import Model
from neuro4d.ops import Backend
from neuro4d.recorders import Spikes
from neuro4d.results import Run
from neuro4d.simulate import batch, scan, simulate


def build(job: dict[str, Any]) -> tuple[Model, dict[str, Any]]:
    """The model of a job: `network`, `dt_ms` (0.1), `seed` (0), `backend` ("auto"), `precision` ("float32").

    **Returns:** the model, and what is known about it.
    """
    jax.config.update("jax_enable_x64", job.get("precision") == "float64")
    began = time.perf_counter()
    model = network(job["network"]).build(
        dt=job.get("dt_ms", 0.1) * u.ms,
        seed=job.get("seed", 0),
        precision=job.get("precision", "float32"),
        backend=BACKENDS[job.get("backend", "auto")],
    )
    jax.block_until_ready(model)
    facts = {
        "build_s": time.perf_counter() - began,
        "neurons": int(model.n_neurons),
        "synapses": int(model.n_synapses),
        "sizes": {name: int(span.size) for name, span in model.populations.items()},
        "device": jax.devices()[0].device_kind,
        "kernels": native_status() if model.layout.backend != Backend.REFERENCE and jax.default_backend() == "cpu" else "plain XLA",
    }
    return model, facts


BACKENDS = MappingProxyType({"auto": Backend.AUTO, "reference": Backend.REFERENCE})


def measure_network(job: dict[str, Any]) -> dict[str, Any]:
    """`repeats` runs of `duration_ms` after one of `warm_ms`, each going on from the last, with all spikes recorded.

    **Returns:** `seconds` (wall time of each run, compilation excluded), `compile_s`, `rates` in Hz by population over the measured
    runs, `spikes` (their number), `digest` of the recorded bits of the measured runs, and the facts of `build`.
    """
    model, facts = build(job)
    warm = simulate(model, model.init(jax.random.key(job.get("seed", 0))), job["warm_ms"] * u.ms, progress=False)
    state, seconds = warm.state, []
    digest, counts = hashlib.sha256(), dict.fromkeys(model.populations, 0)
    for _ in range(job["repeats"]):
        run = simulate(model, state, job["duration_ms"] * u.ms, progress=False)
        state = run.state
        seconds.append(run.wall_s)
        update_digest(digest, run)
        for name, n in spike_counts(run).items():
            counts[name] += n
    biological = job["repeats"] * job["duration_ms"] / 1e3
    rates = {name: counts[name] / span.size / biological for name, span in model.populations.items()}
    total = sum(counts.values())
    return {**facts, "seconds": seconds, "compile_s": warm.compile_s, "rates": rates, "spikes": total, "digest": digest.hexdigest()}


def measure_trials(job: dict[str, Any]) -> dict[str, Any]:
    """Like `measure_network`, with `lanes` trials in one program; `digests` has one entry per trial, `seconds` is of all together."""
    model, facts = build(job)
    keys = jax.random.split(jax.random.key(job.get("seed", 0)), job["most_lanes"])[: job["lanes"]]
    runs = batch(model, keys, job["warm_ms"] * u.ms, progress=False)
    compile_s, seconds = runs[0].compile_s, []
    digests = [hashlib.sha256() for _ in runs]
    spikes = 0
    for _ in range(job["repeats"]):
        state = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[run.state for run in runs])
        runs = batch(model, state, job["duration_ms"] * u.ms, progress=False)
        seconds.append(runs[0].wall_s)
        for digest, run in zip(digests, runs, strict=True):
            update_digest(digest, run)
            spikes += sum(spike_counts(run).values())
    biological = job["repeats"] * job["duration_ms"] / 1e3
    rate = spikes / model.n_neurons / job["lanes"] / biological
    return {**facts, "seconds": seconds, "compile_s": compile_s, "rate": rate, "digests": [d.hexdigest() for d in digests]}


def measure_steps(job: dict[str, Any]) -> dict[str, Any]:
    """Cost of a step in three forms: inside a compiled scan that keeps nothing, in `simulate` with all spikes recorded, and as one
    jitted `model.step` per call from Python.

    **Returns:** `seconds` for `steps` steps by form, of each of `repeats` runs, and the spikes of the recorded ones.
    """
    model, facts = build(job)
    steps, repeats = job["steps"], job["repeats"]
    state = model.init(jax.random.key(0))
    loop = jax.jit(lambda m, s: scan(m, s, steps)[0])
    state = jax.block_until_ready(loop(model, state))
    scanned = []
    for _ in range(repeats):
        began = time.perf_counter()
        state = jax.block_until_ready(loop(model, state))
        scanned.append(time.perf_counter() - began)
    recorded, spikes = [], 0
    for _ in range(repeats):
        run = simulate(model, state, steps * model.dt, (Spikes(),), progress=False)
        recorded.append(run.wall_s)
        spikes += sum(spike_counts(run).values())
    one = jax.jit(lambda m, s: m.step(s)[0])
    calls = min(steps, job.get("calls", 2000))
    called = []
    state = one(model, state)
    for _ in range(repeats):
        began = time.perf_counter()
        for _ in range(calls):
            state = one(model, state)
        jax.block_until_ready(state)
        called.append((time.perf_counter() - began) * steps / calls)
    seconds = {"scan": scanned, "recorded": recorded, "called": called}
    return {**facts, "steps": steps, "seconds": seconds, "spikes_per_step": spikes / steps / repeats}


def measure_loop(job: dict[str, Any]) -> dict[str, Any]:
    """`steps` steps of `model.step` in a `lax.scan` of one's own, with a value for the `Input` port "extra" in each."""
    model, facts = build(job)
    values = np.zeros(job["steps"], np.float32)
    loop = jax.jit(lambda m, s, x: jax.lax.scan(lambda s, v: (m.step(s, {"extra": v})[0], None), s, x)[0])
    state = jax.block_until_ready(loop(model, model.init(jax.random.key(0)), values))
    seconds = []
    for _ in range(job["repeats"]):
        began = time.perf_counter()
        state = jax.block_until_ready(loop(model, state, values))
        seconds.append(time.perf_counter() - began)
    return {**facts, "seconds": seconds}


def measure_devices(job: dict[str, Any]) -> dict[str, Any]:
    """What JAX would compute on."""
    device = jax.devices()[0]
    return {"platform": device.platform, "device": device.device_kind, "count": len(jax.devices()), "kernels": native_status()}


def update_digest(digest: Any, run: Run) -> None:
    """Adds the recorded bits of a run, in the order of the groups' names."""
    words = run.records["spikes"].packed
    for group in sorted(words):
        digest.update(np.ascontiguousarray(words[group]).tobytes())


def spike_counts(run: Run) -> dict[str, int]:
    """Number of spikes of every population, from the recorded bits."""
    counts = {}
    for name, span in run.model.populations.items():
        bits = np.asarray(run.records["spikes"].packed[span.group])
        counts[name] = _bits_between(bits, span.start, span.start + span.size)
    return counts


def _bits_between(words: np.ndarray, first: int, end: int) -> int:
    """Bits that are set among those from `first` to `end - 1` of every row."""
    low, high = first // 32, (end + 31) // 32
    part = words[:, low:high].copy()
    part[:, 0] &= np.uint32((0xFFFFFFFF << (first % 32)) & 0xFFFFFFFF)
    if end % 32:
        part[:, -1] &= np.uint32((1 << (end % 32)) - 1)
    return int(np.bitwise_count(part).sum(dtype=np.int64))
