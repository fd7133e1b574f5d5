"""Delays that are trained: a float per edge."""

from typing import Any

import brainunit as u
import jax.numpy as jnp
import numpy as np

from neuro4d._base import AbstractValue, as_value, attach, strip
from neuro4d.ops import FreeDelays, Pathway


class TrainableDelays:
    r"""The `delay` of a projection whose delays are trained: a float for each edge, a leaf of the model.

    A spike is delivered in the two steps next to its delay, in linear proportion, so a delay that lies between two steps has a
    derivative. With `spread` the share is a wider triangle, $\max(0, 1 - |l - d|/(dt + \sigma))$ normalised over the steps $l$ that lie in
    the future: a delay then feels spikes from farther away, and $\sigma$ is taken back to 0 in the course of training.

    **Arguments:**

    - `init`: where delays begin: a quantity, a distribution, or one entry per edge; not necessarily on the grid. [time]
    - `low`, `high`: the bounds of all delays, `low` at least one step. A delay that leaves them counts as the bound. [time]
    - `spread` $\sigma$: the widest that will be used, and where it begins; 0 by default. [time]

    Read and set them with `train.Delays("e")`; `model.freeze()` rounds them and gives a model with the event layout.

    **Raises:** `UnitError`, `ValueError` for bounds that are not positive, in the wrong order, or that `init` leaves.

    **Source:** I. Hammouamri, I. Khalfaoui-Hassani, T. Masquelier, ICLR (2024); for recurrent networks A. Queant et al., arXiv 2509.24852 (2025).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 10, lif, {"exc": n4.ExpCurrent(tau=5*u.ms)})
        >>> delays = n4.TrainableDelays(n4.Uniform(3*u.ms, 9*u.ms), low=1*u.ms, high=20*u.ms)
        >>> e = n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.2), weight=20*u.pA, delay=delays)
        >>> model = n4.Network(cells, e).build(dt=0.5*u.ms, seed=0)
        >>> n4.train.Delays("e")(model).shape == (model.n_synapses,)
        True
    """

    __slots__ = ("init", "low", "high", "spread")
    init: AbstractValue
    low: float
    high: float
    spread: float

    def __init__(self, init: Any, *, low: Any, high: Any, spread: Any = 0 * u.ms):
        self.init = as_value(init, u.ms, "TrainableDelays: init")
        self.low, self.high, self.spread = (_number(value, name) for value, name in ((low, "low"), (high, "high"), (spread, "spread")))
        if not 0 < self.low < self.high:
            raise ValueError(
                f"TrainableDelays: low is above 0 and below high; got low={attach(self.low, u.ms)}, high={attach(self.high, u.ms)}. "
                "For example `low=1*u.ms, high=20*u.ms`."
            )
        if self.spread < 0:
            raise ValueError(f"TrainableDelays: spread is 0 or more; got {attach(self.spread, u.ms)}.")
        first, last = self.init.bounds()
        if not (self.low <= first and last <= self.high):
            raise ValueError(
                f"TrainableDelays: init lies between low and high, {self.low:g} to {self.high:g} ms; it reaches from {first:g} to {last:g} ms. "
                f"Give a distribution limits, for example `n4.Uniform({self.low:g}*u.ms, {self.high:g}*u.ms)`."
            )

    def __repr__(self):
        return f"TrainableDelays({self.init}, low={self.low:g} ms, high={self.high:g} ms)"

    def steps(self, dt: float, name: str) -> tuple[int, int]:
        """The smallest and largest delay at the beginning in steps, rounded.

        **Raises:** `ValueError` if delays may become shorter than a step.
        """
        if self.low < dt * (1 - 1e-6):
            raise ValueError(
                f"projection {name!r}: a delay that is trained is one step or longer; low is {attach(self.low, u.ms)}, the step "
                f"{attach(dt, u.ms)}. Use `low={dt:g}*u.ms`."
            )
        first, last = self.init.bounds()
        return max(int(np.rint(first / dt)), 1), max(int(np.rint(last / dt)), 1)

    def free(self, path: Pathway, source: np.ndarray, place: np.ndarray, delay: np.ndarray, dt: float, dtype: Any) -> Pathway:
        """A pathway whose edges, one behind the other, have these sources, targets and delays."""
        held = FreeDelays(
            jnp.asarray(delay, dtype),
            jnp.asarray(self.spread, dtype),
            jnp.asarray(source, jnp.int32),
            jnp.asarray(place, jnp.int32),
            self.low,
            self.high,
            self.spread,
            dt,
        )
        return path.with_free(held)


def _number(value: Any, name: str) -> float:
    array = strip(value, u.ms, f"TrainableDelays: {name}")
    if array.ndim or not np.isfinite(array):
        raise ValueError(f"TrainableDelays: {name} is one finite time, for example `{name}=20*u.ms`; got {value}.")
    return float(array)
