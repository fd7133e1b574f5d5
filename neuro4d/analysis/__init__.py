"""Statistics of spike trains, on the event tables that `run.spikes("cells")` gives."""

from neuro4d.analysis._counts import binned as binned
from neuro4d.analysis._counts import correlation as correlation
from neuro4d.analysis._counts import correlations as correlations
from neuro4d.analysis._counts import fano as fano
from neuro4d.analysis._counts import rate as rate
from neuro4d.analysis._counts import rate_over_time as rate_over_time
from neuro4d.analysis._counts import rates as rates
from neuro4d.analysis._counts import synchrony as synchrony
from neuro4d.analysis._intervals import Irregularity as Irregularity
from neuro4d.analysis._intervals import cv as cv
from neuro4d.analysis._intervals import cv2 as cv2
from neuro4d.analysis._intervals import irregularity as irregularity
from neuro4d.analysis._intervals import isi as isi
from neuro4d.analysis._intervals import lv as lv
from neuro4d.analysis._mean_field import Stationary as Stationary
from neuro4d.analysis._mean_field import mean_field as mean_field
from neuro4d.analysis._siegert import siegert as siegert
