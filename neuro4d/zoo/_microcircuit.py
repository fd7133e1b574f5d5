"""The cortical microcircuit of Potjans and Diesmann."""

import brainunit as u
import numpy as np

from neuro4d._base import Normal
from neuro4d.connect import FixedTotalNumber
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF, Relay
from neuro4d.receptors import Delta, ExpCurrent
from neuro4d.stimuli import Clamp, Poisson, RateSteps
from neuro4d.zoo import _potjans as p
from neuro4d.zoo._potjans import Background, Scaled, scaled


def microcircuit(
    scale: float = 0.1, k_scale: float | None = None, background: Background = Background.POISSON, thalamus: bool = False
) -> Network:
    r"""One square millimetre of early sensory cortex: 77,169 neurons in four layers, 299 million synapses.

    | parameter | value |
    |---|---|
    | neurons | exponential currents, $\tau$ 10 ms, $C$ 250 pF, rest and reset -65 mV, threshold -50 mV, refractory 2 ms, $\tau_s$ 0.5 ms |
    | synapses | total number per pair of populations from the published probabilities, drawn with replacement |
    | weights | 87.81 pA (a potential of 0.15 mV), doubled from L4E to L23E, times -4 for inhibition; sd 10 %, the sign is kept |
    | delays | excitatory 1.5 ± 0.75 ms, inhibitory 0.75 ± 0.375 ms, redrawn below 0.1 ms, rounded to the step |
    | background | 1,500 to 2,900 synapses per neuron at 8 Hz |
    | initial potential | normal, per population, chosen to shorten the transient |

    **Arguments:**

    - `scale`: number of neurons relative to the full circuit, in (0, 1]. The full circuit needs gigabytes of memory; 0.1 fits a laptop.
    - `k_scale`: number of synapses per neuron relative to the full circuit, in (0, 1]; `scale` if not given. Fewer
      synapses are made stronger, and a constant current replaces the mean input that is lost: see `scaled`.
    - `background`: `Background.POISSON` or `Background.DC`. Constant input brings no fluctuations of its own: with a tenth of the
      synapses the circuit falls silent (in NEST as well), with a fifth it is alive.
    - `thalamus`: adds 902 thalamic relay neurons that fire at 120 Hz from 700 to 710 ms.

    **Returns:** a `Network` with the populations `L23E L23I L4E L4I L5E L5I L6E L6I` (and `TC`). Run it with `dt = 0.1 ms`.

    **Reference:** at full scale .903 2.965 4.414 5.876 7.569 8.633 1.105 7.829 Hz (NEST); at `scale=0.1`
    .48 2.14 4.01 5.03 6.69 7.80 .84 7.02 Hz (NEST 3.10, ten seeds, after 0.5 s).

    **Raises:** `ValueError` for a factor outside (0, 1].

    **Source:** T. C. Potjans, M. Diesmann, Cerebral Cortex 24, 785 (2014); scaling as in the NEST example
    (S. J. van Albada, M. Helias, M. Diesmann, PLoS Comput. Biol. 11, e1004490, 2015).

    !!! Example

        >>> import neuro4d as n4
        >>> net = n4.zoo.microcircuit(0.02, background=n4.zoo.Background.DC)
    """
    if not isinstance(background, Background):
        raise TypeError(f"microcircuit: `background` is `zoo.Background.POISSON` or `zoo.Background.DC`; got {background!r}.")
    numbers = scaled(scale, k_scale, background)
    cells = _populations(numbers)
    parts = [*cells, *_recurrent(cells, numbers), *_external(cells, numbers)]
    return Network(*parts, *(_thalamus(cells, numbers) if thalamus else ()))


def _populations(numbers: Scaled) -> list[Population]:
    lif = LIF(tau=p.TAU_M * u.ms, c=p.CAPACITANCE * u.pF, v_rest=-65 * u.mV, v_th=-50 * u.mV, v_reset=-65 * u.mV, t_ref=2 * u.ms)
    # Excitation and inhibition decay alike, so one port takes both signs.
    receptors = {"in": ExpCurrent(tau=p.TAU_SYN * u.ms)}
    starts = [Normal(mean * u.mV, sd * u.mV) for mean, sd in zip(p.V0_MEAN, p.V0_SD)]
    return [Population(name, int(n), lif, receptors, v0=v0) for name, n, v0 in zip(p.POPULATIONS, numbers.sizes, starts)]


def _recurrent(cells: list[Population], numbers: Scaled) -> list[Projection]:
    return [
        _projection(cells[j], cells[i], int(numbers.synapses[i, j]), float(numbers.weights[i, j]), p.DELAY_I if j % 2 else p.DELAY_E)
        for i in range(8)
        for j in range(8)
        if numbers.synapses[i, j]
    ]


def _projection(source: Population, target: Population, synapses: int, weight: float, delay: float) -> Projection:
    limit = {"low": 0 * u.pA} if weight > 0 else {"high": 0 * u.pA}
    return Projection(
        f"{source.name}-{target.name}",
        source,
        target,
        "in",
        FixedTotalNumber(synapses),
        weight=Normal(weight * u.pA, abs(weight) * p.REL_SD_WEIGHT * u.pA, **limit),
        delay=Normal(delay * u.ms, delay * p.REL_SD_DELAY * u.ms, low=p.RESOLUTION * u.ms),
    )


def _external(cells: list[Population], numbers: Scaled) -> list[Clamp | Poisson]:
    weight = numbers.external_weight * u.pA
    trains = [
        Poisson(f"external-{pop.name}", pop, "in", rate=float(rate) * u.Hz, weight=weight)
        for pop, rate in zip(cells, numbers.external_rates)
        if rate
    ]
    currents = [Clamp(f"current-{pop.name}", pop, float(i) * u.pA) for pop, i in zip(cells, numbers.current) if i]
    return [*trains, *currents]


def _thalamus(cells: list[Population], numbers: Scaled) -> list[Population | Projection | Poisson]:
    """Relay neurons: the second of two events in one step (0.6 % of them) comes a step later, as one neuron fires once per step."""
    relays = Population("TC", numbers.thalamic_size, Relay(), {"in": Delta()})
    weight = abs(float(numbers.weights[0, 0]))
    to = [
        _projection(relays, cells[i], int(numbers.thalamic_synapses[i]), weight, p.DELAY_E)
        for i in range(8)
        if numbers.thalamic_synapses[i]
    ]
    pulse = RateSteps(samples=np.array([0.0] * 70 + [120.0]) * u.Hz, every=10 * u.ms)
    return [relays, *to, Poisson("thalamic", relays, "in", rate=pulse, weight=1 * u.mV)]


def microcircuit_dc(scale: float = 0.2) -> Network:
    """`microcircuit(scale, background=Background.DC)`."""
    return microcircuit(scale, background=Background.DC)
