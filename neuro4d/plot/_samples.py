"""What `n4.Record` kept, looked up for a picture."""

from collections.abc import Mapping
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
