"""What spikes cost: regularisers of rates and of energy."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d.train.layers import Record, Sequential
from neuro4d.train.losses._base import AbstractLoss, spiking


class RateTarget(AbstractLoss):
    r"""Keeps the mean rate of every spiking layer near a target: $\sum_\ell (r_\ell - r^*)^2$, in spikes per neuron and step.

    **Arguments:** `rate` $r^*$, from 0 to 1.

    **Raises:** `ValueError` for another rate.

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> record = n4.train.Record(jnp.ones((4, 2, 3)), jnp.ones((4, 2, 3)))
        >>> float(n4.train.losses.RateTarget(0.5)(None, None, (record,)))
        0.25
    """

    rate: float = eqx.field(static=True)

    def __init__(self, rate: float):
        self.rate = _rate("RateTarget", rate)

    def __call__(self, output, labels, records=()):
        return sum(jnp.square(jnp.mean(record.spikes) - self.rate) for record in spiking(records, "RateTarget"))


class RateLower(AbstractLoss):
    r"""Wakes silent neurons: a mean over neurons of $\max(0, r_\mathrm{low} - r_i)^2$, summed over layers; $r_i$ over time and batch, in spikes per step.

    **Arguments:** `rate` $r_\mathrm{low}$, from 0 to 1.

    **Source:** F. Zenke, T. P. Vogels, Neural Computation 33, 899 (2021).

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> record = n4.train.Record(jnp.zeros((4, 2, 3)), jnp.zeros((4, 2, 3)))
        >>> float(n4.train.losses.RateLower(0.5)(None, None, (record,)))
        0.25
    """

    rate: float = eqx.field(static=True)

    def __init__(self, rate: float):
        self.rate = _rate("RateLower", rate)

    def __call__(self, output, labels, records=()):
        per_neuron = [jnp.mean(record.spikes, axis=(0, 1)) for record in spiking(records, "RateLower")]
        return sum(jnp.mean(jnp.square(jnp.maximum(0, self.rate - rates))) for rates in per_neuron)


class RateUpper(AbstractLoss):
    r"""Quiets busy neurons: a mean over neurons of $\max(0, r_i - r_\mathrm{high})^2$, summed over layers; $r_i$ over time and batch, in spikes per step.

    **Arguments:** `rate` $r_\mathrm{high}$, from 0 to 1.

    **Source:** F. Zenke, T. P. Vogels, Neural Computation 33, 899 (2021).

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> record = n4.train.Record(jnp.ones((4, 2, 3)), jnp.ones((4, 2, 3)))
        >>> float(n4.train.losses.RateUpper(0.5)(None, None, (record,)))
        0.25
    """

    rate: float = eqx.field(static=True)

    def __init__(self, rate: float):
        self.rate = _rate("RateUpper", rate)

    def __call__(self, output, labels, records=()):
        per_neuron = [jnp.mean(record.spikes, axis=(0, 1)) for record in spiking(records, "RateUpper")]
        return sum(jnp.mean(jnp.square(jnp.maximum(0, rates - self.rate))) for rates in per_neuron)


class Energy(AbstractLoss):
    r"""What a sample costs: synaptic operations, spikes times the synapses that each reaches, $\sum_\ell f_\ell n_\ell$, a mean over the batch.

    **Arguments:**

    - `net`: whose synapses are counted, `net.fan_outs()`; they stay as they were when the loss was made.
    - `scale`: the sum is divided by it, for example by what the network costs now.
    - `cost`: a function that replaces the count: of the spikes per sample of each layer, an array `(layers,)`, to a number.

    !!! Example

        >>> import jax.numpy as jnp, jax.random as jr, neuro4d as n4
        >>> net = n4.train.Sequential(n4.train.Spiking(n4.PLIF(w=0.0)), n4.train.Dense(3, 10, key=jr.key(0)))
        >>> output, records = net.trace(jnp.full((4, 2, 3), 2.0))  # a spike in every step: 4 x 3 spikes to 10 targets
        >>> float(n4.train.losses.Energy(net)(output, None, records))
        120.0
    """

    fans: tuple[float, ...] = eqx.field(static=True)
    scale: float = eqx.field(static=True)
    cost: Callable[[Float[Array, " layers"]], Any] | None = eqx.field(static=True)

    def __init__(self, net: Sequential, *, scale: float = 1.0, cost: Callable[[Float[Array, " layers"]], Any] | None = None):
        if not scale > 0:
            raise ValueError(f"Energy: scale must be more than 0, for example `scale=1e4` operations; got {scale!r}.")
        self.fans, self.scale, self.cost = net.fan_outs(), float(scale), cost

    def __call__(self, output, labels, records=()):
        counts = jnp.stack(spike_counts(spiking(records, "Energy")))
        if len(counts) != len(self.fans):
            raise ValueError(
                f"Energy was made for {len(self.fans)} spiking layers; got {len(counts)} records. Make it anew: `Energy(net)`."
            )
        total = jnp.dot(counts, jnp.asarray(self.fans, counts.dtype)) if self.cost is None else self.cost(counts)
        return total / self.scale


def spike_counts(records: Sequence[Record]) -> list[Float[Array, ""]]:
    """Spikes per sample of each spiking layer."""
    return [jnp.sum(record.spikes) / record.spikes.shape[1] for record in records]


def _rate(where: str, rate: Any) -> float:
    if not 0 <= rate <= 1:
        raise ValueError(f"{where}: rate is in spikes per neuron and step, from 0 to 1, for example 0.05; got {rate!r}.")
    return float(rate)
