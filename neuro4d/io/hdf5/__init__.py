"""HDF5: models and states as one file, and a reader for files from anybody."""

from neuro4d.io.hdf5._safe import open_untrusted as open_untrusted
from neuro4d.io.hdf5._safe import read_array as read_array
from neuro4d.io.hdf5._safe import read_attribute as read_attribute
