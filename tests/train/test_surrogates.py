"""Surrogates: their formulas, their options, what they leave as it is, and slopes that do not depend on the time step."""

import functools

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import KEY, lif, same
from kernels.every_part import network

import neuro4d as n4
from neuro4d.ops import AbstractSurrogate, both_outcomes

# Peak times width, and integral, of each shape.
SHAPES = {
    n4.SuperSpike: (1, 2),
    n4.FastSigmoid: (1 / 2, 1),
    n4.Sigmoid: (1 / 4, 1),
    n4.ATan: (1 / np.pi, 1),
    n4.Gaussian: (1 / np.sqrt(2 * np.pi), 1),
    n4.Erf: (1 / np.sqrt(np.pi), 1),
    n4.SLAYER: (1 / 2, 1),
    n4.Triangle: (1, 1),
    n4.Boxcar: (1, 1),
}
# What other libraries compute, in units of the threshold, as (ours, factor, theirs).
ELSEWHERE = {
    "SpikingJelly ATan(2)": (n4.ATan(width=1 / np.pi * u.mV), 1, lambda x: 1 / (1 + (np.pi * x) ** 2)),
    "snnTorch atan(2)": (n4.ATan(width=1 / np.pi * u.mV), 1, lambda x: 2 / 2 / (1 + (np.pi / 2 * 2 * x) ** 2)),
    "snnTorch fast_sigmoid(25)": (n4.FastSigmoid(width=0.04 * u.mV), 2 / 25, lambda x: 1 / (25 * np.abs(x) + 1) ** 2),
    "spyx superspike(25)": (n4.SuperSpike(width=0.04 * u.mV), 1 / 25, lambda x: 1 / (25 * np.abs(x) + 1) ** 2),
    "SpikingJelly Sigmoid(4)": (n4.Sigmoid(width=0.25 * u.mV), 1, lambda x: 4 * np.exp(-4 * x) / (1 + np.exp(-4 * x)) ** 2),
    "SpikingJelly Erf(2)": (n4.Erf(width=0.5 * u.mV), 1, lambda x: 2 / np.sqrt(np.pi) * np.exp(-((2 * x) ** 2))),
    "SE-adLIF SLAYER": (n4.SLAYER(width=0.2 * u.mV), 0.4, lambda x: 0.4 * 5 / 2 * np.exp(-5 * np.abs(x))),
    "SpikingJelly PiecewiseQuadratic(1)": (n4.Triangle(width=1 * u.mV), 1, lambda x: np.maximum(0, 1 - np.abs(x))),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SHAPES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("width", [1e-3, 2.0, 50.0])
def test_peak_integral_and_finite_everywhere(kind, width, x64):
    peak, area = SHAPES[kind]
    surrogate = kind(width=width * u.mV)
    # An odd function of the exponent covers tails of all orders; the trapezium rule is good to 1e-3 there.
    x = width * np.sinh(np.linspace(-14, 14, 200_001))
    slope = np.asarray(surrogate.slope(jnp.asarray(x)))
    assert np.isclose(slope[100_000], peak / width, rtol=1e-12) and slope.argmax() in range(96_000, 100_001)
    assert abs(np.trapezoid(slope, x) - area) < 2e-3
    with jax.enable_x64(False):
        far = jnp.concatenate([-jnp.logspace(6, -6, 300), jnp.logspace(-6, 6, 300)])
        spike, single = jax.jvp(surrogate.spike, (far,), (jnp.ones_like(far),))
        assert single.dtype == jnp.float32 and np.isfinite(single).all() and (np.asarray(single) >= 0).all()
        assert (np.asarray(spike) == (np.asarray(far) >= 0)).all()
        assert np.isfinite(jax.vmap(jax.grad(surrogate.slope))(far)).all()


@pytest.mark.parametrize("name", ELSEWHERE)
def test_the_same_as_elsewhere(name, x64):
    surrogate, factor, theirs = ELSEWHERE[name]
    x = np.linspace(-3, 3, 61)
    np.testing.assert_allclose(factor * surrogate.slope(jnp.asarray(x)), theirs(x), rtol=1e-12)


def test_damping_and_support():
    x = jnp.linspace(-20, 20, 401)
    inner = n4.ATan(width=2 * u.mV)
    np.testing.assert_allclose(n4.Scaled(inner, 0.3).slope(x), 0.3 * inner.slope(x), rtol=1e-6)
    cut = n4.Scaled(inner, support=2.5).slope(x)
    assert (np.asarray(cut)[np.abs(x) > 5.01] == 0).all() and (
        np.asarray(cut)[np.abs(x) < 4.99] == np.asarray(inner.slope(x))[np.abs(x) < 4.99]
    ).all()


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda: n4.Scaled("triangle"), TypeError, r"n4\.Triangle\(\)"),
        (lambda: n4.Scaled(n4.Scaled(n4.Triangle())), TypeError, "give all options to one"),
        (lambda: n4.Scaled(n4.Triangle(), damping=-1), ValueError, r"Scaled\.damping must be at least 0"),
        (lambda: n4.Scaled(n4.Triangle(), support=0), ValueError, r"Scaled\.support must be more than 0"),
        (lambda: n4.Scaled(n4.Triangle(), reset="none"), ValueError, r'Scaled\.reset is "detached" or "attached"; got \'none\''),
        (lambda: n4.Scaled(n4.Triangle(), count="spikes"), ValueError, r'Scaled\.count is "steps" or "crossings"'),
        (lambda: n4.Boxcar(width=1.0), n4.UnitError, r"Boxcar\.width: expected a quantity"),
    ],
)
def test_wrong_options_are_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()


class Every(AbstractSurrogate):
    """One of several surrogates, by a number, so that one compiled program serves them all."""

    number: jax.Array
    all: tuple[AbstractSurrogate, ...]
    width = None
    moves = True

    def slope(self, excess):
        return jnp.stack([each.slope(excess) for each in self.all])[self.number]

    def slope_in_step(self, excess, move):
        return jnp.stack([each.slope_in_step(excess, move) for each in self.all])[self.number]


class Tabulated(AbstractSurrogate):
    """The values of any surrogate in a table, at distances that grow exponentially; with crossings counted, or steps. One program for all."""

    values: jax.Array
    once: jax.Array
    width: float = 1.0
    moves = True
    reset = "attached"

    @classmethod
    def of(cls, surrogate, once):
        return cls(surrogate.slope(jnp.sinh(jnp.linspace(-14, 14, 513))), jnp.asarray(once))

    def slope(self, excess):
        place = jnp.clip((jnp.arcsinh(excess) + 14) * (512 / 28), 0, 511)
        low = place.astype(jnp.int32)
        share = place - low
        return self.values[low] * (1 - share) + self.values[low + 1] * share

    def slope_in_step(self, excess, move):
        once = excess if move is None else (excess - move / 2) / jnp.maximum(jnp.abs(move), 1e-6)
        return self.slope(jnp.where(self.once, jax.lax.stop_gradient(once), excess))


@pytest.fixture(scope="module")
def everything():
    """A network with every neuron and every receptor, and what it does without a surrogate."""
    built = network().build(dt=0.1 * u.ms, seed=1, surrogate=Tabulated.of(n4.Triangle(), False), backend=n4.Backend.REFERENCE)
    hard = network().build(dt=0.1 * u.ms, seed=1, backend=n4.Backend.REFERENCE)
    final, words = jax.jit(lambda m: n4.scan(m, m.init(jr.key(3)), 25, lambda s, k: k.words))(hard)
    return built, final, words


@pytest.mark.full
def test_slopes_are_finite_and_the_forward_pass_is_that_of_the_hard_threshold(everything):
    """The shape of every surrogate, per step and per crossing, with every neuron and every receptor: two programs in all."""
    model, hard, hard_words = everything

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def slope(floats, rest):
        whole = eqx.combine(floats, rest)
        final, words = n4.scan(whole, whole.init(jr.key(3)), 25, lambda s, k: k.words)
        return sum(jnp.sum(x) for x in jax.tree.leaves(eqx.filter((final.neurons, final.receptors), eqx.is_inexact_array))), (final, words)

    assert sum(int(jax.lax.population_count(x).sum()) for x in hard_words.values()) > 100
    sizes = []
    for once in (False, True):
        for kind in SHAPES:
            other = eqx.tree_at(lambda m: m.surrogate, model, Tabulated.of(kind(), once))
            (_, (final, words)), slopes = slope(*eqx.partition(other, eqx.is_inexact_array))
            assert same(words, hard_words) and same((final.groups, final.edges), (hard.groups, hard.edges))
            for path, leaf in jax.tree_util.tree_leaves_with_path(slopes):
                assert np.isfinite(leaf).all(), (kind, once, jax.tree_util.keystr(path))
            sizes.append(sum(float(np.abs(x).sum()) for x in jax.tree.leaves((slopes.neurons, slopes.receptors))))
    assert len(set(sizes)) == len(sizes)  # each has slopes of its own


def test_both_outcomes_of_a_threshold():
    neuron = lif()
    constants = jax.tree.map(jnp.float32, neuron.constants(0.1))._replace(hold=jnp.int32(20))
    state = neuron.init({"v": jnp.array([-50.001, -55.0, -50.0001])})
    drive = n4.Drive(i=jnp.array([500.0, 500.0, 0.0]))
    for step in (neuron.step, jax.jit(lambda *given: neuron.step(*given))):  # an author may have compiled it
        after, out = step(constants, state, drive)
        spared, reset = both_outcomes(step, out.spikes, constants, state, drive)
        assert out.spikes.tolist() == [True, False, False]
        np.testing.assert_array_equal(reset.v, [-60, -60, -60])
        assert spared.v[0] > -50 and (spared.v[1:] == after.v[1:]).all()


def one_neuron(dt, surrogate, **neuron):
    """A LIF neuron that a steady current holds above its threshold."""
    cells = n4.Population("cells", 1, lif(**{"t_ref": 0 * u.ms} | neuron), v0=-60 * u.mV)
    net = n4.Network(cells, n4.Clamp("drive", cells, 600 * u.pA))
    return net.build(dt=dt * u.ms, seed=0, precision=jnp.float64, surrogate=surrogate, backend=n4.Backend.REFERENCE)


DURATION = 200.0


def slopes_of_count(model, steps):
    """The number of spikes, and its slope with the threshold (1/mV) and the current (1/pA)."""

    def count(leaves):
        changed = eqx.tree_at(lambda m: (m.neurons["cells"].v_th, m.sources["drive"].amplitude), model, leaves)
        return jnp.sum(n4.scan(changed, changed.init(KEY), steps, lambda _, k: k["cells"])[1])

    return jax.value_and_grad(count)((model.neurons["cells"].v_th, model.sources["drive"].amplitude))


@pytest.fixture(scope="module")
def over_dt():
    """Slopes with several surrogates (rows) for each time step, one program per step."""
    fixed = n4.Triangle(width=10 * u.mV)
    once = tuple(n4.Scaled(kind(width=10 * u.mV), count="crossings") for kind in (n4.Boxcar, n4.Triangle, n4.Gaussian, n4.ATan))

    found = {}
    with jax.enable_x64(True):
        for dt in (1.0, 0.2, 0.05):
            steps = round(DURATION / dt)
            model = one_neuron(dt, Every(jnp.asarray(0), (fixed, *once)))
            run = jax.jit(lambda n, model=model, steps=steps: slopes_of_count(eqx.tree_at(lambda m: m.surrogate.number, model, n), steps))
            found[dt] = [jax.tree.map(float, run(jnp.asarray(n))) for n in range(5)]
    return found


def test_slopes_of_crossings_do_not_depend_on_the_time_step(over_dt):
    # From 1 ms to 0.05 ms. A box counts every spike once, and the threshold acts on nothing else when the reset is detached.
    for count, (by_threshold, _) in (rows[1] for rows in over_dt.values()):
        assert abs(by_threshold + count / 10) < 1e-9 * count
    # Other shapes depend on where in a step a crossing lies, and the current acts up to the end of a step: 10 % at 1 ms.
    for number in (1, 2, 3, 4):
        for leaf in (0, 1):
            per_spike = [abs(rows[number][1][leaf]) / rows[number][0] for rows in over_dt.values()]
            assert max(per_spike) / min(per_spike) < 1.1 and min(per_spike) > 0, (number, leaf, per_spike)
    # A fixed width is off by the ratio of the steps: 20, to 20 %.
    fixed = [rows[0][1][0] / rows[0][0] for rows in over_dt.values()]
    assert 16 < fixed[-1] / fixed[0] < 24


def test_the_size_of_the_slope_is_that_of_the_derivation(over_dt):
    """One crossing counts 1/w; for a leaky neuron that is v' T / w of the true slope, T the interval and v' the speed at threshold."""
    tau, c, rest, threshold, reset, current, width = 10.0, 250.0, -65.0, -50.0, -60.0, 600.0, 10.0
    steady = rest + current * tau / c
    interval, speed = tau * np.log((steady - reset) / (steady - threshold)), (steady - threshold) / tau
    true = -(DURATION / interval**2) / speed  # of the count with the threshold
    expected = true * speed * interval / width
    _, (by_threshold, by_current) = over_dt[0.05][1]
    # The count is a whole number: 26 where the closed form has 26.8.
    assert abs(by_threshold / expected - 1) < 0.04
    # The same factor for every parameter: current acts through dv/di at the crossing.
    push = tau / c * (1 - np.exp(-interval / tau))
    assert abs(by_current / (-by_threshold * push) - 1) < 0.01


def test_a_perfect_integrator_has_its_exact_slope(x64):
    # tau of 10 s: v rises by 2.4 mV/ms. True: rate = v'/(v_th - v_reset), so that d count/d v_th = -count/(v_th - v_reset).
    surrogate = n4.Scaled(n4.Boxcar(width=10 * u.mV), count="crossings")
    model = one_neuron(0.1, surrogate, tau=1e4 * u.ms)
    value, (by_threshold, by_current) = jax.jit(lambda m: slopes_of_count(m, 2000))(model)
    assert value > 40
    assert abs(float(by_threshold) / (-float(value) / 10) - 1) < 1e-9
    assert abs(float(by_current) / (float(value) / 600) - 1) < 0.03


def test_an_attached_reset_has_the_derivative_of_its_definition(x64):
    """One step: v after it has dv (1 - s) + (v_reset - v) g dv, for a neuron that fires and for one that does not."""

    @eqx.filter_jit
    @jax.value_and_grad
    def after(current, model):
        changed = eqx.tree_at(lambda m: m.sources["drive"].amplitude, model, current)
        return changed.step(changed.init(KEY))[0].neurons["cells"].v[0]

    for drive, v0 in ((600.0, -50.2), (500.0, -50.6)):
        cells = n4.Population("cells", 1, lif(), v0=v0 * u.mV)
        net = n4.Network(cells, n4.Clamp("drive", cells, drive * u.pA))
        for reset in ("detached", "attached"):
            surrogate = n4.Scaled(n4.Triangle(width=5 * u.mV), reset=reset)
            model = net.build(dt=0.1 * u.ms, seed=0, precision=jnp.float64, surrogate=surrogate, backend=n4.Backend.REFERENCE)

            value, slope = after(model.sources["drive"].amplitude, model)
            share = -np.expm1(-0.1 / 10)
            moved, push = v0 + share * (-65 + drive * 10 / 250 - v0), share * 10 / 250
            spike = moved >= -50
            bump = max(0, 1 - abs(moved + 50) / 5) / 5
            expected = push * (1 - spike) + (reset == "attached") * (-60 - moved) * bump * push
            assert np.isclose(float(value), -60 if spike else moved, rtol=1e-12)
            assert np.isclose(float(slope), expected, rtol=1e-9, atol=1e-15)
