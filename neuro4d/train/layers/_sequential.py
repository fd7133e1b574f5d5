"""Layers one after the other: a network."""

from collections.abc import Callable, Iterator
from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d._base import check_quantity, lookup
from neuro4d.train.layers._base import AbstractLayer, Context, Passed, Record
from neuro4d.train.layers._delayed import Delayed
from neuro4d.train.layers._shape import Hold
from neuro4d.train.layers._spiking import AbstractDynamics, Spiking

Through = Callable[[Any, Any, float], Any]


class AbstractContainer(AbstractLayer):
    """A layer made of layers."""

    layers: eqx.AbstractVar[tuple[Any, ...]]

    def chain(self, x: Array, context: Context) -> Passed:
        """All layers, one after the other."""
        records: tuple[Record, ...] = ()
        statistics = []
        for number, layer in enumerate(self.layers):
            x, seen, changed = layer.apply(x, context.part(number))
            records += seen
            statistics.append(changed)
        return Passed(x, records, None if all(s is None for s in statistics) else tuple(statistics))

    def statistics(self):
        found = tuple(layer.statistics() for layer in self.layers)
        return None if all(s is None for s in found) else found

    def with_statistics(self, statistics):
        if statistics is None:
            return self
        changed = tuple(layer if new is None else layer.with_statistics(new) for layer, new in zip(self.layers, statistics, strict=True))
        return eqx.tree_at(lambda net: net.layers, self, changed)

    def fans(self, ahead):
        return chain_fans(self.layers, ahead)

    def walk(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Every layer that holds no others, with its name: its number, or numbers joined by points where layers hold layers."""
        for number, layer in enumerate(self.layers):
            name = f"{prefix}{number}"
            if isinstance(layer, AbstractContainer):
                yield from layer.walk(f"{name}.")
            else:
                yield name, layer

    def followed(self, x: Any, through: Through, meet: Callable[[Any, Any], Any], dt: float) -> Any:
        """What `x` has become behind the last layer, whatever it is: `through(layer, x, dt)` behind each layer that holds no others, in the order of `walk`, and
        `meet(y, past)` where the way through layers and the way past them join; `dt` is the time step that the layer is run with."""
        for layer in self.layers:
            x = follow(layer, x, through, meet, dt)
        return x

    def replaced(self, name: str, layer: Any) -> Any:
        """The same layers, with another one at a place."""
        first, _, rest = name.partition(".")
        number = int(first)
        new = self.layers[number].replaced(rest, layer) if rest else layer
        return eqx.tree_at(lambda net: net.layers[number], self, new, is_leaf=lambda x: x is None)

    def mapped(self, change: Callable[[Any, float], Any], dt: float) -> Any:
        """Every layer that holds no others as `change(layer, dt)` gives it; `dt` is the time step that the layer is run with."""
        changed = (layer.mapped(change, dt) if isinstance(layer, AbstractContainer) else change(layer, dt) for layer in self.layers)
        return eqx.tree_at(lambda net: net.layers, self, tuple(changed))


class Residual(AbstractContainer):
    r"""Layers around which the input passes unchanged: $y = x + f(x)$, or $s(x) + f(x)$ with a shortcut $s$.

    **Arguments:** layers; `shortcut`: a layer that brings $x$ into the shape of $f(x)$, if they differ.

    **Raises:** `ValueError` if the shapes do not agree.

    **Source:** W. Fang et al., Deep residual learning in spiking neural networks, NeurIPS 34 (2021): the sum of spikes.

    !!! Example

        >>> import jax.numpy as jnp, jax.random as jr, neuro4d as n4
        >>> block = n4.train.Residual(n4.train.Dense(4, 4, key=jr.key(0)), n4.train.Spiking(n4.PLIF(w=0.0)))
        >>> block(jnp.ones((2, 1, 4))).shape
        (2, 1, 4)
    """

    layers: tuple[Any, ...]

    def __init__(self, *layers: Any, shortcut: Any = None):
        self.layers = check_layers("Residual", (*layers, *(() if shortcut is None else (shortcut,))))
        self.has_shortcut = shortcut is not None

    has_shortcut: bool = eqx.field(static=True)

    def ways(self) -> tuple[tuple[Any, ...], Any]:
        """The layers of the way through, and the shortcut or `None`."""
        return (self.layers[:-1], self.layers[-1]) if self.has_shortcut else (self.layers, None)

    def apply(self, x, context):
        inner, shortcut = self.ways()
        y, records, statistics = Chain(inner).chain(x, context)
        past = Passed(x)
        if shortcut is not None:
            past = shortcut.apply(x, context.part(len(inner)))
            if past.statistics is not None or statistics is not None:
                statistics = (*(statistics or (None,) * len(inner)), past.statistics)
        return Passed(added(y, past.output), records + past.records, statistics)

    def followed(self, x, through, meet, dt):
        inner, shortcut = self.ways()
        y = Chain(inner).followed(x, through, meet, dt)
        return meet(y, x if shortcut is None else follow(shortcut, x, through, meet, dt))

    def fans(self, ahead):
        inner, shortcut = self.ways()
        through, counts = chain_fans(inner, ahead)
        past, more = (ahead, ()) if shortcut is None else shortcut.fans(ahead)
        return through + past, counts + more


class Chain(AbstractContainer):
    """Layers one after the other, without a time step of their own."""

    layers: tuple[Any, ...]

    def apply(self, x, context):
        return self.chain(x, context)


class Sequential(AbstractContainer):
    r"""A network of layers, one after the other, from `(time, batch, ...)` to what the last layer gives.

    **Arguments:** layers; `dt`: the time step of all neurons in it. [time]

    | to | write |
    |---|---|
    | run | `net(x)`; in training `net(x, key=key, training=True)` |
    | see spikes and potentials | `output, records = net.trace(x)`; one `Record(spikes, excess)` for each spiking layer |
    | know which these are | `net.spiking_layers`: their names, `"1"` for `net.layers[1]`, `"2.1"` for `net.layers[2].layers[1]` |
    | reach one | `net.layer("1").neuron.v_th` |
    | change one | `net.with_layer("1", layer)` |
    | put in other neurons | `net.with_neurons(n4.PLIF(w=0.0))` |

    **Raises:** `TypeError` for what is no layer, `UnitError` for a time step without a unit, `ValueError` for a period that is no multiple of it and for `Hold` after neurons.

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, jax.random as jr, neuro4d as n4
        >>> k1, k2 = jr.split(jr.key(0))
        >>> net = n4.train.Sequential(
        ...     n4.train.Dense(64, 32, key=k1), n4.train.Spiking(n4.PLIF(w=0.0)), n4.train.Dense(32, 10, key=k2), n4.train.Readout("mean"),
        ... )
        >>> net(jnp.ones((16, 8, 64))).shape, net.spiking_layers
        ((8, 10), ('1',))
        >>> output, records = net.trace(jnp.ones((16, 8, 64)))
        >>> records[0].spikes.shape
        (16, 8, 32)
    """

    layers: tuple[Any, ...]
    dt: float = eqx.field(static=True)

    def __init__(self, *layers: Any, dt: Any = 1 * u.ms):
        self.layers = check_layers("Sequential", layers)
        self.dt = check_step(dt, "Sequential: dt")
        check_time_step(self, self.dt)
        check_hold(self)

    def apply(self, x, context):
        return self.chain(x, context._replace(dt=self.dt))

    def run(self, x: Any, *, key: Any = None, training: bool = False) -> Passed:
        """Output, records and new running statistics (`None` if there are none): what one update of `fit` sees."""
        return self.apply(jnp.asarray(x), Context(self.dt, key, training))

    def trace(self, x: Any, *, key: Any = None, training: bool = False) -> tuple[Array, tuple[Record, ...]]:
        """The output, and what every spiking layer did."""
        return self.run(x, key=key, training=training)[:2]

    def __call__(self, x: Any, *, key: Any = None, training: bool = False) -> Array:  # type: ignore[override]
        """The output. Without `training` nothing is drawn, and no key is needed."""
        return self.run(x, key=key, training=training).output

    @property
    def spiking_layers(self) -> tuple[str, ...]:
        """The names of spiking layers, in the order of records."""
        return tuple(name for name, layer in self.walk() if isinstance(layer, Spiking))

    def layer(self, name: str) -> Any:
        """The layer of a name."""
        return lookup(dict(self.walk()), name, "layer")

    def with_layer(self, name: str, layer: Any) -> "Sequential":
        """The network with another layer at a place."""
        self.layer(name)
        changed = self.replaced(name, layer)
        check_time_step(changed, changed.dt)
        check_hold(changed)
        return changed

    def mapped(self, change, dt=None):
        return super().mapped(change, self.dt)

    def followed(self, x, through, meet, dt=None):
        return super().followed(x, through, meet, self.dt)

    def with_neurons(self, neuron: Any) -> "Sequential":
        """The network with other neurons in all its spiking layers; weights and surrogates stay.

        !!! Example

            >>> import brainunit as u, neuro4d as n4
            >>> net = n4.train.Sequential(n4.train.Spiking(n4.PLIF(w=0.0)))
            >>> lif = n4.LIF(tau=2*u.ms, c=2*u.pF, v_rest=0*u.mV, v_th=1*u.mV, v_reset=0*u.mV)
            >>> type(net.with_neurons(lif).layers[0].neuron).__name__
            'LIF'
        """
        changed = self.mapped(lambda layer, dt: layer.with_neuron(neuron) if isinstance(layer, Spiking) else layer)
        check_time_step(changed, changed.dt)
        return changed

    def freeze(self) -> "Sequential":
        """The network with the delays of all `Delayed` layers at the nearest step, no longer trained."""
        return self.mapped(lambda layer, dt: layer.freeze(dt=dt * u.ms) if isinstance(layer, Delayed) else layer)

    def fan_outs(self) -> tuple[float, ...]:
        """Synapses that one spike of each spiking layer reaches, on average: those of the next layer with weights, and recurrent ones.

        At a `Residual` a spike goes both ways, and the synapses of both count. Pooling in between is counted as if it passed every spike on, an upper bound.
        """
        return self.fans(0.0)[1]


def follow(layer: Any, x: Any, through: Through, meet: Callable[[Any, Any], Any], dt: float) -> Any:
    """`AbstractContainer.followed` of a layer that may hold others."""
    return layer.followed(x, through, meet, dt) if isinstance(layer, AbstractContainer) else through(layer, x, dt)


def added(y: Array, past: Array) -> Array:
    """The sum where two ways meet, of one shape."""
    if y.shape != past.shape:
        raise ValueError(
            f"Residual adds an input of shape {past.shape} to an output of shape {y.shape}; "
            "make them alike, or give `shortcut=` a layer that does."
        )
    return y + past


def chain_fans(layers: tuple[Any, ...], ahead: float) -> tuple[float, tuple[float, ...]]:
    """`AbstractLayer.fans` of layers one after the other, found from the last one backwards."""
    counts: tuple[float, ...] = ()
    for layer in reversed(layers):
        ahead, own = layer.fans(ahead)
        counts = own + counts
    return ahead, counts


def check_layers(where: str, layers: tuple[Any, ...]) -> tuple[Any, ...]:
    """Layers, and nothing else."""
    if not layers:
        raise ValueError(f"{where} holds at least one layer, for example `{where}(train.Spiking(n4.PLIF()))`.")
    for number, layer in enumerate(layers):
        if not isinstance(layer, AbstractLayer):
            hint = (
                "Wrap neurons: `train.Spiking(neuron)`."
                if not isinstance(layer, list | tuple)
                else "Write the layers one by one, without a list."
            )
            raise TypeError(f"{where}: argument {number} is no layer; got {layer!r:.60}. {hint}")
    return layers


def check_time_step(layer: Any, dt: float) -> None:
    """Refuses a time step that does not suit one of the layers inside. A network has its own."""
    if isinstance(layer, AbstractContainer):
        for inner in layer.layers:
            check_time_step(inner, layer.dt if isinstance(layer, Sequential) else dt)
    elif isinstance(layer, AbstractDynamics | Delayed):
        layer.check(dt)


def check_hold(net: Sequential) -> None:
    """Refuses `Hold` after a layer that acts over time."""

    def through(layer: Any, before: Any, dt: float) -> Any:
        """The last layer that acts over time, `None` where there is none; `before`: one that came earlier."""
        if isinstance(layer, Hold) and before is not None:
            raise ValueError(
                f"Hold comes after {type(before).__name__}, which acts over time and would see a single step. "
                f"Put it in front: `Sequential(..., Hold({layer.steps}), {type(before).__name__}(...), ...)`."
            )
        return layer if isinstance(layer, AbstractDynamics | Delayed) else before

    net.followed(None, through, lambda inside, past: past if inside is None else inside, net.dt)


def check_step(dt: Any, where: str) -> float:
    """A time step in ms."""
    return float(check_quantity(dt, u.ms, where, low=0, open_low=True))
