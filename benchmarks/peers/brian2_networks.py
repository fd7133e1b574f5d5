"""CUBA, COBA, COBAHH, Brunel's network and the neuron of Song, Miller and Abbott in Brian2, C++ standalone. See `_job.py` for what goes in and out.

Tuned as the documentation of Brian2 advises: standalone mode with a main loop in C++, OpenMP threads by
`prefs.devices.cpp_standalone.openmp_threads` (0 leaves OpenMP out), `-O3 -march=native -ffast-math` (its default), single precision on
request, exact integration where the equations are linear, and monitors that count instead of keeping every spike.
"""

import shutil
import tempfile

import brian2 as b
import numpy as np
from _job import Clock, answer, output_to_stderr, read_job, weight_factor

CUBA = """
dv/dt = (ge + gi - (v + 49*mV)) / (20*ms) : volt (unless refractory)
dge/dt = -ge / (5*ms) : volt
dgi/dt = -gi / (10*ms) : volt
"""
COBA = """
dv/dt = (-60*mV - v + ge*(0*mV - v) + gi*(-80*mV - v) + 20*mV) / (20*ms) : volt (unless refractory)
dge/dt = -ge / (5*ms) : 1
dgi/dt = -gi / (10*ms) : 1
"""
# Traub and Miles; x is the potential above -63 mV in mV, conductances are in nS, the capacitance is 200 pF.
COBAHH = """
dv/dt = (10*(-60 - v) + ge*(0 - v) + gi*(-80 - v) + 20000*m**3*h*(50 - v) + 6000*n**4*(-90 - v)) / (200*ms) : 1
dm/dt = (1.28 / exprel((13 - x) / 4) * (1 - m) - 1.4 / exprel((x - 40) / 5) * m) / ms : 1
dh/dt = (0.128 * exp((17 - x) / 18) * (1 - h) - 4 / (1 + exp((40 - x) / 5)) * h) / ms : 1
dn/dt = (0.16 / exprel((15 - x) / 5) * (1 - n) - 0.5 * exp((10 - x) / 40) * n) / ms : 1
dge/dt = -ge / (5*ms) : 1
dgi/dt = -gi / (10*ms) : 1
x = v + 63 : 1
"""


def vogels_abbott(job: dict, equations: str, method: str, jumps: tuple) -> tuple:
    """CUBA or COBA: the objects of the network, and its monitors."""
    n, p, f = job["n"], job["k"] / job["n"], weight_factor(job)
    group = b.NeuronGroup(n, equations, threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * b.ms, method=method)
    n_exc = n * 4 // 5
    parts = [group]
    for name, cells, jump in (("ge", group[:n_exc], jumps[0]), ("gi", group[n_exc:], jumps[1])):
        synapses = b.Synapses(cells, group, on_pre=f"{name} += weight", namespace={"weight": f * jump})
        synapses.connect(p=p)
        parts.append(synapses)
    return parts, {"cells": b.SpikeMonitor(group, record=False)}


def cuba(job: dict) -> tuple:
    parts, monitors = vogels_abbott(job, CUBA, "exact", (1.62 * b.mV, -9 * b.mV))
    parts[0].v = "-60*mV + rand() * 10*mV"
    return parts, monitors


def coba(job: dict) -> tuple:
    parts, monitors = vogels_abbott(job, COBA, "exponential_euler", (0.6, 6.7))
    parts[0].v = "-55*mV + randn() * 5*mV"
    return parts, monitors


def cobahh(job: dict) -> tuple:
    """Neurons of Hodgkin-Huxley type: spikes are upward passages, without a reset."""
    n, p = job["n"], job["k"] / job["n"]
    group = b.NeuronGroup(n, COBAHH, threshold="v > -20", refractory=3 * b.ms, method="exponential_euler")
    group.v = "-65 + randn()*5"
    group.ge = "40 + randn()*15"
    group.gi = "200 + randn()*120"
    n_exc, parts = n * 4 // 5, [group]
    for name, cells, weight in (("ge", group[:n_exc], 6.0), ("gi", group[n_exc:], 67.0)):
        synapses = b.Synapses(cells, group, on_pre=f"{name} += weight", namespace={"weight": weight})
        synapses.connect(p=p)
        parts.append(synapses)
    return parts, {"cells": b.SpikeMonitor(group, record=False)}


def brunel(job: dict) -> tuple:
    """Regime C: g = 5, eta = 2."""
    n_exc, n_inh = 10_000, 2_500
    group = b.NeuronGroup(
        n_exc + n_inh, "dv/dt = -v / (20*ms) : volt (unless refractory)",
        threshold="v >= 20*mV", reset="v = 10*mV", refractory=2 * b.ms, method="exact",
    )  # fmt: skip
    group.v = "rand() * 20*mV"
    rng = np.random.default_rng(job["seed"])
    parts = [group, b.PoissonInput(group, "v", 1000, 20 * b.Hz, 0.1 * b.mV)]
    for cells, size, degree, jump in ((group[:n_exc], n_exc, 1000, 0.1 * b.mV), (group[n_exc:], n_inh, 250, -0.5 * b.mV)):
        synapses = b.Synapses(cells, group, on_pre="v += weight", delay=1.5 * b.ms, namespace={"weight": jump})
        target = np.repeat(np.arange(n_exc + n_inh), degree)
        synapses.connect(i=rng.integers(0, size, target.size), j=target)
        parts.append(synapses)
    return parts, {"exc": b.SpikeMonitor(group[:n_exc], record=False), "inh": b.SpikeMonitor(group[n_exc:], record=False)}


def song(job: dict) -> tuple:
    """One neuron whose 1,000 synapses learn by spike timing; weights are shares of the leak. Traces are moved by events alone."""
    inputs = b.PoissonGroup(1000, rates=15 * b.Hz)
    cell = b.NeuronGroup(
        1, """dv/dt = (ge*(0*mV - v) - 74*mV - v) / (10*ms) : volt
        dge/dt = -ge / (5*ms) : 1""", threshold="v > -54*mV", reset="v = -60*mV", method="exponential_euler",
    )  # fmt: skip
    cell.v = -60 * b.mV
    learns = b.Synapses(
        inputs, cell, """w : 1
        dx/dt = -x / (20*ms) : 1 (event-driven)
        dy/dt = -y / (20*ms) : 1 (event-driven)""",
        on_pre="""ge += w
        x += 0.01
        w = clip(w - 0.01*y, 0, 0.01)""",
        on_post="""y += 0.0105
        w = clip(w + 0.01*x, 0, 0.01)""",
    )  # fmt: skip
    learns.connect()
    learns.w = "rand() * 0.01"
    return [inputs, cell, learns], {"cell": b.SpikeMonitor(cell, record=False)}


def main() -> None:
    job = read_job()
    threads = job["threads"] if job["threads"] > 1 else 0
    folder = tempfile.mkdtemp(prefix="brian2-")
    b.prefs.devices.cpp_standalone.openmp_threads = threads
    if job["float"] == "float32":
        b.prefs.core.default_float_dtype = np.float32
    try:
        with output_to_stderr():
            fields = measure(job, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    flags = " ".join(b.prefs.codegen.cpp.extra_compile_args_gcc)
    answer(
        simulator="Brian2", version=b.__version__, settings=f"cpp_standalone, openmp_threads={threads}, {job['float']}, {flags}", **fields
    )


def measure(job: dict, folder: str) -> dict:
    """The program is compiled once and executed once per measured run; only its main loop is counted."""
    b.set_device("cpp_standalone", directory=folder, build_on_run=False)
    b.defaultclock.dt = 0.1 * b.ms
    parts, monitors = {"cuba": cuba, "coba": coba, "cobahh": cobahh, "brunel": brunel, "song": song}[job["network"]](job)
    network = b.Network(*parts, *monitors.values())
    for monitor in monitors.values():
        monitor.active = False
    network.run(job["warm_ms"] * b.ms)
    for monitor in monitors.values():
        monitor.active = True
    network.run(job["duration_ms"] * b.ms)
    with Clock() as compiling:
        b.device.build(directory=folder, run=False)
    seconds, spikes, whole = [], dict.fromkeys(monitors, 0), []
    for _ in range(job["repeats"]):
        with Clock() as program:
            b.device.run(with_output=False)
        whole.append(program.seconds)
        seconds.append(b.device._last_run_time)  # of the last `run` alone; Brian2 has no public name for it
        for name, monitor in monitors.items():
            spikes[name] += int(monitor.num_spikes)
    biological = job["repeats"] * job["duration_ms"] / 1e3
    rates = {name: spikes[name] / len(monitor.source) / biological for name, monitor in monitors.items()}
    warm = np.median(seconds) * job["warm_ms"] / job["duration_ms"]
    synapses = sum(len(part) for part in parts if isinstance(part, b.Synapses))
    build_s = max(float(np.median(whole) - np.median(seconds) - warm), 0.0)  # inside the program, before its first step
    return {"seconds": seconds, "rates": rates, "synapses": synapses, "build_s": build_s, "compile_s": compiling.seconds}


if __name__ == "__main__":
    main()
