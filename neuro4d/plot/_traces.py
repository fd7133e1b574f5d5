"""Recorded variables over time."""

from typing import TYPE_CHECKING

import numpy as np

from neuro4d._base import PALETTE, attach
from neuro4d.plot import _canvas
from neuro4d.recorders import TraceRecord, stamps
from neuro4d.results import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Lines that can still be told apart by colour.
_DISTINCT = 6


def traces(run: Run, *names: str) -> "np.ndarray":
    """One panel per recorded trace: up to six neurons as coloured lines, more as faint lines with their mean.

    **Arguments:**

    - `run`: a run that recorded traces.
    - `names`: names of the records; all traces if none is named.

    **Returns:** the axes, an array of shape `(traces,)`.

    **Raises:** `ImportError` without matplotlib, `KeyError` if a trace was not recorded.
    """
    chosen = list(names) or list(run.trace_names()) or ["v"]
    records = [run.trace_record(name) for name in chosen]
    begin = min((float(stamps(each.steps[:1], run.dt_ms)[0]) for each in records if len(each.steps)), default=0.0)
    end = max((float(stamps(each.steps[-1:], run.dt_ms)[0]) for each in records if len(each.steps)), default=1.0)
    scale, unit = _canvas.time_scale(begin, end)
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        _, axes = plt.subplots(len(records), 1, figsize=(8, 0.8 + 1.7 * len(records)), sharex=True, squeeze=False, layout="constrained")
        axes = axes[:, 0]
        for ax, record in zip(axes, records, strict=True):
            _panel(ax, record, stamps(record.steps, run.dt_ms) / scale)
        axes[-1].set_xlabel(f"time ({unit})")
        if end > begin:
            axes[-1].set_xlim(begin / scale, end / scale)
    return axes


def _panel(ax: "Axes", record: TraceRecord, x: np.ndarray) -> None:
    label = str(attach(1.0, record.unit)).partition(" ")[2]
    ax.set_ylabel(f"{record.variable} ({label})" if label else record.variable)
    ax.set_title(record.population, loc="left", pad=4)
    n = len(record.ids)
    if 0 < n <= _DISTINCT:
        for column, hue in zip(range(n), PALETTE, strict=False):
            ax.plot(x, record.values[:, column], color=hue, lw=0.9, label=f"{record.ids[column]}")
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="neuron", fontsize=8, title_fontsize=8, handlelength=1.2)
        return
    ax.plot(x, record.values, color=_canvas.FAINT, lw=0.4, alpha=max(0.08, min(0.6, 12 / max(1, n))), rasterized=True)
    if n:
        ax.plot(x, record.values.mean(axis=1), color=_canvas.EXCITATORY, lw=1.4)
        ax.annotate(
            f"mean of {n} neurons", (1, 1), xycoords="axes fraction", xytext=(0, 4), textcoords="offset points", ha="right", va="bottom",
            color=_canvas.EXCITATORY, fontsize=8,
        )  # fmt: skip
