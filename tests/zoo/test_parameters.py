"""The numbers of the zoo against those of the publications, without simulating."""

import math

import numpy as np
import pytest

import neuro4d as n4
from neuro4d.zoo import Background, current_for_psp
from neuro4d.zoo._brunel import external_rate
from neuro4d.zoo._potjans import EXTERNAL_INDEGREES, FULL_SIZES, POPULATIONS, scaled

INDEGREES = (  # Q / N_target, rounded to one decimal; rows are targets
    (2199.9, 1079.3, 979.2, 467.6, 159.2, 0, 109.8, 0),
    (2990.0, 860.3, 703.7, 289.7, 380.7, 0, 60.6, 0),
    (159.9, 34.5, 1117.2, 794.6, 32.6, 0.3, 667.3, 0),
    (1481.0, 16.9, 1813.0, 953.3, 16.0, 0, 1608.1, 0),
    (2188.4, 374.7, 1135.6, 31.3, 420.8, 496.5, 296.7, 0),
    (1165.7, 159.1, 570.6, 12.1, 300.1, 404.2, 124.3, 0),
    (325.2, 38.6, 467.4, 91.7, 285.7, 21.2, 581.6, 752.2),
    (766.9, 5.8, 74.6, 2.7, 136.2, 8.6, 979.8, 459.4),
)


def test_microcircuit_synapses():
    full = scaled(1.0)
    assert full.sizes.sum() == 77_169
    assert 298_880_968 <= full.synapses.sum() <= 298_880_970
    np.testing.assert_allclose(full.synapses / full.sizes[:, None], INDEGREES, atol=0.051)
    np.testing.assert_allclose(full.synapses.sum(0) / full.sizes, (4513.8, 5271.1, 3278, 6477.6, 2719.9, 2981.8, 2701.8, 4132.3), atol=0.06)


def test_microcircuit_weights():
    assert current_for_psp() == pytest.approx(585.390, abs=5e-4)
    full = scaled(1.0)
    assert full.external_weight == pytest.approx(87.81, abs=0.005)
    assert full.weights[0, 0] == pytest.approx(87.81, abs=0.005)
    assert full.weights[0, 2] == pytest.approx(175.6, abs=0.05)  # L4E to L23E
    assert full.weights[3, 5] == pytest.approx(-351.2, abs=0.05)
    assert (full.weights[:, 1::2] < 0).all() and (full.weights[:, ::2] > 0).all()
    np.testing.assert_array_equal(full.current, 0)


def test_microcircuit_psp_peak():
    # The closed form of the peak, evaluated on a fine grid: 0.15 mV for 87.81 pA.
    t = np.linspace(0, 20, 200_001)
    weight, tau_m, tau_s, c = scaled(1.0).external_weight, 10.0, 0.5, 250.0
    v = weight / c * tau_m * tau_s / (tau_m - tau_s) * (np.exp(-t / tau_m) - np.exp(-t / tau_s))
    assert v.max() == pytest.approx(0.15, rel=1e-6)


def test_microcircuit_direct_current():
    dc = scaled(1.0, background=Background.DC)
    np.testing.assert_allclose(dc.current, (561.97, 526.85, 737.59, 667.34, 702.47, 667.34, 1018.58, 737.59), atol=0.006)
    np.testing.assert_array_equal(dc.external_rates, 0)


def test_microcircuit_scaled_like_nest(nest_microcircuit):
    tenth = scaled(0.1)
    assert dict(zip(POPULATIONS, tenth.sizes.tolist())) == nest_microcircuit["neurons"]
    assert tenth.synapses.sum() == nest_microcircuit["synapses"]
    np.testing.assert_allclose(tenth.current, list(nest_microcircuit["current_pa"].values()), rtol=3e-5)
    np.testing.assert_allclose(tenth.external_rates, list(nest_microcircuit["poisson_hz"].values()))
    assert tenth.external_weight == pytest.approx(nest_microcircuit["psc_external_pa"], rel=2e-5)


def test_microcircuit_scaling_keeps_mean_and_variance():
    full, small = scaled(1.0), scaled(0.2, k_scale=0.25)
    rates = np.array((0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829))

    def moments(numbers):
        k = numbers.synapses / numbers.sizes[:, None]
        external = numbers.external_weight * numbers.external_rates
        mean = 5e-4 * ((numbers.weights * k) @ rates + external) + numbers.current
        return mean, (numbers.weights**2 * k) @ rates + numbers.external_weight * external

    for a, b in zip(moments(full), moments(small)):
        np.testing.assert_allclose(a, b, rtol=2e-3)


def test_microcircuit_scale_of_direct_current_is_not_applied_twice():
    full, half = (scaled(s, background=Background.DC) for s in (1.0, 0.5))
    k = full.synapses / full.sizes[:, None]
    rates = np.array((0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829))
    recurrent = 5e-4 * (1 - math.sqrt(0.5)) * (full.weights * k) @ rates
    np.testing.assert_allclose(half.current, full.current + recurrent, rtol=1e-5)


@pytest.mark.parametrize("bad", [0, -0.1, 1.5, float("nan"), float("inf")])
def test_microcircuit_bad_scale(bad):
    with pytest.raises(ValueError, match="scale"):
        n4.zoo.microcircuit(bad)
    with pytest.raises(ValueError, match="k_scale"):
        n4.zoo.microcircuit(0.1, k_scale=bad)


def test_microcircuit_too_small():
    with pytest.raises(ValueError, match="no neuron left"):
        n4.zoo.microcircuit(1e-4)


def test_microcircuit_background_is_not_a_string():
    with pytest.raises(TypeError, match=r"Background\.POISSON"):
        n4.zoo.microcircuit(0.1, background="poisson")


def test_thalamic_numbers():
    full = scaled(1.0)
    assert full.thalamic_size == 902
    expected = [-math.log1p(-c) * 902 * n for c, n in zip((0, 0, 0.0983, 0.0619, 0, 0, 0.0512, 0.0196), FULL_SIZES)]
    np.testing.assert_allclose(full.thalamic_synapses, expected, rtol=1e-5, atol=1)
    assert tuple(EXTERNAL_INDEGREES) == (1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100)


def test_brunel_external_rate():
    # 1,000 external synapses at eta times 10 Hz
    assert external_rate(1.0) == pytest.approx(10_000)
    assert external_rate(0.9) == pytest.approx(9_000)


def test_scale_keeps_in_degree():
    for scale in (0.5, 2.0):
        model = n4.zoo.cuba(scale).build(dt=0.1 * n4.zoo.get("cuba").dt / 0.1, seed=0)
        assert model.n_neurons == round(4000 * scale)
        assert model.n_synapses / model.n_neurons == pytest.approx(80, rel=0.02)


@pytest.mark.parametrize("make", [n4.zoo.cuba, n4.zoo.coba, n4.zoo.cobahh])
@pytest.mark.parametrize("bad", [0.01, 0, -1, float("nan"), float("inf")])
def test_bad_scale(make, bad):
    with pytest.raises(ValueError, match="scale"):
        make(bad)


def test_cobahh_mistakes():
    with pytest.raises(ValueError, match="strength"):
        n4.zoo.cobahh(strength=-1)
    with pytest.raises(ValueError, match="scale"):
        n4.zoo.cobahh(0.1, synapses=1000)


def test_brunel_mistakes():
    with pytest.raises(KeyError, match="regime"):
        n4.zoo.brunel("E")
    with pytest.raises(ValueError, match=r"scale=0\.1"):
        n4.zoo.brunel("C", 0.05)


def test_izhikevich_parameters_are_seeded():
    a, b, c = (n4.zoo.izhikevich2003(seed) for seed in (0, 0, 1))
    first, again, other = (np.asarray(net.build(dt=n4.zoo.get("izhikevich2003").dt, seed=0).neurons["exc"].c) for net in (a, b, c))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first >= -65).all() and (first <= -50).all()
