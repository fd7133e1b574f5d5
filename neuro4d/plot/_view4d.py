"""Activity on the lattice: maps over x and y, side by side over w and z."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import brainunit as u
import numpy as np

from neuro4d._base import check_count, lookup
from neuro4d.plot import _canvas
from neuro4d.results import Run

if TYPE_CHECKING:
    pass

# Panels along w, and along z in a grid; longer axes are cut into slabs of equal thickness, so that no neuron is left out.
_SLICES = 10
_ROWS = 6


def view4d(
    run: Run, *pops: str, values: Any = None, label: str | None = None, grid: bool = False, slices: int = _SLICES, rows: int = _ROWS
) -> "np.ndarray":
    """Small maps of activity over x and y, one per slice of w, with one colour bar for all.

    Each pixel is a lattice site and shows the mean over the neurons there; sites without a neuron stay grey. By default a
    slice is averaged over z; `grid` spreads z over the rows. Axes longer than the number of panels are cut into slabs.
    Lattices of two or three axes give one panel or one row.

    **Arguments:**

    - `run`: a run whose model has a lattice.
    - `pops`: names of populations; all that have coordinates if none is named.
    - `values`: what to show instead of the mean rate: one number per neuron, in the order of the populations, shape `(n,)`, bare
        or with a unit.
    - `label`: the colour bar's label.
    - `grid`: rows over z instead of an average.
    - `slices`, `rows`: at most this many panels along w and along z.

    **Returns:** the axes of the panels, an array of shape `(rows, columns)`.

    **Raises:** `ImportError` without matplotlib; `ValueError` for a model without a lattice, a population without coordinates, values of
    another length, more than four axes.
    """
    names, sites, shape = placed(run, pops)
    if not (1 <= len(shape) <= 4):
        raise ValueError(
            f"a view of the lattice has one to four axes; this lattice has {len(shape)}: {tuple(shape)}. `n4.plot.explore4d(run)` shows any number."
        )
    numbers, label = _numbers(run, names, len(sites), values, label)
    sites, full, walk = _four_axes(sites, shape)
    z_edges = _edges(full[2], rows if grid else 1)
    w_edges = _edges(full[3], slices)
    maps = _maps(sites, numbers, full, z_edges, w_edges)
    over = [f"{walk} = {_slab(w_edges, index)}" if walk else "" for index in range(len(w_edges) - 1)]
    down = [f"z = {_slab(z_edges, index)}" if len(z_edges) > 2 else "" for index in range(len(z_edges) - 1)]
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        title = ", ".join(names) + (f", averaged over z = {_slab(z_edges, 0)}" if full[2] > 1 and len(z_edges) == 2 else "")
        return _draw(plt, maps, over, down, title, label)


def placed(run: Run, pops: Sequence[str]) -> tuple[list[str], np.ndarray, tuple[int, ...]]:
    """Names of populations, the lattice coordinates of their neurons, shape `(n, axes)`, and the lattice's shape."""
    shape = run.model.lattice_shape
    if shape is None:
        raise ValueError(
            "the model has no lattice to draw: place populations on one, for example "
            '`n4.Population("v1", lattice["V1"].sample(density=0.1), ...)`.'
        )
    names = list(pops)
    for name in names:
        lookup(run.model.populations, name, "population")
        if run.model.coordinates(name) is None:
            raise ValueError(f"population '{name}' has no coordinates; with coordinates: {', '.join(_with_place(run)) or 'none'}.")
    names = names or _with_place(run)
    if not names:
        raise ValueError("no population of this model has coordinates.")
    return names, np.concatenate([np.asarray(run.model.coordinates(name)) for name in names]), tuple(int(extent) for extent in shape)


def _four_axes(sites: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, tuple[int, ...], str]:
    """Coordinates and shape with the four axes x, y, z, w, and the axis to walk along from panel to panel.

    A lattice without w is walked along z: its z takes the place of w, and nothing is left to average.
    """
    walk = {4: "w", 3: "z"}.get(len(shape), "")
    columns = {1: (0, None, None, None), 2: (0, 1, None, None), 3: (0, 1, None, 2), 4: (0, 1, 2, 3)}[len(shape)]
    zero = np.zeros(len(sites), np.int64)
    return (
        np.column_stack([zero if axis is None else sites[:, axis] for axis in columns]),
        tuple(1 if axis is None else shape[axis] for axis in columns),
        walk,
    )


def _with_place(run: Run) -> list[str]:
    return [name for name in run.populations if run.model.coordinates(name) is not None]


def _numbers(run: Run, names: list[str], n: int, values: Any, label: str | None) -> tuple[np.ndarray, str]:
    if values is None:
        return np.concatenate([run.rates(name).to_decimal(u.Hz) for name in names]), label or "mean rate (Hz)"
    unit = ""
    if isinstance(values, u.Quantity):
        unit = f" ({values.unit})"
        values = values.mantissa
    numbers = np.asarray(values, float)
    if numbers.shape != (n,):
        raise ValueError(f"view4d(values) takes one number per neuron of {', '.join(names)}, shape ({n},); got shape {numbers.shape}.")
    return numbers, f"{label or 'value'}{unit}"


def _edges(extent: int, most: int) -> np.ndarray:
    """Bounds of at most `most` slabs that cover an axis."""
    panels = min(extent, check_count(most, "panels"))
    return np.arange(panels + 1) * extent // panels


def _slab(edges: np.ndarray, index: int) -> str:
    first, last = edges[index], edges[index + 1] - 1
    return f"{first}" if first == last else f"{first}–{last}"


def _maps(sites: np.ndarray, numbers: np.ndarray, shape: tuple[int, ...], z_edges: np.ndarray, w_edges: np.ndarray) -> np.ndarray:
    """Mean per site, shape `(z slabs, w slabs, y, x)`, `nan` where no neuron sits."""
    known = ~np.isnan(numbers)
    x, y, z, w = sites[known].astype(np.int64).T
    row = np.searchsorted(z_edges, z, side="right") - 1
    column = np.searchsorted(w_edges, w, side="right") - 1
    out = (len(z_edges) - 1, len(w_edges) - 1, shape[1], shape[0])
    place = np.ravel_multi_index((row, column, y, x), out)
    size = int(np.prod(out))
    count = np.bincount(place, minlength=size)
    total = np.bincount(place, numbers[known], size)
    return np.divide(total, count, out=np.full(size, np.nan), where=count > 0).reshape(out)


def _draw(plt: Any, maps: np.ndarray, over: list[str], down: list[str], title: str, label: str) -> "np.ndarray":
    fold = len(down) == 1 and len(over) > 5
    columns = -(-len(over) // 2) if fold else len(over)
    rows = -(-len(over) // columns) if fold else len(down)
    ny, nx = maps.shape[2:]
    side = min(1.7, 9.0 / columns)
    tall = side * float(np.clip(ny / nx, 0.25, 2.0))
    single = columns == rows == 1
    size = (5.2, 4.2) if single else (columns * side + 1.5, rows * (tall + (0.28 if fold or rows == 1 else 0.08)) + 0.5)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, sharex=True, sharey=True, layout="compressed")
    scale = _scale(maps)
    image = None
    for index, ax in enumerate(axes.flat):
        row, column = (0, index) if fold else divmod(index, columns)
        if column >= len(over):
            ax.set_axis_off()
            continue
        image = ax.imshow(maps[row, column], origin="lower", interpolation="nearest", **scale)
        ax.set_facecolor("#e4e4e4")
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.tick_params(length=0, labelsize=7)
        ax.set_xticks([0, nx - 1] if nx > 1 else [0])
        ax.set_yticks([0, ny - 1] if ny > 1 else [0])
        if fold or row == 0:
            ax.set_title(over[column], fontsize=8.5, pad=3)
        # One labelled corner says where the axes begin and end; on every panel the numbers would run into each other.
        corner = index == columns * (rows - 1)
        ax.tick_params(labelbottom=corner, labelleft=corner)
        if column == len(over) - 1 and down[row] and not fold:
            ax.annotate(
                down[row],
                (1, 0.5),
                xycoords="axes fraction",
                xytext=(5, 0),
                textcoords="offset points",
                rotation=270,
                va="center",
                fontsize=8.5,
            )
    axes[-1, 0].set_xlabel("x", labelpad=-4)
    axes[-1, 0].set_ylabel("y", labelpad=-4)
    figure.suptitle(title, fontsize=10, x=0.02, ha="left")
    above = np.nanmax(maps, initial=-np.inf) > scale["vmax"]
    figure.colorbar(image, ax=axes, label=label, shrink=0.9, aspect=24, pad=0.02, extend="max" if above else "neither").outline.set_visible(
        False
    )
    return axes


def _scale(maps: np.ndarray) -> dict[str, Any]:
    """One colour scale for all panels: from zero where nothing is negative, and not stretched by single sites."""
    known = maps[np.isfinite(maps)]
    low = float(known.min()) if known.size else 0.0
    high = float(np.percentile(known, 99.5)) if known.size else 1.0
    low = min(low, 0.0) if low >= 0 else low
    return {"cmap": "viridis", "vmin": low, "vmax": high if high > low else low + 1.0}
