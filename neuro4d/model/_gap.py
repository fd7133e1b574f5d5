"""Gap junctions in a model: what they carry from the potentials at the beginning of a step."""

import functools
import operator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from neuro4d._base import Drive
from neuro4d.model._layout import GapSpan, Layout
from neuro4d.ops import opaque

ROOM = 4
"""How many places there may be for each junction in rows that have one for every neuron."""


class Gap(eqx.Module):
    """Junctions of one name, in the order (a, b, definition).

    **Fields:** `conductance` in nS; `a` and `b`: the partners as places in their groups; `by_b`: the order that sorts them by b, so that sums
    are made for one neuron after the other on both sides.
    """

    conductance: Float[Array, " k"]
    a: Int32[Array, " k"]
    b: Int32[Array, " k"]
    by_b: Int32[Array, " k"]


class GapSide(eqx.Module):
    """Junctions as one of their two sides sees them: the partners of the neurons that are driven, and the conductances.

    Row r of `(rows, n)` holds junction r of each of the `n` neurons, with conductance 0 where one has fewer; or, where few neurons have
    most of the junctions, there is one entry per junction, sorted by the neuron that is `driven`. The order of the sums is the same.
    """

    driven: Int32[Array, " k"] | None
    partner: Int32[Array, "*k"]
    conductance: Float[Array, "*k"]
    group: str = eqx.field(static=True)
    """The group of the partners."""
    n: int = eqx.field(static=True)

    def sums(self, v: Float[Array, " m"] | None) -> Float[Array, " n"]:
        """For each neuron the sum of its conductances, each times the potential of the partner if `v` is given."""
        values = self.conductance if v is None else self.conductance * v[self.partner]
        if self.driven is not None:
            return jax.ops.segment_sum(values, self.driven, self.n, indices_are_sorted=True)
        # A loop over products that are made before it: no program contracts product and sum, to other bits than the next one.
        return jax.lax.scan(lambda total, row: (total + row, None), jnp.zeros_like(values, shape=self.n), values)[0]


class GapConstants(eqx.Module):
    """The junctions of the neurons of one group, and the sum of their conductances."""

    total: Float[Array, " n"]
    sides: tuple[GapSide, ...]


def gap_constants(gaps: dict[str, Gap], layout: Layout) -> dict[str, GapConstants]:
    """What a step needs, by group; groups without junctions are not in it."""
    found: dict[str, list[GapSide]] = {}
    for span in layout.gaps:
        for group, side in zip((span.a_group, span.b_group), _sides(opaque(gaps[span.name]), span, layout), strict=True):
            found.setdefault(group, []).append(side)
    made = {}
    for group, sides in found.items():
        made[group] = GapConstants(_added([side.sums(None) for side in sides]), tuple(sides))
    return opaque(made)


def _sides(gap: Gap, span: GapSpan, layout: Layout) -> tuple[GapSide, GapSide]:
    a, b, g = gap.a[gap.by_b], gap.b[gap.by_b], gap.conductance[gap.by_b]
    most_a, most_b = span.most
    n_a, n_b = layout.group(span.a_group).n, layout.group(span.b_group).n
    return _side(gap.a, gap.b, gap.conductance, most_a, span.b_group, n_a), _side(b, a, g, most_b, span.a_group, n_b)


def _side(driven: Array, partner: Array, conductance: Array, most: int, group: str, n: int) -> GapSide:
    """One side, from junctions that are sorted by the neuron that is driven, which has at most `most` of them."""
    if most * n > ROOM * driven.shape[0]:
        return GapSide(driven, partner, conductance, group, n)
    row = jnp.arange(driven.shape[0], dtype=jnp.int32) - jnp.searchsorted(driven, driven).astype(jnp.int32)
    partners = jnp.zeros((most, n), jnp.int32).at[row, driven].set(partner)
    return GapSide(None, partners, jnp.zeros((most, n), conductance.dtype).at[row, driven].set(conductance), group, n)


def _added(parts: list[Array]) -> Array:
    return functools.reduce(operator.add, parts)


def gap_drives(gaps: dict[str, GapConstants], groups: dict[str, Any]) -> dict[str, Drive]:
    r"""What junctions exert in a step: $i - g v$ with $g = \sum_j g_j$ and $i = \sum_j g_j v_j$ from the potentials at its beginning.

    So the neuron's own potential acts as it moves within the step, and a scheme that is exact for a conductance stays stable.
    """
    drives = {}
    for group, held in gaps.items():
        drawn = _added([side.sums(groups[side.group].neurons.v) for side in held.sides])
        drives[group] = Drive(g=held.total, i=drawn)
    return drives
