"""A chip from above: what each core, or each chip of a board, has to do."""

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from neuro4d._base import did_you_mean
from neuro4d.hardware import Chip, Interval, Mesh, Placement, Temperatures, mesh_of, meter, temperature
from neuro4d.plot import _canvas

EMPTY = "#f4f4f4"
UNUSED = "#e4e4e4"
SMALLEST = (1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 1.0, 1e3, 1e6, 1e9)
LETTERS = ("f", "p", "n", "µ", "m", "", "k", "M", "G")
SQUARE = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
TILES = 3000
"""Tiles up to which lines between them are drawn; more would cover the colours."""


class Quantity(NamedTuple):
    """What a colour can stand for: its name, its unit, how cores of one chip go together where a chip is drawn as a whole, and its values."""

    title: str
    unit: str
    together: Any
    of: Callable[[Placement], Interval]


class Cells(NamedTuple):
    """Polygons `(k, corners, 2)`, in units of a link, and the place of every core among them, `(cores,)`."""

    corners: Float[np.ndarray, "k corners 2"]
    of_core: Int[np.ndarray, " cores"]


class Shown(NamedTuple):
    """What is drawn: polygons, a value for each, not a number where there is none, the ends of the scale, and what is written beside it."""

    corners: Float[np.ndarray, "k corners 2"]
    value: Float[np.ndarray, " k"]
    low: float
    high: float
    palette: str
    label: str
    note: str


def chip_map(placement: Placement, what: str | Temperatures = "load", ax: Any = None) -> Any:
    """A placed network from above: the colour of a core is what it has to do.

    On square meshes each tile shows its cores, and chips lie side by side with a dark line between them. On hexagonal meshes, such as SpiNNaker's, a hexagon
    is a chip. Cores that hold no neurons are grey; a core that holds some and does nothing has the palest colour of the scale.

    **Arguments:**

    - `placement`: of `n4.hardware.partition` or `place`.
    - `what`: `load`: time that a core works in a step, with which the busiest one makes all others wait; `events`: synaptic events of a step; `energy`: what events,
      neurons, spikes and messages of a core take in a step, without links and static power; `messages` that leave a core or arrive at it in a step; `neurons`. A
      hexagon shows its busiest core for `load`, and sums of its cores otherwise. `temperature`: of every tile of the chips in use, or the hottest of each hexagon, by
      `n4.hardware.temperature`, or what that gave for a package of yours.
    - `ax`: matplotlib axes to draw into, or new ones.

    **Returns:** the axes.

    **Raises:** `ValueError` for an unknown `what`; `ImportError` without matplotlib.

    !!! Example

        >>> work = n4.hardware.layered(["E"], [4000], np.arange(4000), np.arange(4000)[::-1], np.full(4000, 0.01), dt=1*u.ms, steps=100)
        >>> placement = n4.hardware.partition(work, n4.hardware.target("loihi1"))
        >>> ax = n4.plot.chip_map(placement, "neurons")
        >>> ax.child_axes[0].get_ylabel()
        'neurons'
    """
    known = (*QUANTITIES, "temperature")
    if not isinstance(what, Temperatures) and what not in known:
        raise ValueError(f"chip_map: no quantity {what!r}.{did_you_mean(str(what), known)} Known are {', '.join(known)}.")
    mesh, node = mesh_of(placement)
    name = what if isinstance(what, str) else "temperature"
    if name == "temperature":
        shown = _temperatures(placement, mesh, node, temperature(placement) if isinstance(what, str) else what)
    else:
        shown = _quantity(placement, mesh, node, QUANTITIES[name])
    used, there = np.isfinite(shown.value), np.ones(len(shown.value), bool)
    if mesh.kind == "hexagonal":
        there[list(mesh.absent)] = False
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        ax = axes_for(shown.corners[there], ax)
        paint = plt.matplotlib.collections.PolyCollection
        ax.add_collection(paint(shown.corners[~used & there], facecolor=EMPTY, edgecolor=UNUSED, linewidth=0.3))
        drawn = paint(shown.corners[used], array=shown.value[used], cmap=colours(shown.palette), edgecolor="face", linewidth=0.2)
        drawn.set_clim(shown.low, shown.high)
        ax.add_collection(drawn)
        if mesh.kind == "square":
            tile_lines(ax, mesh, placement.chip)
            borders(ax, mesh, placement.chip)
        bar(ax, drawn, shown.label)
        ax.set_title(_title(placement, name), loc="left")
        small(ax, shown.note)
    return ax


def _title(placement: Placement, what: str) -> str:
    many = lambda n, name: f"{n:,} {name}{'s' if n > 1 else ''}"  # noqa: E731
    cores = "" if what == "temperature" else f"{many(placement.n_cores, 'core')} on "
    return f"{placement.target.title}: {what} of {cores}{many(placement.n_chips, 'chip')}"


def _quantity(placement: Placement, mesh: Mesh, node: Int[np.ndarray, " cores"], quantity: Quantity) -> Shown:
    """What cores do, on a scale that begins with nothing."""
    found = quantity.of(placement)
    cells = _squares(placement, mesh) if mesh.kind == "square" else Cells(hexagons(mesh), node)
    values = _together(np.asarray(found.value, float), cells, quantity.together)
    size, unit = prefixed(values, quantity.unit)
    label = f"{quantity.title} ({unit})" if unit else quantity.title
    free = bool(np.isnan(values).any())
    return Shown(cells.corners, values / size, 0.0, float(np.nanmax(values)) / size or 1.0, "YlGnBu", label, _note(found, free))


def _note(found: Interval, free: bool) -> str:
    """What the colours do not say: which cores are free, and how far off all colours may be together, from the largest of them."""
    low, value, high = (float(np.max(getattr(found, end), initial=0)) for end in ("low", "value", "high"))
    said = ["grey: without neurons"] if free else []
    if low < value or value < high:
        said.append(f"the largest lies between {low / value:.2g} and {high / value:.2g} times its colour")
    return "; ".join(said)


def _temperatures(placement: Placement, mesh: Mesh, node: Int[np.ndarray, " cores"], found: Temperatures) -> Shown:
    """How hot tiles are, or the hottest tile of each hexagon, from the coolest on."""
    if mesh.kind == "hexagonal":
        corners, value = hexagons(mesh), np.full(mesh.n, np.nan)
        node_of = dict(zip(placement.tile[:, 0].tolist(), node.tolist(), strict=True))
        value[[node_of[chip] for chip in found.chip.tolist()]] = found.tile.max(axis=(1, 2))
    else:
        corners, value = centres(mesh)[:, None] + SQUARE / 2, np.full((mesh.rows, mesh.columns), np.nan)
        across, columns, rows = mesh.columns // placement.chip.columns, placement.chip.columns, placement.chip.rows
        for chip, tile in zip(found.chip.tolist(), found.tile, strict=True):
            down, right = divmod(chip, across)
            value[down * rows : (down + 1) * rows, right * columns : (right + 1) * columns] = tile
        value = value.ravel()
    celsius = value - 273.15
    low, high = float(np.nanmin(celsius)), float(np.nanmax(celsius))
    note = f"air: {found.ambient - 273.15:.4g} °C; hottest: {high:.4g} °C; heat: {found.heat.sum():.3g} W"
    return Shown(corners, celsius, low, max(high, low + 1e-3), "YlOrRd", "temperature (°C)", note)


def _counted(placement: Placement) -> tuple[Any, Any]:
    """The meter of a placement, and what it counts in a step."""
    counted = meter(placement)
    return counted, counted.loads(np.asarray(placement.workload.spikes, float))


def _load(placement: Placement) -> Interval:
    counted, loads = _counted(placement)
    return sum(counted.busy(loads).values(), Interval(0.0))


def _energy(placement: Placement) -> Interval:
    counted, loads = _counted(placement)
    return sum(counted.paid(loads).values(), Interval(0.0))


def _messages(placement: Placement) -> Interval:
    _, loads = _counted(placement)
    return Interval(loads.messages + loads.arrivals)


def _neurons(placement: Placement) -> Interval:
    return Interval(np.bincount(placement.core, minlength=placement.n_cores).astype(float))


QUANTITIES = MappingProxyType(
    {
        "load": Quantity("working time per step", "s", np.maximum, _load),
        "events": Quantity("synaptic events per step", "", np.add, lambda placement: Interval(_counted(placement)[1].events)),
        "energy": Quantity("energy of events per step", "J", np.add, _energy),
        "messages": Quantity("messages per step", "", np.add, _messages),
        "neurons": Quantity("neurons", "", np.add, _neurons),
    }
)


def _together(value: Float[np.ndarray, " cores"], cells: Cells, together: Any) -> Float[np.ndarray, " k"]:
    """Values of cells; not a number for those that hold no core."""
    found = np.full(len(cells.corners), np.nan)
    found[cells.of_core] = 0
    together.at(found, cells.of_core, value)
    return found


def _squares(placement: Placement, mesh: Mesh) -> Cells:
    """Cores in their tiles, as nearly square as their number allows, row by row from below; chips as `mesh_of` lays them out."""
    chip = placement.chip
    across, down = mesh.columns // chip.columns, mesh.rows // chip.rows
    side = math.ceil(math.sqrt(chip.per_tile))
    high = -(-chip.per_tile // side)
    tile, inside = np.divmod(np.arange(chip.cores), chip.per_tile)
    x = tile % chip.columns + (inside % side) / side
    y = tile // chip.columns + (inside // side) / high
    one = np.stack([x, y], axis=1)[:, None] + (SQUARE + 1) / 2 / (side, high) - 0.5
    number = np.arange(across * down)
    shift = np.stack([number % across * chip.columns, number // across * chip.rows], axis=1)
    return Cells((shift[:, None, None] + one).reshape(-1, 4, 2), placement.site)


def hexagons(mesh: Mesh) -> Float[np.ndarray, "n 6 2"]:
    """A hexagon around every node."""
    angle = np.pi / 6 + np.pi / 3 * np.arange(6)
    return centres(mesh)[:, None] + np.stack([np.cos(angle), np.sin(angle)], axis=1) / math.sqrt(3) * 0.96


def centres(mesh: Mesh) -> Float[np.ndarray, "n 2"]:
    """Where nodes lie in the picture."""
    return placed(mesh, mesh.place.astype(float))


def placed(mesh: Mesh, at: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, "k 2"]:
    """Columns and rows in the picture: those of a hexagonal mesh so that all six neighbours are as far."""
    x, y = at.T
    return np.stack([x - y / 2, y * math.sqrt(3) / 2] if mesh.kind == "hexagonal" else [x, y], axis=1)


def outline(mesh: Mesh) -> Float[np.ndarray, "k corners 2"]:
    """What the nodes that are there take up."""
    there = np.setdiff1d(np.arange(mesh.n), mesh.absent)
    return (hexagons(mesh) if mesh.kind == "hexagonal" else centres(mesh)[:, None] + SQUARE / 2)[there]


def tile_lines(ax: Any, mesh: Mesh, chip: Chip) -> None:
    """Hairlines between tiles of several cores."""
    if mesh.n <= TILES and chip.per_tile > 1:
        ax.vlines(np.arange(1, mesh.columns) - 0.5, -0.5, mesh.rows - 0.5, color="white", linewidth=1.2)
        ax.hlines(np.arange(1, mesh.rows) - 0.5, -0.5, mesh.columns - 0.5, color="white", linewidth=1.2)


def borders(ax: Any, mesh: Mesh, chip: Chip) -> None:
    """Dark lines around chips."""
    ax.vlines(np.arange(0, mesh.columns + 1, chip.columns) - 0.5, -0.5, mesh.rows - 0.5, color=_canvas.INK, linewidth=1.6, clip_on=False)
    ax.hlines(np.arange(0, mesh.rows + 1, chip.rows) - 0.5, -0.5, mesh.columns - 0.5, color=_canvas.INK, linewidth=1.6, clip_on=False)


def axes_for(corners: Float[np.ndarray, "*k 2"], ax: Any) -> Any:
    """Axes without a frame, with the limits of what is drawn, and as large as its shape asks for if they are new."""
    flat = corners.reshape(-1, 2)
    low, high = flat.min(axis=0), flat.max(axis=0)
    if ax is None:
        _, ax = _canvas.pyplot().subplots(figsize=paper(corners), layout="constrained")
    ax.set_aspect("equal")
    ax.set_xlim(low[0] - 0.02, high[0] + 0.02)
    ax.set_ylim(low[1] - 0.02, high[1] + 0.02)
    ax.set_axis_off()
    return ax


def paper(corners: Float[np.ndarray, "*k 2"]) -> tuple[float, float]:
    """Inches for a picture of these polygons, its title and its scale: a link is never more than 1.6."""
    wide, tall = np.ptp(corners.reshape(-1, 2), axis=0)
    inch = min(5.6 / wide, 5.6 / tall, 1.6)
    return max(inch * wide + 1.2, 6.2), max(inch * tall, 2.2) + 0.7


def colours(palette: str = "YlGnBu") -> Any:
    """From pale to dark."""
    plt = _canvas.pyplot()
    return plt.matplotlib.colors.ListedColormap(plt.get_cmap(palette)(np.linspace(0.06, 1, 256)))


def bar(ax: Any, drawn: Any, label: str) -> None:
    """The scale of the colours, at the right and as high as the picture."""
    scale = ax.figure.colorbar(drawn, cax=ax.inset_axes([1.02, 0, 0.025, 1]))
    scale.set_label(label)
    scale.outline.set_visible(False)


def small(ax: Any, text: str, below: float = 4) -> None:
    """Small print, `below` points under the left end of the picture, with room made for it."""
    ax.annotate(
        text, (0, 0), xycoords="axes fraction", xytext=(0, -below), textcoords="offset points", va="top", fontsize=7.5, color=_canvas.FAINT
    )


def prefixed(values: Float[np.ndarray, "*k"], unit: str) -> tuple[float, str]:
    """A divisor and a unit with which the largest value has one to three digits before the point; numbers without a unit stay as they are."""
    most = float(np.nanmax(values, initial=0.0))
    if not unit or most <= 0:
        return 1.0, unit
    at = max(int(np.searchsorted(SMALLEST, most, side="right")) - 1, 0)
    return SMALLEST[at], LETTERS[at] + unit
