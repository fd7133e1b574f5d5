"""Leaky integrate-and-fire as the cores of SpiNNaker compute it: fixed-point numbers of the format s16.15."""

from typing import ClassVar, NamedTuple

import brainunit as u
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from neuro4d._base import NUMBER, WORD, first_bad, product_s1615, quantity, steps_of, to_integer
from neuro4d.neurons._base import AbstractNeuron, Fired
from neuro4d.neurons._checks import check_above

ONE = 2**15
"""1 in the format s16.15."""

MOST = 65535
"""The largest whole number in it."""

BITS_PER_PA = ONE / 1000
"""Units of s16.15 in nA for 1 pA."""


class SpiNNakerLIFState(NamedTuple):
    """`v` in units of 2^-15 mV; `left`: steps for which it is still held."""

    v: Int32[Array, "n"]
    left: Int32[Array, "n"]


class SpiNNakerLIFConstants(NamedTuple):
    """In s16.15: resistance (MOhm), what is kept of the way in a step, levels (mV), offset (nA), input of a unit charge (1/ms); `hold` in steps; and
    `unit`, 1 mV over 2^15."""

    resistance: Int32[Array, "*n"]
    keep: Int32[Array, "*n"]
    v_rest: Int32[Array, "*n"]
    v_th: Int32[Array, "*n"]
    v_reset: Int32[Array, "*n"]
    offset: Int32[Array, "*n"]
    per_step: Int32[Array, ""]
    hold: Int32[Array, "*n"]
    unit: Float[Array, ""]


class SpiNNakerLIF(AbstractNeuron):
    r"""Leaky integrate-and-fire neuron in the fixed-point numbers of SpiNNaker, bit for bit as sPyNNaker computes a step.

    $$ \alpha = \lfloor i R \rfloor + v_\mathrm{rest}, \qquad v \leftarrow \alpha - \lfloor e\,(\alpha - v) \rfloor, \qquad e = e^{-dt/\tau} $$

    Every number has 16 bits before and 15 behind the binary point and a sign (`accum` of ISO/IEC TR 18037): a product is rounded down, what does not fit
    wraps around. `i` is the current in nA, rounded to the nearest number; it consists of what receptors and stimuli exert and `i_offset`. Where
    $v \ge v_\mathrm{th}$ the neuron fires and `v` is held at `v_reset` for `t_ref`.

    State and constants are 32-bit integers. Constants follow from the parameters in the precision of the model, each rounded to the nearest number; the
    library of the chip makes them from numbers that are rounded already, so that its own may differ in the last bits. There are no derivatives and no native
    step.

    `SpiNNakerCurrent` is the synapse that belongs to it. Currents between them and from stimuli are handed on in pA, which is exact up to 64 nA. What arrives at a
    `Delta` port is the input of the chip's delta synapse, a charge: 1 mV stands for 1 pC, and moves `v` by about 1 mV at 1 nF.

    **Arguments:** each a scalar, an array with one entry per neuron, or a distribution; a voltage is at most 65535 mV in size.

    - `tau`: membrane time constant, above 0. [time]
    - `c`: capacitance, above 0. [capacitance]
    - `v_rest`: resting potential. [voltage]
    - `v_th`: threshold, above `v_reset`. [voltage]
    - `v_reset`: potential after a spike. [voltage]
    - `t_ref`: refractory period, 0 or more, a multiple of the time step. [time]
    - `i_offset`: a current that always flows. [current]

    **Variables:** `v`, the integer: 32768 for 1 mV. Give `v0` like this as well: `v0=-65*2**15`.

    **Raises:** `UnitError` for a bare number or another dimension, `ValueError` for a value outside its range, and in `build` for a resistance `tau / c` above 65535 MOhm.

    **Source:** `neuron_model_lif_impl.h` and `neuron_impl_standard.h` of sPyNNaker: closed form, order of a step, threshold and refractory period.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.SpiNNakerLIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV, t_ref=5*u.ms, i_offset=150*u.pA)
        >>> int(lif.constants(0.1).keep)
        32605
    """

    tau: Float[Array, "*n"] = quantity(u.ms, low=0, open_low=True)
    c: Float[Array, "*n"] = quantity(u.pF, low=0, open_low=True)
    v_rest: Float[Array, "*n"] = quantity(u.mV, low=-MOST, high=MOST)
    v_th: Float[Array, "*n"] = quantity(u.mV, low=-MOST, high=MOST)
    v_reset: Float[Array, "*n"] = quantity(u.mV, low=-MOST, high=MOST)
    t_ref: Float[Array, "*n"] = quantity(u.ms, low=0, default=0 * u.ms)
    i_offset: Float[Array, "*n"] = quantity(u.pA, low=-1e3 * MOST, high=1e3 * MOST, default=0 * u.pA)

    variables: ClassVar = {"v": NUMBER}
    inherits: ClassVar = False
    accepts: ClassVar = frozenset({"i", "jump"})

    def __check_init__(self):
        check_above("SpiNNakerLIF", ("v_th", self.v_th), ("v_reset", self.v_reset), "v_th=-50*u.mV, v_reset=-60*u.mV")

    def check(self, dt):
        steps_of(self.t_ref, dt, "SpiNNakerLIF.t_ref")
        resistance = 1000 * np.asarray(self.tau) / np.asarray(self.c)
        bad = ~(resistance <= MOST)
        if np.any(bad):
            raise ValueError(
                f"SpiNNakerLIF: tau / c is a resistance of at most {MOST} MOhm, which is what s16.15 holds; got {np.max(resistance):g} MOhm"
                f"{first_bad(bad)}. For example `tau=20*u.ms, c=200*u.pF`, which is 100 MOhm."
            )

    def membrane(self):
        return None

    def constants(self, dt):
        keep = to_integer(jnp.exp(-dt / self.tau) * ONE, 0, ONE)
        hold = jnp.round(self.t_ref / dt).astype(jnp.int32)
        return SpiNNakerLIFConstants(
            _bits(1000 * self.tau / self.c),
            keep,
            _bits(self.v_rest),
            _bits(self.v_th),
            _bits(self.v_reset),
            _from_pa(self.i_offset),
            _bits(jnp.asarray(1 / dt)),
            hold,
            jnp.asarray(1 / ONE, jnp.asarray(self.tau).dtype),
        )

    def rest(self):
        return {"v": self.v_rest * ONE}

    def init(self, values):
        v = to_integer(values["v"], -WORD, WORD)
        return SpiNNakerLIFState(v, jnp.zeros_like(v))

    def step(self, constants, state, drive):
        c = constants
        i = jnp.broadcast_to(c.offset, state.v.shape)
        if drive.i is not None:
            i = i + _from_pa(drive.i)
        if drive.jump is not None:
            i = i + product_s1615(_bits(drive.jump), c.per_step)
        alpha = product_s1615(i, c.resistance) + c.v_rest
        free = state.left == 0
        moved = jnp.where(free, alpha - product_s1615(c.keep, alpha - state.v), state.v)
        fired = free & (moved >= c.v_th)
        left = jnp.where(fired, c.hold, jnp.maximum(state.left - 1, 0))
        excess = (moved - c.v_th).astype(c.unit.dtype) * c.unit
        return SpiNNakerLIFState(jnp.where(fired, c.v_reset, moved), left), Fired(fired, excess)


def _bits(x: Float[Array, "*n"]) -> Int32[Array, "*n"]:
    """A number in s16.15."""
    return to_integer(x * ONE, -WORD, WORD)


def _from_pa(x: Float[Array, "*n"]) -> Int32[Array, "*n"]:
    """A current in pA as one in nA, in s16.15."""
    return to_integer(x * BITS_PER_PA, -WORD, WORD)
