"""Memory that may be asked for, before anything is allocated."""

import psutil


class MemoryBudgetError(MemoryError):
    """Something that can not fit, refused before it is allocated."""


def available_bytes() -> int:
    """Memory that this machine can still give."""
    return psutil.virtual_memory().available


def bytes_text(n: float) -> str:
    """A number of bytes for people."""
    for power, name in ((50, "PiB"), (40, "TiB"), (30, "GiB")):
        if n >= 2 ** (power - 2):
            return f"{n / 2**power:.2f} {name}"
    return f"{n / 2**20:.1f} MiB"
