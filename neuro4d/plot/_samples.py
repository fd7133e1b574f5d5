"""What `n4.Record` kept, looked up for a picture."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neuro4d._base import UnknownNameError, did_you_mean
from neuro4d.recorders import SampleRecord
from neuro4d.results import Run


def sampled(run: Run, record: str, key: str, how: str) -> tuple[np.ndarray, np.ndarray]:
    """The steps of a record and its rows, shape `(samples, k)`: the entry `key` where the record holds several by name.

    **Raises:** `KeyError` for a record or an entry that there is not, `TypeError` for another kind of record, `ValueError` for one without
    samples or with rows of another shape. Each names `how`, the recorder that works.
    """
    advice = f" Record it before the run: `record=({how},)`."
    if record not in run.records:
        raise UnknownNameError(f"no record named {record!r}.{did_you_mean(record, run.records)}{advice}")
    kept = run.records[record]
    if not isinstance(kept, SampleRecord):
        raise TypeError(f"record {record!r} is a {type(kept).__name__}, not one of `n4.Record`.{advice}")
    values: Any = kept.values
    if isinstance(values, Mapping):
        if key not in values:
            raise UnknownNameError(f"record {record!r} holds nothing of {key!r}.{did_you_mean(key, values)}{advice}")
        values = values[key]
    rows = np.asarray(values)
    if rows.ndim != 2:
        raise ValueError(f"record {record!r} should hold a row of numbers per sample; got shape {rows.shape}.{advice}")
    if len(rows) == 0:
        raise ValueError(f"record {record!r} holds no sample: the run of {run.n_steps * run.dt_ms:g} ms is shorter than its interval.")
    return np.asarray(kept.steps), rows


LIVING = 'n4.Record(lambda state, spikes: state.alive, every=10*u.ms, name="alive")'
"""The recorder of who is alive."""


def living(run: Run, record: str, pop: str) -> tuple[np.ndarray, np.ndarray]:
    """The steps of a record of who is alive, and booleans `(samples, n)`. Raises as `sampled`, and `ValueError` for another number of neurons."""
    steps, rows = sampled(run, record, pop, LIVING)
    n = run.model.populations[pop].size
    if rows.shape[1] != n or rows.dtype != bool:
        raise ValueError(
            f"record {record!r} should hold a boolean for each of the {n} neurons of {pop!r}; got rows of {rows.shape[1]} of {rows.dtype}. "
            f"Record `{LIVING}`."
        )
    return steps, rows


def flips(run: Run, record: str, pops: Sequence[str], start_step: int, n_steps: int) -> np.ndarray:
    """Births and deaths in a window as ascending numbers `step * n + neuron`, with neurons of all populations numbered one after the other.

    `step` counts those of the window that have ended. Everybody is taken to live before; who does not at the beginning has a flip at step 0.
    Populations that the record does not hold live for ever.
    """
    sizes = [run.model.populations[pop].size for pop in pops]
    offsets, n = np.cumsum([0, *sizes[:-1]]), sum(sizes)
    kept = run.records.get(record)
    held = kept.values if isinstance(kept, SampleRecord) else None
    mortal = [pop for pop in pops if isinstance(held, Mapping) and pop in held] or pops[:1]
    found = [np.empty(0, np.int64)]
    for pop in mortal:
        steps, rows = living(run, record, pop)
        ended = steps + 1 - start_step
        # The last sample before the window says who lives when it begins, or else the first one of all.
        first, last = max(0, int(np.searchsorted(ended, 0, side="right")) - 1), int(np.searchsorted(ended, n_steps, side="right"))
        rows, ended = rows[first : max(last, first + 1)], np.maximum(ended[first : max(last, first + 1)], 0)
        ended[0] = 0
        sample, neuron = np.nonzero(rows ^ np.concatenate([np.ones((1, rows.shape[1]), bool), rows[:-1]]))
        found.append(ended[sample].astype(np.int64) * n + neuron + offsets[list(pops).index(pop)])
    return np.sort(np.concatenate(found))
