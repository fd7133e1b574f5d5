"""The tool that puts a gradient next to the measured slope, and the differences that it measures with."""

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.train._estimate import AbstractGradient, Estimate
from neuro4d.train._parameters import scales
from neuro4d.train._tune_places import levers

KEY = jr.key(0)
THRESHOLD = {"threshold": lambda m: m.neurons["cells"].v_th}
RATE = n4.train.Rate("cells", 500 * u.ms)
TRUTH = 1e3 * -1 / (20 * np.log(2)) ** 2 * 20 / 10
"""Hz/mV of a neuron with time constant 20 ms that is driven 20 mV above rest, with a threshold and reset of 10 and 0 mV:
$r = 1 / (\\tau \\ln\\frac{20}{20 - \\theta})$, so $dr/d\\theta = -r^2 \\tau / (20 - \\theta)$."""


@pytest.fixture(scope="module")
def clocks():
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    cells = n4.Population("cells", 30, lif, {"exc": n4.ExpCurrent(tau=5 * u.ms)}, v0=n4.Uniform(-60 * u.mV, -50 * u.mV))
    silent = n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.2), weight=0 * u.pA)
    return n4.Network(cells, silent, n4.Clamp("drive", cells, 200 * u.pA)).build(dt=0.1 * u.ms, seed=0)


class Says(AbstractGradient):
    """A gradient that says a number."""

    slope: float
    error: float = 0.1

    def estimate(self, model, where, statistic, key):
        return Estimate(1.0, {"threshold": jnp.asarray(self.slope)}, {"threshold": jnp.asarray(self.error)}, 1)


@pytest.fixture(scope="module")
def measured(clocks):
    return n4.train.check_gradient(clocks, THRESHOLD, RATE, gradient=Says(TRUTH), key=KEY, trials=8).measured


@pytest.mark.parametrize(
    ("slope", "verdict", "sign"),
    [
        (TRUTH, "agrees", True),
        (100 * TRUTH, "right sign", True),
        (TRUTH / 4, "right sign", True),
        (-TRUTH, "wrong sign", False),
        (0.0, "blind", False),
        (np.inf, "not finite", False),
    ],
)
def test_verdicts(clocks, measured, slope, verdict, sign):
    gradient = Says(slope)
    estimate = gradient.estimate(clocks, THRESHOLD, RATE, KEY)
    row = n4.train.compared(clocks, THRESHOLD, gradient, estimate, measured, u.Hz)["threshold"]
    assert row.measured == pytest.approx(TRUTH, rel=0.03)
    assert row.verdict.startswith(verdict)
    assert row.sign is sign
    assert row.known
    assert row.unit == "mV"


def test_the_measured_slope_is_that_of_the_formula_and_the_table_says_so(clocks, measured):
    found = n4.train.compared(
        clocks, THRESHOLD, Says(3 * TRUTH), Estimate(72.0, {"threshold": jnp.asarray(3 * TRUTH)}, None, 1), measured, u.Hz
    )
    assert abs(float(measured.gradient["threshold"]) - TRUTH) < 0.03 * abs(TRUTH)
    assert not found.agrees
    text = str(found)
    assert "Hz/mV" in text and "times too large" in text and "threshold" in text
    assert found._repr_html_().count("<tr>") == 2
    with pytest.raises(KeyError, match="threshold"):
        found["tau"]


@pytest.mark.slow
def test_nobody_chooses_so_differences_are_taken_and_it_is_said(clocks):
    found = n4.train.check_gradient(clocks, THRESHOLD, RATE, key=KEY, trials=8)
    assert isinstance(found.gradient, n4.train.Differences)
    assert "1 number" in str(found)
    assert found.agrees


def test_few_numbers_are_differences_and_many_eligibility(clocks):
    assert isinstance(n4.train.recommended(clocks, n4.Weights("e")).gradient, n4.train.Differences)  # one weight, though many synapses
    many = n4.set(clocks, n4.Weights("e"), np.linspace(0, 1, len(clocks.edges("e"))) * u.pA)
    chosen = n4.train.recommended(many, n4.Weights("e"))
    assert isinstance(chosen.gradient, n4.train.EProp)
    assert "check_gradient" in chosen.because


def test_what_is_recommended_gives_each_of_its_numbers_a_slope():
    """Twelve different numbers: more than `Differences` moves one by one by default."""
    cells = n4.Population("cells", 12, n4.LI(tau=20 * u.ms), {"in": n4.PulseCurrent()})
    model = n4.Network(cells, n4.Clamp("drive", cells, np.arange(1.0, 13.0) * u.pA)).build(dt=0.1 * u.ms, seed=0)
    chosen = n4.train.recommended(model, lambda m: m.sources["drive"].amplitude)
    assert isinstance(chosen.gradient, n4.train.Differences) and chosen.because.startswith("12 numbers")
    found = chosen.gradient.estimate(model, n4.train.places(lambda m: m.sources["drive"].amplitude), Amplitude(), KEY)
    assert found.together == () and found.gradient["parameter"].shape == (12,)


def test_equal_numbers_count_as_often_as_they_are_moved():
    """Up to 16 of a place have a slope each; more that are equal are one."""
    for n, number in ((12, 12), (20, 1)):
        cells = n4.Population("cells", n, n4.LI(tau=20 * u.ms), {"in": n4.PulseCurrent()})
        model = n4.Network(cells, n4.Clamp("drive", cells, np.full(n, 5.0) * u.pA)).build(dt=0.1 * u.ms, seed=0)
        chosen = n4.train.recommended(model, lambda m: m.sources["drive"].amplitude)
        assert chosen.because.startswith(f"{number} number")
        found = chosen.gradient.estimate(model, n4.train.places(lambda m: m.sources["drive"].amplitude), Amplitude(), KEY)
        assert found.gradient["parameter"].size == number


class Amplitude(n4.train.AbstractStatistic):
    """The largest current of a model, a statistic that needs no run; `batches`: how many were measured together."""

    batches: list = eqx.field(static=True, default_factory=list)

    @property
    def unit(self):
        return None

    def __call__(self, model, key):
        raise NotImplementedError

    def measure(self, models, keys):
        assert len(models) == len(keys)
        self.batches.append(len(models))
        return np.array([float(np.max(model.sources["drive"].amplitude)) for model in models])


def driven():
    cells = n4.Population("cells", 2, n4.LI(tau=20 * u.ms), {"in": n4.PulseCurrent()})
    return n4.Network(cells, n4.Clamp("drive", cells, 1000 * u.pA)).build(dt=0.1 * u.ms, seed=0)


def test_a_batch_never_has_more_runs_than_lanes():
    statistic, places = Amplitude(), n4.train.places(lambda m: m.sources["drive"].amplitude)
    found = n4.train.Differences(10, 0.01, lanes=7).estimate(driven(), places, statistic, KEY)
    assert statistic.batches == [6, 6, 6, 2] and found.trials == 20
    assert float(found.gradient["parameter"]) == pytest.approx(1, rel=1e-6)


def test_two_names_for_one_number_have_one_slope():
    places = n4.train.places({name: lambda m: m.sources["drive"].amplitude for name in ("one", "other")})
    found = n4.train.Differences(2, 0.01).estimate(driven(), places, Amplitude(), KEY)
    assert [float(found.gradient[name]) for name in places] == pytest.approx([1, 1], rel=1e-6)


def test_weights_in_mv_are_jumps_and_no_levels():
    """A jump of 0.1 mV is moved by a share of itself; a share of 20 mV, as for a potential, would be several jumps."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    cells = n4.Population("cells", 3, lif, {"in": n4.Delta()})
    ring = n4.Projection("e", cells, cells, "in", n4.AllToAll(), weight=0.1 * u.mV)
    model = n4.Network(cells, ring).build(dt=0.1 * u.ms, seed=0)
    places = {"e": n4.Weights("e"), "leaf": lambda m: next(iter(m.pathways.values())).weight, "v_th": lambda m: m.neurons["cells"].v_th}
    assert scales(model, places) == pytest.approx({"e": 0.1, "leaf": 0.1, "v_th": 20})
    assert [lever.multiplies for lever in levers(model, places, None)] == [True, True, False]


def test_the_quotient_divides_by_the_distance_that_is_written():
    """At 1000 a float32 keeps steps of 6e-5: h of 1e-4 becomes 1.2e-4 on a side."""
    places = n4.train.places(lambda m: m.sources["drive"].amplitude)
    found = n4.train.Differences(2, {"parameter": 1e-4}).estimate(driven(), places, Amplitude(), KEY)
    assert float(found.gradient["parameter"]) == pytest.approx(1, rel=1e-6)
    with pytest.raises(ValueError, match="rounded to float32"):
        n4.train.Differences(2, {"parameter": 1e-6}).estimate(driven(), places, Amplitude(), KEY)


def test_a_step_is_a_share_or_a_mapping_in_the_unit_of_the_place():
    for step in (0.2 * u.mV, np.array([0.1, 0.2]), True, "a"):
        with pytest.raises(TypeError, match="mapping"):
            n4.train.Differences(step=step)
    with pytest.raises(ValueError, match="2"):
        n4.train.Differences(lanes=1)
    places = n4.train.places({"drive": lambda m: m.sources["drive"].amplitude})
    with pytest.raises(n4.UnitError, match="bare number, for example `5`"):
        n4.train.Differences(step={"drive": 5 * u.pA}).estimate(driven(), places, Amplitude(), KEY)
    with pytest.raises(TypeError, match="one number"):
        n4.train.Differences(step={"drive": np.ones(2)}).estimate(driven(), places, Amplitude(), KEY)


@pytest.mark.slow
def test_differences_keep_the_shape_or_say_that_they_did_not(clocks):
    each = n4.set(clocks, THRESHOLD["threshold"], np.full(30, -50.0) * u.mV)
    places = n4.train.places(THRESHOLD | {"drive": lambda m: m.sources["drive"].amplitude})
    together = n4.train.Differences(4, 0.02).estimate(each, places, RATE, KEY)
    assert together.together == ("threshold",)
    assert together.gradient["threshold"].shape == ()
    assert float(together.gradient["threshold"]) == pytest.approx(TRUTH, rel=0.05)
    assert together.gradient["drive"].shape == ()
    assert together.trials == 16
    few = n4.train.Differences(4, {"threshold": 0.5 * u.mV}, entries=30, lanes=16).estimate(each, n4.train.places(THRESHOLD), RATE, KEY)
    assert few.together == ()
    assert few.gradient["threshold"].shape == (30,)
    assert float(few.gradient["threshold"].sum()) == pytest.approx(TRUTH, rel=0.05)


def test_steps_grow_until_the_noise_is_small_and_stop_where_it_bends():
    """A statistic with a slope of 1 at 0.5 and noise of 0.1: a step of 1 % has an error of 0.6, one of 16 % of 0.05."""

    class Noisy(n4.train.AbstractStatistic):
        bend: float

        @property
        def unit(self):
            return None

        def __call__(self, model, key):
            raise NotImplementedError

        def measure(self, models, keys):
            x = np.array([float(model.sources["drive"].amplitude) for model in models]) / 100
            noise = np.random.default_rng(int(1e6 * np.sum(x))).standard_normal(len(x))
            return x - 1 + self.bend * (x - 1) ** 3 + 0.002 * noise

    cells = n4.Population("cells", 2, n4.LI(tau=20 * u.ms), {"in": n4.PulseCurrent()})
    model = n4.Network(cells, n4.Clamp("drive", cells, 100 * u.pA)).build(dt=0.1 * u.ms, seed=0)
    places = n4.train.places({"drive": lambda m: m.sources["drive"].amplitude})
    straight = n4.train.Differences(8, tolerance=0.02).estimate(model, places, Noisy(0.0), KEY)
    assert float(straight.gradient["drive"]) == pytest.approx(0.01, rel=0.08)
    assert straight.trials >= 3 * 16  # the step of 1 %, whose error is 5 %, was not enough
    bent = n4.train.Differences(8, tolerance=1e-3, most=8).estimate(model, places, Noisy(100.0), KEY)
    assert float(bent.gradient["drive"]) == pytest.approx(0.01, rel=0.3)  # a step of 16 % would say 0.0356


def test_what_cannot_be_done_is_said(clocks):
    with pytest.raises(ValueError, match="2 or more"):
        n4.train.Differences(1)
    with pytest.raises(ValueError, match="share of the number"):
        n4.train.Differences(step=2.0)
    with pytest.raises(ValueError, match="no entry for 'threshold'"):
        n4.train.Differences(step={"tau": 1 * u.ms}).estimate(clocks, n4.train.places(THRESHOLD), RATE, KEY)
    with pytest.raises(n4.UnitError):
        n4.train.Differences(step={"threshold": 1 * u.ms}).estimate(clocks, n4.train.places(THRESHOLD), RATE, KEY)
    with pytest.raises(ValueError, match="all 0"):
        n4.train.Differences().estimate(clocks, n4.train.places(n4.Weights("e")), RATE, KEY)
    with pytest.raises(ValueError, match="third argument"):
        n4.train.check_gradient(clocks, THRESHOLD, lambda model, key: 1.0, gradient=n4.train.Surrogate(), key=KEY, trials=2)
