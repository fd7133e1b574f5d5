"""L6: what comes out of a run: numbers, tables, pictures on demand."""

from neuro4d.results._run import Run as Run
from neuro4d.results._run import Trace as Trace
from neuro4d.results._summary import PopulationSummary as PopulationSummary
from neuro4d.results._summary import Summary as Summary
