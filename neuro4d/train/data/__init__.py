"""Data for learning: sets of samples on the host, batches of them, and loaders for the usual files.

A loader reads what is on the disk of the user; nothing is downloaded. Only the digits come with the package.
"""

from neuro4d.train.data._batches import Batch as Batch
from neuro4d.train.data._batches import Batches as Batches
from neuro4d.train.data._dataset import Dataset as Dataset
from neuro4d.train.data._dataset import Splits as Splits
from neuro4d.train.data._digits import digits as digits
from neuro4d.train.data._errors import DataFormatError as DataFormatError
from neuro4d.train.data._idx import load_idx as load_idx
from neuro4d.train.data._idx import read_idx as read_idx
from neuro4d.train.data._samples import AbstractSamples as AbstractSamples
from neuro4d.train.data._samples import ArraySamples as ArraySamples
