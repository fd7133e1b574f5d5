"""The links of a mesh, and how much goes over each."""

from collections import Counter
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from neuro4d.hardware import Mesh, Placement, Routes, mesh_of
from neuro4d.plot import _canvas
from neuro4d.plot._chip import SQUARE, UNUSED, axes_for, bar, borders, centres, chip_map, colours, outline, paper, placed, small

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
    middle, arrows = centres(mesh), _arrows(routes, mesh)
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        ax = axes_for(np.concatenate([outline(mesh).reshape(-1, 2), arrows.reshape(-1, 2)]), ax)
        paint = plt.matplotlib.collections.PolyCollection
        there = np.setdiff1d(np.arange(mesh.n), mesh.absent)
        ax.add_collection(paint(middle[there, None] + SQUARE * HALF, facecolor=UNUSED, edgecolor="none"))
        drawn = paint(arrows, array=routes.load, cmap=colours(), edgecolor="none")
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
    wide, tall = paper(outline(mesh))
    below = wide >= 1.4 * tall
    with plt.rc_context(_canvas.style()):
        size = (wide, 2 * tall) if below else (2 * wide, tall)
        figure, axes = plt.subplots(*((2, 1) if below else (1, 2)), figsize=size, layout="constrained")
        chip_map(placement, what, axes[0])
        link_load(routes, placement, axes[1])
    return figure


def _arrows(routes: Routes, mesh: Mesh) -> Float[np.ndarray, "links 7 2"]:
    """From node to node, on the right-hand side of the line between them. Those of links around an edge lead out of the mesh."""
    begin = centres(mesh)[routes.links[:, 0]]
    along = placed(mesh, _ways(routes, mesh).astype(float))
    right = np.stack([along[:, 1], -along[:, 0]], axis=1)
    start = begin + HALF * 1.1 * along + 0.085 * right
    return start[:, None] + (1 - 2.2 * HALF) * ARROW[:, 0, None] * along[:, None] + 0.09 * ARROW[:, 1, None] * right[:, None]


def _ways(routes: Routes, mesh: Mesh) -> Int[np.ndarray, "links 2"]:
    """Columns and rows of every link. On a small torus several links join two nodes, and each gets a way of its own."""
    begin, end = mesh.place[routes.links[:, 0]], mesh.place[routes.links[:, 1]]
    if not mesh.wrap:
        return end - begin
    size, taken, found = (mesh.columns, mesh.rows), Counter(), []
    for (a, b), first, last in zip(routes.links.tolist(), begin, end, strict=True):
        fitting = [step for step in mesh.steps.tolist() if np.array_equal((first + step) % size, last)]
        inside = sorted(fitting, key=lambda step: not all(0 <= x < most for x, most in zip(first + step, size, strict=True)))
        found.append(inside[taken[a, b] % len(inside)])
        taken[a, b] += 1
    return np.array(found).reshape(-1, 2)


def _note(routes: Routes, mesh: Mesh) -> str:
    """Which link is the busiest."""
    if not len(routes.load) or not routes.load.any():
        return "no packet leaves its node"
    busiest = int(routes.load.argmax())
    begin, end = (f"({mesh.place[node][0]}, {mesh.place[node][1]})" for node in routes.links[busiest])
    reached = mesh.place[routes.links[:, 0]] + _ways(routes, mesh)
    around = "; arrows that lead out go around the edges" if np.any(reached != mesh.place[routes.links[:, 1]]) else ""
    return f"the busiest, from {begin} to {end}: {routes.load[busiest]:.3g} packets per step; all together: {routes.hops:.3g}{around}"
