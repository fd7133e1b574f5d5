"""Who is connected to whom, in pieces: as it comes out of a model, without the edges of a projection all at once."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from neuro4d.model import Model, State, as_wired, locate

PIECE = 1 << 20
"""About as many edges are held at once."""


class Wires(NamedTuple):
    """Some edges of a projection: sources and targets in their populations, delays in steps, or in ms where they are trained."""

    pre: np.ndarray
    post: np.ndarray
    delay: np.ndarray


def wires(model: Model, state: State | None, projection: str, n_edges: int) -> Iterator[Wires]:
    """All edges of a projection in their order."""
    model = as_wired(model, state)
    span = model.layout.projections_by_name[projection]
    stride = max(1, PIECE * span.pre.extent // max(1, n_edges))
    for low in range(span.pre.first, span.pre.first + span.pre.extent, stride):
        found = locate(model, projection, (low, low + stride))
        yield Wires(found.pre, found.post, found.delay)


def ends(model: Model, projection: str) -> tuple[str, str]:
    """The populations of a projection."""
    span: Any = model.layout.projections_by_name[projection]
    return span.pre.population, span.post.population
