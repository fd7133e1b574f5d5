"""The exponential synapse as the cores of SpiNNaker compute it."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, UInt32

from neuro4d._base import NUMBER, WORD, AbstractValue, Drive, check_whole, quantity, scaled_down, to_integer
from neuro4d.receptors._base import AbstractReceptor

FULL = 2**16 - 1
"""The most that a ring buffer holds for a neuron and a step."""

PA_PER_BIT = 1000 / 2**15
"""A unit of s16.15 in nA, in pA."""


class SpiNNakerCurrentState(NamedTuple):
    """`i` in units of 2^-15 nA; `waiting`: weights that are in the ring buffer for the next step."""

    i: Int32[Array, "n"]
    waiting: Float[Array, "n"]


class SpiNNakerCurrentConstants(NamedTuple):
    """Decay over a step and the mean of a unit pulse over its first step, both in units of 2^-32; the place of a weight; the least and the most
    that the ring buffer holds; and `unit`, 2^-15 nA in pA."""

    decay: UInt32[Array, "*n"]
    first: UInt32[Array, "*n"]
    shift: Int32[Array, "*n"]
    least: Float[Array, "*n"]
    most: Float[Array, "*n"]
    unit: Float[Array, ""]


class SpiNNakerCurrent(AbstractReceptor):
    r"""Synaptic current with an exponential time course in the fixed-point numbers of SpiNNaker, bit for bit as sPyNNaker computes a step.

    $$ i \leftarrow \lfloor i\,d \rfloor + \Big\lfloor \min(w, 65535)\, 2^\mathrm{shift}\, \tfrac{\tau}{dt}(1 - d) \Big\rfloor, \qquad d = e^{-dt/\tau} $$

    `i` has 15 bits behind the point of nA; `d` and the factor behind the weight have 32 bits, of which single precision gives the first 24. What arrives in a step is
    summed in a ring buffer of 16 bits, which is full at 65535, and acts from the next step on.

    **Weights are the whole numbers that the chip stores**: 1 pA stands for $2^{\mathrm{shift} - 15}$ nA. The chip keeps excitation and inhibition in two buffers, so a port is
    one or the other, by the sign of its weights. A port with both signs has one buffer with a sign here: what is summed and decays is the difference of the two,
    so that roundings may differ by a unit in the last place, and the buffer is full later.

    **Arguments:** scalars, per-neuron arrays, or distributions.

    - `tau`: time constant, above 0. [time]
    - `shift`: by how many bits weights are shifted to the left, a whole number from 0 to 15. [a number]
    - `inhibitory`: 0 for weights of 0 or more, 1 for weights of 0 or less, 0.5 for both. What has the other sign is lost. [a number]

    **Variables:** `i`, the integer: 32768 for 1 nA, at the end of a step, without what waits in the ring buffer.

    **Source:** `exp_synapse_utils.h`, `decay.h` and `synapse_row.h` of sPyNNaker.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> syn = n4.SpiNNakerCurrent(tau=0.5*u.ms, shift=1)
    """

    tau: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    shift: Float[Array, "*n"] = quantity(NUMBER, low=0, high=15, default=0)
    inhibitory: Float[Array, "*n"] = quantity(NUMBER, low=0, high=1, default=0)

    weight_unit: ClassVar = u.pA
    exerts: ClassVar = frozenset({"i"})
    variables: ClassVar = {"i": NUMBER}

    def __check_init__(self):
        check_whole("SpiNNakerCurrent", shift=self.shift)
        if not isinstance(self.inhibitory, AbstractValue) and not np.isin(np.asarray(self.inhibitory), (0, 0.5, 1)).all():
            raise ValueError(f"SpiNNakerCurrent.inhibitory is 0, 1, or 0.5 for a port with weights of both signs; got {self.inhibitory}.")

    def constants(self, dt, membrane):
        del membrane
        x = dt / self.tau
        least, most = (FULL * jnp.where(side, 1, 0) for side in (self.inhibitory > 0, self.inhibitory < 1))
        dtype = jnp.asarray(self.tau).dtype
        return SpiNNakerCurrentConstants(
            _fraction(jnp.exp(-x)),
            _fraction(-jnp.expm1(-x) / x),
            jnp.asarray(self.shift).astype(jnp.int32),
            -least.astype(dtype),
            most.astype(dtype),
            jnp.asarray(PA_PER_BIT, dtype),
        )

    def init(self, values):
        i = to_integer(values["i"], -WORD, WORD)
        return SpiNNakerCurrentState(i, jnp.zeros_like(values["i"]))

    def early(self, state, constants, arrivals):
        return state._replace(waiting=state.waiting + arrivals)

    def step(self, constants, state, arrivals):
        c = constants
        arrived = jnp.clip(jnp.rint(state.waiting), c.least, c.most).astype(jnp.int32)
        size = scaled_down(jnp.abs(arrived) << c.shift, c.first)
        i = state.i + jnp.where(arrived < 0, -size, size)
        left = scaled_down(jnp.abs(i), c.decay)
        later = SpiNNakerCurrentState(jnp.where(i < 0, -left, left), jnp.zeros_like(state.waiting) if arrivals is None else arrivals)
        return later, Drive(i=i.astype(state.waiting.dtype) * c.unit)


def _fraction(x: Float[Array, "*n"]) -> UInt32[Array, "*n"]:
    """A number from 0 to 1 in units of 2^-32, rounded down; 1 itself has no place."""
    return (jnp.clip(x, 0, 1 - 2.0**-24) * 2.0**32).astype(jnp.uint32)
