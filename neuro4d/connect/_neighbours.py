"""Edges inside a shape around every neuron."""

import equinox as eqx
import numpy as np

from neuro4d.connect._masks import AbstractMask
from neuro4d.connect._pairs import NearPairs
from neuro4d.connect._rule import AbstractRule, check_switch
from neuro4d.lattice import check_fraction


class Neighbours(AbstractRule):
    """Every pair inside a mask is connected independently with probability `p`, no other pair is.

    A pair's draw belongs to that pair: a smaller mask removes edges and changes none that remain. Probabilities that fall with the distance
    are `DistanceDecay`, which takes a mask too.

    **Arguments:**

    - `mask`: the shape around the source in which its targets lie: `BallMask`, `RingMask`, `BoxMask`, `EllipsoidMask`.
    - `p`: probability, 0 to 1; 1 connects all that lie inside.
    - `autapses`: whether a neuron may connect to itself where the two ends share neurons.

    **Raises:** `TypeError` or `ValueError` for what is no mask or no probability; `ValueError` at build if a population has no place on a
    lattice, or a mask has another number of axes.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> layer = n4.Lattice((20, 20), spacing=50*u.um, wrap=True)
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", layer.all(), lif, {"exc": n4.ExpCurrent(tau=5*u.ms)})
        >>> edges = n4.Projection("e", cells, cells, "exc", n4.Neighbours(n4.BoxMask(50*u.um), autapses=False), weight=1*u.pA)
        >>> n4.Network(cells, edges).build(dt=1*u.ms, seed=0).n_synapses
        3200
    """

    mask: AbstractMask
    p: float = eqx.field(converter=lambda p: check_fraction(p, "Neighbours.p", "Neighbours(BallMask(100 * u.um), p=0.3)"), default=1.0)
    autapses: bool = eqx.field(default=True, kw_only=True)

    def __check_init__(self):
        check_switch(self.autapses, "Neighbours.autapses")
        if not isinstance(self.mask, AbstractMask):
            raise TypeError(f"Neighbours.mask is a shape such as `BallMask(100 * u.um)`; got {self.mask!r}.")

    def rows(self, ends):
        return NearPairs("Neighbours", self.p, np.ones_like, np.ones(()), None, self.mask, self.autapses).rows(ends)

    def capacity(self, n_pre, n_post, shares_population):
        return None
