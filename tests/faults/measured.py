"""Networks that take about a gigabyte, and how much a process has held at most."""

import brainunit as u
import psutil
from core.networks import lif

import neuro4d as n4


def start() -> int:
    """Forgets what the process has held, and says what it holds."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return psutil.Process().memory_info().rss


def peak() -> int:
    """The most that the process has held since."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM"))


def network(n, k, **values):
    cells = n4.Population("cells", n, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    return n4.Network(cells, n4.Projection("e", cells, cells, "exc", n4.FixedOutDegree(k), **{"weight": 1 * u.pA, "delay": 1 * u.ms} | values))


def many():
    """Neurons without synapses, that fire some ten times a second."""
    cells = n4.Population("cells", 400_000, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)}, v0=n4.Uniform(-60 * u.mV, -50 * u.mV))
    return n4.Network(cells, n4.Poisson("noise", cells, "exc", rate=2000 * u.Hz, weight=40 * u.pA), n4.Clamp("drive", cells, 200 * u.pA))


RECORDS = {
    "spikes": lambda folder: n4.Spikes(),
    "spikes on the disk": lambda folder: n4.io.SpikesToDisk(f"{folder}/spikes.zarr"),
    "binned counts": lambda folder: n4.Counts(every=1 * u.ms),
    "a window": lambda folder: n4.Window(length=300 * u.ms),
}

CASES = {
    "warm": lambda: network(100, 10),
    "one weight": lambda: network(100_000, 5000),
    "a weight per edge": lambda: network(100_000, 2000, weight=n4.Normal(1 * u.pA, 0.1 * u.pA)),
    "a delay per edge": lambda: network(50_000, 2000, delay=n4.Uniform(0.5 * u.ms, 40 * u.ms)),
    "learns": lambda: network(50_000, 3000, plasticity=n4.STDP(w_max=10 * u.pA, a_plus=0.01, a_minus=0.0105)),
}
