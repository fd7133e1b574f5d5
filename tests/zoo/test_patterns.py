"""The published firing patterns: what characterises each, and the spikes that the published programs give, in double precision.

The spikes of Izhikevich's patterns are those of the published program, written out in plain numbers (`published`).
"""

import functools

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.neurons._izhikevich import PRESETS
from neuro4d.zoo._patterns import ADEX, CASES

pytestmark = pytest.mark.usefixtures("x64")
PARAMETERS = {row[0]: row[1:] for row in PRESETS}


@functools.cache
def spikes(entry):
    model = entry.network().build(dt=entry.dt, seed=0, precision=jnp.float64)
    table = n4.simulate(model, model.init(jr.key(0)), entry.duration, progress=False).spikes("cell")
    return (np.asarray(table.step) + 1) * entry.dt_ms


def izhikevich(name):
    return spikes(n4.zoo.izhikevich_pattern(name))


def adex(name):
    return spikes(n4.zoo.adex_pattern(name))


def bursts(times, gap):
    """Numbers of spikes between intervals longer than `gap` ms."""
    return [len(x) for x in np.split(times, np.flatnonzero(np.diff(times) > gap) + 1)]


def published(case):
    """The loop of the published program: v, then u with the new v, then the reset."""
    a, b, c, d = PARAMETERS[case.preset]
    linear = case.name in ("class-1", "integrator")
    v, w = case.v0, b * case.v0 if case.u0 is None else case.u0
    found = []
    for k, current in enumerate(case.current(np.round(np.arange(round(case.duration / case.dt)) * case.dt, 9))):
        v = v + case.dt * (0.04 * v * v + (4.1 if linear else 5.0) * v + (108.0 if linear else 140.0) - w + current)
        w = w + case.dt * (a * b * (v + 65) if case.name == "accommodation" else a * (b * v - w))
        if v > 30:
            found.append((k + 1) * case.dt)
            v, w = c, w + d
    return np.array(found)


COUNTS = {
    "RS": 7, "IB": 8, "CH": 16, "FS": 20, "LTS": 15, "TC": 6, "TC-rebound": 6, "RZ": 4,
    "tonic-spiking": 5, "phasic-spiking": 1, "tonic-bursting": 28, "phasic-bursting": 6, "mixed-mode": 6, "frequency-adaptation": 6,
    "class-1": 10, "class-2": 14, "spike-latency": 1, "subthreshold-oscillations": 1, "resonator": 1, "integrator": 1, "rebound-spike": 1,
    "rebound-burst": 7, "threshold-variability": 1, "bistability": 5, "depolarizing-after-potential": 1, "accommodation": 1,
    "inhibition-induced-spiking": 3, "inhibition-induced-bursting": 12,
    "tonic": 51, "adaptation": 10, "initial-burst": 10, "regular-bursting": 9, "delayed-accelerating": 36, "delayed-regular-bursting": 26,
    "transient": 1, "irregular": 27,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_spikes_are_those_of_the_published_program(case):
    got, want = izhikevich(case.name), published(case)
    assert len(got) == COUNTS[case.name]
    # A step at a peak amplifies rounding through u; patterns of many spikes may move by a step.
    np.testing.assert_allclose(got, want, rtol=0, atol=1.01 * case.dt)


def test_regular_spiking_adapts_and_fast_spiking_does_not():
    rs, fs, lts = np.diff(izhikevich("RS")), np.diff(izhikevich("FS")), np.diff(izhikevich("LTS"))
    assert rs[0] < 0.2 * rs[-1] and rs[-1] > 30  # slow
    assert fs[1:].max() < 1.5 * fs[1:].min() and fs[1:].mean() < 10  # fast, even
    assert lts[0] < 0.5 * lts[-1] and lts[-1] < 0.5 * rs[-1]  # adapts, faster than RS


def test_intrinsically_bursting_and_chattering():
    assert bursts(izhikevich("IB"), 15) == [3, 1, 1, 1, 1, 1]
    groups = bursts(izhikevich("CH"), 15)
    assert len(groups) == 4 and min(groups[:-1]) >= 4


def test_thalamo_cortical_has_two_modes():
    tonic, burst = np.diff(izhikevich("TC")), np.diff(izhikevich("TC-rebound"))
    assert tonic[-3:].min() > 25  # single spikes
    assert burst[0] < 6 and izhikevich("TC-rebound")[-1] < 60  # high frequency, then silence


def test_resonator_type_is_switched_on():
    times = izhikevich("RZ")
    assert times[0] > 50 and np.ptp(np.diff(times)) < 2


def test_tonic_and_phasic():
    tonic, phasic = izhikevich("tonic-spiking"), izhikevich("phasic-spiking")
    assert tonic[-1] > 80 and np.ptp(np.diff(tonic)[-2:]) < 1
    assert 20 < phasic[0] < 60 and len(phasic) == 1  # none in the last 150 ms of the input
    groups = bursts(izhikevich("tonic-bursting"), 20)
    assert groups == [10, 6, 6, 6]
    phasic = izhikevich("phasic-bursting")
    assert bursts(phasic, 20) == [6] and phasic[-1] < 70
    assert bursts(izhikevich("mixed-mode"), 20) == [3, 1, 1, 1]


def test_frequency_adaptation():
    intervals = np.diff(izhikevich("frequency-adaptation"))
    assert (np.diff(intervals) > 0).all() and intervals[-1] > 10 * intervals[0]


def test_excitability_of_class_1_and_class_2():
    first = {name: np.diff(izhikevich(name)) for name in ("class-1", "class-2")}
    assert (np.diff(first["class-1"]) < 0).all() and first["class-1"][0] > 2.5 * first["class-1"][-1]  # from low rates on
    assert first["class-2"][0] < 25 and first["class-2"][0] < 2 * first["class-2"][-1]  # begins at 50 Hz


def test_latency():
    (time,) = izhikevich("spike-latency")
    assert time - 13 > 10  # after the end of the pulse


def test_subthreshold_oscillations():
    entry = n4.zoo.izhikevich_pattern("subthreshold-oscillations")
    v = np.asarray(entry.run(record=n4.Trace("cell", "v"), progress=False).records["cell.v"].values)[:, 0]
    after = v[round(60 / 0.25) :]
    turns = np.flatnonzero(np.diff(np.sign(np.diff(after))) != 0)
    heights = np.abs(after[turns + 1] - after[-1])
    assert len(izhikevich("subthreshold-oscillations")) == 1 and len(turns) >= 4 and (np.diff(heights[:4]) < 0).all()


def test_resonator_and_integrator():
    assert 320 < izhikevich("resonator")[0] < 360  # for pulses 40 ms apart, not 20
    assert izhikevich("integrator")[0] < 30  # for pulses 5 ms apart, not 10


def test_rebound():
    (time,) = izhikevich("rebound-spike")
    burst = izhikevich("rebound-burst")
    assert time > 25 and burst[0] > 25 and np.diff(burst).max() < 7


def test_threshold_variability_and_accommodation():
    (time,) = izhikevich("threshold-variability")
    assert time > 80  # the same pulse at 10 ms was too weak
    (time,) = izhikevich("accommodation")
    assert 300 < time < 313  # at 4 pA on the steep ramp; the slow one went to 8


def test_bistability():
    times = izhikevich("bistability")
    assert 37.5 < times[0] and times[-1] < 221 and np.ptp(np.diff(times)) < 1


def test_depolarizing_after_potential():
    entry = n4.zoo.izhikevich_pattern("depolarizing-after-potential")
    v = np.asarray(entry.run(record=n4.Trace("cell", "v"), progress=False).records["cell.v"].values)[:, 0]
    after = v[round(izhikevich("depolarizing-after-potential")[0] / 0.1) :]
    assert after.max() > -60 + 5 and abs(after[-1] + 70) < 0.1  # above the reset, then back to rest


def test_inhibition_excites():
    for name, groups in (("inhibition-induced-spiking", 3), ("inhibition-induced-bursting", 2)):
        times = izhikevich(name)
        assert times[0] > 50 and times[-1] < 251 and len(bursts(times, 20)) == groups


@pytest.mark.parametrize("name", [row[0] for row in ADEX])
def test_counts_of_naud(name):
    assert len(adex(name)) == COUNTS[name]


def test_patterns_of_naud():
    intervals = {name: np.diff(adex(name)) for name, *_ in ADEX}
    assert np.ptp(intervals["tonic"][10:]) < 0.11
    assert (np.diff(intervals["adaptation"])[:-2] > 0).all() and intervals["adaptation"][-1] > 5 * intervals["adaptation"][0]
    assert bursts(adex("initial-burst"), 20) == [3] + 7 * [1] and np.ptp(intervals["initial-burst"][3:]) < 0.3
    assert bursts(adex("regular-bursting"), 20) == [3, 2, 2, 2]
    assert adex("delayed-accelerating")[0] > 30 and (np.diff(intervals["delayed-accelerating"]) < 0.11).all()
    assert intervals["delayed-accelerating"][-1] < 0.6 * intervals["delayed-accelerating"][0]
    assert adex("delayed-regular-bursting")[0] > 50 and bursts(adex("delayed-regular-bursting"), 20) == 6 * [4] + [2]
    assert adex("transient")[-1] < 50
    late = intervals["irregular"][4:]
    assert late.max() > 4 * late.min() and len(np.unique(late.round(1))) > 12  # a constant current


def test_a_wrong_name_lists_the_names():
    with pytest.raises(KeyError, match=r"There are: RS, .*, tonic-spiking, .*bursting"):
        n4.zoo.izhikevich_pattern("spiking")
    with pytest.raises(KeyError, match=r"There are: tonic, adaptation"):
        n4.zoo.adex_pattern("regular")


def test_every_pattern_has_its_preset():
    assert {case.preset for case in CASES} == set(PARAMETERS)
    for name in PARAMETERS:
        assert isinstance(n4.Izhikevich.preset(name), n4.Izhikevich)
