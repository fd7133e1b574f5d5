"""Where the delays of a projection are."""

import dataclasses
from typing import Any

from jaxtyping import Array, Float

from neuro4d._base import check_name, lookup
from neuro4d.model import Model
from neuro4d.ops import FreeDelays


@dataclasses.dataclass(frozen=True)
class Delays:
    """Points at the delays of a projection that are trained, in ms, one per edge in the order of `model.edges`: a place for `n4.set`, for
    gradients and for `train.trainable`.

    **Arguments:** `projection`: made with `delay=n4.TrainableDelays(...)`.

    **Raises:** when it is used: `UnknownNameError` for another name, `ValueError` for a projection whose delays lie on the grid.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
        >>> delays = n4.TrainableDelays([2.5, 4.0]*u.ms, low=1*u.ms, high=20*u.ms)
        >>> chain = n4.Projection("chain", cells[:2], cells[1:], "in", n4.OneToOne(), weight=1*u.mV, delay=delays)
        >>> model = n4.Network(cells, chain).build(dt=0.5*u.ms, seed=0)
        >>> n4.train.Delays("chain")(model).tolist()
        [2.5, 4.0]
        >>> n4.set(model, n4.train.Delays("chain"), 3.2*u.ms).freeze().edges("chain").delay.to_decimal(u.ms).tolist()
        [3.0, 3.0]
    """

    projection: str

    def __post_init__(self) -> None:
        check_name(self.projection, "projection")

    def __call__(self, model: Model) -> Float[Array, " k"]:
        return free_delays(model, self.projection).delay


@dataclasses.dataclass(frozen=True)
class Spread:
    """Points at how far the delays of a projection are spread, in ms: `TrainableDelays(..., spread=...)`. A place for `n4.set`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
        >>> delays = n4.TrainableDelays([2.5, 4.0]*u.ms, low=1*u.ms, high=20*u.ms, spread=5*u.ms)
        >>> chain = n4.Projection("chain", cells[:2], cells[1:], "in", n4.OneToOne(), weight=1*u.mV, delay=delays)
        >>> model = n4.Network(cells, chain).build(dt=0.5*u.ms, seed=0)
        >>> float(n4.train.Spread("chain")(n4.set(model, n4.train.Spread("chain"), 2*u.ms)))
        2.0
    """

    projection: str

    def __post_init__(self) -> None:
        check_name(self.projection, "projection")

    def __call__(self, model: Model) -> Float[Array, ""]:
        return free_delays(model, self.projection).spread


def free_delays(model: Any, projection: str) -> FreeDelays:
    """The delays of a projection, if they are trained."""
    span = lookup(model.layout.projections_by_name, projection, "projection")
    free = model.pathways[span.pathway].free
    if free is None:
        raise ValueError(
            f"the delays of projection {projection!r} lie on the grid. To train them: "
            f"`n4.Projection({projection!r}, ..., delay=n4.TrainableDelays(5*u.ms, low=1*u.ms, high=20*u.ms))`."
        )
    return free
