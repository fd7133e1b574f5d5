"""Raster of spikes: populations in bands, their rates below."""

from typing import TYPE_CHECKING, NamedTuple

import brainunit as u
import numpy as np

from neuro4d import analysis
from neuro4d.plot import _canvas
from neuro4d.recorders import SpikeTable, stamps
from neuro4d.results import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Above this many spikes single points merge into a solid block; a histogram then shows their density.
_POINTS = 200_000


class Band(NamedTuple):
    """One population's place in a raster."""

    table: SpikeTable
    floor: float
    height: float
    hue: str


def raster(run: Run, *pops: str, ax: "Axes | None" = None) -> "Axes":
    """Spikes over time, one band per population, the first at the bottom, with the population rates in a strip below.

    Up to 200,000 spikes are drawn one by one; more become a two-dimensional histogram, so that dense activity stays legible
    and the file small.

    **Arguments:**

    - `run`: a run that recorded spikes.
    - `pops`: names of populations; all of them if none is named.
    - `ax`: draw the raster into these axes, without the strip of rates.

    **Returns:** the axes of the raster; `ax.figure.savefig("raster.png")` writes the picture.

    **Raises:** `ImportError` without matplotlib, `KeyError` for an unknown population, `ValueError` if no spikes were recorded.
    """
    names = _canvas.choose(run, pops)
    tables = [run.spikes(name) for name in names]
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        if ax is not None:
            draw_bands(ax, place(tables, _canvas.hues(names)), run.dt_ms)
            _label_time(ax, tables[0])
            return ax
        height = min(14.0, 3.2 + 0.4 * len(names))
        figure, (top, strip) = plt.subplots(
            2, 1, figsize=(8, height), sharex=True, layout="constrained", gridspec_kw={"height_ratios": [height - 1.2, 1], "hspace": 0.04}
        )
        bands = place(tables, _canvas.hues(names))
        draw_bands(top, bands, run.dt_ms)
        top.tick_params(axis="x", length=0, labelbottom=False)
        _draw_strip(strip, bands, run)
        _label_time(strip, tables[0])
        figure.align_ylabels([top, strip])
    return top


def place(tables: list[SpikeTable], colours: list[str]) -> list[Band]:
    """Bands from the bottom up, as high as their populations are large, but never too low for a label."""
    total = max(1, sum(table.n for table in tables))
    base = min(0.05, 0.6 / len(tables))
    heights = [base + (1 - base * len(tables)) * table.n / total for table in tables]
    floors = np.concatenate([[0.0], np.cumsum(heights)])
    return [Band(table, float(floor), height, hue) for table, floor, height, hue in zip(tables, floors[:-1], heights, colours, strict=True)]


def draw_bands(ax: "Axes", bands: list[Band], dt_ms: float, rates: bool = True) -> None:
    """Spikes, separating lines, names on the left, rates on the right."""
    first = bands[0].table
    scale, _ = _scale(first)
    begin, end = first.start_step * dt_ms / scale, (first.start_step + first.n_steps) * dt_ms / scale
    top = bands[-1].floor + bands[-1].height
    ax.set_xlim(begin, end if end > begin else begin + 1)
    ax.set_ylim(0, top)
    spikes = sum(len(band.table) for band in bands)
    dense = spikes > _POINTS
    extent = ax.get_window_extent()
    # Dots that ink about a seventh of the page: few spikes stay visible, many do not merge.
    area = float(np.clip(0.14 * extent.width * extent.height * (72 / ax.figure.dpi) ** 2 / max(1, spikes), 0.6, 5.0))
    for band in bands:
        if dense:
            _density(ax, band, begin, end)
        else:
            _points(ax, band, scale, top, area)
        if band.floor > 0:
            ax.axhline(band.floor, color=_canvas.HAIR, lw=0.6, zorder=0)
        if rates:
            middle = band.floor + band.height / 2
            hz = float(analysis.rate(band.table).to_decimal(u.Hz))
            ax.annotate(
                _canvas.rate_text(hz) if hz == hz else "",
                (1, middle),
                xycoords=("axes fraction", "data"),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                color=band.hue,
                annotation_clip=False,
            )
    ax.set_yticks([band.floor + band.height / 2 for band in bands], [_name(band) for band in bands])
    for label, band in zip(ax.get_yticklabels(), bands, strict=True):
        label.set_color(band.hue)
    ax.tick_params(axis="y", length=0)
    _canvas.despine(ax, "left", "right", "top")


def _points(ax: "Axes", band: Band, scale: float, top: float, area: float) -> None:
    table = band.table
    inches = ax.get_window_extent().height / ax.figure.dpi
    # Room per neuron in points: few neurons get upright ticks, many get dots.
    room = 72 * inches * band.height / top / max(1, table.n)
    x = stamps(table.step, table.dt_ms) / scale
    y = band.floor + band.height * (table.id + 0.5) / max(1, table.n)
    if room > 2.5:
        half = 0.38 * band.height / table.n
        ax.vlines(x, y - half, y + half, color=band.hue, lw=0.9, rasterized=True)
    else:
        ax.scatter(x, y, s=area, c=band.hue, marker="o", linewidths=0, rasterized=True)


def _density(ax: "Axes", band: Band, begin: float, end: float) -> None:
    table = band.table
    columns, rows = min(900, table.n_steps), int(np.clip(table.n, 1, max(8, round(420 * band.height))))
    column = (table.step - table.start_step) * columns // table.n_steps
    counts = np.bincount((table.id.astype(np.int64) * rows // table.n) * columns + column, minlength=rows * columns).reshape(rows, columns)
    ceiling = np.percentile(counts[counts > 0], 99) if len(table) else 1
    ax.imshow(
        counts,
        cmap=_canvas.shades(band.hue),
        vmin=0,
        vmax=max(1, ceiling),
        extent=(begin, end, band.floor, band.floor + band.height),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        rasterized=True,
    )


def _draw_strip(ax: "Axes", bands: list[Band], run: Run) -> None:
    first = bands[0].table
    width = _canvas.bin_width([band.table for band in bands])
    scale, _ = _scale(first)
    courses = [analysis.rate_over_time(band.table, width * u.ms) for band in bands]
    x = courses[0][0].to_decimal(u.ms) / scale
    hz = np.stack([course[1].to_decimal(u.Hz) for course in courses])
    if len(bands) > len(_canvas.PALETTE):
        # More lines than colours cannot be told apart: one line for all neurons together.
        sizes = np.array([band.table.n for band in bands])
        ax.plot(x, sizes @ hz / sizes.sum(), color=_canvas.INK, lw=1.0)
        _canvas.note(ax, f"rate over all neurons, bins of {width:g} ms")
    else:
        for row, band in zip(hz, bands, strict=True):
            ax.plot(x, row, color=band.hue, lw=1.0 if len(bands) < 5 else 0.8, alpha=0.9)
        _canvas.note(ax, f"rates in bins of {width:g} ms")
    ax.set_ylim(bottom=0)
    ax.locator_params(axis="y", nbins=3)
    ax.set_ylabel("rate (Hz)")


def _label_time(ax: "Axes", table: SpikeTable) -> None:
    ax.set_xlabel(f"time ({_scale(table)[1]})")


def _scale(table: SpikeTable) -> tuple[float, str]:
    return _canvas.time_scale(table.start_step * table.dt_ms, (table.start_step + table.n_steps) * table.dt_ms)


def _name(band: Band) -> str:
    return f"{band.table.population} "
