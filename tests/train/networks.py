"""Small classifiers that several tests share."""

import brainunit as u
import jax.random as jr

import neuro4d as n4
from neuro4d import train as t

KEYS = jr.split(jr.key(0), 4)
PLIF = n4.PLIF(w=0.0, v_th=0.3 * u.mV)


def convolutional():
    """Every kind of layer that a chip would hold synapses of, for images of 8 by 8."""
    return t.Sequential(
        t.Conv2d(1, 2, 3, key=KEYS[0], padding="valid"),
        t.Spiking(PLIF),
        t.MaxPool2d(2),
        t.Residual(t.Conv2d(2, 2, 3, key=KEYS[1]), t.Spiking(PLIF)),
        t.Flatten(),
        t.Dense(18, 5, key=KEYS[2]),
        t.Recurrent(PLIF, 5, key=KEYS[3]),
        t.Dense(5, 3, key=KEYS[1]),
        t.Readout("mean"),
    )
