"""L4: statistics of spike trains, on event tables."""

from neuro4d.analysis._trains import Irregularity as Irregularity
from neuro4d.analysis._trains import bin_steps as bin_steps
from neuro4d.analysis._trains import binned as binned
from neuro4d.analysis._trains import correlation as correlation
from neuro4d.analysis._trains import correlations as correlations
from neuro4d.analysis._trains import cv as cv
from neuro4d.analysis._trains import cv2 as cv2
from neuro4d.analysis._trains import fano as fano
from neuro4d.analysis._trains import irregularity as irregularity
from neuro4d.analysis._trains import isi as isi
from neuro4d.analysis._trains import lv as lv
from neuro4d.analysis._trains import per_second as per_second
from neuro4d.analysis._trains import rate as rate
from neuro4d.analysis._trains import rate_over_time as rate_over_time
from neuro4d.analysis._trains import rates as rates
from neuro4d.analysis._trains import synchrony as synchrony
