"""Data for learning: sets of samples on the host, batches of them, and loaders for the usual files.

A loader reads what is on the disk of the user; nothing is downloaded. Only the digits come with the package.
"""

from neuro4d.train.data._batches import Batch as Batch
from neuro4d.train.data._batches import Batches as Batches
from neuro4d.train.data._dataset import Dataset as Dataset
from neuro4d.train.data._dataset import Splits as Splits
from neuro4d.train.data._digits import digits as digits
from neuro4d.train.data._errors import DataFormatError as DataFormatError
from neuro4d.train.data._events import EVENT as EVENT
from neuro4d.train.data._events import as_events as as_events
from neuro4d.train.data._events import frames as frames
from neuro4d.train.data._events import load_event_folder as load_event_folder
from neuro4d.train.data._events import read_events as read_events
from neuro4d.train.data._files import FileSamples as FileSamples
from neuro4d.train.data._idx import load_idx as load_idx
from neuro4d.train.data._idx import read_idx as read_idx
from neuro4d.train.data._images import load_image_folder as load_image_folder
from neuro4d.train.data._images import read_image as read_image
from neuro4d.train.data._nmnist import load_nmnist as load_nmnist
from neuro4d.train.data._nmnist import read_nmnist as read_nmnist
from neuro4d.train.data._samples import AbstractSamples as AbstractSamples
from neuro4d.train.data._samples import ArraySamples as ArraySamples
from neuro4d.train.data._shd import load_shd as load_shd
from neuro4d.train.data._sound import ChannelSpikes as ChannelSpikes
from neuro4d.train.data._sound import Sound as Sound
from neuro4d.train.data._sound import erb_centres as erb_centres
from neuro4d.train.data._sound import gammatone as gammatone
from neuro4d.train.data._sound import load_sound_folder as load_sound_folder
from neuro4d.train.data._sound import read_wav as read_wav
from neuro4d.train.data._sound import sound_to_spikes as sound_to_spikes
