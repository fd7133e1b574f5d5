"""Rates of populations over time, and their spread over neurons."""

from typing import TYPE_CHECKING, Any

import brainunit as u
import numpy as np

from neuro4d import analysis
from neuro4d.plot import _canvas
from neuro4d.results import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rates(run: Run, *pops: str, bin: Any = None) -> "np.ndarray":
    """For each population its rate over time (left) and the distribution of its neurons' mean rates (right).

    **Arguments:**

    - `run`: a run that recorded spikes.
    - `pops`: names of populations; all of them if none is named.
    - `bin`: width of the bins in time, a whole number of steps; chosen from the length of the run if left out.

    **Returns:** the axes, an array of shape `(populations, 2)`.

    **Raises:** `ImportError` without matplotlib, `KeyError` for an unknown population, `ValueError` if no spikes were recorded.
    """
    names = _canvas.choose(run, pops)
    tables = [run.spikes(name) for name in names]
    width = _canvas.bin_width(tables) * u.ms if bin is None else bin
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        figure, axes = plt.subplots(
            len(names),
            2,
            figsize=(8, max(2.2, 0.6 + 1.05 * len(names))),
            sharex="col",
            squeeze=False,
            layout="constrained",
            gridspec_kw={"width_ratios": [3, 1]},
        )
        # The first population at the bottom, as in the raster.
        for row, table, name, hue in zip(axes[::-1], tables, names, _canvas.hues(names), strict=True):
            _course(row[0], table, width, hue)
            _spread(row[1], table, hue)
            row[0].set_title(name, loc="left", color=hue, pad=3)
        last = tables[0]
        _, unit = _canvas.time_scale(last.start_step * run.dt_ms, (last.start_step + last.n_steps) * run.dt_ms)
        axes[-1, 0].set_xlabel(f"time ({unit})")
        axes[-1, 1].set_xlabel("rate of a neuron (Hz)")
        figure.supylabel("population rate (Hz)", fontsize=9)
        _canvas.note(axes[-1, 0], f"rates in bins of {float(width.to_decimal(u.ms)):g} ms")
    return axes


def _course(ax: "Axes", table: Any, width: Any, hue: str) -> None:
    centres, hz = analysis.rate_over_time(table, width)
    begin, end = table.start_step * table.dt_ms, (table.start_step + table.n_steps) * table.dt_ms
    scale, _ = _canvas.time_scale(begin, end)
    x, y = centres.to_decimal(u.ms) / scale, hz.to_decimal(u.Hz)
    ax.fill_between(x, y, color=hue, alpha=0.25, lw=0)
    ax.plot(x, y, color=hue, lw=0.9)
    ax.set_xlim(begin / scale, end / scale if end > begin else begin / scale + 1)
    ax.set_ylim(bottom=0)
    ax.locator_params(axis="y", nbins=3)


def _spread(ax: "Axes", table: Any, hue: str) -> None:
    values = analysis.rates(table).to_decimal(u.Hz)
    values = values[np.isfinite(values)]
    _canvas.despine(ax, "left")
    ax.set_yticks([])
    if values.size == 0:
        return
    mean = float(values.mean())
    # A rate is a spike count over the length of the run: bins narrower than one count would show its comb, not the neurons.
    quantum = 1e3 / (table.n_steps * table.dt_ms)
    span = max(float(np.percentile(values, 99.5)), quantum)
    edges = (np.arange(-(-span // (step := quantum * max(1, round(span / quantum / 30)))) + 2) - 0.5) * step
    ax.hist(np.clip(values, 0, edges[-1]), bins=edges, color=hue, alpha=0.35, lw=0)
    ax.axvline(mean, color=hue, lw=1.2)
    ax.annotate(
        _canvas.rate_text(mean),
        (mean, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -1),
        textcoords="offset points",
        va="top",
        color=hue,
        fontsize=8,
    )
