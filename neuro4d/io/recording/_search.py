"""Where a step begins among the events on disk."""

import numpy as np

from neuro4d.io.recording._arrays import CHUNK, Columns


def first_event(columns: Columns, events: int, step: int) -> int:
    """The number of events before a step. Steps ascend, so a logarithm of the chunks is read."""
    low, high = 0, -(-events // CHUNK)  # the chunks before `low` begin before the step, those from `high` on do not
    while low < high:
        middle = (low + high) // 2
        begin = middle * CHUNK
        if columns.read("step", begin, begin + 1)[0] < step:
            low = middle + 1
        else:
            high = middle
    begin = max(0, low - 1) * CHUNK
    return begin + int(np.searchsorted(columns.read("step", begin, min(begin + CHUNK, events)), step))
