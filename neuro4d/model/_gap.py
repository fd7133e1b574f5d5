"""Gap junctions in a model: what they carry from the potentials at the beginning of a step."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int32

from neuro4d._base import Drive
from neuro4d.model._layout import GapSpan, Layout
from neuro4d.ops import opaque


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
    """Junctions as one of their two sides sees them, sorted by the neuron that is driven: it, its partner, the conductance."""

    driven: Int32[Array, " k"]
    partner: Int32[Array, " k"]
    conductance: Float[Array, " k"]
    group: str = eqx.field(static=True)
    """The group of the partners."""

    def onto(self, values: Float[Array, " k"], n: int) -> Float[Array, " n"]:
        """Sums over the junctions of each of `n` neurons, in their order."""
        return jax.ops.segment_sum(values, self.driven, n, indices_are_sorted=True)


class GapConstants(eqx.Module):
    """The junctions of the neurons of one group, and the sum of their conductances."""

    total: Float[Array, " n"]
    sides: tuple[GapSide, ...]


def gap_constants(gaps: dict[str, Gap], layout: Layout) -> dict[str, GapConstants]:
    """What a step needs, by group; groups without junctions are not in it."""
    found: dict[str, list[GapSide]] = {}
    for span in layout.gaps:
        for group, side in zip((span.a_group, span.b_group), _sides(opaque(gaps[span.name]), span), strict=True):
            found.setdefault(group, []).append(side)
    made = {}
    for group, sides in found.items():
        n = layout.group(group).n
        made[group] = GapConstants(_added([side.onto(side.conductance, n) for side in sides]), tuple(sides))
    return opaque(made)


def _sides(gap: Gap, span: GapSpan) -> tuple[GapSide, GapSide]:
    there = GapSide(gap.a, gap.b, gap.conductance, span.b_group)
    return there, GapSide(gap.b[gap.by_b], gap.a[gap.by_b], gap.conductance[gap.by_b], span.a_group)


def _added(parts: list[Array]) -> Array:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def gap_drives(gaps: dict[str, GapConstants], groups: dict[str, Any]) -> dict[str, Drive]:
    r"""What junctions exert in a step: $i - g v$ with $g = \sum_j g_j$ and $i = \sum_j g_j v_j$ from the potentials at its beginning.

    So the neuron's own potential acts as it moves within the step, and a scheme that is exact for a conductance stays stable.
    """
    drives = {}
    for group, held in gaps.items():
        n = held.total.shape[0]
        drawn = _added([side.onto(side.conductance * groups[side.group].neurons.v[side.partner], n) for side in held.sides])
        drives[group] = Drive(g=held.total, i=drawn)
    return drives
