"""Diehl and Cook's network, which learns to read digits without being told what they are."""

from typing import Any

import brainunit as u
import numpy as np
from jaxtyping import Float

from neuro4d._base import Uniform
from neuro4d.connect import AllToAll, EdgeList, OneToOne
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import GLIF, LIF, PoissonNeuron
from neuro4d.plasticity import Free, TripletSTDP
from neuro4d.receptors import ExpConductance
from neuro4d.zoo._size import scaled_size

PIXELS = 64
FULL_RATE = 63.75
"""Hz of a source whose pixel is white, as published: 255 / 8 * 2."""
TOTAL = 33.0
"""nS: the sum of the weights of a neuron. In the paper 78 nS for 784 pixels of which 102 are white in the mean; here 19.5 of 64 are."""
W_MAX = 4.0
"""nS: 8 times the mean weight; in the paper 10 times."""
A_PLUS, TAU_THETA = 0.05, 1000 * u.second
STILL = 1e12
"""ms in which a threshold falls that is held: in single precision a step takes nothing from it."""


def diehl_cook(scale: float = 1.0, *, image: Any = 0, learn: bool = True, a_plus: float = A_PLUS, tau_theta: Any = TAU_THETA) -> Network:
    r"""100 excitatory neurons that compete for images: who fires first silences the others and learns what it has seen.

    | parameter | value |
    |---|---|
    | `inputs` | 64 Poisson sources, one for each pixel, 63.75 Hz where it is white |
    | `exc` | 100 (times `scale`); $\tau$ 100 ms, leak 1 nS, rest and reset -65 mV, threshold -52 mV, refractory 5 ms; each spike raises the threshold by 0.05 mV, which falls with `tau_theta` |
    | `inh` | as many; $\tau$ 10 ms, leak 1 nS, rest -60 mV, threshold -40 mV, reset -45 mV, refractory 2 ms |
    | synapses | excitation 1 ms and 0 mV, inhibition 2 ms and -100 mV; `exc` to its own `inh` 10.4 nS, `inh` to all others in `exc` 17 nS |
    | `input-exc` | all to all, between 0 and 4 nS, 33 nS in sum per neuron in the mean, delays between 0.5 and 10 ms |
    | plasticity | nearest triplets: a spike of the target adds `a_plus` of the bound times what is left of the last arrival (20 ms) and of its own last spike (40 ms); an arrival takes $10^{-4}$ of it times what is left of the last spike of the target (20 ms) |

    The paper reads images of 784 pixels, with 60,000 to learn from. For 64 pixels weights are larger, so that a neuron receives as much; for some thousand images
    `a_plus` is 5 times and the time in which thresholds fall a tenth of the published. In single precision thresholds that are raised by 1 to 30 mV fall in 950 to 1,170 s.

    **Arguments:**

    - `scale`: number of neurons of both kinds relative to 100.
    - `image`: what the sources show: the number of a training image of `n4.train.data.digits()`, or `(64,)` intensities between 0 and 1. A running model shows
      another one with other rates, `model.neurons["inputs"].rate`, without being compiled anew.
    - `learn`: if false, weights live in the state and stay, and thresholds are held.
    - `a_plus`: 0 or more. `tau_theta`: [time], more than 0.

    **Returns:** a `Network` with the populations `inputs`, `exc` and `inh` and the projections `input-exc`, `exc-inh` and `inh-exc`. Run it with `dt = 0.5 ms`; `n4.zoo.learn_digits` shows
    it images.

    **Reference:** in the paper 100 neurons read 82.9 % of MNIST; here 78 to 90 % of scikit-learn's digits (`n4.zoo.learn_digits`).

    **Raises:** `ValueError` for another image, a scale that leaves no neuron and numbers out of range, `UnitError` for a time without a unit.

    **Source:** P. U. Diehl, M. Cook, Frontiers in Computational Neuroscience 9, 99 (2015).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> model = n4.zoo.diehl_cook(image=3).build(dt=0.5*u.ms, seed=0)
        >>> model.plan().many_steps or not n4.native_available()
        True
    """
    n = scaled_size(100, scale, "diehl_cook")
    if not isinstance(learn, bool):
        raise TypeError(f"diehl_cook: learn is True or False; got {learn!r}.")
    ge, gi = ExpConductance(tau=1 * u.ms, e_rev=0 * u.mV), ExpConductance(tau=2 * u.ms, e_rev=-100 * u.mV)
    inputs = Population("inputs", PIXELS, PoissonNeuron(rate=FULL_RATE * _intensities(image) * u.Hz))
    exc = Population("exc", n, _excitatory(learn, tau_theta), {"exc": ge, "inh": gi}, v0=-65 * u.mV)
    lif = LIF(tau=10 * u.ms, c=10 * u.pF, v_rest=-60 * u.mV, v_th=-40 * u.mV, v_reset=-45 * u.mV, t_ref=2 * u.ms)
    inh = Population("inh", n, lif, {"exc": ge}, v0=-60 * u.mV)
    mean = TOTAL / PIXELS
    rule = rule_of(a_plus) if learn else Free()
    given = {"weight": Uniform(0.02 * mean * u.nS, 1.98 * mean * u.nS), "delay": Uniform(0.5 * u.ms, 10 * u.ms)}
    parts = [
        Projection("input-exc", inputs, exc, "exc", AllToAll(), plasticity=rule, **given),
        Projection("exc-inh", exc, inh, "exc", OneToOne(), weight=10.4 * u.nS),
    ]
    if n > 1:
        others = EdgeList(*np.nonzero(~np.eye(n, dtype=bool)))
        parts.append(Projection("inh-exc", inh, exc, "inh", others, weight=17 * u.nS))
    return Network(inputs, exc, inh, *parts)


def rule_of(a_plus: float) -> TripletSTDP:
    """The published rule: a spike of the target counts if it has fired shortly before."""
    taus = {"tau_plus": 20 * u.ms, "tau_minus": 20 * u.ms, "tau_x": 20 * u.ms, "tau_y": 40 * u.ms}
    return TripletSTDP(w_max=W_MAX * u.nS, a2_plus=0.0, a3_plus=a_plus, a2_minus=1e-4, a3_minus=0.0, pairing="nearest", **taus)


def _excitatory(learn: bool, tau_theta: Any) -> GLIF:
    none: Any = 0.0
    return GLIF(
        level=2,
        c=100 * u.pF,
        g_leak=1 * u.nS,
        v_rest=-65 * u.mV,
        v_th=-52 * u.mV,
        v_reset=-65 * u.mV,
        t_ref=5 * u.ms,
        reset_fraction=none,
        reset_add=0 * u.mV,
        th_spike_add=(0.05 if learn else 0.0) * u.mV,
        th_spike_decay=1 / (tau_theta if learn else STILL * u.ms),
    )


def _intensities(image: Any) -> Float[np.ndarray, " pixels"]:
    """An image as intensities between 0 and 1."""
    if isinstance(image, int | np.integer) and not isinstance(image, bool):
        from neuro4d.train.data import digits  # with optax, which nobody else needs

        known = digits().train.x
        if not 0 <= image < len(known):
            raise ValueError(f"diehl_cook: image is the number of a training image, from 0 to {len(known) - 1}, or {PIXELS} intensities; got {image}.")
        return np.asarray(known[int(image)], float).reshape(-1)
    values = np.asarray(image, float).reshape(-1)
    if values.shape != (PIXELS,) or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"diehl_cook: image has {PIXELS} intensities between 0 and 1, for example `image=np.zeros({PIXELS})`; got {np.asarray(image)!r:.80}.")
    return values
