"""What every picture needs: matplotlib itself, colours, time axes and round numbers."""

import importlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neuro4d._base import PALETTE
from neuro4d.recorders import SpikeTable

INK = "#333333"
FAINT = "#8a8a8a"
HAIR = "#d9d9d9"

EXCITATORY = "#3d6ea5"
INHIBITORY = "#c4583f"


def pyplot() -> Any:
    """matplotlib.pyplot, or an `ImportError` that says how to install it.

    The backend stays what the user chose; where none was chosen and there is no display, pyplot itself falls back to Agg.
    """
    try:
        module = importlib.import_module("matplotlib.pyplot")
    except ImportError as error:
        raise ImportError('pictures need matplotlib: `pip install "neuro4d[plot]"`.') from error
    # Chooses the backend now: chosen inside an `rc_context`, a notebook's interactive mode would be undone when it ends.
    module.draw_if_interactive()
    return module


def style() -> dict[str, Any]:
    """Settings of our figures, applied locally with `rc_context`: the user's own figures keep theirs."""
    return {
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.labelsize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": FAINT,
        "axes.linewidth": 0.7,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "text.color": INK,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "xtick.major.size": 3,
        "ytick.major.size": 3,
        "legend.frameon": False,
        "savefig.dpi": 160,
        "figure.dpi": 110,
    }


def hues(names: Sequence[str]) -> list[str]:
    """One restrained colour per name, in order."""
    return [PALETTE[index % len(PALETTE)] for index in range(len(names))]


def time_scale(begin_ms: float, end_ms: float) -> tuple[float, str]:
    """Divisor and unit for a time axis: seconds from 5 s on, ms below."""
    return (1e3, "s") if end_ms - begin_ms >= 5e3 else (1.0, "ms")


def nice(value: float) -> float:
    """The nearest 1, 2 or 5 times a power of ten at or above a positive number."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


def bin_width(tables: Sequence[SpikeTable]) -> float:
    """A bin in ms for population rates: near a 1-2-5 number, a whole number of steps, with about twenty spikes in it on average.

    Never more than 300 bins in a run, and never fewer than 20 where the steps allow it.
    """
    dt, n_steps = tables[0].dt_ms, max(1, tables[0].n_steps)
    spikes = sum(len(table) for table in tables) / len(tables)
    wish = nice(max(dt, 1.0, n_steps * dt / 300, 20 * n_steps * dt / max(1.0, spikes)))
    return max(1, min(round(wish / dt), n_steps // 20)) * dt


def note(ax: Any, text: str, below: float = 21) -> None:
    """Small print under the right end of the horizontal axis, `below` points down, which moves nothing else."""
    small = ax.annotate(text, (1, 0), xycoords="axes fraction", xytext=(0, -below), textcoords="offset points", ha="right", va="top")
    small.set(fontsize=7.5, color=FAINT, in_layout=False)


def rate_text(hz: float) -> str:
    """A rate for a label."""
    return "silent" if hz == 0 else f"{hz:.2f} Hz" if hz < 10 else f"{hz:.1f} Hz" if hz < 1000 else f"{hz:.0f} Hz"


def choose(run: Any, pops: Sequence[str]) -> list[str]:
    """The named populations, or all of them."""
    names = list(pops) or list(run.populations)
    if not names:
        raise ValueError("the model has no populations to draw.")
    return names


def despine(ax: Any, *sides: str) -> None:
    """Hide sides of the frame."""
    for side in sides:
        ax.spines[side].set_visible(False)


def shades(hue: str) -> Any:
    """A colour map from transparent to a hue."""
    colors = importlib.import_module("matplotlib.colors")
    red, green, blue = colors.to_rgb(hue)
    ramp = np.linspace(0, 1, 256) ** 0.7
    return colors.ListedColormap(np.column_stack([np.full(256, red), np.full(256, green), np.full(256, blue), ramp]))
