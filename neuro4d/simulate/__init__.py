"""L7: running a model: a pure scan, chunks with records, batches and sweeps."""

from neuro4d.simulate._batch import batch as batch
from neuro4d.simulate._batch import sweep as sweep
from neuro4d.simulate._check import check_state as check_state
from neuro4d.simulate._fault_error import SimulationError as SimulationError
from neuro4d.simulate._keeper import AbstractKeeper as AbstractKeeper
from neuro4d.simulate._keeper import Beginning as Beginning
from neuro4d.simulate._keeper import Moment as Moment
from neuro4d.simulate._keeper import RunPlan as RunPlan
from neuro4d.simulate._look_back import marked as marked
from neuro4d.simulate._memory import MemoryBudgetError as MemoryBudgetError
from neuro4d.simulate._memory import run_memory as run_memory
from neuro4d.simulate._run import simulate as simulate
from neuro4d.simulate._scan import scan as scan
