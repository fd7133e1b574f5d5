"""What every worker of `benchmarks/training.py` shares: the job, the weights and samples, and how it is asked to go on.

A worker gets one JSON object as its only argument:

    inputs      path of an .npz file: `x` (time, batch, 700), `y` (batch,), and the weights `w0`, `w1`, `w2`, with "recurrent" `v0`, `v1` too
    outputs     path of an .npz file that the worker writes: spikes of each layer in the first forward pass, loss and gradient of `w0`
    network     "dense" or "recurrent"
    threads     CPU threads
    compiled    whether a torch worker compiles its update

It answers with one line of JSON, `{"ready": ...}`, and then with one line for each line on its standard input: `run 5` makes five updates
and answers with their seconds. So workers take turns on one machine without starting anew.

The network: 700 inputs, two hidden layers of 256 leaky integrate-and-fire neurons and 20 output neurons,

    v <- v + (W x - v) / TAU,   spike where v >= 1,   then v = 0,

which is what snnTorch calls reset to zero without delay, and SpikingJelly a hard reset. Spyx has its own neuron, see its worker. The
derivative of a spike is 1 / (1 + (pi v)^2) for a distance of v to the threshold (SpikingJelly's and snnTorch's ATan of 2), the loss the cross
entropy of the numbers of output spikes, the optimizer Adam with a rate of 1e-3.
"""

import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TAU, CLASSES, RATE = 10.0, 20, 1e-3
WARM_UP = 4


def read_job() -> dict[str, Any]:
    """The job. Threads are bounded before any numerical library is loaded."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} JOB, where JOB is a JSON object as described in {__file__}")
    job = json.loads(sys.argv[1])
    if "sched_setaffinity" in dir(os):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["threads"]])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(job["threads"])
    return job


def peak_mb() -> float:
    """The most memory that this process has held since `forget_peak`, in MB; on systems without /proc, since its start."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def forget_peak() -> None:
    """The peak of memory counts from now on, where the system can do that."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def serve(update: Callable[[], float], baseline_mb: float, **ready: Any) -> None:
    """Makes updates as often as asked, until standard input ends. `update` returns the loss when it is done.

    `baseline_mb`: what the process held after its imports. Updates that warm up are not measured: Spyx compiles in the first three of them.
    """
    began = time.perf_counter()
    update()
    first_s = time.perf_counter() - began
    for _ in range(WARM_UP):
        update()
    forget_peak()
    print(json.dumps({"ready": True, "first_s": first_s, "baseline_mb": baseline_mb, **ready}), flush=True)
    for line in sys.stdin:
        seconds, loss = [], 0.0
        for _ in range(int(line.split()[1])):
            began = time.perf_counter()
            loss = update()
            seconds.append(time.perf_counter() - began)
        print(json.dumps({"seconds": seconds, "loss": loss, "peak_mb": peak_mb()}), flush=True)
