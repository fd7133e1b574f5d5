r"""The numbers of Potjans and Diesmann (2014), and how they change with the scale.

Everything here is plain NumPy in ms, mV, pA and Hz, so that it can be read, printed and tested without building a network.
"""

import dataclasses
import enum

import numpy as np

POPULATIONS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
"""Layer and kind; every table below is in this order."""

FULL_SIZES = (20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948)

PROBABILITIES = (
    (0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0),
    (0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0),
    (0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0),
    (0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0),
    (0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0),
    (0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0),
    (0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252),
    (0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443),
)
"""Probability that a pair is connected at least once. Row: target; column: source."""

EXTERNAL_INDEGREES = (1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100)
EXTERNAL_RATE = 8.0
"""Hz, of each external synapse."""

FULL_RATES = (0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829)
"""Hz, of the network at full scale (NEST); what the compensation for fewer synapses assumes."""

V0_MEAN = (-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43)
V0_SD = (5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48)
"""mV; initial potentials that shorten the transient."""

THALAMIC_SIZE = 902
THALAMIC_PROBABILITIES = (0.0, 0.0, 0.0983, 0.0619, 0.0, 0.0, 0.0512, 0.0196)

TAU_M, TAU_SYN, CAPACITANCE = 10.0, 0.5, 250.0
PSP = 0.15
"""mV, the peak of an excitatory postsynaptic potential."""

INHIBITION = -4.0
L4E_TO_L23E = 2.0
REL_SD_WEIGHT, REL_SD_DELAY = 0.1, 0.5
DELAY_E, DELAY_I = 1.5, 0.75
RESOLUTION = 0.1
"""ms; the time step of the publication, and the shortest delay."""


class Background(enum.Enum):
    """What replaces the input from outside the circuit."""

    POISSON = "poisson"
    """An independent Poisson train per neuron, of the summed rate of its external synapses."""

    DC = "dc"
    """A constant current with the same mean."""


@dataclasses.dataclass(frozen=True)
class Scaled:
    """The circuit at one scale. Matrices have rows for targets and columns for sources."""

    sizes: np.ndarray
    """(8,) neurons."""
    synapses: np.ndarray
    """(8, 8) numbers of synapses."""
    weights: np.ndarray
    """(8, 8) mean weights in pA."""
    external_weight: float
    """pA."""
    external_rates: np.ndarray
    """(8,) Hz per neuron, of all external synapses together."""
    current: np.ndarray
    """(8,) constant current per neuron in pA."""
    thalamic_synapses: np.ndarray
    """(8,) numbers of synapses from the thalamus."""
    thalamic_size: int


def current_for_psp(tau_m: float = TAU_M, tau_syn: float = TAU_SYN, c: float = CAPACITANCE) -> float:
    r"""pA per mV: the jump of an exponential current that gives a postsynaptic potential with a peak of 1 mV.

    $$ \frac{w}{\mathrm{PSP}} = \left[\frac{\tau_m\tau_s}{C(\tau_s-\tau_m)}
       \left(q^{\tau_m/(\tau_s-\tau_m)} - q^{\tau_s/(\tau_s-\tau_m)}\right)\right]^{-1},\qquad q=\tau_m/\tau_s $$

    !!! Example

        >>> from neuro4d.zoo import current_for_psp
        >>> round(current_for_psp(), 2)
        585.39
    """
    q, gap = tau_m / tau_syn, tau_syn - tau_m
    return c * gap / (tau_m * tau_syn * (q ** (tau_m / gap) - q ** (tau_syn / gap)))


def synapse_numbers(probabilities: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    r"""How many synapses drawn with replacement connect a pair at least once with the given probability.

    $$ Q = \frac{\ln(1 - C)}{\ln(1 - 1/(N_s N_t))} $$

    not rounded.
    """
    return np.log1p(-probabilities) / np.log1p(-1.0 / pairs)


def scaled(scale: float = 1.0, k_scale: float | None = None, background: Background = Background.POISSON) -> Scaled:
    r"""The circuit with `scale` times the neurons and `k_scale` times the synapses per neuron (default: `scale`).

    Weights grow with $1/\sqrt{f}$ for the factor $f$ of the in-degrees, which keeps the variance of the input; a constant current

    $$ I = \tau_s\,(1-\sqrt f)\Big(\sum_j w_{ij}K_{ij}\nu_j + w_\mathrm{ext}K_\mathrm{ext}\nu_\mathrm{ext}\Big) $$

    restores its mean, with the rates $\nu_j$ of the full circuit (the external term for Poisson input only: a constant
    current is not scaled).

    **Raises:** `ValueError` unless both factors lie in (0, 1].
    """
    factor = scale if k_scale is None else k_scale
    for name, value in (("scale", scale), ("k_scale", factor)):
        if not 0 < value <= 1:
            raise ValueError(f"microcircuit: `{name}` lies above 0 and at most at 1, for example `{name}=0.1`; got {value}.")
    sizes = np.array(FULL_SIZES)
    full = synapse_numbers(np.array(PROBABILITIES), np.outer(sizes, sizes))
    psc = PSP * current_for_psp()
    weights = np.tile(np.where(np.arange(8) % 2 == 0, psc, INHIBITION * psc), (8, 1))
    weights[POPULATIONS.index("L23E"), POPULATIONS.index("L4E")] *= L4E_TO_L23E
    indegrees = np.array(EXTERNAL_INDEGREES)
    external = indegrees * EXTERNAL_RATE * psc
    lost = (weights * full / sizes[:, None]) @ np.array(FULL_RATES)
    if background is Background.POISSON:
        lost = lost + external
    current = 1e-3 * TAU_SYN * (1 - np.sqrt(factor)) * lost
    rates = EXTERNAL_RATE * np.round(indegrees * factor)
    if background is Background.DC:
        current = current + 1e-3 * TAU_SYN * external
        rates = np.zeros(8)
    small = np.round(sizes * scale).astype(int)
    if not (small > 0).all():
        least = 1 / min(FULL_SIZES)
        raise ValueError(f"microcircuit: with `scale={scale}` a population has no neuron left; use at least `scale={least:.1g}`.")
    relays = max(1, round(THALAMIC_SIZE * scale))
    thalamic = synapse_numbers(np.array(THALAMIC_PROBABILITIES), sizes * THALAMIC_SIZE)
    return Scaled(
        sizes=small,
        synapses=np.round(full * scale * factor).astype(int),
        weights=weights / np.sqrt(factor),
        external_weight=float(psc / np.sqrt(factor)),
        external_rates=rates,
        current=current,
        thalamic_synapses=np.round(thalamic * scale * factor).astype(int),
        thalamic_size=relays,
    )
