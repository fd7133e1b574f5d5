"""Layers that learn: weights, neurons over time, pooling, norms, readouts, and networks of them."""

from neuro4d.train.layers._base import AbstractLayer as AbstractLayer
from neuro4d.train.layers._base import Context as Context
from neuro4d.train.layers._base import Passed as Passed
from neuro4d.train.layers._base import Record as Record
from neuro4d.train.layers._delayed import Delayed as Delayed
from neuro4d.train.layers._dense import Conv2d as Conv2d
from neuro4d.train.layers._dense import Dense as Dense
from neuro4d.train.layers._norm import BatchNorm as BatchNorm
from neuro4d.train.layers._readout import Readout as Readout
from neuro4d.train.layers._readout import first_spike as first_spike
from neuro4d.train.layers._sequential import AbstractContainer as AbstractContainer
from neuro4d.train.layers._sequential import Residual as Residual
from neuro4d.train.layers._sequential import Sequential as Sequential
from neuro4d.train.layers._shape import AvgPool2d as AvgPool2d
from neuro4d.train.layers._shape import Dropout as Dropout
from neuro4d.train.layers._shape import Flatten as Flatten
from neuro4d.train.layers._shape import Hold as Hold
from neuro4d.train.layers._shape import MaxPool2d as MaxPool2d
from neuro4d.train.layers._spiking import AbstractDynamics as AbstractDynamics
from neuro4d.train.layers._spiking import Integrate as Integrate
from neuro4d.train.layers._spiking import Recurrent as Recurrent
from neuro4d.train.layers._spiking import Spiking as Spiking
