"""The table of all entries."""

from neuro4d._base import lookup
from neuro4d.zoo._brain4d import brain4d
from neuro4d.zoo._brunel import brunel_a, brunel_b, brunel_c, brunel_d
from neuro4d.zoo._brunel_hakim import brunel_hakim
from neuro4d.zoo._coba import coba, coba_alone
from neuro4d.zoo._cobahh import cobahh
from neuro4d.zoo._cuba import cuba
from neuro4d.zoo._diehl_cook import diehl_cook
from neuro4d.zoo._entry import Band, Reference, ZooEntry
from neuro4d.zoo._glif import glif_1, glif_2, glif_3, glif_4, glif_5
from neuro4d.zoo._hpc import hpc_benchmark
from neuro4d.zoo._izhikevich2003 import izhikevich2003
from neuro4d.zoo._lattice4d import AREAS, lattice4d
from neuro4d.zoo._microcircuit import microcircuit, microcircuit_dc
from neuro4d.zoo._polychronous import polychronous
from neuro4d.zoo._potjans import FULL_RATES, POPULATIONS
from neuro4d.zoo._song import song_miller_abbott
from neuro4d.zoo._tsodyks2000 import tsodyks2000
from neuro4d.zoo._vogels2011 import vogels2011

VOGELS = "Vogels and Abbott (2005), J. Neurosci. 25, 10786"
BRUNEL = "Brunel (2000), J. Comput. Neurosci. 8, 183"
TEETER = "Teeter et al. (2018), Nat. Commun. 9, 709"
POTJANS = "Potjans and Diesmann (2014), Cereb. Cortex 24, 785"

NEST_TENTH = (0.4831, 2.1362, 4.0052, 5.0274, 6.692, 7.8038, 0.8419, 7.0234)
"""Hz; NEST 3.10, `scale=0.1`, Poisson input, ten seeds, 1 s after 0.5 s."""

GLIF_RATES = (94.64, 128.36, 43.55, 44.91, 42.55)
"""Hz, by level; NEST 3.10, the mean over the eleven currents."""


def _points(rates: tuple[float, ...]) -> tuple[Band, ...]:
    return tuple(Band(name, rate, rate) for name, rate in zip(POPULATIONS, rates))


def _cells(low: float, high: float) -> tuple[Reference, ...]:
    return (Reference(1.0, (Band("cells", low, high),)),)


def _brunel(low: float, high: float) -> tuple[Reference, ...]:
    return (Reference(1.0, (Band("exc", low, high), Band("inh", low, high))),)


def _areas() -> tuple[Band, ...]:
    return tuple(Band(f"{area}-{kind}", low, high) for area in AREAS for kind, low, high in (("E", 3.0, 8.0), ("I", 2.5, 6.5)))


ENTRIES = (
    ZooEntry(
        "cuba", cuba, "self-sustained, current-based synapses", VOGELS,
        0.1, 1000.0, 4000, 320_000, _cells(5.2, 6.0),
    ),
    ZooEntry(
        "coba", coba, "conductance-based synapses, driven by 200 pA", VOGELS,
        0.1, 1000.0, 4000, 320_000, _cells(21.0, 23.0),
    ),
    ZooEntry(
        "coba-alone", coba_alone, "conductance-based synapses, self-sustained bursts", VOGELS,
        0.1, 1000.0, 4000, 320_000, _cells(17.9, 21.5),
    ),
    ZooEntry(
        "cobahh", cobahh, "Hodgkin-Huxley neurons with conductance-based synapses, self-sustained",
        "Brette et al. (2007), J. Comput. Neurosci. 23, 349",
        0.1, 1000.0, 4000, 320_000, _cells(35.4, 35.6),
    ),
    ZooEntry(
        "brunel-a", brunel_a, "synchronous regular", BRUNEL,
        0.1, 500.0, 12_500, 15_625_000, _brunel(332.0, 333.3),
    ),
    ZooEntry(
        "brunel-b", brunel_b, "fast synchronous irregular", BRUNEL,
        0.1, 1000.0, 12_500, 15_625_000, _brunel(57.4, 60.3),
    ),
    ZooEntry(
        "brunel", brunel_c, "asynchronous irregular (regime C)", BRUNEL,
        0.1, 1000.0, 12_500, 15_625_000, _brunel(37.2, 37.8),
    ),
    ZooEntry(
        "brunel-d", brunel_d, "slow synchronous irregular", BRUNEL,
        0.1, 2000.0, 12_500, 15_625_000, _brunel(5.6, 5.9),
    ),
    ZooEntry(
        "brunel-hakim", brunel_hakim, "inhibitory neurons, a fast global oscillation", "Brunel and Hakim (1999), Neural Comput. 11, 1621",
        0.1, 1000.0, 5000, 5_000_000, _cells(3.54, 3.55),
    ),
    *(
        ZooEntry(
            f"glif-{level}", make, f"generalised integrate-and-fire of level {level}, one current per neuron", TEETER,
            0.05, 1000.0, 11, 0, (Reference(None, (Band("cells", rate, rate),)),), scale=None,
        )
        for level, (make, rate) in enumerate(zip((glif_1, glif_2, glif_3, glif_4, glif_5), GLIF_RATES), 1)
    ),
    ZooEntry(
        "izhikevich2003", izhikevich2003, "quadratic neurons, all to all, alpha and gamma episodes",
        "Izhikevich (2003), IEEE Trans. Neural Netw. 14, 1569",
        1.0, 1000.0, 1000, 1_000_000, (Reference(None, (Band("exc", 7.3, 7.7), Band("inh", 7.0, 7.5))),), scale=None,
    ),
    ZooEntry(
        "microcircuit", microcircuit, "1 mm² of early sensory cortex, Poisson background", POTJANS,
        0.1, 1000.0, 77_169, 298_880_970, (Reference(1.0, _points(FULL_RATES)), Reference(0.1, _points(NEST_TENTH))), scale=0.1,
    ),
    ZooEntry(
        "microcircuit-dc", microcircuit_dc, "1 mm² of early sensory cortex, constant background", POTJANS,
        0.1, 1000.0, 77_169, 298_880_970, (Reference(1.0, _points(FULL_RATES)),), scale=0.2,
    ),
    ZooEntry(
        "song-miller-abbott", song_miller_abbott, "one neuron whose synapses compete by spike timing",
        "Song, Miller and Abbott (2000), Nat. Neurosci. 3, 919",
        0.1, 100_000.0, 1001, 1000, (Reference(1.0, (Band("cell", 20.0, 26.4),)),),
    ),
    ZooEntry(
        "vogels2011", vogels2011, "inhibition that learns to balance excitation", "Vogels et al. (2011), Science 334, 1569",
        0.1, 10_000.0, 10_000, 2_000_000, (), scale=0.1,
    ),
    ZooEntry(
        "tsodyks2000", tsodyks2000, "synapses that run out together, population spikes", "Tsodyks, Uziel and Markram (2000), J. Neurosci. 20, RC50",
        0.1, 5000.0, 500, 25_000, (), scale=None,
    ),
    ZooEntry(
        "hpc-benchmark", hpc_benchmark, "11,250 synapses per neuron, of which most learn by a power law",
        "Morrison, Aertsen and Diesmann (2007), Neural Comput. 19, 1437",
        0.1, 500.0, 11_250, 126_562_500, (), scale=0.1,
    ),
    ZooEntry(
        "diehl-cook", diehl_cook, "neurons that compete for images of digits, shown one of them", "Diehl and Cook (2015), Front. Comput. Neurosci. 9, 99",
        0.5, 500.0, 264, 16_400, (),
    ),
    ZooEntry(
        "brain4d", brain4d, "seven areas that sense, learn and grow on a 20 x 20 x 20 x 20 lattice", "4D-Neural-Cognition (T. Heisig, 2025)",
        1.0, 60_000.0, 1_825, 66_600, (), scale=None,
    ),
    ZooEntry(
        "polychronous", polychronous, "delays and spike timing, rhythms that change while it learns", "Izhikevich (2006), Neural Comput. 18, 245",
        1.0, 10_000.0, 1000, 100_000, (), scale=None,
    ),
    ZooEntry(
        "lattice4d", lattice4d, "five areas on a 20 x 20 x 20 x 20 lattice", "an example of neuro4d",
        0.1, 1000.0, 5_000, 650_000, (Reference(None, _areas()),), scale=None,
    ),
)  # fmt: skip


def names() -> tuple[str, ...]:
    """The names of all entries.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.zoo.names()[:3]
        ('cuba', 'coba', 'coba-alone')
    """
    return tuple(entry.name for entry in ENTRIES)


def get(name: str) -> ZooEntry:
    """An entry by name.

    **Raises:** `KeyError` with the nearest name.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.zoo.get("cuba").duration_ms
        1000.0
        >>> n4.zoo.get("micro")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        UnknownNameError: no network of the zoo named 'micro'.
    """
    return lookup({entry.name: entry for entry in ENTRIES}, name, "network of the zoo")
