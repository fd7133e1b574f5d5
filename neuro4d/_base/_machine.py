"""What this process may use of the machine, and what it has used."""

import importlib
import os
import sys


def cores() -> list[int]:
    """The cores that this process may run on: those it is bound to, where the system can say."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return list(range(os.cpu_count() or 1)) if affinity is None else sorted(affinity(0))


def n_cores() -> int:
    """How many cores this process may use."""
    return len(cores())


def peak_resident_gb() -> float | None:
    """The most memory that this process has held so far; `None` where the system cannot say."""
    try:
        resource = importlib.import_module("resource")
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
