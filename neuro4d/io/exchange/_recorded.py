"""What a run has recorded."""

from neuro4d.recorders import AbstractSpikeSource, SpikeRecord, SpikeTable, TraceRecord
from neuro4d.results import Run


def recorded_spikes(run: Run) -> dict[str, SpikeTable]:
    """Tables of spikes by population, of those that were recorded.

    **Raises:** as `Run.spikes`, for spikes on disk that are damaged or do not fit into memory.
    """
    kept = {name for record in run.records.values() if isinstance(record, SpikeRecord | AbstractSpikeSource) for name in record.populations}
    return {name: run.spikes(name) for name in run.populations if name in kept}


def recorded_traces(run: Run) -> list[TraceRecord]:
    """Traces in the order of their recorders."""
    return [record for record in run.records.values() if isinstance(record, TraceRecord)]
