"""L8: files in and out."""

from neuro4d.io._config import load_config as load_config
from neuro4d.io._config import sense_input as sense_input
from neuro4d.io._config_file import ConfigError as ConfigError
from neuro4d.io._config_file import read_config as read_config
from neuro4d.io._config_parts import release as release
from neuro4d.io._config_schema import BrainConfig as BrainConfig
from neuro4d.io._spike_file import open_hdf5 as open_hdf5
from neuro4d.io.exchange import Imported as Imported
from neuro4d.io.exchange import NotFromNIRError as NotFromNIRError
from neuro4d.io.exchange import from_nir as from_nir
from neuro4d.io.exchange import load_nir as load_nir
from neuro4d.io.exchange import save_nir as save_nir
from neuro4d.io.exchange import to_nir as to_nir
from neuro4d.io.hdf5 import open_untrusted as open_untrusted
from neuro4d.io.recording import SpikeRecording as SpikeRecording
from neuro4d.io.recording import SpikesToDisk as SpikesToDisk
from neuro4d.io.recording import cut_spikes as cut_spikes
from neuro4d.io.recording import open_spikes as open_spikes
