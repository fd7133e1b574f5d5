"""One training step next to snnTorch, SpikingJelly and Spyx: same network, weights, samples, surrogate, optimizer and threads.

    benchmarks/peers/setup.sh torch && benchmarks/peers/setup.sh spyx
    python benchmarks/training.py --json benchmarks/results/training.json
    python benchmarks/training.py --threads 1              # torch with small operations is often faster so; on a busy machine always
    python benchmarks/training.py --quick                  # does it work? says nothing about speed

Every library is a process of its own that stays up; they take turns, A B C D A B C D, so that a machine that becomes slower does so for all. The
network, what is computed and what differs is described in `peers/_training.py` and in each worker. In the same run it is checked that
they compute the same: the spikes of the first forward pass, its loss and the gradient of the first weights. Peak memory is that of the
whole process during updates; what it held after its imports is listed beside it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from finish import add_common, finish, settle

from neuro4d.bench import Check, Column, Outcome
from neuro4d.bench._peers import find_python

PEERS = Path(__file__).resolve().parent / "peers"
WORKERS = {"neuro4d": "", "snntorch": "torch", "spikingjelly": "torch", "spyx": "spyx"}
LAYERS = (700, 256, 256, 20)
SIZES = {"batch": (128, 8), "steps": (100, 20)}
SAME_SPIKES = ("snntorch", "spikingjelly")
COLUMNS = (
    Column("network", "network"),
    Column("library", "library"),
    Column("milliseconds", "ms per update", ".1f"),
    Column("slower", "times neuro4d", ".2f"),
    Column("peak_mb", "peak MB", ".0f"),
    Column("baseline_mb", "after imports", ".0f"),
    Column("first_s", "first update s", ".1f"),
    Column("same", "equal spikes"),
)


def interpreter(name: str) -> str:
    """Python in the environment of a library."""
    try:
        return str(find_python(WORKERS[name])) if WORKERS[name] else sys.executable
    except FileNotFoundError as missing:  # its message says how to make one
        sys.exit(str(missing))


class Worker:
    """A process that makes updates when asked."""

    def __init__(self, name: str, job: dict[str, Any]):
        keep = () if not WORKERS[name] else ("PYTHONPATH", "PYTHONHOME")
        environment = {key: value for key, value in os.environ.items() if key not in keep} | {"JAX_PLATFORMS": "cpu"}
        script = str(PEERS / f"{name}_training.py")
        self.name, self.job = name, job
        self._process = subprocess.Popen(
            [interpreter(name), script, json.dumps(job)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.ready = self._answer()

    def run(self, updates: int) -> dict[str, Any]:
        """Makes some updates; their seconds, the loss after them and the peak of memory."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"run {updates}\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        sys.exit(f"{self.name} ended with code {self._process.wait()} and no answer; its messages are above.")


def inputs(network: str, batch: int, steps: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Spikes of 700 inputs, 5 % of steps, labels, and weights with which hidden neurons fire in a few percent of steps."""
    rng = np.random.default_rng(seed)
    given = {"x": (rng.random((steps, batch, LAYERS[0])) < 0.05).astype(np.float32), "y": rng.integers(0, LAYERS[-1], batch)}
    for k, (a, b, scale) in enumerate(zip(LAYERS, LAYERS[1:], (20.0, 25.0, 30.0))):
        given[f"w{k}"] = (rng.normal(0, 1.0, (a, b)) * scale / a**0.5).astype(np.float32)
        if network == "recurrent" and k < 2:
            given[f"v{k}"] = (rng.normal(0, 1.0, (b, b)) * 5 / b**0.5).astype(np.float32)
    return given


def compared(outputs: dict[str, Path], shape: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """Of each library next to neuro4d: the share of equal spikes by layer, rates, loss, and the angle between gradients."""
    own = dict(np.load(outputs["neuro4d"]))
    steps, batch = shape
    sizes = [steps * batch * n for n in LAYERS[1:]]
    found = {}
    for name, path in outputs.items():
        other = dict(np.load(path))
        bits = [(np.unpackbits(own[f"s{k}"])[:n], np.unpackbits(other[f"s{k}"])[:n]) for k, n in enumerate(sizes)]
        a, b = own["gradient"].ravel(), other["gradient"].ravel()
        found[name] = {
            "same_spikes": [float(np.mean(mine == its)) for mine, its in bits],
            "rates": [float(np.mean(its)) for _, its in bits],
            "loss": float(other["loss"]),
            "gradient_cosine": float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))),
            "gradient_norm": float(np.linalg.norm(b)),
        }
    return found


def checks(network: str, found: dict[str, dict[str, Any]]) -> list[Check]:
    """What has to hold for the times to be of the same computation.

    Sums are rounded differently, so a potential on the edge of the threshold falls on the other side now and then, and what follows differs.
    """
    own = found["neuro4d"]
    made = []
    active = all(0.01 < rate < 0.5 for rate in own["rates"])
    made.append(Check(f"{network}: neurons fire in 1 to 50 % of steps", active, ", ".join(f"{100 * r:.1f} %" for r in own["rates"])))
    for name in SAME_SPIKES:
        if name not in found:
            continue
        same, cosine = found[name]["same_spikes"], found[name]["gradient_cosine"]
        made.append(
            Check(
                f"{network}: {name} has the same spikes, 99 % in every layer",
                min(same) >= 0.99,
                ", ".join(f"{100 * s:.3f} %" for s in same),
            )
        )
        if name == "spikingjelly":
            made.append(Check(f"{network}: the gradient of {name} has the same direction, cosine 0.98", cosine >= 0.98, f"{cosine:.5f}"))
    return made


def measure(network: str, names: list[str], options: argparse.Namespace, folder: Path) -> tuple[list[dict[str, Any]], list[Check]]:
    """All libraries on one network, taking turns."""
    given = inputs(network, options.batch, options.steps)
    np.savez(folder / f"{network}.npz", **given)
    outputs = {name: folder / f"{network}-{name}.npz" for name in names}
    workers, answers = [], {name: [] for name in names}
    try:
        for name in names:
            job = {"inputs": str(folder / f"{network}.npz"), "outputs": str(outputs[name]), "network": network}
            workers.append(Worker(name, job | {"threads": options.threads, "compiled": options.compiled}))
            print(f"{network}: {name} is ready, first update {workers[-1].ready['first_s']:.1f} s", file=sys.stderr, flush=True)
        for _ in range(options.rounds):
            for worker in workers:
                answers[worker.name].append(worker.run(options.updates))
    finally:
        for worker in workers:
            worker.close()
    found = compared(outputs, (options.steps, options.batch))
    rows = [row(network, worker, answers[worker.name], found[worker.name]) for worker in workers]
    own = next(each["milliseconds"] for each in rows if each["library"].startswith("neuro4d"))
    return [each | {"slower": each["milliseconds"] / own} for each in rows], checks(network, found)


def row(network: str, worker: Worker, answers: list[dict[str, Any]], found: dict[str, Any]) -> dict[str, Any]:
    """The figures of one library on one network."""
    seconds = [s for answer in answers for s in answer["seconds"]]
    ready = worker.ready
    return {
        "network": network,
        "library": f"{ready['name']} {ready['version']} ({ready['with_']})",
        "milliseconds": 1e3 * statistics.median(seconds),
        "peak_mb": answers[-1]["peak_mb"],
        "baseline_mb": ready["baseline_mb"],
        "first_s": ready["first_s"],
        "same": ", ".join(f"{100 * s:.2f} %" for s in found["same_spikes"])
        if worker.name in ("neuro4d", *SAME_SPIKES)
        else "another neuron",
        "loss": answers[-1]["loss"],
        "seconds": seconds,
        **{f"first_{key}": value for key, value in found.items()},
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="One training step next to snnTorch, SpikingJelly and Spyx.")
    parser.add_argument("--peers", default="snntorch,spikingjelly,spyx", help="which, separated by commas; empty for none")
    parser.add_argument("--networks", default="dense,recurrent")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, help="how often the libraries take turns, 10 if nothing is said, 2 with --quick")
    parser.add_argument("--updates", type=int, default=3, help="updates in a turn")
    parser.add_argument("--compiled", action="store_true", help="torch.compile for snnTorch and SpikingJelly")
    add_common(parser, SIZES)
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 10)
    settle(options, SIZES)
    return options


def main() -> int:
    options = arguments()
    names = ["neuro4d", *(name for name in options.peers.split(",") if name)]
    rows, made = [], []
    with tempfile.TemporaryDirectory() as folder:
        for network in options.networks.split(","):
            found, checked = measure(network, names, options, Path(folder))
            rows, made = rows + found, made + checked
    return finish("training", Outcome(rows, made, COLUMNS), options.json, quick=options.quick)


if __name__ == "__main__":
    sys.exit(main())
