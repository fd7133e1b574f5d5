"""A projection whose synapses come and go, as it was built."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from neuro4d._base import Address
from neuro4d.structure._structural import StructuralPlasticity

PURPOSES = ("prune", "withdraw axonal", "withdraw dendritic", "pair", "propose", "refuse")
"""What is drawn at an event, each at addresses of its own."""


class Candidates(eqx.Module):
    """The targets that a source may propose: `target`, their numbers in the projection, and `share`, the kernel, row after row; `start` and `count` of
    each source."""

    start: Int32[Array, " rows"]
    count: Int32[Array, " rows"]
    target: Int32[Array, " pairs"]
    share: Float[Array, " pairs"]


class Structure(eqx.Module):
    """A projection whose synapses come and go, as it was built.

    **Fields:** `rule`; `sources` and `targets`: the neurons of both ends in their groups; `candidates`: `None` where any target may be proposed; `room`:
    slots of a source; `every`: in steps; `port`; `recurrent`: whether both ends lie in one group; `addresses`: of its randomness, one
    for each of `PURPOSES`.
    """

    rule: StructuralPlasticity
    sources: Int32[Array, " rows"]
    targets: Int32[Array, " ends"]
    candidates: Candidates | None
    room: int = eqx.field(static=True)
    every: int = eqx.field(static=True)
    port: int = eqx.field(static=True)
    recurrent: bool = eqx.field(static=True)
    addresses: tuple[Address, ...] = eqx.field(static=True)

    def address(self, purpose: str) -> Address:
        """Where what is drawn for a purpose begins."""
        return self.addresses[PURPOSES.index(purpose)]


def is_self(structure: Structure, rows: Int32[Array, " some"], target: Int32[Array, "some m"]) -> Bool[Array, "some m"]:
    """Where a source would form a synapse with itself, and must not."""
    if structure.rule.autapses or not structure.recurrent:
        return jnp.zeros(target.shape, bool)
    return structure.sources[rows][:, None] == target
