"""What a network costs, term by term."""

from typing import TYPE_CHECKING, Any

import numpy as np

from neuro4d.plot import _canvas

if TYPE_CHECKING:
    from neuro4d.hardware import Cost


def cost_bars(cost: "Cost", ax: Any = None) -> Any:
    """The terms of the energy of a step, the largest on top, with their bands, on a logarithmic axis.

    **Arguments:** `cost`: of `n4.hardware.estimate`; `ax`: matplotlib axes to draw into, or new ones.

    **Returns:** the axes.

    **Raises:** `ImportError` without matplotlib.
    """
    terms = sorted(((name, x) for name, x in cost.terms.items() if float(x.value) > 0), key=lambda item: float(item[1].value))
    names = [name for name, _ in terms]
    value, low, high = (np.array([float(getattr(x, end)) for _, x in terms]) for end in ("value", "low", "high"))
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        if ax is None:
            _, ax = plt.subplots(figsize=(5.5, 0.9 + 0.32 * len(names)), layout="constrained")
        floor = max(value.max() * 1e-7, value.min() / 10)
        ax.barh(names, value, color=_canvas.EXCITATORY, height=0.62, left=0)
        ax.errorbar(value, names, xerr=[value - np.maximum(low, floor), high - value], fmt="none", ecolor=_canvas.INK, elinewidth=0.9, capsize=2)
        ax.set_xscale("log")
        ax.set_xlim(floor, high.max() * 2)
        ax.set_xlabel("energy per step (J)")
        ax.set_title(cost.target.title, loc="left")
        ax.tick_params(axis="y", length=0)
    return ax
