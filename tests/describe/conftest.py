"""Models that the files of this folder share: building takes most of their time."""

import brainunit as u
import pytest
from describe.rich import changed, rich


@pytest.fixture(scope="session")
def rich_model():
    return rich().build(dt=0.1 * u.ms, seed=1)


@pytest.fixture(scope="session")
def changed_model(rich_model):
    return changed(rich_model)
