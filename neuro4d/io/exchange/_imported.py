"""What a reader of another format gives back."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from neuro4d.network import Network
from neuro4d.recorders import SpikeTable, TraceRecord


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Imported:
    """A network from another format, and what has to be known to build and to feed it.

    ```python
    found = n4.io.load_nir("trained.nir", dt=1*u.ms)
    model = found.network.build(dt=found.dt, seed=0)
    ```

    **Fields:**

    - `network`: populations, projections and stimuli.
    - `dt`: the time step for which it was read. [time]
    - `inputs`: names of the populations that are driven from outside, `Relay` neurons with a port `in`.
    - `outputs`: names of the populations that the format calls outputs; empty where it names none.
    - `spikes`, `traces`: recorded spikes by population, and traces by name, where the format holds some.
    """

    network: Network
    dt: Any
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    spikes: Mapping[str, SpikeTable] = dataclasses.field(default_factory=dict)
    traces: Mapping[str, TraceRecord] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        text = f"{len(self.network.populations)} populations, {len(self.network.projections)} projections, dt = {self.dt}"
        named = [f"{what} {', '.join(names)}" for what, names in (("inputs", self.inputs), ("outputs", self.outputs)) if names]
        return f"Imported({'; '.join([text, *named])})"
