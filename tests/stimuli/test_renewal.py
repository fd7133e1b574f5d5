"""Neurons with gamma intervals: the law of first, second and later spikes. A right program fails a chi-squared test with a probability of 1e-5,
a claim of five standard errors with one below 6e-7; the seeds are fixed."""

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import same, same_spikes
from scipy import special, stats

import neuro4d as n4
from neuro4d.neurons._gamma import _gamma

FALSE_ALARM = 1e-5
N, T, DT = 2500, 6000, 0.1
RATE = 0.1  # kHz
CASES = {"a": (True, 0.5, 0.0), "b": (True, 1.0, 2.0), "c": (False, 4.0, 0.0), "d": (False, 1.0, 2.0)}
"""Stationary or ordinary, shape, dead time."""
MANY = {"a": 11, "b": 31, "c": 31, "d": 31}
"""The spikes of each neuron that count: a number that all have by the end, since to count by time would favour short intervals."""
ENDS = (2.0, 10.0, 100.0)


def populations(cases=CASES, n=N):
    kind = lambda start, shape, dead: n4.GammaNeuron(rate=RATE * u.kHz, shape=shape, t_ref=dead * u.ms, stationary=start)  # noqa: E731
    return [n4.Population(name, n, kind(*cases[name])) for name in cases]


@pytest.fixture(scope="module")
def trains():
    """The first spike times (ms) of each neuron, and the counts up to some times, of each case."""
    model = n4.Network(*populations()).build(dt=DT * u.ms, seed=0)
    run = n4.simulate(model, model.init(jr.key(0)), T * DT * u.ms, chunk=T)
    found = {}
    for name in CASES:
        table = run.spikes(name)
        order = np.lexsort((table.step, table.id))
        ids, times = np.asarray(table.id)[order], (np.asarray(table.step)[order] + 1) * DT
        assert np.bincount(ids, minlength=N).min() >= MANY[name]
        first = times[np.searchsorted(ids, np.arange(N))[:, None] + np.arange(MANY[name])]
        found[name] = first, [np.bincount(ids[times <= end + 1e-6], minlength=N) for end in ENDS]
    return found


def check_law(times, distribution):
    """Times on the grid against a distribution function in continuous time: a spike is stamped at the end of its step."""
    edges = np.quantile(times, np.linspace(0, 1, 31)[1:-1])
    edges = np.unique(np.round(edges / DT)) * DT
    seen = np.bincount(np.searchsorted(edges + DT / 2, times), minlength=len(edges) + 1)
    expected = np.diff(distribution(edges), prepend=0, append=1) * len(times)
    assert stats.chisquare(seen, expected).pvalue > FALSE_ALARM


def interval(shape, dead, n=1):
    """The distribution function of the sum of `n` intervals."""
    scale = (1 / RATE - dead) / shape
    return lambda t: special.gammainc(n * shape, np.maximum(t - n * dead, 0) / scale)


def residual(shape, dead):
    """That of the time from any moment to the next spike: the integral of 1 - F over t, times the rate."""
    scale = (1 / RATE - dead) / shape

    def distribution(t):
        y = np.maximum(t - dead, 0) / scale
        tail = y * special.gammaincc(shape, y) + shape * special.gammainc(shape + 1, y)
        return RATE * (np.minimum(t, dead) + scale * tail)

    return distribution


@pytest.mark.parametrize("case", ["c", "d"])
def test_an_ordinary_train_begins_with_a_spike_at_zero(trains, case):
    first, _ = trains[case]
    check_law(first[:, 0], interval(*CASES[case][1:]))
    check_law(first[:, 3], interval(*CASES[case][1:], 4))


@pytest.mark.parametrize("case", ["a", "b"])
def test_a_stationary_train_has_its_rate_from_the_first_moment(trains, case):
    first, counts = trains[case]
    check_law(first[:, 0], residual(*CASES[case][1:]))
    for end, count in zip(ENDS, counts, strict=True):  # exact for any window, which no other start would give
        assert abs(count.mean() - RATE * end) < 5 * np.sqrt(count.var() / N), end


@pytest.mark.parametrize("case", CASES)
def test_intervals_have_the_mean_and_the_cv_of_the_formula(trains, case):
    _, shape, dead = CASES[case]
    intervals = np.diff(trains[case][0], axis=1)
    mean, cv = 1 / RATE, (1 - RATE * dead) / np.sqrt(shape)
    sd, kurtosis = cv * mean, 3 + 6 / shape
    assert abs(intervals.mean() - mean) < 5 * sd / np.sqrt(intervals.size)
    rounding = DT**2 / 6  # both ends are moved to the grid
    assert abs((intervals.var() - rounding) / sd**2 - 1) < 5 * np.sqrt((kurtosis - 1) / intervals.size)
    assert abs(np.corrcoef(intervals[:, 1], intervals[:, 2])[0, 1]) < 5 / np.sqrt(N)  # renewal: intervals know nothing of each other
    assert (intervals > dead - DT + 1e-6).all()


@pytest.mark.slow
def test_the_quantiles_are_those_of_the_distribution():
    """Inversion of single words against SciPy, also in both tails."""
    words = np.concatenate([2 ** np.arange(32), 2**32 - 1 - 2 ** np.arange(32), np.linspace(0, 2**32 - 1, 4001).astype(np.int64)])
    for shape in (0.1, 0.7, 1.0, 30.0, 1000.0):
        for more in (0, 1):
            got = np.asarray(_gamma(shape, more, jnp.asarray(words, jnp.uint32), np.float32), np.float64)
            chance = (words + 0.5) * 2.0**-32
            exact = (
                np.where(chance < 0.5, special.gammaincinv(shape + more, chance), special.gammainccinv(shape + more, 1 - chance)) / shape
            )
            np.testing.assert_allclose(got, exact, rtol=5e-5 if shape < 0.5 else 1e-5, atol=2e-6)


def test_chunks_lanes_and_continued_runs_are_bitwise_equal():
    some = populations({"a": CASES["a"], "d": CASES["d"]}, 300)
    model, keys = n4.Network(*some).build(dt=DT * u.ms, seed=0), jr.split(jr.key(1), 2)
    runs = [n4.simulate(model, model.init(key), 20 * u.ms, chunk=200) for key in keys]
    pieces = n4.simulate(model, model.init(keys[0]), 20 * u.ms, chunk=50)
    assert same_spikes(runs[0], pieces) and same(runs[0].state, pieces.state)
    assert all(runs[0].counts(p.name).sum() > 300 for p in some)
    for run, lane in zip(runs, n4.batch(model, keys, 20 * u.ms, chunk=200), strict=True):
        assert same_spikes(run, lane) and same(run.state, lane.state)


def test_no_spike_is_lost_at_high_rates_and_none_comes_at_rate_zero():
    rate = np.repeat([0.0, 0.9], 500)
    cells = n4.Population("cells", 1000, n4.GammaNeuron(rate=rate * u.kHz, shape=1))
    model = n4.Network(cells).build(dt=1.0 * u.ms, seed=0, surrogate=n4.SuperSpike())
    final, fired = jax.jit(lambda s: n4.scan(model, s, 1000, lambda _, k: k["cells"]))(model.init(jr.key(0)))
    counts = np.asarray(fired).sum(0)
    assert not counts[:500].any()
    # Those that wait at the end are in a queue of load 0.9: about 5 each, the same as in the unit of `left` below 0.
    waiting = 0.9 * np.maximum(-np.asarray(final["cells", "left"])[500:], 0)
    assert abs((counts[500:] + waiting).mean() - 900) < 5 * np.sqrt(900 / 500) + 1
    assert waiting.mean() < 10


@pytest.mark.slow
def test_gradients_are_finite_and_reach_the_rate():
    cells = n4.Population("cells", 8, n4.GammaNeuron(rate=np.linspace(0, 200, 8) * u.Hz, shape=0.7, t_ref=1 * u.ms))
    model = n4.Network(cells).build(dt=1.0 * u.ms, seed=0, surrogate=n4.SuperSpike())

    @jax.jit
    @jax.grad
    def slope(rate):
        changed = eqx.tree_at(lambda m: m.neurons["cells"].rate, model, rate)
        return jnp.minimum(n4.scan(changed, changed.init(jr.key(0)), 20)[0]["cells", "left"], 1e3).sum()

    found = slope(model.neurons["cells"].rate)
    assert np.isfinite(found).all() and (found[1:] < 0).any()


BAD = [
    ({"shape": 0.0}, ValueError, "GammaNeuron.shape must lie between 0.1 and 1000.*got 0.0"),
    ({"shape": float("nan")}, ValueError, "got nan"),
    ({"shape": np.ones(3)}, TypeError, "one number for all neurons"),
    ({"rate": -1 * u.Hz}, ValueError, "GammaNeuron.rate must be at least 0"),
    ({"rate": 20.0}, n4.UnitError, "GammaNeuron.rate: expected"),
    ({"rate": 500 * u.Hz, "t_ref": 2 * u.ms}, ValueError, "GammaNeuron.t_ref must be shorter than the mean interval.*1 mean intervals"),
    ({"rate": np.array([10.0, 600.0]) * u.Hz, "t_ref": 2 * u.ms}, ValueError, r"1.2 mean intervals \(first at index 1\)"),
    ({"stationary": 1}, TypeError, "GammaNeuron.stationary is True or False; got 1"),
]


@pytest.mark.parametrize("changes, error, text", BAD)
def test_refused_values(changes, error, text):
    with pytest.raises(error, match=text):
        n4.GammaNeuron(**{"rate": 20 * u.Hz, "shape": 2.0} | changes)


def test_refused_at_build():
    cells = n4.Population("cells", 2, n4.GammaNeuron(rate=1500 * u.Hz, shape=2.0))
    with pytest.raises(ValueError, match=r"at most one spike per step on average, so at most 1000 Hz with dt = 1.0 ms; got 1500 Hz"):
        n4.Network(cells).build(dt=1.0 * u.ms)
    drawn = n4.GammaNeuron(rate=n4.Uniform(400 * u.Hz, 600 * u.Hz), shape=2.0, t_ref=2 * u.ms)
    with pytest.raises(ValueError, match="t_ref must be shorter than the mean interval"):
        n4.Network(n4.Population("cells", 50, drawn)).build(dt=0.1 * u.ms)
