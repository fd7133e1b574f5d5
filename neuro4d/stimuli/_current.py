"""Currents: constant, alternating, stepped, sampled, noisy."""

from typing import Any, ClassVar

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from neuro4d._base import AbstractPart, Drive, UnitError, check_fits, check_name, check_quantity, quantity, steps_of, words_jax
from neuro4d.stimuli._base import AbstractSource, AbstractStimulus, Noise, per_neuron
from neuro4d.stimuli._movie import Movie
from neuro4d.stimuli._sine import AC


class Steps(AbstractPart):
    """A current that changes at given times and stays until the next one; 0 before the first.

    **Arguments:** `times`: ascending, multiples of the time step, counted from the start of the run [time]; `values`: one
    amplitude each. [current]

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> pulse = n4.Steps(times=np.array([100.0, 200.0])*u.ms, values=np.array([300.0, 0.0])*u.pA)
    """

    times: Float[np.ndarray, " t"] = quantity(u.ms, low=0)
    values: Float[np.ndarray, " t"] = quantity(u.pA)

    def __check_init__(self):
        if self.times.ndim != 1 or self.times.shape != self.values.shape or not self.times.size:
            raise ValueError(f"Steps: times and values are arrays of one length; got shapes {self.times.shape} and {self.values.shape}.")
        if not (np.diff(self.times) > 0).all():
            at = int(np.argmin(np.diff(self.times) > 0)) + 1
            raise ValueError(f"Steps: times must ascend; entry {at} ({self.times[at]} ms) does not follow {self.times[at - 1]} ms.")


class Waveform(AbstractPart):
    """A current given by samples, each held for `every`; 0 after the last.

    **Arguments:** `samples`: shape `(T,)`, or `(T, n)` with one column per neuron [current]; `every`: how long a sample is held,
    a multiple of the time step; by default one step. [time]

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> wave = n4.Waveform(100*np.sin(np.arange(1000)/50)*u.pA)
    """

    samples: Float[np.ndarray, "t *n"] = quantity(u.pA)
    every: Float[np.ndarray, ""] = quantity(u.ms, low=0, open_low=True, optional=True, default=None)

    def __check_init__(self):
        if self.samples.ndim not in (1, 2) or not self.samples.size:
            raise ValueError(f"Waveform: samples have shape (T,) or (T, n); got {self.samples.shape}.")


class ConstantSource(AbstractSource):
    """A held current, pA."""

    amplitude: Float[Array, "*n"]

    steady: ClassVar = True

    def emit(self, now):
        return Drive(i=self.amplitude)


class StepsSource(AbstractSource):
    """A current looked up by the step."""

    at: UInt32[Array, " t"]
    values: Float[Array, " t"]

    def emit(self, now):
        index = jnp.sum((self.at <= now.elapsed).astype(jnp.int32)) - 1
        return Drive(i=jnp.where(index < 0, 0, self.values[jnp.maximum(index, 0)]))


class WaveformSource(AbstractSource):
    """A current read from samples."""

    samples: Float[Array, "t *n"]
    hold: int = eqx.field(static=True)

    def emit(self, now):
        index = now.elapsed // jnp.uint32(self.hold)
        last = self.samples.shape[0] - 1
        row = self.samples[jnp.minimum(index, jnp.uint32(last)).astype(jnp.int32)]
        return Drive(i=jnp.where(index > last, 0, row))


class Clamp(AbstractStimulus):
    """A current into every neuron of the target: constant, alternating, in steps, any waveform, or a movie.

    **Arguments:**

    - `name`: unique in the network.
    - `target`: a population or a slice of one.
    - `amplitude`: a quantity (scalar, or one entry per neuron), a distribution, `AC`, `Steps`, `Waveform`, or a `Movie`. [current]

    Times count from the start of the run; the value of a step acts during the whole step.

    **Raises:** `UnitError` for a bare number, `ValueError` for a shape that does not fit the target or times off the grid.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 10, lif)
        >>> drive = n4.Clamp("drive", cells, 200*u.pA)
    """

    name: str = eqx.field(static=True)
    target: Any = eqx.field(static=True)
    amplitude: Any

    port: None = eqx.field(static=True, init=False, default=None)
    weight: None = eqx.field(static=True, init=False, default=None)
    exerts: ClassVar = frozenset({"i"})

    def __init__(self, name, target, amplitude):
        self.name, self.target = check_name(name, "stimulus"), target
        where = f"Clamp {name!r}: amplitude"
        whole = isinstance(amplitude, AC | Steps | Waveform | Movie)
        self.amplitude = amplitude if whole else check_quantity(amplitude, u.pA, where)

    def bind(self, binding, weight_unit):
        where = f"Clamp {self.name!r}"
        if isinstance(self.amplitude, AC):
            return self.amplitude.bind(binding, where)
        if isinstance(self.amplitude, Steps):
            at = steps_of(self.amplitude.times, binding.dt, f"{where}: times")
            check_fits(self.amplitude.values, binding.dtype, f"{where}: values")
            return StepsSource(jnp.asarray(at, jnp.uint32), jnp.asarray(self.amplitude.values, binding.dtype))
        if isinstance(self.amplitude, Waveform):
            samples = self.amplitude.samples
            if samples.ndim == 2 and samples.shape[1] != binding.n:
                raise ValueError(f"{where}: samples must have shape (T,) or (T, {binding.n}); got {samples.shape}.")
            every = binding.dt if self.amplitude.every is None else self.amplitude.every
            check_fits(samples, binding.dtype, f"{where}: samples")
            return WaveformSource(jnp.asarray(samples, binding.dtype), int(steps_of(every, binding.dt, f"{where}: every")))
        if isinstance(self.amplitude, Movie):
            hold = int(steps_of(self.amplitude.every, binding.dt, f"{where}: every"))
            return WaveformSource(jnp.asarray(self.amplitude.columns(binding, u.pA, where), binding.dtype), hold)
        return ConstantSource(per_neuron(self.amplitude, binding, f"{where}: amplitude"))


class NoiseSource(AbstractSource):
    """A normally distributed current for every neuron and interval."""

    mean: Float[Array, "*n"]
    std: Float[Array, "*n"]
    n: int = eqx.field(static=True)

    def noise(self):
        return Noise(self.mean, self.std)

    def emit(self, now):
        return Drive(i=self.noise().draw(words_jax(now.a, now.b, jnp.arange(self.n, dtype=jnp.uint32))))


class ColoredNoiseSource(AbstractSource):
    """Noise with a memory; `std` is that of the stationary process."""

    mean: Float[Array, "*n"]
    std: Float[Array, "*n"]
    tau: Float[Array, "*n"]
    dt: float = eqx.field(static=True)
    n: int = eqx.field(static=True)

    def noise(self):
        new = self.std * jnp.sqrt(-jnp.expm1(-2 * self.dt / self.tau))
        return Noise(self.mean, new, jnp.exp(-self.dt / self.tau), self.std)

    def over(self, index, extent):
        mean, std, tau = (jnp.broadcast_to(x, (self.n,)) for x in (self.mean, self.std, self.tau))
        still = jnp.zeros(extent, mean.dtype)
        return ColoredNoiseSource(still.at[index].set(mean), still.at[index].set(std), (still + 1).at[index].set(tau), self.dt, extent)

    def emit(self, now):
        raise TypeError("coloured noise is not drawn step by step: it lives in the state.")


class OrnsteinUhlenbeck(AbstractStimulus):
    r"""A current that fluctuates with a correlation time, independently for every neuron:

    $$ \dot i = \frac{\mu - i}{\tau} + \sigma\sqrt{2/\tau}\;\xi(t). $$

    It is drawn exactly, $i_{k+1} = \mu + (i_k - \mu)\,e^{-dt/\tau} + \sigma\sqrt{1 - e^{-2\,dt/\tau}}\,z_k$, and held during the step, so
    that mean, variance and correlation do not depend on the time step. It begins in its stationary distribution.

    **Arguments:** `name`, `target`; `mean` and `std` (0 or more) of the stationary process [current],
    `tau`, the correlation time, above 0 [time]: scalars, per neuron, or distributions.

    **Raises:** `UnitError`, `ValueError` as for every stimulus.

    **Source:** Uhlenbeck and Ornstein (1930), Physical Review 36, 823; exact scheme by Gillespie (1996), Physical Review E 54, 2084.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 10, lif)
        >>> noise = n4.OrnsteinUhlenbeck("noise", cells, mean=150*u.pA, std=60*u.pA, tau=5*u.ms)
    """

    name: str = eqx.field(static=True)
    target: Any = eqx.field(static=True)
    mean: Any = quantity(u.pA, default=0 * u.pA)
    std: Any = quantity(u.pA, low=0, default=None, optional=True)
    tau: Any = quantity(u.ms, low=0, open_low=True, default=None, optional=True)

    port: None = eqx.field(static=True, init=False, default=None)
    weight: None = eqx.field(static=True, init=False, default=None)
    exerts: ClassVar = frozenset({"i"})

    def __check_init__(self):
        check_name(self.name, "stimulus")
        if self.std is None or self.tau is None:
            missing = "std" if self.std is None else "tau"
            raise UnitError(f"OrnsteinUhlenbeck {self.name!r}: give {missing}, for example `std=60*u.pA, tau=5*u.ms`.")

    def bind(self, binding, weight_unit):
        where = f"OrnsteinUhlenbeck {self.name!r}"
        mean, std, tau = (per_neuron(getattr(self, name), binding, f"{where}: {name}") for name in ("mean", "std", "tau"))
        return ColoredNoiseSource(mean, std, tau, binding.dt, binding.n)


class WhiteNoise(AbstractStimulus):
    r"""A current that is drawn anew for every neuron and time step: $i = \mu + \sigma\,\xi$, held during the step.

    The variance of the potential it causes depends on the step: $\sigma_v^2 \approx (R\sigma)^2\, dt / (2\tau)$ for a membrane with
    resistance $R$ and time constant $\tau \gg dt$. To keep a diffusion of strength $s$ for any step, give $\sigma = s/\sqrt{dt}$.

    **Arguments:** `name`, `target`; `mean` and `std` (0 or more): scalars, per neuron, or distributions. [current]

    **Source:** the piecewise constant Gaussian current of NEST's `noise_generator`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 10, lif)
        >>> noise = n4.WhiteNoise("noise", cells, mean=50*u.pA, std=200*u.pA)
    """

    name: str = eqx.field(static=True)
    target: Any = eqx.field(static=True)
    mean: Any = quantity(u.pA, default=0 * u.pA)
    std: Any = quantity(u.pA, low=0, default=None, optional=True)

    port: None = eqx.field(static=True, init=False, default=None)
    weight: None = eqx.field(static=True, init=False, default=None)
    exerts: ClassVar = frozenset({"i"})

    def __check_init__(self):
        check_name(self.name, "stimulus")
        if self.std is None:
            raise UnitError(f"WhiteNoise {self.name!r}: give std, for example `std=20*u.pA`.")

    def bind(self, binding, weight_unit):
        where = f"WhiteNoise {self.name!r}"
        return NoiseSource(per_neuron(self.mean, binding, f"{where}: mean"), per_neuron(self.std, binding, f"{where}: std"), binding.n)
