"""What an estimate says: energy, latency, cores and bottleneck, as intervals, with the share of each term."""

import dataclasses
import importlib
from typing import Any, NamedTuple

import numpy as np

from neuro4d._base import card, html_table, table
from neuro4d.hardware._interval import Interval, total
from neuro4d.hardware._schema import Target

PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"))


class Resource(NamedTuple):
    """The fullest core: what it uses of a resource, and the limit."""

    used: int
    limit: int


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Cost:
    """What a network costs on a target. Each energy, time and power is an `Interval` of bare numbers in J, s and W.

    **Arguments:**

    - `target`: the chip or processor.
    - `terms`: energy of a step by term, whose sum is `energy_per_step`.
    - `times`: what the step time is made of, whose sum is `step_time`.
    - `window_times`: step time in each window of the run, `(windows,)`: bursts decide latency, and means do not see them.
    - `events`: synaptic events per step; `dt`: biological time of a step in s; `steps`: of the run, or of an inference.
    - `cores`, `chips`: in use; `usage`: of the fullest core, by resource.
    - `bottleneck`: what the busiest core spends most of its time on, or what a processor waits for.
    - `notes`: what was assumed.
    """

    target: Target
    terms: dict[str, Interval]
    times: dict[str, Interval]
    window_times: Interval
    events: float
    dt: float
    steps: int
    cores: int
    chips: int
    usage: dict[str, Resource]
    bottleneck: str
    notes: tuple[str, ...] = ()

    @property
    def energy_per_step(self) -> Interval:
        """J."""
        return total(self.terms.values())

    @property
    def step_time(self) -> Interval:
        """s, mean over the run."""
        return total(self.times.values())

    @property
    def energy_per_second(self) -> Interval:
        """J per second of biological time."""
        return self.energy_per_step / self.dt

    @property
    def energy_per_inference(self) -> Interval:
        """J for all `steps`."""
        return self.energy_per_step * self.steps

    @property
    def energy_per_event(self) -> Interval:
        """J per synaptic event, everything included; not finite without events."""
        return self.energy_per_step / self.events if self.events else Interval(np.inf)

    @property
    def latency(self) -> Interval:
        """s for all `steps`."""
        return self.step_time * self.steps

    @property
    def power(self) -> Interval:
        """W, mean while it runs. The band is that of energies and times apart, so it is wider than either."""
        return self.energy_per_step / self.step_time

    @property
    def real_time_factor(self) -> Interval:
        """Seconds on the target per second of biological time."""
        return self.step_time / self.dt

    def shares(self) -> dict[str, float]:
        """The share of each term in the energy of a step, from the values."""
        whole = float(self.energy_per_step.value)
        return {name: float(term.value) / whole for name, term in self.terms.items() if float(term.high) > 0}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers: value, low and high of each interval, in SI units."""
        return {
            "target": self.target.name,
            **{name: _plain(getattr(self, name)) for name, _, _ in NUMBERS},
            "terms": {name: _plain(x) for name, x in self.terms.items()},
            "times": {name: _plain(x) for name, x in self.times.items()},
            "shares": self.shares(),
            "events_per_step": self.events,
            "dt": self.dt,
            "steps": self.steps,
            "cores": self.cores,
            "chips": self.chips,
            "usage": {name: x._asdict() for name, x in self.usage.items()},
            "bottleneck": self.bottleneck,
            "notes": list(self.notes),
        }

    def rows(self) -> list[tuple[str, str, str]]:
        """What is printed: a name, a value, its band."""
        lines = [(title, *texts(getattr(self, name), unit)) for name, title, unit in NUMBERS]
        shares = sorted(self.shares().items(), key=lambda item: -item[1])
        lines += [(f"  {name}", f"{share:.1%}", "") for name, share in shares]
        if self.cores:
            lines.append(("cores", f"{self.cores:,} on {self.chips:,} chip{'s' if self.chips > 1 else ''}", ""))
        lines += [(f"  {name} of the fullest", f"{x.used:,} of {x.limit:,}", f"{x.used / x.limit:.0%}") for name, x in self.usage.items()]
        return [*lines, ("bottleneck", self.bottleneck, "")]

    def __repr__(self) -> str:
        notes = "".join(f"\n{note}" for note in self.notes)
        return f"Cost on {self.target.title}\n{table(HEAD, self.rows())}{notes}"

    def _repr_html_(self) -> str:
        return card(f"Cost on {self.target.title}", html_table(HEAD, self.rows()))

    def plot(self, ax: Any = None) -> Any:
        """Bars of the terms of the energy with their bands, on a logarithmic axis; needs `pip install "neuro4d[plot]"`.

        **Returns:** matplotlib axes: `ax`, or new ones.
        """
        return importlib.import_module("neuro4d.plot").cost_bars(self, ax)


HEAD = ("", "value", "between")
NUMBERS = (
    ("energy_per_step", "energy per step", "J"),
    ("energy_per_second", "per biological second", "J"),
    ("energy_per_inference", "of all steps", "J"),
    ("energy_per_event", "per synaptic event", "J"),
    ("power", "power", "W"),
    ("step_time", "time of a step", "s"),
    ("latency", "of all steps", "s"),
)


def _plain(x: Interval) -> dict[str, float]:
    return {"value": float(x.value), "low": float(x.low), "high": float(x.high)}


def texts(x: Interval, unit: str) -> tuple[str, str]:
    """A number and its band as they are printed."""
    return si(float(x.value), unit), f"{si(float(x.low), unit)} and {si(float(x.high), unit)}"


def si(x: float, unit: str) -> str:
    """A number with a prefix: `2.36e-11, "J"` is `23.6 pJ`."""
    if not np.isfinite(x) or x == 0:
        return f"{x:g} {unit}"
    size, prefix = next(((size, prefix) for size, prefix in PREFIXES if abs(x) >= 0.9995 * size), PREFIXES[-1])
    return f"{x / size:.3g} {prefix}{unit}"
