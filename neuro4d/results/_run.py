"""What a run leaves behind: the final state, the records, and short ways to the numbers and pictures people ask for first."""

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import brainunit as u
import numpy as np
from jaxtyping import Int

from neuro4d import analysis
from neuro4d._base import UnknownNameError, attach, card, did_you_mean, lookup, mini_raster
from neuro4d.recorders import CountRecord, SpikeRecord, SpikeTable, TraceRecord, WindowRecord, row_count, stamps
from neuro4d.results._summary import PopulationSummary, Summary


class Trace(NamedTuple):
    """`times` (t,) in ms, `values` (t, n) with their unit, `ids` (n,) within the population."""

    times: Any
    values: Any
    ids: Int[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Run:
    """The result of `simulate`.

    **Arguments:**

    - `model`, `state`: the model that ran and its state after the last step.
    - `dt_ms`: the time step in ms.
    - `start_step`, `n_steps`: the steps that were done are `start_step` to `start_step + n_steps - 1`.
    - `records`: what the recorders kept, by name.
    - `compile_s`: seconds spent compiling; `wall_s`: seconds spent simulating, without compilation.
    - `completed`: `False` if the run was interrupted; everything up to then is here.

    `rate`, `cv`, `spikes`, `trace` and `summary` give numbers; `raster`, `plot_rates`, `plot_traces` and `view4d` draw
    (they need `pip install "neuro4d[plot]"`).
    """

    model: Any
    state: Any
    dt_ms: float
    start_step: int
    n_steps: int
    records: Mapping[str, Any]
    compile_s: float = 0.0
    wall_s: float = 0.0
    completed: bool = True
    _tables: dict[str, SpikeTable] = dataclasses.field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name, record in self.records.items():
            if isinstance(record, SpikeRecord) and row_count(record.words) not in (self.n_steps, None):
                raise ValueError(f"record '{name}' has {row_count(record.words)} rows for a run of {self.n_steps} steps.")

    @property
    def duration(self) -> Any:
        """Biological time that was simulated, a quantity in ms."""
        return float(stamps(np.array(self.n_steps - 1), self.dt_ms)) * u.ms

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of the populations, in the order of their definition."""
        return tuple(self.model.populations)

    def spikes(self, pop: str) -> SpikeTable:
        """The spikes of a population as a table of events, with times in ms and neuron ids.

        Taken from a `Spikes` recorder; without one, from a `Window`, whose table covers the last steps only and says so.

        **Raises:** `KeyError` for an unknown population, `ValueError` if no spikes were recorded.
        """
        span = self._span(pop)
        if pop not in self._tables:
            record = self._first(SpikeRecord) or self._first(WindowRecord)
            if record is None:
                raise ValueError(f"the spikes of '{pop}' were not recorded. {self._recorded('n4.Spikes()')}")
            words = self._of_group(record.words, span, "spikes")
            first = self.start_step + self.n_steps - len(words)
            self._tables[pop] = SpikeTable.from_words(
                words, start=span.start, n=span.size, population=pop, dt_ms=self.dt_ms, start_step=first
            )
        return self._tables[pop]

    def counts(self, pop: str) -> Int[np.ndarray, " n"]:
        """Spikes of each neuron of a population, shape `(n,)`: from a `Spikes` or a `Counts` recorder, or else of the `Window`."""
        span = self._span(pop)
        record = self._first(CountRecord)
        if self._first(SpikeRecord) is not None or record is None:
            return self.spikes(pop).counts()
        return self._of_group(record.counts, span, "counts")[span.start : span.start + span.size]

    def rates(self, pop: str) -> Any:
        """Mean rate of each neuron in Hz, shape `(n,)`."""
        return analysis.per_second(self.counts(pop), self._observed_steps() * self.dt_ms) * u.Hz

    def rate(self, pop: str | None = None) -> Any:
        """Mean firing rate: a quantity in Hz, or a dictionary over all populations if none is named.

        Needs a `Spikes` or a `Counts` recorder, or a `Window`, whose rate is that of the last steps.

        **Raises:** `KeyError` for an unknown population, `ValueError` if nothing that counts spikes was recorded.
        """
        if pop is None:
            return {name: self.rate(name) for name in self.populations}
        counts = self.counts(pop)
        return np.float64(analysis.per_second(counts.sum(), len(counts) * self._observed_steps() * self.dt_ms)) * u.Hz

    def cv(self, pop: str | None = None, min_isi: int = 5) -> Any:
        """Mean CV of the inter-spike intervals over neurons with at least `min_isi` of them, or a dictionary over all populations.

        0 for clocks, 1 for Poisson processes, `nan` where no neuron fired often enough.

        **Raises:** `KeyError` for an unknown population, `ValueError` if no spikes were recorded.
        """
        if pop is None:
            return {name: self.cv(name, min_isi) for name in self.populations}
        return analysis.cv(self.spikes(pop), min_isi)

    def synchrony(self, pop: str | None = None, bin: Any = 3 * u.ms) -> Any:
        """Variance / mean of the binned population count, or a dictionary over all populations: 1 for independent Poisson neurons."""
        if pop is None:
            return {name: self.synchrony(name, bin) for name in self.populations}
        return analysis.synchrony(self.spikes(pop), bin)

    def trace(self, name: str, variable: str | None = None) -> Trace:
        """A recorded variable: `times` (t,) in ms, `values` (t, n) with their unit, and `ids` (n,).

        `run.trace("v")` takes the record's name, `run.trace("cells", "v")` the population and the variable.

        **Raises:** `KeyError` if there is no such trace; the message lists those there are.
        """
        record = self.trace_record(name, variable)
        return Trace(stamps(record.steps, self.dt_ms) * u.ms, attach(record.values, record.unit), record.ids)

    def trace_record(self, name: str, variable: str | None = None) -> TraceRecord:
        """The record behind `trace`: bare values with their unit beside them."""
        traces = {key: record for key, record in self.records.items() if isinstance(record, TraceRecord)}
        if not traces:
            example = f'n4.Trace("{name}", "{variable}")' if variable else f'n4.Trace("{self.populations[0]}", "v")'
            raise UnknownNameError(f"no trace named {name!r}. {self._recorded(example)}")
        if variable is None:
            return lookup(traces, name, "trace")
        for record in traces.values():
            if (record.population, record.variable) == (name, variable):
                return record
        known = [f"{record.population}, {record.variable}" for record in traces.values()]
        raise UnknownNameError(f"no trace of '{variable}' in '{name}'.{did_you_mean(f'{name}, {variable}', known)}")

    def summary(self, min_isi: int = 5) -> Summary:
        """Size, rate, CV and synchrony of every population, the wall time and the real-time factor. Prints as a table."""
        rows = tuple(self._row(name, min_isi) for name in self.populations)
        return Summary(
            populations=rows,
            neurons=int(self.model.n_neurons),
            synapses=int(self.model.n_synapses),
            dt_ms=self.dt_ms,
            duration_ms=float(self.duration.to_decimal(u.ms)),
            compile_s=self.compile_s,
            wall_s=self.wall_s,
            completed=self.completed,
        )

    def raster(self, *pops: str, ax: Any = None) -> Any:
        """Draw the spikes, the first population at the bottom, with the population rates below. Returns the raster's axes."""
        return _plot().raster(self, *pops, ax=ax)

    def layered(self, layers: Mapping[str, tuple[str, ...]] | None = None) -> Any:
        """Draw a cortical column: layers from top to bottom, excitatory and inhibitory apart, with their rates. Returns the axes."""
        return _plot().layered(self, layers)

    def plot_rates(self, *pops: str, bin: Any = None) -> Any:
        """Draw each population's rate over time and the distribution of its neurons' rates. Returns the axes."""
        return _plot().rates(self, *pops, bin=bin)

    def plot_traces(self, *names: str) -> Any:
        """Draw recorded traces by name, all of them if none is named. Returns the axes."""
        return _plot().traces(self, *names)

    def view4d(self, *pops: str, values: Any = None, label: str | None = None, grid: bool = False) -> Any:
        """Draw activity on the lattice: x-y maps side by side over w, averaged over z or (`grid`) with z as rows. Returns the axes."""
        return _plot().view4d(self, *pops, values=values, label=label, grid=grid)

    def trace_names(self) -> tuple[str, ...]:
        """Names of the recorded traces."""
        return tuple(name for name, record in self.records.items() if isinstance(record, TraceRecord))

    def __repr__(self) -> str:
        kept = ", ".join(self.records) or "nothing"
        state = "completed" if self.completed else "interrupted"
        return (
            f"Run({self.n_steps * self.dt_ms:g} ms in {self.n_steps} steps of {self.dt_ms:g} ms, "
            f"{self.model.n_neurons} neurons, {state}, recorded: {kept})"
        )

    def _repr_html_(self) -> str:
        summary = self.summary()
        raster = [mini_raster([self.spikes(pop) for pop in self.populations])] if self._has_events() else []
        return card(repr(self), *raster, summary.html())

    def _first(self, kind: type) -> Any:
        return next((record for record in self.records.values() if isinstance(record, kind)), None)

    def _has_events(self) -> bool:
        return self._first(SpikeRecord) is not None or self._first(WindowRecord) is not None

    def _observed_steps(self) -> int:
        """Steps that `counts` covers: all of them, or those of the window where only a window was kept."""
        if self._first(SpikeRecord) is not None or self._first(CountRecord) is not None:
            return self.n_steps
        return row_count(self._first(WindowRecord).words) or 0

    def _span(self, pop: Any) -> Any:
        if not isinstance(pop, str):
            raise TypeError(f"expected the name of a population, for example `run.rate({self.populations[0]!r})`; got {pop!r}.")
        return lookup(self.model.populations, pop, "population")

    def _of_group(self, by_group: Mapping[Any, np.ndarray], span: Any, what: str) -> np.ndarray:
        if span.group not in by_group:
            known = [name for name, other in self.model.populations.items() if other.group in by_group]
            raise ValueError(f"the {what} of '{span.name}' were not recorded; recorded populations: {', '.join(known) or 'none'}.")
        return by_group[span.group]

    def _recorded(self, recorder: str) -> str:
        kept = "; ".join(f"'{name}': {record!r}" for name, record in self.records.items()) or "nothing"
        return f"Recorded: {kept}. Ask for them before the run: `n4.simulate(model, state, duration, record=({recorder},))`."

    def _row(self, name: str, min_isi: int) -> PopulationSummary:
        span, nan = self.model.populations[name], float("nan")
        hz = float(self.rate(name).to_decimal(u.Hz)) if self._first(CountRecord) is not None or self._has_events() else nan
        if not self._has_events():
            return PopulationSummary(name, int(span.size), hz, nan, 0, nan)
        table = self.spikes(name)
        cvs = analysis.irregularity(table, min_isi).cv
        known = cvs[~np.isnan(cvs)]
        mean = float(known.mean()) if known.size else nan
        return PopulationSummary(name, int(span.size), hz, mean, known.size, analysis.synchrony(table, self._synchrony_bin()))

    def _synchrony_bin(self) -> Any:
        """3 ms, or the nearest whole number of steps where `dt` does not divide it."""
        return max(1, round(3 / self.dt_ms)) * self.dt_ms * u.ms


def _plot() -> Any:
    # The one place where a lower layer reaches up: opened when a picture is asked for, so that importing
    # neuro4d never imports a plotting library.
    return importlib.import_module("neuro4d.plot")
