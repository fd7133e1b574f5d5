"""L8: files in and out."""

import importlib
from typing import TYPE_CHECKING, Any

from neuro4d.io._config import load_config as load_config
from neuro4d.io._config import sense_input as sense_input
from neuro4d.io._config_file import ConfigError as ConfigError
from neuro4d.io._config_file import read_config as read_config
from neuro4d.io._config_parts import release as release
from neuro4d.io._config_schema import BrainConfig as BrainConfig

if TYPE_CHECKING:
    from neuro4d.io._json import load_json as load_json
    from neuro4d.io._json import save_json as save_json
    from neuro4d.io._spike_file import open_hdf5 as open_hdf5
    from neuro4d.io.checkpoint import Checkpoints as Checkpoints
    from neuro4d.io.checkpoint import CheckpointWarning as CheckpointWarning
    from neuro4d.io.checkpoint import Finding as Finding
    from neuro4d.io.checkpoint import Store as Store
    from neuro4d.io.checkpoint import Stored as Stored
    from neuro4d.io.checkpoint import examine as examine
    from neuro4d.io.checkpoint import restore as restore
    from neuro4d.io.checkpoint import resume as resume
    from neuro4d.io.checkpoint import run_folder as run_folder
    from neuro4d.io.checkpoint import save as save
    from neuro4d.io.exchange import Imported as Imported
    from neuro4d.io.exchange import NotFromNIRError as NotFromNIRError
    from neuro4d.io.exchange import NotFromSONATAError as NotFromSONATAError
    from neuro4d.io.exchange import NotInNIRError as NotInNIRError
    from neuro4d.io.exchange import NotInSONATAError as NotInSONATAError
    from neuro4d.io.exchange import from_neo as from_neo
    from neuro4d.io.exchange import from_nir as from_nir
    from neuro4d.io.exchange import load_nir as load_nir
    from neuro4d.io.exchange import load_sonata as load_sonata
    from neuro4d.io.exchange import save_nir as save_nir
    from neuro4d.io.exchange import save_sonata as save_sonata
    from neuro4d.io.exchange import to_neo as to_neo
    from neuro4d.io.exchange import to_nir as to_nir
    from neuro4d.io.exchange import to_nwb as to_nwb
    from neuro4d.io.hdf5 import ModelFile as ModelFile
    from neuro4d.io.hdf5 import ModelPart as ModelPart
    from neuro4d.io.hdf5 import load_hdf5 as load_hdf5
    from neuro4d.io.hdf5 import open_untrusted as open_untrusted
    from neuro4d.io.hdf5 import save_hdf5 as save_hdf5
    from neuro4d.io.recording import SpikeRecording as SpikeRecording
    from neuro4d.io.recording import SpikesToDisk as SpikesToDisk
    from neuro4d.io.recording import cut_spikes as cut_spikes
    from neuro4d.io.recording import open_spikes as open_spikes
else:
    _LATER = {
        "load_json": "_json",
        "save_json": "_json",
        "open_hdf5": "_spike_file",
        "Checkpoints": "checkpoint",
        "CheckpointWarning": "checkpoint",
        "Finding": "checkpoint",
        "Store": "checkpoint",
        "Stored": "checkpoint",
        "examine": "checkpoint",
        "restore": "checkpoint",
        "resume": "checkpoint",
        "run_folder": "checkpoint",
        "save": "checkpoint",
        "Imported": "exchange",
        "NotFromNIRError": "exchange",
        "NotFromSONATAError": "exchange",
        "NotInNIRError": "exchange",
        "NotInSONATAError": "exchange",
        "from_neo": "exchange",
        "from_nir": "exchange",
        "load_nir": "exchange",
        "load_sonata": "exchange",
        "save_nir": "exchange",
        "save_sonata": "exchange",
        "to_neo": "exchange",
        "to_nir": "exchange",
        "to_nwb": "exchange",
        "ModelFile": "hdf5",
        "ModelPart": "hdf5",
        "load_hdf5": "hdf5",
        "open_untrusted": "hdf5",
        "save_hdf5": "hdf5",
        "SpikeRecording": "recording",
        "SpikesToDisk": "recording",
        "cut_spikes": "recording",
        "open_spikes": "recording",
    }

    def __getattr__(name: str) -> Any:
        """All but configurations is loaded when it is first used: most scripts neither read nor write a file."""
        if name in _LATER:
            return getattr(importlib.import_module(f"neuro4d.io.{_LATER[name]}"), name)
        raise AttributeError(f"module 'neuro4d.io' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LATER})
