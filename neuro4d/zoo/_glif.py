"""Generalised integrate-and-fire neurons under a range of currents."""

import brainunit as u
import numpy as np

from neuro4d.network import Network, Population
from neuro4d.neurons import GLIF
from neuro4d.stimuli import Clamp

CURRENTS = tuple(range(200, 701, 50))
"""pA, one neuron for each."""


def glif_level(level: int) -> Network:
    r"""Eleven unconnected generalised integrate-and-fire neurons of one level, each with its own constant current.

    | parameter | value |
    |---|---|
    | neurons | `GLIF(level)` with the defaults of NEST: $C$ 58.72 pF, leak 9.43 nS at -78.85 mV, threshold -51.68 mV, refractory 3.75 ms |
    | currents | 200, 250, ..., 700 pA, from the first step on |

    Levels add reset rules (2, 4, 5), after-spike currents (3, 4, 5) and a threshold that follows the potential (5).

    **Arguments:** `level`: 1 to 5.

    **Returns:** a `Network` with the population `cells`. Run it with `dt = 0.05 ms`: the refractory period is no multiple of 0.1 ms.

    **Reference:** in the first second 94.6, 128.4, 43.5, 44.9 and 42.5 Hz (NEST 3.10, `glif_psc`).

    **Raises:** `ValueError` for another level.

    **Source:** C. Teeter et al., Nature Communications 9, 709 (2018).

    !!! Example

        >>> import neuro4d as n4
        >>> net = n4.zoo.glif_level(3)
    """
    cells = Population("cells", len(CURRENTS), GLIF(level=level))
    return Network(cells, Clamp("currents", cells, np.array(CURRENTS, float) * u.pA))


def glif_1() -> Network:
    """`glif_level(1)`: leaky integrate-and-fire."""
    return glif_level(1)


def glif_2() -> Network:
    """`glif_level(2)`: with reset rules."""
    return glif_level(2)


def glif_3() -> Network:
    """`glif_level(3)`: with after-spike currents."""
    return glif_level(3)


def glif_4() -> Network:
    """`glif_level(4)`: with reset rules and after-spike currents."""
    return glif_level(4)


def glif_5() -> Network:
    """`glif_level(5)`: with reset rules, after-spike currents and an adapting threshold."""
    return glif_level(5)
