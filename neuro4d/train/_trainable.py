"""Which numbers are trained, of layered networks and of models of networks alike."""

import abc
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d.model import Model, Weights
from neuro4d.train._parameters import Places, Where, places, read, write
from neuro4d.train.layers import AbstractDynamics, AbstractLayer, Sequential


class AbstractTrainable(eqx.Module):
    """The numbers of something that are trained: `take` reads them, `put` writes them; made by `trainable`."""

    @abc.abstractmethod
    def take(self, model: Any) -> Any:
        """The trained numbers, a pytree of float arrays."""

    @abc.abstractmethod
    def put(self, model: Any, parameters: Any) -> Any:
        """The model with other numbers. Pure, differentiable, works inside compiled functions."""

    @abc.abstractmethod
    def marks(self, model: Any) -> Any:
        """The model with `True` for every leaf that is trained and `False` for the others: a filter for `eqx.partition`."""

    @abc.abstractmethod
    def pick(self, tree: Any, fill: Any) -> Any:
        """What a tree of the shape of the model has at the trained places; `fill` where they have no leaf of their own."""

    def count(self, model: Any) -> int:
        """How many numbers are trained."""
        return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(self.take(model)))


class Leaves(AbstractTrainable):
    """Leaves of a layered network: `spec` has its shape, with `True` for those that are trained."""

    spec: Any

    def take(self, model):
        return eqx.filter(model, self.spec)

    def put(self, model, parameters):
        return eqx.combine(parameters, model)

    def marks(self, model):
        return self.spec

    def pick(self, tree, fill):
        return eqx.filter(tree, self.spec)


class AtPlaces(AbstractTrainable):
    """Places of a model: functions of it, or weights of projections, under names."""

    where: dict[str, Where]

    def take(self, model):
        return read(model, self.where)

    def put(self, model, parameters):
        return write(model, self.where, parameters)

    def marks(self, model):
        spec = jax.tree.map(lambda _: False, model)
        for place in self.where.values():
            if not isinstance(place, Weights):
                spec = eqx.tree_at(place, spec, True)
        return spec

    def pick(self, tree, fill):
        return {name: fill if isinstance(place, Weights) else place(tree) for name, place in self.where.items()}


def trainable(model: Any, where: Callable[[Any], Any] | Where | Places | None = None) -> AbstractTrainable:
    """Which numbers of a network are trained: what `fit` takes as `where`.

    **Arguments:**

    - `model`: a `train.Sequential`, or an `n4.Model`.
    - `where`: of a `Sequential`, a function that gives leaves or whole layers, one or a list; by default all weights, biases and norms, and of
        neurons what their layer names in `learn`. Of a model, a function, `n4.Weights(...)`, or several of these under names.

    **Returns:** an object with `take(model)`, `put(model, parameters)`, `count(model)`, and `marks(model)`, a filter for `eqx.partition`.

    **Raises:** `TypeError` for another model, without `where` for a model, or where `where` points at what is no float array.

    !!! Example

        >>> import jax.random as jr, neuro4d as n4
        >>> net = n4.train.Sequential(n4.train.Dense(64, 10, key=jr.key(0)), n4.train.Spiking(n4.PLIF(w=0.0)))
        >>> n4.train.trainable(net).count(net)  # 640 weights, 10 biases, one time constant
        651
        >>> n4.train.trainable(net, lambda net: net.layers[1].neuron.v_th).count(net)
        1
    """
    if isinstance(where, AbstractTrainable):
        return where
    if isinstance(model, Sequential):
        return Leaves(default_spec(model) if where is None else chosen_spec(model, where))
    if not isinstance(model, Model):
        raise TypeError(f"what is trained is a `train.Sequential` or a model, `network.build(...)`; got {type(model).__name__}.")
    if where is None:
        raise TypeError(
            "say what of the model is trained, for example `where=lambda m: m.neurons['cells'].v_th` or `where=n4.Weights('e')`."
        )
    found = AtPlaces(places(where))  # type: ignore[arg-type]
    found.take(model)
    return found


def default_spec(net: Sequential) -> Any:
    """Everything but neurons, surrogates and running statistics; of neurons what their layer learns."""
    spec = jax.tree.map(eqx.is_inexact_array, net)
    for name, layer in net.walk():
        spec = spec.replaced(name, _layer_spec(layer))
    return spec


def _layer_spec(layer: AbstractLayer) -> Any:
    spec = jax.tree.map(eqx.is_inexact_array, layer)
    kept = [*layer.kept(), *(("neuron",) if isinstance(layer, AbstractDynamics) else ())]
    for field in kept:
        if getattr(layer, field) is not None:
            spec = _marked(spec, attrgetter(field), False)
    if isinstance(layer, AbstractDynamics):
        for field in layer.learn:
            spec = _marked(spec, attrgetter(f"neuron.{field}"), True)
    return spec


def _marked(spec: Any, where: Callable[[Any], Any], value: bool) -> Any:
    return eqx.tree_at(where, spec, replace_fn=lambda part: jax.tree.map(lambda _: value, part))


def chosen_spec(net: Sequential, where: Any) -> Any:
    """Leaves that a function of the network gives."""
    if not callable(where):
        raise TypeError(
            f"`where` of a Sequential is a function of it, for example `lambda net: net.layers[1].neuron.v_th`; got {where!r:.80}."
        )
    chosen = where(net)
    chosen = list(chosen) if isinstance(chosen, list | tuple) else [chosen]
    leaves = [leaf for part in chosen for leaf in jax.tree.leaves(part)]
    if not leaves or not all(eqx.is_inexact_array(leaf) for leaf in leaves):
        raise TypeError(
            f"`where` has to give float arrays of the network, for example `lambda net: net.layers[0].weight`; it gives {chosen!r:.80}."
        )
    return _marked(jax.tree.map(lambda _: False, net), lambda tree: _as_list(where(tree)), True)


def _as_list(found: Any) -> Any:
    return list(found) if isinstance(found, tuple) else found


def as_arrays(tree: Any) -> Any:
    """Fresh arrays of the same numbers, which a compiled update may overwrite."""
    return jax.tree.map(lambda leaf: jnp.array(leaf) if eqx.is_array_like(leaf) else leaf, tree)
