"""What statistics ask of tables, grids of whole steps, and counts on them."""

from collections.abc import Sequence
from typing import Any, NoReturn

import brainunit as u
import numpy as np
from jaxtyping import Int

from neuro4d._base import strip
from neuro4d.recorders import SpikeTable

Tables = SpikeTable | Sequence[SpikeTable]
"""The spikes of a population in one run, or in every run of a batch."""

BLOCK = 1 << 20
"""Entries of a temporary array."""


def trials_of(tables: Tables, where: str) -> tuple[SpikeTable, ...]:
    """One table as a tuple of one; several have to agree in what they describe."""
    if isinstance(tables, SpikeTable):
        return (tables,)
    if not isinstance(tables, list | tuple):
        _no_tables(tables, where)
    for each in tables:
        if not isinstance(each, SpikeTable):
            _no_tables(each, where)
    if not tables:
        raise ValueError(f'{where} needs at least one table, for example `[run.spikes("cells") for run in runs]`; got none.')
    first = tables[0]
    for number, each in enumerate(tables):
        if (each.n, each.dt_ms) != (first.n, first.dt_ms):
            raise ValueError(
                f"{where}: trials are of one population with one time step; table 0 has {first.n} neurons and dt = {first.dt_ms:g} ms, "
                f"table {number} has {each.n} and {each.dt_ms:g} ms."
            )
    return tuple(tables)


def together(a: Sequence[SpikeTable], b: Sequence[SpikeTable], where: str) -> None:
    """Refuse tables that were not observed together."""
    if len(a) != len(b):
        raise ValueError(f"{where} needs as many tables of b as of a, from the same runs; got {len(a)} and {len(b)}.")
    for x, y in zip(a, b, strict=True):
        if (x.dt_ms, x.start_step, x.n_steps) != (y.dt_ms, y.start_step, y.n_steps):
            raise ValueError(
                f"{where} needs spikes of the same time, for example of one run; got {x!r} and {y!r}. `table.between(t0, t1)` cuts a window."
            )


def in_bins(table: SpikeTable, width: int) -> Int[np.ndarray, " bins"]:
    """Spikes of all neurons in each whole bin of `width` steps, from the begin of the table."""
    bins = table.n_steps // width
    return np.bincount((table.step - table.start_step) // width, minlength=bins)[:bins]


def in_rows(table: SpikeTable, width: int, place: Int[np.ndarray, " n"], rows: int) -> Int[np.ndarray, "rows bins"]:
    """The same of single neurons or groups of them: `place` says in which row each neuron counts, -1 in none."""
    bins = table.n_steps // width
    index, row = (table.step - table.start_step) // width, place[table.id]
    inside = (index < bins) & (row >= 0)
    return np.bincount(row[inside] * bins + index[inside], minlength=rows * bins).reshape(rows, bins)


def whole_steps(width: Any, dt_ms: float, where: str, low: int = 1) -> int:
    """A time as a whole number of steps; any other one is refused, since its bins would hold unequal numbers of steps."""
    return int(steps_at(width, dt_ms, where, low, ndim=0))


def steps_at(times: Any, dt_ms: float, where: str, low: int | None = None, ndim: int = 1) -> np.ndarray:
    """Times as whole numbers of steps."""
    value = strip(times, u.ms, where=where)
    steps = value / dt_ms
    nearest = np.rint(steps)
    bad = value.ndim != ndim or not np.all(np.isfinite(steps)) or np.any(np.abs(steps - nearest) > 1e-6 * np.maximum(1, np.abs(steps)))
    if bad or (low is not None and np.any(nearest < low)):
        line = f"`{10 * dt_ms:g} * u.ms`" if ndim == 0 else "`np.array([100.0, 300.0]) * u.ms`"
        least = "" if low is None else f", at least {low}"
        raise ValueError(
            f"{where} must be {'a whole number' if ndim == 0 else 'a list of whole numbers'} of steps of {dt_ms:g} ms{least}, "
            f"for example {line}; got {times}."
        )
    return nearest.astype(np.int64)


def _no_tables(given: Any, where: str) -> NoReturn:
    raise TypeError(
        f'{where} takes the spikes of a population, `run.spikes("cells")`, or of every run of a batch, '
        f'`[run.spikes("cells") for run in runs]`; got {type(given).__name__}.'
    )
