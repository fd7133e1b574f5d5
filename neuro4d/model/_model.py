"""The model: what is constant during a run, and what one does with it."""

from typing import Any

import brainunit as u
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from neuro4d._base import alike, lookup, placed_by_compiler
from neuro4d.model._census import Census, census, describe, fingerprint, n_synapses, storage
from neuro4d.model._change import after_step, periods, with_changes
from neuro4d.model._constants import prepare
from neuro4d.model._edges import Edges, as_wired, edges, fan_in, fan_out, span_of, weights
from neuro4d.model._fields import ModelFields
from neuro4d.model._freeze import freeze
from neuro4d.model._initial import first_state, key_words
from neuro4d.model._layout import Span
from neuro4d.model._plan import Plan, plan
from neuro4d.model._state import State, StepSpikes
from neuro4d.model._step import advance
from neuro4d.structure import Slots


class Model(ModelFields):
    """A network, built: everything that is constant during a run, as one pytree.

    Made by `Network.build`. Its float leaves are bare numbers in ms, mV, pA, nS, pF, kHz; differentiate with respect to any, or
    change one with `n4.set(model, where, value)`, and the weights of a projection with `n4.set_weights(model, "e", value)`.

    **Fields:**

    - `neurons["cells"].v_th`, `receptors["cells"]["exc"].tau`: parameters by population, scalars or one entry per neuron.
    - `pathways`: synapses as they lie in memory; `weights("e")` and `edges("e")` speak of projections.
    - `plasticity`: rules by pathway.
    - `gaps["gap"].conductance`: gap junctions by name, in the order of `edges("gap")`.
    - `sources`, `banks`: stimuli.
    - `sites`: coordinates by population, for those on a lattice.
    - `founders`: who is alive at the beginning, packed, by population, where that was named; `lives`: life cycles by population;
      `structures`: synapses that form and vanish, by pathway.
    - `seed`: two words, that of `build`.
    - `layout`: static.
    - `origin`: the network and the arguments of `build` that it comes from; static, and no part of its structure.
    """

    def init(self, key: Any, *, start: int = 0) -> State:
        """The state before the first step.

        **Arguments:**

        - `key`: a typed random key, `jax.random.key(0)`: the seed of initial values and noise of this trial. `jax.vmap(model.init)`
          over keys gives a batch of trials.
        - `start`: the value of the step counter; it changes nothing but the stamps.

        **Raises:** `TypeError` for anything but a single typed threefry key, `ValueError` for a start outside 0 to 2^32 - 1.

        !!! Example

            >>> import brainunit as u, jax.random as jr, neuro4d as n4
            >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
            >>> state = n4.Network(cells).build(dt=0.1*u.ms, seed=0).init(jr.key(0))
            >>> int(state.step)
            0
        """
        words = key_words(key)
        if isinstance(start, bool) or not isinstance(start, int | np.integer) or not 0 <= int(start) < 2**32:
            raise ValueError(f"start is a whole number from 0 to 2**32 - 1; got {start!r}.")
        return first_state(self, words, jnp.uint32(start))

    def step(self, state: State, inputs: dict[str, Any] | None = None) -> tuple[State, StepSpikes]:
        """One time step: deliver, decay, drive, fire, learn, remember.

        **Arguments:**

        - `state`: from `init` or an earlier step.
        - `inputs`: values for the `Input` ports by name, `(n,)` or a scalar: pA, or the unit of the port's weights; quantities are
          converted. A port without a value receives nothing.

        **Returns:** the next state, and the spikes stamped at the end of the step.

        Pure: works under `jax.jit`, `jax.vmap`, `jax.lax.scan` and `jax.grad`.
        """

        def one(state: State, model: Model, inputs: dict[str, Any] | None) -> tuple[State, StepSpikes]:
            state = alike(state, model, inputs)
            model = alike(model, state) if periods(model) else model
            now = with_changes(model, state)
            after, spikes = advance(now, prepare(now), state, inputs)
            return after_step(model, after, spikes.words), spikes

        return placed_by_compiler(one, state, self, inputs)

    @property
    def dt(self) -> Any:
        """The time step, a quantity; `dt_ms` is the bare number."""
        return self.layout.dt * u.ms

    @property
    def populations(self) -> dict[str, Span]:
        """Size and place of every population, by name."""
        return self.layout.spans

    @property
    def projections(self) -> tuple[str, ...]:
        """Names of the projections, in the order of their definition."""
        return tuple(self.layout.projections_by_name)

    @property
    def n_neurons(self) -> int:
        """All neurons."""
        return sum(group.n for group in self.layout.groups)

    @property
    def n_synapses(self) -> int:
        """All synapses. Reads the arrays: not inside a compiled function."""
        return sum(n_synapses(path) for path in self.pathways.values())

    @property
    def build_seed(self) -> int:
        """The seed of `build`. Reads the array: not inside a compiled function."""
        low, high = np.asarray(self.seed).tolist()
        return low | high << 32

    @property
    def lattice_shape(self) -> tuple[int, ...] | None:
        """Sites of the lattice along every axis, or `None`."""
        return self.layout.lattice_shape

    def variables(self, population: str) -> dict[str, Any]:
        """What can be recorded of a population, with units."""
        lookup(self.populations, population, "population")
        units = dict(self.neurons[population].variables)
        for port, receptor in self.receptors[population].items():
            units |= {f"{port}.{name}": unit for name, unit in receptor.variables.items()}
        return units

    def coordinates(self, population: str) -> np.ndarray | None:
        """Lattice coordinates of a population, int32 `(n, axes)`, or `None` if it has no place."""
        lookup(self.populations, population, "population")
        return np.asarray(self.sites[population]) if population in self.sites else None

    def edges(self, projection: str, state: State | None = None) -> Edges:
        """The edges of a projection: `pre` and `post` as indices into the populations, `weight` and `delay` as quantities.

        Ordered by source, delay, target, definition, on every machine and backend. Of gap junctions: `pre` and `post` are the two
        partners, `weight` the conductance, and the delay is 0.

        **Arguments:** `state`: shows the weights that are in force there, for a projection whose weights live in the state, and the synapses that are
        there, for one whose synapses come and go.

        **Raises:** `UnknownNameError` for a name that neither a projection nor gap junctions carry.

        !!! Example

            >>> import brainunit as u, neuro4d as n4
            >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
            >>> chain = n4.Projection("chain", cells[:2], cells[1:], "in", n4.OneToOne(), weight=1*u.mV)
            >>> n4.Network(cells, chain).build(dt=0.1*u.ms, seed=0).edges("chain").post
            array([1, 2])
        """
        return edges(self, projection, state)

    def weights(self, projection: str, state: State | None = None) -> Any:
        """The weights of a projection, a quantity `(k,)` in the order of `edges`.

        **Arguments** and **Raises:** as `edges`.

        !!! Example

            >>> import brainunit as u, neuro4d as n4
            >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
            >>> chain = n4.Projection("chain", cells[:2], cells[1:], "in", n4.OneToOne(), weight=[1, 2]*u.mV)
            >>> n4.Network(cells, chain).build(dt=0.1*u.ms, seed=0).weights("chain").to_decimal(u.mV)
            array([1., 2.], dtype=float32)
        """
        return weights(self, projection, state)

    def fan_out(self, projection: str, state: State | None = None) -> Int[np.ndarray, " n"]:
        """How many synapses of a projection leave each neuron of its source population, shape `(n,)`; in a `state`, where they come and go.

        **Raises:** `UnknownNameError` for a name that no projection carries.
        """
        return fan_out(self, projection, state)

    def fan_in(self, projection: str, state: State | None = None) -> Int[np.ndarray, " n"]:
        """How many synapses of a projection reach each neuron of its target population, shape `(n,)`; in a `state`, where they come and go.

        **Raises:** `UnknownNameError` for a name that no projection carries.
        """
        return fan_in(self, projection, state)

    def slots(self, projection: str, state: State) -> Slots:
        """What a state holds of the synapses of a projection that come and go: how many were `formed`, `pruned` and `refused`, their `elements`, and more.

        **Raises:** `UnknownNameError` for a name that no projection carries, `ValueError` for one whose synapses stay.
        """
        held = state.edges.get(span_of(self, projection).pathway)
        if held is None or held.slots is None:
            raise ValueError(
                f"the synapses of projection {projection!r} stay; they come and go where it is made with `structure=n4.StructuralPlasticity(...), slots=100`."
            )
        return held.slots

    def as_in(self, state: State) -> Any:
        """The model with the synapses that there are in a state, where they come and go, and with the parameters of the neurons that live there: to be
        counted, drawn, put on a chip or simulated from the beginning."""
        return with_changes(as_wired(self, state), state)

    def freeze(self) -> "Model":
        """A model with the event layout in place of delays that are trained: each is rounded to the nearest step.

        **Raises:** `ValueError` for a delay that is not a number, or beyond the bounds that it was given. Reads the arrays: not inside
        a compiled function.
        """
        return freeze(self)

    def census(self) -> Census:
        """What there is: neurons and state variables by population, synapses, distinct weights and delays by projection."""
        return census(self)

    def plan(self) -> Plan:
        """Which parts run natively on a CPU, and why the others do not. Prints as a table."""
        return plan(self)

    def fingerprint(self) -> str:
        """A hash of the structure: names, sizes, ports, delays, seed and time step. Two models with equal fingerprints can exchange
        states and weights; numbers of parameters do not enter."""
        return fingerprint(self)

    def storage(self) -> list[dict[str, Any]]:
        """How the synapses of every pathway are kept: number, bits of an id, what a weight is kept per and in which type, target
        blocks, delays, and bytes in all."""
        return storage(self)

    def __str__(self):
        return describe(self)

    def __repr__(self):
        shape = "" if self.lattice_shape is None else f" on a lattice of {' x '.join(map(str, self.lattice_shape))}"
        return (
            f"Model({len(self.layout.populations)} populations, {self.n_neurons} neurons{shape}, "
            f"{len(self.layout.projections)} projections, dt = {self.dt_ms} ms)"
        )
