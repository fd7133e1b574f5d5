"""Sticky fault codes: what can only be seen while a simulation runs.

A step never raises. It sets bits in `State.fault`; whoever runs the loop reads them once at the end of a chunk.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType


class Fault(enum.IntFlag):
    """What went wrong, as bits that stay set."""

    NONE = 0
    NOT_FINITE = 1
    """A membrane potential became NaN or infinite."""

    @property
    def message(self) -> str:
        """What is set, for the user."""
        return "; ".join(_TEXTS.get(fault, fault.name or "") for fault in Fault if fault in self) or "no fault"


_TEXTS: Mapping[Fault, str] = MappingProxyType(
    {
        Fault.NOT_FINITE: (
            "a membrane potential became NaN or infinite: look for an input that is not finite, or a time step too large for the model"
        )
    }
)
