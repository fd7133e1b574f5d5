"""Which program steps a group: the native pass, or plain XLA, and why."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from neuro4d.kernels import PortKind, native_limits
from neuro4d.model._fields import ModelFields
from neuro4d.model._layout import Group
from neuro4d.neurons import LIF
from neuro4d.receptors import Delta, ExpConductance, ExpCurrent

PORT_KINDS: Mapping[type, PortKind] = MappingProxyType({ExpCurrent: "current", ExpConductance: "conductance", Delta: "delta"})


def obstacle(model: ModelFields, group: Group) -> str:
    """Why the native pass cannot step a group, or nothing if it can.

    The very classes count: a subclass may have a step of its own, which the native pass does not know.
    """
    first = group.spans[0].name
    neuron, receptors = model.neurons[first], model.receptors[first]
    foreign = [f"{port} ({type(r).__name__})" for port, r in receptors.items() if type(r) not in PORT_KINDS]
    limits = native_limits()
    if not model.layout.backend.native or limits is None:
        return "the backend has no native kernels"
    if type(neuron) is not LIF:
        return f"{type(neuron).__name__} has no native step"
    if foreign:
        return f"no native step for the receptors {', '.join(foreign)}"
    if model.surrogate is not None:
        return "spikes carry gradients (surrogate)"
    if model.dtype != np.float32:
        return f"the native pass computes in float32, the model in {np.dtype(model.dtype).name}"
    if len(group.ports) > limits.ports:
        return f"{len(group.ports)} receptors, more than the {limits.ports} that the native pass serves"
    return ""
