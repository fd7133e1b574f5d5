"""L8: learning and tuning: gradients with a choice, layers, losses, data, tuners."""

from neuro4d.train import data as data
from neuro4d.train._differences import Differences as Differences
from neuro4d.train._estimate import AbstractGradient as AbstractGradient
from neuro4d.train._estimate import Estimate as Estimate
from neuro4d.train._parameters import places as places
from neuro4d.train._statistic import AbstractStatistic as AbstractStatistic
from neuro4d.train._statistic import Rate as Rate
