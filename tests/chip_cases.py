"""Random networks and small chips for the tests of partition, place and route."""

import itertools

import brainunit as u
import msgspec
import numpy as np
from hypothesis import strategies as st

from neuro4d.hardware._schema import Chip, ChipTarget, Coefficient, Limits, Packing
from neuro4d.hardware._target import target
from neuro4d.hardware._workload import Workload, layered


def count(value: float) -> Coefficient:
    return Coefficient(value=value, low=value, high=value, flag="vendor", source="made for a test")


def small_chip(
    neurons: int = 16,
    axons_in: int = 64,
    axons_out: int = 128,
    memory: int = 4096,
    mesh: str = "square",
    columns: int = 3,
    rows: int = 2,
    per_tile: int = 2,
) -> ChipTarget:
    """A chip whose limits are within reach of a network of a hundred neurons."""
    base = target("loihi1")
    limits = Limits(neurons=count(neurons), axons_in=count(axons_in), axons_out=count(axons_out), memory=count(memory))
    if mesh == "hexagonal":
        columns = rows = 1
    chip = Chip(
        cores=columns * rows * per_tile,
        columns=columns,
        rows=rows,
        per_tile=per_tile,
        mesh=mesh,
        step="barrier",
        chips=200,
        source="made for a test",
    )
    packing = Packing(rule="list", synapse=24, axon=10, neuron=8, word=64, block=4, flag="vendor", source="made for a test")
    return msgspec.structs.replace(base, name="small", chip=chip, limits=limits, packing=packing)


def random_network(seed: int, sizes: tuple[int, ...], synapses: int) -> Workload:
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    pre, post = rng.integers(0, n, (2, synapses))
    return layered([f"part{i}" for i in range(len(sizes))], sizes, pre, post, rng.random(n), dt=1 * u.ms, steps=100)


networks = st.builds(
    random_network, st.integers(0, 2**16), st.lists(st.integers(1, 60), min_size=1, max_size=4).map(tuple), st.integers(0, 600)
)
"""Up to 240 neurons in up to four parts, with up to 600 synapses, some of them double."""

chips = st.builds(
    small_chip, neurons=st.integers(1, 20), axons_in=st.integers(40, 80), memory=st.integers(4096, 8192), axons_out=st.integers(60, 200),
    mesh=st.sampled_from(["square", "hexagonal"]), columns=st.integers(1, 4), rows=st.integers(1, 3), per_tile=st.integers(1, 3),
)  # fmt: skip
"""Chips on which a neuron of `networks` fits alone."""


def torus(side: int, reach: int, seed: int) -> Workload:
    """Neurons on a square grid that closes in both directions, numbered at random; each reaches the square around it."""
    rng = np.random.default_rng(seed)
    number = rng.permutation(side * side).reshape(side, side)
    steps = list(itertools.product(range(-reach, reach + 1), repeat=2))
    post = np.stack([np.roll(number, step, (0, 1)).ravel() for step in steps], axis=1)
    pre = np.repeat(number.ravel(), len(steps))
    return layered(["grid"], [side * side], pre, post.ravel(), np.full(side * side, 0.01), dt=1 * u.ms, steps=100)
