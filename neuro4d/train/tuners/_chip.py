"""What a sample costs on a chip: the energy of a placed network, as a function that tuners take."""

import os
from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from neuro4d.hardware import AbstractMeter, ChipTarget, Interval, Placement, Target, Workload, layered, meter, partition
from neuro4d.hardware import target as read_target
from neuro4d.train.layers import Sequential
from neuro4d.train.tuners._activity import measure_activity
from neuro4d.train.tuners._feed import Encoder, Feed, feed
from neuro4d.train.tuners._structure import Structure

LANES = 64
"""Samples whose energy is computed at a time."""


def chip_workload(model: Sequential, data: Any, *, encoder: Encoder | None = None, batch_size: int = 256) -> Workload:
    """What a network of layers asks of a chip, from what it does with a set.

    Every spiking or integrating layer is a part with its neurons, and currents that are read become a part `output` of neurons that gather them. Synapses are
    the weights that are not 0, through pools where there are any; several ways from one neuron to another count as one synapse. Spikes are means over samples,
    spread evenly over a layer. Inputs of 0 and 1 are spikes from outside; other inputs are currents, which the host writes as biases, and count no events.

    **Arguments:** `data`: a `Dataset`, or a pair `(x, y)`; `encoder`: how samples without time become sequences.

    **Raises:** `TypeError` for a layer of which is not known what a chip would make of it.

    !!! Example

        >>> net = n4.train.Sequential(n4.train.Hold(4), n4.train.Spiking(n4.PLIF()), n4.train.Dense(64, 10, key=jr.key(0)))
        >>> load = n4.train.chip_workload(net, n4.train.data.digits().test)
        >>> load.n, load.synapses, load.steps
        (74, 640, 4)
    """
    return _workload(model, feed(model, data, encoder, batch_size, "chip_workload"))


class ChipEnergy(eqx.Module):
    """The energy of a sample on a chip or a processor: an `energy` for `measure_energy`, `ThresholdTuner`, `TimestepOptimizer` and `compare_models`.

    The network is mapped once. Afterwards its layers may get other thresholds, neurons and numbers of steps, not other weights that are 0.

    **Arguments:** `model`, `data`, `encoder`: as for `chip_workload`; `target`: one of `n4.hardware.targets()`, or a file of yours.

    **Raises:** `TargetError` for an unknown target; `CapacityError` for a network that does not fit; `ValueError` where it is called for another network.

    !!! Example

        >>> digits = n4.train.data.digits()
        >>> net = n4.train.Sequential(n4.train.Hold(4), n4.train.Spiking(n4.PLIF()), n4.train.Dense(64, 10, key=jr.key(0)))
        >>> energy = n4.train.ChipEnergy(net, digits.test, "loihi1")
        >>> cost = n4.train.measure_energy(net, digits.test, energy=energy)
        >>> bool(0.1e-6*u.joule < cost < 10e-6*u.joule)
        True
    """

    meter: AbstractMeter
    workload: Workload = eqx.field(static=True)
    placement: Placement | None = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        model: Sequential,
        data: Any,
        target: str | os.PathLike[str] | Target,
        *,
        encoder: Encoder | None = None,
        batch_size: int = 256,
    ):
        found = read_target(target)
        self.workload = _workload(model, feed(model, data, encoder, batch_size, "ChipEnergy"))
        self.placement = partition(self.workload, found) if isinstance(found, ChipTarget) else None
        self.meter = meter(self.workload, found) if self.placement is None else meter(self.placement)
        self.names = model.spiking_layers

    def interval(self, spikes: Float[Any, "*k layers"], steps: Any) -> Interval:
        """The energy of samples with its band, in J, `(...)`.

        **Arguments:** `spikes`: of every spiking layer in all steps, `(..., layers)`; `steps`: of the run, `(...)`.
        """
        steps = jnp.broadcast_to(jnp.asarray(steps, float), jnp.shape(spikes)[:-1])
        each = jnp.asarray(spikes, float) / jnp.maximum(steps, 1)[..., None]
        layers = [part for part in self.workload.parts if part.name in self.names]
        owner = np.full(self.workload.n, len(layers))
        for number, part in enumerate(layers):
            owner[part.first : part.first + part.n] = number
        found = _energies(self.meter, jnp.asarray([1 / part.n for part in layers] + [0.0]), owner, each.reshape(-1, each.shape[-1]))
        return Interval(*(part.reshape(steps.shape) * steps for part in found))

    def __call__(self, net: Sequential, spikes: Float[Any, "*k layers"], steps: Any) -> Any:
        """The energy of each sample, `(...)`. [energy]"""
        if net.spiking_layers != self.names:
            raise ValueError(
                f"this energy was made for a network with the spiking layers {', '.join(self.names)}; got one with "
                f"{', '.join(net.spiking_layers) or 'none'}. Make another: `n4.train.ChipEnergy(net, data, target)`."
            )
        return np.asarray(self.interval(spikes, steps).value, np.float64) * u.joule


@eqx.filter_jit
def _energies(counted: AbstractMeter, share: Any, owner: np.ndarray, spikes: Float[Any, "k layers"]) -> tuple[Any, Any, Any]:
    """Value, low and high of the energy of a step of each sample. Spikes of a layer are spread evenly over its neurons."""

    def one(row: Any) -> tuple[Any, Any, Any]:
        found = counted.energy((jnp.append(row, 0) * share)[owner])
        return found.value, found.low, found.high

    return jax.lax.map(one, spikes, batch_size=LANES)


def _workload(net: Sequential, batches: Feed) -> Workload:
    seen = measure_activity(net, batches)
    shown, binary, shape = 0, True, ()
    total: Any = 0.0
    for x, _, n in batches:
        part = np.asarray(x)[:, :n]
        shape, binary = part.shape[2:], binary and bool(np.isin(part, (0, 1)).all())
        total, shown = total + np.sum(part != 0, axis=(0, 1), dtype=np.float64).ravel(), shown + part.shape[0] * n
    found = Structure(net, shape)
    whole = found.reached
    arrivals = np.asarray((total / shown if binary else np.zeros(found.inputs)) @ whole[: found.inputs]).ravel()
    pre, post = whole[found.inputs :].nonzero()
    fired = iter(np.mean(seen.spikes, axis=0) / seen.steps)
    spikes = np.concatenate([np.full(layer.n, next(fired) / layer.n if layer.fires else 0.0) for layer in found.layers])
    names, sizes = [layer.name for layer in found.layers], [layer.n for layer in found.layers]
    return layered(names, sizes, pre, post, spikes, dt=net.dt * u.ms, steps=seen.steps, arrivals=arrivals)
