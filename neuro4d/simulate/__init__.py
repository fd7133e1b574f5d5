"""L5: running, recording, results."""

from neuro4d.simulate._batch import batch as batch
from neuro4d.simulate._batch import sweep as sweep
from neuro4d.simulate._events import SpikeTable as SpikeTable
from neuro4d.simulate._memory import MemoryBudgetError as MemoryBudgetError
from neuro4d.simulate._result import Run as Run
from neuro4d.simulate._run import SimulationError as SimulationError
from neuro4d.simulate._run import simulate as simulate
from neuro4d.simulate._scan import scan as scan
