"""The ladder: one network, computed in the ways in which people write such programs, made inside a worker process.

Every rung computes the same equations from the same edges and the same initial potentials:

$$ v \\leftarrow E + (v - E)\\,e^{-dt/\\tau} + \\sum_i w_i, $$

a spike where $v$ reaches the threshold, then the reset value for as many steps as the refractory period has. Weights are exact binary
fractions, so that no order of sums is an excuse.
"""

import hashlib
import time
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from neuro4d.bench._measure import build, measure_network
from neuro4d.model import Model


class Problem(NamedTuple):
    """Plain arrays: edges, weights in mV, initial potentials, and the numbers of the neuron."""

    pre: np.ndarray
    post: np.ndarray
    weight: np.ndarray
    v0: np.ndarray
    decay: float
    rest: float
    threshold: float
    reset: float
    hold: int


def measure_rung(job: dict[str, Any]) -> dict[str, Any]:
    """The rung `job["rung"]` for `duration_ms`, `repeats` times from the same start.

    **Returns:** `seconds`, `compile_s`, `rate` in Hz, `digest` of all spikes, and the facts of `build`.
    """
    if job["rung"] == "engine":
        fields = measure_network(job)
        return {**fields, "rate": fields["rates"]["cells"]}
    model, facts = build(job)
    problem, steps = problem_of(model), round(job["duration_ms"] / model.dt_ms)
    program, compile_s = RUNGS[job["rung"]](problem, steps)
    seconds = []
    for _ in range(job["repeats"]):
        began = time.perf_counter()
        fired = program()
        seconds.append(time.perf_counter() - began)
    rate = float(fired.sum() / fired.shape[1] / job["duration_ms"] * 1e3)
    digest = hashlib.sha256(np.packbits(fired, axis=1, bitorder="little").tobytes()).hexdigest()
    return {**facts, "kernels": "none", "seconds": seconds, "compile_s": compile_s, "rate": rate, "digest": digest}


def problem_of(model: Model) -> Problem:
    """The arrays of the network `pulses`."""
    lists = [model.edges(name) for name in ("e", "i")]
    pre, post = (np.concatenate([np.asarray(getattr(one, end)) for one in lists]) for end in ("pre", "post"))
    weight = np.concatenate([np.full(len(one.pre), w) for one, w in zip(lists, (0.125, -0.75), strict=True)])
    lif = model.neurons["cells"]
    v0 = np.asarray(model.init(jax.random.key(0)).neurons["cells"].v)
    decay = float(np.exp(-model.dt_ms / float(lif.tau)))
    hold = round(float(lif.t_ref) / model.dt_ms)
    return Problem(pre, post, weight, v0, decay, float(lif.v_rest), float(lif.v_th), float(lif.v_reset), hold)


Program = tuple[Callable[[], np.ndarray], float]


def plain_python(p: Problem, steps: int) -> Program:
    """Loops over neurons and over the synapses of those that fired; lists of numbers."""
    rows: list[list[tuple[int, float]]] = [[] for _ in p.v0]
    for pre, post, weight in zip(p.pre.tolist(), p.post.tolist(), p.weight.tolist(), strict=True):
        rows[pre].append((post, weight))

    def program() -> np.ndarray:
        v, left = [float(x) for x in p.v0], [0] * len(rows)
        fired: list[int] = []
        history = np.zeros((steps, len(rows)), bool)
        for k in range(steps):
            jump = [0.0] * len(rows)
            for i in fired:
                for j, w in rows[i]:
                    jump[j] += w
            fired = []
            for j in range(len(rows)):
                if left[j]:
                    left[j] -= 1
                    continue
                v[j] = p.rest + (v[j] - p.rest) * p.decay + jump[j]
                if v[j] >= p.threshold:
                    v[j], left[j] = p.reset, p.hold
                    fired.append(j)
            history[k, fired] = True
        return history

    return program, 0.0


def dense_numpy(p: Problem, steps: int) -> Program:
    """A full matrix times the vector of spikes, in NumPy."""
    matrix = dense_matrix(p, np.float64)

    def program() -> np.ndarray:
        v, left = p.v0.astype(np.float64), np.zeros(len(p.v0), np.int64)
        history = np.zeros((steps, len(p.v0)), bool)
        fired = history[0]
        for k in range(steps):
            jump = matrix @ fired.astype(np.float64)
            free = left == 0
            v = np.where(free, p.rest + (v - p.rest) * p.decay + jump, v)
            fired = free & (v >= p.threshold)
            v = np.where(fired, p.reset, v)
            left = np.where(fired, p.hold, np.maximum(left - 1, 0))
            history[k] = fired
        return history

    return program, 0.0


def jit_step(p: Problem, steps: int) -> Program:
    """The dense step compiled, called from Python for every step."""
    matrix = jnp.asarray(dense_matrix(p, np.float32))
    step = jax.jit(lambda matrix, carry: neuron_step(p, carry, matrix @ carry[2].astype(jnp.float32)))
    compile_s = _time_of(lambda: jax.block_until_ready(step(matrix, start(p))))

    def program() -> np.ndarray:
        carry, history = start(p), []
        for _ in range(steps):
            carry = step(matrix, carry)
            history.append(carry[2])
        return np.stack([np.asarray(fired) for fired in history])

    return program, compile_s


def scan_dense(p: Problem, steps: int) -> Program:
    """The dense step inside one compiled loop."""
    matrix = jnp.asarray(dense_matrix(p, np.float32))
    return _scanned(p, steps, (matrix,), lambda fired, matrix: matrix @ fired.astype(jnp.float32))


def scan_sparse(p: Problem, steps: int) -> Program:
    """Every synapse in every step, fired or not, by a segmented sum inside one compiled loop."""
    order = np.argsort(p.post, kind="stable")
    arrays = tuple(jnp.asarray(x[order]) for x in (p.pre, p.post, p.weight.astype(np.float32)))

    def jump(fired, pre, post, weight):
        return jax.ops.segment_sum(jnp.where(fired[pre], weight, 0), post, len(p.v0), indices_are_sorted=True)

    return _scanned(p, steps, arrays, jump)


def _scanned(p: Problem, steps: int, arrays: tuple, jump: Callable) -> Program:
    def body(carry, _):
        *arrays, state = carry
        state = neuron_step(p, state, jump(state[2], *arrays))
        return (*arrays, state), state[2]

    loop = jax.jit(lambda arrays, state: jax.lax.scan(body, (*arrays, state), None, length=steps)[1])
    compile_s = _time_of(lambda: jax.block_until_ready(loop(arrays, start(p))))
    return lambda: np.asarray(loop(arrays, start(p))), compile_s


def start(p: Problem) -> tuple:
    """Potentials, steps left in the refractory period, spikes of the last step."""
    n = len(p.v0)
    return jnp.asarray(p.v0, jnp.float32), jnp.zeros(n, jnp.int32), jnp.zeros(n, bool)


def neuron_step(p: Problem, carry: tuple, jump: Any) -> tuple:
    """One step of all neurons, in the order of operations of `LIF`."""
    v, left, _ = carry
    free = left == 0
    moved = jnp.where(free, p.rest + (v - p.rest) * p.decay, v) + jnp.where(free, jump, 0)
    fired = free & (moved >= p.threshold)
    return jnp.where(fired, p.reset, moved), jnp.where(fired, p.hold, jnp.maximum(left - 1, 0)), fired


def dense_matrix(p: Problem, dtype: Any) -> np.ndarray:
    """Row: target; column: source. Several synapses of a pair add up."""
    matrix = np.zeros((len(p.v0), len(p.v0)), dtype)
    np.add.at(matrix, (p.post, p.pre), p.weight.astype(dtype))
    return matrix


def _time_of(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


RUNGS = MappingProxyType({"python": plain_python, "numpy": dense_numpy, "jit": jit_step, "dense": scan_dense, "sparse": scan_sparse})
