"""What every peer's script shares: the job it is given, and the line it prints. Standard library only.

A job is one JSON object, the only argument of a script:

    network     "cuba", "coba", "cobahh", "brunel", "microcircuit", "hpc" or "song"
    n, k        neurons, synapses per neuron (cuba, coba, cobahh; a fifth of both is inhibitory)
    scale       of the microcircuit
    threads     CPU threads
    float       "float32" or "float64", where the peer has a choice
    warm_ms     biological time before the measurement
    duration_ms biological time of one measured run
    repeats     measured runs
    seed

The script prints one JSON object as its last line: `simulator`, `version`, `seconds` (wall time of each measured run,
without building and compiling), `rates` in Hz by population over the measured runs, `synapses`, `build_s`,
`compile_s`, `settings`.
"""

import contextlib
import json
import sys
import time
from collections.abc import Iterator


def read_job() -> dict:
    """The job from the command line."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} JOB, where JOB is a JSON object as described in {__file__}")
    return json.loads(sys.argv[1])


def answer(**fields: object) -> None:
    """The result, as the last line of the output."""
    print(json.dumps(fields), flush=True)


class Clock:
    """Wall time of a block: `with Clock() as clock: ...`, then `clock.seconds`."""

    seconds = 0.0

    def __enter__(self) -> "Clock":
        self._began = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.perf_counter() - self._began


@contextlib.contextmanager
def output_to_stderr() -> Iterator[None]:
    """What a simulator prints while it runs is not part of the answer."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def weight_factor(job: dict) -> float:
    """Synapses are weakened as their number grows, so that the mean input stays that of 80 per neuron."""
    return 80.0 / job["k"]
