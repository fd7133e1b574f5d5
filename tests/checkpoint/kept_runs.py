"""A small network with much in it, runs of it that are kept, and what they leave, as one checksum. Also a command: `python kept_runs.py FOLDER`
resumes a run and prints the checksum; `begin FOLDER` begins one."""

import dataclasses
import hashlib
import sys

import brainunit as u
import jax
import jax.random as jr
import numpy as np

import neuro4d as n4

DT, KEY, N_STEPS, CHUNK = 0.1 * u.ms, jr.key(3), 120, 10


def network(n=12):
    """Two kinds of cells, a delay for each edge, a rule that learns, noise with a memory, Poisson input."""
    lif = n4.LIF(tau=n4.Uniform(9 * u.ms, 11 * u.ms), c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=1 * u.ms)
    ports = {"exc": n4.ExpCurrent(tau=2 * u.ms)}
    a = n4.Population("a", n, lif, ports, v0=n4.Normal(-52 * u.mV, 3 * u.mV))
    b = n4.Population("b", 7, n4.ALIF(tau=20 * u.ms, tau_b=70 * u.ms, beta=1.8 * u.mV), {"exc": n4.ExpCurrent(tau=3 * u.ms)})
    delay = n4.Uniform(0.1 * u.ms, 1.5 * u.ms)
    stdp = n4.STDP(w_max=900 * u.pA, a_plus=0.02, a_minus=0.021)
    return n4.Network(
        a,
        b,
        n4.Projection("aa", a, a, "exc", n4.FixedProb(0.3), weight=n4.Normal(300 * u.pA, 20 * u.pA), delay=delay, plasticity=stdp),
        n4.Projection("ab", a, b, "exc", n4.FixedProb(0.4), weight=12 * u.pA, delay=delay),
        n4.OrnsteinUhlenbeck("ou", a, mean=300 * u.pA, std=200 * u.pA, tau=5 * u.ms),
        n4.Poisson("noise", b, "exc", rate=2000 * u.Hz, weight=2 * u.pA),
        n4.Input("port", a),
    )


def build(n=12, **options):
    return network(n).build(**({"dt": DT, "seed": 5} | options))


def recorders():
    return [
        n4.Spikes(),
        n4.Trace("a", "v", every=0.7 * u.ms, ids=[0, 3]),
        n4.Counts(every=0.9 * u.ms, name="bins"),
        n4.Counts("b"),
        n4.Window("a", length=2 * u.ms),
        n4.Events(every=2 * u.ms),
    ]


def values():
    """Of the input port, one for each step."""
    return 100 * np.sin(np.arange(N_STEPS) / 7)


def run(model, **options):
    given = {"record": recorders(), "inputs": {"port": values()}, "chunk": CHUNK, "progress": False}
    return n4.simulate(model, KEY, N_STEPS * DT, **(given | options))


def digest(result) -> str:
    """One checksum for the state, the weights and all records of a run."""
    found = hashlib.sha256()
    tree = n4.to_user(result.model, result.state)
    parts = [tree["state"], tree["weights"], tree["parameters"], result.n_steps, result.start_step, result.completed]
    for name, record in sorted(result.records.items()):
        found.update(name.encode())
        parts += [getattr(record, field.name) for field in dataclasses.fields(record) if field.name not in ("spans", "unit")]
    for leaf in jax.tree.leaves(parts):
        value = np.asarray(leaf)
        found.update(f"{value.dtype} {value.shape}".encode() + value.tobytes())
    return found.hexdigest()


if __name__ == "__main__":
    if sys.argv[1] == "begin":
        run(build(), checkpoint=n4.io.Checkpoints(sys.argv[2], every=4 * DT))
    print(digest(n4.io.resume(sys.argv[-1], progress=False)))
