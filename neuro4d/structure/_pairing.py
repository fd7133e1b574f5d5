"""Vacant synaptic elements of both sides, paired at random."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, UInt32

from neuro4d.ops import n_up_to
from neuro4d.structure._draws import shuffled
from neuro4d.structure._removal import Left
from neuro4d.structure._structure import Structure, is_self


class Vacant(NamedTuple):
    """Elements that look for a partner: how many each source and each target has, and how many of the sources find no free slot."""

    axonal: Int32[Array, " rows"]
    dendritic: Int32[Array, " ends"]
    refused: UInt32[Array, ""]


def vacant(structure: Structure, left: Left, axonal: Float[Array, " rows"], dendritic: Float[Array, " ends"]) -> Vacant:
    """The vacant elements of both sides."""
    most = structure.rule.max_in
    there = jnp.maximum(jnp.floor(dendritic).astype(jnp.int32) - left.fan_in[structure.targets], 0)
    if most is not None:
        there = jnp.minimum(there, jnp.maximum(most - left.fan_in[structure.targets], 0))
    here = jnp.maximum(jnp.floor(axonal).astype(jnp.int32) - left.number, 0) * jnp.any(there > 0)
    held = jnp.minimum(here, structure.room - left.number)
    return Vacant(held, there, jnp.sum(here - held, dtype=jnp.uint32))


def partners(
    structure: Structure, found: Vacant, rows: Int32[Array, " some"], which: Int32[Array, " m"], nobody: int, address: tuple[Array, Array]
) -> Int32[Array, "some m"]:
    """The targets with which vacant elements of some sources are paired, those of the numbers `which`; `nobody` where there are none.

    The longer list of elements is put into a random order, and the first of it are paired with those of the other.
    """
    ends_here, ends_there = jnp.cumsum(found.axonal), jnp.cumsum(found.dendritic)
    number, last = found.axonal[rows], found.dendritic.shape[0] - 1
    element = jnp.where(which < number[:, None], (ends_here[rows] - number)[:, None] + which, 0)
    longer = jnp.maximum(jnp.maximum(ends_here[-1], ends_there[-1]), 1)
    place = shuffled(element.reshape(-1).astype(jnp.uint32), longer.astype(jnp.uint32), *address).astype(jnp.int32).reshape(element.shape)
    target = structure.targets[jnp.minimum(n_up_to(ends_there, place), last)]
    paired = (which < number[:, None]) & (place < ends_there[-1])
    return jnp.where(paired & ~is_self(structure, rows, target), target, nobody)
