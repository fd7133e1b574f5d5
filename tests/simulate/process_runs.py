"""Small runs for tests of threads and processes: six different models, and a digest of what each computes."""

import hashlib
import threading

import brainunit as u
import jax
import jax.random as jr
import numpy as np

import neuro4d as n4

MODELS = 6


def digest(number: int) -> str:
    """Bits of the state and the spikes of model `number` after 400 steps, built in the thread that asks."""
    n = 120 + 37 * (number % 3)  # two models have one program, which two threads compile at the same time
    receptors = (
        {"in": n4.ExpCurrent(tau=3 * u.ms)},
        {"in": n4.ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV)},
        {"in": n4.Delta()},
    )[number % 3]
    weight = (60 * u.pA, 6 * u.nS, 1 * u.mV)[number % 3]
    lif = n4.LIF(tau=(10 + number) * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)
    cells = n4.Population("cells", n, lif, receptors, v0=n4.Normal(-55 * u.mV, 5 * u.mV))
    net = n4.Network(
        cells,
        n4.Projection("rec", cells, cells, "in", n4.FixedProb(0.1), weight=weight, delay=n4.Uniform(0.5 * u.ms, 2 * u.ms)),
        n4.Poisson("noise", cells, "in", rate=2000 * u.Hz, weight=weight),
    )
    model = net.build(dt=0.1 * u.ms, seed=number)
    run = n4.simulate(model, model.init(jr.key(number)), 40 * u.ms, progress=False)
    found = hashlib.sha256()
    for leaf in jax.tree.leaves((run.state.neurons, run.state.receptors, run.state.history["cells"].count)):
        found.update(np.asarray(leaf).tobytes())
    return f"{run.rate('cells')} {found.hexdigest()}"


def together() -> list[str]:
    """The digests of all models, each run in a thread of its own at the same time."""
    out = [""] * MODELS
    start = threading.Barrier(MODELS)

    def work(number: int) -> None:
        start.wait()
        out[number] = digest(number)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(MODELS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return out


def send(number: int, connection) -> None:
    """The target of a child process."""
    connection.send(digest(number))
    connection.close()


if __name__ == "__main__":
    print("\n".join(together()))
