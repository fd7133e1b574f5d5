"""The network of these tests, built once, and what an uninterrupted run of it leaves."""

import brainunit as u
import numpy as np
import pytest
from checkpoint.kept_runs import build, digest, run


@pytest.fixture(scope="session")
def model():
    return build()


@pytest.fixture(scope="session")
def whole(model):
    result = run(model)
    assert min(len(result.spikes("a")), len(result.spikes("b"))) > 5
    moved = np.asarray(model.weights("aa", result.state).to_decimal(u.pA)) - np.asarray(model.weights("aa").to_decimal(u.pA))
    assert np.count_nonzero(moved) > 5, "weights that stay test nothing"
    return digest(result)
