"""A part of a network never needs more cores than the whole."""

import brainunit as u
import chip_cases
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro4d.hardware._packing import CapacityError
from neuro4d.hardware._partition import partition
from neuro4d.hardware._workload import Workload, layered


def smaller(work: Workload, seed: int, neurons: float, synapses: float) -> Workload:
    """Some of the neurons, at least one of each part, and some of the synapses between them."""
    rng = np.random.default_rng(seed)
    kept = rng.random(work.n) < neurons
    kept[[part.first for part in work.parts]] = True
    pieces = list(work.connections.pieces())
    pre, post = (np.concatenate([getattr(piece, end) for piece in pieces] or [np.zeros(0, int)]) for end in ("pre", "post"))
    these = kept[pre] & kept[post] & (rng.random(len(pre)) < synapses)
    number = np.cumsum(kept) - 1
    sizes = [int(kept[part.first : part.first + part.n].sum()) for part in work.parts]
    names = [part.name for part in work.parts]
    return layered(names, sizes, number[pre[these]], number[post[these]], np.asarray(work.spikes)[kept], dt=work.dt * u.second, steps=work.steps)


@given(chip_cases.networks, chip_cases.chips, st.integers(0, 99), st.sampled_from([0.5, 0.9, 1.0]), st.sampled_from([0.5, 0.9, 1.0]))
@settings(max_examples=40)
def test_a_smaller_network_never_needs_more_cores(work, chip, seed, neurons, synapses):
    try:
        whole = partition(work, chip).n_cores
    except CapacityError:
        return
    assert partition(smaller(work, seed, neurons, synapses), chip).n_cores <= whole
