"""Synapses that learn in the compiled handler `n4_run`: operands and results of a pathway with a native rule."""

from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, UInt32

from neuro4d.kernels._call import Operand
from neuro4d.kernels._native_load import native_manifest

_MOST_TRACES = 4  # kMostTraces in src/learn.h


class NativeTrace(NamedTuple):
    """A trace as its last spike left it, `(D, n_source)` of arrivals or `(n_target,)` of targets; by how much its logarithm falls in a step;
    whether a spike sets it to 1 instead of adding 1."""

    value: Float[Array, "*n"]
    rate: Float[Array, ""]
    nearest: bool


class NativeLearning(NamedTuple):
    """What is learned in a pathway: the rule's name in the manifest, its parameters, its traces by name, and the steps of the last arrivals
    and of the last spikes of the targets, where the rule has traces of those; `strength`: of what a rule releases a share."""

    rule: str
    params: Mapping[str, Float[Array, ""]]
    pre: Mapping[str, NativeTrace]
    post: Mapping[str, NativeTrace]
    heard: UInt32[Array, "D n_source"]
    fired: UInt32[Array, " n_target"] | None
    strength: Float[Array, " e"] | None = None

    def numbers(self) -> tuple[int, int, int]:
        """How the handler knows it: its rule, and bits of the traces in which the last spike alone counts."""
        known = native_manifest().rules[self.rule]
        bits = lambda traces, names: sum(int(traces[name].nearest) << k for k, name in enumerate(names))  # noqa: E731
        return known.number, bits(self.pre, known.pre), bits(self.post, known.post)

    def operands(self, path: int) -> dict[str, Operand]:
        """All operands by name, for pathway number `path`."""
        known = native_manifest().rules[self.rule]
        traces = [*(self.pre[name] for name in known.pre), *(self.post[name] for name in known.post)]
        out = {
            f"learn.params:{path}": Operand(jnp.stack([jnp.asarray(self.params[name], jnp.float32) for name in known.params])),
            f"learn.rates:{path}": Operand(jnp.stack([jnp.asarray(trace.rate, jnp.float32) for trace in traces])),
            f"learn.heard:{path}": Operand(self.heard, True, True),
        }
        if self.fired is not None:
            out[f"learn.fired:{path}"] = Operand(self.fired, True, True)
        if self.strength is not None:
            out[f"learn.strength:{path}"] = Operand(self.strength)
        out |= {f"learn.pre:{_MOST_TRACES * path + k}": Operand(self.pre[name].value, True, True) for k, name in enumerate(known.pre)}
        return out | {f"learn.post:{_MOST_TRACES * path + k}": Operand(self.post[name].value, True, True) for k, name in enumerate(known.post)}


class NativeLearned(NamedTuple):
    """What a call leaves of a pathway that learns."""

    weight: Float[Array, " e"]
    pre: dict[str, Float[Array, "D n_source"]]
    post: dict[str, Float[Array, " n_target"]]
    heard: UInt32[Array, "D n_source"]
    fired: UInt32[Array, " n_target"] | None


def learned(out: Mapping[str, Array], path: int, learning: NativeLearning) -> NativeLearned:
    """The results of a call for pathway number `path`."""
    known = native_manifest().rules[learning.rule]
    return NativeLearned(
        out[f"path.weight:{path}"],
        {name: out[f"learn.pre:{_MOST_TRACES * path + k}"] for k, name in enumerate(known.pre)},
        {name: out[f"learn.post:{_MOST_TRACES * path + k}"] for k, name in enumerate(known.post)},
        out[f"learn.heard:{path}"],
        out.get(f"learn.fired:{path}"),
    )
