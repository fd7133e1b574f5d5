"""Poisson counts against the exact distribution of the mean in single precision."""

import math
from decimal import Decimal, localcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neuro4d._base import step_address
from neuro4d.stimuli import Share, bank
from neuro4d.stimuli._poisson import table_length, thresholds

MEANS = [0.001, 0.03, 0.7, 2.9, 13.0, 29.0, 64.0]


def chances(mean, length):
    """P(N = j) for j below `length`, to 50 digits."""
    with localcontext(prec=50):
        m = Decimal(float(np.float32(mean)))
        out = [(-m).exp()]
        for j in range(1, length):
            out.append(out[-1] * m / j)
        return out


@pytest.mark.parametrize("mean", [0.0, 1e-6, *MEANS, 100.0, 128.0])
def test_thresholds_are_exact_to_the_word(mean):
    # Half a word is 1.2e-10; below one word a threshold is 1, since 0 means that no word reaches it.
    length = table_length(min(max(mean, 0.01), 64.0))
    table = np.asarray(jax.jit(thresholds, static_argnums=1)(jnp.float32(mean), length))
    wanted, worst = Decimal(0), 0.0
    for word, chance in zip(table.tolist(), chances(mean, length), strict=True):
        wanted += chance
        worst = max(worst, abs(float(Decimal(word or 2**32) / 2**32 - wanted)))
        assert word > 1 or not word or wanted < Decimal(2) / 2**32
    assert worst < 2.4e-10
    assert (np.diff(table.astype(np.int64)[table != 0]) >= 0).all() and table[-1] == 0


def test_a_table_for_many_means_equals_the_single_ones(x64):
    means = np.linspace(0, 30, 50).astype(np.float32)
    compiled = jax.jit(thresholds, static_argnums=1)
    table = compiled(jnp.asarray(means), 80)
    for row, mean in zip(table, means, strict=True):
        np.testing.assert_array_equal(row, compiled(jnp.float32(mean), 80))
    np.testing.assert_array_equal(table, compiled(jnp.asarray(means, jnp.float64), 80))


def chi_square(mean, steps, n=1 << 20):
    """The probability of a chi-square statistic at least as large, for `steps * n` counts; bins hold at least 10 counts on average."""
    source = bank([(0, n, "counts", Share(np.asarray(mean), np.asarray(1.0)))], n, jnp.float32)
    table = source.table()
    length = table.shape[1]

    @jax.jit
    def body(step):
        a, b = step_address(jnp.array([1, 2], jnp.uint32), (source.a0, source.b0), step)
        return jnp.bincount(source.emit(table, a, b).astype(jnp.int32), length=length + 1)

    found = sum(np.asarray(body(jnp.uint32(step)), np.int64) for step in range(steps))
    expected = np.array([float(x) for x in chances(mean, length)]) * (steps * n)
    common = np.flatnonzero(expected >= 10)
    low, high = common[0], common[-1]
    bins = np.array([found[:low].sum(), *found[low : high + 1], found[high + 1 :].sum()], float)
    wanted = np.array([expected[:low].sum(), *expected[low : high + 1], expected[high + 1 :].sum()])
    kept = wanted >= 1
    statistic, freedom = float(((bins - wanted)[kept] ** 2 / wanted[kept]).sum()), int(kept.sum()) - 1
    return float(jax.scipy.special.gammaincc(freedom / 2, statistic / 2))


@pytest.mark.slow
@pytest.mark.parametrize("mean", [0.001, 2.9, 29.0])
def test_counts_have_the_poisson_distribution(mean):
    # One frozen key; a new one raises a false alarm with a probability of 1e-4 for each mean.
    assert chi_square(mean, 4) > 1e-4


@pytest.mark.full
@pytest.mark.parametrize("mean", MEANS)
def test_a_thousand_million_counts_have_the_poisson_distribution(mean):
    """`pytest -m full tests/core/test_poisson_counts.py -rP` prints the probabilities. False alarms: 1e-4 for each mean."""
    p = chi_square(mean, math.ceil(1e9 / (1 << 20)))
    print(f"mean {mean}: p = {p:.3g}")
    assert p > 1e-4
