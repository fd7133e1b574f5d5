"""Fifty million steps with spikes on the disk and checkpoints: memory stays where it is, nothing compiles twice, and the clock passes 2^31.

    pytest -m full tests/checkpoint/test_soak.py
"""

import threading
import time

import brainunit as u
import jax.random as jr
import numpy as np
import psutil
import pytest
from core.networks import lif

import neuro4d as n4
from neuro4d.simulate._scan import run_chunk

STEPS, CHUNK = 50_000_000, 50_000
START = 2**31 - STEPS // 2


def network():
    cells = n4.Population("cells", 20, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    loop = n4.Projection("loop", cells, cells, "exc", n4.FixedInDegree(4), weight=20 * u.pA, delay=n4.Uniform(1 * u.ms, 3 * u.ms))
    return n4.Network(cells, loop, n4.Poisson("noise", cells, "exc", rate=500 * u.Hz, weight=60 * u.pA), n4.Clamp("drive", cells, 300 * u.pA))


def run(model, folder, steps):
    """So many steps, with a checkpoint for every tenth of them."""
    keeper = n4.io.Checkpoints(folder / "run", every=max(steps // 10, CHUNK) * 0.1 * u.ms)
    start = model.init(jr.key(0), start=START)
    return n4.simulate(model, start, steps * 0.1 * u.ms, n4.io.SpikesToDisk(folder / "spikes.zarr"), chunk=CHUNK, checkpoint=keeper, progress=False)


class Watch(threading.Thread):
    """What the process holds, five times a second."""

    def __init__(self):
        super().__init__(daemon=True)
        self.held, self.over = [], threading.Event()

    def run(self):
        while not self.over.wait(0.2):
            self.held.append(psutil.Process().memory_info().rss)


@pytest.mark.full
def test_fifty_million_steps(tmp_path):
    model = network().build(dt=0.1 * u.ms, seed=0)
    run(model, tmp_path / "short", STEPS // 20)  # compiles, and what is taken from the system is found
    compiled, watch, began = run_chunk._cache_size(), Watch(), time.perf_counter()
    watch.start()
    done = run(model, tmp_path / "long", STEPS)
    watch.over.set()
    watch.join()
    early, late = (max(watch.held[int(a * len(watch.held)) : int(b * len(watch.held))]) for a, b in ((0.05, 0.25), (0.75, 1)))
    print(f"{STEPS:,} steps in {time.perf_counter() - began:.0f} s; the process held {early / 2**20:.0f} MiB early and {late / 2**20:.0f} late")
    assert run_chunk._cache_size() == compiled and late - early < 12 << 20
    assert done.completed and int(done.state.step) == START + STEPS > 2**31
    spikes = n4.io.open_spikes(tmp_path / "long" / "spikes.zarr")
    steps = np.asarray(spikes.spikes("cells").step)
    assert len(steps) > 10**5 and np.all(np.diff(steps) >= 0) and START <= steps[0] < 2**31 < steps[-1] < START + STEPS
    halves = np.histogram(steps, 10)[0]
    assert halves.max() < 1.05 * halves.min()  # nothing drifts, and nothing happens at 2^31
    assert n4.io.resume(tmp_path / "long" / "run", record=[n4.io.SpikesToDisk(tmp_path / "long" / "spikes.zarr")], progress=False).completed
