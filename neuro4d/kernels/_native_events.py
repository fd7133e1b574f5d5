"""Steps and neurons of recorded bits, by a plain call of the extension, on the host. Ask `native_available()` first."""

import numpy as np
from jaxtyping import Int32, Int64, UInt32

from neuro4d.kernels._native_load import module


def events_native(words: UInt32[np.ndarray, "steps words"], start: int, n: int, begin: int) -> tuple[Int64[np.ndarray, " spikes"], Int32[np.ndarray, " spikes"]]:
    """The spikes of neurons `start` to `start + n - 1` of a group, ordered by step and then by neuron. Other threads go on meanwhile.

    **Arguments:** `begin`: the step of the first row. Rows may lie apart, and bits of other neurons are passed over.

    **Returns:** the step of each spike, and its neuron, counted from `start`.

    **Raises:** `ValueError` for words that do not hold all neurons.
    """
    dense = words.strides[1] == words.itemsize
    return module().events(words if dense else np.ascontiguousarray(words), start, n, begin)
