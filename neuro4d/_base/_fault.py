"""Sticky fault codes: what can only be seen while a simulation runs.

A step never raises. It sets bits in `State.fault`; whoever runs the loop reads them once at the end of a chunk.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType

LARGEST_POTENTIAL = 1e9
"""mV. No membrane gets near a million volts: a potential beyond is on its way to infinity."""


class Fault(enum.IntFlag):
    """What went wrong, as bits that stay set."""

    NONE = 0
    NOT_FINITE = 1
    """A variable of a neuron or receptor became NaN or infinite."""
    TOO_LARGE = 2
    """A membrane potential went beyond 10^9 mV."""
    WEIGHT_NOT_FINITE = 4
    """A weight that learns, another variable of a synapse, or one of a life cycle became NaN or infinite."""

    @property
    def message(self) -> str:
        """What is set, for the user."""
        return "; ".join(_TEXTS.get(fault, fault.name or "") for fault in Fault if fault in self) or "no fault"


_TEXTS: Mapping[Fault, str] = MappingProxyType(
    {
        Fault.NOT_FINITE: "a variable became NaN or infinite",
        Fault.TOO_LARGE: f"a membrane potential went beyond {LARGEST_POTENTIAL:.0e} mV",
        Fault.WEIGHT_NOT_FINITE: "a weight or another variable of synapses or of lives became NaN or infinite",
    }
)
