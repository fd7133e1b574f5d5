"""Where figures come from: processor, memory, versions, date."""

import datetime
import importlib
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from neuro4d._base._machine import cores

PACKAGES = ("jax", "jaxlib", "numpy", "brainunit", "equinox")


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory in GB, operating system, and how busy the machine is now."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "cores_granted": len(cores()),
        "memory_gb": memory_gb(),
        "system": platform.platform(),
        "load_1_minute": load_1_minute(),
    }


def load_1_minute() -> float | None:
    """How many programs wanted to run in the last minute, in the mean; `None` where the system cannot say."""
    return os.getloadavg()[0] if getattr(os, "getloadavg", None) else None


def versions() -> dict[str, str]:
    """Of this package, of Python and of what computes."""
    package = importlib.import_module(__name__.partition(".")[0])
    found = {"neuro4d": package.__version__, "python": platform.python_version()}
    return found | {name: _version(name) for name in PACKAGES}


def now() -> str:
    """Date and time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def cpu_model() -> str:
    """The name of the processor, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = values.get("model name", platform.machine())
    family = f"family {values['cpu family']}, model {values['model']}" if "cpu family" in values else ""
    return f"{name} ({family})" if family else name


def memory_gb() -> float | None:
    """The machine's memory."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
