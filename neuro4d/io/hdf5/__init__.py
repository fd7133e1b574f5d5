"""HDF5: models and states as one file, and a reader for files from anybody."""

from neuro4d.io.hdf5._file import ModelFile as ModelFile
from neuro4d.io.hdf5._load import load_hdf5 as load_hdf5
from neuro4d.io.hdf5._part import ModelPart as ModelPart
from neuro4d.io.hdf5._part import PartEdges as PartEdges
from neuro4d.io.hdf5._safe import open_untrusted as open_untrusted
from neuro4d.io.hdf5._safe import read_array as read_array
from neuro4d.io.hdf5._safe import read_attribute as read_attribute
from neuro4d.io.hdf5._save import save_hdf5 as save_hdf5
