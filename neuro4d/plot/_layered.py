"""Raster of a layered cortical circuit: layers from the surface down, excitatory and inhibitory in two colours."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import brainunit as u
import numpy as np

from neuro4d import analysis
from neuro4d.plot import _canvas
from neuro4d.plot._raster import Band, draw_bands
from neuro4d.results import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# Below this share of neurons a population's CV is drawn pale.
_FEW = 0.1


def layered(run: Run, layers: Mapping[str, tuple[str, ...]] | None = None) -> "Axes":
    """Raster of a cortical column with the mean rates and the irregularity of its populations at the side.

    **Arguments:**

    - `run`: a run that recorded spikes.
    - `layers`: from the surface down, the populations of each layer, excitatory first:
        `{"L2/3": ("L23E", "L23I"), "L4": ("L4E", "L4I")}`. If left out, it is read from names that end in `E` or `I`.

    **Returns:** the axes of the raster.

    **Raises:** `ValueError` if the layers cannot be read from the names, a population is listed twice or a layer has more than two
    populations; `KeyError` for an unknown one.
    """
    stack = _from_names(run.populations) if layers is None else {name: tuple(pops) for name, pops in layers.items()}
    # Drawn from the bottom up: the deepest layer first, and inhibitory below excitatory.
    rows = [
        (layer, pop, hue)
        for layer, pops in reversed(stack.items())
        for pop, hue in reversed(list(zip(pops, (_canvas.EXCITATORY, _canvas.INHIBITORY), strict=False)))
    ]
    _check(stack, [pop for _, pop, _ in rows])
    bands = _place(run, rows)
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        figure, (ax, rate, cv) = plt.subplots(
            1, 3, figsize=(9, 1.6 + 0.42 * len(rows)), sharey=True, layout="constrained", gridspec_kw={"width_ratios": [6, 1.1, 1.1]}
        )
        draw_bands(ax, bands, run.dt_ms, rates=False)
        _layer_names(ax, stack, bands, rows)
        _, unit = _canvas.time_scale(0, bands[0].table.n_steps * run.dt_ms)
        ax.set_xlabel(f"time ({unit})")
        _bars(rate, bands, [float(run.rate(pop).to_decimal(u.Hz)) for _, pop, _ in rows], "mean rate (Hz)")
        _irregularity(cv, bands)
        figure.get_layout_engine().set(wspace=0.03)
    return ax


def _from_names(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    stack: dict[str, list[str]] = {}
    for name in names:
        if len(name) < 2 or name[-1] not in "EI":
            raise ValueError(
                f"layers can only be read from names that end in E or I; got '{name}'. List them from the surface down: "
                '`layers={"L2/3": ("exc", "inh")}`.'
            )
        stack.setdefault(name[:-1].rstrip("_- "), []).append(name)
    return {layer: tuple(sorted(pops, key=lambda pop: pop[-1])) for layer, pops in stack.items()}


def _check(stack: Mapping[str, tuple[str, ...]], pops: list[str]) -> None:
    crowded = [layer for layer, members in stack.items() if not (1 <= len(members) <= 2)]
    if crowded or len(set(pops)) != len(pops) or not pops:
        raise ValueError(
            "layers takes one or two populations per layer, excitatory first, each listed once, for example "
            f'`layers={{"L2/3": ("L23E", "L23I")}}`; got {dict(stack)}.'
        )


def _place(run: Run, rows: list[tuple[str, str, str]]) -> list[Band]:
    tables = [run.spikes(pop) for _, pop, _ in rows]
    total = max(1, sum(table.n for table in tables))
    bands, floor = [], 0.0
    for row, (table, (layer, _, hue)) in enumerate(zip(tables, rows, strict=True)):
        if row and rows[row - 1][0] != layer:
            floor += 0.015
        height = max(table.n / total, 0.05)
        bands.append(Band(table, floor, height, hue))
        floor += height
    return bands


def _layer_names(ax: "Axes", stack: Mapping[str, tuple[str, ...]], bands: list[Band], rows: list[tuple[str, str, str]]) -> None:
    longest = max(len(pop) for _, pop, _ in rows)
    for layer in stack:
        mine = [band for band, row in zip(bands, rows, strict=True) if row[0] == layer]
        middle = (mine[0].floor + mine[-1].floor + mine[-1].height) / 2
        if layer not in stack[layer]:
            ax.annotate(
                layer, (0, middle), xycoords=("axes fraction", "data"), xytext=(-18 - 5.5 * longest, 0), textcoords="offset points",
                ha="right", va="center", fontsize=11, annotation_clip=False,
            )  # fmt: skip


def _irregularity(ax: "Axes", bands: list[Band]) -> None:
    """CV of the populations; pale where so few neurons fired often enough that they do not stand for the others."""
    known = [analysis.irregularity(band.table).cv for band in bands]
    pale = [np.isfinite(cv).sum() < _FEW * len(cv) for cv in known]
    _bars(ax, bands, [analysis.cv(band.table) for band in bands], "CV of ISI", pale)
    ax.set_xlim(0, max(1.5, ax.get_xlim()[1]))
    ax.axvline(1, color=_canvas.FAINT, lw=0.7, ls=(0, (3, 3)), zorder=0)
    if any(pale):
        ax.set_xlabel("CV of ISI\n ")  # an empty line below the label is the room of the note
        _canvas.note(ax, f"pale: from under {100 * _FEW:.0f} % of neurons", below=33)


def _bars(ax: "Axes", bands: list[Band], values: list[float], label: str, pale: list[bool] | None = None) -> None:
    pale = pale or [False] * len(bands)
    middles = [band.floor + band.height / 2 for band in bands]
    known = np.nan_to_num(np.array(values))
    bars = ax.barh(middles, known, height=[0.7 * min(band.height, 0.12) for band in bands], color=[band.hue for band in bands], lw=0)
    # Room for the numbers, which stand in a column of their own at the right.
    ax.set_xlim(0, max(float(known.max()) * 1.5, 1e-3))
    for bar, middle, value, band, few in zip(bars, middles, values, bands, pale, strict=True):
        bar.set_alpha(0.35 if few else 0.85)
        ax.annotate(
            f"{value:.2f}" if value == value else "-", (1, middle), xycoords=("axes fraction", "data"), ha="right", va="center",
            fontsize=7.5, color=band.hue,
        )  # fmt: skip
    ax.set_xlabel(label)
    ax.locator_params(axis="x", nbins=3)
    ax.tick_params(axis="y", length=0, labelleft=False)
    _canvas.despine(ax, "left")
