"""L8: records of what was run, in one SQLite file."""

from neuro4d.runs._compare import Comparison as Comparison
from neuro4d.runs._db import RunDB as RunDB
from neuro4d.runs._row import FileSum as FileSum
from neuro4d.runs._row import RunRow as RunRow
from neuro4d.runs._row import SpikeSum as SpikeSum
