"""Neuromodulators: levels that rise with what is released, fall back to a baseline, and change how strongly other arrivals act."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from brainunit import ms
from jaxtyping import Array, Float

from neuro4d._base import NUMBER, Drive, quantity
from neuro4d.receptors._base import AbstractReceptor


class NeuromodulatorState(NamedTuple):
    """`level`, between 0 and 1."""

    level: Float[Array, "n"]


class NeuromodulatorConstants(NamedTuple):
    """What a step leaves of a deviation, and the baseline."""

    kept: Float[Array, "*n"]
    baseline: Float[Array, "*n"]


def _strengths(given: Any, which: str) -> tuple[tuple[str, float], ...]:
    """Ports and strengths, `{"exc": 2.0}`, as a value that can be compared."""
    if not isinstance(given, Mapping | tuple):
        raise TypeError(f'Neuromodulator.{which} names ports of the same neurons, for example `{which}={{"exc": 2.0}}`; got {given!r}.')
    for port, strength in dict(given).items():
        number = isinstance(strength, int | float) and not isinstance(strength, bool)
        if not isinstance(port, str) or not number or not math.isfinite(strength):
            raise ValueError(
                f'Neuromodulator.{which} gives each port one number, for example `{which}={{"exc": 2.0}}`; got {{{port!r}: {strength!r}}}.'
            )
    return tuple(sorted((port, float(strength)) for port, strength in dict(given).items()))


class Neuromodulator(AbstractReceptor):
    r"""A level of dopamine, serotonin, norepinephrine, ... at each neuron, which acts on what arrives at other ports and on rules of plasticity.

    $$ \tau \dot L = b - L, \qquad \text{a release } s \text{ arrives:}\quad L \leftarrow \min(\max(L + s, 0), 1) $$

    $L$ lies between 0, nothing, and 1, all there can be, and begins at its baseline $b$. Arrivals $a$ at other ports of the same neurons are
    multiplied, by the level at the beginning of the step:

    $$ a \leftarrow a\, f, \qquad f = \max(1 + m\,(L - b),\, 0) $$

    At the baseline nothing changes. With `gain` that holds for all that arrives at a port (the gain that norepinephrine sets), with
    `inhibition` only for neurons at which the sum of a step is below 0 (inhibition that serotonin strengthens, where it shares a port with
    excitation; an inhibitory port of its own takes `gain`). `n4.Modulated(rule, by=port)` lets a rule of plasticity learn $f$ times as fast.

    A release is what arrives at the port, a bare number, which may be negative: a projection, `n4.SpikeTimes`, `n4.Input` in a closed loop.
    It exerts nothing itself. A population with such a port is stepped in plain XLA. A delay of 0 is served in the next step.

    **Arguments:** `baseline` and `tau`: scalars, per neuron, or distributions.

    - `baseline` $b$: from 0 to 1, by default 0.5.
    - `tau` $\tau$: above 0, by default 10 ms. [time]
    - `gain`, `inhibition`: ports and their $m$, by default none.

    **Variables:** `level`.

    **Raises:** `UnitError`, `TypeError`, `ValueError` for what is out of range; `ValueError` from `Population` for a port that it does not have.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> arousal = n4.Neuromodulator(baseline=0.5, tau=2*u.second, gain={"exc": 2.0})
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 10, lif, {"exc": n4.ExpCurrent(tau=5*u.ms), "norepinephrine": arousal})
        >>> release = n4.Input("release", cells, port="norepinephrine")
    """

    baseline: Any = quantity(NUMBER, low=0, high=1, default=0.5)
    tau: Float[Array, "*n"] = quantity(ms, low=0, open_low=True, default=10 * ms)
    gain: Any = eqx.field(static=True, default=(), converter=lambda x: _strengths(x, "gain"))
    inhibition: Any = eqx.field(static=True, default=(), converter=lambda x: _strengths(x, "inhibition"))

    weight_unit: ClassVar = NUMBER
    exerts: ClassVar = frozenset()
    takes_early: ClassVar = False
    variables: ClassVar = {"level": NUMBER}

    def constants(self, dt, membrane):
        del membrane
        return NeuromodulatorConstants(jnp.exp(-dt / self.tau), self.baseline)

    def rest(self):
        """The level before anything is released: the baseline."""
        return {"level": self.baseline}

    def acts_on(self):
        return tuple(dict.fromkeys(port for port, _ in (*self.gain, *self.inhibition)))

    def act(self, constants, state, port, arrivals):
        above = state.level - constants.baseline
        changed = arrivals
        for name, strength in self.gain:
            changed = changed * _factor(strength, above) if name == port else changed
        for name, strength in self.inhibition:
            changed = jnp.where(arrivals < 0, changed * _factor(strength, above), changed) if name == port else changed
        return changed

    def init(self, values):
        return NeuromodulatorState(values["level"])

    def step(self, constants, state, arrivals):
        level = constants.baseline + (state.level - constants.baseline) * constants.kept
        level = level if arrivals is None else jnp.clip(level + arrivals, 0, 1)
        return NeuromodulatorState(level.astype(state.level.dtype)), Drive()


def _factor(strength: float, above: Float[Array, "n"]) -> Float[Array, "n"]:
    return jnp.maximum(1 + strength * above, 0)
