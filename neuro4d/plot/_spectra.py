"""Correlograms and spectra."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import brainunit as u
import numpy as np

from neuro4d.analysis import Correlogram, Spectrum
from neuro4d.plot import _canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def correlogram(result: Correlogram, ax: Any = None) -> "Axes":
    """The rate after, and before, a spike as bars over the lag, with the rate that independent trains would show as a line.

    **Arguments:**

    - `result`: of `n4.analysis.cross_correlogram` or `auto_correlogram`.
    - `ax`: axes to draw into; new ones if left out.

    **Returns:** the axes.

    **Raises:** `ImportError` without matplotlib, `TypeError` for something else.
    """
    if not isinstance(result, Correlogram):
        raise TypeError(f"plot.correlogram takes a result of `n4.analysis.cross_correlogram(a, b)`; got {type(result).__name__}.")
    lags, hz = result.lags.to_decimal(u.ms), result.rate.to_decimal(u.Hz)
    # Where there are pairs: the rate that belongs to the expected number of them.
    chance = np.divide(result.expected * hz, result.counts, out=np.full(len(lags), np.nan), where=result.counts > 0)
    width = lags[1] - lags[0]
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        ax = plt.subplots(figsize=(5, 3), layout="constrained")[1] if ax is None else ax
        ax.bar(lags, hz, width=width, color=_canvas.EXCITATORY, alpha=0.55, lw=0)
        ax.axvline(0, color=_canvas.HAIR, lw=0.8, zorder=0)
        known = np.isfinite(chance)
        if known.any():
            ax.axhline(float(chance[known].mean()), color=_canvas.INHIBITORY, lw=1, label="independent")
            ax.legend(loc="upper right", fontsize=8)
        ax.set_xlim(lags[0] - width / 2, lags[-1] + width / 2)
        ax.set_ylim(bottom=0)
        ax.set_xlabel("lag (ms)")
        ax.set_ylabel("rate after a spike (Hz)")
        _canvas.note(ax, f"bins of {width:g} ms, {result.counts.sum():.0f} pairs")
    return ax


def spectrum(result: Spectrum | Mapping[str, Spectrum], ax: Any = None) -> "Axes":
    """Power over frequency, both on logarithmic axes, with the level of Poisson trains of the same rate as a dashed line.

    **Arguments:**

    - `result`: of `n4.analysis.power_spectrum`, or several by name.
    - `ax`: axes to draw into; new ones if left out.

    **Returns:** the axes.

    **Raises:** `ImportError` without matplotlib, `TypeError` for something else.
    """
    named = {"": result} if isinstance(result, Spectrum) else result
    if not isinstance(named, Mapping) or not named or not all(isinstance(each, Spectrum) for each in named.values()):
        raise TypeError(
            'plot.spectrum takes a result of `n4.analysis.power_spectrum(table)`, or several by name, `{"e": ..., "i": ...}`; '
            f"got {type(result).__name__}."
        )
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        ax = plt.subplots(figsize=(5, 3), layout="constrained")[1] if ax is None else ax
        for (name, each), hue in zip(named.items(), _canvas.hues(list(named)), strict=True):
            power = each.power.to_decimal(u.Hz)
            # Silence has no logarithm.
            power = np.where(power > 0, power, np.nan)
            ax.plot(each.frequencies.to_decimal(u.Hz), power, color=hue, lw=1, label=name or None)
            rate = float(each.rate.to_decimal(u.Hz))
            if rate > 0:
                ax.axhline(rate, color=hue, lw=0.8, ls="--")
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlabel("frequency (Hz)")
        ax.set_ylabel("power (Hz)")
        ax.plot([], [], color=_canvas.FAINT, lw=0.8, ls="--", label="Poisson trains")
        ax.legend(fontsize=8)
    return ax
