"""Who sends how much to whom, core by core, and how far it goes."""

import numpy as np
from jaxtyping import Float, Int

from neuro4d.hardware._mesh import Mesh, mesh_of
from neuro4d.hardware._placement import Placement

LARGE = 4096
"""Cores from which on single precision is enough: a table of 10,000 x 10,000 has 400 MB with it."""
ROWS = 64
"""Cores whose distances are looked at together."""


def traffic(placement: Placement) -> Float[np.ndarray, "cores cores"]:
    """Messages per step from every core to every other, means over the run; none from a core to itself.

    A spike is one message to each core that its neuron reaches.
    """
    table, home, n = placement.fan_out, placement.core, placement.n_cores
    found = np.zeros((n, n), np.float32 if n > LARGE else np.float64)
    spikes = np.asarray(placement.workload.spikes, found.dtype)
    for neuron in np.flatnonzero(spikes):  # its cores differ, so none is written twice
        found[home[neuron], table.core[table.start[neuron] : table.start[neuron + 1]]] += spikes[neuron]
    np.fill_diagonal(found, 0)
    return found


def hop_traffic(placement: Placement, sent: Float[np.ndarray, "cores cores"] | None = None) -> float:
    """Messages per step times the links that they pass.

    Every destination core is counted by itself: where copies of a spike share the first part of their way in a multicast tree, the links of
    that part are counted once for each of them. `route(placement).load` counts them once.

    !!! Example

        >>> work = n4.hardware.layered(["E"], [2000], np.arange(2000), np.arange(2000)[::-1], np.ones(2000), dt=1*u.ms, steps=100)
        >>> placement = n4.hardware.partition(work, n4.hardware.target("loihi1"))
        >>> placement.n_cores, n4.hardware.hop_traffic(placement)
        (2, 0.0)
    """
    mesh, node = mesh_of(placement)
    return weighted(traffic(placement) if sent is None else sent, mesh, node)


def weighted(sent: Float[np.ndarray, "cores cores"], mesh: Mesh, node: Int[np.ndarray, " cores"]) -> float:
    """Traffic times links, for cores on these nodes."""
    axes = np.stack([axis[node] for axis in mesh.axes]).astype(sent.dtype)
    total = 0.0
    for low in range(0, len(node), ROWS):
        if mesh.wrap:  # axes know no links around edges
            far = (mesh.hops(node[low : low + ROWS, None], node[None]) / mesh.share).astype(sent.dtype)
        else:
            far = sum(np.abs(axis[low : low + ROWS, None] - axis) for axis in axes)
        total += float(np.einsum("ij,ij->", sent[low : low + ROWS], far, dtype=np.float64))
    return mesh.share * total
