"""The model: what is constant during a run."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neuro4d._base import AbstractValue, address, lookup, step_address, words_jax
from neuro4d.network._edges import Edges, edges
from neuro4d.network._groups import Span
from neuro4d.network._state import Spikes, State
from neuro4d.network._step import advance, prepare
from neuro4d.ops import AbstractSurrogate, Backend, Pathway, empty
from neuro4d.stimuli import AbstractSource, PoissonBank


class Wire(NamedTuple):
    """Where a source acts: `n` neurons of a group from `start` on, at a port or as a drive."""

    name: str
    group: str
    port: str | None
    start: int
    n: int


class Link(NamedTuple):
    """Where the edges of a projection are: its pathway, and the spans of its ends in their groups."""

    name: str
    pathway: str
    port: str
    source: tuple[int, int]
    target: tuple[int, int]
    pre: tuple[str, int]
    post: tuple[str, int]


class Layout(NamedTuple):
    """The static side of a model: names, sizes, ports, depths, the time step. Equal for all seeds of a network."""

    dt: float
    dtype: Any
    backend: Backend
    spans: tuple[Span, ...]
    sizes: tuple[tuple[str, int], ...]
    ports: tuple[tuple[str, tuple[str, ...]], ...]
    depths: tuple[tuple[str, int], ...]
    wires: tuple[Wire, ...]
    bank_ports: tuple[tuple[str, str, str], ...]
    links: tuple[Link, ...]
    served: frozenset[tuple[str, str, bool]]
    lattice_shape: tuple[int, ...] | None
    axes: tuple[str, ...] | None


class Model(eqx.Module):
    """A network, built: everything that is constant during a run, as one pytree.

    Made by `Network.build`. Its float leaves are bare numbers in ms, mV, pA, nS, pF, kHz; differentiate with respect to any, or
    change one with `n4.set(model, where, value)`.

    **Fields:**

    - `neurons["cells"].v_th`, `receptors["cells"]["exc"].tau`: parameters by population, scalars or one entry per neuron.
    - `pathways["cells->cells"].weight`: synapses by group of populations; `weights("e")` and `edges("e")` speak of projections.
    - `sources`, `banks`: stimuli.
    - `sites`: coordinates by population, for those on a lattice.
    - `layout`: static.
    """

    neurons: dict[str, Any]
    receptors: dict[str, dict[str, Any]]
    initial: dict[str, dict[str, AbstractValue]]
    pathways: dict[str, Pathway]
    sources: dict[str, AbstractSource]
    banks: dict[str, PoissonBank]
    sites: dict[str, Array]
    surrogate: AbstractSurrogate | None
    layout: Layout = eqx.field(static=True)

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
        words = _key_words(key)
        if isinstance(start, bool) or not isinstance(start, int | np.integer) or not 0 <= int(start) < 2**32:
            raise ValueError(f"start is a whole number from 0 to 2**32 - 1; got {start!r}.")
        return _first_state(self, words, jnp.uint32(start))

    def step(self, state: State, inputs: dict[str, Any] | None = None) -> tuple[State, Spikes]:
        """One time step: deliver, decay, drive, fire, learn, remember.

        **Arguments:**

        - `state`: from `init` or an earlier step.
        - `inputs`: values for the `Input` ports by name, `(n,)` or a scalar: pA, or the unit of the port's weights; quantities are
          converted. A port without a value receives nothing.

        **Returns:** the next state, and the spikes stamped at the end of the step.

        Pure: works under `jax.jit`, `jax.vmap`, `jax.lax.scan` and `jax.grad`.
        """
        return advance(self, prepare(self), state, inputs)

    @property
    def dt(self) -> float:
        """The time step in ms."""
        return self.layout.dt

    @property
    def dtype(self) -> Any:
        """The precision of state and parameters."""
        return self.layout.dtype

    @property
    def populations(self) -> dict[str, Span]:
        """Where every population lies in its group, by name."""
        return {span.name: span for span in self.layout.spans}

    @property
    def group_sizes(self) -> dict[str, int]:
        """Neurons of every group of fused populations."""
        return dict(self.layout.sizes)

    @property
    def n_neurons(self) -> int:
        """All neurons."""
        return sum(n for _, n in self.layout.sizes)

    @property
    def n_synapses(self) -> int:
        """All synapses. Reads the arrays: not inside a compiled function."""
        return sum(int(np.asarray(path.offset[..., -1]).sum(dtype=np.int64)) for path in self.pathways.values())

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

    def edges(self, projection: str) -> Edges:
        """The edges of a projection: `pre` and `post` as indices into the populations, `weight` and `delay` as quantities.

        **Raises:** `UnknownNameError` for a name that no projection carries; `ValueError` if another projection joins the same
        neurons at the same port, so that the two cannot be told apart.

        !!! Example

            >>> import brainunit as u, neuro4d as n4
            >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
            >>> chain = n4.Projection("chain", cells[:2], cells[1:], "in", n4.OneToOne(), weight=1*u.mV)
            >>> n4.Network(cells, chain).build(dt=0.1*u.ms, seed=0).edges("chain").post
            array([1, 2])
        """
        return edges(self, projection)

    def storage(self) -> list[dict[str, Any]]:
        """How the synapses of every pathway are kept: number, bits of an id, what a weight is kept per and in which type, target
        blocks, delays, and bytes in all."""
        rows = []
        for name, path in self.pathways.items():
            arrays = (path.targets, path.weight, path.start, path.offset, path.delays)
            rows.append(
                {
                    "pathway": name,
                    "synapses": int(np.asarray(path.offset[..., -1]).sum(dtype=np.int64)),
                    "id_bits": 8 * path.targets.dtype.itemsize,
                    "weight_per": {"one": "pathway", "source": "source", "edge": "edge"}[path.weight_kind],
                    "weight_type": path.weight.dtype.name,
                    "blocks": path.n_blocks,
                    "delays": len(path.delays),
                    "bytes": sum(x.nbytes for x in arrays),
                }
            )
        return rows

    def port_unit(self, group: str, port: str) -> Any:
        """The unit of the weights of a port."""
        return next(self.receptors[span.name][port].weight_unit for span in self.layout.spans if span.group == group)

    def __repr__(self):
        shape = "" if self.lattice_shape is None else f" on a lattice of {' x '.join(map(str, self.lattice_shape))}"
        return f"Model({len(self.layout.spans)} populations, {self.n_neurons} neurons{shape}, {len(self.layout.links)} projections, dt = {self.dt} ms)"


def _key_words(key: Any) -> Array:
    if not isinstance(key, jax.Array) or not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        raise TypeError(f"expected a typed random key, `jax.random.key(0)`; got {type(key).__name__} {key!r:.80}.")
    if key.shape != ():
        raise TypeError(f"expected one key; got {key.shape[0]}. For a batch of trials: `jax.vmap(model.init)(keys)`.")
    words = jax.random.key_data(key)
    if words.shape != (2,):
        raise TypeError(
            f"expected a threefry key, `jax.random.key(0, impl='threefry2x32')`; got an implementation with {words.shape[0]} words."
        )
    return words.astype(jnp.uint32)


@jax.jit
def _first_state(model: Model, words: Array, step: Array) -> State:
    neurons, receptors = _initial_variables(model, words)
    soft = None if model.surrogate is None else model.dtype
    history = {group: empty(depth, model.group_sizes[group], soft) for group, depth in model.layout.depths}
    weights = {name: path.weight for name, path in model.pathways.items() if path.plastic}
    return State(neurons, receptors, weights, history, words, step, jnp.copy(step), jnp.uint32(0))


def _initial_variables(model: Model, words: Array) -> tuple[dict, dict]:
    """Variables of every group: drawn by (key, population, variable, neuron)."""
    neurons, receptors = {}, {}
    for group, _ in model.layout.sizes:
        spans = [span for span in model.layout.spans if span.group == group]
        first = model.neurons[spans[0].name]
        names = list(first.variables)
        values = {name: _joined(model, spans, words, name, lambda p, v=name: model.neurons[p].rest().get(v, 0.0)) for name in names}
        neurons[group] = first.init(values)
        receptors[group] = {}
        for port in dict(model.layout.ports)[group]:
            receptor = model.receptors[spans[0].name][port]
            variables = {v: _joined(model, spans, words, f"{port}.{v}", lambda p: 0.0) for v in receptor.variables}
            receptors[group][port] = receptor.init(variables)
    return neurons, receptors


def _joined(model: Model, spans: list[Span], words: Array, name: str, default) -> Array:
    parts = []
    for span in spans:
        value = model.initial[span.name].get(name)
        if value is None:
            parts.append(jnp.broadcast_to(jnp.asarray(default(span.name), model.dtype), (span.size,)))
            continue
        a, b = step_address(words, address(0, "population", span.name, "init", name), jnp.uint32(0))
        parts.append(value.draw_jax(words_jax(a, b, jnp.arange(span.size, dtype=jnp.uint32)), model.dtype))
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts)
