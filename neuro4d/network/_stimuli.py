"""Stimuli bound to the neurons of a model."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32

from neuro4d._base import AbstractValue, address, as_value, words
from neuro4d.network._population import view_of
from neuro4d.network._projection import check_sign
from neuro4d.network._spec import BuildSpec
from neuro4d.stimuli import AbstractSource, Binding, Now, Share, bank


class Scattered(AbstractSource):
    """A source for neurons with others in between: what it gives is put to its neurons among all from the first to the last."""

    source: AbstractSource
    index: Int32[Array, " n"]
    extent: int = eqx.field(static=True)

    @property
    def steady(self) -> bool:  # type: ignore[override]
        return self.source.steady

    @property
    def takes_value(self) -> bool:  # type: ignore[override]
        return self.source.takes_value

    def value_shape(self) -> tuple[int, ...]:
        return self.source.value_shape()

    def emit(self, now: Now) -> Any:
        out = self.source.emit(now)
        if out is None:
            return None
        return jax.tree.map(lambda x: jnp.zeros(self.extent, jnp.asarray(x).dtype).at[self.index].set(x), out)


def make_sources(stimuli: list[Any], spec: BuildSpec) -> tuple[dict, dict]:
    """Sources by stimulus, and one bank for all constant Poisson inputs of a port."""
    sources, banks = {}, {}
    for stimulus in stimuli:
        view = view_of(stimulus.target, f"stimulus {stimulus.name!r}")
        span = spec.spans[view.population.name]
        chosen, sites = view.resolve(span.size), spec.sites[span.name]
        drawer = _drawer(stimulus.name, chosen.n, spec.seed)
        binding = Binding(chosen.n, spec.dt, spec.dtype, None if sites is None else sites[chosen.selection], drawer)
        receptor = None if stimulus.port is None else view.population.receptors[stimulus.port]
        unit = None if receptor is None else receptor.weight_unit
        if receptor is not None and stimulus.weight is not None:
            where = f"{type(stimulus).__name__} {stimulus.name!r}: weight"
            check_sign(receptor, as_value(stimulus.weight, unit, where), where)
        bound = _check_bound(stimulus, stimulus.bind(binding, unit))
        first = span.start + chosen.first
        if isinstance(bound, Share):
            share = bound if chosen.contiguous else _over_extent(bound, np.asarray(chosen.ids) - chosen.first, chosen.extent)
            _join(banks, (span.group, stimulus.port), (first, chosen.extent, stimulus.name, share))
        else:
            if not chosen.contiguous:
                index = jnp.asarray(np.asarray(chosen.ids) - chosen.first, jnp.int32)
                bound = bound.over(index, chosen.extent) or Scattered(bound, index, chosen.extent)
            sources[stimulus.name] = (span.group, stimulus.port, first, chosen.extent, bound)
    made = {}
    for (group, port), layers in banks.items():
        for number, parts in enumerate(layers):
            parts.sort(key=lambda part: part[0])
            names = tuple(name for _, _, name, _ in parts)
            made[f"{group}.{port}.{number}"] = (group, port, names, bank(parts, spec.totals[group], spec.dtype))
    return sources, made


def _over_extent(share: Share, index: np.ndarray, extent: int) -> Share:
    """A share for neurons with others in between, which get a mean of 0."""
    mean, weight = np.zeros(extent), np.zeros(extent)
    mean[index], weight[index] = share.mean, share.weight
    return Share(mean, weight)


def _check_bound(stimulus: Any, bound: Any) -> AbstractSource | Share:
    where = f"{type(stimulus).__name__} {stimulus.name!r}"
    if not isinstance(bound, AbstractSource | Share):
        raise TypeError(f"{where}: `bind` gives an `AbstractSource` or a `Share`; got {bound!r}.")
    if stimulus.port is None and isinstance(bound, Share):
        raise TypeError(f"{where}: a `Share` is input to a port, but `port` is None.")
    if stimulus.port is not None and not isinstance(bound, Share) and bound.steady:
        raise TypeError(f"{where}: only a drive (`port = None`) can be `steady`; leave it False where spikes arrive at a port.")
    return bound


def _join(banks: dict, key: tuple, part: tuple) -> None:
    """Into the first bank of the port in which these neurons have no input yet."""
    layers = banks.setdefault(key, [])
    for layer in layers:
        if all(part[0] + part[1] <= first or first + size <= part[0] for first, size, *_ in layer):
            layer.append(part)
            return
    layers.append([part])


def _drawer(name: str, n: int, seed: int) -> Callable[[Any, str], np.ndarray]:
    def draw(value: Any, where: str) -> np.ndarray:
        if not isinstance(value, AbstractValue):
            return value
        return value.draw(words(address(seed, "stimulus", name, where), np.arange(n)))

    return draw
