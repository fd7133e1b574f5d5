"""The memory of a run, predicted before anything is allocated."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from neuro4d._base import MemoryBudgetError as MemoryBudgetError
from neuro4d._base import MemoryRow, MemoryTable, bytes_text, check_count, tree_bytes
from neuro4d.model import Model
from neuro4d.recorders import AbstractRecorder, SpikeProbe, Spikes
from neuro4d.simulate._check import check_model, check_series, fit_recorders, steps_in
from neuro4d.simulate._look_back import chunks_between
from neuro4d.simulate._loop import chunk_length, learns

RUN, END = "while it runs", "records are made"


PROGRAM = 48 << 20
"""Bytes that the compiled program of a run takes, and what compiles it, as measured."""


def run_memory(
    model: Model,
    duration: Any,
    record: AbstractRecorder | Sequence[AbstractRecorder] = (Spikes(),),
    *,
    inputs: dict[str, Any] | None = None,
    chunk: int | None = None,
    lanes: int = 1,
    watched: bool = False,
    checkpoint: bool = False,
) -> MemoryTable:
    """What `simulate` with the same arguments, or `batch` and `sweep` with several `lanes`, will take beyond the model, before anything is
    allocated.

    Prints as a table; `.peak` is the most that is held, in bytes. `watched`: whether the run has `on_chunk` or `between`, which makes chunks
    shorter; `checkpoint`: whether it is kept while it goes on.

    **Raises:** as `simulate`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> cells = n4.Population("cells", 1000, n4.Relay(), {"in": n4.Delta()})
        >>> model = n4.Network(cells).build(dt=0.1*u.ms)
        >>> {row.what: row.bytes for row in n4.run_memory(model, 1*u.second).rows if row.what.startswith("record")}
        {"record 'spikes': chunks": 1280000, "record 'spikes': joined": 1280000}
    """
    n_steps = steps_in(check_model(model), duration, "duration")
    probes = fit_recorders(model, record, n_steps)
    given = check_series(model, inputs, n_steps)
    length = chunk_length(chunk, model.n_neurons * check_count(lanes, "lanes"), probes, n_steps, watched, given, learns(model))
    state = jax.eval_shape(model.init, jax.random.key(0))
    if lanes > 1:
        state = jax.tree.map(lambda x: jax.ShapeDtypeStruct((lanes, *x.shape), x.dtype), state)
    gaps = (MemoryRow("gap junctions, sorted", (RUN, END), tree_bytes(model.gaps)),)
    title = f"a run of {n_steps:,} steps in chunks of {length:,}"
    return MemoryTable(title, (RUN, END), (*gaps, *run_rows(state, probes, n_steps, length, lanes, given, checkpoint)))


def run_rows(
    state: Any,
    probes: dict[str, Any],
    n_steps: int,
    length: int,
    lanes: int,
    inputs: dict[str, np.ndarray] | None = None,
    saves: bool = False,
) -> list[MemoryRow]:
    """Every part of a run. `state`: arrays or shapes, of all lanes; `saves`: whether it is kept in checkpoints."""
    both, n_chunks, one = (RUN, END), -(-n_steps // max(length, 1)), tree_bytes(state)
    n_neurons = sum(span.size for span in state.spans)
    rows = [MemoryRow("state at the beginning", both, one), MemoryRow("state that goes on", both, one)]
    rows.append(MemoryRow("the compiled program", both, PROGRAM))
    if saves:
        rows.append(MemoryRow("state that is saved: a copy, and as the user knows it", both, 2 * one))
    if n_chunks > chunks_between(state, length, n_neurons * lanes):
        rows.append(MemoryRow("last good state", both, one))
    if not any(isinstance(probe, SpikeProbe) for probe in probes.values()):  # which keeps the very rows
        rows.append(MemoryRow("spikes of a chunk", both, lanes * length * 4 * sum(-(-span.size // 32) for span in state.spans)))
    for name, values in (inputs or {}).items():
        rows.append(MemoryRow(f"input {name!r}", both, values.nbytes + 2 * length * values[:1].nbytes))
    for name, probe in probes.items():
        chunk, record = (lanes * size for size in probe.bytes(n_steps, length))
        if probe.streams:
            rows.append(MemoryRow(f"record {name!r}: on its way to disk", both, record))
        elif probe.carried:
            rows += [MemoryRow(f"record {name!r}: twice", both, 2 * chunk), MemoryRow(f"record {name!r}: made", (END,), record)]
        else:
            rows += [MemoryRow(f"record {name!r}: chunks", both, max(n_chunks, 1) * chunk), MemoryRow(f"record {name!r}: joined", (END,), record)]
    return rows


def check_memory(state: Any, probes: dict[str, Any], n_steps: int, length: int, lanes: int, limit: int | None = None, *, saves: bool = False) -> int:
    """The bytes that a run will add, or a refusal. `state` holds all lanes; `saves`: whether it is kept in checkpoints.

    **Raises:** `MemoryBudgetError` with the share of every recorder and what to do about the largest.
    """
    rows = tuple(row for row in run_rows(state, probes, n_steps, length, lanes, saves=saves) if row.what != "state at the beginning")
    table = MemoryTable("this run", (RUN, END), rows) if limit is None else MemoryTable("this run", (RUN, END), rows, limit)
    if not table.fits:
        parts: dict[str, int] = {}
        for row in table.largest_phase():
            name = row.what.split(": ")[0]
            parts[name] = parts.get(name, 0) + row.bytes
        shares = ", ".join(f"{name} {bytes_text(parts[name])}" for name in sorted(parts, key=lambda name: -parts[name]))
        raise MemoryBudgetError(
            f"this run needs about {table.peak} bytes ({bytes_text(table.peak)}), but {bytes_text(table.available)} are available: {shares}. "
            "Record fewer neurons, sample with `every=`, use `n4.Counts()` or `n4.Window(length=...)`, keep spikes on disk with "
            "`n4.io.SpikesToDisk(...)`, or run shorter pieces."
        )
    return table.peak
