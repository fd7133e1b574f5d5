"""Who is connected to whom, in pieces: as it comes out of a model, without the edges of a projection all at once."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from neuro4d.model import Model, State, as_wired, shares


class Wires(NamedTuple):
    """Some edges of a projection: sources and targets in their populations, delays in steps, or in ms where they are trained."""

    pre: np.ndarray
    post: np.ndarray
    delay: np.ndarray


def wires(model: Model, state: State | None, projection: str) -> Iterator[Wires]:
    """All edges of a projection in their order."""
    for share in shares(as_wired(model, state), model.layout.projections_by_name[projection].pathway, (projection,)):
        yield Wires(share.pre, share.post, share.delay)


def ends(model: Model, projection: str) -> tuple[str, str]:
    """The populations of a projection."""
    span: Any = model.layout.projections_by_name[projection]
    return span.pre.population, span.post.population
