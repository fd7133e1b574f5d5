"""Measurements in processes of their own: a fresh JAX, a chosen number of cores, its own peak of memory."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neuro4d._base import cores

TIMEOUT = 3600.0
WORKER = "neuro4d.bench._worker"


class BenchmarkError(RuntimeError):
    """A measurement that did not finish."""


@contextlib.contextmanager
def on_cores(threads: int) -> Iterator[None]:
    """Processes started inside run on so many cores: XLA takes as many threads as its process has cores, and nothing else changes that.

    **Raises:** `ValueError` if this process may not use as many cores.
    """
    available = cores()
    if not 1 <= threads <= len(available):
        raise ValueError(f"threads lie between 1 and the {len(available)} cores that this process may use; got {threads}.")
    pin = getattr(os, "sched_setaffinity", None)
    if pin is None:
        if threads < len(available):
            raise ValueError(f"this system cannot restrict a process to {threads} of its {len(available)} cores.")
        yield
        return
    pin(0, available[:threads])
    try:
        yield
    finally:
        pin(0, available)


def measure(job: Mapping[str, Any], threads: int | None = None, cache: Path | None = None) -> dict[str, Any]:
    """Runs a job (see `_worker`) in a fresh process.

    **Arguments:**

    - `job`: plain values; `kind` names the measurement, `platform` ("cpu" unless given) where it runs.
    - `threads`: cores of the process; all that there are unless given.
    - `cache`: folder of compiled programs; a fresh one unless given, so that nothing is found in it.

    **Raises:** `BenchmarkError` with what the process said last.
    """
    with tempfile.TemporaryDirectory(prefix="neuro4d-bench-") as fresh:
        folder = str(cache or fresh)
        environment = os.environ | {
            "JAX_COMPILATION_CACHE_DIR": folder,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }
        if job.get("platform", "cpu") == "cpu":
            environment["JAX_PLATFORMS"] = "cpu"
        return last_line([sys.executable, "-m", WORKER, json.dumps(job)], threads or len(cores()), environment)


def last_line(command: list[str], threads: int, environment: Mapping[str, str], timeout: float = TIMEOUT) -> dict[str, Any]:
    """Runs a command whose last line of output is one JSON object, and returns that."""
    try:
        with on_cores(threads):
            done = subprocess.run(command, capture_output=True, text=True, env=dict(environment), timeout=timeout)
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"not finished after {timeout:.0f} s: {' '.join(command)[:300]}") from None
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise BenchmarkError(f"exit code {done.returncode}: {' '.join(command)[:300]}\n{done.stderr[-2000:]}")
    return json.loads(lines[-1])


def accelerator() -> dict[str, Any] | None:
    """The first device that is not a CPU, or `None`. Asked of another process: a device that is open here could not be used there."""
    found = measure({"kind": "devices", "platform": "any"})
    return None if found["platform"] == "cpu" else found
