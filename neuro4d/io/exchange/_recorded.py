"""What a run has recorded."""

from neuro4d.recorders import SpikeTable, TraceRecord
from neuro4d.results import Run


def recorded_spikes(run: Run) -> dict[str, SpikeTable]:
    """Tables of spikes by population, of those that were recorded."""
    found = {}
    for name in run.populations:
        try:
            found[name] = run.spikes(name)
        except ValueError:  # the only thing that it raises for a population that there is: nothing was recorded
            continue
    return found


def recorded_traces(run: Run) -> list[TraceRecord]:
    """Traces in the order of their recorders."""
    return [record for record in run.records.values() if isinstance(record, TraceRecord)]
