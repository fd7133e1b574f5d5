"""Alternating currents."""

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from neuro4d._base import NUMBER, AbstractPart, Drive, first_bad, quantity, upper_half
from neuro4d.stimuli._base import AbstractSource, Binding, drawn, per_neuron


class AC(AbstractPart):
    r"""A current that alternates, for `Clamp`:

    $$ i(t) = i_0 + a \sin(2\pi f t + \varphi), $$

    with $t$ from the start of the run. During a step acts the mean of $i$ over that step, so that the charge is exact for any time step. The
    phase is counted in integers of 64 bits and does not drift, however long the run.

    **Arguments:** each a scalar, one entry per neuron, or a distribution.

    - `amplitude`: $a$. [current]
    - `frequency`: $f$, 0 or more, less than half a cycle per time step. [1/time]
    - `phase`: $\varphi$, in radians.
    - `offset`: $i_0$. [current]

    NEST's `ac_generator` takes the phase in degrees; what acts in a step is the value one step before its beginning, the shortest delay there.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> theta = n4.AC(amplitude=100*u.pA, frequency=8*u.Hz, phase=np.pi/2, offset=150*u.pA)
    """

    amplitude: Float[np.ndarray, "*n"] = quantity(u.pA)
    frequency: Float[np.ndarray, "*n"] = quantity(u.kHz, low=0)
    phase: Float[np.ndarray, "*n"] = quantity(NUMBER, default=0.0)
    offset: Float[np.ndarray, "*n"] = quantity(u.pA, default=0 * u.pA)

    def bind(self, binding: Binding, where: str) -> AbstractSource:
        """The source for a model. Raises `ValueError` for a frequency that the time step cannot carry."""
        cycles = drawn(self.frequency, binding, f"{where}: frequency") * binding.dt
        bad = ~(cycles < 0.5) | (cycles < 0)
        if np.any(bad):
            raise ValueError(
                f"{where}: frequency lies from 0 to below half a cycle per step, which is {500 / binding.dt:g} Hz with dt = {binding.dt} ms; "
                f"got {np.atleast_1d(cycles)[np.atleast_1d(bad)][0] / binding.dt * 1e3:g} Hz{first_bad(bad)}. For example `frequency=8*u.Hz`."
            )
        amplitude, phase, offset = (
            per_neuron(getattr(self, name), binding, f"{where}: {name}") for name in ("amplitude", "phase", "offset")
        )
        return SineSource(amplitude, jnp.asarray(cycles, binding.dtype), phase / (2 * np.pi), offset)


class SineSource(AbstractSource):
    """A sine: amplitude and offset in pA, cycles per step, phase in cycles."""

    amplitude: Float[Array, "*n"]
    cycles: Float[Array, "*n"]
    phase: Float[Array, "*n"]
    offset: Float[Array, "*n"]

    def emit(self, now):
        middle = turns(self.cycles, now.elapsed) + 0.5 * self.cycles + self.phase
        return Drive(i=self.offset + self.amplitude * jnp.sinc(self.cycles) * jnp.sin(2 * np.pi * middle))


def turns(cycles: Float[Array, "*n"], steps: UInt32[Array, ""]) -> Float[Array, "*n"]:
    """`cycles * steps` without its whole part. Products of floats would lose the phase after some 10^5 cycles; those of integers, modulo
    2^64, lose nothing."""
    held = jax.lax.stop_gradient(cycles)
    scaled = held * 2.0**32
    upper = jnp.floor(scaled)
    high, low = upper.astype(jnp.uint32), ((scaled - upper) * 2.0**32).astype(jnp.uint32)
    whole, rest = steps * high + upper_half(steps, low), steps * low
    part = whole.astype(held.dtype) * 2.0**-32 + rest.astype(held.dtype) * 2.0**-64
    return part + (cycles - held) * steps.astype(held.dtype)  # the second term is 0 and has the derivative that integers lack
