"""Edges that become rarer with distance."""

import abc

import equinox as eqx
import numpy as np
from brainunit import um
from jaxtyping import Float

from neuro4d._base import AbstractPart, quantity
from neuro4d.connect._masks import AbstractMask
from neuro4d.connect._pairs import NearPairs
from neuro4d.connect._rule import AbstractRule, check_switch
from neuro4d.lattice import check_fraction


class AbstractKernel(AbstractPart):
    """How the probability falls off: a function of distance over scale, 1 at 0."""

    @abc.abstractmethod
    def profile(self, square: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Values from 0 to 1 at the squares of distance over scale; falls monotonically."""


class ExponentialKernel(AbstractKernel):
    r"""$\exp(-d/\lambda)$: `scale` is the distance over which the probability falls to 37 %.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.DistanceDecay(p0=0.3, scale=150*u.um, kernel=n4.ExponentialKernel())
    """

    def profile(self, square):
        return np.exp(-np.sqrt(square))


class GaussianKernel(AbstractKernel):
    r"""$\exp(-d^2/2\sigma^2)$: `scale` is the standard deviation.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.DistanceDecay(p0=0.3, scale=150*u.um, kernel=n4.GaussianKernel())
    """

    def profile(self, square):
        return np.exp(-0.5 * square)


class DistanceDecay(AbstractRule):
    r"""Every pair is connected independently with a probability that falls with the distance $d$ of its two places.

    $$ P(d) = p_0\, e^{-d/\lambda} \quad\text{(exponential)} \qquad P(d) = p_0\, e^{-d^2/2\sigma^2} \quad\text{(Gaussian)} $$

    The distance is Euclidean in all axes of the lattice; along periodic axes the shorter way round counts. With a scale for each axis,
    $d/\lambda$ is $\sqrt{\sum_a (\Delta_a/\lambda_a)^2}$. A pair's draw belongs to that pair, so that a cut-off or a mask removes edges and
    changes none that remain. Without either the cost follows the number of pairs, with one the number of pairs inside it (and a box around).

    **Arguments:**

    - `p0`: probability at distance 0, from 0 to 1.
    - `scale`: $\lambda$ or $\sigma$, one length, or one for each axis. [length]
    - `kernel`: `ExponentialKernel()` or `GaussianKernel()`.
    - `cutoff`: no edges beyond this distance (an edge exactly there may exist). [length]
    - `mask`: no edges outside of a shape around the source, for example `BoxMask(200*u.um)`.
    - `autapses`: whether a neuron may connect to itself where the two ends share neurons.

    **Raises:** `TypeError` for a number without unit, `ValueError` for a value out of range; `ValueError` at build if a population has
    no place on a lattice.

    **Reference:** Hellwig (2000), A quantitative analysis of the local connectivity between pyramidal neurons in layers 2/3 of the
    rat visual cortex, Biol. Cybern. 82, for the Gaussian.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.DistanceDecay(p0=0.3, scale=150 * u.um, cutoff=600 * u.um)
        DistanceDecay(p0=0.3, scale=150 um, kernel=ExponentialKernel(), cutoff=600 um)
    """

    p0: float = eqx.field(converter=lambda p: check_fraction(p, "DistanceDecay.p0", "DistanceDecay(p0=0.3, scale=150 * u.um)"))
    scale: Float[np.ndarray, "*axes"] = quantity(um, low=0.0, open_low=True)
    kernel: AbstractKernel = ExponentialKernel()
    cutoff: Float[np.ndarray, ""] | None = quantity(um, low=0.0, open_low=True, optional=True, default=None)
    mask: AbstractMask | None = None
    autapses: bool = eqx.field(default=True, kw_only=True)

    def __check_init__(self):
        check_switch(self.autapses, "DistanceDecay.autapses")
        if not isinstance(self.scale, np.ndarray) or self.scale.ndim > 1:
            raise TypeError(f"DistanceDecay.scale is one length, or one for each axis, for example `scale=150 * u.um`; got {self.scale!r}.")
        if self.cutoff is not None and (not isinstance(self.cutoff, np.ndarray) or self.cutoff.ndim):
            raise TypeError(f"DistanceDecay.cutoff is one length, for example `cutoff=150 * u.um`; got {self.cutoff!r}.")
        if not isinstance(self.mask, AbstractMask | None):
            raise TypeError(f"DistanceDecay.mask is a shape such as `BoxMask(200 * u.um)`; got {self.mask!r}.")
        if not isinstance(self.kernel, AbstractKernel):
            raise TypeError(f"DistanceDecay.kernel is an object such as `ExponentialKernel()` or `GaussianKernel()`; got {self.kernel!r}.")

    def __repr__(self):
        scale = " x ".join(f"{length:g}" for length in np.atleast_1d(self.scale))
        parts = [f"p0={self.p0}", f"scale={scale} um", f"kernel={self.kernel}"]
        parts += [] if self.cutoff is None else [f"cutoff={float(self.cutoff):g} um"]
        parts += [] if self.mask is None else [f"mask={self.mask}"]
        parts += [] if self.autapses else ["autapses=False"]
        return f"DistanceDecay({', '.join(parts)})"

    def rows(self, ends):
        cutoff = None if self.cutoff is None else float(self.cutoff)
        return NearPairs("DistanceDecay", self.p0, self.kernel.profile, self.scale, cutoff, self.mask, self.autapses).rows(ends)

    def capacity(self, n_pre, n_post, shares_population):
        return None
