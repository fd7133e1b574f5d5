"""The links of a mesh, and how much goes over each."""

from typing import Any

import numpy as np
from jaxtyping import Float

from neuro4d.hardware import Mesh, Placement, Routes, mesh_of
from neuro4d.plot import _canvas
from neuro4d.plot._chip import UNUSED, axes_for, bar, borders, centres, chip_map, colours, paper, small

HALF = 0.16
"""Half of the side of a node, in links."""
ARROW = np.array([[0, -0.5], [0.6, -0.5], [0.6, -1.1], [1, 0], [0.6, 1.1], [0.6, 0.5], [0, 0.5]])
"""An arrow along its way, 1 long, and across, with a shaft 1 wide."""


def link_load(routes: Routes, placement: Placement | None = None, ax: Any = None) -> Any:
    """How many packets each link carries in a step: an arrow for every directed link that a route uses, two where packets go both ways.

    **Arguments:**

    - `routes`: of `n4.hardware.route`.
    - `placement`: that of the routes; where it is given, the title names its target, and dark lines show where chips meet.
    - `ax`: matplotlib axes to draw into, or new ones.

    **Returns:** the axes.

    **Raises:** `ValueError` for routes without a mesh, such as those of `routes_of`; `ImportError` without matplotlib.

    !!! Example

        >>> pre = np.arange(4000)
        >>> work = n4.hardware.layered(["E"], [4000], pre, (pre * 1999) % 4000, np.full(4000, 0.01), dt=1*u.ms, steps=100)
        >>> routes = n4.hardware.route(n4.hardware.place(n4.hardware.partition(work, n4.hardware.target("spinnaker2"))))
        >>> ax = n4.plot.link_load(routes)
        >>> len(ax.collections[1].get_paths()) == len(routes.links)
        True
    """
    mesh = routes.mesh
    if mesh is None:
        raise ValueError("link_load: these routes have no mesh to draw them on; those of `n4.hardware.route(placement)` have one.")
    middle = centres(mesh)
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        edge = np.array([[-0.5, -0.5], [0.5, 0.5]])
        ax = axes_for(middle[:, None] + edge, ax)
        paint = plt.matplotlib.collections.PolyCollection
        square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * HALF
        ax.add_collection(paint(middle[:, None] + square, facecolor=UNUSED, edgecolor="none"))
        drawn = paint(_arrows(routes, middle), array=routes.load, cmap=colours(), edgecolor="none")
        drawn.set_clim(0, float(routes.load.max(initial=0)) or 1.0)
        ax.add_collection(drawn)
        if placement is not None and mesh.kind == "square":
            borders(ax, mesh, placement.chip)
        bar(ax, drawn, "packets per step")
        where = "" if placement is None else f"{placement.target.title}: "
        ax.set_title(f"{where}load of {len(routes.links):,} links", loc="left")
        small(ax, _note(routes, mesh))
    return ax


def chip_and_links(placement: Placement, routes: Routes, what: str = "load") -> Any:
    """`chip_map` and `link_load` in one figure, one below the other on wide chips.

    **Returns:** the matplotlib figure.
    """
    plt = _canvas.pyplot()
    mesh, _ = mesh_of(placement)
    wide, tall = paper(mesh.columns, mesh.rows)
    below = wide >= 1.4 * tall
    with plt.rc_context(_canvas.style()):
        size = (wide, 2 * tall) if below else (2 * wide, tall)
        figure, axes = plt.subplots(*((2, 1) if below else (1, 2)), figsize=size, layout="constrained")
        chip_map(placement, what, axes[0])
        link_load(routes, placement, axes[1])
    return figure


def _arrows(routes: Routes, middle: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "links 7 2"]:
    """From node to node, on the right-hand side of the line between them."""
    begin, end = middle[routes.links[:, 0]], middle[routes.links[:, 1]]
    along = end - begin
    right = np.stack([along[:, 1], -along[:, 0]], axis=1)
    start = begin + HALF * 1.1 * along + 0.085 * right
    return start[:, None] + (1 - 2.2 * HALF) * ARROW[:, 0, None] * along[:, None] + 0.09 * ARROW[:, 1, None] * right[:, None]


def _note(routes: Routes, mesh: Mesh) -> str:
    """Which link is the busiest."""
    if not len(routes.load) or not routes.load.any():
        return "no packet leaves its node"
    busiest = int(routes.load.argmax())
    begin, end = (f"({mesh.place[node][0]}, {mesh.place[node][1]})" for node in routes.links[busiest])
    return f"the busiest, from {begin} to {end}: {routes.load[busiest]:.3g} packets per step; all together: {routes.hops:.3g}"
