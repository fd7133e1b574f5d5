"""`neuro4d devices`."""

import platform

import jax

from neuro4d._base import n_cores, table
from neuro4d.cli._machine import cache_folder, granted_cores
from neuro4d.cli._run import package_version
from neuro4d.kernels import native_status


def show() -> int:
    """Prints versions, devices, cores and what computes."""
    rows = [(str(device.id), device.platform, device.device_kind, _memory(device)) for device in jax.devices()]
    print(f"neuro4d {package_version()}, jax {jax.__version__}, Python {platform.python_version()}, {platform.machine()}\n")
    print(table(("device", "platform", "kind", "memory (GB)"), rows, left=3))
    print(f"\ncores      {granted_cores()} granted of {n_cores()}")
    print(f"kernels    {native_status()}")
    print(f"compiled   kept in {cache_folder()}")
    return 0


def _memory(device: jax.Device) -> str:
    stats = device.memory_stats() or {}
    limit = stats.get("bytes_limit")
    return "-" if limit is None else f"{limit / 1e9:.1f}"
