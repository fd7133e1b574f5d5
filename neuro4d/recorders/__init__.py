"""L3: recorders."""

from neuro4d.recorders._base import AbstractProbe as AbstractProbe
from neuro4d.recorders._base import AbstractRecorder as AbstractRecorder
from neuro4d.recorders._base import Rows as Rows
from neuro4d.recorders._records import CountRecord as CountRecord
from neuro4d.recorders._records import SpikeRecord as SpikeRecord
from neuro4d.recorders._records import TraceRecord as TraceRecord
from neuro4d.recorders._records import WindowRecord as WindowRecord
from neuro4d.recorders._records import row_count as row_count
from neuro4d.recorders._spikes import CountProbe as CountProbe
from neuro4d.recorders._spikes import Counts as Counts
from neuro4d.recorders._spikes import SpikeProbe as SpikeProbe
from neuro4d.recorders._spikes import Spikes as Spikes
from neuro4d.recorders._spikes import Window as Window
from neuro4d.recorders._spikes import WindowProbe as WindowProbe
from neuro4d.recorders._table import SpikeTable as SpikeTable
from neuro4d.recorders._table import stamps as stamps
from neuro4d.recorders._table import unpack_words as unpack_words
from neuro4d.recorders._trace import Trace as Trace
from neuro4d.recorders._trace import TraceProbe as TraceProbe
