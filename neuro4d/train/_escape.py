"""Escape noise: neurons that fire at random, the more likely the nearer they are to threshold, or the further above."""

import dataclasses
import functools
from typing import Any, ClassVar, NamedTuple

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import address as address_of
from neuro4d._base import attach, field_units, quantity, step_address, uniform_jax, words_jax
from neuro4d.model import Group, Model, State, cast
from neuro4d.neurons import GLIF, LIF, PLIF, AbstractNeuron, Fired

KNOWN = (LIF, PLIF, GLIF)
"""Neurons whose threshold serves to detect spikes and nothing else."""

FAR = -1e6
"""mV below threshold: where a held neuron counts as being."""


class EscapeConstants(NamedTuple):
    """Those of the neuron, and the chance to fire per step at threshold (`rate_dt`), with the width in mV."""

    own: Any
    rate_dt: Float[Array, "*n"]
    width: Float[Array, "*n"]


class AbstractEscaping(AbstractNeuron):
    """A neuron with escape noise. `escape_noise` makes them."""

    escape_rate: eqx.AbstractVar[Float[Array, "*n"]]
    escape_width: eqx.AbstractVar[Float[Array, "*n"]]


@functools.cache
def _escaping(kind: Any) -> Any:
    """The class of neurons of a kind that fire at random."""

    class Escaping(kind, AbstractEscaping):
        escape_rate: Float[Array, "*n"] = quantity(u.kHz, low=0, open_low=True, default=1 * u.kHz)
        escape_width: Float[Array, "*n"] = quantity(u.mV, low=0, open_low=True, default=1 * u.mV)

        native: ClassVar = None
        random: ClassVar = True

        def constants(self, dt):
            return EscapeConstants(kind.constants(self, dt), self.escape_rate * dt, self.escape_width)

        def step(self, constants, state, drive, words):  # type: ignore[override]
            own = constants.own
            shift = shift_of(constants, words, state.v.dtype)
            after, fired = kind.step(self, own._replace(v_th=own.v_th + shift), state, drive)
            _, free = kind.step(self, own._replace(v_th=jnp.full_like(own.v_th, FAR)), state, drive)
            return after, Fired(fired.spikes, jnp.where(free.spikes, fired.excess, FAR))

    Escaping.__name__ = Escaping.__qualname__ = f"Escaping{kind.__name__}"
    return Escaping


def shift_of(constants: EscapeConstants, words: Array, dtype: Any) -> Array:
    """How far above threshold a neuron has to be in this step to fire, from a random word: to fire with the hazard is to reach it."""
    waiting = -jnp.log(uniform_jax(words, dtype))
    return jax.lax.stop_gradient(constants.width * jnp.log(waiting / constants.rate_dt))


def escape_noise(neuron: AbstractNeuron, *, rate: Any, width: Any) -> AbstractEscaping:
    r"""A neuron that fires at random, in place of one that fires at its threshold.

    $$ P(\text{spike in a step}) = 1 - e^{-\rho(v)\,dt},\qquad \rho(v) = \rho_0\,e^{(v - v_\mathrm{th})/\Delta} $$

    Everything else is that of the neuron, and so are the names of its parameters. With $\Delta \to 0$ it is the neuron itself.

    **Arguments:**

    - `neuron`: an `n4.LIF`, `n4.PLIF` or `n4.GLIF`.
    - `rate` $\rho_0$: of firing at threshold, above 0. [1/time]
    - `width` $\Delta$: how far below threshold the rate has fallen to 1/e, above 0. [voltage]

    **Raises:** `ValueError` for another neuron, `UnitError` for bare numbers.

    **Source:** W. Gerstner, W. Kistler, R. Naud, L. Paninski, *Neuronal Dynamics* (2014), chapter 9; J.-P. Pfister et al., Neural Computation
    18, 1318 (2006).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> noisy = n4.train.escape_noise(lif, rate=1*u.kHz, width=2*u.mV)
        >>> cells = n4.Population("cells", 10, noisy)
    """
    if type(neuron) not in KNOWN:
        names = ", ".join(kind.__name__ for kind in KNOWN)
        raise ValueError(f"escape noise is known for {names}, whose threshold only detects spikes; got {type(neuron).__name__}.")
    units = field_units(neuron)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(neuron):
        value = getattr(neuron, field.name)
        fields[field.name] = attach(value, units[field.name]) if field.name in units and eqx.is_array_like(value) else value
    return _escaping(type(neuron))(**fields, escape_rate=rate, escape_width=width)


def with_escape_noise(model: Model, *, rate: Any, width: Any) -> Model:
    """A model whose neurons fire at random: `escape_noise` for every population that can have it.

    **Arguments** and **Raises:** as `escape_noise`; `ValueError` if no population can have it.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> model = n4.Network(n4.Population("cells", 10, lif)).build(dt=0.1*u.ms, seed=0)
        >>> type(n4.train.with_escape_noise(model, rate=1*u.kHz, width=2*u.mV).neurons["cells"]).__name__
        'EscapingLIF'
    """
    names = [name for name, neuron in model.neurons.items() if type(neuron) in KNOWN]
    if not names:
        kinds = ", ".join(sorted({type(neuron).__name__ for neuron in model.neurons.values()}))
        raise ValueError(f"no population can have escape noise; the neurons are {kinds}.")
    made = [cast(escape_noise(model.neurons[name], rate=rate, width=width), model.dtype) for name in names]
    return eqx.tree_at(lambda m: [m.neurons[name] for name in names], model, made)


def shifts(model: Model, constants: EscapeConstants, group: Group, state: State) -> Array:
    """How far above threshold each neuron of a group has to be to fire in the next step: what its step draws."""
    pieces = []
    for span in group.spans:
        a, b = step_address(state.key, address_of(0, "neuron", span.name), state.step - state.start)
        pieces.append(words_jax(a, b, jnp.arange(span.size, dtype=jnp.uint32)))
    return jnp.broadcast_to(shift_of(constants, jnp.concatenate(pieces), model.dtype), (group.n,))
