"""The benchmarks by name."""

from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from neuro4d._base import heard, lookup, machine, now, versions
from neuro4d.bench._compare import compare
from neuro4d.bench._ladder import ladder
from neuro4d.bench._models import models
from neuro4d.bench._peers import find_python
from neuro4d.bench._processes import accelerator
from neuro4d.bench._result import Outcome, Report
from neuro4d.bench._scaling import batch, delivery, events, fixed, threads
from neuro4d.bench._sizes import backends, seeds

Function = Callable[[tuple[str, ...], bool, bool], Outcome]


class Benchmark(NamedTuple):
    """A function `(peers, quick, full) -> Outcome`, what it shows, and whether peers take part."""

    run: Function
    summary: str
    peers: bool = False


BENCHMARKS = MappingProxyType(
    {
        "cuba": Benchmark(partial(compare, "cuba"), "Vogels-Abbott network, current-based synapses", True),
        "coba": Benchmark(partial(compare, "coba"), "Vogels-Abbott network, conductance-based synapses", True),
        "cobahh": Benchmark(partial(compare, "cobahh"), "the same with neurons of Hodgkin-Huxley type", True),
        "brunel": Benchmark(partial(compare, "brunel"), "Brunel's network, regime C", True),
        "microcircuit": Benchmark(partial(compare, "microcircuit"), "Potjans-Diesmann microcircuit", True),
        "models": Benchmark(models, "other neurons, receptors, stimuli and delays, in units of COBA"),
        "seeds": Benchmark(seeds, "steps per second, 100 to 100,000 neurons"),
        "ladder": Benchmark(ladder, "from Python loops to native kernels and batches"),
        "threads": Benchmark(threads, "1 to n threads"),
        "backends": Benchmark(backends, "plain XLA, native kernels, accelerator; 1,000 to 1,000,000 neurons"),
        "batch": Benchmark(batch, "1 to 256 trials in one program"),
        "fixed": Benchmark(fixed, "one step of 100 neurons"),
        "delivery": Benchmark(delivery, "nanoseconds per synaptic event"),
        "events": Benchmark(events, "cost of a step against synapses and against spikes"),
    }
)


def run_benchmark(name: str, *, peers: tuple[str, ...] = (), quick: bool = False, full: bool = False, command: str = "") -> Report:
    """Runs a benchmark; every measurement in a fresh process.

    **Arguments:**

    - `name`: one of `BENCHMARKS`.
    - `peers`: from `parse_peers`.
    - `quick`: small sizes and few runs, to see whether everything works.
    - `full`: adds what takes more than ten minutes: the full microcircuit, COBA with 100 million synapses.
    - `command`: kept in the report.

    **Raises:** `KeyError` for an unknown name, `ValueError` for peers in a benchmark without any, `FileNotFoundError` for a peer that is
    not installed, `BenchmarkError` for a measurement that fails.
    """
    chosen = lookup(BENCHMARKS, name, "benchmark")
    if peers and not chosen.peers:
        takes = ", ".join(key for key, benchmark in BENCHMARKS.items() if benchmark.peers)
        raise ValueError(f"'{name}' compares neuro4d with itself; peers take part in {takes}.")
    for key in peers:
        find_python(key)
    device = accelerator()
    about = machine() | {"accelerator": None if device is None else device["device"]}
    date = now()
    return heard("benchmark", lambda: Report(name, command, date, quick, about, versions(), *chosen.run(peers, quick, full)))
