"""Losses: what a network is to be trained to. They add, and are multiplied by numbers."""

from neuro4d.train.losses._activity import Energy as Energy
from neuro4d.train.losses._activity import RateLower as RateLower
from neuro4d.train.losses._activity import RateTarget as RateTarget
from neuro4d.train.losses._activity import RateUpper as RateUpper
from neuro4d.train.losses._activity import spike_counts as spike_counts
from neuro4d.train.losses._base import AbstractLoss as AbstractLoss
from neuro4d.train.losses._classify import TET as TET
from neuro4d.train.losses._classify import CrossEntropy as CrossEntropy
from neuro4d.train.losses._classify import check_classes as check_classes
from neuro4d.train.losses._classify import check_logits as check_logits
from neuro4d.train.losses._trains import VanRossum as VanRossum
