"""What files cost: a model and a state as JSON and as HDF5, written and read in turns, with their sizes.

    python benchmarks/storage.py --json benchmarks/results/storage.json
    python benchmarks/storage.py --quick                                 # does it work?

Networks of 1,000 to 100,000 neurons with 10 synapses each, of which every one has its own weight, after 10 ms of activity. Reading contains the building of
the model, which takes the same time for both and is also given alone.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brainunit as u
import jax
import numpy as np
from finish import script, seconds

import neuro4d as n4
from neuro4d.bench import Check, Column
from neuro4d.bench._result import median

SIZES = {"neurons": (100_000, 300), "repeats": (3, 1)}
COLUMNS = (
    Column("neurons", "neurons", ",.0f"),
    Column("format", "format"),
    Column("numbers", "numbers", ",.0f"),
    Column("mb", "MB", ".2f"),
    Column("save_s", "save s", ".3f"),
    Column("load_s", "load s", ".3f"),
    Column("build_s", "of it build s", ".3f"),
    Column("size_ratio", "times the size of HDF5", ".2f"),
    Column("save_ratio", "times its time to save", ".2f"),
    Column("load_ratio", "times its time to load, without build", ".2f"),
)
GZIP = "HDF5, gzip"
FORMATS: dict[str, tuple[Callable[..., None], Callable[..., Any]]] = {
    "JSON": (
        lambda path, model, state: n4.io.save_json(path, model, state, limit=10**9),
        lambda path: n4.io.load_json(path, limit=10**9),
    ),
    GZIP: (lambda path, model, state: n4.io.save_hdf5(path, model, state), n4.io.load_hdf5),
    "HDF5, lzf": (lambda path, model, state: n4.io.save_hdf5(path, model, state, compression="lzf"), n4.io.load_hdf5),
    "HDF5, as it is": (lambda path, model, state: n4.io.save_hdf5(path, model, state, compression=None), n4.io.load_hdf5),
}


def network(n: int) -> n4.Network:
    """Neurons with initial potentials, parameters and weights of their own."""
    lif = n4.LIF(tau=20 * u.ms, c=250 * u.pF, v_rest=0 * u.mV, v_th=n4.Normal(20 * u.mV, 1 * u.mV), v_reset=0 * u.mV, t_ref=2 * u.ms)
    cells = n4.Population("cells", n, lif, {"in": n4.ExpCurrent(tau=2 * u.ms)}, v0=n4.Uniform(0 * u.mV, 19 * u.mV))
    e = n4.Projection("e", cells, cells, "in", n4.FixedInDegree(10), weight=n4.Normal(0 * u.pA, 40 * u.pA), delay=1.5 * u.ms)
    return n4.Network(cells, e, n4.Poisson("drive", cells, "in", rate=3000 * u.Hz, weight=37 * u.pA))


def build(net: n4.Network) -> n4.Model:
    return net.build(dt=0.1 * u.ms, seed=0, progress=False)


def rows(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    n = given.neurons
    for size in sorted({max(n // 100, 3), max(n // 10, 3), n}):
        net = network(size)
        model = build(net)
        state = n4.simulate(model, jax.random.key(0), 10 * u.ms, progress=False).state
        numbers = sum(np.size(x) for x in jax.tree.leaves(n4.to_user(model, state)) if not isinstance(x, str))
        took: dict[tuple[str, str], list[float]] = {(name, what): [] for name in FORMATS for what in ("save", "load")}
        built, bytes_of = [], {}
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(given.repeats):
                built.append(seconds(build, net))
                for number, (name, (save, load)) in enumerate(FORMATS.items()):
                    path = Path(folder) / f"{number}.file"
                    took[name, "save"].append(seconds(save, path, model, state))
                    took[name, "load"].append(seconds(load, path))
                    bytes_of[name] = path.stat().st_size
        yield from compared(size, numbers, took, median(built), bytes_of)


def compared(size: int, numbers: int, took: dict[tuple[str, str], list[float]], built: float, bytes_of: dict[str, int]) -> Iterator[dict[str, Any]]:
    """A row for each format, next to HDF5 with gzip."""
    least = 1e-3  # seconds: what is shorter is not told from nothing
    alone = {name: max(median(took[name, "load"]) - built, least) for name in FORMATS}
    for name in FORMATS:
        save, load = median(took[name, "save"]), median(took[name, "load"])
        row = {"neurons": size, "format": name, "numbers": numbers, "mb": bytes_of[name] / 1e6, "save_s": save, "load_s": load, "build_s": built}
        row |= {"size_ratio": bytes_of[name] / bytes_of[GZIP], "save_ratio": save / median(took[GZIP, "save"]), "load_ratio": alone[name] / alone[GZIP]}
        row |= {"seconds": {what: took[name, what] for what in ("save", "load")}}
        print(row, file=sys.stderr, flush=True)
        yield row


def checks(found: list[dict[str, Any]]) -> list[Check]:
    largest = max(row["neurons"] for row in found)
    text = next(row for row in found if row["format"] == "JSON" and row["neurons"] == largest)
    return [
        Check(f"JSON takes at least twice {what} of HDF5", text[key] >= 2, f"{largest:,} neurons: {text[key]:.2f} times")
        for key, what in (("size_ratio", "the room"), ("save_ratio", "the time to save"), ("load_ratio", "the time to load"))
    ]


if __name__ == "__main__":
    sys.exit(script("storage", __doc__, SIZES, rows, checks, COLUMNS))
