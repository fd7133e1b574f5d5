"""The course of tuning: targets and places, update by update."""

from typing import TYPE_CHECKING, Any

import numpy as np

from neuro4d._base import NUMBER
from neuro4d.plot import _canvas

if TYPE_CHECKING:
    from neuro4d.train import Tuned


def tuning(result: "Tuned") -> "np.ndarray":
    """Measured targets (left, with standard errors and the band of the tolerance) and the places that were moved (right), over the updates.

    **Arguments:** `result`: of `n4.train.tune`.

    **Returns:** the axes, an array of shape `(rows, 2)`; what one column has more than the other is left empty.

    **Raises:** `ImportError` without matplotlib.
    """
    targets, places = list(result.reached), list(result.values)
    rows = max(len(targets), len(places))
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        _, axes = plt.subplots(rows, 2, figsize=(8, 0.9 + 1.5 * rows), sharex=True, squeeze=False, layout="constrained")
        for ax, name, hue in zip(axes[:, 0], targets, _canvas.hues(targets), strict=False):
            _target(ax, result, name, hue)
        for ax, name in zip(axes[:, 1], places, strict=False):
            _place(ax, result, name)
        for ax in [*axes[len(targets) :, 0], *axes[len(places) :, 1]]:
            ax.set_axis_off()
        for column, used in ((0, targets), (1, places)):
            axes[len(used) - 1, column].set_xlabel("update")
            axes[len(used) - 1, column].tick_params(labelbottom=True)
    return axes


def _target(ax: Any, result: "Tuned", name: str, hue: str) -> None:
    each, x = result.reached[name], [update.number for update in result.history]
    ax.axhspan(each.target - each.tolerance, each.target + each.tolerance, color=hue, alpha=0.2, lw=0)
    ax.axhline(each.target, color=hue, lw=0.8)
    y, error = ([getattr(update, field)[name] for update in result.history] for field in ("measured", "stderr"))
    ax.errorbar(x, y, np.nan_to_num(error), color=hue, fmt="o-", ms=3, lw=0.9, elinewidth=0.9)
    ax.set_title(name, loc="left", color=hue, pad=3)
    if each.unit != NUMBER:
        ax.set_ylabel(f"{each.unit}")


def _place(ax: Any, result: "Tuned", name: str) -> None:
    x, y = [update.number for update in result.history], [update.values[name] for update in result.history]
    ax.plot(x, y, "o-", color=_canvas.EXCITATORY, ms=3, lw=0.9)
    ax.set_title(name, loc="left", pad=3)
    unit = result.units[name]
    if unit != NUMBER:
        ax.set_ylabel(f"{unit}")
