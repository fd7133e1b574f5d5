"""Who was alive when: numbers over time, neuron by neuron, and on the lattice."""

from typing import Any

import numpy as np

from neuro4d._base import check_count, lookup
from neuro4d.plot import _canvas
from neuro4d.plot._samples import living, sampled
from neuro4d.recorders import stamps
from neuro4d.results import Run

# More rows than these cannot be seen apart: neighbours are averaged.
_ROWS = 600

_BORN, _DIED = "#4d8b5b", "#c4583f"


def lifetimes(run: Run, pop: str, record: str = "alive", *, identities: str | None = None, sites: Any = None, moments: int = 5) -> "np.ndarray":
    """Growth and death of a population: how many were alive, with births and deaths; who they were; and where on the lattice.

    The band shows a neuron per row, dark while it lives, the earliest born at the bottom. Maps show the number of living neurons over x and y at
    moments of equal distance; where neurons have no place there are none.

    **Arguments:**

    - `run`: a run that recorded who is alive: `n4.Record(lambda state, spikes: state.alive, every=10*u.ms, name="alive")`.
    - `pop`: a population that was made with `alive=`.
    - `record`: the name of the record.
    - `identities`: the name of a record of who each neuron is, at the same steps, where a child may take the place of its parent at once: without it a neuron is
      its place, and nobody seems to have died. `n4.Record(lambda state, spikes: {"cells": state.life["cells"].identity}, every=10*u.ms, name="who")`.
    - `sites`: where the neurons are, whole numbers `(n, axes)`, or `(samples, n, axes)` where a slot gets another place with its next neuron; by
      default their coordinates in the model, if they have any.
    - `moments`: how many maps.

    **Returns:** the axes, an array of shape `(2 + maps,)`: numbers, neurons, maps.

    **Raises:** `ImportError` without matplotlib; `KeyError` for an unknown population, record or entry; `ValueError` for a record without samples
    or of another number of neurons, for identities at other steps, and for sites of another shape or below 0.

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, jax.random as jr, neuro4d as n4
        >>> cells = n4.Population("cells", 8, n4.Relay(), {"in": n4.Delta()}, alive=5)
        >>> model = n4.Network(cells).build(dt=0.1*u.ms, seed=0)
        >>> grow = lambda model, state, step: (model, state.with_alive("cells", jnp.arange(8) < 6))
        >>> who = n4.Record(lambda state, spikes: state.alive, every=1*u.ms, name="alive")
        >>> run = n4.simulate(model, jr.key(0), 4*u.ms, record=(who,), chunk=20, between=grow)
        >>> n4.plot.lifetimes(run, "cells").shape
        (2,)
    """
    moments = check_count(moments, "lifetimes(moments)")
    lookup(run.model.populations, pop, "population")
    steps, rows = living(run, record, pop)
    times = stamps(steps, run.dt_ms)
    scale, unit = _canvas.time_scale(float(times[0]), float(times[-1]))
    places = _places(run.model.coordinates(pop) if sites is None else sites, rows.shape)
    shown = np.unique(np.linspace(0, len(rows) - 1, moments).round().astype(int)) if places is not None else np.empty(0, int)
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        figure = plt.figure(figsize=(8, 4.2 + (2.1 if len(shown) else 0)), layout="constrained")
        grid = figure.add_gridspec(3 if len(shown) else 2, max(1, len(shown)), height_ratios=[1.6, 2.4, 2.0][: 3 if len(shown) else 2])
        top = figure.add_subplot(grid[0, :])
        below = figure.add_subplot(grid[1, :], sharex=top)
        lives = rows if identities is None else _by_identity(run, identities, pop, steps, rows)
        _numbers(top, times / scale, lives)
        _neurons(below, times / scale, lives)
        top.tick_params(labelbottom=False)
        top.set_title(pop, loc="left", pad=4)
        below.set_xlabel(f"time ({unit})")
        axes = [top, below]
        if places is not None:
            labels = [f"{times[index] / scale:g} {unit}" for index in shown]
            axes += _maps([figure.add_subplot(grid[2, column]) for column in range(len(shown))], places, shown, rows[shown], labels)
    return np.array(axes, object)


def _places(sites: Any, shape: tuple[int, int]) -> np.ndarray | None:
    """The places of the neurons at every sample, `(samples, n, axes)`."""
    if sites is None:
        return None
    known = np.asarray(sites)
    if known.ndim not in (2, 3) or known.shape[:-1] != shape[3 - known.ndim :] or known.dtype.kind not in "iu" or not known.size or known.min() < 0:
        raise ValueError(
            f"lifetimes(sites) are whole numbers from 0, shape ({shape[1]}, axes), or ({shape[0]}, {shape[1]}, axes) for every sample; "
            f"got shape {known.shape} of {known.dtype}."
        )
    return np.broadcast_to(known, (*shape, known.shape[-1]))


def _by_identity(run: Run, record: str, pop: str, steps: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Who lives as a column for each neuron that was ever seen alive, `(samples, neurons)`, instead of one for each place."""
    at, who = sampled(run, record, pop, f'n4.Record(lambda state, spikes: {{{pop!r}: state.life[{pop!r}].identity}}, every=10*u.ms, name={record!r})')
    if who.shape != rows.shape or who.dtype.kind not in "iu" or not np.array_equal(at, steps):
        raise ValueError(
            f"record {record!r} should hold a whole number for each of the {rows.shape[1]} neurons of {pop!r} at the {len(steps)} steps at which those "
            f"alive were recorded; got shape {who.shape} of {who.dtype}. Record both with the same `every=`."
        )
    sample, place = np.nonzero(rows)
    known, neuron = np.unique(who[sample, place], return_inverse=True)
    lives = np.zeros((len(rows), len(known)), bool)
    lives[sample, neuron] = True
    return lives


def _numbers(ax: Any, x: np.ndarray, rows: np.ndarray) -> None:
    changes = np.diff(rows.astype(np.int8), axis=0)
    born, died = (changes > 0).sum(axis=1), (changes < 0).sum(axis=1)
    width = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
    ax.bar(x[1:], born, width, color=_BORN, lw=0, label="born")
    ax.bar(x[1:], -died, width, color=_DIED, lw=0, label="died")
    ax.plot(x, rows.sum(axis=1), color=_canvas.INK, lw=1.4, drawstyle="steps-post", label="alive")
    ax.axhline(0, color=_canvas.FAINT, lw=0.6)
    ax.set_ylabel("neurons")
    ax.legend(fontsize=8, ncols=3, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.1)


def _neurons(ax: Any, x: np.ndarray, rows: np.ndarray) -> None:
    """The neurons that ever lived, by the begin of their first life and then its end."""
    ever = rows.any(axis=0)
    first, last = rows.argmax(axis=0), len(rows) - 1 - rows[::-1].argmax(axis=0)
    order = np.lexsort((last, first, ~ever))[: ever.sum()]
    lived = rows[:, order].T.astype(float)
    n = len(order)
    if n > _ROWS:
        bounds = np.arange(_ROWS) * n // _ROWS
        lived = np.add.reduceat(lived, bounds, axis=0) / np.diff([*bounds, n])[:, None]
    step = x[1] - x[0] if len(x) > 1 else 1.0
    extent = (x[0], x[-1] + step, 0, max(1, n))
    ax.imshow(
        lived, origin="lower", aspect="auto", interpolation="nearest", extent=extent, vmin=0, vmax=1,
        cmap=_canvas.shades(_canvas.EXCITATORY), rasterized=True,
    )  # fmt: skip
    ax.set_ylabel("neurons by birth")
    never = rows.shape[1] - n
    if never:
        _canvas.note(ax, f"{never} never lived")


def _maps(axes: list[Any], places: np.ndarray, shown: np.ndarray, rows: np.ndarray, labels: list[str]) -> list[Any]:
    x, y = places[..., 0].astype(np.int64), places[..., 1].astype(np.int64) if places.shape[-1] > 1 else np.zeros(places.shape[:2], np.int64)
    nx, ny = int(x.max()) + 1, int(y.max()) + 1
    place = x + nx * y
    known = np.bincount(place.reshape(-1), minlength=nx * ny) > 0
    maps = [np.where(known, np.bincount(at, row, nx * ny), np.nan).reshape(ny, nx) for at, row in zip(place[shown], rows, strict=True)]
    image = None
    for ax, each, label in zip(axes, maps, labels, strict=True):
        image = ax.imshow(each, origin="lower", interpolation="nearest", cmap="viridis", vmin=0, vmax=max(1.0, float(np.nanmax(maps))))
        ax.set_title(label, fontsize=8.5, pad=3)
        ax.set_facecolor("#e4e4e4")
        ax.set_xticks([0, nx - 1] if nx > 1 else [0])
        ax.set_yticks([0, ny - 1] if ny > 1 else [0])
        ax.tick_params(length=0, labelsize=7)
        for spine in ax.spines.values():
            spine.set_visible(False)
    axes[0].set_xlabel("x", labelpad=-4)
    axes[0].set_ylabel("y", labelpad=-4)
    for ax in axes[1:]:
        ax.tick_params(labelleft=False)
    axes[0].figure.colorbar(image, ax=axes, label="alive", shrink=0.9, aspect=16, pad=0.02).outline.set_visible(False)
    return axes
