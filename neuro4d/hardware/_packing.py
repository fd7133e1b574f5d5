"""How much of a core a set of neurons needs, and whether it fits."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from neuro4d.hardware._entries import staying, stored
from neuro4d.hardware._placement import FanOut
from neuro4d.hardware._schema import ChipTarget


class CapacityError(ValueError):
    """A workload that does not fit: names the part, the resource, what is used, the limit, and what would fit."""


class Usage(NamedTuple):
    """What each core uses, `(cores,)`: neurons, sources that reach it, neurons that leave it times the cores they reach, bits of synapses."""

    neurons: Int[np.ndarray, " cores"]
    axons_in: Int[np.ndarray, " cores"]
    axons_out: Int[np.ndarray, " cores"]
    memory: Int[np.ndarray, " cores"]


def usage(target: ChipTarget, core: Int[np.ndarray, " n"], table: FanOut, n_cores: int) -> Usage:
    """What each core uses when neuron `i` lies on `core[i]`."""
    neurons = np.bincount(core, minlength=n_cores)
    away = np.diff(table.start) - staying(table, core)
    bits = synapse_bits(target, np.arange(int(table.synapses.max(initial=0)) + 1))
    axons_in, memory = stored(table, bits, n_cores)
    axons_out = np.bincount(core, away, n_cores).astype(np.int64)
    return Usage(neurons, axons_in, axons_out, memory + neurons * int(target.packing.neuron))


def synapse_bits(target: ChipTarget, synapses: Int[np.ndarray, "*k"], each: Any = None) -> Int[np.ndarray, "*k"]:
    """Bits for so many synapses of one source on one core: entries of at most `block` synapses of `each` bits, or as the target says, in whole words."""
    packing = target.packing
    if packing.rule == "crossbar":
        return np.zeros_like(synapses, np.int64)
    size = packing.synapse if each is None else each
    full, rest = np.divmod(np.asarray(synapses, np.int64), packing.block)
    words = lambda n: np.ceil((n * size + packing.axon) / packing.word).astype(np.int64) * packing.word  # noqa: E731
    return full * words(np.full_like(full, packing.block)) + np.where(rest > 0, words(rest), 0)


def limits(target: ChipTarget) -> dict[str, int]:
    """The limits of a core that are known, by resource."""
    found = {name: getattr(target.limits, name) for name in Usage._fields}
    return {name: int(limit.value) for name, limit in found.items() if limit is not None}
