"""One network on several targets: numbers with their bands, and where bands leave the order open."""

from types import MappingProxyType
from typing import Any

import numpy as np

from neuro4d._base import did_you_mean
from neuro4d.hardware import Comparison
from neuro4d.plot import _canvas

QUANTITIES = MappingProxyType(
    {
        "energy_per_second": "energy per biological second (J)",
        "energy_per_step": "energy per step (J)",
        "energy_per_inference": "energy of all steps (J)",
        "energy_per_event": "energy per synaptic event (J)",
        "step_time": "time of a step (s)",
        "latency": "time of all steps (s)",
        "real_time_factor": "seconds per biological second",
        "power": "power (W)",
    }
)


def cost_bands(comparison: Comparison, what: str = "energy_per_second", ax: Any = None) -> Any:
    """The targets of a comparison, the lowest value on top, each with its band on a logarithmic axis.

    The band of the lowest is shaded. Targets whose bands meet it are blue: which of them is the best is not decided. Targets on which the network does not
    fit have no value, and say so.

    **Arguments:**

    - `comparison`: of `n4.hardware.compare`.
    - `what`: an energy, a time or a power of `Cost`: `energy_per_second`, `energy_per_step`, `energy_per_inference`, `energy_per_event`, `step_time`, `latency`,
      `real_time_factor` or `power`.
    - `ax`: matplotlib axes to draw into, or new ones.

    **Returns:** the axes.

    **Raises:** `ValueError` for an unknown `what`, and where the network fits nowhere; `ImportError` without matplotlib.

    !!! Example

        >>> work = n4.hardware.layered(["a"], [3], [0, 1], [1, 2], np.ones(3), dt=1*u.ms, steps=10)
        >>> ax = n4.plot.cost_bands(n4.hardware.compare(work, None, ["loihi1", "spinnaker1", "cpu"]))
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['loihi1', 'cpu', 'spinnaker1']
    """
    if what not in QUANTITIES:
        raise ValueError(
            f"cost_bands: no quantity {what!r}.{did_you_mean(str(what), tuple(QUANTITIES))} Known are {', '.join(QUANTITIES)}."
        )
    found = {name: getattr(cost, what) for name, cost in comparison.costs.items() if not isinstance(cost, str)}
    if not found:
        raise ValueError(
            "cost_bands: the network fits on none of these targets, so there is nothing to draw; print the comparison to see why."
        )
    names = sorted(found, key=lambda name: float(found[name].value))
    low, value, high = (np.array([float(getattr(found[name], end)) for name in names]) for end in ("low", "value", "high"))
    refused = [name for name in comparison.costs if name not in found]
    meets = (low <= high[0]) & (high >= low[0])
    floor = max(value[0] * 1e-3, low[low > 0].min(initial=np.inf) / 2) if (low <= 0).any() else 0.0
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        if ax is None:
            _, ax = plt.subplots(figsize=(5.8, 0.9 + 0.3 * len(comparison.costs)), layout="constrained")
        ax.axvspan(max(low[0], floor), high[0], color=_canvas.HAIR, alpha=0.5, linewidth=0)
        for y, name in enumerate(names):
            ink = _canvas.EXCITATORY if meets[y] else _canvas.FAINT
            ends = [[value[y] - max(low[y], floor)], [high[y] - value[y]]]
            ax.errorbar(value[y], y, xerr=ends, fmt="o", markersize=5, color=ink, ecolor=ink, elinewidth=1.4, capsize=2.5, label=name)
        for y, _ in enumerate(refused, len(names)):
            ax.annotate("does not fit", (0.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=_canvas.FAINT)
        ax.set_yticks(range(len(comparison.costs)), [*names, *refused])
        ax.set_ylim(len(comparison.costs) - 0.4, -0.6)
        ax.set_xscale("log")
        ax.set_xlabel(QUANTITIES[what])
        ax.tick_params(axis="y", length=0)
    return ax
