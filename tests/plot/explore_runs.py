"""Runs on a lattice, made of known spikes, for the page of `explore4d`."""

import dataclasses
from types import SimpleNamespace

import numpy as np
from synthetic_run import SmallModel, bernoulli, run_of, spans

from neuro4d.recorders import SampleRecord


@dataclasses.dataclass(frozen=True)
class PlacedModel(SmallModel):
    """A small model whose lattice has names of axes."""

    axes: tuple = ("x", "y", "z", "w")

    @property
    def layout(self):
        return SimpleNamespace(axes=self.axes)


def placed_run(sizes, shape, hz, *, steps=200, dt_ms=1.0, start_step=0, axes=("x", "y", "z", "w"), seed=0):
    """Populations at random sites that fire at random; rates by population."""
    rng = np.random.default_rng(seed)
    places = {name: np.stack([rng.integers(0, extent, n) for extent in shape], axis=1).astype(np.int32) for name, n in sizes.items()}
    model = PlacedModel(spans(sizes), dt_ms, lattice_shape=shape, places=places, axes=axes[: len(shape)])
    dense = {name: bernoulli(rng, steps, n, rate, dt_ms) for (name, n), rate in zip(sizes.items(), hz, strict=True)}
    return run_of(dense, dt_ms=dt_ms, start_step=start_step, model=model)


def alive_run(start=500):
    """`e` lives as random booleans say, every 20 steps; `i` for ever."""
    run = placed_run({"e": 30, "i": 8}, (6, 5, 4, 3), (20, 40), start_step=start)
    rows = np.random.default_rng(3).random((10, 30)) < 0.5
    return dataclasses.replace(run, records={**run.records, "alive": SampleRecord("alive", start + np.arange(10) * 20 + 19, {"e": rows})}), rows
