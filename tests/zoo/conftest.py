"""Reference results for the zoo."""

import json
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def nest_microcircuit():
    """Sizes, currents and rates of the microcircuit at a tenth of its size, in NEST."""
    path = Path(__file__).parents[1] / "oracle" / "data" / "microcircuit_0.1.json"
    return json.loads(path.read_text())
