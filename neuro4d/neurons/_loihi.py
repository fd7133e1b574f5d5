"""Leaky integrate-and-fire as Loihi computes it: integers, decays in 4096ths, registers of 24 bits."""

from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from neuro4d._base import NUMBER, check_whole, kept_of, quantity, to_integer, wrapped
from neuro4d.neurons._base import AbstractNeuron, Fired

ALIGN = 6
"""Bits by which weights and thresholds are shifted to the left."""

SUM_BITS, STATE_BITS = 22, 24
"""Widths of the sum of what arrives in a step, and of `u` and `v`, with their sign."""

LARGEST = 2 ** (STATE_BITS - 1) - 1


class LoihiLIFState(NamedTuple):
    """`u` and `v`, as the chip stores them; `left`: steps for which `v` is still held."""

    u: Int32[Array, "n"]
    v: Int32[Array, "n"]
    left: Int32[Array, "n"]


class LoihiLIFConstants(NamedTuple):
    """What is kept of `u` and of `v` in a step, in 4096ths; bias and threshold, shifted; steps for which `v` is held; how much of a weight of 1 a
    unit of `v` is."""

    keep_u: Int32[Array, "*n"]
    keep_v: Int32[Array, "*n"]
    bias: Int32[Array, "*n"]
    threshold: Int32[Array, "*n"]
    hold: Int32[Array, "*n"]
    unit: Float[Array, ""]


class LoihiLIF(AbstractNeuron):
    r"""Leaky integrate-and-fire neuron in the integers of Loihi 1 and 2, bit for bit.

    $$ u \leftarrow \Big[\tfrac{4095 - \mathrm{du}}{4096}\, u\Big]_0 + 64\,a, \qquad
       v \leftarrow \Big[\tfrac{4096 - \mathrm{dv}}{4096}\, v\Big]_0 + u + b, \qquad b = \mathrm{bias\_mant}\cdot 2^{\mathrm{bias\_exp}} $$

    where $[\cdot]_0$ rounds towards zero and $a$ is the sum of the weights that arrive. Where $v > 64\,\mathrm{vth}$ the neuron fires, `v` is 0 and is held there
    for `hold` steps; `u` goes on. $64\,a$ is kept in 22 bits and `u` in 24: what does not fit wraps around. `v` stops at $\pm(2^{23} - 1)$.

    **Everything is an integer, and a step is the unit of time**: there is no other unit. Synapses come in at a `Delta` port, where 1 mV is a weight of 1,
    or at a `PulseCurrent` port, where 1 pA is a weight of 1 and acts one step later. A weight is a mantissa times a power of two,
    `weight=100*2**-3*u.mV`; what lies below 1/64 is cut off. The sum is exact as long as it stays below 2^18.

    State and constants are 32-bit integers; products of 24 by 12 bits are made in halves, so nothing is rounded that the chip does not round. There
    are no derivatives and no native step: a CPU delivers spikes natively and updates these neurons in plain XLA.

    **Arguments:** each a whole number or an array with one entry per neuron; the names are those of Lava.

    - `du`: decay of `u`, 0 to 4095; 4095 empties it in every step.
    - `dv`: decay of `v`, 0 to 4095; 0 means no leak.
    - `vth`: mantissa of the threshold, 0 to 131071.
    - `bias_mant`, `bias_exp`: what is added to `v` in every step, -4096 to 4095 times 2 to the power 0 to 7.
    - `hold`: steps for which `v` stays 0 after a spike, 0 to 62; the chip counts one more.

    **Variables:** `u` and `v`, the integers themselves.

    **Raises:** `ValueError` for a value outside its range or one that is not whole.

    **Source:** Davies et al. (2018), IEEE Micro 38(1), 82; the bit-accurate LIF model of Lava; widths of sums and refractory period as in the emulator of
    NengoLoihi. Lava keeps $+2^{23}$ as it is, which a register of 24 bits cannot hold; here it wraps to $-2^{23}$.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> cells = n4.Population("cells", 2, n4.LoihiLIF(du=4095, dv=410, vth=100), {"in": n4.Delta()})
        >>> spikes = n4.SpikeTimes("spikes", cells, "in", times=[1, 2]*u.ms, ids=[0, 0], weight=60*u.mV)
        >>> model = n4.Network(cells, spikes).build(dt=1*u.ms, seed=0)
        >>> run = n4.simulate(model, jr.key(0), 3*u.ms, (n4.Spikes(), n4.Trace("cells", "v")))
        >>> run.trace("cells.v").values[:, 0].tolist(), run.counts("cells").tolist()
        ([3840.0, 0.0, 0.0], [1, 0])
    """

    du: Float[Array, "*n"] = quantity(NUMBER, low=0, high=4095)
    dv: Float[Array, "*n"] = quantity(NUMBER, low=0, high=4095)
    vth: Float[Array, "*n"] = quantity(NUMBER, low=0, high=2**17 - 1)
    bias_mant: Float[Array, "*n"] = quantity(NUMBER, low=-4096, high=4095, default=0)
    bias_exp: Float[Array, "*n"] = quantity(NUMBER, low=0, high=7, default=0)
    hold: Float[Array, "*n"] = quantity(NUMBER, low=0, high=62, default=0)

    variables: ClassVar = {"u": NUMBER, "v": NUMBER}
    inherits: ClassVar = False
    accepts: ClassVar = frozenset({"i", "jump"})

    def __check_init__(self):
        numbers = {"du": self.du, "dv": self.dv, "vth": self.vth, "bias_mant": self.bias_mant, "bias_exp": self.bias_exp, "hold": self.hold}
        check_whole("LoihiLIF", **numbers)

    def check(self, dt):
        del dt

    def membrane(self):
        return None

    def constants(self, dt):
        del dt
        du, dv, vth, mantissa, exponent, hold = (
            jnp.asarray(x).astype(jnp.int32) for x in (self.du, self.dv, self.vth, self.bias_mant, self.bias_exp, self.hold)
        )
        return LoihiLIFConstants(
            4095 - du, 4096 - dv, mantissa << exponent, vth << ALIGN, hold, jnp.asarray(2.0**-ALIGN, jnp.asarray(self.vth).dtype)
        )

    def rest(self):
        return {"u": 0.0, "v": 0.0}

    def init(self, values):
        u, v = (to_integer(values[name], -LARGEST, LARGEST) for name in ("u", "v"))
        return LoihiLIFState(u, v, jnp.zeros_like(v))

    def step(self, constants, state, drive):
        c = constants
        arrived = sum((_aligned(weights) for weights in (drive.i, drive.jump) if weights is not None), jnp.zeros_like(state.u))
        u = wrapped(kept_of(state.u, c.keep_u) + wrapped(arrived, SUM_BITS), STATE_BITS)
        free = state.left == 0
        moved = jnp.where(free, jnp.clip(kept_of(state.v, c.keep_v) + u + c.bias, -LARGEST, LARGEST), 0)
        fired = free & (moved > c.threshold)
        left = jnp.where(fired, c.hold, jnp.maximum(state.left - 1, 0))
        excess = (moved - c.threshold).astype(c.unit.dtype) * c.unit
        return LoihiLIFState(u, jnp.where(fired, 0, moved), left), Fired(fired, excess)


def _aligned(weights: Float[Array, "n"]) -> Int32[Array, "n"]:
    """A sum of weights, shifted. The limits are far outside of what is exact; beyond them a conversion would mean nothing."""
    return jnp.clip(weights * 2**ALIGN, -(2.0**30), 2.0**30).astype(jnp.int32)
