"""Memory for large arrays."""

import jax
import numpy as np
import pytest

from neuro4d.kernels import huge_empty


@pytest.mark.parametrize("shape", [(), 3, (5, 7), (0, 4), (3, 1 << 20)])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_shape_alignment_and_content(shape, dtype):
    x = huge_empty(shape, dtype)
    assert x.shape == np.empty(shape).shape and x.dtype == dtype and x.flags.c_contiguous and x.flags.writeable
    assert x.ctypes.data % 64 == 0 or x.size == 0
    x[...] = 1
    assert x.sum() == x.size


@pytest.mark.parametrize("n", [16, 1 << 21])
def test_device_put_shares_the_memory(n):
    x = huge_empty(n, np.float32)
    x[:] = 2
    y = jax.device_put(x, jax.devices("cpu")[0])
    assert y.unsafe_buffer_pointer() == x.ctypes.data
    del x
    assert float(y.sum()) == 2 * n
