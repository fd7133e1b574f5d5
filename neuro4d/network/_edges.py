"""The edges of a projection, read back from the layout of delivery."""

from typing import Any

import brainunit as u
import equinox as eqx
import numpy as np

from neuro4d._base import lookup
from neuro4d.ops import edge_table


class Edges(eqx.Module):
    """The edges of a projection as host arrays: `pre` and `post` are indices into the populations, `delay` and `weight` quantities."""

    pre: np.ndarray
    post: np.ndarray
    weight: Any
    delay: Any

    def __len__(self):
        return len(self.pre)


def edges(model: Any, projection: str) -> Edges:
    """The edges of a projection, ordered by source, delay and target.

    **Raises:** `UnknownNameError` for a name that no projection carries; `ValueError` if another projection has edges between the
    same neurons at the same port, so that the two cannot be told apart.
    """
    link, mask, source, which, target = _locate(model, projection)
    path = model.pathways[link.pathway]
    pre = source[mask] - link.source[0] + link.pre[1]
    post = target[mask] - link.target[0] + link.post[1]
    weight = _edge_weights(path, source, mask)
    delay = np.zeros(len(pre)) if path.early else np.asarray(path.delays)[which[mask]] * model.dt
    order = np.lexsort((post, delay, pre))
    unit = model.port_unit(path.target, link.port)
    return Edges(pre[order], post[order], weight[order] * unit, delay[order] * u.ms)


def _locate(model: Any, projection: str) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    link = lookup({x.name: x for x in model.layout.links}, projection, "projection")
    for other in model.layout.links:
        if other.name != link.name and _overlap(other, link):
            raise ValueError(
                f"projections {link.name!r} and {other.name!r} join the same neurons at the same port; their edges cannot be told apart."
            )
    path = model.pathways[link.pathway]
    source, which, block = (np.asarray(x) for x in edge_table(path))
    local = np.asarray(path.targets).astype(np.int64)
    target = block * path.width + local % path.width
    port = dict(model.layout.ports)[path.target].index(link.port)
    mask = (
        (source >= link.source[0]) & (source < link.source[0] + link.source[1]) & (local // path.width == port) & (source < path.n_source)
    )
    return link, mask & (target >= link.target[0]) & (target < link.target[0] + link.target[1]), source, which, target


def _overlap(a: Any, b: Any) -> bool:
    def meet(x: tuple[int, int], y: tuple[int, int]) -> bool:
        return x[0] < y[0] + y[1] and y[0] < x[0] + x[1]

    return a.pathway == b.pathway and a.port == b.port and meet(a.source, b.source) and meet(a.target, b.target)


def _edge_weights(path: Any, source: np.ndarray, mask: np.ndarray) -> np.ndarray:
    weight = np.asarray(path.weight)
    if path.weight_kind == "one":
        return np.full(int(mask.sum()), weight)
    return weight[source[mask]] if path.weight_kind == "source" else weight[mask]
