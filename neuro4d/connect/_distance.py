"""Edges that become rarer with distance."""

import abc

import equinox as eqx
import numpy as np
from brainunit import um
from jaxtyping import Float

from neuro4d._base import quantity, words
from neuro4d.connect._cells import CellList, Crowds
from neuro4d.connect._rows import Rows, Stored, numbers
from neuro4d.connect._rule import AbstractRule, check_switch
from neuro4d.lattice import check_fraction, square_distance

_PAIRS = 1 << 18
_SLACK = 1 + 1e-9  # a pair exactly at the cut-off is inside, whatever the last bit of its position says


class AbstractKernel(eqx.Module):
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

    The distance is Euclidean in all axes of the lattice; along periodic axes the shorter way round counts. A pair's draw
    belongs to that pair, so that a cut-off removes edges and changes none that remain. Without a cut-off the cost follows the
    number of pairs, with one the number of pairs inside it (and a box around).

    **Arguments:**

    - `p0`: probability at distance 0, from 0 to 1.
    - `scale`: $\lambda$ or $\sigma$. [length]
    - `kernel`: `ExponentialKernel()` or `GaussianKernel()`.
    - `cutoff`: no edges beyond this distance (an edge exactly there may exist). [length]
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
    scale: Float[np.ndarray, ""] = quantity(um, low=0.0, open_low=True)
    kernel: AbstractKernel = ExponentialKernel()
    cutoff: Float[np.ndarray, ""] | None = quantity(um, low=0.0, open_low=True, optional=True, default=None)
    autapses: bool = eqx.field(default=True, kw_only=True)

    def __check_init__(self):
        check_switch(self.autapses, "DistanceDecay.autapses")
        for name, length in (("scale", self.scale), ("cutoff", self.cutoff)):
            if (length is not None and np.shape(length) != ()) or not isinstance(length, np.ndarray | None):
                raise TypeError(f"DistanceDecay.{name} is one length, for example `{name}=150 * u.um`; got {length!r}.")
        if not isinstance(self.kernel, AbstractKernel):
            raise TypeError(f"DistanceDecay.kernel is an object such as `ExponentialKernel()` or `GaussianKernel()`; got {self.kernel!r}.")

    def __repr__(self):
        parts = [f"p0={self.p0}", f"scale={float(self.scale):g} um", f"kernel={self.kernel}"]
        parts += [] if self.cutoff is None else [f"cutoff={float(self.cutoff):g} um"]
        parts += [] if self.autapses else ["autapses=False"]
        return f"DistanceDecay({', '.join(parts)})"

    def rows(self, ends) -> Rows:
        _check_places(ends)
        kept = [self._keep(ends, pair, word) for pair, word in self._candidates(ends)]
        keys = np.concatenate([np.empty(0, np.int64), *kept])
        pre = keys // max(1, ends.n_post)
        counts = np.bincount(pre, minlength=ends.n_pre).astype(np.int64)
        return Stored(counts, (keys - pre * ends.n_post).astype(np.int32))

    def capacity(self, n_pre, n_post, shares_population):
        return None

    def _candidates(self, ends):
        """Numbers of pairs (`source * n_post + target`) that may be connected and their words, in pieces of ascending sources."""
        if self.cutoff is not None:
            cells = CellList.of(ends.post_xyz, float(self.cutoff) * _SLACK, ends.wrap)
            if cells.n_neighbours <= ends.n_post:  # otherwise it is less work to look at every target
                for pair in cells.pairs(ends.pre_xyz):
                    word = words(ends.address, pair)
                    hopeful = np.flatnonzero(word < self.p0 * 2.0**32)
                    yield pair[hopeful], word[hopeful]
                return
        crowds = Crowds.of(ends.post_xyz)
        step = max(1, _PAIRS // max(1, ends.n_post))
        for first in range(0, ends.n_pre, step):
            pre_xyz = ends.pre_xyz[first : first + step]
            begin = first * ends.n_post
            word = words(ends.address, numbers(begin, begin + len(pre_xyz) * ends.n_post))
            bound = self._limit(crowds.nearest(pre_xyz, ends.wrap) * (1 - 1e-9)) + 1
            limit = np.minimum(bound, 2.0**32 - 1).astype(np.uint32)
            hopeful = np.flatnonzero(word.reshape(len(pre_xyz), -1) <= np.repeat(limit, crowds.counts, axis=1))
            yield begin + hopeful, word[hopeful]

    def _limit(self, square: np.ndarray) -> np.ndarray:
        """Words below it make an edge, at a squared distance."""
        return self.p0 * 2.0**32 * self.kernel.profile(square / float(self.scale) ** 2)

    def _keep(self, ends, pair: np.ndarray, word: np.ndarray) -> np.ndarray:
        pre = pair // ends.n_post
        post = pair - pre * ends.n_post
        square = square_distance(ends.pre_xyz[pre], ends.post_xyz[post], ends.wrap)
        kept = word < self._limit(square)
        if self.cutoff is not None:
            kept &= square <= (float(self.cutoff) * _SLACK) ** 2
        if not self.autapses and ends.self_shift is not None:
            kept &= pre + ends.self_shift != post
        return np.sort(pair[kept])


def _check_places(ends) -> None:
    for side, xyz, n in (("source", ends.pre_xyz, ends.n_pre), ("target", ends.post_xyz, ends.n_post)):
        if xyz is None:
            raise ValueError(
                f"DistanceDecay: the {side} population has no place. Put it on a lattice, for example "
                "`Population('v1', brain['V1'].sample(density=0.1), ...)`."
            )
        if np.ndim(xyz) != 2 or len(xyz) != n:
            raise ValueError(f"DistanceDecay: positions of the {side} have the shape ({n}, axes); got {np.shape(xyz)}.")
    axes = [ends.pre_xyz.shape[1], ends.post_xyz.shape[1], *([] if ends.wrap is None else [len(ends.wrap)])]
    if len(set(axes)) != 1:
        raise ValueError(
            f"DistanceDecay: both ends live on lattices with the same axes; got {axes[0]} and {axes[1]} axes, {axes[-1]} periods."
        )
