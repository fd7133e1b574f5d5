"""Neurons that age, die and have children."""

from typing import Any

import brainunit as u
import equinox as eqx
import numpy as np

from neuro4d._base import NUMBER, AbstractPart, attach, quantity


class Lifecycle(AbstractPart):
    r"""Neurons age, lose health, die, are replaced by children and divide, while the network runs.

    All of it happens at events, at the end of every `every` of time. The age of a living neuron grows by `every`, and

    $$ h \leftarrow \max(0,\; h - d \cdot \mathrm{every}), \qquad h = 1 \text{ at birth} $$

    A neuron **dies** where $h <$ `death_below` or its age is more than `max_age`. With `reproduction` it has a child at its own place:
    one generation further, of health 1, all its variables and the traces that synapses keep of it as at the beginning, its delays kept. Without it the place is free.

    Each living neuron **divides** at the rate `division_rate`, with probability $1 - e^{-\mathrm{rate}\cdot\mathrm{every}}$ at an event, if it has
    fired at `division_above` or more since the last one. The child lives at the nearest free place within `radius` on the lattice
    (of places as near as each other, the one with the lower index); without a lattice, or without `radius`, at the free place with the lowest
    index. Where several want the same place, one is drawn. Where there is none, the birth is refused, and counted.

    A child **inherits** the parameters of its parent, each times $1 + \mathcal N(0, \sigma_p)$, and the weights of the synapses at its place, of
    those that live in the state (any `plasticity=`, also `n4.Free()`), plus $\mathcal N(0, \sigma_w)$, kept within the limits of their rule, or at 0
    or more where the receptor takes no negative weights. Where a drawn parameter leaves its range, or the order of two potentials would be lost
    (a threshold at or below its reset), the child has those of the parent instead.

    Synapses belong to places: they are drawn for all, and a synapse counts while a neuron lives at both of its ends. What a neuron fired before it
    died still arrives.

    **Arguments:**

    - `every`: from event to event, a multiple of the time step. [time]
    - `max_age`: the age after which neurons die, or `None`: of age nobody dies. [time]
    - `health_decay` $d$: health lost per time, or `None`. [frequency]
    - `death_below`: from 0 to 1; by default 0.1.
    - `reproduction`: whether a neuron that dies has a child at its place.
    - `mutation_params` $\sigma_p$: 0 or more; 0: all neurons keep the parameters of the population.
    - `mutation_weights` $\sigma_w$: 0 or more, a number in the unit of the receptor's weights (pA, nS or mV).
    - `division_rate`: or `None`: no neuron divides. [frequency]
    - `division_above`: the rate at which a neuron has to fire to divide. [frequency]
    - `radius`: how far from its parent a child may live; needs a population on a lattice. [length]
    - `age`: of the first neurons, one time, one per neuron or a distribution, drawn with the key of the trial; their health is what is left after that time.
      [time]

    **Raises:** `UnitError` for a bare number or another dimension, `ValueError` for a value out of range.

    **Source:** the life cycle of 4D-Neural-Cognition (T. Heisig, 2025), where every step is an event.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> life = n4.Lifecycle(every=10*u.ms, max_age=50*u.ms)
        >>> cells = n4.Population("cells", 4, lif, alive=3, lifecycle=life)
        >>> run = n4.simulate(n4.Network(cells).build(dt=0.1*u.ms, seed=0), jr.key(0), 100*u.ms)
        >>> run.state.life["cells"].generation.tolist(), int(run.state.life["cells"].deaths)
        ([1, 1, 1, 0], 3)
    """

    every: Any = quantity(u.ms, low=0, open_low=True, default=100 * u.ms)
    max_age: Any = quantity(u.ms, low=0, optional=True, default=100 * u.second)
    health_decay: Any = quantity(u.kHz, low=0, optional=True, default=0.1 * u.Hz)
    death_below: Any = quantity(NUMBER, low=0, high=1, default=0.1)
    reproduction: bool = eqx.field(static=True, default=True)
    mutation_params: Any = quantity(NUMBER, low=0, default=0.05)
    mutation_weights: Any = quantity(NUMBER, low=0, default=0.02)
    division_rate: Any = quantity(u.kHz, low=0, optional=True, default=None)
    division_above: Any = quantity(u.kHz, low=0, default=0 * u.Hz)
    radius: Any = quantity(u.um, low=0, open_low=True, optional=True, default=None)
    age: Any = quantity(u.ms, low=0, default=0 * u.ms)

    def __check_init__(self):
        if not isinstance(self.reproduction, bool):
            raise TypeError(f"Lifecycle.reproduction is True or False; got {self.reproduction!r}.")
        for name in ("every", "max_age", "health_decay", "death_below", "mutation_params", "mutation_weights", "division_rate", "division_above", "radius"):
            value = getattr(self, name)
            if value is not None and np.ndim(value) != 0:
                raise TypeError(f"Lifecycle.{name} is one number for the population; got an array of shape {np.shape(value)}.")
            if isinstance(value, eqx.Module):
                raise TypeError(f"Lifecycle.{name} is one number for the population; got {value!r}.")
        if self.division_rate is None and (self.radius is not None or self.division_above):
            what = "radius" if self.radius is not None else "division_above"
            raise ValueError(f"Lifecycle.{what} is about neurons that divide: give their rate too, for example `division_rate=0.1*u.Hz`.")

    def __repr__(self):
        return f"Lifecycle(every {attach(self.every, u.ms)})"
