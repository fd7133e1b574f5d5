"""Izhikevich's two-variable model."""

from typing import Any, ClassVar, NamedTuple

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import NUMBER, Drive, UnknownNameError, check_count, quantity
from neuro4d.neurons._base import AbstractNeuron, Fired
from neuro4d.neurons._checks import check_above
from neuro4d.neurons._qif import quadratic_flow

PRESETS = (
    ("RS", 0.02, 0.2, -65, 8),
    ("IB", 0.02, 0.2, -55, 4),
    ("CH", 0.02, 0.2, -50, 2),
    ("FS", 0.1, 0.2, -65, 2),
    ("TC", 0.02, 0.25, -65, 0.05),
    ("RZ", 0.1, 0.26, -65, 2),
    ("LTS", 0.02, 0.25, -65, 2),
    ("tonic-spiking", 0.02, 0.2, -65, 6),
    ("phasic-spiking", 0.02, 0.25, -65, 6),
    ("tonic-bursting", 0.02, 0.2, -50, 2),
    ("phasic-bursting", 0.02, 0.25, -55, 0.05),
    ("mixed-mode", 0.02, 0.2, -55, 4),
    ("frequency-adaptation", 0.01, 0.2, -65, 8),
    ("class-1", 0.02, -0.1, -55, 6),
    ("class-2", 0.2, 0.26, -65, 0),
    ("spike-latency", 0.02, 0.2, -65, 6),
    ("subthreshold-oscillations", 0.05, 0.26, -60, 0),
    ("resonator", 0.1, 0.26, -60, -1),
    ("integrator", 0.02, -0.1, -55, 6),
    ("rebound-spike", 0.03, 0.25, -60, 4),
    ("rebound-burst", 0.03, 0.25, -52, 0),
    ("threshold-variability", 0.03, 0.25, -60, 4),
    ("bistability", 0.1, 0.26, -60, 0),
    ("depolarizing-after-potential", 1, 0.2, -60, -21),
    ("accommodation", 0.02, 1, -55, 4),
    ("inhibition-induced-spiking", -0.02, -1, -60, 8),
    ("inhibition-induced-bursting", -0.026, -1, -45, -2),
)
"""Name, a, b (1/ms), c (mV), d (mV/ms): the types of Izhikevich (2003), then the patterns of Izhikevich (2004), figure 1."""


class IzhikevichState(NamedTuple):
    """`v` in mV, the recovery variable `u` in mV/ms."""

    v: Float[Array, "n"]
    u: Float[Array, "n"]


class IzhikevichConstants(NamedTuple):
    """The parameters, the inverse capacitance (1/pF), the share `half` of the way of `u` in half a step, and the length of the step (ms) with
    the number of its parts, 0 for the scheme of second order."""

    a: Float[Array, "*n"]
    b: Float[Array, "*n"]
    c: Float[Array, "*n"]
    d: Float[Array, "*n"]
    v_peak: Float[Array, "*n"]
    per_c: Float[Array, "*n"]
    slope: Float[Array, "*n"]
    offset: Float[Array, "*n"]
    v_u: Float[Array, "*n"]
    leak: Float[Array, "*n"]
    half: Float[Array, "*n"]
    dt: Float[Array, ""]
    substeps: Float[Array, ""]


class Izhikevich(AbstractNeuron):
    r"""The quadratic model with recovery of Izhikevich (2003).

    $$ \dot v = 0.04 v^2 + s v + o - u + i/C, \qquad \dot u = a (b (v - v_u) - l u) $$

    in mV and ms, with $s = 5$, $o = 140$, $v_u = 0$, $l = 1$ unless said otherwise. When $v \ge v_\mathrm{peak}$ at the end of a step the
    neuron fires, $v \leftarrow c$, $u \leftarrow u + d$.

    Schemes:

    - `"euler"`: explicit Euler; `v` in `substeps` equal parts of the step, then `u` once with the new `v`. The published programs: two parts and
      1 ms in 2003, one part in 2004. First order in the time step.
    - `"split"`: half a step of `u`, the exact solution of `v` over the step, half a step of `u` (Strang 1968). Second order, for about twice the
      time; in a step with a spike the second half sees `c`. Presets and thresholds that were found with Euler steps are not those of the equations: near a
      threshold the schemes give other spikes.

    **Arguments:** each a scalar, an array with one entry per neuron, or a distribution.

    - `a`: rate of recovery. [1/time]
    - `b`: sensitivity of recovery. [1/time]
    - `c`: potential after a spike, below `v_peak`. [voltage]
    - `d`: increment of `u` at a spike. [voltage/time: given in mV * kHz]
    - `v_peak`: where a spike is cut. [voltage]
    - `cm`: capacitance that turns pA into the mV/ms of the published equation; 1 pF makes them equal numbers. [capacitance]
    - `slope`, `offset`: $s$ and $o$, the linear and the constant term; 4.1/ms and 108 mV/ms in two patterns of 2004. [1/time; voltage/time]
    - `v_u`, `leak`: $v_u$ and $l$; -65 mV and 0 in the published program of accommodation. [voltage; a number, 0 or more]
    - `substeps`: parts of a step for `v`, 1 or more; 1 with `"split"`.
    - `scheme`: `"euler"` (the published one) or `"split"`.

    `Izhikevich.preset(name)` has the published types and patterns.

    **Raises:** `UnitError`, `ValueError` as for every part.

    **Source:** E. M. Izhikevich, IEEE Transactions on Neural Networks 14, 1569 (2003), and 15, 1063 (2004).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rs = n4.Izhikevich(a=0.02/u.ms, b=0.2/u.ms, c=-65*u.mV, d=8*u.mV/u.ms)
        >>> n4.Izhikevich.preset("FS").a.tolist()
        0.1
    """

    a: Float[Array, "*n"] = quantity(u.kHz)
    b: Float[Array, "*n"] = quantity(u.kHz)
    c: Float[Array, "*n"] = quantity(u.mV)
    d: Float[Array, "*n"] = quantity(u.mV / u.ms)
    v_peak: Float[Array, "*n"] = quantity(u.mV, default=30 * u.mV)
    cm: Float[Array, "*n"] = quantity(u.pF, low=0, open_low=True, default=1 * u.pF)
    slope: Float[Array, "*n"] = quantity(u.kHz, default=5 * u.kHz)
    offset: Float[Array, "*n"] = quantity(u.mV / u.ms, default=140 * u.mV / u.ms)
    v_u: Float[Array, "*n"] = quantity(u.mV, default=0 * u.mV)
    leak: Float[Array, "*n"] = quantity(NUMBER, low=0, default=1.0)
    substeps: int = eqx.field(static=True, default=1)
    scheme: str = eqx.field(static=True, default="euler")

    native: ClassVar = "Izhikevich"
    ordered: ClassVar = (("v_peak", "c"),)
    variables: ClassVar = {"v": u.mV, "u": u.mV / u.ms}

    @classmethod
    def preset(cls, name: str, scheme: str = "euler") -> "Izhikevich":
        """A neuron of the publications: `RS`, `IB`, `CH`, `FS`, `TC`, `RZ`, `LTS` (2003), or a pattern of 2004, from `tonic-spiking` to
        `inhibition-induced-bursting`. `n4.zoo.izhikevich_pattern` has them with their input, initial state and time step.

        **Raises:** `UnknownNameError` with the names.
        """
        found = next((row for row in PRESETS if row[0] == name), None)
        if found is None:
            raise UnknownNameError(f"Izhikevich has no preset {name!r}. There are: {', '.join(row[0] for row in PRESETS)}.")
        _, a, b, c, d = found
        linear = name in ("class-1", "integrator")
        steady = name == "accommodation"
        leak: Any = 0.0 if steady else 1.0
        return cls(
            a=a * u.kHz,
            b=b * u.kHz,
            c=c * u.mV,
            d=d * u.mV / u.ms,
            slope=(4.1 if linear else 5.0) * u.kHz,
            offset=(108.0 if linear else 140.0) * u.mV / u.ms,
            v_u=(-65.0 if steady else 0.0) * u.mV,
            leak=leak,
            scheme=scheme,
        )

    def __check_init__(self):
        check_count(self.substeps, "Izhikevich.substeps")
        if self.scheme not in ("euler", "split"):
            raise ValueError(f'Izhikevich.scheme is "euler" or "split"; got {self.scheme!r}.')
        if self.scheme == "split" and self.substeps != 1:
            raise ValueError(f'Izhikevich: the scheme "split" has no substeps; got substeps={self.substeps}. Leave `substeps` away.')
        check_above("Izhikevich", ("v_peak", self.v_peak), ("c", self.c), "v_peak=30*u.mV, c=-65*u.mV")

    def check(self, dt):
        if self.scheme == "euler" and dt / self.substeps > 1.0:
            raise ValueError(
                f"Izhikevich: steps of v longer than 1 ms are unstable; got dt={dt} ms with substeps={self.substeps}. "
                f"For example `substeps={int(np.ceil(dt))}`, or `scheme=\"split\"`."
            )

    def membrane(self):
        return None

    def constants(self, dt):
        per_c = 1 / self.cm
        step, parts = (jnp.asarray(x, per_c.dtype) for x in (dt, 0 if self.scheme == "split" else self.substeps))
        levels = self.slope, self.offset, self.v_u, self.leak
        return IzhikevichConstants(
            self.a, self.b, self.c, self.d, self.v_peak, per_c, *levels, _half(self.a, self.leak, dt), step, parts
        )  # fmt: skip

    def rest(self):
        return {"v": self.c, "u": self.b * self.c}

    def init(self, values):
        return IzhikevichState(values["v"], values["u"])

    def step(self, constants, state, drive):
        p = constants
        burst: Any = False
        if self.scheme == "split":
            recovery = _recover(p, state.u, state.v)
            slope = p.slope if drive.g is None else p.slope - p.per_c * drive.g
            inward = 0 if drive.i is None else p.per_c * drive.i
            v, burst = quadratic_flow(state.v, 0.04, slope, p.offset - recovery + inward, p.dt, p.v_peak)
            recovery = _recover(p, recovery, jnp.where(v >= p.v_peak, p.c, v))
        else:
            v, part = state.v, p.dt / self.substeps
            for _ in range(self.substeps):
                v = v + part * (0.04 * v * v + p.slope * v + p.offset - state.u + p.per_c * _current(drive, v))
            recovery = state.u + p.dt * p.a * (p.b * (v - p.v_u) - p.leak * state.u)
        if drive.jump is not None:
            v = v + drive.jump
        fired = (v >= p.v_peak) | burst
        excess = v - p.v_peak
        return IzhikevichState(jnp.where(fired, p.c, v), jnp.where(fired, recovery + p.d, recovery)), Fired(fired, excess)


def _recover(p: IzhikevichConstants, recovery, v):
    """`u` after half a step with `v` held."""
    return recovery + p.half * (p.b * (v - p.v_u) - p.leak * recovery)


def _half(a, leak, dt):
    """(1 - exp(-x))/leak with x = a leak dt/2, and its limit where that is 0."""
    x = a * leak * dt / 2
    zero = x == 0
    return a * dt / 2 * jnp.where(zero, 1, -jnp.expm1(-x) / jnp.where(zero, 1, x))


def _current(drive: Drive, v):
    inward = 0 if drive.i is None else drive.i
    return inward if drive.g is None else inward - drive.g * v
