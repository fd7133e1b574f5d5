"""Neurons that fire at random."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import quantity, steps_of
from neuro4d.neurons._base import AbstractNeuron, Fired


class PoissonNeuronState(NamedTuple):
    """`silent` in ms: how long a neuron still keeps silent."""

    silent: Float[Array, "n"]


class PoissonNeuronConstants(NamedTuple):
    """The chance to fire in a step, the silence after a spike (ms), and the length of a step (ms)."""

    chance: Float[Array, "*n"]
    t_ref: Float[Array, "*n"]
    dt: Float[Array, ""]


class PoissonNeuron(AbstractNeuron):
    r"""A neuron that fires at random, whatever it receives: a source of independent spike trains that projections can start from.

    In each step it fires with the chance $1 - e^{-r\,dt}$, at most once. After a spike it keeps silent for `t_ref`; with a dead time
    the mean interval is $1/r + t_\mathrm{ref}$ and its coefficient of variation $1/(1 + r\,t_\mathrm{ref})$, both in the limit of short
    steps. It uses nothing of a drive; for rates that change in time let `n4.Poisson` with `RateSteps` drive a `Relay`.
    Trains begin free; `GammaNeuron` with `shape=1` is in equilibrium from the first step, and takes the rate of the whole train.

    **Arguments:** each a scalar, an array with one entry per neuron, or a distribution.

    - `rate`: 0 or more. [1/time]
    - `t_ref`: dead time, 0 or more, a multiple of the time step. [time]

    **Variables:** `silent` (ms): how long a neuron still keeps silent.

    **Raises:** `UnitError`, `ValueError` as for every part.

    **Source:** Cox, *Renewal Theory* (1962); Brian2's `PoissonGroup` and NEST's `ppd_sup_generator` are of this kind.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> source = n4.Population("source", 100, n4.PoissonNeuron(rate=20*u.Hz))
    """

    rate: Float[Array, "*n"] = quantity(u.kHz, low=0)
    t_ref: Float[Array, "*n"] = quantity(u.ms, low=0, default=0 * u.ms)

    native: ClassVar = "PoissonNeuron"
    random: ClassVar = True
    accepts: ClassVar = frozenset()
    variables: ClassVar = {"silent": u.ms}

    def check(self, dt):
        steps_of(self.t_ref, dt, "PoissonNeuron.t_ref")

    def membrane(self):
        return None

    def constants(self, dt):
        return PoissonNeuronConstants(-jnp.expm1(-dt * self.rate), self.t_ref, jnp.asarray(dt, self.rate.dtype))

    def rest(self):
        return {"silent": 0.0}

    def init(self, values):
        return PoissonNeuronState(values["silent"])

    def step(self, constants, state, drive, words):  # type: ignore[override]
        del drive
        free = state.silent < 0.5 * constants.dt
        excess = constants.chance - words.astype(state.silent.dtype) * np.float32(2.0**-32)
        fired = free & (excess > 0)
        silent = jnp.where(fired, constants.t_ref, jnp.where(free, 0, state.silent - constants.dt))
        return PoissonNeuronState(silent), Fired(fired, jnp.where(free, excess, -1))
