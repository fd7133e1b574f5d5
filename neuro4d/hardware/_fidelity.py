"""What a chip's numbers do to spikes: rates, and how far apart spike times are."""

import dataclasses
from typing import Any, NamedTuple

import brainunit as u
import numpy as np
from jaxtyping import Int

from neuro4d._base import card, check_quantity, html_table, per_second, table
from neuro4d.recorders import SpikeTable
from neuro4d.results import Run


class SpikeFidelity(NamedTuple):
    """What became of the spikes of a population.

    **Fields:** `before`, `after`: mean rates in Hz; `spikes`: of both runs together; `within_step`, `within`: shares of them that have a partner of the same neuron in
    the other run within one step, and within the window; `by_chance`: the share that would have one within the window if the two runs knew nothing of each other;
    `shift`: mean time of the nearest partner less that of the spike, in ms, over those within the window, positive where the second run is later; `apart`: mean size of that.
    `correlation`: of the rates of neurons in the two runs. What cannot be computed is not a number.
    """

    population: str
    before: float
    after: float
    spikes: int
    within_step: float
    within: float
    by_chance: float
    shift: float
    apart: float
    correlation: float


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Fidelity:
    """Two runs next to each other, population by population; `window` in ms."""

    populations: dict[str, SpikeFidelity]
    window: float

    def __getitem__(self, population: str) -> SpikeFidelity:
        return self.populations[population]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers."""
        return {"window_ms": self.window, "populations": {name: each._asdict() for name, each in self.populations.items()}}

    def rows(self) -> list[tuple[str, ...]]:
        """What is printed."""
        return [
            (
                name,
                f"{f.before:.3g}",
                f"{f.after:.3g}",
                _percent((f.after - f.before) / f.before if f.before else np.nan, "+"),
                f"{f.spikes:,}",
                _percent(f.within_step),
                _percent(f.within),
                _percent(f.by_chance),
                _plain(f.shift, "+"),
                _plain(f.correlation),
            )
            for name, f in self.populations.items()
        ]

    def _head(self) -> tuple[str, ...]:
        return (
            "population",
            "Hz",
            "then",
            "change",
            "spikes",
            "within a step",
            f"within {self.window:g} ms",
            "by chance",
            "shift (ms)",
            "rates r",
        )

    def __repr__(self) -> str:
        return table(self._head(), self.rows())

    def _repr_html_(self) -> str:
        return card("Spikes before and after", html_table(self._head(), self.rows()))


def fidelity(run: Run, quantized_run: Run, window: Any = 1 * u.ms) -> Fidelity:
    """What changed between two runs of the same neurons: rates, and how many spikes kept their time.

    A spike has a partner if the same neuron fires in the other run within a step, or within the window. Networks with recurrent
    excitation are chaotic: any difference, however small, moves all spikes after some 100 ms, so that shares of partners fall to what chance gives while rates stay. For
    spike times compare neurons with given inputs, or the first moments of a run; for anything else compare rates, also with those of another key.

    **Arguments:**

    - `run`, `quantized_run`: of a model, and of `quantize_for(model, ...).model`, with the same key and duration; both recorded `n4.Spikes()`.
    - `window`: how far apart partners may be, a step or more. [time]

    **Raises:** `TypeError` for anything but runs; `ValueError` where populations, time steps or durations differ, or no spikes were recorded; `UnitError`
    for a window that is no time.

    !!! Example

        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 10, lif, {"exc": n4.ExpCurrent(tau=5*u.ms)})
        >>> noise = n4.Poisson("noise", cells, "exc", rate=2*u.kHz, weight=30*u.pA)
        >>> model = n4.Network(cells, noise).build(dt=0.1*u.ms, seed=0)
        >>> quantized = n4.hardware.quantize_for(model, "loihi2").model
        >>> runs = [n4.simulate(each, jr.key(0), 200*u.ms, n4.Spikes(), progress=False) for each in (model, quantized)]
        >>> found = n4.hardware.fidelity(*runs)["cells"]
        >>> abs(found.after / found.before - 1) < 0.05
        True
    """
    _check(run, quantized_run)
    length = float(check_quantity(window, u.ms, "window", low=0))
    reach = int(np.rint(length / run.dt_ms))
    if reach < 1:
        raise ValueError(f"fidelity: window is at least a step, {run.dt_ms:g} ms; got {length:g} ms. For example `window=1*u.ms`.")
    return Fidelity({name: _compared(run.spikes(name), quantized_run.spikes(name), reach) for name in run.populations}, length)


def _check(run: Any, other: Any) -> None:
    for each in (run, other):
        if not isinstance(each, Run):
            raise TypeError(
                f"fidelity: expected two runs, `n4.simulate(model, key, 1*u.second, n4.Spikes())` of both models; got {type(each).__name__}."
            )
    for what, one, two in (
        ("populations", {n: s.size for n, s in run.model.populations.items()}, {n: s.size for n, s in other.model.populations.items()}),
        ("time steps", run.dt_ms, other.dt_ms),
        ("begins and durations in steps", (run.start_step, run.n_steps), (other.start_step, other.n_steps)),
    ):
        if one != two:
            raise ValueError(f"fidelity: the two runs have other {what}: {one} and {two}.")


def _compared(before: SpikeTable, after: SpikeTable, reach: int) -> SpikeFidelity:
    gaps = [_nearest(before, after, reach), _nearest(after, before, reach)]
    both = np.concatenate([gaps[0], -gaps[1]])
    near = both[np.abs(both) <= reach] * before.dt_ms
    counts = [np.asarray(each.counts(), np.float64) for each in (before, after)]
    varied = all(np.ptp(each) for each in counts)
    likely = [1 - np.exp(-(2 * reach + 1) * each / max(before.n_steps, 1)) for each in counts]
    chance = float(counts[0] @ likely[1] + counts[1] @ likely[0])
    return SpikeFidelity(
        population=before.population,
        before=float(per_second(len(before), before.n * before.n_steps * before.dt_ms)),
        after=float(per_second(len(after), after.n * after.n_steps * after.dt_ms)),
        spikes=len(both),
        within_step=_mean(np.abs(both) <= 1),
        within=_mean(np.abs(both) <= reach),
        by_chance=chance / len(both) if len(both) else np.nan,
        shift=_mean(near),
        apart=_mean(np.abs(near)),
        correlation=float(np.corrcoef(counts[0], counts[1])[0, 1]) if varied else np.nan,
    )


def _nearest(spikes: SpikeTable, others: SpikeTable, reach: int) -> Int[np.ndarray, " spikes"]:
    """Steps from each spike to the nearest one of the same neuron in another table; more than `reach` where there is none near."""
    wide = spikes.n_steps + 2 * reach + 2  # neurons lie so far apart that the nearest one within reach is of the same neuron
    here = np.sort(_line(spikes, wide))
    there = np.sort(_line(others, wide))
    if not len(there):
        return np.full(len(here), reach + 1)
    at = np.searchsorted(there, here)
    left, right = there[np.maximum(at - 1, 0)] - here, there[np.minimum(at, len(there) - 1)] - here
    return np.where(np.abs(right) <= np.abs(left), right, left)


def _line(spikes: SpikeTable, wide: int) -> Int[np.ndarray, " spikes"]:
    """Spikes as points on a line, neuron by neuron."""
    return spikes.id.astype(np.int64) * wide + (spikes.step.astype(np.int64) - spikes.start_step)


def _mean(x: Any) -> float:
    return float(np.mean(x)) if len(x) else np.nan


def _percent(x: float, sign: str = "") -> str:
    return format(x, f"{sign}.1%") if np.isfinite(x) else ""


def _plain(x: float, sign: str = "") -> str:
    return format(x, f"{sign}.3f") if np.isfinite(x) else ""
