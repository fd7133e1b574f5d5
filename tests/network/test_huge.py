"""A network with more synapses than a 32-bit number can count.

Takes 5 GB and two minutes on two cores: `pytest -m full tests/network/test_huge.py`.
"""

import brainunit as u
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.kernels import native_available

N, K = 50_000, 44_000
LAST = np.arange(N) >= N - 3


def network():
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=5 * u.ms)
    cells = n4.Population("cells", N, lif, {"in": n4.ExpCurrent(tau=5 * u.ms)})
    all_to_most = n4.Projection("all", cells, cells, "in", n4.FixedOutDegree(K), weight=1 * u.pA, delay=0.3 * u.ms)
    return n4.Network(cells, all_to_most, n4.Clamp("push", cells, np.where(LAST, 5000.0, 0.0) * u.pA))


def test_plain_xla_refuses_what_it_cannot_address():
    with pytest.raises(ValueError, match=r"2,200,000,000 synapses; plain XLA addresses at most 2,147,483,647"):
        network().build(dt=0.1 * u.ms, seed=0, backend=n4.Backend.REFERENCE)


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.skipif(not native_available(), reason="the CPU handlers are not built")
def test_rows_beyond_two_to_the_31_are_delivered():
    """The last three neurons fire in the same step; their rows lie at the end of the table. Every one of their synapses counts."""
    model = network().build(dt=0.1 * u.ms, seed=0)
    assert model.n_synapses == N * K > 2**31
    run = n4.simulate(model, model.init(jr.key(0)), 2 * u.ms, [n4.Spikes(), n4.Trace("cells", "in.i")], progress=False)
    first = run.spikes("cells").ids[:3]
    assert sorted(int(i) for i in first) == [N - 3, N - 2, N - 1]
    arrived = np.asarray(run.trace("cells.in.i").values.to_decimal(u.pA))
    step = int(np.flatnonzero(arrived.any(axis=1))[0])
    np.testing.assert_array_equal(arrived[step], arrived[step].astype(int))
    assert arrived[step].sum() == 3 * K
    assert (arrived[step] == 0).mean() < 0.08  # targets are drawn with repetition: exp(-3 K / N) = 0.071 hear none of the three
