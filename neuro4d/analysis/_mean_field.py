r"""Mean field of populations of leaky integrate-and-fire neurons: the rates at which what neurons send is what they receive.

Every neuron is an integrator in white noise whose mean and strength follow from the rates of the populations that project to it. What a
population sends is the mean of Siegert's rate over its neurons, so unequal numbers of inputs count.
"""

from typing import Any, NamedTuple

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from neuro4d._base import card, html_table, is_traced, table
from neuro4d.analysis._inputs import Equations, equations
from neuro4d.analysis._siegert import ALPHA, siegert_rate

GRID = 0.5825971579390107
r"""$|\zeta(1/2)|/\sqrt{2\pi}$: by how many standard deviations of a step a threshold lies higher that is only looked at after steps."""

STEPS = 400
"""Iterations of the fixed point at most."""

_HEAD = ("population", "rate (Hz)", "mean input (mV)", "noise (mV)")


class Stationary(eqx.Module):
    """Stationary rates of the populations of a model by theory. Prints as a table.

    **Fields:** by population, bare: `rates_hz`; `mean_mv`: the potential to which the mean input leads, and `noise_mv`, the strength of its
    fluctuations (`sigma` of `siegert`), both averaged over neurons; `feedback` `(P, P)`: how the rate that a population sends changes with the
    rates that all receive; `converged`: whether the iteration found a fixed point. If not, the numbers are where it ended, no answer.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    rates_hz: Float[Array, " P"]
    mean_mv: Float[Array, " P"]
    noise_mv: Float[Array, " P"]
    feedback: Float[Array, "P P"]
    converged: Bool[Array, ""]

    @property
    def rates(self) -> dict[str, Any]:
        """Rates by population. [1/time]"""
        return {name: self.rates_hz[i] * u.Hz for i, name in enumerate(self.names)}

    def rate(self, population: str) -> Any:
        """The rate of a population. [1/time]"""
        return self.rates[population]

    @property
    def stable(self) -> bool:
        """Whether small deviations of the rates die out (synchronous oscillations through delays are another matter)."""
        return bool(np.max(np.linalg.eigvals(np.asarray(self.feedback, np.float64)).real) < 1)

    def _rows(self) -> list[tuple[str, ...]]:
        columns = (self.rates_hz, self.mean_mv, self.noise_mv)
        return [(name, *(f"{float(column[i]):.4g}" for column in columns)) for i, name in enumerate(self.names)]

    def _title(self) -> str:
        return "mean field" if self.converged else "mean field: no fixed point was found; these rates are where the iteration ended"

    def __repr__(self) -> str:
        if is_traced(self):
            return f"Stationary({', '.join(self.names)})"
        return ("" if self.converged else f"{self._title()}\n") + table(_HEAD, self._rows())

    def _repr_html_(self) -> str:
        return card(self._title(), html_table(_HEAD, self._rows()))


class Field(NamedTuple):
    """Mean and strength of the input of each neuron that is looked at, and the threshold and reset that count for noise of this kind; mV."""

    mean: Float[Array, " n"]
    noise: Float[Array, " n"]
    v_th: Float[Array, " n"]
    v_reset: Float[Array, " n"]


def mean_field(model: Any, *, sample: int = 1000) -> Stationary:
    r"""The stationary rates of a network of `LIF` populations by mean-field theory.

    $$ \nu_p = \Big\langle \phi(\mu_i, \sigma_i) \Big\rangle_{i \in p}, \qquad
       \mu_i = v_\mathrm{rest} + \frac{\tau}{C} I_i + \tau \sum_j J_{ij}\,\nu_{p(j)}, \qquad
       \sigma_i^2 = \tau \sum_j J_{ij}^2\,\nu_{p(j)} + \tau s_i^2 $$

    with Siegert's rate $\phi$, the jump $J$ that a spike makes in the end (of an `ExpCurrent` $w\tau_s/C$, of an `AlphaCurrent` $e\,w\tau_s/C$,
    of a `PulseCurrent` $w\,dt/C$), constant currents $I$ and noise $s$. The sums run over the synapses that the model has. Bounds are shifted for
    the time constants of currents as in `siegert`, weighted by their share of the variance, and the threshold of what is left by
    $0.58\,\sigma\sqrt{dt/\tau}$, since it is looked at after steps.

    The rates are reached from silence by a damped Newton iteration. Their derivative is that of the implicit function: `jax.grad` with respect
    to float leaves of the model, weights included, outside of compiled functions, since connections are read on the host.

    It is a theory of asynchronous activity with small jumps: a few per cent for such networks, wrong for synchronous ones and for strong or slow
    synapses.

    **Arguments:**

    - `model`: from `Network.build`. Populations are `LIF`, or `PoissonNeuron`, which fire as told; stimuli are `Poisson` of constant rates,
      `Clamp` of constant currents, `WhiteNoise`, `OrnsteinUhlenbeck`; an `Input` counts as 0.
    - `sample`: neurons of a population that are looked at, at most, evenly spaced.

    **Raises:** `TypeError` for parts that the theory does not know: conductances (the membrane time constant then follows the activity and is
    shorter than that of the synapses), other neurons, currents that change in time, gap junctions.

    **Source:** D. J. Amit, N. Brunel, Cereb. Cortex 7, 237 (1997); N. Brunel, J. Comput. Neurosci. 8, 183 (2000). The shift for steps: M. Broadie,
    P. Glasserman, S. Kou, Math. Finance 7, 325 (1997).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=250*u.pF, v_rest=0*u.mV, v_th=20*u.mV, v_reset=10*u.mV, t_ref=2*u.ms)
        >>> cells = n4.Population("cells", 10, lif, {"in": n4.Delta()})
        >>> noise = n4.Poisson("noise", cells, "in", rate=10*u.kHz, weight=0.1*u.mV)
        >>> theory = n4.analysis.mean_field(n4.Network(cells, noise).build(dt=0.1*u.ms, seed=0))
        >>> print(round(float(theory.rate("cells").to_decimal(u.Hz)), 1))
        16.0
    """
    given = equations(model, sample)
    fixed = jax.lax.stop_gradient(given)
    rates, feedback, found = _solve(fixed)
    # One Newton step of the equations with their derivative, from their solution without it: the implicit function theorem.
    # Where no solution was found it would lead anywhere.
    whole = jnp.eye(len(rates), dtype=rates.dtype) - jnp.where(found, feedback, 0)
    rates = rates + jnp.where(found, jnp.linalg.solve(whole, _sent(given, rates) - rates), 0)
    field = _field(given, rates)
    return Stationary(given.names, 1e3 * rates, given.means(field.mean), given.means(field.noise), feedback, found)


def _field(given: Equations, rates: Float[Array, " P"]) -> Field:
    """What the neurons receive, from what all populations send."""
    own = given.neurons
    mean = own.v_rest + own.tau * (own.current + own.jumps @ rates)
    variance = own.tau * (own.jitter + own.squares @ rates)
    slow = own.tau * (own.slow_jitter + own.slow_squares @ rates)
    safe = jnp.where(variance > 0, variance, 1)
    share = jnp.where(variance > 0, slow / safe, 0)  # of sqrt(tau_s / tau), weighted by variances
    white = jnp.where(variance > 0, own.tau * (own.white_jitter + own.white_squares @ rates) / safe, 0)
    noise = jnp.where(variance > 0, jnp.sqrt(safe), 0)
    shift = ALPHA / 2 * share * noise
    step = GRID * white * noise * jnp.sqrt(given.dt / own.tau)
    return Field(mean, noise, own.v_th + shift + step, own.v_reset + shift)


@eqx.filter_jit
def _sent(given: Equations, rates: Float[Array, " P"]) -> Float[Array, " P"]:
    """The rates that populations send at the rates that they receive, in kHz."""
    own, field = given.neurons, _field(given, rates)
    theory = siegert_rate(field.mean, field.noise, own.tau, field.v_th, field.v_reset, own.t_ref, jnp.zeros_like(field.mean))
    return given.means(jnp.where(own.told, own.told_rate, theory))


@eqx.filter_jit
def _solve(given: Equations) -> tuple[Float[Array, " P"], Float[Array, "P P"], Bool[Array, ""]]:
    """The fixed point that a relaxation from silence comes to, and the slopes there: implicit steps that grow as the rest shrinks, in the end
    those of Newton.

    Source: C. T. Kelley, D. E. Keyes, SIAM J. Numer. Anal. 35, 508 (1998).
    """
    dtype, n = given.dt.dtype, len(given.names)
    enough = 2e-5 if dtype == jnp.float32 else 1e-12

    def twice(rates: Array) -> tuple[Array, Array]:
        sent = _sent(given, rates)
        return sent, sent

    def body(carry: tuple) -> tuple:
        number, rates, _, pace, before = carry
        slopes, sent = jax.jacfwd(twice, has_aux=True)(rates)
        left = jnp.max(jnp.abs(sent - rates))
        pace = jnp.clip(pace * jnp.clip(before / jnp.maximum(left, 1e-30), 0.3, 2.5), 0.05, 1e8)
        step = jnp.linalg.solve((1 + 1 / pace) * jnp.eye(n, dtype=dtype) - slopes, sent - rates)
        return number + 1, jnp.maximum(rates + step, 0), slopes, pace, left

    def goes_on(carry: tuple) -> Array:
        number, rates, _, _, left = carry
        return (number < STEPS) & (left > enough * (jnp.max(rates) + 1e-3))

    begin = (0, jnp.zeros(n, dtype), jnp.zeros((n, n), dtype), jnp.asarray(0.3, dtype), jnp.asarray(jnp.inf, dtype))
    number, rates, slopes, *_ = jax.lax.while_loop(goes_on, body, begin)
    return rates, slopes, (number < STEPS) & jnp.all(jnp.isfinite(rates))
