"""Spikes of long runs on disk: written while the run goes on, read in parts."""

from neuro4d.io.recording._recorder import SpikesToDisk as SpikesToDisk
from neuro4d.io.recording._recording import SpikeRecording as SpikeRecording
from neuro4d.io.recording._recording import open_spikes as open_spikes
from neuro4d.io.recording._writer import cut_spikes as cut_spikes
