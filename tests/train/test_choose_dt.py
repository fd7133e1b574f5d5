"""The largest time step whose statistics agree with shorter ones."""

import brainunit as u
import pytest

import neuro4d as n4


def net(delay=1.0):
    lif = n4.LIF(tau=10 * u.ms, c=250 * u.pF, v_rest=0 * u.mV, v_th=20 * u.mV, v_reset=0 * u.mV, t_ref=2 * u.ms)
    cells = n4.Population("cells", 200, lif, {"in": n4.Delta()}, v0=n4.Uniform(0 * u.mV, 20 * u.mV))
    noise = n4.Poisson("noise", cells, "in", rate=6 * u.kHz, weight=0.3 * u.mV)
    back = n4.Projection("back", cells, cells, "in", n4.FixedInDegree(20), weight=-0.3 * u.mV, delay=delay * u.ms)
    return n4.Network(cells, noise, back)


@pytest.mark.full
def test_steps_that_are_too_long_are_told_apart():
    """In steps of 1 ms three jumps and more arrive at once, and the rate is a quarter higher."""
    given = {"duration": 500 * u.ms, "discard": 100 * u.ms, "trials": 4}
    choice = n4.train.choose_dt(net(), 0.1, steps=[1, 0.1, 0.05] * u.ms, **given)
    assert float(choice.dt.to_decimal(u.ms)) == pytest.approx(0.1)
    assert [row.agrees for row in choice.table] == [False, True, True]
    assert choice.table[0].mean["cells"] > 1.15 * choice.table[2].mean["cells"]
    assert "0.1 ms" in repr(choice) and "no" in choice._repr_html_()
    with pytest.raises(ValueError, match="no step agrees with the shortest"):
        n4.train.choose_dt(net(), 0.05, steps=[1, 0.05] * u.ms, **given)


@pytest.mark.slow
def test_what_a_step_cannot_represent_is_said():
    def build(dt):
        return net(0.5).build(dt=dt, seed=0)

    rate = n4.train.Rate("cells", 200 * u.ms)
    choice = n4.train.choose_dt(build, 5 * u.Hz, steps=[0.2, 0.1, 0.05] * u.ms, statistics={"rate": rate}, trials=4)
    assert choice.table[0].agrees is None and "multiple of dt" in choice.table[0].refused
    assert float(choice.dt.to_decimal(u.ms)) == pytest.approx(0.1)


def test_what_is_refused():
    with pytest.raises(ValueError, match="two steps or more"):
        n4.train.choose_dt(net(), steps=[0.1] * u.ms)
    with pytest.raises(n4.UnitError, match="steps"):
        n4.train.choose_dt(net(), steps=[0.1, 0.2])
    with pytest.raises(TypeError, match="a network, or a function"):
        n4.train.choose_dt(3)
    with pytest.raises(TypeError, match="has to give a model"):
        n4.train.choose_dt(lambda dt: dt)
    with pytest.raises(ValueError, match="choose_dt: confidence"):
        n4.train.choose_dt(net(), confidence=95, steps=[0.1, 0.05] * u.ms)
    with pytest.raises(ValueError, match="choose_dt: a tolerance for 'cell', which is no statistic"):
        n4.train.choose_dt(net(), {"cell": 0.1}, steps=[0.1, 0.05] * u.ms)
    with pytest.raises(TypeError, match="statistics have names"):
        n4.train.choose_dt(net(), statistics=[1], steps=[0.1, 0.05] * u.ms)
