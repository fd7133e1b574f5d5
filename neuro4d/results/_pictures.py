"""Pictures of a run, behind one attribute: `run.plot`."""

import importlib
from collections.abc import Mapping
from typing import Any


class Pictures:
    """What can be drawn of a run. Each method returns matplotlib axes and needs `pip install "neuro4d[plot]"`; `explore4d` needs a browser.

    `neuro4d.plot` says what each draws and raises.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 2, lif)
        >>> model = n4.Network(cells, n4.Clamp("drive", cells, 150*u.pA)).build(dt=0.1*u.ms, seed=0)
        >>> n4.simulate(model, jr.key(0), 10*u.ms).plot
        Pictures of a run: raster, rates, traces, layered, view4d, explore4d
    """

    __slots__ = ("_run",)

    def __init__(self, run: Any) -> None:
        self._run = run

    def raster(self, *pops: str, ax: Any = None) -> Any:
        """The spikes, the first population at the bottom, with the population rates below. Returns the raster's axes."""
        return _plot().raster(self._run, *pops, ax=ax)

    def rates(self, *pops: str, bin: Any = None) -> Any:
        """Each population's rate over time and the distribution of its neurons' rates. Returns the axes, `(populations, 2)`."""
        return _plot().rates(self._run, *pops, bin=bin)

    def traces(self, *names: str) -> Any:
        """Recorded traces by name, all of them if none is named. Returns the axes, `(traces,)`."""
        return _plot().traces(self._run, *names)

    def layered(self, layers: Mapping[str, tuple[str, ...]] | None = None) -> Any:
        """A cortical column: layers from top to bottom, excitatory and inhibitory apart, with their rates. Returns the raster's axes."""
        return _plot().layered(self._run, layers)

    def view4d(self, *pops: str, values: Any = None, label: str | None = None, grid: bool = False) -> Any:
        """Activity on the lattice: x-y maps side by side over w, averaged over z or (`grid`) with z as rows. Returns the axes."""
        return _plot().view4d(self._run, *pops, values=values, label=label, grid=grid)

    def explore4d(
        self, *pops: str, path: Any = None, between: Any = None, title: str | None = None, alive: str | None = None, most_mb: float = 20
    ) -> Any:
        """Activity on the lattice as a page for a browser: played over time, sliced, turned, asked. A notebook shows it; `path` is a file for it."""
        return _plot().explore4d(self._run, *pops, path=path, between=between, title=title, alive=alive, most_mb=most_mb)

    def __repr__(self) -> str:
        return "Pictures of a run: raster, rates, traces, layered, view4d, explore4d"


def _plot() -> Any:
    # The one place where a lower layer reaches up: opened when a picture is asked for, so that importing
    # neuro4d never imports a plotting library.
    return importlib.import_module("neuro4d.plot")
