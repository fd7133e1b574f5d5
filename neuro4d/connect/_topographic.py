"""Areas of different size, put onto each other."""

import equinox as eqx
import numpy as np
from jaxtyping import Float

from neuro4d.connect._rule import AbstractRule
from neuro4d.lattice import Area


class Topographic(AbstractRule):
    r"""Connects two areas as if the source area were stretched onto the target area, along every axis on its own.

    A source at site $i$ of $N$ along an axis is moved to the place $(i + \frac12)\,M/N - \frac12$ among the $M$ sites of the target area, in the
    frame of the target, as pictures are scaled; the first site is 0, the smallest box around an area counts. Then the rule inside decides, with
    distances in the target area: of `DistanceDecay`, `Neighbours`, or `SmallWorld` with a mask.

    **Arguments:**

    - `rule`: a rule that asks for places.
    - `source`, `target`: the two areas, `lattice["V1"]`, or a `lattice.whole`. Their lattices have the same axes.

    **Raises:** `TypeError` or `ValueError`, naming the argument; `ValueError` at build if a neuron lies outside of its area.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> brain = n4.Lattice((30, 12, 1), spacing=50*u.um, areas={"V1": n4.Box(x=(0, 19)), "V2": n4.Box(x=(20, 29), y=(0, 5))})
        >>> rule = n4.Topographic(n4.DistanceDecay(p0=0.5, scale=100*u.um), brain["V1"], brain["V2"])
    """

    rule: AbstractRule
    source: Area = eqx.field(static=True)
    target: Area = eqx.field(static=True)

    def __check_init__(self):
        if not isinstance(self.rule, AbstractRule):
            raise TypeError(f"Topographic.rule is a rule such as `DistanceDecay(p0=0.5, scale=100 * u.um)`; got {self.rule!r}.")
        for name, area in (("source", self.source), ("target", self.target)):
            if not isinstance(area, Area):
                raise TypeError(f"Topographic.{name} is an area such as `brain['V1']` or `brain.whole`; got {area!r}.")
        if self.source.lattice.ndim != self.target.lattice.ndim:
            raise ValueError(
                f"Topographic: both lattices have the same axes; got {self.source.lattice.ndim} and {self.target.lattice.ndim}. "
                "A layer is a lattice with one site along an axis, for example `Lattice((20, 20, 1))`."
            )

    @property
    def autapses(self) -> bool:
        """Whether the rule inside allows a neuron to connect to itself."""
        return bool(getattr(self.rule, "autapses", True))

    def rows(self, ends):
        for side, xyz, area in (("source", ends.pre_xyz, self.source), ("target", ends.post_xyz, self.target)):
            _check_inside(side, xyz, area)
        (low, n), (onto, m) = _box(self.source), _box(self.target)
        site = ends.pre_xyz / self.source.lattice.spacing.mantissa - low
        moved = (onto + (site + 0.5) * m / n - 0.5) * self.target.lattice.spacing.mantissa
        return self.rule.rows(ends._replace(pre_xyz=moved, wrap=self.target.lattice.period))

    def capacity(self, n_pre, n_post, shares_population):
        return self.rule.capacity(n_pre, n_post, shares_population)


def _check_inside(side: str, xyz: np.ndarray | None, area: Area) -> None:
    if xyz is None:
        raise ValueError(
            f"Topographic: the {side} population has no place. Put it on a lattice, for example `Population('v1', brain['V1'].all(), ...)`."
        )
    sites = np.rint(np.asarray(xyz) / area.lattice.spacing.mantissa).astype(np.int64)
    inside = ((sites >= 0) & (sites < np.array(area.lattice.shape))).all(axis=1)
    inside[inside] = area.contains(sites[inside])
    if not inside.all():
        at = int(np.argmin(inside))
        raise ValueError(
            f"Topographic.{side}: all neurons lie in the area {area.name!r}; neuron {at} is at site {tuple(sites[at].tolist())}."
        )


def _box(area: Area) -> tuple[Float[np.ndarray, "axes"], Float[np.ndarray, "axes"]]:
    """The first site of the smallest box around an area, and the number of sites along each axis."""
    lattice = area.lattice
    pieces = [lattice.site(numbers) for numbers in area.region.pieces(lattice.shape, lattice.axes)]
    low = np.min([sites.min(axis=0) for sites in pieces], axis=0)
    high = np.max([sites.max(axis=0) for sites in pieces], axis=0)
    return low.astype(np.float64), (high - low + 1).astype(np.float64)
