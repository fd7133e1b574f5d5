"""Accuracy and energy of several networks, or of one on several chips."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuro4d.hardware import Interval
from neuro4d.plot import _canvas
from neuro4d.plot._chip import small

Point = tuple[Interval | float, Interval | float]


def accuracy_energy(points: Mapping[str, Point], ax: Any = None, unit: str = "J per inference") -> Any:
    """Names in the plane of energy, on a logarithmic axis, and accuracy, with the bands of both.

    No point has at least the accuracy and at most the energy of one on the Pareto front: those are filled, and a line joins them. A point is grey where
    another is better in that sense, wherever in their bands the two lie; a blue circle is one of which that is not decided: by its value another is better, but
    their bands overlap. Bands count as independent, but one and the same `Interval` that several points share is one number, which nobody knows better: one network
    on several chips.

    **Arguments:**

    - `points`: accuracy, from 0 to 1, and energy above 0 by name; each a number or an `n4.hardware.Interval`, such as `cost.energy_per_inference`.
    - `ax`: matplotlib axes to draw into, or new ones.
    - `unit`: of the energy.

    **Returns:** the axes.

    **Raises:** `ValueError` for no points, and for an accuracy or an energy out of range; `ImportError` without matplotlib.

    !!! Example

        >>> band = n4.hardware.Interval(2e-6, 1e-6, 4e-6)
        >>> ax = n4.plot.accuracy_energy({"small": (0.91, band), "large": (0.97, 3 * band), "worse": (0.9, 9 * band)})
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('energy (J per inference)', 'accuracy')
    """
    accuracy, energy = _checked(points)
    given = [accuracy for accuracy, _ in points.values()]
    kind = standing(accuracy, energy, np.array([[isinstance(a, Interval) and a is b for b in given] for a in given]))
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        if ax is None:
            _, ax = plt.subplots(figsize=(6.2, 4.2), layout="constrained")
        front = sorted(np.flatnonzero(kind == FRONT), key=lambda i: energy[1, i])
        ax.plot(energy[1, front], accuracy[1, front], color=_canvas.HAIR, linewidth=4, drawstyle="steps-post", zorder=0)
        for i in range(len(points)):
            ink = _canvas.FAINT if kind[i] == BEATEN else _canvas.EXCITATORY
            bands = {
                "xerr": [[energy[1, i] - energy[0, i]], [energy[2, i] - energy[1, i]]],
                "yerr": [[accuracy[1, i] - accuracy[0, i]], [accuracy[2, i] - accuracy[1, i]]],
            }
            ax.errorbar(energy[1, i], accuracy[1, i], **bands, fmt="o", markersize=5.5, color=ink, ecolor=ink, elinewidth=0.9, capsize=2,
                        markerfacecolor=ink if kind[i] == FRONT else "white", zorder=2)  # fmt: skip
        ax.set_xscale("log")
        ax.margins(x=0.12, y=0.12)
        ax.set_xlabel(f"energy ({unit})")
        ax.set_ylabel("accuracy")
        small(ax, "filled: Pareto front; open: bands leave it undecided; grey: beaten wherever in its band it lies", below=34)
        _label(ax, tuple(points), energy[1], accuracy[1])
    return ax


FRONT, OPEN, BEATEN = 0, 1, 2
CORNERS = (
    (6, 4, "left", "bottom"),
    (6, -4, "left", "top"),
    (-6, 4, "right", "bottom"),
    (-6, -4, "right", "top"),
    (6, 15, "left", "bottom"),
    (6, -15, "left", "top"),
)
"""Where a name may stand, in points from its point."""
LETTER, LINE = 4.6, 9.5
"""Points that a letter takes along a line, and a line across."""


def _label(ax: Any, names: tuple[str, ...], energy: np.ndarray, accuracy: np.ndarray) -> None:
    """Each name at the first of its corners that no other name and no point covers, or else at the first."""
    ax.figure.draw_without_rendering()  # limits and layout are settled now
    at = ax.transData.transform(np.stack([energy, accuracy], axis=1)) * 72 / ax.figure.dpi
    taken = [(x - 3, y - 3, x + 3, y + 3) for x, y in at]
    for (x, y), name, where in zip(at, names, zip(energy, accuracy, strict=True), strict=True):
        boxes = [_box(x + dx, y + dy, LETTER * len(name), side, end) for dx, dy, side, end in CORNERS]
        best = next((i for i, box in enumerate(boxes) if not any(_meet(box, other) for other in taken)), 0)
        dx, dy, side, end = CORNERS[best]
        taken.append(boxes[best])
        ax.annotate(
            name, where, xytext=(dx, dy), textcoords="offset points", ha=side, va=end, fontsize=8, color=_canvas.INK, zorder=3,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.2},
        )  # fmt: skip


def _box(x: float, y: float, width: float, side: str, end: str) -> tuple[float, float, float, float]:
    left, low = x if side == "left" else x - width, y if end == "bottom" else y - LINE
    return left, low, left + width, low + LINE


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def standing(accuracy: np.ndarray, energy: np.ndarray, shared: np.ndarray | None = None) -> np.ndarray:
    """Which points nobody beats by their values, which may or may not be beaten, and which are, wherever in the bands they lie; low, value and high in rows, `(3, k)`;
    `shared`: which pairs have one accuracy, `(k, k)`."""
    one = np.zeros((accuracy.shape[1],) * 2, bool) if shared is None else shared
    better = _beats(accuracy[1], accuracy[1], energy[1], energy[1], one)
    surely = _beats(accuracy[0], accuracy[2], energy[2], energy[0], one)
    return np.where(surely.any(axis=0), BEATEN, np.where(better.any(axis=0), OPEN, FRONT))


def _beats(
    accuracy: np.ndarray, other_accuracy: np.ndarray, energy: np.ndarray, other_energy: np.ndarray, shared: np.ndarray
) -> np.ndarray:
    """Whether each point, in rows, is at least as good as each other in both, and better in one."""
    right, cheap = (accuracy[:, None] >= other_accuracy) | shared, energy[:, None] <= other_energy
    found = right & cheap & ((accuracy[:, None] > other_accuracy) & ~shared | (energy[:, None] < other_energy))
    np.fill_diagonal(found, False)
    return found


def _checked(points: Mapping[str, Point]) -> tuple[np.ndarray, np.ndarray]:
    """Low, value and high of accuracies and energies, each `(3, k)`."""
    if not points:
        raise ValueError('accuracy_energy: no points; for example `{"small": (0.91, cost.energy_per_inference)}`.')
    ends = [
        [[float(getattr(x, end)) if isinstance(x, Interval) else float(x) for x in point] for point in points.values()]
        for end in ("low", "value", "high")
    ]
    accuracy, energy = np.moveaxis(np.array(ends), 2, 0)
    for i, name in enumerate(points):
        if not (0 <= accuracy[0, i] and accuracy[2, i] <= 1):
            raise ValueError(
                f"accuracy_energy: {name!r} has the accuracy {accuracy[1, i]:g}, from {accuracy[0, i]:g} to {accuracy[2, i]:g}; it is a share from 0 to 1."
            )
        if not (0 < energy[0, i] and np.isfinite(energy[2, i])):
            raise ValueError(
                f"accuracy_energy: {name!r} has the energy {energy[1, i]:g}, from {energy[0, i]:g} to {energy[2, i]:g}; a logarithmic axis has none at 0 or below."
            )
    return accuracy, energy
