"""The thresholds of a network, as factors of how far each lies above the reset."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d._base import field_units
from neuro4d.train.layers import Sequential


def base_of(neuron: Any) -> Any:
    """From where a threshold is measured: the reset, or the resting potential of neurons that are reset by subtraction. [mV]"""
    return neuron.v_reset if "v_reset" in field_units(neuron) else neuron.rest()["v"]


def check_thresholds(net: Sequential, where: str) -> None:
    """Every spiking layer has a threshold above its base.

    **Raises:** `ValueError` for other neurons.
    """
    if not net.spiking_layers:
        raise ValueError(f"{where}: the network has no spiking layer, for example `n4.train.Spiking(n4.PLIF())`.")
    for name in net.spiking_layers:
        neuron = net.layer(name).neuron
        if "v_th" not in field_units(neuron):
            raise ValueError(f"{where}: {type(neuron).__name__} of layer {name!r} has no threshold `v_th`; LIF, PLIF, ALIF and AdLIF have.")
        if not bool(jnp.all(neuron.v_th > base_of(neuron))):
            raise ValueError(f"{where}: v_th of layer {name!r} has to lie above its reset everywhere; got {neuron.v_th} mV.")


def scaled(net: Sequential, name: str, factor: Any) -> Sequential:
    """The network with the thresholds of a layer `factor` times as far above the reset."""
    neuron = net.layer(name).neuron
    base = base_of(neuron)
    threshold = base + factor * (neuron.v_th - base)
    return eqx.tree_at(lambda n: n.layer(name).neuron.v_th, net, threshold)


def relative_potential(neuron: Any, excess: Array) -> Array:
    """The potential before the reset, measured from the base, in units of the threshold: a neuron fires where it is 1 or more."""
    height = neuron.v_th - base_of(neuron)
    return 1 + excess / height
