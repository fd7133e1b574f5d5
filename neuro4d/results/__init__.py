"""L6: what comes out of a run: numbers, tables, pictures on demand."""

from neuro4d.results._pictures import Pictures as Pictures
from neuro4d.results._run import Run as Run
from neuro4d.results._summary import PopulationSummary as PopulationSummary
from neuro4d.results._summary import Summary as Summary
from neuro4d.results._values import BinValues as BinValues
from neuro4d.results._values import TraceValues as TraceValues
