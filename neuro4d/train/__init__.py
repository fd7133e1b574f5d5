"""L8: learning and tuning: gradients with a choice, layers, losses, data, tuners."""

from neuro4d.train import data as data
from neuro4d.train import encoders as encoders
from neuro4d.train import losses as losses
from neuro4d.train._differences import Differences as Differences
from neuro4d.train._estimate import AbstractGradient as AbstractGradient
from neuro4d.train._estimate import Estimate as Estimate
from neuro4d.train._events import SpikeRun as SpikeRun
from neuro4d.train._events import spike_times as spike_times
from neuro4d.train._parameters import places as places
from neuro4d.train._statistic import AbstractStatistic as AbstractStatistic
from neuro4d.train._statistic import Rate as Rate
from neuro4d.train.layers import AvgPool2d as AvgPool2d
from neuro4d.train.layers import BatchNorm as BatchNorm
from neuro4d.train.layers import Conv2d as Conv2d
from neuro4d.train.layers import Dense as Dense
from neuro4d.train.layers import Dropout as Dropout
from neuro4d.train.layers import Flatten as Flatten
from neuro4d.train.layers import Hold as Hold
from neuro4d.train.layers import Integrate as Integrate
from neuro4d.train.layers import MaxPool2d as MaxPool2d
from neuro4d.train.layers import Readout as Readout
from neuro4d.train.layers import Record as Record
from neuro4d.train.layers import Recurrent as Recurrent
from neuro4d.train.layers import Residual as Residual
from neuro4d.train.layers import Sequential as Sequential
from neuro4d.train.layers import Spiking as Spiking
