"""What has to be settled before JAX starts: cores, device, precision, the store of compiled programs."""

import os
import sys
from pathlib import Path

import jax

from neuro4d._base import cores, n_cores, peak_resident_gb
from neuro4d.cli._quantity import UserError

CGROUP = Path("/sys/fs/cgroup/cpu.max")


def prepare(device: str, threads: str, precision: str) -> int:
    """Settles the machine for this process. Call before the first array is made.

    XLA takes as many threads as the process has cores when its CPU client starts, and nothing but the affinity of the process
    changes that.

    **Returns:** the number of cores in use.

    **Raises:** `UserError` for a number of threads or a device that this machine does not have.
    """
    granted = use_cores(threads)
    jax.config.update("jax_enable_x64", precision == "float64")
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    elif device != "auto":
        jax.config.update("jax_default_device", find_device(device))
    keep_compiled()
    return granted


def find_device(kind: str) -> jax.Device:
    """The first device of a kind: cpu, gpu or tpu."""
    try:
        return jax.devices(kind)[0]
    except RuntimeError:
        there = ", ".join(sorted({d.platform for d in jax.devices()}))
        limit = os.environ.get("JAX_PLATFORMS")
        reason = f" (JAX_PLATFORMS is set to '{limit}')" if limit else ""
        raise UserError(
            f"--device {kind}: JAX finds no {kind} here{reason}; it finds: {there}. "
            f"A JAX with support for it has to be installed, for example `pip install 'jax[{'tpu' if kind == 'tpu' else 'cuda13'}]'`."
        ) from None


def granted_cores() -> int:
    """Cores that are worth a thread: those of the affinity, fewer if a container's quota allows less."""
    granted = n_cores()
    try:
        quota, period = CGROUP.read_text().split()[:2]
        return granted if quota == "max" else max(1, min(granted, round(int(quota) / int(period))))
    except (OSError, ValueError):
        return granted


def use_cores(threads: str) -> int:
    """Restricts the process to so many cores (`auto`: all that are granted)."""
    available = cores()
    if threads == "auto":
        wanted = granted_cores()
    elif threads.isascii() and threads.isdigit() and int(threads) > 0:
        wanted = int(threads)
    else:
        raise UserError(f"--threads is a positive whole number or `auto`, for example `--threads 2`; got {threads!r}.")
    if wanted > len(available):
        raise UserError(f"--threads {wanted}: this process may use {len(available)} cores; take at most that many, or `--threads auto`.")
    if wanted < len(available):
        pin = getattr(os, "sched_setaffinity", None)
        if pin is None:
            raise UserError(f"--threads {wanted}: this system cannot restrict a process to some of its cores; use `--threads auto`.")
        pin(0, sorted(available)[:wanted])
    return wanted


def cache_folder() -> Path:
    """Where compiled programs are kept: `neuro4d/xla` in the user's cache folder (XDG)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "neuro4d" / "xla"


def keep_compiled() -> None:
    """Keeps compiled programs between runs, so that the second start of a network is fast. A store chosen by the user stays."""
    if jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]  # JAX adds its options at run time
        return
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"neuro4d: compiled programs are not kept: {error}", file=sys.stderr)
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def peak_memory_gb() -> float | None:
    """The most memory that this process held so far, on the device or (CPU) in the machine; `None` where it is not known."""
    stats = jax.devices()[0].memory_stats()
    if stats and "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"] / 1e9
    return peak_resident_gb()
