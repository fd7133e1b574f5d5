"""How little traffic any placement of the same cores can have."""

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from neuro4d.hardware._mesh import mesh_of
from neuro4d.hardware._place import every_site
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._traffic import traffic

MOST = 1024
"""Cores up to which the sites that there are count; of more, each core is in the middle of a mesh without end."""

AT_ONCE = 256
"""Cores whose traffic is sorted together."""


def hop_bound(placement: Placement) -> float:
    r"""Hop-weighted traffic that no placement of the same cores is below: what `place` could reach at best, and mostly cannot.

    Each core by itself would be best off with the one that it sends most to nearest, the next one after that, and so on:

    $$L(a, s) = \sum_k T_{a(k)}\, d_{s(k)}, \qquad T_{a(1)} \ge T_{a(2)} \ge \dots, \quad d_{s(1)} \le d_{s(2)} \le \dots$$

    with the distances from a site $s$ to the others. The bound is the cheapest way to give every core a site of its own by these costs, on the chips of the placement; for more than
    1,024 cores, the costs in the middle of a mesh without end. The same is done with what cores receive, and with the mean of both; the largest of the three counts.

    **Returns:** messages per step times links.

    **Source:** Gilmore 1962, J. SIAM 10(2); Lawler 1963, Management Science 9(4).

    !!! Example

        >>> pre, post = np.divmod(np.arange(40 * 40), 40)
        >>> work = n4.hardware.layered(["E"], [40], pre, post, np.full(40, 0.01), dt=1*u.ms, steps=100)
        >>> placed = n4.hardware.partition(work, n4.hardware.target("loihi1"))
        >>> n4.hardware.hop_bound(placed) <= n4.hardware.hop_traffic(placed)
        True
    """
    sent = traffic(placement)
    if len(sent) < 2:
        return 0.0
    far = _distances(placement).astype(sent.dtype)
    return max(_least(sent, far), _least(sent.T, far), _least((sent + sent.T) / 2, far))


def _distances(placement: Placement) -> Int[np.ndarray, "sites k"]:
    """Links from each site to as many others as there are cores, nearest first; one row where the mesh has no end."""
    n, chip = placement.n_cores, placement.chip
    if n <= MOST:
        mesh, node = mesh_of(every_site(placement))
        return np.sort(mesh.hops(node[:, None], node[None, :]), axis=1)[:, 1:n]
    mesh, _ = mesh_of(placement)
    shared = chip.per_tile if mesh.kind == "square" and chip.board is None else chip.cores
    rings = len(mesh.steps) * np.arange(1, int(np.sqrt(n)) + 2) * shared
    return np.repeat(np.arange(len(rings) + 1), np.concatenate([[shared - 1], rings]))[None, : n - 1]


def _least(sent: Float[np.ndarray, "cores cores"], far: Float[np.ndarray, "sites k"]) -> float:
    """The cheapest sites if each core only looks at its own row."""
    parts = []
    for low in range(0, len(sent), AT_ONCE):
        rows = -np.sort(-sent[low : low + AT_ONCE], axis=1)[:, : far.shape[1]]
        parts.append(rows @ far.T)
    cost = np.concatenate(parts).astype(np.float64)
    if len(far) == 1:
        return float(cost.sum())
    return float(cost[linear_sum_assignment(cost)].sum())
