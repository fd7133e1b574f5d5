"""Theory of stationary rates: the integral, its limits, its derivative, and simulations."""

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special

import neuro4d as n4


def by_quadrature(mu, sigma, tau, v_th, v_reset, t_ref):
    """Siegert's formula in Hz by an adaptive rule, for moderate arguments."""
    integral, _ = scipy.integrate.quad(
        lambda x: np.exp(x * x) * scipy.special.erfc(-x), (v_reset - mu) / sigma, (v_th - mu) / sigma, epsabs=0, epsrel=1e-12
    )
    return 1e3 / (t_ref + tau * np.sqrt(np.pi) * integral)


def rate(mu, sigma, tau=20.0, v_th=20.0, v_reset=10.0, t_ref=2.0, tau_syn=0.0):
    """The same from the package, bare."""
    return n4.analysis.siegert(mu * u.mV, sigma * u.mV, tau * u.ms, v_th * u.mV, v_reset * u.mV, t_ref * u.ms, tau_syn * u.ms).to_decimal(
        u.Hz
    )


@pytest.mark.parametrize(("wide", "error"), [(True, 1e-10), (False, 1e-5)])
def test_the_integral(wide, error):
    mu, sigma = (x.ravel() for x in np.meshgrid([5.0, 12.0, 19.0, 20.0, 21.0, 30.0, 60.0], [2.0, 5.0, 10.0, 50.0]))
    with jax.enable_x64(wide):
        got = np.asarray(rate(mu, sigma))
    expected = [by_quadrature(m, s, 20.0, 20.0, 10.0, 2.0) for m, s in zip(mu, sigma, strict=True)]
    np.testing.assert_allclose(got, expected, rtol=error)


@pytest.mark.parametrize("wide", [True, False])
def test_limits_are_finite(wide):
    with jax.enable_x64(wide):
        strong = np.asarray(rate(np.array([30.0, 1e4]), 1e-6))
        deep = np.asarray(rate(np.array([-1e3, 0.0, 19.0, 19.9]), np.array([1e-3, 0.0, 1e-2, 1e-3])))
        slope = jax.vmap(
            jax.grad(lambda m: jnp.sum(n4.analysis.siegert(m, 1e-2 * u.mV, 20 * u.ms, 20 * u.mV, 10 * u.mV, 2 * u.ms).to_decimal(u.Hz)))
        )
        slopes = np.asarray(slope(jnp.asarray([-1e3, 0.0, 19.9, 20.1, 1e4])))
    # Without noise the neuron needs t_ref + tau ln((mu - v_reset) / (mu - v_th)).
    np.testing.assert_allclose(strong, [1e3 / (2 + 20 * np.log(20 / 10)), 1e3 / (2 + 20 * np.log1p(10 / 9980))], rtol=5e-6)
    assert np.all(deep >= 0) and np.all(deep < 1e-12)
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize(
    "at", [(15.0, 5.0, 20.0, 20.0, 10.0, 2.0, 0.5), (30.0, 2.0, 10.0, 20.0, 0.0, 1.0, 1.0), (2.0, 6.0, 20.0, 20.0, 10.0, 2.0, 2.0)]
)
def test_the_derivative_is_that_of_differences(at):
    def bare(*x):
        return rate(*x)

    with jax.enable_x64(True):
        gradient = jax.grad(lambda x: n4.analysis._siegert.siegert_rate(*x))(jnp.asarray(at))
        for number, slope in enumerate(np.asarray(gradient) * 1e3):
            h = 1e-5 * max(1.0, abs(at[number]))
            low, high = (np.array(at) + sign * h * np.eye(7)[number] for sign in (-1, 1))
            difference = (float(bare(*high)) - float(bare(*low))) / (2 * h)
            assert slope == pytest.approx(difference, rel=2e-6, abs=1e-7)
