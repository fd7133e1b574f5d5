"""Izhikevich's two-variable model."""

from typing import ClassVar, NamedTuple

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import AbstractValue, Drive, check_count, first_bad, quantity
from neuro4d.neurons._base import AbstractNeuron, Fired


class IzhikevichState(NamedTuple):
    """`v` in mV, the recovery variable `u` in mV/ms."""

    v: Float[Array, "n"]
    u: Float[Array, "n"]


class IzhikevichConstants(NamedTuple):
    """The parameters, the inverse capacitance (1/pF) and the lengths of the step and of its parts (ms)."""

    a: Float[Array, "*n"]
    b: Float[Array, "*n"]
    c: Float[Array, "*n"]
    d: Float[Array, "*n"]
    v_peak: Float[Array, "*n"]
    per_c: Float[Array, "*n"]
    dt: Float[Array, ""]
    substeps: Float[Array, ""]


class Izhikevich(AbstractNeuron):
    r"""The quadratic model with recovery of Izhikevich (2003).

    $$ \dot v = 0.04 v^2 + 5 v + 140 - u + i/C, \qquad \dot u = a (b v - u) $$

    in mV and ms. When $v \ge v_\mathrm{peak}$ at the end of a step the neuron fires, $v \leftarrow c$, $u \leftarrow u + d$.

    Scheme: explicit Euler; `v` in `substeps` equal parts of the step, then `u` once with the new `v` (two parts and 1 ms are
    the published program). First order in the time step.

    **Arguments:** each a scalar, an array with one entry per neuron, or a distribution.

    - `a`: rate of recovery. [1/time]
    - `b`: sensitivity of recovery. [1/time]
    - `c`: potential after a spike, below `v_peak`. [voltage]
    - `d`: increment of `u` at a spike. [voltage/time: given in mV * kHz]
    - `v_peak`: where a spike is cut. [voltage]
    - `cm`: capacitance that turns pA into the mV/ms of the published equation; 1 pF makes them equal numbers. [capacitance]
    - `substeps`: parts of a step for `v`, 1 or more.

    **Raises:** `UnitError`, `ValueError` as for every part.

    **Source:** E. M. Izhikevich, IEEE Transactions on Neural Networks 14, 1569 (2003).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rs = n4.Izhikevich(a=0.02/u.ms, b=0.2/u.ms, c=-65*u.mV, d=8*u.mV/u.ms)
    """

    a: Float[Array, "*n"] = quantity(u.kHz)
    b: Float[Array, "*n"] = quantity(u.kHz)
    c: Float[Array, "*n"] = quantity(u.mV)
    d: Float[Array, "*n"] = quantity(u.mV / u.ms)
    v_peak: Float[Array, "*n"] = quantity(u.mV, default=30 * u.mV)
    cm: Float[Array, "*n"] = quantity(u.pF, low=0, open_low=True, default=1 * u.pF)
    substeps: int = eqx.field(static=True, default=1)

    native: ClassVar = "Izhikevich"
    variables: ClassVar = {"v": u.mV, "u": u.mV / u.ms}

    def __check_init__(self):
        check_count(self.substeps, "Izhikevich.substeps")
        if isinstance(self.v_peak, AbstractValue) or isinstance(self.c, AbstractValue):
            return
        bad = ~(np.asarray(self.v_peak) > np.asarray(self.c))
        if np.any(bad):
            raise ValueError(f"Izhikevich: v_peak must lie above c; got v_peak={self.v_peak} mV, c={self.c} mV{first_bad(bad)}.")

    def check(self, dt):
        if dt / self.substeps > 1.0:
            raise ValueError(
                f"Izhikevich: steps of v longer than 1 ms are unstable; got dt={dt} ms with substeps={self.substeps}. "
                f"For example `substeps={int(np.ceil(dt))}`."
            )

    def membrane(self):
        return None

    def constants(self, dt):
        per_c = 1 / self.cm
        return IzhikevichConstants(self.a, self.b, self.c, self.d, self.v_peak, per_c, jnp.asarray(dt, per_c.dtype), jnp.asarray(self.substeps, per_c.dtype))

    def rest(self):
        return {"v": self.c, "u": self.b * self.c}

    def init(self, values):
        return IzhikevichState(values["v"], values["u"])

    def step(self, constants, state, drive):
        p = constants
        v, part = state.v, p.dt / self.substeps
        for _ in range(self.substeps):
            v = v + part * (0.04 * v * v + 5 * v + 140 - state.u + p.per_c * _current(drive, v))
        recovery = state.u + p.dt * p.a * (p.b * v - state.u)
        if drive.jump is not None:
            v = v + drive.jump
        fired = v >= p.v_peak
        excess = v - p.v_peak
        return IzhikevichState(jnp.where(fired, p.c, v), jnp.where(fired, recovery + p.d, recovery)), Fired(fired, excess)


def _current(drive: Drive, v):
    inward = 0 if drive.i is None else drive.i
    return inward if drive.g is None else inward - drive.g * v
