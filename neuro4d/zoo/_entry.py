"""What the zoo knows about a network besides how to build it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import brainunit as u
import jax

from neuro4d.network import Network
from neuro4d.recorders import AbstractRecorder, Spikes
from neuro4d.results import Run
from neuro4d.simulate import simulate


@dataclasses.dataclass(frozen=True)
class Band:
    """The mean rate of a population, in Hz, that independent simulations found: between `low` and `high`."""

    population: str
    low: float
    high: float

    @property
    def span(self) -> str:
        """`low-high`, or one number."""
        return f"{self.low:.3g}" if self.low == self.high else f"{self.low:.4g}-{self.high:.4g}"


@dataclasses.dataclass(frozen=True)
class Reference:
    """The bands of a network at one scale (`None`: it has one size only)."""

    scale: float | None
    bands: tuple[Band, ...]


@dataclasses.dataclass(frozen=True)
class ZooEntry:
    """A published network: how to make it, how to run it, what to expect.

    **Fields:**

    - `name`: the name for `get` and for the command `neuro4d run`.
    - `make`: a function returning the `Network`.
    - `summary`, `source`: one line each.
    - `dt_ms`, `duration_ms`: recommended time step and duration, in ms (also as quantities: `dt`, `duration`).
    - `neurons`, `synapses`: sizes at scale 1 (synapses: the expected number).
    - `references`: reference rates, for one scale or several: see `rates`.
    - `scale`: what the command uses if no scale is given; `None` if the network has one size only.
    """

    name: str
    make: Callable[..., Network]
    summary: str
    source: str
    dt_ms: float
    duration_ms: float
    neurons: int
    synapses: int
    references: tuple[Reference, ...]
    scale: float | None = 1.0

    @property
    def dt(self) -> u.Quantity:
        """The recommended time step."""
        return self.dt_ms * u.ms

    @property
    def duration(self) -> u.Quantity:
        """The recommended duration."""
        return self.duration_ms * u.ms

    def rates(self, scale: float | None = None) -> tuple[Band, ...]:
        """The reference rates at a scale (default: `self.scale`); empty if there are none for it."""
        factor = self.scale if scale is None else scale
        return next((reference.bands for reference in self.references if reference.scale == factor), ())

    def network(self, scale: float | None = None) -> Network:
        """The network, at `scale` if one is given (default: `self.scale`).

        **Raises:** `ValueError` if the network has one size only, or none at this scale.

        !!! Example

            >>> import neuro4d as n4
            >>> net = n4.zoo.get("coba").network(scale=0.1)
        """
        if scale is not None and self.scale is None:
            raise ValueError(f"'{self.name}' has one size only ({self.neurons} neurons); leave `scale` away.")
        factor = self.scale if scale is None else scale
        return self.make() if factor is None else self.make(scale=factor)

    def run(
        self,
        duration: Any = None,
        start: Any = None,
        record: AbstractRecorder | Sequence[AbstractRecorder] = (Spikes(),),
        *,
        scale: float | None = None,
        dt: Any = None,
        seed: int = 0,
        discard: Any = None,
        progress: bool | None = None,
        chunk: int | None = None,
    ) -> Run:
        """Builds the network and runs it.

        **Arguments:**

        - `duration`, `dt`: by default those recommended. [time]
        - `start`: a random key, by default that of `seed`.
        - `scale`: as for `network`. `seed`: of `build`.
        - the others as in `n4.simulate`.

        **Returns:** a `Run`; the model is `run.model`.

        **Raises:** as `network`, `build` and `n4.simulate`.

        !!! Example

            >>> import brainunit as u, neuro4d as n4
            >>> run = n4.zoo.get("coba").run(10*u.ms, scale=0.1)
            >>> run.model.n_neurons
            400
        """
        model = self.network(scale).build(dt=self.dt if dt is None else dt, seed=seed)
        start = jax.random.key(seed) if start is None else start
        duration = self.duration if duration is None else duration
        return simulate(model, start, duration, record, discard=discard, progress=progress, chunk=chunk)

    def __str__(self) -> str:
        return f"{self.name}: {self.summary} ({self.source})"
