"""The cost of delivery alone, made inside a worker process. Imported only there."""

import hashlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from neuro4d.bench._measure import build
from neuro4d.ops import History, by_port, deliver

DEPTH = 64


def measure_delivery(job: dict[str, Any]) -> dict[str, Any]:
    """`spikes` random sources a step, each with a row of the fan's `row` synapses, added to sums that stay in cache.

    **Returns:** `seconds` for `steps` calls inside one compiled loop, of each of `repeats` runs; `events` a step; `blocks` of targets.
    """
    model, facts = build(job)
    path = next(path for path in model.pathways.values() if path.targets.shape[0] == facts["synapses"])
    active, spikes, steps = job["network"]["active"], job["spikes"], job["steps"]
    rng = np.random.default_rng(0)
    ids = np.zeros((DEPTH, path.n_source), np.int32)
    for row in ids:
        row[:spikes] = np.sort(rng.choice(active, spikes, replace=False))
    history = History(jnp.asarray(ids), jnp.full(DEPTH, spikes, jnp.int32), None)
    backend = model.layout.backend

    @jax.jit
    def loop(path, history, acc):
        def body(k, carry):
            acc, history = carry
            return deliver(path, history, jnp.uint32(DEPTH) + k.astype(jnp.uint32), acc, backend)

        return jax.lax.fori_loop(0, steps, body, (acc, history))

    acc = jnp.zeros((path.n_blocks, path.block_size), model.dtype)
    jax.block_until_ready(loop(path, history, acc))
    seconds = []
    for _ in range(job["repeats"]):
        began = time.perf_counter()
        sums, _ = jax.block_until_ready(loop(path, history, acc))
        seconds.append(time.perf_counter() - began)
    events = spikes * job["network"]["row"]
    digest = hashlib.sha256(np.asarray(by_port(sums, path.n_ports, path.width, path.n_target)).tobytes()).hexdigest()
    return {
        **facts, "seconds": seconds, "events": events, "blocks": path.n_blocks, "ids": str(path.targets.dtype), "digest": digest,
    }  # fmt: skip
