"""Which program steps a group: the native pass, or plain XLA, and why."""

from typing import Any

import numpy as np

from neuro4d.kernels import NativeFields, NativeRule, native_available, native_manifest
from neuro4d.model._fields import ModelFields
from neuro4d.model._layout import Group


def native_name(part: Any) -> str | None:
    """The name of a neuron model or receptor among the native kernels, or `None`.

    The very class counts: a subclass may have a step of its own, which the kernels do not know.
    """
    return type(part).__dict__.get("native")


def native_cell(part: Any) -> NativeFields | None:
    """What the manifest says of a neuron model, or `None` if it has no native step."""
    return native_manifest().cells.get(native_name(part) or "")


def native_receptor(part: Any) -> NativeFields | None:
    """What the manifest says of a receptor, or `None` if it has no native step."""
    return native_manifest().receptors.get(native_name(part) or "")


def native_rule(rule: Any) -> NativeRule | None:
    """What the manifest says of a rule of plasticity, or `None` if synapses learn it in plain XLA."""
    return native_manifest().rules.get(native_name(rule) or "") if native_available() else None


def foreign(model: ModelFields, group: Group) -> str:
    """Why the native pass leaves the update of the neurons of a group to plain XLA, or nothing if it makes that too."""
    neuron = model.neurons[group.spans[0].name]
    return f"{type(neuron).__name__} has no native step" if native_cell(neuron) is None else ""


def obstacle(model: ModelFields, group: Group) -> str:
    """Why no part of the step of a group can be native, or nothing if the native pass serves; `foreign` says whether it makes all."""
    receptors = model.receptors[group.spans[0].name]
    if not model.layout.backend.native or not native_available():
        return "the backend has no native kernels"
    unknown = [f"{port} ({type(r).__name__})" for port, r in receptors.items() if native_receptor(r) is None]
    if unknown:
        return f"no native step for the receptors {', '.join(unknown)}"
    seeing = [f"{port} ({type(r).__name__})" for port, r in receptors.items() if r.sees_v]
    if seeing and foreign(model, group):
        return f"{foreign(model, group)}, and its potential acts on the receptors {', '.join(seeing)}"
    trained = [name for name, path in model.pathways.items() if path.target == group.name and path.free is not None]
    if trained:
        return f"delays that are trained in {', '.join(trained)}"
    if model.dtype != np.float32:
        return f"the native pass computes in float32, the model in {np.dtype(model.dtype).name}"
    most = native_manifest().limits.ports
    return f"{len(group.ports)} receptors, more than the {most} that the native pass serves" if len(group.ports) > most else ""
