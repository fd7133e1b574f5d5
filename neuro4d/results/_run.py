"""What a run leaves behind: the final state, the records, and short ways to the numbers and pictures people ask for first."""

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any

import brainunit as u
import numpy as np
from jaxtyping import Int

from neuro4d import analysis
from neuro4d._base import UnknownNameError, attach, card, did_you_mean, lookup, mini_raster, per_second
from neuro4d.recorders import AbstractSpikeSource, CountRecord, EventRecord, SpikeRecord, SpikeTable, TraceRecord, WindowRecord, stamps
from neuro4d.results._pictures import Pictures
from neuro4d.results._summary import PopulationSummary, Summary
from neuro4d.results._values import BinValues, TraceValues


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Run:
    """The result of `simulate`.

    **Arguments:**

    - `model`, `state`: the model that ran and its state after the last step.
    - `dt_ms`: the time step in ms; `run.dt` is the quantity.
    - `start_step`, `n_steps`: the steps that were done are `start_step` to `start_step + n_steps - 1`.
    - `records`: what the recorders kept, by name.
    - `compile_s`: seconds spent compiling; `wall_s`: seconds spent simulating, without compilation.
    - `completed`: `False` if the run was interrupted; everything up to then is here.

    `rate`, `cv`, `spikes`, `trace`, `events` and `summary` give numbers, `neuro4d.analysis` more of them from `run.spikes("cells")`;
    `run.plot.raster()` and its siblings draw (they need `pip install "neuro4d[plot]"`).
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
            if type(record) is SpikeRecord and record.n_steps not in (self.n_steps, None):
                raise ValueError(f"record '{name}' has {record.n_steps} rows for a run of {self.n_steps} steps.")

    @property
    def dt(self) -> Any:
        """The time step, a quantity in ms; `dt_ms` is the bare number."""
        return self.dt_ms * u.ms

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

        Taken from a `Spikes` recorder; without one, read from where `SpikesToDisk` has put them, or from a `Window`, whose table covers the last steps only and says so.

        **Raises:** `KeyError` for an unknown population, `ValueError` if no spikes were recorded.
        """
        span = self._span(pop)
        if pop not in self._tables:
            record = self._kept(SpikeRecord, pop)
            elsewhere = next((each for each in self.records.values() if isinstance(each, AbstractSpikeSource) and pop in each.populations), None)
            if record is None and elsewhere is not None:
                self._tables[pop] = elsewhere.spikes(pop)
                return self._tables[pop]
            record = record or self._kept(WindowRecord, pop)
            if record is None:
                raise ValueError(self._missing("spikes", pop, f'n4.Spikes("{pop}")' if self._has_events() else "n4.Spikes()"))
            words = record.packed[span.group]
            first = self.start_step + self.n_steps - len(words)
            self._tables[pop] = SpikeTable.from_words(
                words, start=span.start, n=span.size, population=pop, dt_ms=self.dt_ms, start_step=first
            )
        return self._tables[pop]

    def counts(self, pop: str) -> Int[np.ndarray, " n"]:
        """Spikes of each neuron of a population, shape `(n,)`: from a `Spikes` or a `Counts` recorder, or else of the `Window`."""
        return self._counted(pop)[0]

    def counts_over_time(self, pop: str) -> BinValues:
        """Spikes of each neuron in bins, from `n4.Counts(every=...)`: `times` `(bins,)` in ms, the ends of the bins, and `values`
        `(bins, n)`.

        **Raises:** `KeyError` for an unknown population, `ValueError` if no bins were recorded.
        """
        self._span(pop)
        for record in self.records.values():
            if isinstance(record, CountRecord) and record.every is not None and pop in record.counts:
                return BinValues(stamps(record.steps, self.dt_ms) * u.ms, record.counts[pop])
        raise ValueError(self._missing("binned counts", pop, "n4.Counts(every=10*u.ms)"))

    def events(self, projection: str | None = None) -> Any:
        """Synaptic events from an `Events` recorder: `times` `(bins,)` in ms, the ends of the bins, and `values` `(bins,)`, whole
        numbers; a dictionary over all recorded projections if none is named.

        **Raises:** `KeyError` for a projection that was not recorded, `ValueError` if no events were.
        """
        record = self._first(EventRecord)
        if record is None:
            raise ValueError(f"synaptic events were not recorded. {self._recorded('n4.Events(every=10*u.ms)')}")
        times = stamps(record.steps, self.dt_ms) * u.ms
        if projection is None:
            return {name: BinValues(times, each) for name, each in record.events.items()}
        return BinValues(times, lookup(record.events, projection, "recorded projection"))

    def rates(self, pop: str, between: tuple[Any, Any] | None = None) -> Any:
        """Mean rate of each neuron in Hz, shape `(n,)`; `between` as in `rate`."""
        if between is not None:
            return analysis.rates(self._within(pop, between))
        counts, steps = self._counted(pop)
        return per_second(counts, steps * self.dt_ms) * u.Hz

    def rate(self, pop: str | None = None, between: tuple[Any, Any] | None = None) -> Any:
        """Mean firing rate: a quantity in Hz, or a dictionary over all populations if none is named.

        Needs a `Spikes` or a `Counts` recorder, or a `Window`, whose rate is that of the last steps.

        **Arguments:**

        - `pop`: a population.
        - `between`: two times of the model's clock, `(200*u.ms, 1*u.second)`, between which to count; `None` for one of them is the begin
          or the end of what was recorded. Needs spikes. [time]

        **Raises:** `KeyError` for an unknown population, `ValueError` if nothing that counts spikes was recorded, or for a window outside
        of what was.
        """
        if pop is None:
            return {name: self.rate(name, between) for name in self.populations}
        if between is not None:
            return analysis.rate(self._within(pop, between))
        counts, steps = self._counted(pop)
        return np.float64(per_second(counts.sum(), len(counts) * steps * self.dt_ms)) * u.Hz

    def cv(self, pop: str | None = None, min_isi: int = 5, between: tuple[Any, Any] | None = None) -> Any:
        """Mean CV of the inter-spike intervals over neurons with at least `min_isi` of them, or a dictionary over all populations.

        0 for clocks, 1 for Poisson processes, `nan` where no neuron fired often enough. `between` as in `rate`.

        **Raises:** `KeyError` for an unknown population, `ValueError` if no spikes were recorded.
        """
        if pop is None:
            return {name: self.cv(name, min_isi, between) for name in self.populations}
        return analysis.cv(self._within(pop, between), min_isi)

    def synchrony(self, pop: str | None = None, bin: Any = 3 * u.ms) -> Any:
        """Variance / mean of the binned population count, or a dictionary over all populations: 1 for independent Poisson neurons."""
        if pop is None:
            return {name: self.synchrony(name, bin) for name in self.populations}
        return analysis.synchrony(self.spikes(pop), bin)

    def trace(self, name: str, variable: str | None = None) -> TraceValues:
        """A recorded variable: `times` (t,) in ms, `values` (t, n) with their unit, and `ids` (n,).

        `run.trace("v")` takes the record's name, `run.trace("cells", "v")` the population and the variable.

        **Raises:** `KeyError` if there is no such trace; the message lists those there are.
        """
        record = self.trace_record(name, variable)
        return TraceValues(stamps(record.steps, self.dt_ms) * u.ms, attach(record.values, record.unit), record.ids)

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

    @property
    def plot(self) -> Pictures:
        """Pictures: `run.plot.raster()`, `run.plot.rates()`, `run.plot.traces()`, `run.plot.layered()`, `run.plot.view4d()`."""
        return Pictures(self)

    def raster(self, *pops: str, ax: Any = None) -> Any:
        """The old name of `run.plot.raster`; deprecated."""
        return self._moved("raster", "plot.raster").raster(*pops, ax=ax)

    def layered(self, layers: Mapping[str, tuple[str, ...]] | None = None) -> Any:
        """The old name of `run.plot.layered`; deprecated."""
        return self._moved("layered", "plot.layered").layered(layers)

    def plot_rates(self, *pops: str, bin: Any = None) -> Any:
        """The old name of `run.plot.rates`; deprecated."""
        return self._moved("plot_rates", "plot.rates").rates(*pops, bin=bin)

    def plot_traces(self, *names: str) -> Any:
        """The old name of `run.plot.traces`; deprecated."""
        return self._moved("plot_traces", "plot.traces").traces(*names)

    def view4d(self, *pops: str, values: Any = None, label: str | None = None, grid: bool = False) -> Any:
        """The old name of `run.plot.view4d`; deprecated."""
        return self._moved("view4d", "plot.view4d").view4d(*pops, values=values, label=label, grid=grid)

    def _moved(self, old: str, new: str) -> Pictures:
        warnings.warn(f"`run.{old}(...)` is now `run.{new}(...)`.", DeprecationWarning, stacklevel=3)
        return self.plot

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
        kept = [self.spikes(pop) for pop in self.populations if self._has_events(pop)]
        raster = [mini_raster(kept)] if kept else []
        return card(repr(self), *raster, summary.html())

    def _first(self, kind: type) -> Any:
        return next((record for record in self.records.values() if type(record) is kind), None)

    def _kept(self, kind: type[SpikeRecord], pop: str) -> Any:
        """The first record of packed spikes that holds a population."""
        found = (record for record in self.records.values() if isinstance(record, kind) and type(record) is kind)
        return next((record for record in found if pop in record.populations), None)

    def _has_events(self, pop: str | None = None) -> bool:
        names = self.populations if pop is None else (pop,)
        elsewhere = [each.populations for each in self.records.values() if isinstance(each, AbstractSpikeSource)]
        kept = any(self._kept(kind, name) is not None for kind in (SpikeRecord, WindowRecord) for name in names)
        return kept or any(name in populations for populations in elsewhere for name in names)

    def _counted(self, pop: str) -> tuple[Int[np.ndarray, " n"], int]:
        """Spikes of each neuron, and the steps they were counted over: those of the run, of whole bins, or of the window where only a
        window was kept."""
        self._span(pop)
        if self._kept(SpikeRecord, pop) is None:
            for record in self.records.values():
                if isinstance(record, CountRecord) and pop in record.counts:
                    return record.totals(pop), record.n_steps
        table = self.spikes(pop)
        return table.counts(), table.n_steps

    def _within(self, pop: str, between: tuple[Any, Any] | None) -> SpikeTable:
        """The spikes between two times."""
        if between is None:
            return self.spikes(pop)
        if not (isinstance(between, tuple | list) and len(between) == 2):
            raise TypeError(f"between is a pair of times, for example `between=(200*u.ms, 1*u.second)`; got {between!r}.")
        return self.spikes(pop).between(*between)

    def _missing(self, what: str, pop: str, recorder: str) -> str:
        known = [name for name in self.populations if self._has_events(name)]
        others = f" Recorded populations: {', '.join(known)}." if known and pop not in known else ""
        return f"the {what} of '{pop}' were not recorded.{others} {self._recorded(recorder)}"

    def _span(self, pop: Any) -> Any:
        if not isinstance(pop, str):
            raise TypeError(f"expected the name of a population, for example `run.rate({self.populations[0]!r})`; got {pop!r}.")
        return lookup(self.model.populations, pop, "population")

    def _recorded(self, recorder: str) -> str:
        kept = "; ".join(f"'{name}': {record!r}" for name, record in self.records.items()) or "nothing"
        return f"Recorded: {kept}. Ask for them before the run: `n4.simulate(model, start, duration, record=({recorder},))`."

    def _row(self, name: str, min_isi: int) -> PopulationSummary:
        span, nan = self.model.populations[name], float("nan")
        counted = any(isinstance(record, CountRecord) and name in record.counts for record in self.records.values())
        hz = float(self.rate(name).to_decimal(u.Hz)) if counted or self._has_events(name) else nan
        if not self._has_events(name):
            return PopulationSummary(name, int(span.size), hz, nan, 0, nan)
        table = self.spikes(name)
        cvs = analysis.irregularity(table, min_isi).cv
        known = cvs[~np.isnan(cvs)]
        mean = float(known.mean()) if known.size else nan
        return PopulationSummary(name, int(span.size), hz, mean, known.size, analysis.synchrony(table, self._synchrony_bin()))

    def _synchrony_bin(self) -> Any:
        """3 ms, or the nearest whole number of steps where `dt` does not divide it."""
        return max(1, round(3 / self.dt_ms)) * self.dt_ms * u.ms
