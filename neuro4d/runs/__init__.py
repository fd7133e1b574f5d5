"""L8: records of what was run, in one SQLite file."""

from neuro4d.runs._again import NotReplayableError as NotReplayableError
from neuro4d.runs._again import Replay as Replay
from neuro4d.runs._compare import Comparison as Comparison
from neuro4d.runs._db import RunDB as RunDB
from neuro4d.runs._knowledge import Entry as Entry
from neuro4d.runs._knowledge import Examples as Examples
from neuro4d.runs._knowledge import KnowledgeBase as KnowledgeBase
from neuro4d.runs._row import FileSum as FileSum
from neuro4d.runs._row import RunRow as RunRow
from neuro4d.runs._row import SpikeSum as SpikeSum
from neuro4d.runs._watch import how_it_failed as how_it_failed
