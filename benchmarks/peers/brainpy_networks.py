"""CUBA and COBA in BrainPy (`brainpy.state`, event-driven synapses of brainevent). See `_job.py` for what goes in and out.

As its documentation advises: one compiled `for_loop` over all steps, event-driven connections, aligned post-synaptic projections, single
precision, and a sum of the spikes of each step instead of a history.
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import brainevent
import brainpy
import brainpy.state as bp
import brainstate
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
from _job import Clock, answer, output_to_stderr, read_job, weight_factor

DT = 0.1 * u.ms
R = 100.0 * u.Mohm


class VogelsAbbott(brainstate.nn.Module):
    """A fifth of the neurons inhibits. Conductance-based if `coba`, else current-based."""

    def __init__(self, job: dict):
        super().__init__()
        n, p, f, coba = job["n"], job["k"] / job["n"], weight_factor(job), job["network"] == "coba"
        self.n_exc = n * 4 // 5
        start = braintools.init.Normal(-55.0 * u.mV, 5.0 * u.mV) if coba else braintools.init.Uniform(-60.0 * u.mV, -50.0 * u.mV)
        self.cells = bp.LIFRef(
            n, R=R, tau=20.0 * u.ms, tau_ref=5.0 * u.ms, V_th=-50.0 * u.mV, V_reset=-60.0 * u.mV,
            V_rest=(-60.0 if coba else -49.0) * u.mV, V_initializer=start, spk_reset="hard",
        )  # fmt: skip
        self.current = (200.0 if coba else 0.0) * u.pA
        # Its synapses carry conductances; a scale of 1 mV turns them into currents, pA for nS.
        weights = (6.0 * u.nS, 67.0 * u.nS) if coba else (16.2 * u.nS, -90.0 * u.nS)
        outs = [bp.COBA.desc(E=e * u.mV) if coba else bp.CUBA.desc(scale=1.0 * u.mV) for e in (0.0, -80.0)]
        sizes, taus = (self.n_exc, n - self.n_exc), (5.0 * u.ms, 10.0 * u.ms)
        self.projections = [
            bp.AlignPostProj(
                comm=brainstate.nn.EventFixedProb(size, n, p, f * weight, seed=job["seed"] + 1 + k),
                syn=bp.Expon.desc(n, tau=tau),
                out=out,
                post=self.cells,
                label=label,
            )
            for k, (size, weight, tau, out, label) in enumerate(zip(sizes, weights, taus, outs, ("e", "i"), strict=True))
        ]
        self.synapses = sum(size * max(round(n * p), 1) for size in sizes)

    def update(self, i):
        with brainstate.environ.context(t=i * DT, i=i):
            spikes = self.cells.get_spike() != 0.0
            self.projections[0](spikes[: self.n_exc])
            self.projections[1](spikes[self.n_exc :])
            self.cells(self.current)
            return jnp.sum(self.cells.get_spike())


def measure(job: dict) -> dict:
    brainstate.environ.set(dt=DT)
    brainstate.random.seed(job["seed"])
    with Clock() as building:
        net = VogelsAbbott(job)
        brainstate.nn.init_all_states(net)
    steps = {name: round(job[name] * 10) for name in ("warm_ms", "duration_ms")}

    @brainstate.transform.jit(static_argnums=1)
    def run(first, n):
        return jnp.sum(brainstate.transform.for_loop(net.update, first + jnp.arange(n)))

    done, spikes, seconds = 0, 0.0, []
    with Clock() as first:
        jax.block_until_ready(run(done, steps["duration_ms"]))
    done += steps["duration_ms"]
    for _ in range(max(-(-steps["warm_ms"] // steps["duration_ms"]) - 1, 0)):
        run(done, steps["duration_ms"])
        done += steps["duration_ms"]
    for _ in range(job["repeats"]):
        with Clock() as clock:
            fired = float(jax.block_until_ready(run(done, steps["duration_ms"])))
        done += steps["duration_ms"]
        spikes += fired
        seconds.append(clock.seconds)
    rate = spikes / job["n"] / (job["repeats"] * job["duration_ms"] / 1e3)
    compile_s = max(first.seconds - min(seconds), 0.0)
    return {"seconds": seconds, "rates": {"cells": rate}, "synapses": net.synapses, "build_s": building.seconds, "compile_s": compile_s}


def main() -> None:
    job = read_job()
    with output_to_stderr():
        fields = measure(job)
    settings = f"brainevent {brainevent.__version__}, jax {jax.__version__}, float32, {job['threads']} core(s)"
    answer(simulator="BrainPy", version=brainpy.__version__, settings=settings, **fields)


if __name__ == "__main__":
    main()
