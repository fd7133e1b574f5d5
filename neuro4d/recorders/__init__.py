"""L3: recorders."""

from neuro4d.recorders._base import AbstractProbe as AbstractProbe
from neuro4d.recorders._base import AbstractRecorder as AbstractRecorder
from neuro4d.recorders._base import Chunk as Chunk
from neuro4d.recorders._base import StepBlock as StepBlock
from neuro4d.recorders._binned import Counts as Counts
from neuro4d.recorders._binned import Events as Events
from neuro4d.recorders._records import AbstractSpikeSource as AbstractSpikeSource
from neuro4d.recorders._records import CountRecord as CountRecord
from neuro4d.recorders._records import EventRecord as EventRecord
from neuro4d.recorders._records import SampleRecord as SampleRecord
from neuro4d.recorders._records import SpikeRecord as SpikeRecord
from neuro4d.recorders._records import TraceRecord as TraceRecord
from neuro4d.recorders._records import WindowRecord as WindowRecord
from neuro4d.recorders._sampled import Record as Record
from neuro4d.recorders._spikes import SpikeProbe as SpikeProbe
from neuro4d.recorders._spikes import Spikes as Spikes
from neuro4d.recorders._spikes import Window as Window
from neuro4d.recorders._table import SpikeTable as SpikeTable
from neuro4d.recorders._table import spikes_of_words as spikes_of_words
from neuro4d.recorders._table import stamps as stamps
from neuro4d.recorders._table import unpack_words as unpack_words
from neuro4d.recorders._trace import Trace as Trace
