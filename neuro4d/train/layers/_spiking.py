"""Neurons of networks as layers: stepped over time, fed by currents."""

from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import AbstractValue, Drive, check_count, field_units, is_traced
from neuro4d.model import realise
from neuro4d.neurons import PLIF, AbstractNeuron
from neuro4d.ops import AbstractSurrogate, SuperSpike
from neuro4d.train.layers._base import AbstractLayer, Passed, Record, bare, check_key
from neuro4d.train.layers._stepping import run_neurons


class AbstractDynamics(AbstractLayer):
    """Layers whose neurons are stepped through time."""

    neuron: eqx.AbstractVar[Any]
    names: eqx.AbstractVar[tuple[str, ...] | None]

    @property
    def learn(self) -> tuple[str, ...]:
        """Fields of the neuron that are trained by default."""
        if self.names is None:
            return ("w",) if isinstance(self.neuron, PLIF) else ()
        return tuple(name for name in self.names if name in field_units(self.neuron))

    def constants(self, x: Array, dt: float) -> Any:
        """What a step needs; refuses neurons that do not fit the input."""
        _check_shapes(self.neuron, x.shape[2:], type(self).__name__)
        return self.neuron.constants(dt)

    def cast(self, x: Array) -> Array:
        """The input in the precision of the numbers of the layer, or its own if that is higher: what a loop over time carries keeps its type."""
        return x.astype(jnp.result_type(x.dtype, *map(jnp.asarray, jax.tree.leaves(self))))

    def initial(self, x: Array) -> Any:
        """The state at rest for a batch."""
        rest = self.neuron.rest()
        return self.neuron.init(
            {name: jnp.broadcast_to(jnp.asarray(rest.get(name, 0), x.dtype), x.shape[1:]) for name in self.neuron.variables}
        )

    def check(self, dt: float) -> None:
        """Refuses a time step that does not suit the neuron."""
        if not is_traced(self.neuron):
            self.neuron.check(dt)


class Spiking(AbstractDynamics):
    r"""Neurons, one for each input: currents in, spikes out.

    Any neuron of networks that takes a current is stepped by its own `step`. An input counts in pA; with the unit numbers of published training
    (`v_th` of 1 mV, leak conductance of 1 nS) it is the bare number of publications. All neurons begin at rest.

    **Arguments:**

    - `neuron`: for example `n4.LIF(...)`; a field is a scalar, or an array or a distribution over `shape`.
    - `shape`: of one sample, a number or a tuple; only needed for distributions.
    - `surrogate`: the derivative of a spike, a function of the distance to threshold.
    - `learn`: names of the neuron's fields that `fit` trains; by default the `w` of a `PLIF` and nothing else.
    - `seed`: of distributions.

    **Raises:** `ValueError` for a neuron that takes no current or draws at random, and for an unknown name in `learn`.

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> layer = n4.train.Spiking(n4.PLIF(w=0.0))
        >>> layer(jnp.full((4, 1, 1), 1.5)).ravel().tolist()
        [0.0, 1.0, 0.0, 1.0]
    """

    neuron: Any
    surrogate: AbstractSurrogate
    names: tuple[str, ...] | None = eqx.field(static=True)

    def __init__(
        self,
        neuron: Any,
        shape: int | tuple[int, ...] | None = None,
        *,
        surrogate: Any = None,
        learn: tuple[str, ...] | None = None,
        seed: int = 0,
    ):
        self.neuron = bare(drawn(check_neuron(neuron, type(self).__name__), shape, seed))
        self.surrogate = bare(SuperSpike(width=1 * u.mV) if surrogate is None else surrogate)
        self.names = check_learn(neuron, learn)

    def with_neuron(self, neuron: Any, shape: Any = None, *, seed: int = 0) -> "Spiking":
        """The same layer with another neuron."""
        changed = bare(drawn(check_neuron(neuron, type(self).__name__), shape, seed))
        return eqx.tree_at(lambda layer: layer.neuron, self, changed)

    def kept(self):
        return ("surrogate",)

    def recurrent_fan_out(self) -> float:
        """Synapses inside the layer that one spike reaches."""
        return 0.0

    def fans(self, ahead):
        return ahead, (self.recurrent_fan_out() + ahead,)

    def apply(self, x, context):
        return Passed(*self.recorded(self.cast(x), context.dt, None))

    def recorded(self, x: Array, dt: float, matrix: Array | None) -> tuple[Array, tuple[Record, ...]]:
        """Spikes, and the record of them."""
        spikes, excess = run_neurons(self.neuron, self.surrogate, self.constants(x, dt), self.initial(x), x, matrix)
        return spikes, (Record(spikes, excess),)


class Recurrent(Spiking):
    r"""Neurons that hear each other one step later: $i_t = x_t + z_{t-1} V$, $z$ their spikes.

    The product with the input is no part of it: put a `Dense` in front, which is computed for all of time at once.

    **Arguments:** those of `Spiking`, and

    - `n`: how many neurons.
    - `key`: for $V$, a random orthogonal matrix.
    - `diagonal`: whether neurons hear themselves.
    - `scale`: by which the orthogonal matrix is multiplied.

    **Raises:** `ValueError` without a key.

    **Source:** A. Bittar, P. N. Garner, Front. Neurosci. 16, 865897 (2022).

    !!! Example

        >>> import jax.numpy as jnp, jax.random as jr, neuro4d as n4
        >>> layer = n4.train.Recurrent(n4.PLIF(w=0.0), 5, key=jr.key(0))
        >>> layer(jnp.ones((4, 2, 5))).shape
        (4, 2, 5)
    """

    weight: Float[Array, "n n"]
    diagonal: bool = eqx.field(static=True)

    def __init__(
        self,
        neuron: Any,
        n: int,
        *,
        key: Any,
        diagonal: bool = False,
        scale: float = 1.0,
        surrogate: Any = None,
        learn: tuple[str, ...] | None = None,
        seed: int = 0,
    ):
        n = check_count(n, "Recurrent: n")
        super().__init__(neuron, n, surrogate=surrogate, learn=learn, seed=seed)
        self.weight = scale * jr.orthogonal(check_key(key, "Recurrent"), n)
        self.diagonal = bool(diagonal)

    def recurrent_fan_out(self):
        return float(len(self.weight) - (not self.diagonal))

    def matrix(self) -> Array:
        """V as it acts: with zeros on the diagonal if neurons do not hear themselves."""
        return self.weight if self.diagonal else jnp.where(jnp.eye(len(self.weight), dtype=bool), 0, self.weight)

    def apply(self, x, context):
        if x.shape[2:] != self.weight.shape[:1]:
            raise ValueError(f"Recurrent of {len(self.weight)} neurons takes (time, batch, {len(self.weight)}); got {x.shape}.")
        return Passed(*self.recorded(self.cast(x), context.dt, self.matrix()))


class Integrate(AbstractDynamics):
    r"""Neurons whose potential is the output, one for each input: the last layer of a network that is read by potentials.

    **Arguments:** `neuron`: for example `n4.LI(tau=...)`, which never fires; any other goes on firing and being reset. `learn`: names of its
    fields that `fit` trains. `seed`, `shape`: as in `Spiking`.

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> v = n4.train.Integrate(n4.LI(tau=1*u.ms))(jnp.ones((2, 1, 1)))
        >>> [round(float(x), 4) for x in v.ravel()]  # 1 - e^-1, 1 - e^-2
        [0.6321, 0.8647]
    """

    neuron: Any
    names: tuple[str, ...] | None = eqx.field(static=True)

    def __init__(self, neuron: Any, shape: Any = None, *, learn: tuple[str, ...] | None = None, seed: int = 0):
        self.neuron = bare(drawn(check_neuron(neuron, "Integrate"), shape, seed))
        self.names = check_learn(neuron, learn)

    def apply(self, x, context):
        x = self.cast(x)
        constants = self.constants(x, context.dt)

        def step(state, i):
            state, _ = self.neuron.step(constants, state, Drive(i=i))
            return state, state.v

        return Passed(jax.lax.scan(step, self.initial(x), x)[1])


def check_neuron(neuron: Any, where: str) -> AbstractNeuron:
    """A neuron that a layer can feed."""
    if not isinstance(neuron, AbstractNeuron):
        raise TypeError(f"{where} takes a neuron, for example `n4.PLIF()`; got {neuron!r:.60}.")
    name = type(neuron).__name__
    if "i" not in neuron.accepts:
        raise ValueError(f"{where}: {name} takes no current, so that a layer cannot drive it; `n4.LIF(...)` does.")
    if neuron.random:
        raise ValueError(
            f"{where}: {name} draws at random in every step, which layers do not support; take a `Network`, or `n4.LIF(...)` here."
        )
    return neuron


def check_learn(neuron: Any, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Names of fields, all of which the neuron has."""
    if names is None:
        return None
    known = field_units(neuron)
    for name in names:
        if name not in known:
            raise ValueError(f"learn: {type(neuron).__name__} has no number named {name!r}. Known: {', '.join(known)}.")
    return tuple(names)


def drawn(neuron: Any, shape: Any, seed: int) -> Any:
    """A neuron with its distributions drawn over a shape."""
    spread = [name for name in field_units(neuron) if isinstance(getattr(neuron, name), AbstractValue)]
    if not spread:
        return neuron
    if shape is None:
        raise ValueError(f"{type(neuron).__name__}.{spread[0]} is a distribution; say over how many neurons: `Spiking(neuron, shape=128)`.")
    full = (shape,) if isinstance(shape, int) else tuple(shape)
    n = int(np.prod(full))
    made = realise(neuron, n, seed, ("layer", type(neuron).__name__))
    return jax.tree.map(lambda leaf: np.reshape(leaf, full) if np.ndim(leaf) else leaf, made)


def _check_shapes(neuron: Any, shape: tuple[int, ...], where: str) -> None:
    for name in field_units(neuron):
        value = getattr(neuron, name)
        if value is None or jnp.ndim(value) == 0:
            continue
        if jnp.ndim(value) > len(shape) or any(a not in (1, b) for a, b in zip(jnp.shape(value)[::-1], shape[::-1], strict=False)):
            raise ValueError(
                f"{where}: {type(neuron).__name__}.{name} has shape {jnp.shape(value)}, which does not fit a sample of shape {shape}."
            )
