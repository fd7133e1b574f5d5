"""Published measurements, and the networks they belong to, as far as these are public: what `benchmarks/hardware.py` predicts.

A row holds what a prediction may use (sizes, spikes, cores, and where a chip waits for its host, the time of a step) and what was measured.
`own`: the prediction rests on a number of the target, or on the end of a band, from the same publication, so that the row tests the model and not the number.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hardware_networks import (
    ACTIVITY,
    CELLS,
    CORES,
    PILOTNET,
    dense,
    feedforward,
    grid,
    microcircuit,
    neurons,
    on_cores,
    pilotnet,
    small_board,
    spotter,
)

TARGETS = Path(__file__).parent / "targets"


class Row(NamedTuple):
    """A measurement.

    `quantity`: `time` or `energy` of all steps, `power`, or `per event`, in s, J, W, J. `step`: the measured time of a step in s where it is an input,
    since the chip waits for its host, or runs in real time. `terms`: those that were measured, all if left out. `most`: only an upper bound is published.
    """

    chip: str
    what: str
    quantity: str
    measured: float
    load: Callable[[], Any]
    target: Any
    inputs: str
    source: str
    own: bool = False
    step: float | None = None
    terms: tuple[str, ...] = ()
    most: bool = False


# Loihi 1

BLOUW = "Blouw et al. 2019, arXiv:1812.01739; logs in abr/power_benchmarks"


def spotter_rows() -> list[Row]:
    loihi = Row(
        "Loihi 1",
        "keyword spotter 390-256-256-29, power",
        "power",
        110.2e-3,
        lambda: dense([390, 256, 256, 29], ACTIVITY, steps=10),
        "loihi1",
        "sizes; 10 steps per inference; 297 inferences per second, limited by input and output; 0.1 spikes per neuron and step assumed",
        BLOUW,
        step=1 / 297 / 10,
    )
    scaled = ((0, 107.5e-3, 125.8), (1, 107.9e-3, 114.7), (4, 113.5e-3, 114.3), (10, 124.8e-3, 114.0))
    return [
        loihi,
        *[
            loihi._replace(
                what=f"the same with {10 * n} more layers of 256, power",
                measured=power,
                load=lambda n=n: spotter(n),
                step=1 / rate / 10,
                inputs=f"sizes; {rate:g} inferences of 10 steps per second; a core per layer and 8 each for input and output; 0.1 spikes assumed",
            )
            for n, power, rate in scaled
        ],
    ]


QUARTZ = "Quartz on Loihi, arXiv:2309.16795; probes in biphasic/Quartz-on-Loihi"
MNIST = {"conv 1": 3456, "pool 1": 864, "conv 2": 768, "pool 2": 192, "conv 3": 120, "output": 10}


def quartz_rows() -> list[Row]:
    work = ("synapses", "neurons", "spikes", "messages", "links")
    mnist = Row(
        "Loihi 1",
        "MNIST, one spike per neuron, 331 steps, power of working cores",
        "power",
        24.1e-3,
        lambda: on_cores(neurons(MNIST, steps=331), "loihi1", 11),
        "loihi1",
        "5,410 neurons, 11 cores, 17.4 us per step; spikes not counted: one per neuron and sample",
        QUARTZ,
        step=17.44e-6,
        terms=work,
    )
    slow = mnist._replace(
        what="the same, 51 steps", measured=6.89e-3, step=96.04e-6, inputs="5,410 neurons, 11 cores, 96.0 us per step; spikes not counted"
    )
    static = mnist._replace(
        what="the same, static power of cores and x86",
        measured=26.3e-3,
        terms=("cores", "host"),
        own=True,
        inputs="11 cores, 1 chip (static 4.85 mW, x86 21.4 mW)",
    )
    cifar = mnist._replace(
        what="CIFAR-10, MobileNet-like, energy of an inference",
        quantity="energy",
        measured=564e-3,
        load=lambda: on_cores(neurons({"all": 1753}, steps=1314), "loihi1", 1753, chips=16),
        inputs="1,753 cores, 16 chips, 1,314 steps of 278 us; activity left out",
        step=278.04e-6,
        terms=("cores", "host"),
        own=True,
    )
    return [mnist, slow, static, cifar]


def loihi1_rows() -> list[Row]:
    rest = Row(
        "Loihi 1",
        "a chip at rest, before its x86 processors run, power",
        "power",
        29.6e-3,
        lambda: on_cores(neurons({"all": 1}), "loihi1", 1),
        "loihi1",
        "128 cores, of which one is on",
        BLOUW,
        step=1e-3,
        terms=("cores", "gated cores"),
    )
    nxtf = "Rueckauer et al. 2021, arXiv:2101.04261, through secondary sources"
    small = Row(
        "Loihi 1",
        "NxTF, MNIST, energy of an inference",
        "energy",
        0.66e-3,
        lambda: on_cores(neurons({"all": 14 * 512}, steps=100), "loihi1", 14),
        "loihi1",
        "14 cores, 100 steps of 66.5 us; 512 neurons per core assumed, spikes not counted",
        nxtf,
        step=66.5e-6,
    )
    large = small._replace(
        what="NxTF, CIFAR-10, MobileNet, energy of an inference",
        measured=102e-3,
        load=lambda: on_cores(neurons({"all": 861 * 512}, steps=400), "loihi1", 861, chips=7),
        inputs="861 cores, 7 chips, 400 steps of 850 us; 512 neurons per core assumed, spikes not counted",
        step=850e-6,
    )
    pohoiki = "Frady et al. 2020, arXiv:2004.12691"
    leak = Row(
        "Loihi 1",
        "32 chips at rest, static power of the cores",
        "power",
        3.34,
        lambda: on_cores(neurons({"all": 4096}), "loihi1", 4096, chips=32),
        "loihi1",
        "4,096 cores",
        pohoiki,
        own=True,
        step=1e-3,
        terms=("cores",),
    )
    step = leak._replace(
        what="nearest neighbours of 1 M patterns on 768 chips, time of a step",
        quantity="time",
        measured=13e-6,
        load=lambda: on_cores(neurons({"all": 10**6}), "loihi1", 768 * 128, chips=768),
        inputs="a million neurons on all cores of 768 chips",
        step=None,
        terms=(),
    )
    return [rest, *spotter_rows(), *quartz_rows(), small, large, leak, step]


# Loihi 2

LAVA = "lava-dl, tutorials/lava/lib/dl/netx"


def loihi2_rows() -> list[Row]:
    snn = Row(
        "Loihi 2",
        "PilotNet of LIF neurons, time of a frame",
        "time",
        1 / 408.91,
        pilotnet,
        "loihi2",
        "layers, cores and synaptic events of each core as published; 16 steps",
        f"{LAVA}/pilotnet_snn",
    )
    work = ("synapses", "neurons", "spikes", "messages", "links")
    delta = snn._replace(
        what="PilotNet of sigma-delta neurons, energy of a frame",
        quantity="energy",
        measured=16.34e-3,
        load=lambda: on_cores(neurons({name: n for name, n in PILOTNET.items() if name != "input"}), "loihi2", CORES[1:]),
        inputs="layers and cores; 16.87 frames per second, limited by the input; events not counted",
        source=f"{LAVA}/pilotnet_sdnn",
        step=1 / 16.87,
        own=True,
    )
    dynamic = snn._replace(what="PilotNet of LIF neurons, dynamic energy of a frame", quantity="energy", measured=1.0935e-3, terms=work)
    whole = snn._replace(what="PilotNet of LIF neurons, energy of a frame", quantity="energy", measured=1.661e-3, own=True)
    return [snn, dynamic, whole, delta]


# SpiNNaker

SNAB = "SNABSuite, Ostrau et al. 2022, Front. Neurosci. 16:873935"


def snab(what: str, sizes: dict[str, int], events: float, watt: float, seconds: float, source: int = 0) -> Row:
    """A benchmark of SNABSuite: populations and synaptic events in all."""
    rate = events / seconds * 1e-3
    cores = [-(-n // 255) for n in sizes.values()]
    share = np.array(list(sizes.values()), float)
    share[:source] = 0
    target = small_board()
    return Row(
        "SpiNNaker 1",
        f"{what}, power of a board of 4 chips",
        "power",
        watt,
        lambda: on_cores(neurons(sizes, events=rate * share / share.sum()), target, cores),
        target,
        f"{sum(sizes.values()):,} neurons on {sum(cores)} cores, {events:.3g} events in {seconds:g} s, in real time",
        SNAB,
        own=True,
        step=1e-3,
    )


def snab_rows() -> list[Row]:
    return [
        snab("no spikes", {"all": 16065}, 0, 4.116, 10),
        snab("spikes, no synapses", {"all": 16065}, 0, 4.282, 10),
        snab("input to all", {"all": 12000}, 134_824 * 12000, 4.344, 20),
        snab("input to 255 each", {"all": 12000}, 599_800 * 255, 4.539, 20),
        snab("input one to one", {"all": 5000}, 1.1487e6, 3.500, 10),
        snab("one neuron to all", {"one": 1, "all": 15810}, 20_002 * 15810, 4.212, 20, source=1),
        snab("one to one", {"from": 7905, "to": 7905}, 158_115_810, 4.917, 20, source=1),
        snab("18 neurons to half of all", {"from": 18, "to": 15810}, 360_036 * 7905, 5.460, 20, source=1),
    ]


DATA = "data of microcircuit-PD14 (Senk et al. 2026, NCE 6:012001)"


def spinnaker_rows() -> list[Row]:
    slow = Row(
        "SpiNNaker 1",
        "cortical microcircuit, 20 times slower, energy per event",
        "per event",
        4.4e-6,
        lambda: on_cores(microcircuit(), "spinnaker1", [-(-n // 80) for n in CELLS.values()], chips=6 * 48),
        "spinnaker1",
        "77,169 neurons, 80 to a core (the authors' script), 6 boards, 0.95 G events per second, steps of 0.1 ms in 2 ms",
        f"van Albada et al. 2018, Front. Neurosci. 12:291; {DATA}",
        step=2e-3,
    )
    fast = slow._replace(
        what="cortical microcircuit in real time, energy per event",
        measured=0.601e-6,
        load=lambda: on_cores(microcircuit(), "spinnaker1", 12 * 48 * 16, chips=12 * 48),
        inputs="77,169 neurons, 12 boards, all 16 cores of each chip assumed, 0.95 G events per second, steps of 0.1 ms",
        source=f"Rhodes et al. 2019, Phil. Trans. A 378:20190160; {DATA}",
        step=1e-4,
    )
    belief = Row(
        "SpiNNaker 1",
        "belief network 784-500-500-10, power of a chip above rest",
        "power",
        0.3,
        lambda: dense([784, 500, 500, 10], [2e3 / 784 * 1e-3, 2e3 / 500 * 1e-3, 2e3 / 500 * 1e-3, 0]),
        "spinnaker1",
        "sizes; 2,000 spikes per second of the input, and assumed of each hidden layer",
        "Liu et al. 2016, Front. Neurosci. 10:496; qian-liu/benchmarking",
        step=1e-3,
        terms=("cores", "synapses", "neurons", "spikes", "messages", "links"),
        most=True,
    )
    return [slow, fast, fast._replace(what="the same with Poisson input, energy per event", measured=0.628e-6), belief, *snab_rows()]


# TrueNorth

MEROLLA = "Merolla et al. 2014, Science 345:668"
AKOPYAN = "Akopyan et al. 2015, IEEE TCAD 34(10):1537"


def truenorth_rows() -> list[Row]:
    first = Row(
        "TrueNorth",
        "random network, 20 Hz, 128 synapses, 0.775 V, power",
        "power",
        72e-3,
        lambda: grid(20, 128),
        "truenorth",
        "a million neurons, rates, synapses; every core sends to another one",
        MEROLLA,
        own=True,
        step=1e-3,
    )
    nets = [
        ("random network, 20 Hz, 128 synapses, 0.75 V (46 G events per second and watt), power", 65e-3, 20.0, 128),
        ("random network, 58 G events per second, 0.75 V, power", 145e-3, 58e9 / 2**20 / 256, 256),
        ("random network, 200 Hz, 256 synapses, 1.05 V, power", 323e-3, 200.0, 256),
        ("random network, no activity, 0.70 V, power", 42e-3, 0.0, 1),
        ("random network, 95.9 Hz, 128 synapses, 0.8 V, power", 94e-3, 95.93, 128),
    ]
    random = [first._replace(what=what, measured=watt, load=lambda r=rate, k=k: grid(r, k), source=AKOPYAN) for what, watt, rate, k in nets]
    uses = [
        ("detection in video", 63e-3, 1, MEROLLA),
        ("visual filter", 60e-3, 1, MEROLLA),
        ("saccades, 0.75 V", 49e-3, 1, AKOPYAN),
        ("Haar features, 0.75 V", 58e-3, 1, AKOPYAN),
        ("local binary patterns, 0.75 V", 64e-3, 1, AKOPYAN),
        ("k-means, 4 chips, 1.0 V", 0.653, 4, AKOPYAN),
        ("grid classifier A, 7 chips, 1.0 V", 1.274, 7, AKOPYAN),
        ("grid classifier B, 16 chips, 1.0 V", 2.515, 16, AKOPYAN),
    ]
    idle = [
        first._replace(
            what=f"{what}, power",
            measured=watt,
            load=lambda n=n: on_cores(neurons({"all": 256 * n}), "truenorth", n, chips=n),
            inputs=f"{n} chip{'s' if n > 1 else ''}; activity not published and left out",
            source=source,
        )
        for what, watt, n, source in uses
    ]
    return [first, *random, *idle]


# Processors


def processor_rows() -> list[Row]:
    devices = (
        ("Xeon E5-2630", "cpu", ((1, 0, 1 / 1813.6, 6.32e-3), (64, 0, 64 / 38210, 64 * 0.348e-3), (1, 100, 1 / 185.9, 60.3e-3))),
        (
            "Quadro K4000",
            TARGETS / "quadro-k4000.toml",
            ((1, 0, 1 / 770, 29.7e-3), (64, 0, 64 / 36150, 64 * 0.727e-3), (1, 100, 1 / 93, 277e-3)),
        ),
        ("Jetson TX1", "edge", ((1, 0, 1 / 419, 5.59e-3), (64, 0, 64 / 16976, 64 * 0.102e-3))),
    )
    rows = []
    for chip, target, runs in devices:
        for batch, more, seconds, joule in runs:
            what = f"keyword spotter{f' with {more} more layers' if more else ''}, batch of {batch}"
            load = lambda b=batch, m=more: feedforward(b, m)  # noqa: E731
            row = Row(chip, f"{what}, time", "time", seconds, load, target, "sizes; three operations per layer", BLOUW, own=True)
            rows += [row, row._replace(what=f"{what}, energy above rest", quantity="energy", measured=joule, terms=("busy",))]
    card = Row(
        "RTX 4090",
        "cortical microcircuit in NEST GPU, a second of biological time",
        "time",
        0.386,
        lambda: microcircuit({"all": sum(CELLS.values())}),
        "gpu",
        "77,169 neurons as one group of kernels, 0.95 G events per second, 10,000 steps",
        f"Golosio et al. 2023, Appl. Sci. 13:9598; {DATA}",
    )
    genn = card._replace(what="cortical microcircuit in GeNN, a second of biological time", measured=0.2719)
    energy = {"quantity": "per event", "own": True}
    return [
        *rows,
        card,
        genn,
        card._replace(what="cortical microcircuit in NEST GPU, energy per event", measured=0.104e-6, **energy),
        card._replace(what="cortical microcircuit in GeNN, energy per event", measured=0.074e-6, **energy),
    ]


LEFT_OUT = {
    "ODIN (477 uW at 37.5 M events per second)": "no target; the published line is a fit to these points",
    "NxTF, N-MNIST (0.29 mJ, 6.46 ms)": "cores and layers are not in what was read",
    "NxTF on a CPU and a GPU": "the processors are not named in what was read",
    "Movidius sticks, and Loihi and Loihi 2 figures quoted without their network": "no target, or no description",
    "latency of the belief network on SpiNNaker (16 ms)": "decided by when output spikes come, not by the chip",
    "SpiNNaker 2": "workloads and events of the published energies are not described; the powers at rest are what the target is made of",
    "TPU v4": "no spiking network has been measured",
}
"""Measurements that are not predicted, and why."""


def rows() -> list[Row]:
    """All of them."""
    return [*loihi1_rows(), *loihi2_rows(), *spinnaker_rows(), *truenorth_rows(), *processor_rows()]
