"""A run on the lattice as a page to explore: played over time, sliced, turned, asked."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neuro4d._base import write_whole
from neuro4d.plot import _canvas
from neuro4d.plot._page import framed, packed, page
from neuro4d.plot._samples import flips
from neuro4d.plot._view4d import placed
from neuro4d.recorders import SpikeTable
from neuro4d.results import Run

# Python's own floats and those of a browser count exactly up to here.
_EXACT = 1 << 53


@dataclasses.dataclass(frozen=True, repr=False)
class Explorer:
    """A page of `explore4d`. A notebook shows it; `write("run.html")` makes a file of it.

    **Fields:** `html`: the whole page. `neurons`, `spikes`: how many it carries. `title`.
    """

    html: str
    title: str
    neurons: int
    spikes: int

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Writes the page: the file is there whole or not at all.

        **Raises:** `TypeError` for something that is no path, `ValueError` for a name that does not end in `.html`, `FileNotFoundError` if
        the folder is not there.
        """
        where = _html_path(path)
        write_whole(where, lambda file: file.write(self.html.encode("utf-8")))
        return where

    def __repr__(self) -> str:
        return f"Explorer({self.neurons:,} neurons, {self.spikes:,} spikes, {len(self.html) / 1e6:.1f} MB)"

    def _repr_html_(self) -> str:
        return framed(self.html, self.title, height=640)


def explore4d(
    run: Run,
    *pops: str,
    path: str | os.PathLike[str] | None = None,
    between: tuple[Any, Any] | None = None,
    title: str | None = None,
    alive: str | None = None,
    most_mb: float = 20,
) -> Explorer:
    """The spikes of a run on its lattice as one page for a browser: nothing to install, and no network is asked for anything.

    Time is played, stopped and dragged, at a speed and with a trail of choice. Two or three axes are on screen; each of the others is overlaid,
    put side by side, or cut to one slice. A box of three axes is turned by dragging, or turns slowly by itself. Colours are those of populations
    or of rates. The neuron under the pointer says its population, index, coordinates, number of spikes and rate; a click keeps it. `Keys` on the
    page lists the keys.

    In a notebook the result shows itself. Lattices of any number of axes are shown; matplotlib is not needed.

    **Arguments:**

    - `run`: a run that recorded spikes, of a model with a lattice.
    - `pops`: names of populations; all that have coordinates if none is named.
    - `path`: also write the page into this file, which ends in `.html`.
    - `between`: two times of the model's clock, as in `run.rate`; `None` for one of them is the begin or the end. [time]
    - `title`: the heading; by default the names of the populations.
    - `alive`: the name of a record of who is alive, as in `lifetimes`; then only the living are drawn.
    - `most_mb`: the largest page in MB, a million bytes each. A spike takes 1 to 4 bytes.

    **Returns:** an `Explorer`.

    **Raises:** `ValueError` for a model without a lattice, a population without coordinates, a run without steps, spikes that were not recorded
    or not over the same time, a page that would be larger than `most_mb`; `UnitError` for bare times; as `Explorer.write` for the path and as
    `lifetimes` for the record.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4
        >>> lattice = n4.Lattice((4, 4, 4, 4), areas={"A": n4.Box()})
        >>> cells = n4.Population("cells", lattice["A"].sample(density=0.5), n4.PoissonNeuron(rate=50*u.Hz))
        >>> run = n4.simulate(n4.Network(cells).build(dt=0.1*u.ms, seed=0), jr.key(0), 20*u.ms)
        >>> n4.plot.explore4d(run, path="run.html").neurons == run.model.n_neurons
        True
    """
    where = None if path is None else _html_path(path)
    _check_choices(title, most_mb)
    names, sites, shape = placed(run, pops)
    tables = [run.spikes(name) for name in names]
    tables = _one_span(tables if between is None else [table.between(*_pair(between)) for table in tables])
    neurons, spikes = len(sites), sum(len(table) for table in tables)
    _check_size(neurons, spikes, (sites.size + spikes) * 4 / 3e6, most_mb)
    heading = title if title is not None else ", ".join(names)
    changes = np.empty(0, np.int64) if alive is None else flips(run, alive, names, tables[0].start_step, tables[0].n_steps)
    text = page(heading, _data(heading, tables, sites, shape, run.model.layout.axes) | {"flips": packed(np.diff(changes, prepend=0))})
    _check_size(neurons, spikes, len(text.encode("utf-8")) / 1e6, most_mb)
    made = Explorer(text, heading, neurons, spikes)
    if where is not None:
        made.write(where)
    return made


def _check_choices(title: Any, most_mb: Any) -> None:
    if title is not None and not isinstance(title, str):
        raise TypeError(f'explore4d(title) is a text, for example `title="V1"`; got {title!r}.')
    if isinstance(most_mb, bool) or not isinstance(most_mb, int | float) or not 0 < most_mb < float("inf"):
        raise ValueError(f"explore4d(most_mb) is a number of megabytes above 0, for example `most_mb=20`; got {most_mb!r}.")


def _data(title: str, tables: Sequence[SpikeTable], sites: np.ndarray, shape: tuple[int, ...], axes: Sequence[str]) -> dict[str, Any]:
    """What the page carries. A spike is the number `step * n + neuron`, and what is kept is how much larger it is than the one before."""
    first, n = tables[0], sum(table.n for table in tables)
    offsets = np.cumsum([0] + [table.n for table in tables[:-1]])
    keys = [(table.step - first.start_step) * n + table.id + offset for table, offset in zip(tables, offsets, strict=True)]
    events = np.sort(np.concatenate(keys))
    hues = _canvas.hues([table.population for table in tables])
    return {
        "title": title,
        "populations": [{"name": table.population, "n": table.n, "hue": hue} for table, hue in zip(tables, hues, strict=True)],
        "axes": list(axes),
        "shape": list(shape),
        "dt": first.dt_ms,
        "start": first.start_step,
        "steps": first.n_steps,
        "spikes": len(events),
        "sites": packed(sites.reshape(-1)),
        "events": packed(np.diff(events, prepend=0)),
    }


def _one_span(tables: list[SpikeTable]) -> list[SpikeTable]:
    """Tables that cover the same steps, at least one."""
    n = sum(table.n for table in tables)
    spans = {(table.start_step, table.n_steps) for table in tables}
    if len(spans) > 1:
        known = "; ".join(f"'{t.population}' {t.start_step * t.dt_ms:g} to {(t.start_step + t.n_steps) * t.dt_ms:g} ms" for t in tables)
        raise ValueError(f"explore4d needs spikes over the same time; recorded were {known}. Choose a time that all have: `between=(t0, t1)`.")
    steps = tables[0].n_steps
    if n == 0 or steps == 0:
        raise ValueError(f"there is nothing to explore: {n} neurons in {steps} steps. Run longer, for example `n4.simulate(model, key, 100*u.ms)`.")
    if steps * n >= _EXACT:
        raise ValueError(
            f"{steps} steps of {n} neurons are more than a browser can count (2^53): cut the time, for example `between=(0*u.ms, 1*u.second)`."
        )
    return tables


def _check_size(neurons: int, spikes: int, mb: float, most: float) -> None:
    if mb > most:
        raise ValueError(
            f"{spikes:,} spikes of {neurons:,} neurons make a page of {mb:.3g} MB or more, and most_mb is {most:g}: name fewer populations, "
            '`explore4d(run, "v1")`, cut the time, `between=(0*u.ms, 200*u.ms)`, or allow more, `most_mb=...`.'
        )


def _pair(between: Any) -> tuple[Any, Any]:
    if not (isinstance(between, tuple | list) and len(between) == 2):
        raise TypeError(f"between is a pair of times, for example `between=(200*u.ms, 1*u.second)`; got {between!r}.")
    return between[0], between[1]


def _html_path(path: Any) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f'the page is written to a path, for example `path="run.html"`; got {path!r}.')
    where = Path(path)
    if where.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f'the page is HTML: its name ends in `.html`, for example `path="run.html"`; got {str(path)!r}.')
    if not where.parent.is_dir():
        raise FileNotFoundError(f"no folder {str(where.parent)!r} to write {where.name!r} into: make it first, or choose another.")
    return where
